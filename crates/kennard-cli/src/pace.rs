//! How fast work goes, and when it ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::screen::short;

/// The pace of the last while. What was done before the first mark, such as by an earlier process, does not count.
pub struct Pace {
    /// When how much was done, oldest first.
    marks: VecDeque<(Instant, u64)>,
}

/// The pace is that of this last while.
const WINDOW: Duration = Duration::from_secs(60);
/// Marks closer than this are one.
const GRAIN: Duration = Duration::from_secs(1);
/// Nothing is said before this time, or of fewer steps than these.
const EARLY: Duration = Duration::from_secs(3);
const FEW: u64 = 4;
/// A time left that is this many times what was looked at is a guess.
const FAR: f64 = 100.0;

impl Pace {
    /// Begins to look when `done` is done.
    pub fn new(now: Instant, done: u64) -> Pace {
        Pace { marks: [(now, done)].into() }
    }

    /// Notes that `done` is done now.
    pub fn mark(&mut self, now: Instant, done: u64) {
        if let [.., (before, _), (last, latest)] = self.marks.make_contiguous()
            && last.duration_since(*before) < GRAIN
        {
            (*last, *latest) = (now, done);
        } else {
            self.marks.push_back((now, done));
        }
        // One mark older than the window stays: the pace is over at least as long.
        while self.marks.len() > 2 && now.duration_since(self.marks[1].0) >= WINDOW {
            self.marks.pop_front();
        }
    }

    /// Steps a second, up to `now`; `None` as long as too little is known.
    pub fn per_second(&self, now: Instant) -> Option<f64> {
        let ((begin, first), (_, last)) = (*self.marks.front()?, *self.marks.back()?);
        let (time, steps) = (now.duration_since(begin), last.saturating_sub(first));
        (time >= EARLY && steps >= FEW).then(|| steps as f64 / time.as_secs_f64())
    }

    /// How long the rest of `total` takes at this pace; `None` as long as that would be a guess.
    pub fn left(&self, now: Instant, total: u64) -> Option<Duration> {
        let ((begin, _), (_, last)) = (*self.marks.front()?, *self.marks.back()?);
        let left = total.saturating_sub(last) as f64 / self.per_second(now)?;
        (left <= FAR * now.duration_since(begin).as_secs_f64()).then(|| Duration::from_secs_f64(left))
    }

    /// Both in words, as far as they are known: `3.1 samples a second, 2 minutes left`.
    pub fn words(&self, now: Instant, total: u64, steps: &str) -> String {
        let rate = self.per_second(now).map(|rate| format!("{} {steps} a second", short(rate)));
        let left = self.left(now, total).map(|left| format!("{} left", HumanDuration(left)));
        rate.into_iter().chain(left).collect::<Vec<_>>().join(", ")
    }
}

/// The pace of a phase of work, for whoever shows it; clones are of the same phase.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<Option<Phase>>>);

struct Phase {
    pace: Pace,
    total: u64,
    /// What the steps are called.
    steps: &'static str,
}

impl Meter {
    /// Notes that `done` of `total` are done. Other `steps` than before are another phase.
    pub fn mark(&self, done: u64, total: u64, steps: &'static str) {
        let now = Instant::now();
        match &mut *self.phase() {
            Some(phase) if phase.steps == steps => {
                phase.pace.mark(now, done);
                phase.total = total;
            }
            phase => *phase = Some(Phase { pace: Pace::new(now, done), total, steps }),
        }
    }

    /// The pace and the time left in words, as of now.
    pub fn words(&self) -> String {
        let words = |phase: &Phase| phase.pace.words(Instant::now(), phase.total, phase.steps);
        self.phase().as_ref().map_or(String::new(), words)
    }

    /// A bar on a terminal, in whose `template` `{pace}` stands for [`Meter::words`]; it keeps up to date where
    /// nothing happens. `None` where there is no terminal, or where notes are left out.
    pub fn bar(&self, template: &str) -> Option<ProgressBar> {
        use std::io::IsTerminal;
        if !std::io::stderr().is_terminal() || crate::out::is_quiet() {
            return None;
        }
        let meter = self.clone();
        let pace = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&meter.words());
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::no_length().with_style(style.with_key("pace", pace));
        bar.enable_steady_tick(GRAIN);
        Some(bar)
    }

    fn phase(&self) -> MutexGuard<'_, Option<Phase>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn restored_steps_do_not_count() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin, 1_000_000);
        assert_eq!(pace.per_second(begin), None);
        for i in 1..=10 {
            pace.mark(begin + i * SECOND, 1_000_000 + 2 * u64::from(i));
        }
        let now = begin + 10 * SECOND;
        assert_eq!(pace.per_second(now), Some(2.0));
        assert_eq!(pace.left(now, 1_000_120), Some(50 * SECOND));
        assert_eq!(pace.words(now, 1_000_120, "samples"), "2 samples a second, 50 seconds left");
    }

    #[test]
    fn nothing_is_said_of_too_little() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin, 0);
        pace.mark(begin + SECOND / 1000, 5000);
        assert_eq!(pace.words(begin + SECOND / 1000, 10_000, "samples"), "");
        let mut pace = Pace::new(begin, 0);
        pace.mark(begin + 5 * SECOND, 4);
        assert_eq!(pace.words(begin + 5 * SECOND, 10_000, "samples"), "0.8 samples a second");
    }

    /// A pace that changes is followed within a minute, and one that stalls grows slow.
    #[test]
    fn the_pace_is_that_of_the_last_while() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin, 0);
        let mut done = 0;
        for i in 1..=200 {
            done += if i <= 100 { 100 } else { 1 };
            pace.mark(begin + i * SECOND, done);
        }
        let now = begin + 200 * SECOND;
        assert_eq!(pace.per_second(now), Some(1.0));
        assert_eq!(pace.left(now, done + 30), Some(30 * SECOND));
        let later = pace.left(now + 60 * SECOND, done + 30).unwrap();
        assert!(later > 55 * SECOND, "{later:?}");
    }

    /// Many marks a second are thinned, and the last of them counts.
    #[test]
    fn many_marks_are_few() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin, 0);
        for i in 1..=100_000_u32 {
            pace.mark(begin + i * SECOND / 1000, u64::from(i));
        }
        assert!(pace.marks.len() <= 65, "{}", pace.marks.len());
        let rate = pace.per_second(begin + 100 * SECOND).unwrap();
        assert!((rate - 1000.0).abs() < 1e-9, "{rate}");
    }
}
