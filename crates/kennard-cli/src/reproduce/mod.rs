//! The experiments of the paper, with their settings in `experiments/`, each ending in its table, its pictures,
//! and whether the paper's claim came out.

mod claim;
mod conjugates;
mod features;
mod fragile;
mod plane;
mod resolve;
mod tradeoff;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use crate::settings::Number;
use crate::source::write_all;
use crate::tradeoff::Sweep;
use crate::{Done, Outcome};
use claim::Claim;

type Error = Box<dyn std::error::Error>;

/// What must be said where `--split test` is also what networks are examined on.
const SEEN: &str =
    "The networks were trained on the split that they are examined on: accuracies are too high.\n\n";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Experiment {
    /// An accurate network under attacks of growing size
    E1,
    /// Accuracy, robust accuracy and conjugate spreads, epoch by epoch
    E2,
    /// The trade-off over methods and strengths
    E3,
    /// Two classes in the plane, by quadrature
    E4,
    /// The label read from the input, and from the loss gradient, along the trade-off
    E5,
    /// Attacks on features beside attacks on pixels
    E6,
}

#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    experiment: Experiment,
    /// The data set, to train and to test on: mnist:DIR, fashion-mnist:DIR, cifar10:DIR …; e4 makes its own
    #[arg(long, value_name = "KIND:PATH")]
    data: Option<String>,
    /// The part of it to train on: train, or test for a quick look (it is also examined) [default: train]
    #[arg(long)]
    split: Option<String>,
    /// Where to keep the runs, and to write the table and the pictures
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The size of attacks (linf) [default: 0.1 for images in grey, 8/255 for those in colour]
    #[arg(long)]
    eps: Option<Number>,
    /// Fewer or more epochs than the experiment has
    #[arg(long)]
    epochs: Option<usize>,
    /// Train on, and examine, only so many samples, drawn at random: for a quick look
    #[arg(long)]
    samples: Option<usize>,
    /// Print the result as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// What an experiment ends with.
struct Report {
    /// Tables and remarks, in Markdown.
    text: String,
    claims: Vec<Claim>,
    figures: serde_json::Value,
    pictures: Vec<(String, Vec<u8>)>,
}

pub fn run(args: &Args) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|e| format!("--out {}: {e}", args.out.display()))?;
    let stop = crate::setup::stop_on_interrupt()?;
    let report = match args.experiment {
        Experiment::E1 => fragile::run(args, &stop)?,
        Experiment::E2 => conjugates::run(args, &stop)?,
        Experiment::E3 => tradeoff::run(args, &stop)?,
        Experiment::E4 => plane::run(args, &stop)?,
        Experiment::E5 => resolve::run(args, &stop)?,
        Experiment::E6 => features::run(args, &stop)?,
    };
    let Some(report) = report else {
        eprintln!("{}: what is done is kept; the same command goes on", args.out.display());
        return Ok(Done::Interrupted);
    };
    let name = format!("{:?}", args.experiment).to_lowercase();
    let claims: String = report.claims.iter().map(Claim::line).collect();
    let made = matches!(args.experiment, Experiment::E4);
    let seen = if args.split.as_deref() == Some("test") && !made { SEEN } else { "" };
    let text = format!("{}\n{seen}{claims}", report.text);
    let result = json!({ "claims": report.claims, "figures": report.figures });
    let mut files = vec![
        (format!("{name}.md"), text.clone().into_bytes()),
        (format!("{name}.json"), (serde_json::to_string_pretty(&result)? + "\n").into_bytes()),
    ];
    files.extend(report.pictures);
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    write_all(&args.out, &files)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print!("\n{text}");
    }
    Ok(Done::Fully)
}

impl Args {
    /// The runs of an experiment's settings, on the data of the command line.
    fn sweep(&self, text: &str) -> Result<Sweep, Error> {
        let data = self.data.as_deref().ok_or("--data is missing: the data set, fashion-mnist:DIR say")?;
        let colour = ["cifar10:", "cifar100:"].iter().any(|kind| data.starts_with(kind));
        let eps = self.eps.map_or(if colour { 8.0 / 255.0 } else { 0.1 }, |eps| eps.0);
        let mut text = text.to_string();
        for (name, part) in [("\"EPS/4\"", 4.0), ("\"EPS/2\"", 2.0)] {
            text = text.replace(name, &format!("{:?}", eps / part));
        }
        let mut common = toml::Table::new();
        common.insert("data".into(), data.into());
        common.insert("eps".into(), eps.into());
        if let Some(split) = &self.split {
            common.insert("split".into(), split.as_str().into());
        }
        Ok(Sweep::read(&text, common)?.shortened(self.epochs, self.samples))
    }
}

/// Trains a run of a sweep into its directory. Whether it came to its end.
fn teach(run: &(String, crate::recipe::Settings), out: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    eprintln!("training {}", run.0);
    crate::tradeoff::teach(&run.1, &out.join(&run.0), stop)
}

fn value(figures: &impl Serialize) -> Result<serde_json::Value, Error> {
    Ok(serde_json::to_value(figures)?)
}
