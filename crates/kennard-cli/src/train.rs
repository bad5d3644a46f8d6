use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use kennard::experiment::recipe::Course;
use kennard::train::{Epoch, Training, TrainingDirectory, TrainingProgress};

use crate::pace::Meter;
use crate::recipe::Settings;
use crate::{Done, Outcome};

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

pub fn run(args: &Args) -> Outcome {
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
        warn!("{}: {done} epochs are kept; --resume goes on", args.out.display());
        return Ok(Done::Interrupted);
    }
    let best = trained.epochs.iter().fold(None::<&Epoch>, |best, epoch| match best {
        Some(best) if best.merit() >= epoch.merit() => Some(best),
        _ => Some(epoch),
    });
    let best = best.map_or(0, |epoch| epoch.epoch);
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
    let mut display = Display::new(course.recipe.epochs, course.recipe.batch);
    let result = training.run(Some(directory), stop, |progress| match progress.ended {
        Some(epoch) => display.aside(|| each(epoch)),
        None => display.show(&progress),
    });
    display.finish();
    let trained = result?;
    if let Some(damage) = &trained.damage {
        warn!("warning (state): {damage}");
    }
    Ok(trained)
}

/// An epoch as a line.
pub fn line(epoch: &Epoch) -> String {
    let robust =
        epoch.robust_validation_accuracy.map_or(String::new(), |a| format!("  robust {:6.2} %", 100.0 * a));
    let warning = epoch.warning.as_ref().map_or(String::new(), |w| format!("\nwarning (overfitting): {w}"));
    format!(
        "epoch {:>3}  loss {:>8.4}  train {:6.2} %  validation {:6.2} %{robust}  {:.1} s{warning}",
        epoch.epoch,
        epoch.loss,
        100.0 * epoch.train_accuracy,
        100.0 * epoch.validation_accuracy,
        epoch.seconds
    )
}

/// A bar on a terminal, a line now and then elsewhere.
struct Display {
    bar: Option<ProgressBar>,
    meter: Meter,
    epochs: usize,
    batch: usize,
    last_line: Instant,
}

/// Between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(30);

impl Display {
    fn new(epochs: usize, batch: usize) -> Display {
        let meter = Meter::default();
        let bar = meter.bar("{prefix} {wide_bar}  {msg}  {pace}");
        Display { bar, meter, epochs, batch, last_line: Instant::now() }
    }

    fn show(&mut self, progress: &TrainingProgress) {
        let images = |steps: usize| (steps * self.batch) as u64;
        let done = progress.epoch.saturating_sub(1) * progress.steps + progress.step;
        self.meter.mark(images(done), images(self.epochs * progress.steps), "images");
        let message = || format!("loss {:.4}  accuracy {:.2} %", progress.loss, 100.0 * progress.accuracy);
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(format!("epoch {}/{}", progress.epoch, self.epochs));
                bar.set_length(progress.steps as u64);
                bar.set_position(progress.step as u64);
                bar.set_message(message());
            }
            None if self.last_line.elapsed() > QUIET => {
                self.last_line = Instant::now();
                note!(
                    "epoch {}/{}, step {}/{}: {}  {}",
                    progress.epoch,
                    self.epochs,
                    progress.step,
                    progress.steps,
                    message(),
                    self.meter.words()
                );
            }
            None => {}
        }
    }

    /// Lets something be printed without the bar in its way.
    fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
