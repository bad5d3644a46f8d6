mod flight;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use flight::{Flight, OpenQuestion, fullest};

use super::evaluator::Row;
use super::oracle::Question;
use super::{Engine, Evaluator, Oracle, Program};
use crate::answer::Answer;
use crate::data::Sample;
use crate::workers::{Desk, Pile, each_done, each_of, side_by_side};
use crate::{Error, Result};

/// The work on one sample: it asks its oracle and ends with a result.
pub(crate) type Task<'t, R> = Pin<Box<dyn Future<Output = Result<R>> + 't>>;

/// Tasks in flight per row of a micro-batch: with three, one kind of query fills a batch even
/// when some tasks ask for another.
const TASKS_PER_ROW: usize = 3;

/// Who a worker is, in messages.
pub(super) const WORKER: &str = "a worker of the engine";

impl Engine {
    /// Runs a task per sample and hands the results to `each` as they come, in no certain order. Stops
    /// early when `stop` is set: what was finished has been handed over by then. Returns the time
    /// of the sessions, summed over the workers, by account.
    ///
    /// # Errors
    /// The first that a sample, a task, a session or `each` returned.
    pub(crate) fn run<'t, S: Send, R: Send>(
        &self,
        samples: impl Iterator<Item = Result<S>> + Send,
        task: impl Fn(Oracle, S) -> Task<'t, R> + Sync,
        stop: &AtomicBool,
        mut each: impl FnMut(R) -> Result<()>,
    ) -> Result<BTreeMap<usize, Duration>> {
        // Few samples are shared out evenly.
        let share = samples.size_hint().1.map_or(usize::MAX, |most| most.div_ceil(self.plan().sessions));
        let room = share.clamp(1, TASKS_PER_ROW * self.plan().micro_batch);
        let source = Mutex::new(samples);
        let next = || source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
        let times = Mutex::<BTreeMap<usize, Duration>>::default();
        let work = |desk: &Desk<R>| {
            Evaluator::lend(self, |evaluator| {
                let mut worker = TaskWorker { evaluator, room, times: BTreeMap::new() };
                let ended = worker.work(&next, &task, desk);
                let mut times = times.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                for (account, time) in worker.times {
                    *times.entry(account).or_default() += time;
                }
                ended
            })
        };
        side_by_side(self.plan().sessions, WORKER, stop, work, |results| {
            results.try_for_each(|result| each(result?))
        })?;
        Ok(times.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Does independent work, each piece with an evaluator as `prepare` makes it ready, on at most `threads` threads.
    /// Returns the results in the order of the work; `None` where `stop` came first. `done` hears how many are done.
    ///
    /// # Errors
    /// The first that a piece of work returned.
    pub(crate) fn each_of<'e, W: Sync, S, R: Send>(
        &'e self,
        pieces: &[W],
        threads: usize,
        stop: &AtomicBool,
        prepare: impl Fn(Evaluator<'e>) -> S + Sync,
        work: impl Fn(&mut S, &W) -> Result<R> + Sync,
        mut done: impl FnMut(usize),
    ) -> Result<Vec<Option<R>>> {
        let worker = |pile: &Pile<W, R>| {
            Evaluator::lend(self, |evaluator| {
                let mut state = prepare(evaluator);
                pile.work_off(|piece| match work(&mut state, piece) {
                    // What is cut off in the middle has no result.
                    Err(_) if stop.load(Ordering::Relaxed) => Ok(None),
                    result => result.map(Some),
                })
            })
        };
        each_of(pieces, threads, WORKER, stop, worker, |count, _| done(count))
    }

    /// Does independent work, each piece by a session, and hands the results to `each` as they come, in no certain order.
    /// Work without a result was cut off by `stop`.
    ///
    /// # Errors
    /// The first that a piece of work or `each` returned.
    pub(crate) fn each_done<W: Sync, R: Send>(
        &self,
        pieces: &[W],
        stop: &AtomicBool,
        work: impl Fn(&mut Evaluator, &W) -> Result<Option<R>> + Sync,
        mut each: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let worker = |pile: &Pile<W, R>| {
            Evaluator::lend(self, |mut evaluator| pile.work_off(|piece| work(&mut evaluator, piece)))
        };
        each_done(pieces, self.plan().sessions, WORKER, stop, worker, |_, result| each(result))
    }

    /// The same as [`Engine::run`], the results handed over in the order of the samples, for sums that must not depend on who
    /// was faster.
    ///
    /// # Errors
    /// See [`Engine::run`].
    pub(crate) fn run_in_order<'t, R: Send + 't>(
        &self,
        samples: impl Iterator<Item = Result<Sample>> + Send,
        task: impl Fn(Oracle, Sample) -> Task<'t, R> + Sync,
        stop: &AtomicBool,
        mut each: impl FnMut(R) -> Result<()>,
    ) -> Result<BTreeMap<usize, Duration>> {
        let numbered = samples.enumerate().map(|(number, sample)| Ok((number, sample?)));
        let task = |oracle, (number, sample)| -> Task<'t, (usize, R)> {
            let task = task(oracle, sample);
            Box::pin(async move { Ok((number, task.await?)) })
        };
        let (mut early, mut next) = (BTreeMap::new(), 0);
        self.run(numbered, task, stop, |(number, result)| {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                next += 1;
                each(result)?;
            }
            Ok(())
        })
    }
}

struct TaskWorker<'e> {
    evaluator: Evaluator<'e>,
    /// Tasks in flight at most.
    room: usize,
    times: BTreeMap<usize, Duration>,
}

impl<'e> TaskWorker<'e> {
    fn work<'t, S, R>(
        &mut self,
        next: &impl Fn() -> Option<Result<S>>,
        task: &impl Fn(Oracle, S) -> Task<'t, R>,
        desk: &Desk<R>,
    ) -> Result<()> {
        let mut flights: Vec<Flight<'t, R>> = Vec::new();
        while !desk.halted() {
            while flights.len() < self.room
                && !desk.halted()
                && let Some(sample) = next()
            {
                let oracle = Oracle::default();
                let task = task(oracle.clone(), sample?);
                flights.extend(self.advance(oracle, task, desk)?);
            }
            if flights.is_empty() {
                break;
            }
            let program = fullest(&flights);
            self.fill(program, &mut flights)?;
            let (answered, waiting): (Vec<_>, Vec<_>) =
                flights.into_iter().partition(|flight| flight.open.iter().all(|open| open.missing() == 0));
            flights = waiting;
            for flight in answered {
                flight.open.into_iter().for_each(|open| open.question.answer(open.answers));
                flights.extend(self.advance(flight.oracle, flight.task, desk)?);
            }
        }
        Ok(())
    }

    /// Polls a task: it ends, or is in flight with its next query.
    fn advance<'t, R>(
        &self,
        oracle: Oracle,
        mut task: Task<'t, R>,
        desk: &Desk<R>,
    ) -> Result<Option<Flight<'t, R>>> {
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                desk.send(result?);
                Ok(None)
            }
            Poll::Pending => {
                let open: Vec<OpenQuestion> =
                    oracle.take().into_iter().map(|question| self.open(question)).collect();
                if open.is_empty() {
                    return Err(Error::IdleTask);
                }
                Ok(Some(Flight { oracle, task, open }))
            }
        }
    }

    fn open(&self, question: Rc<Question>) -> OpenQuestion {
        let points = question.query.points.len() / self.evaluator.dimension();
        OpenQuestion { question, points, answers: Vec::with_capacity(points) }
    }

    /// Fills one micro-batch with the queries for `program`, oldest first, and runs it.
    fn fill<R>(&mut self, program: Program, flights: &mut [Flight<'_, R>]) -> Result<()> {
        let mut rows = Vec::new();
        let mut owners = Vec::new();
        for (i, flight) in flights.iter().enumerate() {
            for (j, open) in flight.open.iter().enumerate() {
                let query = &open.question.query;
                if query.program == program {
                    let room = self.evaluator.rows(program) - rows.len();
                    let points = (open.answers.len()..open.points).take(room);
                    rows.extend(points.map(|point| Row { query, point }));
                    owners.resize(rows.len(), (i, j));
                }
            }
        }
        let mut answers = Vec::with_capacity(rows.len());
        let time = self.evaluator.run(program, &rows, |logits, loss, gradient| {
            let loss = loss.first().copied().unwrap_or_default();
            answers.push(Answer { logits: logits.to_vec(), loss, gradient: gradient.to_vec() });
        })?;
        let share = time / owners.len().max(1) as u32;
        drop(rows);
        for ((i, j), answer) in owners.into_iter().zip(answers) {
            let open = &mut flights[i].open[j];
            open.answers.push(answer);
            *self.times.entry(open.question.query.account).or_default() += share;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::linear;
    use super::*;
    use crate::engine::Query;

    /// A worker's panic is an error that ends the run.
    #[test]
    fn panics_of_workers_are_errors() {
        let engine = linear(2);
        let task = |_, index: usize| -> Task<'_, usize> {
            Box::pin(async move {
                assert!(index != 7, "the seventh");
                Ok(index)
            })
        };
        let ended = engine.run((0..20).map(Ok), task, &AtomicBool::new(false), |_| Ok(()));
        let message = ended.unwrap_err().to_string();
        assert!(message.contains("panicked: the seventh"), "{message}");
    }

    /// Questions side by side, of one point or many, each get their own answers; one that was dropped costs nothing.
    #[test]
    fn questions_side_by_side_are_answered() {
        let engine = linear(2);
        let task = |oracle: Oracle, index: usize| -> Task<'_, bool> {
            Box::pin(async move {
                let at = |k: usize| [index as f32, k as f32];
                drop(oracle.ask(Query::logits(at(0).to_vec()).on_account(9)));
                let many = oracle.ask_each(Query::logits((0..100).flat_map(at).collect()));
                let one = oracle.ask(Query::untouched(at(5).to_vec()).on_account(1));
                let (many, one) = crate::attack::join(many, one).await;
                Ok(one.logits == at(5) && (0..100).all(|k| many[k].logits == at(k)))
            })
        };
        let mut right = 0;
        let times = engine.run((0..5).map(Ok), task, &AtomicBool::new(false), |is| {
            right += usize::from(is);
            Ok(())
        });
        assert_eq!(right, 5);
        assert_eq!(times.unwrap().into_keys().collect::<Vec<_>>(), [0, 1]);
    }
}
