use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use kennard::audit::Progress;

use crate::pace::Meter;

/// Shows how far an audit is: a bar on a terminal, a line now and then elsewhere.
pub struct Display {
    bar: Option<ProgressBar>,
    meter: Meter,
    last_line: Instant,
}

/// Between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(15);

impl Display {
    pub fn new() -> Display {
        let meter = Meter::default();
        let bar = meter.bar("{prefix:8} {wide_bar} {pos}/{len}  {pace}  {msg}");
        Display { bar, meter, last_line: Instant::now() }
    }

    pub fn show(&mut self, progress: Progress) {
        let (what, done, total, message) = match progress {
            Progress::Samples { done, robust, total } => (
                "samples",
                done,
                total,
                format!("{:.1} % robust", 100.0 * robust as f64 / done.max(1) as f64),
            ),
            Progress::Packets { done, total } => ("packets", done, total, String::new()),
        };
        self.meter.mark(done, total, what);
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(what);
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(message);
            }
            None if self.last_line.elapsed() > QUIET => {
                self.last_line = Instant::now();
                let parts = [format!("{done} of {total}"), self.meter.words(), message];
                let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                note!("{what}: {}", parts.join(", "));
            }
            None => {}
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
