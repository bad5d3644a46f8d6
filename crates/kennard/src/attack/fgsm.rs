use serde::{Deserialize, Serialize};

use super::direction::Aim;
use super::steps::ascend_within;
use super::{BuiltIn, Subject};

/// One step of length ε along the gradient of the cross-entropy, from the sample itself
/// (Goodfellow et al. 2015, arXiv 1412.6572).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fgsm {
    /// How many target classes to step towards, the likeliest first; 0 steps away from the label.
    pub targets: usize,
}

impl BuiltIn for Fgsm {
    fn name(&self) -> &str {
        if self.targets == 0 { "fgsm" } else { "fgsm-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let threat = subject.threat();
        for direction in Aim::by_cross_entropy(subject, self.targets) {
            let mut x = subject.origin().to_vec();
            let seen = direction.look(subject, &x).await;
            ascend_within(threat, subject.origin(), &mut x, &seen.gradient, threat.eps);
            subject.logits(&x).await;
        }
    }
}
