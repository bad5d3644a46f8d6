use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use kennard::audit::Progress;

/// Shows how far an audit is: a bar on a terminal, a line now and then elsewhere.
pub struct Display {
    bar: Option<ProgressBar>,
    begin: Instant,
    last_line: Instant,
    stage: &'static str,
    /// How many were done when the stage began.
    before: u64,
}

/// Between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(15);

impl Display {
    pub fn new() -> Display {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(ProgressBar::no_length);
        if let Some(bar) = &bar {
            let template = "{prefix:10} {wide_bar} {pos}/{len} {per_sec} {eta} left  {msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
        }
        Display { bar, begin: now, last_line: now, stage: "", before: 0 }
    }

    pub fn show(&mut self, progress: Progress) {
        let (what, done, total, message) = match progress {
            Progress::Clean { done, total } => ("clean pass", done, total, String::new()),
            Progress::Attacks { done, pending, bracket: [low, high] } => {
                let message = format!("robust {:.1} – {:.1} %, {pending} pending", 100.0 * low, 100.0 * high);
                ("attacks", done, done + pending, message)
            }
            Progress::Attacked(_) => return,
            Progress::Packets { done, total } => ("packets", done, total, String::new()),
        };
        if self.stage != what {
            self.stage = what;
            self.begin = Instant::now();
            self.before = done.saturating_sub(1);
            if let Some(bar) = &self.bar {
                bar.reset();
                bar.set_prefix(what);
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
                let (made, took) = (done - self.before, self.begin.elapsed().as_secs_f64());
                let pace = match made > 1 && took > 1.0 {
                    true => {
                        let left = Duration::from_secs_f64((total - done) as f64 * took / made as f64);
                        format!(", {:.1} a second, {} left", made as f64 / took, HumanDuration(left))
                    }
                    false => String::new(),
                };
                eprintln!("{what} {done} of {total}{pace}  {message}");
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
