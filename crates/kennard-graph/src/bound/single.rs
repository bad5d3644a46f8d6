use super::factors;
use super::region::Region;
use super::rounding::{TINY, gamma};
use super::rows::{column, volume};
use super::{Method, Model, only_sound, specification};
use crate::{DType, Dim, Graph, Result, Shape, fold, infer};

/// The graph of how far rounding can take a classifier in single precision from what it is in real arithmetic, over a region, for `rows` rows of
/// a specification. None where an operator that the input reaches has no rule for its error, something is not in single
/// precision, or products of weights and the factors beside them leave its range and may count.
///
/// It takes what [`bound`](super::bound()) takes and returns `bound/error`, `[N, rows]`: for every point x of a sample's region, in single
/// precision, `|spec|·|f̂(x) − f(x)| ≤ bound/error`, f being the model in real arithmetic and f̂ what is computed node by node in single
/// precision, the constants of both folded; every operation is rounded to nearest, and sums are taken in any order, with or without fused products.
/// `Tanh` and `Erf` are taken to be as exact as `ARCHITECTURE.md` says. Where numbers overflow or are NaN, or the box is
/// empty, it is infinite, and where they are large beside products of weights and factors below the normal range. Sums of
/// constants alone are taken as [folded](crate::fold()), rounded once.
///
/// # Errors
/// See [`bound`](super::bound()).
pub fn forward_error(graph: &Graph, region: Region, rows: usize) -> Result<Option<Graph>> {
    if !is_single(graph)? {
        return Ok(None);
    }
    let model = Model::new(graph, Method::Intervals)?;
    let Some(most) = factors::most(&model.graph) else { return Ok(None) };
    let builder = model.builder()?;
    let mut trace = model.trace(&builder, region, Method::Intervals)?;
    trace.follow_errors(&model.own, most)?;
    for node in &model.graph.nodes {
        trace.step(node)?;
    }
    let known = trace.known(&model.output)?.clone();
    let Some(error) = known.error else { return Ok(None) };
    let (functional, rows) = specification(&trace, &model.output, rows)?;
    let sizes = rows.flat(functional, &known.shape)?.apply("Abs");
    let total = sizes.with("MatMul", column(error, &known.shape)?);
    let total = total * (1.0 + 2.0 * gamma(volume(&known.shape)?)?) + TINY;
    let total = total.reshape(&Shape(vec![Dim::BATCH, Dim::Known(rows.0)]));
    builder.output(Graph::BOUND_ERROR, only_sound(total, trace.all_sound()?, 1.0)?);
    fold(&builder.finish()?).map(Some)
}

/// Whether all numbers of a graph that are no integers are in single precision.
fn is_single(graph: &Graph) -> Result<bool> {
    let types = infer(graph)?;
    let other = |dtype: DType| dtype.is_float() && dtype != DType::F32;
    let made = graph.nodes.iter().flat_map(|node| &node.outputs).filter_map(|name| types.get(name));
    let mut given = graph.constants.values().map(|constant| constant.dtype());
    Ok(!graph.bfloat16
        && !given.any(other)
        && !made.map(|ty| ty.dtype).any(other)
        && !graph.inputs.iter().any(|input| other(input.ty.dtype)))
}
