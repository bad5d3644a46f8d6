use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use kennard::audit::Progress;

/// Shows how far an audit is: a bar on a terminal, a line now and then elsewhere.
pub struct Display {
    bar: Option<ProgressBar>,
    begin: Instant,
    last_line: Instant,
    packets: bool,
}

/// Between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(15);

impl Display {
    pub fn new() -> Display {
        let now = Instant::now();
        let bar = (std::io::stderr().is_terminal() && !crate::out::is_quiet()).then(ProgressBar::no_length);
        if let Some(bar) = &bar {
            let template = "{prefix:8} {wide_bar} {pos}/{len} {per_sec} {eta} left  {msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix("samples");
        }
        Display { bar, begin: now, last_line: now, packets: false }
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
        if matches!(progress, Progress::Packets { .. }) && !self.packets {
            self.packets = true;
            self.begin = Instant::now();
            if let Some(bar) = &self.bar {
                bar.reset();
                bar.set_prefix("packets");
            }
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(message);
            }
            None if self.last_line.elapsed() > QUIET => {
                self.last_line = Instant::now();
                let rate = done as f64 / self.begin.elapsed().as_secs_f64();
                let left = HumanDuration(Duration::from_secs_f64((total - done) as f64 / rate.max(1e-9)));
                note!("{what}: {done} of {total}, {rate:.1} a second, {left} left  {message}");
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
