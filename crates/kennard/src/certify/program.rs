//! The graph that proofs are about, and those that bound it.

use kennard_graph::{DType, Graph, Method, Region, Shape, Sloped, gradient, infer, sloped};
use kennard_runtime::Runtime;

use super::alpha::Ascent;
use super::cost::cost;
use crate::{Classifier, Error, Result};

/// The largest tensor of a bound graph has at most this many elements for one sample: 1 GiB.
const LARGEST: usize = 1 << 28;
/// As many samples are bounded together as keep it below this many elements: 16 MiB.
const TOGETHER: usize = 1 << 22;

/// What a method runs, and how many samples at once.
pub(super) struct Program {
    pub walk: Walk,
    pub batch: usize,
    /// What it [costs](cost) for one sample.
    pub cost: u64,
}

/// What a method runs.
pub(super) enum Walk {
    /// A graph of lower bounds.
    Bounds(Graph),
    /// The walk back from the margins of this model over regions of this shape, with slopes to choose.
    Slopes(Graph, Region),
}

impl Program {
    /// The graph with a batch that memory allows; none where not even one sample does.
    pub fn new(graph: Graph, runtime: &Runtime, micro_batch: usize) -> Result<Option<Program>> {
        let mut graph = graph;
        graph.outputs.retain(|output| output.name == Graph::BOUND_LOWER);
        graph.prune();
        let alone = graph.with_batch(1);
        let largest = largest(&alone)?;
        if largest > LARGEST {
            return Ok(None);
        }
        // What a sample is told must not depend on its place in the batch.
        let batch = match runtime.rounds_by_place(&alone)? {
            true => 1,
            false => (TOGETHER / largest).clamp(1, micro_batch),
        };
        let cost = cost(&alone)?;
        Ok(Some(Program { walk: Walk::Bounds(graph.with_batch(batch)), batch, cost }))
    }
}

impl Program {
    /// The walk with slopes to choose, one sample at a time: it ends when all of its bounds are positive, so that what a sample
    /// is told would depend on its company. None where there is nothing to choose, or where memory does not allow it.
    pub fn sloped(model: &Graph, region: Region, rows: usize) -> Result<Option<Program>> {
        let Sloped { hidden, last, slopes } = sloped(model, Method::Crown, region, rows)?;
        let names: Vec<&str> = slopes.iter().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let last = gradient(&last, Graph::BOUND_LOWER, &names)?;
        let (hidden, last) = (hidden.with_batch(1), last.with_batch(1));
        let fits = largest(&hidden)?.max(largest(&last)?) <= LARGEST;
        let bounds = Ascent::default().steps as u64 + 1;
        let cost = cost(&hidden)?.saturating_add(cost(&last)?.saturating_mul(bounds));
        Ok(fits.then(|| Program { walk: Walk::Slopes(model.clone(), region), batch: 1, cost }))
    }
}

/// The elements of the largest tensor that a node makes.
fn largest(graph: &Graph) -> Result<usize> {
    let types = infer(graph)?;
    let tensors = graph.nodes.iter().flat_map(|node| &node.outputs).filter_map(|name| types.get(name));
    let volume = |shape: &Shape| shape.volume().map_or(usize::MAX, |(n, _)| n);
    Ok(tensors.map(|ty| volume(&ty.shape)).max().unwrap_or(1).max(1))
}

/// The graph from pixels to logits that proofs are about: the model as it was given, nothing simplified.
pub(super) fn provable(classifier: &Classifier) -> Result<Graph> {
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
        if double && tensor.to_floats().is_some_and(|values| !values.into_iter().all(exact)) {
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
