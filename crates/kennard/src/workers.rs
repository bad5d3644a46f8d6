//! Threads that work side by side for one that leads them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{IntoIter, Sender, channel};

use crate::{Error, Result};

/// What a worker sends its results with, and asks whether to go on.
pub(crate) struct Desk<'w, T> {
    results: Sender<Result<T>>,
    stop: &'w AtomicBool,
    failed: &'w AtomicBool,
}

impl<T> Desk<'_, T> {
    /// Hands a result to the thread that leads. After a failure elsewhere nobody listens any more.
    pub fn send(&self, result: T) {
        let _ = self.results.send(Ok(result));
    }

    /// Whether the work is to end: it was stopped, or another worker or the leader failed.
    pub fn halted(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }
}

/// Tells the workers to end when the leader returns early or panics.
struct Halt<'f>(&'f AtomicBool);

impl Drop for Halt<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
    }
}

/// Runs `work` on `count` threads, and `lead` on this one, with the results as they are sent, in no certain order. The
/// results end when all workers have. A worker that returns an error or panics sends that error and halts the others; so
/// does a leader that returns an error. `who` names a worker in the message of a panic.
///
/// # Errors
/// What `lead` returns.
pub(crate) fn side_by_side<T: Send, R>(
    count: usize,
    who: &str,
    stop: &AtomicBool,
    work: impl Fn(&Desk<T>) -> Result<()> + Sync,
    lead: impl FnOnce(&mut IntoIter<Result<T>>) -> Result<R>,
) -> Result<R> {
    let failed = AtomicBool::new(false);
    let (results, received) = channel();
    std::thread::scope(|scope| {
        for _ in 0..count {
            let desk = Desk { results: results.clone(), stop, failed: &failed };
            let work = &work;
            scope.spawn(move || {
                if let Err(error) = caught(who, || work(&desk)) {
                    desk.failed.store(true, Ordering::Relaxed);
                    let _ = desk.results.send(Err(error));
                }
            });
        }
        drop(results);
        let _halt = Halt(&failed);
        let outcome = lead(&mut received.into_iter());
        failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcome
    })
}

/// Independent pieces of work, of which each worker takes the next one.
pub(crate) struct Pile<'w, W, R> {
    pieces: &'w [W],
    next: &'w AtomicUsize,
    desk: &'w Desk<'w, (usize, R)>,
}

impl<W, R> Pile<'_, W, R> {
    /// Does one piece after another, until there is none left, the work is to end, or one has no result.
    ///
    /// # Errors
    /// The first that a piece returned.
    pub fn work_off(&self, mut work: impl FnMut(&W) -> Result<Option<R>>) -> Result<()> {
        while !self.desk.halted() {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(place) else { break };
            let Some(result) = work(piece)? else { break };
            self.desk.send((place, result));
        }
        Ok(())
    }
}

/// Does pieces of work on at most `count` threads, each of which gets the pile. `each` gets the results as they come, with
/// the places of their pieces.
///
/// # Errors
/// The first that a worker or `each` returned.
pub(crate) fn each_done<W: Sync, R: Send>(
    pieces: &[W],
    count: usize,
    who: &str,
    stop: &AtomicBool,
    worker: impl Fn(&Pile<W, R>) -> Result<()> + Sync,
    mut each: impl FnMut(usize, R) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = |desk: &Desk<(usize, R)>| worker(&Pile { pieces, next: &next, desk });
    side_by_side(count.min(pieces.len()), who, stop, work, |results| {
        results.try_for_each(|result| {
            let (place, result) = result?;
            each(place, result)
        })
    })
}

/// The same, the results returned in the order of the pieces; `None` where there is none. `done` hears how many are done,
/// and the place of the last.
///
/// # Errors
/// The first that a worker returned.
pub(crate) fn each_of<W: Sync, R: Send>(
    pieces: &[W],
    count: usize,
    who: &str,
    stop: &AtomicBool,
    worker: impl Fn(&Pile<W, R>) -> Result<()> + Sync,
    mut done: impl FnMut(usize, usize),
) -> Result<Vec<Option<R>>> {
    let mut found: Vec<Option<R>> = pieces.iter().map(|_| None).collect();
    let mut finished = 0;
    each_done(pieces, count, who, stop, worker, |place, result| {
        found[place] = Some(result);
        finished += 1;
        done(finished, place);
        Ok(())
    })?;
    Ok(found)
}

/// Runs work whose panic must end what waits for it with an error, instead of leaving it to wait for ever.
/// `who` does the work, for the message.
fn caught<R>(who: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    // Whatever the work was about to change is not used any more after an error.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::Panicked(format!("{who} panicked: {text}. This is a fault of Kennard: please report it")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    #[test]
    fn results_of_all_workers_arrive() {
        let sum = side_by_side(
            3,
            "a worker",
            &GO_ON,
            |desk| {
                (1..=10).for_each(|n| desk.send(n));
                Ok(())
            },
            |results| results.sum::<Result<i32>>(),
        );
        assert_eq!(sum.unwrap(), 165);
    }

    #[test]
    fn a_failure_or_a_panic_ends_all() {
        let run = |panics: bool| {
            let first = AtomicBool::new(true);
            let work = |desk: &Desk<()>| {
                if first.swap(false, Ordering::Relaxed) {
                    assert!(!panics, "on purpose");
                    return Err(Error::IdleTask);
                }
                while !desk.halted() {
                    std::thread::yield_now();
                }
                Ok(())
            };
            side_by_side(2, "a worker", &GO_ON, work, |results| results.collect::<Result<Vec<()>>>())
        };
        assert!(matches!(run(false), Err(Error::IdleTask)));
        assert!(run(true).unwrap_err().to_string().contains("a worker panicked: on purpose"));
        let ends = |desk: &Desk<()>| {
            while !desk.halted() {
                std::thread::yield_now();
            }
            Ok(())
        };
        let led = side_by_side(2, "a worker", &GO_ON, ends, |_| Err::<(), _>(Error::IdleTask));
        assert!(matches!(led, Err(Error::IdleTask)));
    }
}
