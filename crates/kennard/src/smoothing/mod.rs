//! Randomised smoothing: a classifier looked at through a window of normal noise (Cohen, Rosenfeld and Kolter,
//! *Certified Adversarial Robustness via Randomized Smoothing*, ICML 2019, arXiv 1902.02918).
//!
//! ```text
//! smoothed classifier      G(x) = argmax_c P(f(x + δ) = c),  δ ~ N(0, s² I)
//! smoothed radius          R(x) = s Φ⁻¹(p),  p the probability of one class
//! certificate              s Φ⁻¹(p_low),  p_low the lower limit of p (Clopper & Pearson) that fails with probability α
//! ```
//!
//! `s Φ⁻¹(p(x))` is 1-Lipschitz in x: where p > ½, G returns that class at every point closer than R in l2. For a linear
//! classifier of two classes R is the distance to the boundary, whatever s. The certificate is one for G, not for f: it says
//! nothing about the network itself.
//!
//! [`Smoothing`] counts over scales; [`Certification`] gives certificates at one, with as many draws as the radii need.
//! Probabilities come from counts of plain draws alone. The class that a certificate is about is chosen by draws of its own.
//! All scales use the same directions of noise, those of a sample depend on the seed and its index alone.

mod certification;
mod curve;
mod directory;
mod looks;
mod passes;
mod record;
mod settings;
mod summary;
mod votes;

use std::sync::atomic::{AtomicBool, Ordering};

use rand_distr::{Distribution, StandardNormal};

use crate::answer::predict;
use crate::data::{DataSet, Sample, Selection};
use crate::engine::{Engine, Evaluator, Query};
use crate::error::positive;
use crate::probe::labelled;
use crate::random::stream;
use crate::threat::clip;
use crate::{Error, Norm, RequestError, Result, ThreatModel};

pub use certification::Certification;
pub use curve::{AtScale, curve};
pub use directory::{FinishedSmoothing, SmoothingDirectory, merge_smoothing};
pub use passes::{SmoothingOutcome, SmoothingProgress};
pub use record::CertificateRecord;
pub use settings::SmoothingSettings;
pub use summary::{CertifiedWithin, SmoothingSummary};
pub use votes::Votes;

/// The number of samples that are read before they are smoothed.
const CHUNK: usize = 256;

/// Counts what a classifier returns under noise, over scales.
pub struct Smoothing<'a> {
    /// The classifier.
    pub engine: &'a Engine,
    /// The samples.
    pub data: &'a DataSet,
    /// Which samples; all by default.
    pub samples: Selection,
    /// The standard deviations s of the noise, in input units.
    pub scales: Vec<f64>,
    /// Draws that choose the class of a certificate, n₀.
    pub choosing: usize,
    /// Draws that count, n.
    pub draws: usize,
    /// Noisy points are moved into these bounds before the classifier sees them, as in training with noise: what is smoothed
    /// is then the classifier behind that step. None: it is asked wherever the noise leads.
    pub bounds: Option<[f32; 2]>,
    /// The seed of the noise.
    pub seed: u64,
}

/// A sample's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmoothedRecord {
    /// The place in the data set.
    pub index: usize,
    /// The true class.
    pub label: usize,
    /// The counts at each scale, in the order of the scales.
    pub votes: Vec<Votes>,
}

impl Smoothing<'_> {
    /// Smooths the samples, in their order. `stop` ends it early, with the samples finished by then; `progress` hears how
    /// many are.
    ///
    /// # Errors
    /// When there is no scale, one is not positive and finite, there are no draws, the bounds are invalid, data and model do
    /// not fit, or a runtime fails.
    pub fn measure(&self, stop: &AtomicBool, mut progress: impl FnMut(u64)) -> Result<Vec<SmoothedRecord>> {
        self.check()?;
        let mut samples = labelled(self.engine, self.data, self.samples.indices(self.data.len()))?;
        let mut records = Vec::new();
        loop {
            let chunk: Vec<Sample> = samples.by_ref().take(CHUNK).collect::<Result<_>>()?;
            if chunk.is_empty() || stop.load(Ordering::Relaxed) {
                return Ok(records);
            }
            let before = records.len();
            let work = |evaluator: &mut Evaluator, sample: &Sample| self.smooth(evaluator, sample);
            let sessions = self.engine.plan().sessions;
            let done = |done| progress((before + done) as u64);
            let found = self.engine.each_of(&chunk, sessions, stop, |evaluator| evaluator, work, done)?;
            records.extend(found.into_iter().flatten());
        }
    }

    fn check(&self) -> Result<()> {
        if self.scales.is_empty() {
            return Err(Error::TooFew {
                count: 0,
                what: "scales of the noise",
                purpose: "to smooth with; take 0.25 for a quarter of the range of pixels".into(),
            });
        }
        self.scales.iter().try_for_each(|scale| check_scale(*scale))?;
        if self.choosing == 0 || self.draws == 0 {
            let (choosing, counting) = (self.choosing as u64, self.draws as u64);
            return Err(RequestError::NoDraws { choosing, counting, usual: 1000 }.into());
        }
        self.bounds.map_or(Ok(()), |bounds| ThreatModel::unlimited(Norm::L2, bounds).map(|_| ()))
    }

    fn smooth(&self, evaluator: &mut Evaluator, sample: &Sample) -> Result<SmoothedRecord> {
        let (d, classes) = (sample.input.len(), evaluator.classes());
        let mut random = stream(self.seed, &[sample.index as u64], "smoothing");
        let mut tallies = vec![VoteTally::new(classes, self.choosing); self.scales.len()];
        let mut left = self.choosing + self.draws;
        while left > 0 {
            let batch = left.min(evaluator.micro_batch());
            left -= batch;
            let noise: Vec<f64> = StandardNormal.sample_iter(&mut random).take(batch * d).collect();
            for (scale, tally) in self.scales.iter().zip(&mut tallies) {
                let answers = evaluator.evaluate(&Query::logits(displaced(
                    &sample.input,
                    &noise,
                    *scale,
                    self.bounds,
                )))?;
                answers.logits.chunks_exact(classes).for_each(|logits| tally.count(predict(logits)));
            }
        }
        let votes = tallies.into_iter().map(VoteTally::votes).collect();
        Ok(SmoothedRecord { index: sample.index, label: sample.label, votes })
    }
}

/// Refuses an invalid standard deviation of the noise.
fn check_scale(scale: f64) -> Result<()> {
    let allowed = "it must be a positive number, 0.25 for a quarter of the range of pixels";
    positive("the standard deviation of the noise", scale, allowed)
}

/// The input (d) moved by noise (any number of times d) of standard deviation `scale`, then into the bounds, if there are any.
fn displaced(input: &[f32], noise: &[f64], scale: f64, bounds: Option<[f32; 2]>) -> Vec<f32> {
    let moved = input.iter().cycle().zip(noise).map(|(&x, z)| (f64::from(x) + scale * z) as f32);
    let mut points: Vec<f32> = moved.collect();
    if let Some(bounds) = bounds {
        clip(&mut points, bounds);
    }
    points
}

/// Answers as they come: those that choose first, then those that count.
#[derive(Clone)]
struct VoteTally {
    choosing: usize,
    chosen: Vec<u64>,
    counts: Vec<u64>,
    draws: u64,
}

impl VoteTally {
    fn new(classes: usize, choosing: usize) -> VoteTally {
        VoteTally { choosing, chosen: vec![0; classes], counts: vec![0; classes], draws: 0 }
    }

    /// An answer with NaN counts for no class, and is still a draw.
    fn count(&mut self, class: usize) {
        let counts = if self.choosing > 0 { &mut self.chosen } else { &mut self.counts };
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
        self.draws += u64::from(self.choosing == 0);
        self.choosing = self.choosing.saturating_sub(1);
    }

    fn votes(self) -> Votes {
        Votes { chosen: votes::most(&self.chosen), counts: self.counts, draws: self.draws }
    }
}

#[cfg(test)]
mod tests;
