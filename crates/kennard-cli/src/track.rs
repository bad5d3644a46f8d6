use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kennard::audit::Checkpoint;
use kennard::train::{TrainedOn, TrainingManifest};
use serde_json::json;

use crate::points::{self, Correlation, Point};
use crate::settings::{Bounds, Number, Settings};
use crate::source::{json, write_all};
use crate::{Done, Outcome};

type Error = Box<dyn std::error::Error>;

#[derive(clap::Args)]
pub struct Args {
    /// The directory of a training run, or any folder of ONNX files of one network over time
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Only every so many checkpoints, and the last
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Outcome {
    let out = args.settings.out.clone().unwrap_or_else(|| args.run.join("track"));
    let settings = with_defaults(args.settings, &args.run)?;
    let stop = crate::setup::stop_on_interrupt()?;
    let Some(points) = follow(&args.run, args.every, &settings, &out, &stop)? else {
        warn!("{}: what is done is kept; the same command goes on", out.display());
        return Ok(Done::Interrupted);
    };
    let title = format!("{} over its epochs", args.run.display());
    let found = write(&points, &title, &out)?;
    if args.json {
        crate::out::json(&json(&json!({ "points": points, "correlations": found }))?);
    } else {
        say!("\n{}\n{}", points::table(&points), points::correlation_lines(&found).trim_end());
    }
    Ok(Done::Fully)
}

/// Writes a run's points as table, picture and JSON; returns their correlations with robust accuracy.
pub fn write(points: &[Point], title: &str, out: &Path) -> Result<Vec<Correlation>, Error> {
    let found = points::correlations(points, "robust accuracy", |p| p.robust);
    let json = serde_json::to_string_pretty(&json!({ "points": points, "correlations": found }))? + "\n";
    let text = points::table(points) + "\n" + &points::correlation_lines(&found);
    let files = [
        ("track.json", json.into_bytes()),
        ("track.csv", points::csv(points).into_bytes()),
        ("track.md", text.into_bytes()),
        ("track.svg", points::over_epochs(points, title)?.into_bytes()),
    ];
    write_all(out, &files)?;
    crate::report::beside(out, "")?;
    Ok(found)
}

/// Audits the checkpoints of a run, each into a directory of its own under `out`. `None`: interrupted.
pub fn follow(
    run: &Path,
    every: usize,
    settings: &Settings,
    out: &Path,
    stop: &AtomicBool,
) -> Result<Option<Vec<Point>>, Error> {
    let models = checkpoints(run)?;
    let mut points = Vec::new();
    for (i, (epoch, model)) in models.iter().enumerate() {
        let epoch = *epoch;
        if !(i + 1).is_multiple_of(every.max(1)) && i + 1 != models.len() {
            continue;
        }
        let name = model.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let place = out.join(&name);
        std::fs::create_dir_all(&place).map_err(|e| format!("--out {}: {e}", place.display()))?;
        let settings = Settings { out: Some(place), ..settings.clone() };
        let checkpoint = Checkpoint { run: run.display().to_string(), epoch: epoch as u64 };
        let Some(summary) = points::examine(model, Some(checkpoint), &settings, stop)? else {
            return Ok(None);
        };
        let point = Point::of(name, Some(epoch), &summary);
        note!("{}: clean {:.1} %, robust {:.1} %", point.name, 100.0 * point.clean, 100.0 * point.robust);
        points.push(point);
    }
    Ok(Some(points))
}

/// The epoch that the name of a file ends with.
fn epoch(model: &Path) -> Option<usize> {
    let stem = model.file_stem()?.to_str()?;
    stem[stem.trim_end_matches(|c: char| c.is_ascii_digit()).len()..].parse().ok()
}

/// The ONNX files of a run with their epochs: the numbers that their names end with, where all have one of their own;
/// else their places in the order of their names.
fn checkpoints(run: &Path) -> Result<Vec<(usize, PathBuf)>, Error> {
    let folder = [run.join("checkpoints"), run.to_path_buf()].into_iter().find(|path| path.is_dir());
    let folder = folder.ok_or_else(|| format!("{}: there is no such directory", run.display()))?;
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut models: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    if models.is_empty() {
        return Err(format!(
            "{}: there is no ONNX file; name the directory of a training run",
            folder.display()
        )
        .into());
    }
    let numbers: BTreeSet<usize> = models.iter().filter_map(|model| epoch(model)).collect();
    let numbered = numbers.len() == models.len();
    let at =
        |(place, model): (usize, PathBuf)| (epoch(&model).filter(|_| numbered).unwrap_or(place + 1), model);
    let mut models: Vec<(usize, PathBuf)> = models.into_iter().enumerate().map(at).collect();
    models.sort();
    Ok(models)
}

/// What the training run says of its data and its threat model, where the settings say nothing.
fn with_defaults(mut settings: Settings, run: &Path) -> Result<Settings, Error> {
    if let Ok(Some(TrainingManifest { training, .. })) = TrainingManifest::read(run) {
        if let TrainedOn::DataSet { data } = training.samples {
            settings.data = settings.data.or(Some(data.name));
            settings.classes = settings.classes.or(data.classes);
        }
        let recipe = training.recipe;
        settings.eps = settings.eps.or(recipe.eps.map(Number));
        settings.bounds = settings.bounds.or(Some(Bounds(recipe.bounds.map(f64::from))));
        settings.norm = settings.norm.or(Some(recipe.norm));
    }
    if settings.first.is_none() {
        settings.samples = settings.samples.or(Some(SAMPLES));
    }
    settings.attack = settings.attack.or_else(|| Some(vec![crate::settings::Named::plain("pgd")]));
    settings.complete(false)
}

/// So many samples are attacked by default: intervals of ±3 %.
pub const SAMPLES: usize = 1000;
