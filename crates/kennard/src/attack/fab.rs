use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::steps::sphere;
use super::{Answer, BuiltIn, Loss, MinimumNorm, Subject};
use crate::ThreatModel;
use crate::threat::{clip, to_hyperplane};

/// Fast adaptive boundary attack: walks along the decision boundary, seen as a hyperplane at each point,
/// towards the sample (Croce & Hein 2020, arXiv 1907.02044, algorithm 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fab {
    /// Steps per restart.
    pub steps: usize,
    /// How often to begin anew (per target); the first time at the sample itself.
    pub restarts: u64,
    /// How many target classes have a walk of their own, the likeliest first; 0 walks to the nearest
    /// class, whichever it is.
    pub targets: usize,
    /// How far beyond the hyperplane a step goes, η.
    pub overshoot: f64,
    /// The largest share of the way taken from the sample's projection, α_max.
    pub bias: f64,
    /// How far an adversarial point moves back to the sample, β.
    pub back: f64,
}

impl Default for Fab {
    fn default() -> Fab {
        Fab { steps: 100, restarts: 1, targets: 0, overshoot: 1.05, bias: 0.1, back: 0.9 }
    }
}

impl BuiltIn for Fab {
    const SEARCHES_ROUGHLY: bool = false;

    fn name(&self) -> &str {
        if self.targets == 0 { "fab" } else { "fab-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let rivals = subject.rivals();
        let walks: Vec<&[usize]> = match self.targets {
            0 => vec![&rivals],
            n => rivals.chunks(1).take(n).collect(),
        };
        for (stream, targets) in walks.into_iter().enumerate() {
            let mut nearest = f64::INFINITY;
            for restart in 0..self.restarts {
                let mut random = subject.random(restart * subject.classes() as u64 + stream as u64);
                let start = match restart {
                    0 => subject.origin().to_vec(),
                    _ => self.random_start(subject, nearest, &mut random),
                };
                nearest = self.walk(subject, targets, start, nearest).await;
            }
        }
    }
}

impl MinimumNorm for Fab {}

impl Fab {
    /// A point at half the distance that is to be beaten.
    fn random_start(&self, subject: &Subject, nearest: f64, random: &mut ChaCha8Rng) -> Vec<f32> {
        let &ThreatModel { norm, eps, bounds } = subject.threat();
        let mut x = subject.origin().to_vec();
        let reach = nearest.min(eps);
        if reach.is_finite() {
            sphere(norm, reach / 2.0, &mut x, random);
            clip(&mut x, bounds);
        }
        x
    }

    /// One walk; returns the distance of the nearest adversarial point so far.
    pub(super) async fn walk(
        &self,
        subject: &Subject<'_>,
        targets: &[usize],
        start: Vec<f32>,
        mut nearest: f64,
    ) -> f64 {
        let &ThreatModel { norm, bounds, .. } = subject.threat();
        let origin = subject.origin();
        let mut x = start;
        for _ in 0..self.steps {
            let plane = Hyperplane::nearest(subject, targets, &x).await;
            let from_here = to_hyperplane(norm, &x, plane.value, &plane.gradient, bounds);
            let at_origin = plane.value_at(&x, origin);
            let from_origin = to_hyperplane(norm, origin, at_origin, &plane.gradient, bounds);
            let [here, there] = [&from_here, &from_origin].map(|delta| norm.size(delta));
            // Where neither moves, the walk turns back as far as it may.
            let share = if here + there > 0.0 { here / (here + there) } else { 1.0 };
            let alpha = share.min(self.bias) as f32;
            let eta = self.overshoot as f32;
            for i in 0..x.len() {
                x[i] =
                    (x[i] + eta * from_here[i]) * (1.0 - alpha) + (origin[i] + eta * from_origin[i]) * alpha;
            }
            clip(&mut x, bounds);
            if subject.logits(&x).await.prediction() != subject.label() {
                nearest = nearest.min(norm.distance(origin, &x));
                let back = self.back as f32;
                x.iter_mut().zip(origin).for_each(|(x, &o)| *x = o + back * (*x - o));
            }
        }
        nearest
    }
}

/// The decision boundary between the label and another class, as it looks from a point.
pub(super) struct Hyperplane {
    /// `z_t − z_y` there, and its gradient.
    pub value: f64,
    pub gradient: Vec<f32>,
}

impl Hyperplane {
    /// The nearest boundary to any of the classes. Where all gradients vanish it is infinitely far: then the
    /// projections stay where they are, and the walk turns back towards the sample.
    pub async fn nearest(subject: &Subject<'_>, targets: &[usize], x: &[f32]) -> Hyperplane {
        let mut nearest = (f64::INFINITY, Hyperplane { value: 0.0, gradient: vec![0.0; x.len()] });
        for &target in targets {
            let Answer { loss, gradient, .. } =
                subject.gradient_towards(x, Loss::LogitDifference, target).await;
            let distance = f64::from(loss.abs()) / subject.threat().norm.dual_size(&gradient);
            if distance < nearest.0 {
                nearest = (distance, Hyperplane { value: loss.into(), gradient });
            }
        }
        nearest.1
    }

    /// The linear function of this plane, seen from `x`, at another point.
    fn value_at(&self, x: &[f32], point: &[f32]) -> f64 {
        let moved: f64 = self
            .gradient
            .iter()
            .zip(x.iter().zip(point))
            .map(|(&g, (&x, &p))| f64::from(g) * (f64::from(p) - f64::from(x)))
            .sum();
        self.value + moved
    }
}
