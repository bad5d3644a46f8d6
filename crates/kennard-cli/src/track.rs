use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::builder::RangedU64ValueParser;
use kennard::audit::{FinishedRun, Warning};
use kennard::experiment::{
    Correlation, Origin, Point, SAMPLES, SERIES, correlation_lines, follow, table, track_files,
};
use kennard::report::{Block, Sheet};
use kennard::train::{TrainedOn, TrainingManifest};
use serde_json::json;

use crate::lab::Bench;
use crate::report::{SAME_COMMAND, percent, percents, refuse_others, say_below, span};
use crate::settings::{Attacks, Bounds, Data, Named, Number, Part, Settings, Threat};
use crate::source::{show, with_pdfs, write_all};
use crate::{Done, Ended, Usage, screen};

/// What the title of the page ends with.
const OVER: &str = " over its epochs";

#[derive(clap::Args)]
pub struct Args {
    /// The directory of a training run, or any folder of ONNX files of one network over time
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Only every Nth checkpoint, and the last
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    every: usize,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Ended {
    let out = args.settings.output.out.clone().unwrap_or_else(|| args.run.join("track"));
    if args.settings.sharding.shard.is_some() {
        let message = "--shard: a tracked run has no shards, and figures over epochs are of all samples; audit checkpoints by \
                       themselves (`kennard audit`) to divide their samples";
        return Err(Usage(message.into()).into());
    }
    let audit = with_defaults(args.settings, &args.run)?;
    let stop = crate::setup::stop_on_interrupt()?;
    let page = page(&args.run.display().to_string(), crate::command_line());
    let begun = Mutex::new(Some((out.clone(), page.clone())));
    let bench = Bench { runs: Vec::new(), training: Vec::new(), audit, stop, page: begun };
    kennard::run::prepare_shared(&out)?;
    refuse_others(&out, |title| title.ends_with(OVER))?;
    let Some(points) = follow(&bench, &args.run, args.every, &out, true)? else {
        crate::report::beside(&out, "")?;
        warn!("{}: what is done is kept; the same command continues", out.display());
        return Ok(Done::Interrupted);
    };
    let (mut files, found) = track_files(&points, &format!("{}{OVER}", args.run.display()))?;
    let seen = points.first().is_some_and(|point| is_seen(&args.run, &out.join(&point.name)));
    let seen = Vec::from_iter(seen.then(|| seen_in_training("the network is")));
    say_below(&mut files, "track.md", &seen);
    write_all(&out, &with_pdfs(files)?)?;
    let page = Sheet { warnings: seen.clone(), ..filled(page, &points, &found) };
    crate::report::leave(&out, &page)?;
    show(&json!({ "points": points, "correlations": found }), args.json, |_| {
        say!("\n{}\n{}", table(&points), correlation_lines(&found, true).trim_end());
        screen::warnings(&seen);
    })?;
    Ok(Done::Fully)
}

/// The warning that accuracies are too high, as training had the samples; `whose` begins the sentence: "the network is".
pub fn seen_in_training(whose: &str) -> Warning {
    let message = format!("{whose} trained on the samples that are examined: accuracies are too high");
    Warning::new("seen-in-training", message)
}

/// Whether the audit in a directory is of the data that a training run had; false where one of them does not say.
pub fn is_seen(training: &Path, audit: &Path) -> bool {
    let Ok(Some(manifest)) = TrainingManifest::read(training) else { return false };
    let TrainedOn::DataSet { data } = manifest.training.samples else { return false };
    let Ok(run) = FinishedRun::open(audit) else { return false };
    let examined = run.outcome.summary.data;
    let (mut there, mut here) =
        (data.sha256, examined.files.into_iter().map(|file| file.sha256).collect::<Vec<_>>());
    there.sort();
    here.sort();
    // An archive of arrays may hold both splits; other files are of one.
    let apart = data.split != examined.split && data.name.starts_with("npz:");
    !there.is_empty() && there == here && !apart
}

/// The page before the first checkpoint of a run of this name.
pub fn page(run: &str, command: Vec<String>) -> Sheet {
    let title = format!("{run}{OVER}");
    let what = "Checkpoints of a training run, audited one by one.";
    Sheet { audits: true, goes_on: Some(SAME_COMMAND.into()), ..Sheet::new(title, what, command) }
}

/// The page with the figures of the last checkpoint, and how figures go together over all.
pub fn filled(mut page: Sheet, points: &[Point], found: &[Correlation]) -> Sheet {
    if let Some(last) = points.last() {
        let at = last.epoch.map_or_else(|| last.name.clone(), |epoch| format!("epoch {epoch}"));
        for (name, share) in [("clean", last.clean), ("robust", last.robust), ("certified", last.certified)] {
            if share.value.is_finite() {
                let interval = Some(percents(share.interval));
                page = page.lead(format!("{name} accuracy, {at}"), percent(share.value), interval);
            }
        }
    }
    let row = |c: &Correlation| {
        vec![c.of.clone(), c.with.clone(), format!("{:+.2}", c.rho), span(c.interval), c.networks.to_string()]
    };
    let header = ["figure", "with", "rank correlation", "95 % interval", "checkpoints"];
    let parts = vec![Block::table(&header, found.iter().map(row).collect()), Block::note(SERIES)];
    page.section("What goes together", if found.is_empty() { Vec::new() } else { parts })
}

/// What the training run says of its data and its threat model, where the settings say nothing.
fn with_defaults(settings: Settings, run: &Path) -> Result<Settings, Box<dyn std::error::Error>> {
    let Origin { data, classes, label_column, resize, centre_crop, interpolation, norm, eps, bounds } =
        Origin::of(run);
    let interpolation = interpolation.map(|by| by.to_string());
    let origin = Settings {
        data: Data { data, classes, label_column, resize, centre_crop, interpolation, ..Data::default() },
        threat: Threat { norm, eps: eps.map(Number), bounds: bounds.map(Bounds) },
        attacks: Attacks { attack: Some(vec![Named::plain("pgd")]), ..Attacks::default() },
        ..Settings::default()
    };
    let mut settings = settings.or(origin);
    settings.taken = settings.taken.or_samples(SAMPLES);
    settings.complete(false)
}
