use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::direction::Aim;
use super::steps::{ascend_within, start_in_ball};
use super::{BuiltIn, Subject};
use crate::ThreatModel;

/// Projected gradient ascent on the cross-entropy (Madry et al. 2018, arXiv 1706.06083).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pgd {
    /// Steps per restart.
    pub steps: usize,
    /// Length of a step in input units; 2.5 ε / steps where not given.
    pub step_size: Option<f64>,
    /// How often to begin anew.
    pub restarts: u64,
    /// Begin at a random point of the ball rather than at the sample.
    pub random_start: bool,
    /// How many target classes to go towards, the likeliest first; 0 goes away from the label.
    pub targets: usize,
}

impl Default for Pgd {
    fn default() -> Pgd {
        Pgd { steps: 40, step_size: None, restarts: 1, random_start: true, targets: 0 }
    }
}

impl BuiltIn for Pgd {
    fn name(&self) -> &str {
        if self.targets == 0 { "pgd" } else { "pgd-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let (threat, d) = (subject.threat(), subject.origin().len());
        for restart in 0..self.restarts {
            let mut random = subject.random(restart);
            for direction in Aim::by_cross_entropy(subject, self.targets) {
                self.ascend(subject, direction, threat, d, &mut random).await;
            }
        }
    }
}

impl Pgd {
    /// One run on the first `moving` elements of the input, for which `threat` holds; the others stay.
    pub(crate) async fn ascend(
        &self,
        subject: &Subject<'_>,
        direction: Aim,
        threat: &ThreatModel,
        moving: usize,
        random: &mut ChaCha8Rng,
    ) {
        let step = self.step_size.unwrap_or(2.5 * threat.eps / self.steps.max(1) as f64);
        let (origin, moving) = (&subject.origin()[..moving], ..moving);
        let mut x = subject.origin().to_vec();
        if self.random_start {
            start_in_ball(threat, origin, &mut x[moving], random);
        }
        for _ in 0..self.steps {
            let answer = direction.look(subject, &x).await;
            ascend_within(threat, origin, &mut x[moving], &answer.gradient[moving], step);
        }
        subject.logits(&x).await;
    }
}
