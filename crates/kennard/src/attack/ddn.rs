use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::descent::{cosine, range, reach, start, walks};
use super::steps::{ascend, onto_sphere, sphere};
use super::{BuiltIn, Loss, MinimumNorm, Subject};
use crate::Norm;
use crate::threat::clip;

/// Decoupled direction and norm: ascends the cross-entropy on a sphere that shrinks by a constant factor
/// where the point is adversarial and grows where it is not (Rony et al. 2019, arXiv 1811.09600,
/// algorithm 1). Points are not rounded to the 256 levels of an image file. Lengths are in units of the
/// input's range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ddn {
    /// Steps per restart, K.
    pub steps: usize,
    /// How often to begin anew: at the sample itself, then as far away as the closest adversarial point.
    pub restarts: u64,
    /// How many target classes have a walk of their own, the likeliest first; 0 goes after any other class.
    pub targets: usize,
    /// Length of the first step, α; the last is a hundredth of it.
    pub alpha: f64,
    /// The factor by which the sphere shrinks or grows, γ.
    pub gamma: f64,
    /// The sphere's first radius, ε₀.
    pub init_norm: f64,
}

impl Default for Ddn {
    fn default() -> Ddn {
        Ddn { steps: 100, restarts: 1, targets: 0, alpha: 1.0, gamma: 0.05, init_norm: 1.0 }
    }
}

impl BuiltIn for Ddn {
    const NORMS: &'static [Norm] = &[Norm::L2];

    fn name(&self) -> &str {
        if self.targets == 0 { "ddn" } else { "ddn-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let mut nearest = f64::INFINITY;
        for (target, restart, mut random) in walks(subject, self.targets, self.restarts) {
            let x = start(subject, restart, nearest, &mut random);
            nearest = nearest.min(self.walk(subject, target, x, nearest, random).await);
        }
    }
}

impl MinimumNorm for Ddn {}

impl Ddn {
    /// One walk among points closer than `beaten`; returns the distance of the closest adversarial point.
    pub(super) async fn walk(
        &self,
        subject: &Subject<'_>,
        target: Option<usize>,
        start: Vec<f32>,
        beaten: f64,
        mut random: ChaCha8Rng,
    ) -> f64 {
        let (origin, label) = (subject.origin(), subject.label());
        let reach = reach(subject).min(beaten);
        let mut x = start;
        let mut eps = (range(subject) * self.init_norm).min(reach);
        let mut nearest = f64::INFINITY;
        for k in 0..self.steps {
            let alpha = range(subject) * cosine(self.alpha, 0.01 * self.alpha, k, self.steps);
            // Up the log-odds of the label, or down those of the target.
            let answer = subject.gradient(&x, Loss::LogOdds, target.unwrap_or(label)).await;
            let step = if target.is_none() { alpha } else { -alpha };
            let adversarial = answer.prediction() != label;
            if adversarial {
                nearest = nearest.min(Norm::L2.distance(origin, &x));
            }
            if answer.gradient.iter().all(|&g| g == 0.0) {
                sphere(Norm::L2, alpha, &mut x, &mut random);
            } else {
                ascend(Norm::L2, &mut x, &answer.gradient, step);
            }
            eps = (eps * if adversarial { 1.0 - self.gamma } else { 1.0 + self.gamma }).min(reach);
            onto_sphere(origin, &mut x, eps);
            clip(&mut x, subject.threat().bounds);
        }
        // The last point needs no gradient.
        if subject.logits(&x).await.prediction() != label {
            nearest = nearest.min(Norm::L2.distance(origin, &x));
        }
        nearest
    }
}
