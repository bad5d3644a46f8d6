use super::interval::Interval;
use super::rows::{Rows, column, volume};
use super::totals::Side;
use super::trace::Trace;
use super::{Method, Model, Region, only_sound, specification};
use crate::{DType, Dim, Graph, Result, Shape, TensorType, Var};

/// Bounds in two graphs: of the hidden tensors, once for a sample, and of a specification's rows given these and the slopes of
/// the lower lines at ReLUs, which may be anything (Xu et al. 2021, arXiv 2011.13824). Whoever looks for better slopes evaluates the
/// second graph often, and may differentiate it.
#[derive(Clone, Debug)]
pub struct Sloped {
    /// Takes what [`bound`](super::bound()) takes but for the specification. Returns for the i-th hidden tensor `hidden/i/lower`
    /// and `hidden/i/upper`, `[N, n]`, and last `sound`, `[N]`: 1 where these mean something, else 0.
    pub hidden: Graph,
    /// Takes the same, then all that `hidden` returns, in order, then the slopes `slope/j`, `[N, rows, n]`, and last
    /// `spec [N, rows, K]`. Returns `bound/lower`, `[N, rows]`.
    pub last: Graph,
    /// The inputs with slopes in the order in which `last` takes them, and which hidden tensor each belongs to.
    pub slopes: Vec<(String, usize)>,
}

/// The bounds of a classifier in two graphs, with slopes to choose.
///
/// # Errors
/// See [`bound`](super::bound()).
pub fn sloped(graph: &Graph, method: Method, region: Region, rows: usize) -> Result<Sloped> {
    let model = Model::new(graph, method)?;
    let shape = &model.input.ty.shape;

    let builder = model.builder()?;
    let inputs = region.inputs(&builder, shape);
    let mut trace = Trace::new(&builder, &model.input.name, shape, inputs, method, &model.originals)?;
    for node in &model.graph.nodes {
        trace.step(node)?;
    }
    let mut extents = Vec::new();
    for (i, name) in trace.hidden.iter().enumerate() {
        let known = trace.known(name)?;
        extents.push(volume(&known.shape)?);
        let flat = Shape(vec![Dim::BATCH, Dim::Known(extents[i])]);
        for (end, var) in [("lower", known.interval.lower), ("upper", known.interval.upper)] {
            builder.output(&format!("hidden/{i}/{end}"), column(var, &known.shape)?.reshape(&flat));
        }
    }
    if let Some(sound) = trace.all_sound() {
        builder.output("sound", sound);
    }
    let hidden_names: Vec<String> = trace.hidden.iter().map(|name| name.to_string()).collect();
    let shapes: Vec<Shape> =
        trace.hidden.iter().map(|name| trace.known(name).map(|k| k.shape.clone())).collect::<Result<_>>()?;
    drop(trace);
    let hidden = builder.finish()?;

    let builder = model.builder()?;
    let inputs = region.inputs(&builder, shape);
    let mut trace = Trace::new(&builder, &model.input.name, shape, inputs, method, &model.originals)?;
    let input = |name: String, extents: Vec<Dim>| -> Var<'_> {
        builder.input(&name, TensorType::new(DType::F32, extents))
    };
    for (i, (name, shape)) in hidden_names.into_iter().zip(&shapes).enumerate() {
        let end = |end: &str| {
            let flat = input(format!("hidden/{i}/{end}"), vec![Dim::BATCH, Dim::Known(extents[i])]);
            Rows(1).unflat(flat, shape)
        };
        trace.given.insert(name, Interval { lower: end("lower")?, upper: end("upper")? });
    }
    trace.sound.push(input("sound".into(), vec![Dim::BATCH]));
    trace.sloped = Some(Rows(rows));
    for node in &model.graph.nodes {
        trace.step(node)?;
    }
    let (functional, rows) = specification(&trace, &model, rows)?;
    let bound = trace.walk_to(&model.output, functional, rows, Side::Lower, true)?;
    builder.output(Graph::BOUND_LOWER, only_sound(bound, trace.all_sound(), Side::Lower.sign())?);
    let slopes = trace.slopes.clone();
    drop(trace);
    Ok(Sloped { hidden, last: builder.finish()?, slopes })
}
