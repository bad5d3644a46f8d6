use std::sync::atomic::Ordering;

use clap::ValueEnum;
use kennard::probe::{Accuracy, Reader, Resolve, ResolveReport};

use crate::screen::grouped;
use crate::settings::{Data, Taken};
use crate::source::{Given, show};
use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: Given,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    taken: Taken,
    /// What reads the label
    #[arg(long, default_value = "linear")]
    probe: Probe,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Probe {
    /// Multinomial logistic regression
    Linear,
    /// A small convolutional network, trained with AdamW; images alone
    Cnn,
}

pub fn run(args: &Args) -> Outcome {
    let (engine, data) = args.model.on(&args.data)?;
    let stop = crate::setup::stop_on_interrupt()?;
    let reader = match args.probe {
        Probe::Linear => Reader::Linear,
        Probe::Cnn => Reader::Cnn,
    };
    let resolve = Resolve { samples: args.taken.selection(args.model.seed())?, reader };
    let report = data.while_unchanged(|| resolve.measure(&engine, &data, &stop, |_| ()))?;
    show(&report, args.json, print)?;
    Ok(if stop.load(Ordering::Relaxed) { Done::Interrupted } else { Done::Fully })
}

fn print(report: &ResolveReport) {
    let probes = match report.reader {
        Reader::Linear => "linear softmax",
        Reader::Cnn => "convolutional",
    };
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
            say!("  the fit did not come to its minimum");
        }
    }
    row("(the network itself)", &report.network);
    row("(most frequent label)", &report.majority);
    say!("");
    say!("delta-true: direction of the loss gradient of the true label. It holds the label by construction");
    say!("(for a linear network: Σ p_k w_k − w_y), so its accuracy is no measure of what the network knows.");
    match report.differing {
        0 => say!("delta-predicted is the same: the network predicts every label rightly."),
        n => say!(
            "delta-predicted: the same of the label that the network predicts, which differs for {} samples.",
            grouped(n)
        ),
    }
    if !report.unfitted.is_empty() {
        let labels: Vec<String> = report.unfitted.iter().map(usize::to_string).collect();
        warn!(
            "warning (unfitted): no sample that the probes are fitted to has the label {}, and tested ones have: is the data \
             sorted with a period? A random part (--samples) is not",
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
}

fn row(name: &str, share: &Accuracy) {
    let [low, high] = share.interval;
    say!("{name:<22} {:>8.2} %   {:>5.2} – {:>5.2} %", 100.0 * share.accuracy, 100.0 * low, 100.0 * high);
}
