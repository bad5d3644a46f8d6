//! Attacks on a hidden tensor beside attacks on the pixels, at equal relative size.
//!
//! The companion paper (arXiv 2402.10983) finds attacks on features more effective than attacks on pixels.
//! Here both are the same attack, projected gradient ascent on the cross-entropy in l2 from a random start
//! (40 steps of 2.5 ε/40), at a radius that is the same share r of what is attacked:
//!
//! | | moves | radius ε | stays within |
//! |---|---|---|---|
//! | features | the elements of the hidden tensor `h(x)` | `r ‖h(x)‖₂` | `[0, ∞)` where `h` is the output of a Relu |
//! | pixels | the elements of `x` | `r ‖x‖₂` | the input's bounds |
//!
//! What skip connections carry past the tensor stays as it is at `x`. A sample counts as broken when the
//! untouched model, or its untouched part behind the tensor, misclassifies a point within the radius. The
//! balls lie within each other, so what is broken at one radius is broken at every larger one.
//!
//! An attack on features is no attack on the network: there need be no input with such features. Sizes are
//! relative to the distance from zero, which is black for pixels; the comparison depends on that convention.

mod ascent;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use ascent::{PartialAscent, Target};

use crate::answer::predict;
use crate::attack::{AttackConditions, AttackedSample, Pgd, run_attack};
use crate::data::{DataSet, Sample, Selection};
use crate::engine::{Engine, Oracle, Query, Task};
use crate::error::positive;
use crate::packet::hidden::{Hidden, Values};
use crate::probe::Accuracy;
use crate::probe::labelled;
use crate::stats::mcnemar;
use crate::threat::check_inside;
use crate::warning::Warning;
use crate::{Error, Norm, Result, ThreatModel};

/// The number of samples that are attacked in pixels before the same are attacked in features.
const CHUNK: usize = 512;

/// Attacks a classifier's pixels and one of its hidden tensors.
#[non_exhaustive]
pub struct Features<'a> {
    /// The whole classifier.
    pub engine: &'a Engine,
    /// The hidden tensor of `engine`'s classifier.
    pub hidden: &'a Hidden,
    /// The samples.
    pub data: &'a DataSet,
    /// The smallest and the largest value of an input element.
    pub bounds: [f32; 2],
    /// The radii as shares of the l2 norm.
    pub relative: Vec<f64>,
    /// Which samples; all by default.
    pub samples: Selection,
    /// The seed of the random starts.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeaturesReport {
    /// The hidden tensor.
    pub tensor: String,
    /// Its shape for one sample.
    pub shape: Vec<usize>,
    /// How many elements go past it in skip connections, and stay as they are.
    pub held_fixed: usize,
    /// Whether its elements stay at least zero, it being the output of a Relu.
    pub nonnegative: bool,
    /// The norm of the radii.
    pub norm: Norm,
    /// Steps of each attack.
    pub steps: usize,
    /// The seed of the random starts.
    pub seed: u64,
    /// Samples that are classified correctly.
    pub clean: Accuracy,
    /// The radii in ascending order.
    pub sizes: Vec<AtSize>,
    /// Whether all samples were attacked that were to be.
    pub complete: bool,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Every sample's verdicts.
    #[serde(skip)]
    pub records: Vec<FeaturesRecord>,
}

/// Both attacks at one relative radius.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtSize {
    /// The radius as a share of the l2 norm.
    pub relative: f64,
    /// Accuracy under the attack on features.
    pub features: Accuracy,
    /// Accuracy under the attack on pixels.
    pub pixels: Accuracy,
    /// Samples that the attack on features alone breaks.
    pub features_alone: u64,
    /// Samples that the attack on pixels alone breaks.
    pub pixels_alone: u64,
    /// McNemar's exact test, two-sided: how likely counts at least as unequal are, were both attacks equally
    /// effective. Each radius is tested by itself.
    pub p_value: f64,
}

/// The verdicts on one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct FeaturesRecord {
    /// The place in the data set.
    pub index: usize,
    /// The true class.
    pub label: usize,
    /// The smallest relative radius at which the attack on features succeeds: 0 for a sample that is
    /// misclassified as it is, none where no attack succeeds.
    pub features: Option<f64>,
    /// The smallest relative radius at which the attack on pixels succeeds, likewise.
    pub pixels: Option<f64>,
}

impl<'a> Features<'a> {
    /// All samples, their elements between 0 and 1, with random starts of seed 0.
    pub fn new(engine: &'a Engine, hidden: &'a Hidden, data: &'a DataSet, relative: Vec<f64>) -> Self {
        Features { engine, hidden, data, bounds: [0.0, 1.0], relative, samples: Selection::All, seed: 0 }
    }
}

impl Features<'_> {
    /// Attacks the samples. `stop` ends it early, with the samples finished by then; `progress` hears how
    /// many are.
    ///
    /// # Errors
    /// When data and model do not fit, a sample is outside the bounds, a radius is no positive number, the
    /// model's answer is no number, or a runtime fails.
    pub fn measure(&self, stop: &AtomicBool, mut progress: impl FnMut(u64)) -> Result<FeaturesReport> {
        ThreatModel::within(Norm::L2, 0.0, self.bounds)?;
        let mut relative = self.relative.clone();
        relative.sort_by(f64::total_cmp);
        relative.dedup();
        if relative.is_empty() {
            let purpose = "to attack at; take 0.05 for 5 % of the norm".into();
            return Err(Error::TooFew { count: 0, what: "relative sizes", purpose });
        }
        let allowed = "it must be a positive number, 0.05 for 5 % of the norm";
        relative.iter().try_for_each(|size| positive("the relative size", *size, allowed))?;
        let mut samples = labelled(self.engine, self.data, self.samples.indices(self.data.len()))?;
        let mut records = Vec::new();
        loop {
            let chunk: Vec<Sample> = samples.by_ref().take(CHUNK).collect::<Result<_>>()?;
            let pixels = chunk.iter().map(|sample| self.pixels(sample));
            let pixels = self.attack(self.engine, pixels, &relative, stop)?;
            // A misclassified sample is so in both spaces.
            let correct = chunk.iter().zip(&pixels).filter(|(_, broken)| **broken != Some(0.0));
            let features = correct.map(|(sample, _)| self.features(sample));
            let mut features = self.attack(self.hidden.engine(), features, &relative, stop)?.into_iter();
            if chunk.is_empty() || stop.load(Ordering::Relaxed) {
                break;
            }
            for (sample, pixels) in chunk.iter().zip(pixels) {
                let features = if pixels == Some(0.0) { pixels } else { features.next().flatten() };
                records.push(FeaturesRecord { index: sample.index, label: sample.label, features, pixels });
            }
            progress(records.len() as u64);
        }
        if records.is_empty() && !stop.load(Ordering::Relaxed) {
            return Err(Error::NoSamples { purpose: "attack", data: self.data.spec().to_string() });
        }
        let (done, total) = (records.len(), self.samples.count(self.data.len()));
        let mut report = self.report(&relative, records);
        if done < total {
            report.complete = false;
            report.warnings.push(Warning::interrupted(format!("{done} of {total} samples were attacked")));
        }
        Ok(report)
    }

    fn pixels(&self, sample: &Sample) -> Result<Target> {
        check_inside(sample.index, &sample.input, self.bounds)?;
        let origin = sample.input.clone();
        let moving = origin.len();
        Ok(Target { index: sample.index, label: sample.label, origin, moving, bounds: Some(self.bounds) })
    }

    fn features(&self, sample: &Sample) -> Result<Target> {
        let Values { tensor, rest } = self.hidden.values(&sample.input)?;
        let moving = tensor.len();
        let origin = [tensor, rest].concat();
        if origin.iter().any(|v| !v.is_finite()) {
            return Err(Error::NotANumber(format!(
                "the tensor {} is not finite at sample {}; check that the model is whole",
                self.hidden.name(),
                sample.index
            )));
        }
        Ok(Target { index: sample.index, label: sample.label, origin, moving, bounds: None })
    }

    /// The smallest of the ascending relative radii at which each target is broken, 0 where it is
    /// misclassified as it is or the model's answer is NaN. What `stop` kept from being done is none.
    fn attack(
        &self,
        engine: &Engine,
        targets: impl Iterator<Item = Result<Target>> + Send,
        relative: &[f64],
        stop: &AtomicBool,
    ) -> Result<Vec<Option<f64>>> {
        let task = |oracle: Oracle, (place, target): (usize, Target)| -> Task<'_, (usize, Option<f64>)> {
            Box::pin(async move { Ok((place, self.smallest(&oracle, &target, relative).await?)) })
        };
        let numbered = targets.enumerate().map(|(place, target)| Ok((place, target?)));
        let mut found = Vec::new();
        engine.run(numbered, task, stop, |(place, broken)| {
            found.resize(found.len().max(place + 1), None);
            found[place] = broken;
            Ok(())
        })?;
        Ok(found)
    }

    async fn smallest(&self, oracle: &Oracle, target: &Target, relative: &[f64]) -> Result<Option<f64>> {
        let Target { index, label, origin, moving, .. } = target;
        let (index, label) = (*index, *label);
        let clean = oracle.ask(Query::untouched(origin.clone())).await.logits;
        if predict(&clean) != label {
            return Ok(Some(0.0));
        }
        let shape = [origin.len()];
        let norm = Norm::L2.size(&origin[..*moving]);
        for &r in relative {
            let eps = r * norm;
            let [threat, within] = target.threats(eps, self.hidden.is_nonnegative());
            let attack = PartialAscent { pgd: Pgd::default(), moving: *moving, threat: within };
            let attacked = AttackedSample::new(origin, &shape, label, index, &clean);
            let conditions = AttackConditions::first(threat, self.seed);
            if run_attack(&attack, attacked, conditions, 0, oracle.clone()).await?.broken {
                return Ok(Some(r));
            }
        }
        Ok(None)
    }

    fn report(&self, relative: &[f64], records: Vec<FeaturesRecord>) -> FeaturesReport {
        let n = records.len() as u64;
        let count = |wanted: &dyn Fn(&FeaturesRecord) -> bool| {
            records.iter().filter(|record| wanted(record)).count() as u64
        };
        let sizes = relative.iter().map(|&relative| {
            let broken = |at: Option<f64>| at.is_some_and(|at| at <= relative);
            let features_alone = count(&|record| broken(record.features) && !broken(record.pixels));
            let pixels_alone = count(&|record| broken(record.pixels) && !broken(record.features));
            AtSize {
                relative,
                features: Accuracy::of(count(&|record| !broken(record.features)), n),
                pixels: Accuracy::of(count(&|record| !broken(record.pixels)), n),
                features_alone,
                pixels_alone,
                p_value: mcnemar(features_alone, pixels_alone),
            }
        });
        FeaturesReport {
            tensor: self.hidden.name().into(),
            shape: self.hidden.shape().to_vec(),
            held_fixed: self.hidden.rest(),
            nonnegative: self.hidden.is_nonnegative(),
            norm: Norm::L2,
            steps: Pgd::default().steps,
            seed: self.seed,
            clean: Accuracy::of(count(&|record| record.pixels != Some(0.0)), n),
            sizes: sizes.collect(),
            complete: true,
            warnings: Vec::new(),
            records,
        }
    }
}
