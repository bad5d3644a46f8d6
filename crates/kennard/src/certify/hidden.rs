use kennard_graph::{Graph, Stages};
use kennard_runtime::{Input, Runtime, Session, Threads};

use super::program::largest;
use crate::Result;

/// As many rows go back together as keep tensors below this many elements: 1 MiB, which caches hold.
const TOGETHER: usize = 1 << 18;

/// Bounds the hidden tensors of one sample after another: by intervals, then by walks back from the elements whose bounds
/// matter.
pub(super) struct Walker {
    stages: Vec<Stage>,
}

/// One hidden tensor.
struct Stage {
    intervals: Session,
    walk: Option<Walk>,
    elements: usize,
    /// Whether only elements whose sign is not known matter.
    signs: bool,
}

struct Walk {
    session: Session,
    rows: usize,
}

/// What the graphs of bounds are told of a sample's hidden tensors: the lower and the upper bounds of one after another, and
/// last whether they mean something.
pub(super) type Hidden = Vec<Vec<f32>>;

impl Walker {
    pub fn new(stages: &Stages, runtime: &Runtime, threads: &Threads) -> Result<Walker> {
        let compile = |graph: Graph| runtime.compile_as_given(&graph.with_batch(1), threads);
        let stage = |(i, tensor): (usize, &kennard_graph::Hidden)| -> Result<Stage> {
            let walk = match tensor.loose {
                true => {
                    let rows = rows(stages, i)?;
                    Some(Walk { session: compile(stages.walk(i, rows)?)?, rows })
                }
                false => None,
            };
            let intervals = compile(stages.intervals(i)?)?;
            Ok(Stage { intervals, walk, elements: tensor.elements, signs: tensor.signs })
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
            if let Some(walk) = &mut stage.walk {
                let matters = |i: &usize| match stage.signs {
                    true => lower[*i] < 0.0 && upper[*i] > 0.0,
                    false => lower[*i] < upper[*i],
                };
                let open: Vec<usize> = (0..stage.elements).filter(matters).collect();
                for part in open.chunks(walk.rows) {
                    let mut spec = vec![0.0; walk.rows * stage.elements];
                    for (row, &i) in spec.chunks_exact_mut(stage.elements).zip(part) {
                        row[i] = 1.0;
                    }
                    let inputs: Vec<Input> = inputs.iter().copied().chain([Input::F32(&spec)]).collect();
                    walk.session.run(&inputs, &mut outputs)?;
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

/// How many rows of a hidden tensor go back together.
fn rows(stages: &Stages, i: usize) -> Result<usize> {
    let one = largest(&stages.walk(i, 1)?.with_batch(1))?;
    Ok((TOGETHER / one).clamp(1, stages.hidden()[i].elements.max(1)))
}
