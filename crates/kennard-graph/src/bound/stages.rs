use super::interval::Interval;
use super::rows::{Rows, column, volume};
use super::site::Tightness;
use super::totals::Side;
use super::trace::Trace;
use super::{LOWER, Method, Model, Region, SIDES, UPPER, linear, only_sound, specification};
use crate::{Builder, DType, Dim, Graph, GraphError, Result, Shape, TensorType};

const SOUND: &str = "sound";

/// Walks go to the input, and what is known of hidden tensors is given.
const METHOD: Method = Method::CrownOverIntervals;

/// Certified bounds in a sequence of graphs, one hidden tensor after another, for callers that choose: which elements of a hidden
/// tensor are worth a walk back, and which slopes the lower lines at ReLUs have (Xu et al. 2021, arXiv 2011.13824).
///
/// Hidden tensors are those that enter nodes which are not linear. What is known of the first of them is an input of every
/// graph for a later one: after the region's inputs `hidden/j/lower` and `hidden/j/upper`, `[N, n]`, for every j before, and
/// `hidden/j/sound`, `[N]`, for the last of these: 1 where all this means something, else 0.
pub struct Stages {
    pub(super) model: Model,
    pub(super) region: Region,
    pub(super) tensors: Vec<Hidden>,
}

/// A tensor that enters nodes which are not linear.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hidden {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// The nodes before the first that it enters.
    before: usize,
    /// The elements of a sample, n.
    pub elements: usize,
    /// Whether its intervals may be wider than what it can take on, so that walks back can narrow them.
    pub loose: bool,
    /// Whether nothing depends on the bounds of an element that are both positive or both negative: only ReLUs ask for them.
    pub signs: bool,
}

/// The bounds of rows of a specification, with inputs for slopes.
#[derive(Clone, Debug)]
pub struct Sloped {
    /// Takes after the hidden tensors the slopes `slope/j`, `[N, rows, n]`, and last `spec`, `[N, rows, K]`. Returns `bound/lower`,
    /// `[N, rows]`, which holds for every slope.
    pub graph: Graph,
    /// The inputs with slopes in the order in which the graph takes them, and which hidden tensor each belongs to.
    pub slopes: Vec<(String, usize)>,
}

impl Stages {
    /// # Errors
    /// See [`bound`](super::bound()).
    pub fn new(graph: &Graph, region: Region) -> Result<Stages> {
        let model = Model::new(graph, Method::Crown)?;
        let builder = model.builder()?;
        let mut trace = model.trace(&builder, region, METHOD)?;
        let mut tensors: Vec<Hidden> = Vec::new();
        for (before, node) in model.graph.nodes.iter().enumerate() {
            let met = trace.hidden.len();
            trace.step(node)?;
            for &name in &trace.hidden[met..] {
                let known = trace.known(name)?;
                tensors.push(Hidden {
                    name: name.into(),
                    shape: known.shape.clone(),
                    before,
                    elements: volume(&known.shape)?,
                    loose: known.tightness < Tightness::Tight,
                    signs: true,
                });
            }
            if node.op != "Relu" && linear::rule(&node.op).is_none() {
                let entered = |tensor: &&mut Hidden| node.inputs.contains(&tensor.name);
                tensors.iter_mut().filter(entered).for_each(|tensor| tensor.signs = false);
            }
        }
        drop(trace);
        Ok(Stages { model, region, tensors })
    }

    /// The hidden tensors, in the order in which they are bounded.
    pub fn hidden(&self) -> &[Hidden] {
        &self.tensors
    }

    /// Intervals of hidden tensor `i` from what is known of those before: `hidden/i/lower` and `hidden/i/upper`, `[N, n]`, and
    /// `hidden/i/sound`, `[N]`.
    ///
    /// # Errors
    /// When there is no such tensor.
    pub fn intervals(&self, i: usize) -> Result<Graph> {
        let tensor = self.tensor(i)?;
        self.graph(|builder| {
            let trace = self.trace(builder, &self.tensors[..i], tensor.before, None)?;
            let interval = trace.known(&tensor.name)?.interval;
            let flat = Shape(vec![Dim::BATCH, Dim::Known(tensor.elements)]);
            for (end, var) in [(LOWER, interval.lower), (UPPER, interval.upper)] {
                builder.output(&of(i, end), column(var, &tensor.shape)?.reshape(&flat));
            }
            if let Some(sound) = trace.all_sound()? {
                builder.output(&of(i, SOUND), sound);
            }
            Ok(())
        })
    }

    /// Bounds of `rows` functionals of hidden tensor `i`, `spec [N, rows, n]`, which comes last: `bound/lower` and `bound/upper`.
    ///
    /// # Errors
    /// When there is no such tensor or no row.
    pub fn walk(&self, i: usize, rows: usize) -> Result<Graph> {
        let Hidden { name, before, .. } = self.tensor(i)?;
        self.graph(|builder| {
            let trace = self.trace(builder, &self.tensors[..i], *before, None)?;
            let (functional, rows) = specification(&trace, name, rows)?;
            let sound = trace.all_sound()?;
            for (side, output) in SIDES {
                let bound = trace.walk_to(name, functional, rows, side, true)?;
                builder.output(output, only_sound(bound, sound, side.sign())?);
            }
            Ok(())
        })
    }

    /// The lower bounds `bound/lower` of `rows` rows of a specification of the output, `spec [N, rows, K]`, which comes last.
    ///
    /// # Errors
    /// When there is no row.
    pub fn last(&self, rows: usize) -> Result<Graph> {
        self.graph(|builder| {
            let trace = self.trace(builder, &self.tensors, self.model.graph.nodes.len(), None)?;
            let (functional, rows) = specification(&trace, &self.model.output, rows)?;
            let bound = trace.walk(&self.model.output, functional, rows, Side::Lower)?;
            builder.output(Graph::BOUND_LOWER, only_sound(bound, trace.all_sound()?, Side::Lower.sign())?);
            Ok(())
        })
    }

    /// The same with slopes to choose.
    ///
    /// # Errors
    /// When there is no row.
    pub fn sloped(&self, rows: usize) -> Result<Sloped> {
        let mut slopes = Vec::new();
        let graph = self.graph(|builder| {
            let all = self.model.graph.nodes.len();
            let trace = self.trace(builder, &self.tensors, all, Some(Rows(rows)))?;
            let (functional, rows) = specification(&trace, &self.model.output, rows)?;
            let bound = trace.walk_to(&self.model.output, functional, rows, Side::Lower, true)?;
            builder.output(Graph::BOUND_LOWER, only_sound(bound, trace.all_sound()?, Side::Lower.sign())?);
            slopes.clone_from(&trace.slopes);
            Ok(())
        })?;
        Ok(Sloped { graph, slopes })
    }

    pub(super) fn tensor(&self, i: usize) -> Result<&Hidden> {
        self.tensors.get(i).ok_or_else(|| GraphError::Shape(format!("there is no hidden tensor {i}")))
    }

    fn graph(&self, fill: impl FnOnce(&Builder) -> Result<()>) -> Result<Graph> {
        let builder = self.model.builder()?;
        fill(&builder)?;
        builder.finish()
    }

    /// Follows the model up to a node, some hidden tensors being known.
    fn trace<'g, 'b>(
        &'g self,
        builder: &'b Builder,
        known: &[Hidden],
        before: usize,
        sloped: Option<Rows>,
    ) -> Result<Trace<'g, 'b>> {
        let mut trace = self.model.trace(builder, self.region, METHOD)?;
        let input = |name: &str, dims: Vec<Dim>| builder.input(name, TensorType::new(DType::F32, dims));
        for (i, tensor) in known.iter().enumerate() {
            let end = |end: &str| {
                let flat = input(&of(i, end), vec![Dim::BATCH, Dim::Known(tensor.elements)]);
                Rows(1).unflat(flat, &tensor.shape)
            };
            trace.given.insert(tensor.name.clone(), Interval { lower: end(LOWER)?, upper: end(UPPER)? });
        }
        trace.sloped = sloped;
        let mut nodes = self.model.graph.nodes[..before].iter();
        if let Some(last) = known.last() {
            let sound = input(&of(known.len() - 1, SOUND), vec![Dim::BATCH]);
            for node in nodes.by_ref().take(last.before) {
                trace.step(node)?;
            }
            // What was computed up to there was checked when that tensor was bounded.
            trace.trust(sound);
        }
        nodes.try_for_each(|node| trace.step(node))?;
        Ok(trace)
    }
}

/// The name of an end of a hidden tensor's intervals.
fn of(i: usize, end: &str) -> String {
    format!("hidden/{i}/{end}")
}
