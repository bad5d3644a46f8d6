use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kennard_graph::{DType, Graph, bound, infer};
use kennard_runtime::Runtime;

use super::region::{check, shape};
use super::worker::{Open, Worker};
use super::{BoundMethod, Bounded};
use crate::data::Sample;
use crate::engine::Engine;
use crate::workers::{Desk, side_by_side};
use crate::{Classifier, Error, Norm, Result, ThreatModel};

/// The largest tensor of a bound graph has at most this many elements for one sample: 1 GiB.
const LARGEST: usize = 1 << 28;
/// As many samples are bounded together as keep it below this many elements: 16 MiB.
const TOGETHER: usize = 1 << 22;

/// Who a worker is, in messages.
const WORKER: &str = "a worker of the certifier";

/// Bounds the margins of a classifier over the regions of a threat model.
pub(crate) struct Certifier<'e> {
    engine: &'e Engine,
    threat: ThreatModel,
    /// In the order in which they are tried.
    programs: Vec<(BoundMethod, Program)>,
}

/// The graph of a method, and how many samples it takes at once.
pub(super) struct Program {
    pub graph: Graph,
    pub batch: usize,
}

impl<'e> Certifier<'e> {
    /// Prepares to bound the engine's classifier.
    ///
    /// # Errors
    /// When there is nothing to prove within the threat model, or the model is none that can be bounded; the message names
    /// the operator.
    pub fn new(engine: &'e Engine, threat: ThreatModel) -> Result<Certifier<'e>> {
        let classifier = engine.classifier();
        check(&threat, classifier.dimension())?;
        let region = shape(threat.norm)?;
        let model = provable(classifier)?;
        let rows = classifier.classes() - 1;
        let (mut programs, mut refusals) = (Vec::new(), Vec::new());
        for method in BoundMethod::ALL {
            let made = kennard_runtime::on_deep_stack(|| bound(&model, method.walk(), region, rows));
            match made.map_err(Error::from).and_then(|graph| Program::new(graph, engine)) {
                Ok(Some(program)) => programs.push((method, program)),
                // It needs more memory than is sensible.
                Ok(None) => {}
                Err(error) => refusals.push(error),
            }
        }
        match (programs.is_empty(), refusals.into_iter().next()) {
            (true, Some(error)) => Err(Error::Setting(format!("this model cannot be certified: {error}"))),
            (true, None) => Err(Error::Setting(
                "this model cannot be certified: bounds of one sample need tensors of more than 1 GiB".into(),
            )),
            _ => Ok(Certifier { engine, threat, programs }),
        }
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
            let threads = self.runtime().threads(1);
            threads.clone().enter(|| {
                let mut worker = Worker::new(self, threads);
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
        let mut open: Vec<Open> = samples.into_iter().map(|sample| Open::new(sample, self)).collect();
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

    pub(super) fn threat(&self) -> &ThreatModel {
        &self.threat
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.engine.runtime()
    }

    pub(super) fn has_ball(&self) -> bool {
        self.threat.norm != Norm::Linf
    }

    /// How many margins a label has, K − 1.
    pub(super) fn margins(&self) -> usize {
        self.engine.classifier().classes() - 1
    }

    /// The margins `z_y − z_j` of a label y as rows over the logits (K − 1, K), j in ascending order.
    pub(super) fn spec(&self, label: usize) -> Vec<f32> {
        let classes = self.engine.classifier().classes();
        let mut spec = vec![0.0; (classes - 1) * classes];
        for (row, other) in spec.chunks_exact_mut(classes).zip((0..classes).filter(|&j| j != label)) {
            (row[label], row[other]) = (1.0, -1.0);
        }
        spec
    }
}

impl Program {
    /// The graph with a batch that memory allows; none where not even one sample does.
    fn new(graph: Graph, engine: &Engine) -> Result<Option<Program>> {
        let mut graph = graph;
        graph.outputs.retain(|output| output.name == Graph::BOUND_LOWER);
        graph.prune();
        let alone = graph.with_batch(1);
        let volume = |shape: &kennard_graph::Shape| shape.volume().map_or(usize::MAX, |(n, _)| n);
        let types = infer(&alone)?;
        let tensors = alone.nodes.iter().flat_map(|node| &node.outputs).filter_map(|name| types.get(name));
        let largest = tensors.map(|ty| volume(&ty.shape)).max().unwrap_or(1).max(1);
        if largest > LARGEST {
            return Ok(None);
        }
        // What a sample is told must not depend on its place in the batch.
        let batch = match engine.runtime().rounds_by_place(&alone)? {
            true => 1,
            false => (TOGETHER / largest).clamp(1, engine.plan().micro_batch),
        };
        Ok(Some(Program { graph: graph.with_batch(batch), batch }))
    }
}

/// The graph from pixels to logits that proofs are about: the model as it was given, nothing simplified.
fn provable(classifier: &Classifier) -> Result<Graph> {
    let refused = |why: &str| Err(Error::Setting(format!("this model cannot be certified: {why}")));
    if classifier.module().is_some() {
        return refused("a live module has no graph to bound; export it to ONNX");
    }
    if classifier.front().is_some() {
        return refused("it takes inputs of another precision than float32; export it with a float32 input");
    }
    let random = |op: &str| op.starts_with("Random") || ["Bernoulli", "Multinomial"].contains(&op);
    if let Some(node) = classifier.untouched().nodes.iter().find(|node| random(&node.op)) {
        return refused(&format!(
            "its node `{}` ({}) draws random numbers, so that it has no one answer",
            node.label(),
            node.op
        ));
    }
    let exact = |value: f64| f64::from(value as f32).to_bits() == value.to_bits();
    for (name, tensor) in &classifier.untouched().constants {
        let double = tensor.dtype() == DType::F64;
        if double && tensor.to_floats().is_some_and(|values| !values.into_iter().all(|v| exact(v.into()))) {
            return refused(&format!(
                "its weight `{name}` is in double precision, and would be rounded; export it in float32"
            ));
        }
    }
    match classifier.graph() {
        // A closing softmax changes no order of classes, and is left out; what returns probabilities otherwise is bounded as it is.
        Some(graph) => Ok(graph.clone()),
        None => refused("it has no graph"),
    }
}
