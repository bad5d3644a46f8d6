use kennard_graph::{Graph, Region, Sloped, Stages, gradient};
use kennard_runtime::{Input, Runtime, Session, Threads};

use super::ascent::{Ascent, Slopes};
use super::hidden::{Hidden, Walker};
use crate::Result;

/// Certified lower bounds of one sample after another by walks back from a specification's rows and from the elements of hidden
/// tensors whose bounds matter (CROWN, Zhang et al. 2018, arXiv 1811.00866), the slopes at ReLUs chosen on request (α-CROWN).
pub struct Crown {
    walker: Walker,
    last: Last,
}

impl Crown {
    /// For a classifier and `rows` rows of a specification; with an ascent, slopes are chosen by it.
    ///
    /// # Errors
    /// When the model has no bounds, or the runtime cannot run them.
    pub fn new(
        model: &Graph,
        region: Region,
        rows: usize,
        ascent: Option<Ascent>,
        runtime: &Runtime,
        threads: &Threads,
    ) -> Result<Crown> {
        let stages = Stages::new(model, region)?;
        let last = match ascent {
            Some(ascent) => Last::sloped(&stages, rows, ascent, runtime, threads)?,
            None => Last::plain(&stages, rows, runtime, threads)?,
        };
        Ok(Crown { walker: Walker::new(&stages, runtime, threads)?, last })
    }

    /// The bounds (rows) for the region's inputs in the order in which [`bound`](kennard_graph::bound()) takes them, and a specification
    /// (rows, K). A sample about which nothing is known has bounds of −∞.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn bounds(&mut self, region: &[&[f32]], spec: &[f32]) -> Result<Vec<f32>> {
        let hidden = self.walker.bounds(region)?;
        self.last.bounds(region, &hidden, spec)
    }
}

/// The walk back from a specification's rows, hidden tensors being bounded.
pub(super) enum Last {
    Plain(Session),
    Sloped(Box<Choice>),
}

/// Slopes that are chosen for every row by projected gradient ascent (Xu et al. 2021, arXiv 2011.13824). Every slope is
/// sound, so the best value seen counts.
pub(super) struct Choice {
    /// Returns the bounds, then their gradients with respect to the slopes.
    session: Session,
    /// The hidden tensor of each input with slopes.
    of: Vec<usize>,
    rows: usize,
    ascent: Ascent,
}

impl Last {
    pub fn plain(stages: &Stages, rows: usize, runtime: &Runtime, threads: &Threads) -> Result<Last> {
        Ok(Last::Plain(runtime.compile_as_given(&stages.last(rows)?.with_batch(1), threads)?))
    }

    pub fn sloped(
        stages: &Stages,
        rows: usize,
        ascent: Ascent,
        runtime: &Runtime,
        threads: &Threads,
    ) -> Result<Last> {
        let Sloped { graph, slopes } = stages.sloped(rows)?;
        let names: Vec<&str> = slopes.iter().map(|(name, _)| name.as_str()).collect();
        let graph = gradient(&graph, Graph::BOUND_LOWER, &names)?;
        let session = runtime.compile_as_given(&graph.with_batch(1), threads)?;
        let of = slopes.iter().map(|(_, hidden)| *hidden).collect();
        Ok(Last::Sloped(Box::new(Choice { session, of, rows, ascent })))
    }

    /// The best lower bounds found (rows).
    pub fn bounds(&mut self, region: &[&[f32]], hidden: &Hidden, spec: &[f32]) -> Result<Vec<f32>> {
        let known = region.iter().copied().chain(hidden.iter().map(Vec::as_slice)).map(Input::F32);
        match self {
            Last::Plain(session) => {
                let mut outputs = Vec::new();
                session.run(&known.chain([Input::F32(spec)]).collect::<Vec<_>>(), &mut outputs)?;
                Ok(outputs.into_iter().next().unwrap_or_default())
            }
            Last::Sloped(choice) => choice.bounds(&known.collect::<Vec<_>>(), hidden, spec),
        }
    }
}

impl Choice {
    /// It ends early where all bounds are positive.
    fn bounds(&mut self, known: &[Input], hidden: &Hidden, spec: &[f32]) -> Result<Vec<f32>> {
        let first = |&i: &usize| Slopes::first(&hidden[2 * i], &hidden[2 * i + 1], self.rows);
        let mut slopes: Vec<Slopes> = self.of.iter().map(first).collect();
        let mut best = vec![f32::NEG_INFINITY; self.rows];
        let mut outputs = Vec::new();
        let mut rate = self.ascent.rate;
        for step in 0..=self.ascent.steps {
            let chosen = slopes.iter().map(|slope| Input::F32(&slope.values));
            let inputs: Vec<Input> = known.iter().copied().chain(chosen).chain([Input::F32(spec)]).collect();
            self.session.run(&inputs, &mut outputs)?;
            for (best, bound) in best.iter_mut().zip(&outputs[0]) {
                *best = best.max(*bound);
            }
            if step == self.ascent.steps || slopes.is_empty() || best.iter().all(|bound| *bound > 0.0) {
                break;
            }
            for (slope, gradient) in slopes.iter_mut().zip(&outputs[1..]) {
                slope.step(gradient, rate, step + 1);
            }
            rate *= self.ascent.decay;
        }
        Ok(best)
    }
}
