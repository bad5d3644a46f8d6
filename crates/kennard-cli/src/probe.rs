use std::path::PathBuf;

use kennard::picture::{Histogram, Map};
use kennard::probe::{Distribution, Probe, ProbeReport, ProbeSummary};
use kennard::run::ModelSummary;

use crate::screen::{grouped, short};
use crate::source::{Subject, json, prepare_new, show, write_all};
use crate::{Done, Ended, screen};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where to write summary.json, cosine.svg, contributions.png and report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Ended {
    prepare_new(args.out.as_deref())?;
    let (samples, engine, data) = args.subject.open()?;
    let engine = engine.for_samples(samples.indices(data.len()).len());
    let model = ModelSummary::of_file(&args.subject.model.file, engine.classifier())?;
    let stop = crate::setup::stop_on_interrupt()?;
    let probe = Probe { samples, label: None };
    let report = data.while_unchanged(|| probe.measure(&engine, &data, &stop, |_| ()))?;
    let summary = ProbeSummary::new(model, &data, report)?;
    show(&summary, args.json, |summary| {
        print(&summary.report);
        screen::warnings(&summary.warnings);
    })?;
    let report = &summary.report;
    if let Some(directory) = &args.out {
        let histogram = Histogram {
            title: "Cosine of a sample and its loss gradient".into(),
            x: "cos(x, dl/dx) [1]".into(),
            y: "samples per bin".into(),
            ends: report.cosine_histogram.ends,
            counts: report.cosine_histogram.counts.clone(),
            mark: report.cosine.map(|cosine| ("mean".into(), cosine.mean)),
        };
        let map = Map {
            title: "mean conjugate contribution |x_i g_i|",
            unit: "1",
            shape: data.shape(),
            values: &report.contribution_map,
            signed: false,
        };
        let mut files = vec![("cosine.svg", histogram.svg()?.into_bytes())];
        match map.png() {
            Ok(png) => files.push(("contributions.png", png)),
            Err(error) => warn!("no contributions.png: {error}"),
        }
        files.push(("summary.json", json(&summary)?.into_bytes()));
        write_all(directory, &files)?;
        crate::report::beside(directory, "")?;
    }
    Ok(if report.complete { Done::Fully } else { Done::Interrupted })
}

fn print(report: &ProbeReport) {
    let of_all = if report.complete { String::new() } else { format!(" of {}", grouped(report.total)) };
    say!("{}{of_all} samples, {} classified correctly", grouped(report.samples), grouped(report.correct));
    if report.without_cosine > 0 {
        say!(
            "{} have no cosine: the sample or its gradient is zero, or not finite",
            grouped(report.without_cosine)
        );
    }
    if report.not_finite > 0 {
        say!(
            "{} of these are in no figure, Σ |x_i g_i| included: the loss or its gradient is not finite there",
            grouped(report.not_finite)
        );
    }
    say!("");
    say!(
        "                   mean   95 % interval                5 %      25 %    median      75 %      95 %"
    );
    line("cos(x, ∂l)", report.cosine.as_ref());
    line("Σ |x_i g_i|", report.contribution.as_ref());
    say!("");
    say!("g = ∂ ln l of the label's cross-entropy l, one backward pass per sample");
}

fn line(name: &str, distribution: Option<&Distribution>) {
    let Some(d) = distribution else { return say!("{name:<12} {:>10}", "none") };
    let span =
        d.mean_interval.map_or("none".into(), |[low, high]| format!("[{}, {}]", short(low), short(high)));
    let quantiles = [d.q05, d.q25, d.median, d.q75, d.q95].map(|q| format!("{:>9}", short(q))).join(" ");
    say!("{name:<12} {:>10}   {span:<20} {quantiles}", short(d.mean));
}
