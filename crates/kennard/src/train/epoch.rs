use serde::{Deserialize, Serialize};

use super::method::Method;

/// One epoch: a line of the log.
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
    /// The time of this epoch, validation included.
    pub seconds: f64,
    /// SHA-256 of the checkpoint, in hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// What looks wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The epoch of the best checkpoint. A method that seeks robustness is best in robust accuracy on held-out samples where something is
/// attacked, and among those equal in it in accuracy; one that does not, the other way round. Of epochs equal in both the
/// earliest is the best, and where none are held out the last.
pub fn best<'e>(epochs: &'e [Epoch], method: &Method) -> Option<&'e Epoch> {
    let merit = |epoch: &Epoch| {
        let accuracy = epoch.validation_accuracy?;
        let robust = epoch.robust_validation_accuracy.unwrap_or(accuracy);
        Some(if method.seeks_robustness() { [robust, accuracy] } else { [accuracy, robust] })
    };
    let better = |best: &Epoch, epoch: &Epoch| merit(epoch).is_none() || merit(best) < merit(epoch);
    epochs.iter().reduce(|best, epoch| if better(best, epoch) { epoch } else { best })
}
