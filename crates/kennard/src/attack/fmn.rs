use serde::{Deserialize, Serialize};

use super::descent::{cosine, lead, range, reach, seeming_distance, start, walks};
use super::steps::{ascend, onto_sphere};
use super::{BuiltIn, MinimumNorm, Subject};
use crate::threat::{clip, onto_l0_ball};
use crate::{Norm, ThreatModel};

/// Fast minimum-norm attack: ascends the margin in a ball that shrinks where the point is adversarial and
/// grows where it is not (Pintor et al. 2021, arXiv 2102.12827, algorithm 1). Step sizes are in units of
/// the input's range.
///
/// The paper's walk stops short where the input's bounds cut off most of a step. Three things differ: in l2 points are brought
/// onto the sphere, not only into the ball (as in adv-lib's FMN); and until an adversarial point is found the ball
/// grows by `1 + γ` at least, and, but for l0, slopes that lead out of the bounds count as none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fmn {
    /// Steps per restart, K.
    pub steps: usize,
    /// How often to begin anew: at the sample itself, then as far away as the closest adversarial point.
    pub restarts: u64,
    /// How many target classes have a walk of their own, the likeliest first; 0 goes after any other class.
    pub targets: usize,
    /// Length of the first step, α₀.
    pub alpha: f64,
    /// Length of the last step, α_K.
    pub alpha_final: f64,
    /// The first factor by which the ball shrinks or grows, γ₀.
    pub gamma: f64,
    /// The last such factor, γ_K.
    pub gamma_final: f64,
}

impl Default for Fmn {
    fn default() -> Fmn {
        Fmn {
            steps: 100,
            restarts: 1,
            targets: 0,
            alpha: 1.0,
            alpha_final: 0.01,
            gamma: 0.05,
            gamma_final: 0.001,
        }
    }
}

impl BuiltIn for Fmn {
    const NORMS: &'static [Norm] = &[Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

    fn name(&self) -> &str {
        if self.targets == 0 { "fmn" } else { "fmn-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let mut nearest = f64::INFINITY;
        for (target, restart, mut random) in walks(subject, self.targets, self.restarts) {
            let x = start(subject, restart, nearest, &mut random);
            nearest = nearest.min(self.walk(subject, target, x, nearest).await);
        }
    }
}

impl MinimumNorm for Fmn {}

impl Fmn {
    /// One walk among points closer than `beaten`; returns the distance of the closest adversarial point.
    pub(super) async fn walk(
        &self,
        subject: &Subject<'_>,
        target: Option<usize>,
        start: Vec<f32>,
        beaten: f64,
    ) -> f64 {
        let threat = subject.threat();
        let (norm, origin, label) = (threat.norm, subject.origin(), subject.label());
        let reach = reach(subject).min(beaten);
        let mut nearest = f64::INFINITY;
        let mut eps = if norm == Norm::L0 { norm.distance(origin, &start).max(1.0) } else { 0.0 };
        let mut x = start;
        for k in 0..self.steps {
            let alpha = range(subject) * cosine(self.alpha, self.alpha_final, k, self.steps);
            let gamma = cosine(self.gamma, self.gamma_final, k, self.steps);
            let mut answer = lead(subject, &x, target).await;
            if norm != Norm::L0 && nearest.is_infinite() {
                level_outwards(threat.bounds, &x, &mut answer.gradient);
            }
            let adversarial = answer.prediction() != label;
            let here = norm.distance(origin, &x);
            if adversarial {
                nearest = nearest.min(here);
            }
            eps = match norm {
                Norm::L0 if adversarial => {
                    (eps - 1.0).min((eps * (1.0 - gamma)).floor()).min(nearest).max(1.0)
                }
                Norm::L0 => (eps + 1.0).max((eps * (1.0 + gamma)).floor()),
                _ if adversarial => nearest.min(if eps > 0.0 { eps } else { here } * (1.0 - gamma)),
                _ if nearest.is_finite() => eps * (1.0 + gamma),
                // Until an adversarial point is found, as far as the boundary seems to be; and a little farther,
                // as rounding would keep the walk before a plane boundary for ever.
                _ => (here + seeming_distance(norm, &answer)).max(eps) * (1.0 + gamma),
            };
            eps = eps.min(reach);
            ascend(Norm::L2, &mut x, &answer.gradient, alpha);
            project(threat, eps, origin, &mut x);
        }
        // The last point needs no gradient.
        if subject.logits(&x).await.prediction() != label {
            nearest = nearest.min(norm.distance(origin, &x));
        }
        nearest
    }
}

/// Into the ball (in l2 onto its sphere) and the bounds. In l0 the elements that moved most stay, whether or not the
/// bounds then cut them short: where the bounds came first, all elements at them would be alike.
fn project(threat: &ThreatModel, eps: f64, origin: &[f32], x: &mut [f32]) {
    match threat.norm {
        Norm::L0 => {
            onto_l0_ball(origin, x, eps, [f32::NEG_INFINITY, f32::INFINITY]);
            clip(x, threat.bounds);
        }
        Norm::L2 => {
            onto_sphere(origin, x, eps);
            clip(x, threat.bounds);
        }
        _ => threat.at(eps).project(origin, x),
    }
}

/// Takes away the slopes that lead out of the bounds.
fn level_outwards([lo, hi]: [f32; 2], x: &[f32], gradient: &mut [f32]) {
    for (g, &x) in gradient.iter_mut().zip(x) {
        if x <= lo && *g < 0.0 || x >= hi && *g > 0.0 {
            *g = 0.0;
        }
    }
}
