use serde::{Deserialize, Serialize};

use super::{Augmentation, Method, Optimizer, Schedule};
use crate::{Error, Norm, Result, ThreatModel};

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
    /// Epsilon grows from 0 over the first so many epochs.
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

impl Recipe {
    /// The threat model of validation.
    pub fn threat(&self) -> Option<ThreatModel> {
        self.eps.map(|eps| ThreatModel { norm: self.norm, eps, bounds: self.bounds })
    }

    /// Checks that the numbers make sense for a data set of so many samples.
    ///
    /// # Errors
    /// Names the setting that does not, and what it must be.
    pub fn check(&self, samples: usize) -> Result<()> {
        let wrong = |message: String| Err(Error::Setting(message));
        if let Some(eps) = self.eps {
            ThreatModel::within(self.norm, eps, self.bounds)?;
        } else if self.method.is_adversarial() {
            return wrong(format!("the method {} needs --eps, the size of the changes", self.method.name()));
        }
        if self.epochs == 0 || self.batch == 0 || self.part == 0 {
            return wrong("epochs, batch and micro-batch must be at least 1".into());
        }
        if !self.batch.is_multiple_of(self.part) {
            return wrong(format!(
                "a batch of {} is not a multiple of the micro-batch {}",
                self.batch, self.part
            ));
        }
        if samples < self.held_out + self.batch {
            return wrong(format!(
                "the data has {samples} samples; {} held out and a batch of {} need more. Set --held-out and --batch lower",
                self.held_out, self.batch
            ));
        }
        for (name, value, most) in [
            ("learning rate", self.rate, f64::MAX),
            ("weight decay", self.decay, f64::MAX),
            ("label smoothing", self.smoothing, 1.0),
            ("average", self.average.unwrap_or(0.0), 1.0),
            ("clip", self.clip.unwrap_or(1.0), f64::MAX),
            ("epsilon's warm-up", self.warmup, f64::MAX),
        ] {
            if !(0.0..=most).contains(&value) {
                return wrong(format!(
                    "the {name} is {value}; it must be a number from 0{}",
                    if most == 1.0 { " to 1" } else { " on" }
                ));
            }
        }
        Ok(())
    }
}
