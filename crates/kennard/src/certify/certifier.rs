use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kennard_graph::bound;
use kennard_runtime::Runtime;

use super::cost::Allowance;
use super::program::{Program, provable};
use super::region::{check, shape};
use super::terms::Terms;
use super::worker::{Open, Worker};
use super::{BoundMethod, Bounded};
use crate::data::Sample;
use crate::engine::Engine;
use crate::workers::{Desk, side_by_side};
use crate::{Boxes, Error, Result, ThreatModel};

/// Who a worker is, in messages.
const WORKER: &str = "a worker of the certifier";

/// Bounds the margins of a classifier over the regions of a threat model.
pub(crate) struct Certifier<'e> {
    engine: &'e Engine,
    runtime: Runtime,
    terms: Terms<'e>,
    /// In the order in which they are tried.
    programs: Vec<(BoundMethod, Program)>,
}

impl<'e> Certifier<'e> {
    /// Prepares to bound the engine's classifier over the threat model's regions, or over `boxes` where samples have their own,
    /// by all methods that cost a sample no more than `passes` with a gradient, where that is given.
    ///
    /// The cost follows from the model and from no stopwatch.
    ///
    /// # Errors
    /// When there is nothing to prove within the threat model, or the model is none that can be bounded; the message names
    /// the operator.
    pub fn new(
        engine: &'e Engine,
        threat: ThreatModel,
        boxes: Option<&'e Boxes>,
        passes: Option<u64>,
    ) -> Result<Certifier<'e>> {
        let classifier = engine.classifier();
        check(&threat, classifier.dimension())?;
        let region = shape(threat.norm)?;
        let model = provable(classifier)?;
        let terms = Terms { threat, boxes, classes: classifier.classes() };
        let rows = terms.margins();
        let runtime = engine.runtime().as_given();
        let allowance = Allowance::of(&model, passes)?;
        let (mut programs, mut refusals, mut costly) =
            (Vec::<(BoundMethod, Program)>::new(), Vec::new(), false);
        for method in BoundMethod::ALL {
            let walk = programs.iter().find(|(method, _)| *method == BoundMethod::CrownIbp);
            if method > BoundMethod::CrownIbp
                && walk.is_some_and(|(_, walk)| !allowance.may_cover_hidden(walk.cost, rows))
            {
                break;
            }
            let made = kennard_runtime::on_deep_stack(|| match method {
                BoundMethod::AlphaCrown => Program::sloped(&model, region, rows),
                _ => Program::new(
                    bound(&model, method.walk(), region, rows)?,
                    &runtime,
                    engine.plan().micro_batch,
                ),
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
        match (programs.is_empty(), refusals.into_iter().next()) {
            (true, Some(error)) => Err(Error::Setting(format!("this model cannot be certified: {error}"))),
            (true, None) if costly => Err(Error::Setting(format!(
                "bounds of this model cost a sample more than {} passes",
                passes.unwrap_or(u64::MAX)
            ))),
            (true, None) => Err(Error::Setting(
                "this model cannot be certified: bounds of one sample need tensors of more than 1 GiB".into(),
            )),
            _ => Ok(Certifier { engine, runtime, terms, programs }),
        }
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
        mut each: impl FnMut(usize, Bounded) -> Result<()>,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        let sessions = self.engine.plan().sessions;
        // Few samples are shared out evenly.
        let share = samples.size_hint().1.map_or(usize::MAX, |most| most.div_ceil(sessions));
        let block = self.programs.first().map_or(1, |(_, program)| program.batch).min(share).max(1);
        let source = Mutex::new(samples);
        let next = || -> Result<Vec<Sample>> {
            source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).by_ref().take(block).collect()
        };
        let times = Mutex::<BTreeMap<BoundMethod, Duration>>::default();
        let work = |desk: &Desk<(usize, Bounded)>| {
            let threads = self.runtime.threads(1);
            threads.clone().enter(|| {
                let mut worker = Worker::new(&self.terms, &self.runtime, threads);
                while !desk.halted() {
                    let samples = next()?;
                    if samples.is_empty() {
                        break;
                    }
                    self.certify(samples, &mut worker, desk)?;
                }
                let mut times = times.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                worker.times.into_iter().for_each(|(method, time)| *times.entry(method).or_default() += time);
                Ok(())
            })
        };
        side_by_side(sessions, WORKER, stop, work, |results| {
            results.try_for_each(|result| {
                let (index, bounded) = result?;
                each(index, bounded)
            })
        })?;
        Ok(times.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Bounds a block of samples. One that is certified is done with; others go on to the next method.
    fn certify(
        &self,
        samples: Vec<Sample>,
        worker: &mut Worker,
        desk: &Desk<(usize, Bounded)>,
    ) -> Result<()> {
        let mut open: Vec<Open> = samples.into_iter().map(|sample| Open::new(sample, &self.terms)).collect();
        for (method, program) in &self.programs {
            let last = self.programs.last().is_some_and(|(last, _)| last == method);
            let (mut waiting, mut left) = (open.into_iter(), Vec::new());
            loop {
                let mut block: Vec<Open> = waiting.by_ref().take(program.batch).collect();
                if block.is_empty() {
                    break;
                }
                if desk.halted() {
                    return Ok(());
                }
                worker.bound(*method, program, &mut block)?;
                for open in block {
                    let bounded = open.bounded();
                    match last || bounded.is_certified() {
                        true => desk.send((open.sample.index, bounded)),
                        false => left.push(open),
                    }
                }
            }
            open = left;
        }
        Ok(())
    }
}
