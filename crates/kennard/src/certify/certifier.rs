use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kennard_graph::forward_error;
use kennard_runtime::Runtime;

use super::cost::Allowance;
use super::program::{BoundProgram, Ticker};
use super::programs::{BoundPrograms, BoundTask, Lack};
use super::provable::{is_single, provable};
use super::radius::{Grid, RadiusSearch};
use super::region::{check, shape};
use super::terms::Terms;
use super::worker::{BoundWorker, OpenSample};
use super::{BoundMethod, Bounded, CertifiedRadius};
use crate::data::Sample;
use crate::engine::Engine;
use crate::workers::{Desk, side_by_side};
use crate::{Boxes, Error, Lattice, RequestError, Result, ThreatModel};

/// Who a worker is, in messages.
const WORKER: &str = "a worker of the certifier";

/// What becomes known while samples are bounded.
pub(crate) enum Certifying<R> {
    /// A method is being prepared that no sample needed before: how much of that is done, and of how much.
    Preparing { done: u64, total: u64 },
    /// What was found of the sample at this index.
    Found(usize, R),
}

/// Bounds the margins of a classifier over the regions of a threat model.
pub(crate) struct Certifier<'e> {
    engine: &'e Engine,
    runtime: Runtime,
    terms: Terms<'e>,
    programs: BoundPrograms,
    /// Bounds what rounding does in the network itself, where that is known.
    rounding: Option<BoundProgram>,
}

impl<'e> Certifier<'e> {
    /// Prepares to bound the engine's classifier over the threat model's regions, or over `boxes` where samples have their own,
    /// by methods up to `last`, and of these by all that cost a sample no more than `passes` with a gradient, where that is given.
    ///
    /// The cost follows from the model and from no stopwatch.
    ///
    /// # Errors
    /// When there is nothing to prove within the threat model, or the model cannot be bounded; the message names the
    /// operator.
    pub fn new(
        engine: &'e Engine,
        threat: ThreatModel,
        boxes: Option<&'e Boxes>,
        last: BoundMethod,
        passes: Option<u64>,
    ) -> Result<Certifier<'e>> {
        check(&threat, engine.classifier().dimension())?;
        Certifier::at_any_radius(engine, threat, boxes, last, passes)
    }

    /// As [`new`](Self::new), whatever epsilon is: radii are sought.
    ///
    /// # Errors
    /// When the model cannot be bounded.
    pub fn at_any_radius(
        engine: &'e Engine,
        threat: ThreatModel,
        boxes: Option<&'e Boxes>,
        last: BoundMethod,
        passes: Option<u64>,
    ) -> Result<Certifier<'e>> {
        let classifier = engine.classifier();
        let region = shape(threat.norm)?;
        let model = provable(classifier)?;
        let terms = Terms {
            threat,
            boxes,
            lattice: None,
            levels: classifier.levels(),
            classes: classifier.classes(),
        };
        let runtime = engine.runtime().as_given();
        let allowance = Allowance::of(&model, passes)?;
        let task =
            BoundTask { model, region, rows: terms.margins(), allowance, runtime: runtime.clone(), last };
        let programs = match BoundPrograms::new(task, engine.plan().micro_batch) {
            Ok(programs) => programs,
            Err(Lack::Refused(why)) => return Err(Error::NotCertifiable { why }),
            Err(Lack::Costly) => {
                return Err(RequestError::Costly { passes: passes.unwrap_or(u64::MAX) }.into());
            }
            Err(Lack::Pointless) => {
                return Err(Error::NotCertifiable {
                    why: "bounds of one sample need tensors of more than 1 GiB".into(),
                });
            }
        };
        // A model of integers is asked about other numbers than those that are bounded.
        let rounding = (terms.levels.is_none() && is_single(classifier)).then(|| {
            kennard_runtime::on_deep_stack(|| {
                let graph = forward_error(&programs.task().model, region, terms.margins()).ok()??;
                BoundProgram::new(graph, &runtime, engine.plan().micro_batch).ok()?
            })
        });
        let rounding = rounding.flatten().filter(|program| allowance.covers(program.cost));
        Ok(Certifier { engine, runtime, terms, programs, rounding })
    }

    /// The certifier over valid points alone, where not all are: over the smallest region around them.
    pub fn of_valid(self, lattice: Option<&'e Lattice>) -> Certifier<'e> {
        Certifier { terms: Terms { lattice, ..self.terms }, ..self }
    }

    /// The methods, in the order in which they are tried; all are prepared for that.
    pub fn methods(&self) -> impl Iterator<Item = BoundMethod> {
        self.programs.methods()
    }

    /// Bounds samples, each by one method after another until it is certified, and hands over what was found in no certain
    /// order. Returns the time that each method took, summed over the workers. `stop` ends it early.
    ///
    /// # Errors
    /// The first that a sample, a session or `each` returned.
    pub fn run(
        &self,
        samples: impl Iterator<Item = Result<Sample>> + Send,
        stop: &AtomicBool,
        each: impl FnMut(Certifying<Bounded>) -> Result<()>,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        self.share_out(samples, stop, |samples, worker, desk| self.certify(samples, worker, desk), each)
    }

    /// Seeks the largest radius that is proved around each sample, of which this is known at epsilon; otherwise as
    /// [`run`](Certifier::run). All methods but the last are tried, which moves slopes and would take hours.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn radii(
        &self,
        samples: impl Iterator<Item = Result<(Sample, Option<Bounded>)>> + Send,
        stop: &AtomicBool,
        each: impl FnMut(Certifying<CertifiedRadius>) -> Result<()>,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        self.share_out(samples, stop, |samples, worker, desk| self.reach(samples, worker, desk), each)
    }

    /// Has blocks of samples worked on side by side.
    fn share_out<S: Send, R: Send>(
        &self,
        samples: impl Iterator<Item = Result<S>> + Send,
        stop: &AtomicBool,
        work: impl Fn(Vec<S>, &mut BoundWorker, &Desk<Certifying<R>>) -> Result<()> + Sync,
        mut each: impl FnMut(Certifying<R>) -> Result<()>,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        let sessions = self.engine.plan().sessions;
        // Few samples are shared out evenly.
        let share = samples.size_hint().1.map_or(usize::MAX, |most| most.div_ceil(sessions));
        let block = self.programs.batch().min(share).max(1);
        let source = Mutex::new(samples);
        let next = || -> Result<Vec<S>> {
            source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).by_ref().take(block).collect()
        };
        let times = Mutex::<BTreeMap<BoundMethod, Duration>>::default();
        let work = |desk: &Desk<Certifying<R>>| {
            let threads = self.runtime.threads(1);
            threads.clone().enter(|| {
                let mut worker = BoundWorker::new(&self.terms, &self.runtime, threads);
                while !desk.halted() {
                    let samples = next()?;
                    if samples.is_empty() {
                        break;
                    }
                    work(samples, &mut worker, desk)?;
                }
                let mut times = times.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                worker.times.into_iter().for_each(|(method, time)| *times.entry(method).or_default() += time);
                Ok(())
            })
        };
        side_by_side(sessions, WORKER, stop, work, |results| results.try_for_each(|result| each(result?)))?;
        Ok(times.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Bounds a block of samples. One that is certified is done with, unless a cheap method may prove the same of single precision;
    /// others go on to the next method.
    fn certify(
        &self,
        samples: Vec<Sample>,
        worker: &mut BoundWorker,
        desk: &Desk<Certifying<Bounded>>,
    ) -> Result<()> {
        let ticker: &Ticker<'_> = &ticker(desk);
        let mut open: Vec<OpenSample> =
            samples.into_iter().map(|sample| OpenSample::new(sample, &self.terms)).collect();
        let mut at = self.programs.first(|_| true, ticker);
        while let Some((method, program)) = at {
            let next = self.programs.next(method);
            let (mut waiting, mut left) = (open.into_iter(), Vec::new());
            loop {
                let mut block: Vec<OpenSample> = waiting.by_ref().take(program.batch).collect();
                if block.is_empty() {
                    break;
                }
                if desk.halted() || !worker.bound(method, program, &mut block, ticker)? {
                    return Ok(());
                }
                if let Some(rounding) = &self.rounding {
                    worker.judge(rounding, &mut block)?;
                }
                for open in block {
                    match next.is_some_and(|next| open.is_open_to(next)) {
                        true => left.push(open),
                        false => desk.send(Certifying::Found(open.sample.index, open.bounded())),
                    }
                }
            }
            open = left;
            at = match open.is_empty() {
                true => None,
                false => self.programs.first(|later| later > method, ticker),
            };
        }
        // No method is left for these, unless one was not prepared to the end.
        if !desk.halted() {
            open.iter().for_each(|open| desk.send(Certifying::Found(open.sample.index, open.bounded())));
        }
        Ok(())
    }

    /// Seeks the radii of a block of samples, which are bounded side by side, each at a radius of its own.
    fn reach(
        &self,
        samples: Vec<(Sample, Option<Bounded>)>,
        worker: &mut BoundWorker,
        desk: &Desk<Certifying<CertifiedRadius>>,
    ) -> Result<()> {
        let ticker: &Ticker<'_> = &ticker(desk);
        let threat = self.terms.threat;
        let grid = Grid::of(&threat, self.engine.classifier().dimension());
        let search = |(sample, known)| (sample, RadiusSearch::new(grid, threat.eps, known));
        let mut searches: Vec<(Sample, RadiusSearch)> = samples.into_iter().map(search).collect();
        let mut last: Option<BoundMethod> = None;
        loop {
            searches.iter_mut().for_each(|(_, search)| search.begin());
            if searches.iter().all(|(_, search)| search.next().is_none()) {
                break;
            }
            let wanted = |method: BoundMethod| method.is_bisected() && last.is_none_or(|last| method > last);
            let Some((method, program)) = self.programs.first(wanted, ticker) else {
                // None is left, unless one was not prepared to the end.
                match desk.halted() {
                    true => return Ok(()),
                    false => break,
                }
            };
            last = Some(method);
            loop {
                let mut open: Vec<_> = searches
                    .iter_mut()
                    .filter_map(|(sample, search)| search.next().map(|rank| (sample, search, rank)))
                    .collect();
                if open.is_empty() {
                    break;
                }
                for part in open.chunks_mut(program.batch) {
                    if desk.halted() {
                        return Ok(());
                    }
                    let within = |(sample, _, rank): &(&mut Sample, &mut RadiusSearch, u32)| {
                        OpenSample::within(Sample::clone(sample), &self.terms, grid.radius(*rank))
                    };
                    let mut block: Vec<OpenSample> = part.iter().map(within).collect();
                    if !worker.bound(method, program, &mut block, ticker)? {
                        return Ok(());
                    }
                    for ((_, search, rank), open) in part.iter_mut().zip(&block) {
                        search.take(grid, *rank, method, open.bounded().is_certified());
                    }
                }
            }
        }
        for (sample, search) in searches {
            desk.send(Certifying::Found(sample.index, search.found()));
        }
        Ok(())
    }
}

/// Tells how far preparations are; they go on until the work is to end.
fn ticker<R: Send>(desk: &Desk<Certifying<R>>) -> impl Fn(u64, u64) -> bool + Sync {
    move |done, total| {
        desk.send(Certifying::Preparing { done, total });
        !desk.halted()
    }
}
