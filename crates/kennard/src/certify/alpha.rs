use kennard_graph::{Graph, Method, Region, Sloped, gradient, sloped};
use kennard_runtime::{Input, Runtime, Session, Threads};

use crate::Result;

/// How slopes are moved (Xu et al. 2021, arXiv 2011.13824).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ascent {
    /// Steps; each costs one bound and its gradient.
    pub steps: usize,
    /// The first step, in slope.
    pub rate: f64,
    /// The share of a step that the next one is.
    pub decay: f64,
}

impl Default for Ascent {
    fn default() -> Ascent {
        Ascent { steps: 20, rate: 0.25, decay: 0.95 }
    }
}

/// Bounds whose slopes at ReLUs are chosen for every sample and row by projected gradient ascent (α-CROWN). Every slope is
/// sound, so the best value seen counts. Hidden tensors are bounded once, before.
pub struct Alpha {
    hidden: Session,
    /// Returns the bounds, then their gradients with respect to the slopes.
    last: Session,
    /// The hidden tensor of each input with slopes.
    of: Vec<usize>,
    rows: usize,
    batch: usize,
}

impl Alpha {
    /// For a classifier, `rows` rows of a specification, and `batch` samples at a time.
    ///
    /// # Errors
    /// When the model has no bounds, or the runtime cannot run them.
    pub fn new(
        model: &Graph,
        method: Method,
        region: Region,
        [batch, rows]: [usize; 2],
        runtime: &Runtime,
        threads: &Threads,
    ) -> Result<Alpha> {
        let Sloped { hidden, last, slopes } = sloped(model, method, region, rows)?;
        let names: Vec<&str> = slopes.iter().map(|(name, _)| name.as_str()).collect();
        let last = gradient(&last, Graph::BOUND_LOWER, &names)?;
        let compile = |graph: &Graph| runtime.compile_as_given(&graph.with_batch(batch), threads);
        let of = slopes.iter().map(|(_, hidden)| *hidden).collect();
        Ok(Alpha { hidden: compile(&hidden)?, last: compile(&last)?, of, rows, batch })
    }

    /// The best lower bounds found, `[batch, rows]`, for the region's inputs in the order in which the bounds take them, and
    /// a specification `[batch, rows, K]`. It ends early where all are positive. A sample about which nothing is known has
    /// bounds of −∞.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn bounds(&mut self, region: &[&[f32]], spec: &[f32], ascent: &Ascent) -> Result<Vec<f32>> {
        let region: Vec<Input> = region.iter().map(|data| Input::F32(data)).collect();
        let mut hidden = Vec::new();
        self.hidden.run(&region, &mut hidden)?;
        let mut slopes: Vec<Adam> =
            self.of.iter().map(|&i| self.first(&hidden[2 * i], &hidden[2 * i + 1])).collect();
        let mut best = vec![f32::NEG_INFINITY; self.batch * self.rows];
        let mut outputs = Vec::new();
        let mut rate = ascent.rate;
        for step in 0..=ascent.steps {
            let given = hidden.iter().map(|data| Input::F32(data));
            let chosen = slopes.iter().map(|slope| Input::F32(&slope.values));
            let inputs: Vec<Input> =
                region.iter().copied().chain(given).chain(chosen).chain([Input::F32(spec)]).collect();
            self.last.run(&inputs, &mut outputs)?;
            for (best, bound) in best.iter_mut().zip(&outputs[0]) {
                *best = best.max(*bound);
            }
            if step == ascent.steps || slopes.is_empty() || best.iter().all(|bound| *bound > 0.0) {
                break;
            }
            for (slope, gradient) in slopes.iter_mut().zip(&outputs[1..]) {
                slope.step(gradient, rate, step + 1);
            }
            rate *= ascent.decay;
        }
        Ok(best)
    }

    /// The slopes that bounds have without a choice, for every row: 1 where `u > −l`, else 0.
    fn first(&self, lower: &[f32], upper: &[f32]) -> Adam {
        let slopes: Vec<f32> =
            lower.iter().zip(upper).map(|(l, u)| f32::from(u8::from(l + u > 0.0))).collect();
        let n = slopes.len() / self.batch.max(1);
        let every_row = |sample: &[f32]| sample.repeat(self.rows);
        let values: Vec<f32> = slopes.chunks(n.max(1)).flat_map(every_row).collect();
        Adam { mean: vec![0.0; values.len()], square: vec![0.0; values.len()], values }
    }
}

/// Numbers in [0, 1] that follow a gradient upwards (Kingma & Ba 2015, arXiv 1412.6980).
struct Adam {
    values: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Adam {
    fn step(&mut self, gradient: &[f32], rate: f64, number: usize) {
        const BETA: [f64; 2] = [0.9, 0.999];
        let [first, second] = BETA.map(|beta| 1.0 - beta.powi(number as i32));
        let each = self.values.iter_mut().zip(&mut self.mean).zip(&mut self.square).zip(gradient);
        for (((value, mean), square), &g) in each.filter(|(_, g)| g.is_finite()) {
            *mean = BETA[0] as f32 * *mean + (1.0 - BETA[0]) as f32 * g;
            *square = BETA[1] as f32 * *square + (1.0 - BETA[1]) as f32 * g * g;
            let change = rate * f64::from(*mean) / first / ((f64::from(*square) / second).sqrt() + 1e-12);
            *value = (f64::from(*value) + change).clamp(0.0, 1.0) as f32;
        }
    }
}
