use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kennard_graph::{Method, bound, forward_error};
use kennard_runtime::Runtime;

use super::cost::Allowance;
use super::program::{BoundProgram, Walks, is_single, provable};
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

/// Bounds the margins of a classifier over the regions of a threat model.
pub(crate) struct Certifier<'e> {
    engine: &'e Engine,
    runtime: Runtime,
    terms: Terms<'e>,
    /// The methods, in the order in which they are tried.
    programs: Vec<(BoundMethod, BoundProgram)>,
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
        let rows = terms.margins();
        let runtime = engine.runtime().as_given();
        let allowance = Allowance::of(&model, passes)?;
        let (mut programs, mut refusals, mut costly) = (Vec::new(), Vec::new(), false);
        let walks = (last >= BoundMethod::Crown).then(|| {
            kennard_runtime::on_deep_stack(|| Walks::new(&model, region, rows, allowance, &runtime))
        });
        let (walks, refused) = match walks.transpose() {
            Ok(walks) => (walks, None),
            Err(error) => (None, Some(error)),
        };
        for method in last.up_to() {
            let forwards = |walk| {
                BoundProgram::new(bound(&model, walk, region, rows)?, &runtime, engine.plan().micro_batch)
            };
            let made = kennard_runtime::on_deep_stack(|| match (method, &walks) {
                (BoundMethod::Intervals, _) => forwards(Method::Intervals),
                (BoundMethod::CrownIbp, _) => forwards(Method::CrownOverIntervals),
                (BoundMethod::Crown, Some(walks)) => Ok(BoundProgram::crown(walks)),
                (BoundMethod::AlphaCrown, Some(walks)) => BoundProgram::sloped(walks, rows, &runtime),
                (_, None) => Ok(None),
            });
            match made {
                Ok(Some(program)) if allowance.covers(program.cost) => programs.push((method, program)),
                // Those that follow cost more.
                Ok(Some(_)) => {
                    costly = true;
                    break;
                }
                // It needs more memory than is sensible.
                Ok(None) => {}
                Err(error) => refusals.push(error),
            }
        }
        refusals.extend(refused);
        // A model of integers is asked about other numbers than those that are bounded.
        let rounding = (terms.levels.is_none() && is_single(classifier)).then(|| {
            kennard_runtime::on_deep_stack(|| {
                let graph = forward_error(&model, region, rows).ok()??;
                BoundProgram::new(graph, &runtime, engine.plan().micro_batch).ok()?
            })
        });
        let rounding = rounding.flatten().filter(|program| allowance.covers(program.cost));
        match (programs.is_empty(), refusals.into_iter().next()) {
            (true, Some(error)) => Err(Error::NotCertifiable { why: error.to_string() }),
            (true, None) if costly => Err(RequestError::Costly { passes: passes.unwrap_or(u64::MAX) }.into()),
            (true, None) => Err(Error::NotCertifiable {
                why: "bounds of one sample need tensors of more than 1 GiB".into(),
            }),
            _ => Ok(Certifier { engine, runtime, terms, programs, rounding }),
        }
    }

    /// The certifier over valid points alone, where not all are: over the smallest region around them.
    pub fn of_valid(self, lattice: Option<&'e Lattice>) -> Certifier<'e> {
        Certifier { terms: Terms { lattice, ..self.terms }, ..self }
    }

    /// The methods, in the order in which they are tried.
    pub fn methods(&self) -> impl Iterator<Item = BoundMethod> {
        self.programs.iter().map(|(method, _)| *method)
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
        each: impl FnMut(usize, Bounded) -> Result<()>,
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
        each: impl FnMut(usize, CertifiedRadius) -> Result<()>,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        self.share_out(samples, stop, |samples, worker, desk| self.reach(samples, worker, desk), each)
    }

    /// Has blocks of samples worked on side by side.
    fn share_out<S: Send, R: Send>(
        &self,
        samples: impl Iterator<Item = Result<S>> + Send,
        stop: &AtomicBool,
        work: impl Fn(Vec<S>, &mut BoundWorker, &Desk<(usize, R)>) -> Result<()> + Sync,
        mut each: impl FnMut(usize, R) -> Result<()>,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        let sessions = self.engine.plan().sessions;
        // Few samples are shared out evenly.
        let share = samples.size_hint().1.map_or(usize::MAX, |most| most.div_ceil(sessions));
        let block = self.programs.first().map_or(1, |(_, program)| program.batch).min(share).max(1);
        let source = Mutex::new(samples);
        let next = || -> Result<Vec<S>> {
            source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).by_ref().take(block).collect()
        };
        let times = Mutex::<BTreeMap<BoundMethod, Duration>>::default();
        let work = |desk: &Desk<(usize, R)>| {
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
        side_by_side(sessions, WORKER, stop, work, |results| {
            results.try_for_each(|result| {
                let (index, found) = result?;
                each(index, found)
            })
        })?;
        Ok(times.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Bounds a block of samples. One that is certified is done with, unless a cheap method may prove the same of single precision;
    /// others go on to the next method.
    fn certify(
        &self,
        samples: Vec<Sample>,
        worker: &mut BoundWorker,
        desk: &Desk<(usize, Bounded)>,
    ) -> Result<()> {
        let mut open: Vec<OpenSample> =
            samples.into_iter().map(|sample| OpenSample::new(sample, &self.terms)).collect();
        for (place, (method, program)) in self.programs.iter().enumerate() {
            let next = self.programs.get(place + 1).map(|(next, _)| *next);
            let (mut waiting, mut left) = (open.into_iter(), Vec::new());
            loop {
                let mut block: Vec<OpenSample> = waiting.by_ref().take(program.batch).collect();
                if block.is_empty() {
                    break;
                }
                if desk.halted() {
                    return Ok(());
                }
                worker.bound(*method, program, &mut block)?;
                if let Some(rounding) = &self.rounding {
                    worker.judge(rounding, &mut block)?;
                }
                for open in block {
                    match next.is_some_and(|next| open.is_open_to(next)) {
                        true => left.push(open),
                        false => desk.send((open.sample.index, open.bounded())),
                    }
                }
            }
            open = left;
        }
        Ok(())
    }

    /// Seeks the radii of a block of samples, which are bounded side by side, each at a radius of its own.
    fn reach(
        &self,
        samples: Vec<(Sample, Option<Bounded>)>,
        worker: &mut BoundWorker,
        desk: &Desk<(usize, CertifiedRadius)>,
    ) -> Result<()> {
        let threat = self.terms.threat;
        let grid = Grid::of(&threat, self.engine.classifier().dimension());
        let search = |(sample, known)| (sample, RadiusSearch::new(grid, threat.eps, known));
        let mut searches: Vec<(Sample, RadiusSearch)> = samples.into_iter().map(search).collect();
        for (method, program) in self.programs.iter().filter(|(method, _)| method.is_bisected()) {
            searches.iter_mut().for_each(|(_, search)| search.begin());
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
                    worker.bound(*method, program, &mut block)?;
                    for ((_, search, rank), open) in part.iter_mut().zip(&block) {
                        search.take(grid, *rank, *method, open.bounded().is_certified());
                    }
                }
            }
        }
        searches.into_iter().for_each(|(sample, search)| desk.send((sample.index, search.found())));
        Ok(())
    }
}
