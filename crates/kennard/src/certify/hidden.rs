use kennard_graph::{Patch, Stages, Window};
use kennard_runtime::{Input, Runtime, Session, Threads};

use super::program::{largest, one_way};
use crate::Result;

/// As many rows go back together as keep tensors below this many elements: 1 MiB, which caches hold.
const TOGETHER: usize = 1 << 18;
/// And no more than this many.
const MOST: usize = 256;

/// Bounds the hidden tensors of one sample after another: by intervals, then by walks back from the elements whose bounds
/// matter.
pub(super) struct Walker {
    stages: Vec<Stage>,
}

/// One hidden tensor.
struct Stage {
    intervals: Session,
    way: Option<Way>,
    elements: usize,
    /// Whether only elements whose sign is not known matter.
    signs: bool,
}

/// How elements of a hidden tensor are bounded, some at once.
struct Way {
    session: Session,
    at_once: usize,
    /// What an element sees, if it sees only a window.
    patch: Option<Patch>,
}

/// What the graphs of bounds are told of a sample's hidden tensors: the lower and the upper bounds of one after another, and
/// last whether they mean something.
pub(super) type Hidden = Vec<Vec<f32>>;

impl Walker {
    pub fn new(stages: &Stages, runtime: &Runtime, threads: &Threads) -> Result<Walker> {
        let stage = |(i, tensor): (usize, &kennard_graph::Hidden)| -> Result<Stage> {
            let way = if tensor.loose { Some(Way::new(stages, i, runtime, threads)?) } else { None };
            let intervals = runtime.compile_as_given(&stages.intervals(i)?.with_batch(1), threads)?;
            Ok(Stage { intervals, way, elements: tensor.elements, signs: tensor.signs })
        };
        Ok(Walker { stages: stages.hidden().iter().enumerate().map(stage).collect::<Result<_>>()? })
    }

    /// The bounds of a sample whose region is given by these inputs.
    pub fn bounds(&mut self, region: &[&[f32]]) -> Result<Hidden> {
        let (mut hidden, mut outputs) = (Hidden::new(), Vec::new());
        for stage in &mut self.stages {
            let inputs: Vec<Input> =
                region.iter().copied().chain(hidden.iter().map(Vec::as_slice)).map(Input::F32).collect();
            stage.intervals.run(&inputs, &mut outputs)?;
            let mut found = std::mem::take(&mut outputs).into_iter();
            let mut next = || found.next().unwrap_or_default();
            let (mut lower, mut upper, sound) = (next(), next(), next());
            if let Some(way) = &mut stage.way {
                let matters = |i: &usize| match stage.signs {
                    true => lower[*i] < 0.0 && upper[*i] > 0.0,
                    false => lower[*i] < upper[*i],
                };
                let open: Vec<usize> = (0..stage.elements).filter(matters).collect();
                for part in open.chunks(way.at_once) {
                    way.run(region, &hidden, stage.elements, part, &mut outputs)?;
                    // What is no number bounds nothing: `max` and `min` leave the other one.
                    for (row, &i) in part.iter().enumerate() {
                        lower[i] = lower[i].max(outputs[0][row]);
                        upper[i] = upper[i].min(outputs[1][row]);
                    }
                }
            }
            // What is known is known of all of them.
            hidden.pop();
            hidden.extend([lower, upper, sound]);
        }
        Ok(hidden)
    }
}

impl Way {
    fn new(stages: &Stages, i: usize, runtime: &Runtime, threads: &Threads) -> Result<Way> {
        let most = stages.hidden()[i].elements.clamp(1, MOST);
        let at_once = (TOGETHER / largest(&one_way(stages, i)?)?).clamp(1, most);
        let patch = stages.patch(i)?;
        let graph = match &patch {
            Some(patch) => patch.graph.with_batch(at_once),
            None => stages.walk(i, at_once)?.with_batch(1),
        };
        Ok(Way { session: runtime.compile_as_given(&graph, threads)?, at_once, patch })
    }

    /// Bounds a part of a tensor's elements, no more than the session has places for.
    fn run(
        &mut self,
        region: &[&[f32]],
        hidden: &Hidden,
        elements: usize,
        part: &[usize],
        outputs: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        let Some(Patch { windows, unit: [channels, rows, columns], .. }) = &self.patch else {
            let mut spec = vec![0.0; self.at_once * elements];
            for (row, &i) in spec.chunks_exact_mut(elements).zip(part) {
                row[i] = 1.0;
            }
            let known = region.iter().copied().chain(hidden.iter().map(Vec::as_slice));
            let inputs: Vec<Input> = known.chain([&spec[..]]).map(Input::F32).collect();
            return Ok(self.session.run(&inputs, outputs)?);
        };
        let places = || (0..self.at_once).map(|place| part[if place < part.len() { place } else { 0 }]);
        let unit = |i: usize| [i / columns % rows, i % columns];
        let cut = |tensor: &[f32], window: &Window| {
            let mut cut = Vec::with_capacity(self.at_once * window.volume());
            places().for_each(|i| window.cut(tensor, unit(i), &mut cut));
            cut
        };
        // A radius comes last, and is the same everywhere.
        let (tensors, radius) = region.split_at(region.len().min(3));
        let mut inputs: Vec<Vec<f32>> = tensors.iter().map(|tensor| cut(tensor, &windows[0])).collect();
        inputs.extend(radius.iter().map(|radius| radius.repeat(self.at_once)));
        for (tensor, window) in hidden.chunks(2).zip(&windows[1..]) {
            inputs.extend(tensor.iter().map(|end| cut(end, window)));
        }
        inputs.extend(hidden.last().map(|sound| sound.repeat(self.at_once)));
        let mut spec = vec![0.0; self.at_once * channels];
        for (row, i) in spec.chunks_exact_mut(*channels).zip(places()) {
            row[i / (rows * columns)] = 1.0;
        }
        inputs.push(spec);
        let inputs: Vec<Input> = inputs.iter().map(|data| Input::F32(data)).collect();
        Ok(self.session.run(&inputs, outputs)?)
    }
}
