use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// The mean of the objective over the epoch.
    pub loss: f64,
    /// The share of training images, as the network was shown them, that it classified correctly.
    pub train_accuracy: f64,
    /// The share of held-out samples classified correctly.
    pub validation_accuracy: f64,
    /// The share of held-out samples that PGD with 10 steps leaves correctly classified.
    pub robust_validation_accuracy: Option<f64>,
    /// Of this epoch, validation included.
    pub seconds: f64,
    /// SHA-256 of the checkpoint, in hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// What looks wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Epoch {
    /// What the best checkpoint is best in: robust accuracy on held-out samples where something is attacked, and
    /// among those equal in it, accuracy. Of epochs equal in both the earliest is the best.
    pub fn merit(&self) -> (f64, f64) {
        (self.robust_validation_accuracy.unwrap_or(self.validation_accuracy), self.validation_accuracy)
    }
}

/// The epoch of the best checkpoint: the first of equals.
pub(super) fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    epochs.iter().reduce(|best, epoch| if best.merit() < epoch.merit() { epoch } else { best })
}
