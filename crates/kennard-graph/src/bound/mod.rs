//! Certified bounds, graph → graph: what a model can return at the least and at the most while its input is anywhere in a
//! region.
//!
//! Forwards every tensor gets an interval. Backwards a row of the specification becomes a linear functional of earlier and
//! earlier tensors, up to the input: through nodes that are linear by the rule of their gradient (`linear/` says which
//! count, and what constants and rounding cost there), through others between planes (`relax/`). Where neither is known,
//! nothing is bounded.
//!
//! All that a bound graph computes is rounded to single precision, and its bounds hold in spite of that: every interval, plane and
//! sum has a margin for the worst that rounding can do (`rounding.rs`).

mod affine;
mod back;
mod ball;
mod error;
mod factors;
mod forward;
mod interval;
mod linear;
mod opened;
mod patch;
mod reach;
mod region;
mod relax;
mod rounding;
mod rows;
mod single;
mod site;
mod spans;
mod spelled;
mod stages;
mod totals;
mod trace;
mod training;

use std::collections::{HashMap, HashSet};

pub use patch::{Patch, Window};
pub use region::Region;
use rounding::HUGE;
use rows::{Rows, volume};
pub use single::forward_error;
pub use stages::{Hidden, Sloped, Stages};
use totals::Side;
use trace::{Trace, TraceStep};
pub(crate) use training::{largest, prepared};

use crate::{
    Builder, DType, Dim, Graph, GraphError, Node, Result, Shape, Tensor, TensorType, Value, Var, fold,
};

pub(crate) const LOWER: &str = "lower";
pub(crate) const UPPER: &str = "upper";
pub(crate) const CENTRE: &str = "centre";
pub(crate) const RADIUS: &str = "radius";

const COMPARISONS: [&str; 5] = ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"];

const SIDES: [(Side, &str); 2] = [(Side::Lower, Graph::BOUND_LOWER), (Side::Upper, Graph::BOUND_UPPER)];

/// How bounds are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// By intervals alone: one pass, and wide bounds (Gowal et al. 2018, arXiv 1810.12715).
    Intervals,
    /// By a walk back from the specification, hidden tensors by intervals (Zhang et al. 2019, arXiv 1906.06316).
    CrownOverIntervals,
    /// By walks back from every element of every hidden tensor too (Zhang et al. 2018, arXiv 1811.00866). Time and memory
    /// grow with the square of the hidden tensors' sizes.
    #[default]
    Crown,
}

/// The graph of certified bounds of a classifier over a region, for `rows` rows of a specification.
///
/// It takes `lower` and `upper`, of the shape of the model's input, for regions other than boxes `centre` and `radius [N]`, and
/// `spec [N, rows, K]`, K being the elements of the output. It returns `bound/lower` and `bound/upper`, `[N, rows]`: for every
/// point x of a sample's region `bound/lower ≤ spec·f(x) ≤ bound/upper`, f being the model in real arithmetic with its constants folded.
/// The margins for the rounding of the bounds themselves are taken off already, on conditions that `ARCHITECTURE.md`
/// states; where numbers overflow or are NaN, or the box is empty, the bounds are infinite.
///
/// # Errors
/// When an operator that the input reaches has no bounds ([`GraphError::NoBound`]), the model mixes samples, or fixes its batch
/// at another number than 1, a weight is no number, or the model has not one input and one output.
pub fn bound(graph: &Graph, method: Method, region: Region, rows: usize) -> Result<Graph> {
    let model = Model::new(graph, method)?;
    let builder = model.builder()?;
    let mut trace = model.trace(&builder, region, method)?;
    for node in &model.graph.nodes {
        trace.step(node)?;
    }
    let (functional, rows) = specification(&trace, &model.output, rows)?;
    // Walks only read the trace, and add no checks.
    let sound = trace.all_sound()?;
    for (side, name) in SIDES {
        let bound = trace.walk(&model.output, functional, rows, side)?;
        builder.output(name, only_sound(bound, sound, side.sign())?);
    }
    let graph = builder.finish()?;
    // Sizes of weights, and factors in them, are computed once.
    if method == Method::Intervals { fold(&graph) } else { Ok(graph) }
}

/// Whether a classifier is known to be affine in its input: every node that the input reaches is linear in what varies. Operators
/// that are but have no such rule make it false.
pub fn is_affine(graph: &Graph) -> bool {
    let inputs = graph.inputs.iter().map(|input| input.name.as_str());
    let varying = graph.reached(inputs, |node| !node.asks_extents());
    // The operators alone tell of nearly every other network.
    let mut nodes = graph.nodes.iter().filter(|node| !node.asks_extents() && node.reads(&varying));
    nodes.all(|node| linear::rule(&node.op).is_some()) && is_linear(graph).unwrap_or(false)
}

/// Whether bounds go back through all nodes by their adjoints.
fn is_linear(graph: &Graph) -> Result<bool> {
    let model = Model::new(graph, Method::Intervals)?;
    let builder = model.builder()?;
    let mut trace = model.trace(&builder, Region::Box, Method::Intervals)?;
    for node in &model.graph.nodes {
        trace.step(node)?;
    }
    Ok(trace.steps.iter().all(|(_, step)| matches!(step, TraceStep::Linear(_))))
}

/// A model ready to be followed.
struct Model {
    graph: Graph,
    /// The nodes that were spelled out in others, by their outputs.
    originals: HashMap<String, Node>,
    /// The tensors that nodes made before any was spelled out.
    own: HashSet<String>,
    input: Value,
    output: String,
}

impl Model {
    fn new(graph: &Graph, method: Method) -> Result<Model> {
        exact_thresholds(graph)?;
        let graph = opened::opened(&fold(&graph.with_floats(DType::F32))?)?;
        let (input, output) = (graph.single_input()?.clone(), graph.single_output()?.name.clone());
        // Inner tensors with our names give way; the ends have none here.
        let graph = graph.freeing(&names());
        let own = graph.nodes.iter().flat_map(|node| node.outputs.iter().cloned()).collect();
        let (graph, originals) = spelled::out(&graph, &input.name, method)?;
        Ok(Model { graph, originals, own, input, output })
    }

    /// A graph with the model's constants alone.
    fn builder(&self) -> Result<Builder> {
        let bare = Graph { inputs: Vec::new(), outputs: Vec::new(), nodes: Vec::new(), ..self.graph.clone() };
        let builder = Builder::new(&bare)?;
        let made = self.graph.nodes.iter().flat_map(|node| &node.outputs);
        let ours = names();
        builder.reserve(made.filter(|name| !ours.contains(name)));
        Ok(builder)
    }

    /// What is known before the first node.
    fn trace<'g, 'b>(
        &'g self,
        builder: &'b Builder,
        region: Region,
        method: Method,
    ) -> Result<Trace<'g, 'b>> {
        let Value { name, ty } = &self.input;
        let inputs = region.inputs(builder, &ty.shape);
        Trace::new(builder, name, &ty.shape, inputs, method, &self.originals)
    }
}

/// Refuses comparisons beside constants of double precision that single precision has not: a rounded threshold is another one, and what
/// it decides jumps.
fn exact_thresholds(graph: &Graph) -> Result<()> {
    let compares = |node: &&Node| COMPARISONS.contains(&node.op.as_str());
    let Some(node) = graph.nodes.iter().find(compares) else { return Ok(()) };
    let exact = |value: f64| f64::from(value as f32) == value;
    let rounded = |tensor: &Tensor| {
        tensor.dtype() == DType::F64
            && tensor.to_floats().is_some_and(|values| !values.into_iter().all(exact))
    };
    match graph.constants.iter().find(|(_, tensor)| rounded(tensor)) {
        None => Ok(()),
        Some((name, _)) => Err(node.error(format!(
            "it compares, and the constant `{name}` is in double precision, which would be rounded; export the model in float32"
        ))),
    }
}

/// The names of a graph of bounds that its caller knows.
fn names() -> Vec<String> {
    let ends = [Graph::SPEC, Graph::BOUND_LOWER, Graph::BOUND_UPPER, Graph::BOUND_ERROR];
    let ours = [LOWER, UPPER, CENTRE, RADIUS].into_iter().chain(ends);
    ours.map(|name| name.to_string()).collect()
}

/// The rows of a specification as functionals of a tensor.
fn specification<'b>(trace: &Trace<'_, 'b>, tensor: &str, rows: usize) -> Result<(Var<'b>, Rows)> {
    if rows == 0 {
        return Err(GraphError::Shape("a specification has at least one row".into()));
    }
    let shape = &trace.known(tensor)?.shape;
    let dims = vec![Dim::BATCH, Dim::Known(rows), Dim::Known(volume(shape)?)];
    let spec = trace.builder.input(Graph::SPEC, TensorType::new(DType::F32, dims));
    Ok((Rows(rows).unflat(spec, shape)?, Rows(rows)))
}

impl Graph {
    /// The input of [`bound`] with the rows of the specification.
    pub const SPEC: &'static str = "spec";
    /// The output of [`bound`] with lower bounds.
    pub const BOUND_LOWER: &'static str = "bound/lower";
    /// The output of [`bound`] with upper bounds.
    pub const BOUND_UPPER: &'static str = "bound/upper";
    /// The output of [`forward_error`].
    pub const BOUND_ERROR: &'static str = "bound/error";
}

/// The bound, and infinity where something on the way is no number that counts.
fn only_sound<'b>(bound: Var<'b>, sound: Option<Var<'b>>, sign: f64) -> Result<Var<'b>> {
    let within = bound.apply("Abs").with("LessOrEqual", bound.number(HUGE));
    let within = match sound {
        Some(sound) => {
            let sound = sound.reshape(&Shape(vec![Dim::BATCH, Dim::Known(1)]));
            within.with("And", sound.with("Greater", sound.number(0.5)))
        }
        None => within,
    };
    let nothing = bound.number(sign * f64::INFINITY);
    Ok(bound.builder().op("Where", &[Some(within), Some(bound), Some(nothing)], &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of the input `[N, 2]` and of a matrix of constants.
    type Function = for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>;

    #[test]
    fn affine_graphs_are_known_and_others_are_not() {
        let known = |function: Function| {
            let builder = Builder::new(&Graph::default()).unwrap();
            let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
            let matrix = builder.constant(Tensor::full(&[2, 2], 2.0, DType::F32));
            builder.output("y", function(x, matrix));
            is_affine(&builder.finish().unwrap())
        };
        let affine: [Function; 4] = [
            |x, matrix| x.with("Gemm", matrix),
            |x, matrix| (x + x) * 3.0 - x.with("MatMul", matrix),
            |x, matrix| x.with("MatMul", matrix.apply("Abs")) / 2.0,
            |x, _| -x.slice(&[1], &[0], &[1], &[1]),
        ];
        let others: [Function; 5] = [
            |x, matrix| x.with("Gemm", matrix).apply("Relu"),
            |x, _| x * x,
            |x, matrix| x * x.with("MatMul", matrix),
            |x, _| x / x,
            |x, _| 2.0 / x,
        ];
        assert_eq!((affine.map(known), others.map(known)), ([true; 4], [false; 5]));
    }
}
