use std::path::{Path, PathBuf};

use kennard::experiment::{Origin, SAMPLES, correlation_lines, follow, table, track_files};
use serde_json::json;

use crate::lab::Bench;
use crate::settings::{Attacks, Bounds, Data, Named, Number, Part, Settings, Threat};
use crate::source::{show, write_all};
use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// The directory of a training run, or any folder of ONNX files of one network over time
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Only every Nth checkpoint, and the last
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Outcome {
    let out = args.settings.output.out.clone().unwrap_or_else(|| args.run.join("track"));
    let audit = with_defaults(args.settings, &args.run)?;
    let stop = crate::setup::stop_on_interrupt()?;
    let bench = Bench { runs: Vec::new(), training: Vec::new(), audit, stop };
    let Some(points) = follow(&bench, &args.run, args.every, &out)? else {
        warn!("{}: what is done is kept; the same command goes on", out.display());
        return Ok(Done::Interrupted);
    };
    let (files, found) = track_files(&points, &format!("{} over its epochs", args.run.display()))?;
    write_all(&out, &files)?;
    crate::report::beside(&out, "")?;
    show(&json!({ "points": points, "correlations": found }), args.json, |_| {
        say!("\n{}\n{}", table(&points), correlation_lines(&found).trim_end());
    })?;
    Ok(Done::Fully)
}

/// What the training run says of its data and its threat model, where the settings say nothing.
fn with_defaults(settings: Settings, run: &Path) -> Result<Settings, Box<dyn std::error::Error>> {
    let Origin { data, classes, norm, eps, bounds } = Origin::of(run);
    let origin = Settings {
        data: Data { data, classes, split: None },
        threat: Threat { norm, eps: eps.map(Number), bounds: bounds.map(Bounds) },
        attacks: Attacks { attack: Some(vec![Named::plain("pgd")]), ..Attacks::default() },
        ..Settings::default()
    };
    let mut settings = settings.or(origin);
    settings.taken = settings.taken.or_samples(SAMPLES);
    settings.complete(false)
}
