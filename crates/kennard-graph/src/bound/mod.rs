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

mod back;
mod forward;
mod interval;
mod linear;
mod region;
mod relax;
mod rounding;
mod rows;
mod site;
mod spans;
mod spelled;
mod totals;
mod trace;
mod training;

pub use region::Region;
use rounding::HUGE;
use rows::{Rows, batch_axis, volume};
use totals::Side;
use trace::Trace;
pub(crate) use training::{largest, prepared};

use crate::{Builder, DType, Dim, Graph, GraphError, Result, Shape, TensorType, Var, fold};

pub(crate) const LOWER: &str = "lower";
pub(crate) const UPPER: &str = "upper";
pub(crate) const CENTRE: &str = "centre";
pub(crate) const RADIUS: &str = "radius";
const SPEC: &str = "spec";

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
/// states; where numbers overflow or are none, or the box is empty, the bounds are infinite.
///
/// # Errors
/// When an operator that the input reaches has no bounds ([`GraphError::NoBound`]), the model mixes samples or has a fixed
/// batch, a weight is no number, or the model has not one input and one output.
pub fn bound(graph: &Graph, method: Method, region: Region, rows: usize) -> Result<Graph> {
    let outputs = [Graph::BOUND_LOWER, Graph::BOUND_UPPER];
    let ours: Vec<String> =
        [LOWER, UPPER, CENTRE, RADIUS, SPEC].iter().chain(&outputs).map(|s| s.to_string()).collect();
    let (input, output) = (graph.single_input()?.clone(), graph.single_output()?.name.clone());
    if batch_axis(&input.ty.shape).ok() != Some(0) || input.ty.shape.0[0] != Dim::BATCH {
        return Err(GraphError::Shape(format!(
            "the input `{}` {} has no free batch; export the model with a free batch to bound it",
            input.name, input.ty
        )));
    }
    if rows == 0 {
        return Err(GraphError::Shape("a specification has at least one row".into()));
    }
    let graph = fold(&graph.with_floats(DType::F32))?;
    // Inner tensors with our names give way; the ends have none here.
    let graph = graph.freeing(&ours);
    let (graph, originals) = spelled::out(&graph, &input.name, method)?;
    let bare = Graph { inputs: Vec::new(), outputs: Vec::new(), nodes: Vec::new(), ..graph.clone() };
    let builder = Builder::new(&bare)?;
    builder.reserve(graph.nodes.iter().flat_map(|node| &node.outputs).filter(|name| !ours.contains(name)));

    let region = region.inputs(&builder, &input.ty.shape);
    let mut trace = Trace::new(&builder, &input.name, &input.ty.shape, region, method, &originals)?;
    for node in &graph.nodes {
        trace.step(node)?;
    }
    let known = trace.known(&output)?;
    let shape = known.shape.clone();
    let classes = Dim::Known(volume(&shape)?);
    let spec = builder.input(SPEC, TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(rows), classes]));
    let rows = Rows(rows);
    let functional = rows.unflat(spec, &shape)?;
    for (side, name) in [(Side::Lower, outputs[0]), (Side::Upper, outputs[1])] {
        let bound = trace.walk(&graph.outputs[0].name, functional, rows, side)?;
        builder.output(name, only_sound(bound, trace.sound(), side.sign())?);
    }
    let graph = builder.finish()?;
    Ok(graph)
}

impl Graph {
    /// The output of [`bound`] with lower bounds.
    pub const BOUND_LOWER: &'static str = "bound/lower";
    /// The output of [`bound`] with upper bounds.
    pub const BOUND_UPPER: &'static str = "bound/upper";
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
