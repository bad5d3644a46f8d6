//! The graphs that bound a model.

use std::sync::Arc;

use kennard_graph::{Graph, Region, Shape, Sloped, Stages, gradient, infer};
use kennard_runtime::Runtime;

use super::ascent::Ascent;
use super::cost::{Allowance, cost, varying};
use crate::Result;

/// The largest tensor of a bound graph has at most this many elements for one sample: 1 GiB.
const LARGEST: usize = 1 << 28;
/// The most elements of the largest tensor of samples that are bounded together: 16 MiB.
const TOGETHER: usize = 1 << 22;
/// Walks take this many at most: more of them hardly save any time, and a run is interrupted between two blocks.
const WALKED: usize = 8;
/// The same where slopes are chosen: beyond, a batch that is not full would waste more than one saves.
const SLOPED: usize = 1 << 15;

/// Hears how much of a preparation is done, and of how much, and says whether to go on.
pub(super) type Ticker<'t> = dyn Fn(u64, u64) -> bool + Sync + 't;

/// What a method runs, and how many samples at once.
pub(super) struct BoundProgram {
    pub walk: Walk,
    pub batch: usize,
    /// What it [costs](cost) for one sample.
    pub cost: u64,
}

/// What a method runs.
pub(super) enum Walk {
    /// A graph of lower bounds.
    Bounds(Graph),
    /// Graphs for one hidden tensor after another, and for the margins.
    Stages(Arc<Stages>),
}

impl BoundProgram {
    /// The graph, but for upper bounds, with a batch that memory allows; none where not even one sample does.
    pub fn new(graph: Graph, runtime: &Runtime, micro_batch: usize) -> Result<Option<BoundProgram>> {
        let mut graph = graph;
        graph.outputs.retain(|output| output.name != Graph::BOUND_UPPER);
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
        Ok(Some(BoundProgram { walk: Walk::Bounds(graph.with_batch(batch)), batch, cost }))
    }
}

/// Walks back from hidden tensors too.
pub(super) struct Walks {
    stages: Arc<Stages>,
    /// How many samples together.
    batch: usize,
    /// What walks from every element of the hidden tensors cost, taken together, or more than is allowed of that; none where they
    /// are of no sensible size.
    cost: Option<u64>,
}

impl Walks {
    /// For this many rows of a specification. Where `ticker` does not go on, they are of no use.
    pub fn new(
        model: &Graph,
        region: Region,
        rows: usize,
        allowance: Allowance,
        runtime: &Runtime,
        ticker: &Ticker<'_>,
    ) -> Result<Walks> {
        let stages = Stages::new(model, region)?;
        // Hidden tensors are gone through twice.
        let all = stages.hidden().len() as u64;
        let cost = hidden(&stages, allowance, &|done, _| ticker(done, 2 * all))?;
        let batch = match cost.filter(|&cost| allowance.covers(cost)) {
            Some(_) => together(&stages, rows, runtime, &|done, _| ticker(all + done, 2 * all))?,
            None => 1,
        };
        Ok(Walks { stages: Arc::new(stages), batch, cost })
    }
}

impl BoundProgram {
    /// None where all hidden tensors have the tightest bounds already, or where walks from all of their elements would take too
    /// much.
    pub fn crown(walks: &Walks) -> Option<BoundProgram> {
        let loose = walks.stages.hidden().iter().any(|tensor| tensor.loose);
        walks.cost.filter(|_| loose).map(|cost| BoundProgram::of(walks, walks.batch, cost))
    }

    /// The same with slopes to choose. None where there is nothing to choose, or where it would take too much.
    pub fn sloped(walks: &Walks, rows: usize, runtime: &Runtime) -> Result<Option<BoundProgram>> {
        let Some(hidden) = walks.cost else { return Ok(None) };
        let Sloped { graph, slopes } = walks.stages.sloped(rows)?;
        if slopes.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = slopes.iter().map(|(name, _)| name.as_str()).collect();
        let graph = gradient(&graph, Graph::BOUND_LOWER, &names)?.with_batch(1);
        let bounds = Ascent::default().steps as u64 + 1;
        let cost = hidden.saturating_add(cost(&graph)?.saturating_mul(bounds));
        let largest = largest(&graph)?;
        let batch = match runtime.rounds_by_place(&graph)? {
            true => 1,
            false => (SLOPED / largest).clamp(1, walks.batch),
        };
        Ok((largest <= LARGEST).then(|| BoundProgram::of(walks, batch, cost)))
    }

    fn of(walks: &Walks, batch: usize, cost: u64) -> BoundProgram {
        BoundProgram { walk: Walk::Stages(Arc::clone(&walks.stages)), batch, cost }
    }
}

/// How many samples are bounded together: what is said of one must not depend on its place in the batch.
pub(super) fn together(
    stages: &Stages,
    rows: usize,
    runtime: &Runtime,
    ticker: &Ticker<'_>,
) -> Result<usize> {
    let last = stages.last(rows)?.with_batch(1);
    if runtime.rounds_by_place(&last)? {
        return Ok(1);
    }
    for (i, tensor) in stages.hidden().iter().enumerate() {
        if !ticker(i as u64, stages.hidden().len() as u64) {
            break;
        }
        if runtime.rounds_by_place(&stages.intervals(i)?.with_batch(1))?
            || (tensor.loose && runtime.rounds_by_place(&one_way(stages, i)?)?)
        {
            return Ok(1);
        }
    }
    Ok((TOGETHER / largest(&last)?).clamp(1, WALKED))
}

fn hidden(stages: &Stages, allowance: Allowance, ticker: &Ticker<'_>) -> Result<Option<u64>> {
    let mut total = 0u64;
    for (i, tensor) in stages.hidden().iter().enumerate() {
        if !allowance.covers(total) || !ticker(i as u64, stages.hidden().len() as u64) {
            break;
        }
        total = total.saturating_add(cost(&stages.intervals(i)?.with_batch(1))?);
        if tensor.loose {
            let row = one_way(stages, i)?;
            if largest(&row)?.saturating_mul(tensor.elements) > LARGEST {
                return Ok(None);
            }
            total = total.saturating_add(cost(&row)?.saturating_mul(tensor.elements as u64));
        }
    }
    Ok(Some(total))
}

/// The walk back from one element of a hidden tensor.
pub(super) fn one_way(stages: &Stages, i: usize) -> Result<Graph> {
    let graph = match stages.patch(i, 1)? {
        Some(patch) => patch.graph,
        None => stages.walk(i, 1)?,
    };
    Ok(graph.with_batch(1))
}

/// The elements of the largest tensor that depends on an input.
pub(super) fn largest(graph: &Graph) -> Result<usize> {
    let types = infer(graph)?;
    let tensors = varying(graph).flat_map(|node| &node.outputs).filter_map(|name| types.get(name));
    let volume = |shape: &Shape| shape.volume().map_or(usize::MAX, |(n, _)| n);
    Ok(tensors.map(|ty| volume(&ty.shape)).max().unwrap_or(1).max(1))
}
