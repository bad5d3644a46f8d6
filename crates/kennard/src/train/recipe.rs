use serde::{Deserialize, Serialize};

use super::{Augmentation, Method, Optimizer, Schedule};
use crate::{Error, Norm, RequestError, Result, ThreatModel};

/// Everything that the result of a training run depends on, beside network and data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What the network is shown, and what is made small.
    pub method: Method,
    /// The norm of changes.
    pub norm: Norm,
    /// The size of changes in training and validation, in input units; none: nothing is attacked.
    pub eps: Option<f64>,
    /// The smallest and the largest value of an input element.
    pub bounds: [f32; 2],
    /// Passes over the training samples.
    pub epochs: usize,
    /// Epsilon grows from 0 over this many epochs from the first.
    pub warmup: f64,
    /// Samples per step.
    pub batch: usize,
    /// Samples that are worked on together: batch statistics are those of a part, and each core takes parts.
    pub part: usize,
    /// How weights follow gradients.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: f64,
    /// How it goes over the run.
    pub schedule: Schedule,
    /// Weight decay, of tensors with at least two axes: not of biases and normalisations.
    pub decay: f64,
    /// The share of the label that is spread over all classes.
    pub smoothing: f64,
    /// How images are varied.
    pub augmentation: Augmentation,
    /// Checkpoints hold the moving average `a·average + (1 − a)·weights` over the steps.
    pub average: Option<f64>,
    /// The gradient is scaled down to this l2 norm.
    pub clip: Option<f64>,
    /// Samples kept for validation.
    pub held_out: usize,
    /// How many of them are attacked.
    pub attacked: usize,
    /// Seeds weights, order, variations and attacks.
    pub seed: u64,
}

impl Default for Recipe {
    /// Ten epochs of AdamW on samples as they are; nothing is held out, varied or attacked.
    fn default() -> Recipe {
        Recipe {
            method: Method::Standard,
            norm: Norm::Linf,
            eps: None,
            bounds: [0.0, 1.0],
            epochs: 10,
            warmup: 0.0,
            batch: 128,
            part: 32,
            optimizer: Optimizer::AdamW { betas: [0.9, 0.999] },
            rate: 0.002,
            schedule: Schedule::OneCycle,
            decay: 5e-4,
            smoothing: 0.0,
            augmentation: Augmentation::default(),
            average: None,
            clip: None,
            held_out: 0,
            attacked: 0,
            seed: 0,
        }
    }
}

impl Recipe {
    /// The threat model of validation.
    pub fn threat(&self) -> Option<ThreatModel> {
        self.eps.map(|eps| ThreatModel { norm: self.norm, eps, bounds: self.bounds })
    }

    /// Checks that the numbers make sense for a data set of this many samples.
    ///
    /// # Errors
    /// Names the setting that does not, and what it must be.
    pub fn check(&self, samples: usize) -> Result<()> {
        let wrong = |message: String| Err(Error::Setting(message));
        let range = |name: &str, value: f64, allowed: &str| {
            Err(Error::OutOfRange { setting: format!("the {name}"), value, allowed: allowed.into() })
        };
        if let Some(eps) = self.eps {
            ThreatModel::within(self.norm, eps, self.bounds)?;
            if eps == 0.0 {
                return Err(Error::OutOfRange {
                    setting: "epsilon, the size of the changes,".into(),
                    value: eps,
                    allowed: "nothing would change: leave it out".into(),
                });
            }
        } else if self.method.is_adversarial() {
            return Err(Error::Setting(format!("the method {} needs", self.method.name()))
                .advise(" {eps}, the size of the changes"));
        }
        if self.method.is_certified() && (self.norm != Norm::Linf || self.smoothing > 0.0) {
            let name = self.method.name();
            return wrong(format!("the method {name} bounds changes in linf, and has no label smoothing"));
        }
        if self.smoothing > 0.0 && !self.method.smooths() {
            let method = self.method.name().into();
            return Err(Error::NotOfMethod { method, setting: "label smoothing" });
        }
        if self.epochs == 0 || self.batch == 0 || self.part == 0 {
            return wrong("epochs, batch and micro-batch must be at least 1".into());
        }
        if !self.batch.is_multiple_of(self.part) {
            return Err(RequestError::Undividable {
                what: "the batch".into(),
                size: self.batch,
                by: self.part,
                why: ", the micro-batch".into(),
            }
            .into());
        }
        if samples < self.held_out + self.batch {
            let Recipe { held_out, batch, .. } = *self;
            let few = Error::TooFewSamples { samples, held_out, batch };
            return Err(few.advise(". Set {held_out} and {batch} lower"));
        }
        for (name, value) in [
            ("weight decay", self.decay),
            ("epsilon's warm-up", self.warmup),
            ("label smoothing", self.smoothing),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return range(name, value, "it must be a number from 0 on");
            }
        }
        if self.warmup > self.epochs as f64 {
            return wrong(format!(
                "epsilon's warm-up takes {} of {} epochs: the size that was asked for would never be reached",
                self.warmup, self.epochs
            ));
        }
        if self.smoothing >= 1.0 {
            let allowed = "it must be below 1: nothing of the label is left";
            return range("label smoothing", self.smoothing, allowed);
        }
        // At zero, and an average at one, nothing would be learned.
        for (name, value) in [("learning rate", Some(self.rate)), ("clip", self.clip)] {
            if let Some(value) = value.filter(|value| !(*value > 0.0 && value.is_finite())) {
                return range(name, value, "it must be larger than 0");
            }
        }
        if let Some(rate) = self.average.filter(|rate| !(*rate > 0.0 && *rate < 1.0)) {
            let allowed = "it must lie between 0 (no average: leave it out) and 1 (the first weights)";
            return range("average's rate", rate, allowed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{METHODS, Strength};
    use super::*;

    /// Settings that would switch off what was asked for, or learn nothing.
    #[test]
    fn settings_that_do_nothing_are_refused() {
        let good = Recipe {
            eps: Some(0.1),
            epochs: 1,
            batch: 8,
            part: 4,
            average: Some(0.9),
            clip: Some(1.0),
            ..Recipe::default()
        };
        good.check(100).unwrap();
        let refused = |changed: Recipe, says: &str| {
            let message = changed.check(100).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        };
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(Recipe { rate: bad, ..good.clone() }, "learning rate");
            refused(Recipe { clip: Some(bad), ..good.clone() }, "clip");
            refused(Recipe { average: Some(bad), ..good.clone() }, "average");
        }
        refused(Recipe { average: Some(1.0), ..good.clone() }, "average");
        refused(Recipe { smoothing: 1.0, ..good.clone() }, "smoothing");
        refused(Recipe { decay: f64::NAN, ..good.clone() }, "weight decay");
        refused(Recipe { eps: Some(0.0), ..good.clone() }, "epsilon");
        for name in METHODS {
            let off = if name.ends_with("ibp") { 1.0 } else { 0.0 };
            for given in [
                Strength { strength: Some(off), steps: None },
                Strength { strength: Some(-0.1), steps: None },
                Strength { strength: None, steps: Some(0) },
                Strength { strength: Some(f64::NAN), steps: None },
            ] {
                assert!(Method::named(name, given).is_err(), "{name} {given:?}");
            }
            Method::named(name, Strength::default()).unwrap();
        }
        // The worst logits alone.
        Method::named("ibp", Strength { strength: Some(0.0), steps: None }).unwrap();
    }
}
