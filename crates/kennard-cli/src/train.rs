use std::path::PathBuf;
use std::time::Duration;

use kennard::experiment::recipe::Course;
use kennard::train::{Epoch, Training, TrainingDirectory, TrainingProgress};

use crate::progress::Gauge;
use crate::recipe::Settings;
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Where to keep checkpoints, log.jsonl, best.onnx and last.onnx
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with the run in --out where it was interrupted
    #[arg(long)]
    resume: bool,
    /// Print the lines of log.jsonl to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Ended {
    let course = args.settings.prepare()?;
    let command = crate::command_line();
    let directory = TrainingDirectory::open(&args.out, command, &course.settings, args.resume)?;
    let stop = crate::setup::stop_on_interrupt()?;
    let json = args.json;
    let trained = teach(&course, &directory, &stop, |epoch| {
        if json {
            crate::out::json(&format!("{}\n", serde_json::json!(epoch)));
        } else {
            say!("{}", line(epoch));
        }
    })?;
    let done = trained.epochs.len();
    if trained.interrupted {
        let kept = if done == 1 { "1 epoch is kept".into() } else { format!("{done} epochs are kept") };
        warn!("{}: {kept}; --resume continues", args.out.display());
        return Ok(Done::Interrupted);
    }
    let best = kennard::train::best(&trained.epochs, &course.recipe.method).map_or(0, |epoch| epoch.epoch);
    crate::report::beside(
        &args.out,
        &format!("checkpoints, log.jsonl, last.onnx, best.onnx (epoch {best})"),
    )?;
    Ok(Done::Fully)
}

/// Trains, showing how far it is. `each` is told of every epoch that ends.
pub fn teach(
    course: &Course,
    directory: &TrainingDirectory,
    stop: &std::sync::atomic::AtomicBool,
    mut each: impl FnMut(&Epoch),
) -> Result<kennard::train::Trained, kennard::Error> {
    let training = Training {
        model: &course.model,
        recipe: &course.recipe,
        samples: &course.samples,
        runtime: &course.runtime,
        threads: course.threads,
    };
    let mut display = TrainingDisplay::new(course.recipe.epochs, course.recipe.batch);
    let result = training.run(Some(directory), stop, |progress| match progress.ended {
        Some(epoch) => display.gauge.aside(|| each(epoch)),
        None => display.show(&progress),
    });
    display.gauge.finish();
    let trained = result?;
    if let Some(damage) = &trained.damage {
        warn!("warning (state): {damage}");
    }
    Ok(trained)
}

/// An epoch as a line.
pub fn line(epoch: &Epoch) -> String {
    let share = |name: &str, share: Option<f64>| {
        share.map_or(String::new(), |share| format!("  {name} {:6.2} %", 100.0 * share))
    };
    let held_out = share("validation", epoch.validation_accuracy);
    let robust = share("robust", epoch.robust_validation_accuracy);
    let warning = epoch.warning.as_ref().map_or(String::new(), |w| format!("\nwarning (overfitting): {w}"));
    format!(
        "epoch {:>3}  loss {:>8.4}  train {:6.2} %{held_out}{robust}  {:.1} s{warning}",
        epoch.epoch,
        epoch.loss,
        100.0 * epoch.train_accuracy,
        epoch.seconds
    )
}

/// Shows how far a training run is.
struct TrainingDisplay {
    gauge: Gauge,
    epochs: usize,
    batch: usize,
}

impl TrainingDisplay {
    fn new(epochs: usize, batch: usize) -> TrainingDisplay {
        let gauge = Gauge::new("{prefix} {wide_bar}  {msg}  {pace}", Duration::from_secs(30));
        TrainingDisplay { gauge, epochs, batch }
    }

    fn show(&mut self, progress: &TrainingProgress) {
        let &TrainingProgress { epoch, step, steps, loss, accuracy, .. } = progress;
        let images = |steps: usize| (steps * self.batch) as u64;
        let done = epoch.saturating_sub(1) * steps + step;
        self.gauge.meter.mark(images(done), images(self.epochs * steps), "images");
        let prefix = format!("epoch {epoch}/{}", self.epochs);
        let message = format!("loss {loss:.4}  accuracy {:.2} %", 100.0 * accuracy);
        let line = format!("{prefix}, step {step}/{steps}: ");
        self.gauge.show(prefix, [step as u64, steps as u64], message, |message, pace| {
            format!("{line}{message}  {pace}")
        });
    }
}
