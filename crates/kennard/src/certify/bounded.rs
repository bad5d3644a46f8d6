use serde::{Deserialize, Serialize};

use super::BoundMethod;
use crate::figure::bits;

/// What was proved about a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// The smallest margin `min_j z_y − z_j` over the region of the threat model is at least this, in logits, the rounding of
    /// the bound being taken off. −∞ where nothing could be bounded.
    #[serde(with = "bits")]
    pub margin: f32,
    /// The last method that was tried: the one that certified the sample, where it is certified.
    pub method: BoundMethod,
}

impl Bounded {
    /// Whether no point of the region is misclassified.
    pub fn is_certified(&self) -> bool {
        self.margin > 0.0
    }
}
