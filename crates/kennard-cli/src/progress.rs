use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use kennard::audit::Progress;

use crate::pace::Meter;

/// Shows how far work is: a bar on a terminal, a line now and then elsewhere.
pub struct Gauge {
    bar: Option<ProgressBar>,
    pub meter: Meter,
    /// The time between two lines where there is no terminal.
    quiet: Duration,
    last_line: Instant,
}

impl Gauge {
    /// A gauge whose bar is as in `template`; see [`Meter::bar`].
    pub fn new(template: &str, quiet: Duration) -> Gauge {
        let meter = Meter::default();
        Gauge { bar: meter.bar(template), meter, quiet, last_line: Instant::now() }
    }

    /// Shows that `done` of `total` are done of what `prefix` names; `line` makes the line of the message and the pace.
    pub fn show(
        &mut self,
        prefix: String,
        [done, total]: [u64; 2],
        message: String,
        line: impl FnOnce(String, String) -> String,
    ) {
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(prefix);
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(message);
            }
            None if self.last_line.elapsed() > self.quiet => {
                self.last_line = Instant::now();
                note!("{}", line(message, self.meter.words()));
            }
            None => {}
        }
    }

    /// Lets something be printed without the bar in its way.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows how far an audit is.
pub struct Display(Gauge);

impl Display {
    pub fn new() -> Display {
        let template = "{prefix:8} {wide_bar} {pos}/{len}  {pace}  {msg}";
        Display(Gauge::new(template, Duration::from_secs(15)))
    }

    pub fn show(&mut self, progress: Progress) {
        let (what, done, total, message) = match progress {
            Progress::Clean { done, total } => ("clean pass", done, total, String::new()),
            Progress::Preparing { done, total } => ("preparing bounds", done, total, String::new()),
            Progress::Bounds { done, total, certified } => {
                ("bounds", done, total, format!("{certified} certified"))
            }
            Progress::Radii { done, total } => ("radii", done, total, String::new()),
            Progress::Attacks { done, pending, bracket: [low, high] } => {
                let message = format!("robust {:.1} – {:.1} %, {pending} pending", 100.0 * low, 100.0 * high);
                ("attacks", done, done + pending, message)
            }
            Progress::Packets { done, total } => ("packets", done, total, String::new()),
            _ => return,
        };
        let steps = if matches!(progress, Progress::Preparing { .. }) { "steps" } else { what };
        self.0.meter.mark(done, total, steps);
        self.0.show(what.into(), [done, total], message, |message, pace| {
            let parts = [format!("{done} of {total}"), pace, message];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{what}: {}", parts.join(", "))
        });
    }

    pub fn finish(&self) {
        self.0.finish();
    }
}
