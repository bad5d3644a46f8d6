use kennard_graph::{Graph, Region, Sloped, Stages, gradient};
use kennard_runtime::{Runtime, Session, Threads};

use super::ascent::{Ascent, ReluSlopes};
use super::hidden::{HiddenBounds, Walker, Where, known};
use super::parted::{Parted, batched, run};
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
        let last = Last::new(&stages, [1, rows], ascent, runtime, threads)?;
        Ok(Crown { walker: Walker::new(&stages, 1, runtime, threads)?, last })
    }

    /// The bounds (rows) for the region's inputs in the order in which [`bound`](kennard_graph::bound()) takes them, and a specification
    /// (rows, K). A sample about which nothing is known has bounds of −∞.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn bounds(&mut self, region: &[&[f32]], spec: &[f32]) -> Result<Vec<f32>> {
        let regions = [region.to_vec()];
        let hidden = self.walker.bounds(&regions)?;
        self.last.bounds(&regions, &hidden.iter().collect::<Vec<_>>(), &[spec.to_vec()])
    }
}

/// The walk back from a specification's rows, hidden tensors being bounded, for a batch of samples.
pub(super) struct Last {
    walk: Parted,
    /// Samples and rows.
    batch: [usize; 2],
    choice: Option<Choice>,
}

/// Slopes that are chosen for every row by projected gradient ascent (Xu et al. 2021, arXiv 2011.13824). Every slope is
/// sound, so the best value seen counts. The session returns the bounds, then their gradients with respect to the slopes.
struct Choice {
    /// The hidden tensor of each input with slopes.
    of: Vec<usize>,
    ascent: Ascent,
}

impl Last {
    /// For this many samples and rows of a specification; with an ascent, slopes are chosen by it.
    pub fn new(
        stages: &Stages,
        batch: [usize; 2],
        ascent: Option<Ascent>,
        runtime: &Runtime,
        threads: &Threads,
    ) -> Result<Last> {
        let [samples, rows] = batch;
        let (walk, choice) = match ascent {
            None => (Parted::whole(&stages.last(rows)?, samples, runtime, threads)?, None),
            Some(ascent) => {
                let Sloped { graph, slopes } = stages.sloped(rows)?;
                let names: Vec<&str> = slopes.iter().map(|(name, _)| name.as_str()).collect();
                let of = slopes.iter().map(|(_, hidden)| *hidden).collect();
                let graph = gradient(&graph, Graph::BOUND_LOWER, &names)?;
                let late: Vec<&str> = names.iter().copied().chain([Graph::SPEC]).collect();
                let walk = Parted::new(&graph, &late, [samples; 2], runtime, threads)?;
                (walk, Some(Choice { of, ascent }))
            }
        };
        Ok(Last { walk, batch, choice })
    }

    /// The best lower bounds found (samples · rows), for what is known of some samples, no more than the batch, and a specification of
    /// each (rows · K).
    pub fn bounds(
        &mut self,
        regions: &[Where],
        hidden: &[&HiddenBounds],
        specs: &[Vec<f32>],
    ) -> Result<Vec<f32>> {
        let [batch, rows] = self.batch;
        let given: Vec<_> =
            regions.iter().zip(hidden).map(|(region, hidden)| known(region, hidden)).collect();
        let specs: Vec<_> = specs.iter().map(|spec| vec![spec.as_slice()]).collect();
        let mut made = Vec::new();
        let given = batched(&self.walk.known(&given, &mut made)?, batch);
        let spec = batched(&specs, batch);
        let session = &mut self.walk.session;
        let mut best = match &self.choice {
            None => {
                let mut outputs = Vec::new();
                run(session, given.iter().chain(&spec), &mut outputs)?;
                outputs.into_iter().next().unwrap_or_default()
            }
            Some(choice) => {
                let slots = (0..batch).map(|slot| hidden[if slot < hidden.len() { slot } else { 0 }]);
                let first = |&i: &usize| {
                    ReluSlopes::first(
                        slots.clone().map(|hidden| [&hidden[2 * i][..], &hidden[2 * i + 1]]),
                        rows,
                    )
                };
                let slopes = choice.of.iter().map(first).collect();
                choice.ascend(session, &given, slopes, &spec, self.batch)?
            }
        };
        best.truncate(regions.len() * rows);
        Ok(best)
    }
}

impl Choice {
    /// A sample is done with when all its bounds are positive.
    fn ascend(
        &self,
        session: &mut Session,
        given: &[Vec<f32>],
        mut slopes: Vec<ReluSlopes>,
        spec: &[Vec<f32>],
        [samples, rows]: [usize; 2],
    ) -> Result<Vec<f32>> {
        let mut best = vec![f32::NEG_INFINITY; samples * rows];
        let mut outputs = Vec::new();
        let mut rate = self.ascent.rate;
        let proved = |bounds: &[f32]| bounds.iter().all(|bound| *bound > 0.0);
        for step in 0..=self.ascent.steps {
            let values = slopes.iter().map(|slopes| &slopes.values);
            run(session, given.iter().chain(values).chain(spec), &mut outputs)?;
            for (best, found) in best.chunks_exact_mut(rows).zip(outputs[0].chunks_exact(rows)) {
                if !proved(best) {
                    best.iter_mut().zip(found).for_each(|(best, bound)| *best = best.max(*bound));
                }
            }
            if step == self.ascent.steps || slopes.is_empty() || proved(&best) {
                break;
            }
            for (slopes, gradient) in slopes.iter_mut().zip(&outputs[1..]) {
                slopes.step(gradient, rate, step + 1);
            }
            rate *= self.ascent.decay;
        }
        Ok(best)
    }
}
