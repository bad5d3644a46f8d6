use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// The mean of the objective over the epoch.
    pub loss: f64,
    /// The share of training images, as the network was shown them, that it classified correctly.
    pub train_accuracy: f64,
    /// The share of held-out samples classified correctly; none where none are held out.
    pub validation_accuracy: Option<f64>,
    /// The share of held-out samples that PGD with 10 steps leaves correctly classified; none where none are attacked.
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
    /// None where none are held out.
    pub fn merit(&self) -> Option<(f64, f64)> {
        let accuracy = self.validation_accuracy?;
        Some((self.robust_validation_accuracy.unwrap_or(accuracy), accuracy))
    }
}

/// The epoch of the best checkpoint: the first of equals; the last where nothing says which is better.
pub fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    let better = |best: &Epoch, epoch: &Epoch| epoch.merit().is_none() || best.merit() < epoch.merit();
    epochs.iter().reduce(|best, epoch| if better(best, epoch) { epoch } else { best })
}
