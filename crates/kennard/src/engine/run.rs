use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::evaluator::{Answer, Query, Row};
use super::{Engine, Evaluator, Oracle, Program};
use crate::data::Sample;
use crate::workers::{Desk, side_by_side};
use crate::{Error, Result};

/// The work on one sample: it asks its oracle and ends with a result.
pub type Task<'t, R> = Pin<Box<dyn Future<Output = Result<R>> + 't>>;

/// Tasks in flight per row of a micro-batch: with three, one kind of query fills a batch even
/// when some tasks ask for another.
const TASKS_PER_ROW: usize = 3;

/// Who a worker is, in messages.
pub(super) const WORKER: &str = "a worker of the engine";

/// What the queries booked under one account cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Points evaluated without their gradient.
    pub forwards: u64,
    /// Points evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// Time of the sessions, summed over the workers.
    pub time: Duration,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.forwards += other.forwards;
        self.backwards += other.backwards;
        self.time += other.time;
    }
}

impl Engine {
    /// Runs a task per sample and hands the results to `each` as they come, in no certain order. Stops
    /// early when `stop` is set: what was finished has been handed over by then. Returns the cost of
    /// each account.
    ///
    /// # Errors
    /// The first that a sample, a task, a session or `each` returned.
    pub fn run<'t, S: Send, R: Send>(
        &self,
        samples: impl Iterator<Item = Result<S>> + Send,
        task: impl Fn(Oracle, S) -> Task<'t, R> + Sync,
        stop: &AtomicBool,
        mut each: impl FnMut(R) -> Result<()>,
    ) -> Result<BTreeMap<usize, Cost>> {
        // Few samples are shared out evenly.
        let share = samples.size_hint().1.map_or(usize::MAX, |most| most.div_ceil(self.plan().sessions));
        let room = share.clamp(1, TASKS_PER_ROW * self.plan().micro_batch);
        let source = Mutex::new(samples);
        let next = || source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
        let costs = Mutex::<BTreeMap<usize, Cost>>::default();
        let work = |desk: &Desk<R>| {
            Evaluator::lend(self, |evaluator| {
                let mut worker = Worker { evaluator, room, costs: BTreeMap::new() };
                let ended = worker.work(&next, &task, desk);
                let mut costs = costs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                for (account, cost) in worker.costs {
                    *costs.entry(account).or_default() += cost;
                }
                ended
            })
        };
        side_by_side(self.plan().sessions, WORKER, stop, work, |results| {
            results.try_for_each(|result| each(result?))
        })?;
        Ok(costs.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Does independent work, each piece with an evaluator as `prepare` makes it ready, on at most `threads` threads.
    /// Returns the results in the order of the work; `None` where `stop` came first. `done` hears how many are done.
    ///
    /// # Errors
    /// The first that a piece of work returned.
    pub(crate) fn each_of<'e, W: Sync, S, R: Send>(
        &'e self,
        who: &str,
        pieces: &[W],
        threads: usize,
        stop: &AtomicBool,
        prepare: impl Fn(Evaluator<'e>) -> S + Sync,
        work: impl Fn(&mut S, &W) -> Result<R> + Sync,
        mut done: impl FnMut(usize),
    ) -> Result<Vec<Option<R>>> {
        let next = AtomicUsize::new(0);
        let work = |desk: &Desk<(usize, R)>| {
            Evaluator::lend(self, |evaluator| {
                let mut state = prepare(evaluator);
                while !desk.halted() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(place) else { break };
                    match work(&mut state, piece) {
                        Ok(result) => desk.send((place, result)),
                        // What is cut off in the middle has no result.
                        Err(_) if stop.load(Ordering::Relaxed) => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
        };
        let mut found: Vec<Option<R>> = pieces.iter().map(|_| None).collect();
        side_by_side(threads.min(pieces.len()), who, stop, work, |results| {
            for (count, result) in results.enumerate() {
                let (place, result) = result?;
                found[place] = Some(result);
                done(count + 1);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The same, the results handed over in the order of the samples, for sums that must not depend on who
    /// was faster.
    ///
    /// # Errors
    /// See [`Engine::run`].
    pub fn run_in_order<'t, R: Send + 't>(
        &self,
        samples: impl Iterator<Item = Result<Sample>> + Send,
        task: impl Fn(Oracle, Sample) -> Task<'t, R> + Sync,
        stop: &AtomicBool,
        mut each: impl FnMut(R) -> Result<()>,
    ) -> Result<BTreeMap<usize, Cost>> {
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

struct Worker<'e> {
    evaluator: Evaluator<'e>,
    /// Tasks in flight at most.
    room: usize,
    costs: BTreeMap<usize, Cost>,
}

/// A task in flight, with what it asks.
struct Flight<'t, R> {
    oracle: Oracle,
    task: Task<'t, R>,
    query: Query,
    answer: Answer,
    /// Points of the query, and how many of them are answered.
    points: usize,
    done: usize,
}

impl<'e> Worker<'e> {
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
            let (answered, waiting): (Vec<_>, Vec<_>) = flights.into_iter().partition(|f| f.done == f.points);
            flights = waiting;
            for flight in answered {
                flight.oracle.answer(flight.answer);
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
                let query = oracle.take().ok_or(Error::IdleTask)?;
                let points = query.points.len() / self.evaluator.dimension();
                Ok(Some(Flight { oracle, task, query, answer: Answer::default(), points, done: 0 }))
            }
        }
    }

    /// Fills one micro-batch with the queries for `program`, oldest first, and runs it.
    fn fill<R>(&mut self, program: Program, flights: &mut [Flight<'_, R>]) -> Result<()> {
        let mut rows = Vec::new();
        let mut owners = Vec::new();
        for (owner, flight) in flights.iter().enumerate().filter(|(_, f)| f.query.program == program) {
            let room = self.evaluator.rows(program) - rows.len();
            for point in (flight.done..flight.points).take(room) {
                rows.push(Row { query: &flight.query, point });
                owners.push(owner);
            }
        }
        let mut answers: Vec<Answer> = flights.iter().map(|_| Answer::default()).collect();
        let time = self.evaluator.run(program, &rows, |row, logits, loss, gradient| {
            answers[owners[row]].push(logits, loss, gradient);
        })?;
        let share = time / owners.len().max(1) as u32;
        drop(rows);
        for (flight, part) in flights.iter_mut().zip(answers) {
            let n = part.logits.len() / self.evaluator.classes();
            flight.answer.push(&part.logits, &part.loss, &part.gradient);
            flight.done += n;
            let cost = self.costs.entry(flight.query.account).or_default();
            cost.time += share * n as u32;
            match program.loss() {
                Some(_) => cost.backwards += n as u64,
                None => cost.forwards += n as u64,
            }
        }
        Ok(())
    }
}

/// The program that most points wait for.
fn fullest<R>(flights: &[Flight<'_, R>]) -> Program {
    let mut waiting: BTreeMap<Program, usize> = BTreeMap::new();
    for flight in flights {
        *waiting.entry(flight.query.program).or_default() += flight.points - flight.done;
    }
    waiting.into_iter().max_by_key(|(_, points)| *points).map_or(Program::Logits, |(program, _)| program)
}
