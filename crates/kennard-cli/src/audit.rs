use std::path::PathBuf;
use std::sync::atomic::Ordering;

use kennard::audit::{Manifest, RunDirectory};

use crate::progress::Display;
use crate::settings::Settings;
use crate::{Done, Outcome, report, screen, setup};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// A TOML file of settings, under the names of the options; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on with the run in --out where it was interrupted
    #[arg(long, requires = "out")]
    resume: bool,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Outcome {
    let settings = match &args.config {
        Some(file) => args.settings.or_from(file)?,
        None => args.settings,
    }
    .complete(false)?;
    if let Some(directory) = &settings.out {
        // Before the work, not after it.
        std::fs::create_dir_all(directory).map_err(|e| format!("--out {}: {e}", directory.display()))?;
    }
    let (data, engine) = setup::open(&args.model, &settings)?;
    let audit = setup::whole_audit(&args.model, &settings, &data, &engine)?;
    let directory = match &settings.out {
        None => None,
        Some(path) => {
            let manifest = Manifest::new(&audit, crate::command_line())?;
            let directory = RunDirectory::open(path, &manifest, args.resume)?;
            if !directory.finished().is_empty() {
                note!("{}: {} samples are there already", path.display(), directory.finished().len());
            }
            Some(directory)
        }
    };
    let stop = setup::stop_on_interrupt()?;
    let mut display = Display::new();
    let show = |progress| display.show(progress);
    let result = match directory {
        Some(directory) => audit.run_in(directory, &stop, show),
        None => audit.run(&stop, show),
    };
    display.finish();
    let outcome = result?;

    if args.json {
        crate::out::json(&outcome.summary.to_json()?);
    } else {
        screen::print(&outcome.summary, Some(engine.plan()));
    }
    if let Some(directory) = &settings.out {
        report::beside(directory, "manifest.json, samples.parquet, examples.parquet, summary.json");
    }
    Ok(if stop.load(Ordering::Relaxed) { Done::Interrupted } else { Done::Fully })
}
