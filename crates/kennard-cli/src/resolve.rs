use std::path::PathBuf;

use clap::builder::PossibleValue;
use kennard::audit::Warning;
use kennard::data::DataSet;
use kennard::probe::{Accuracy, Reader, Resolve, ResolveReport};
use kennard::report::{Block, Sheet};

use crate::report::{flagged, percent, percents};
use crate::screen::grouped;
use crate::settings::by_name;
use crate::source::{ModelArgs, Subject, json, prepare_new, show, write_all};
use crate::{Done, Ended, screen};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    subject: Subject,
    /// What reads the label
    #[arg(
        long,
        default_value = "linear",
        value_parser = READERS.map(|(name, _, about)| PossibleValue::new(name).help(about)),
    )]
    probe: String,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where to write summary.json and report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Probes by name, and what the help says of each.
const READERS: [(&str, Reader, &str); 2] = [
    ("linear", Reader::Linear, "Multinomial logistic regression"),
    ("cnn", Reader::Cnn, "A small convolutional network, trained with AdamW; images alone"),
];

pub fn run(args: &Args) -> Ended {
    prepare_new(args.out.as_deref())?;
    let (samples, engine, data) = args.subject.open()?;
    let stop = crate::setup::stop_on_interrupt()?;
    let reader = by_name("probe", &args.probe, &READERS.map(|(name, reader, _)| (name, reader)))?;
    let resolve = Resolve { samples, reader };
    let report = data.while_unchanged(|| resolve.measure(&engine, &data, &stop, |_| ()))?;
    if report.network.tested == 0 {
        warn!("no sample was finished");
        return Ok(Done::Interrupted);
    }
    show(&report, args.json, print)?;
    if let Some(directory) = &args.out {
        write_all(directory, &[("summary.json", json(&report)?.into_bytes())])?;
        crate::report::leave(directory, &sheet(&report, &args.subject.model, &data))?;
    }
    Ok(if report.complete { Done::Fully } else { Done::Interrupted })
}

/// The page.
fn sheet(report: &ResolveReport, model: &ModelArgs, data: &DataSet) -> Sheet {
    let what = format!(
        "{} on {}: {} probes fitted to {} samples and tested on {} others.",
        model.file.display(),
        data.in_words(),
        report.reader,
        grouped(report.fitted),
        grouped(report.network.tested)
    );
    let mut sheet = Sheet::new("The label read from x and from Δ", what, crate::command_line());
    sheet.finished = report.complete;
    sheet.warnings = flagged(&report.warnings);
    let mut rows = Vec::new();
    for probe in &report.probes {
        let Accuracy { accuracy, interval, .. } = probe.share;
        let name = format!("label read from {}", probe.input);
        sheet = sheet.lead(name, percent(accuracy), Some(percents(interval)));
        if probe.converged == Some(false) {
            let message = format!("the fit of the probe of {} did not converge", probe.input);
            sheet.warnings.push(Warning::new("fit", message));
        }
    }
    let readings = report.probes.iter().map(|probe| (probe.input.as_str(), &probe.share));
    let others =
        [("the network itself", &report.network), ("always the most frequent label", &report.majority)];
    for (name, share) in readings.chain(others) {
        let counts = [grouped(share.correct), grouped(share.tested)];
        let figures = [percent(share.accuracy), percents(share.interval)];
        rows.push([name.to_string()].into_iter().chain(figures).chain(counts).collect());
    }
    if !report.unfitted.is_empty() {
        let labels: Vec<String> = report.unfitted.iter().map(usize::to_string).collect();
        let message = format!("no sample that the probes are fitted to has the label {}", labels.join(", "));
        sheet.warnings.push(Warning::new("unfitted", message));
    }
    let header = ["label read from", "accuracy", "95 % interval", "right", "tested"];
    let notes = [
        "delta-true is the direction of the loss gradient of the true label. It holds the label by construction, so its \
         accuracy is no measure of what the network knows."
            .to_string(),
        format!(
            "delta-predicted is the same of the label that the network predicts; the two differ for {} of all {} samples, \
             fitted or tested.",
            grouped(report.differing),
            grouped(report.fitted + report.network.tested)
        ),
        format!(
            "{} samples are left out because an answer or a gradient is not finite, and {} have no gradient at all.",
            grouped(report.not_finite),
            grouped(report.zero_gradients)
        ),
    ];
    let parts = [Block::table(&header, rows)].into_iter().chain(notes.map(Block::note));
    sheet.section("Readings", parts.collect())
}

fn print(report: &ResolveReport) {
    let probes = report.reader;
    say!(
        "{probes} probes fitted to {} samples, every second one, tested on the {} others",
        grouped(report.fitted),
        grouped(report.network.tested)
    );
    say!("");
    say!("label read from          accuracy   95 % interval");
    for probe in &report.probes {
        row(&probe.input, &probe.share);
        if probe.converged == Some(false) {
            say!("  the fit did not converge");
        }
    }
    row("(the network itself)", &report.network);
    row("(most frequent label)", &report.majority);
    say!("");
    say!("delta-true: direction of the loss gradient of the true label. It holds the label by construction");
    say!("(for a linear network: Σ p_k w_k − w_y), so its accuracy is no measure of what the network knows.");
    match report.differing {
        0 => say!("delta-predicted is the same: the network predicts every label correctly."),
        n => {
            say!("delta-predicted: the same of the label that the network predicts, which differs for");
            say!(
                "{} of all {} samples, fitted or tested.",
                grouped(n),
                grouped(report.fitted + report.network.tested)
            );
        }
    }
    if !report.unfitted.is_empty() {
        let labels: Vec<String> = report.unfitted.iter().map(usize::to_string).collect();
        warn!(
            "warning (unfitted): no sample that the probes are fitted to has the label {}, but tested samples have it: are the labels \
             in a periodic order? A random part (--samples) is in none",
            labels.join(", ")
        );
    }
    if report.not_finite > 0 {
        say!(
            "{} samples are left out: an answer or a gradient is not finite there.",
            grouped(report.not_finite)
        );
    }
    if report.zero_gradients > 0 {
        say!("{} samples have no gradient at all.", grouped(report.zero_gradients));
    }
    screen::warnings(&report.warnings);
}

fn row(name: &str, share: &Accuracy) {
    let [low, high] = share.interval;
    say!("{name:<22} {:>8.2} %   {:>5.2} – {:>5.2} %", 100.0 * share.accuracy, 100.0 * low, 100.0 * high);
}
