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
    /// Whether the same is proved of the network in single precision, every operation rounded to nearest, sums taken in any order: over
    /// the whole region no margin is as small as what rounding can do to it. None where the sample is not certified, or where
    /// what rounding can do is not known; false is no proof of the contrary, as tighter bounds are not tried for this alone unless they
    /// are [cheap](BoundMethod::CHEAP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_floats: Option<bool>,
}

impl Bounded {
    /// Whether no point of the region is misclassified.
    pub fn is_certified(&self) -> bool {
        self.margin > 0.0
    }
}
