use serde::{Deserialize, Serialize};

use super::descent::{Adam, cosine, range};
use super::put_back::put_back;
use super::{BuiltIn, Loss, MinimumNorm, Subject};
use crate::Norm;
use crate::threat::clip;

/// σ-zero: Adam descends the margin and a smooth stand-in for the number of changed elements,
/// `Σ δ²/(δ² + σ)`; small changes are undone, below a threshold that rises where the point is adversarial
/// and falls where it is not (Cinà et al. 2024, arXiv 2402.01879, algorithm 1). Perturbations are in units
/// of the input's range, and the margin counts in logits: where these are much smaller or larger than 1, scale them.
///
/// In the end those elements of the closest point are put back that need not be changed. The paper does not do that; it costs a few
/// forward passes for each changed element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigmaZero {
    /// Steps, N.
    pub steps: usize,
    /// Length of the first step, η₀; the last is a tenth of it.
    pub eta: f64,
    /// How smooth the stand-in is, σ.
    pub sigma: f64,
    /// The first threshold, τ₀.
    pub tau: f64,
    /// By which share of a step's length the threshold moves, t.
    pub tau_factor: f64,
}

impl Default for SigmaZero {
    fn default() -> SigmaZero {
        SigmaZero { steps: 1000, eta: 1.0, sigma: 0.001, tau: 0.3, tau_factor: 0.01 }
    }
}

impl BuiltIn for SigmaZero {
    const NORMS: &'static [Norm] = &[Norm::L0];

    fn name(&self) -> &str {
        "sigma-zero"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let (origin, label, unit) = (subject.origin(), subject.label(), range(subject));
        let mut adam = Adam::new(origin.len());
        let mut tau = self.tau;
        let mut x = origin.to_vec();
        for k in 0..self.steps {
            let answer = subject.gradient(&x, Loss::Margin, label).await;
            let adversarial = answer.prediction() != label;
            let gradient = self.gradient(origin, &x, unit, (!adversarial).then_some(&answer.gradient));
            let eta = cosine(self.eta, 0.1 * self.eta, k, self.steps);
            x.iter_mut()
                .zip(adam.step(&gradient, unit * eta))
                .for_each(|(x, step)| *x = (f64::from(*x) + step) as f32);
            clip(&mut x, subject.threat().bounds);
            let change = self.tau_factor * eta;
            tau = (tau + if adversarial { change } else { -change }).clamp(0.0, 1.0);
            for (x, &o) in x.iter_mut().zip(origin) {
                if f64::from((*x - o).abs()) < tau * unit {
                    *x = o;
                }
            }
        }
        // The last point needs no gradient.
        subject.logits(&x).await;
        put_back(subject).await;
    }
}

impl MinimumNorm for SigmaZero {}

impl SigmaZero {
    /// The gradient of what is descended, in units of the range, its largest element 1. The margin has a
    /// part in it until the point is adversarial.
    fn gradient(&self, origin: &[f32], x: &[f32], unit: f64, margin: Option<&Vec<f32>>) -> Vec<f64> {
        let d = origin.len() as f64;
        let mut gradient: Vec<f64> = origin
            .iter()
            .zip(x)
            .map(|(&o, &x)| {
                let delta = (f64::from(x) - f64::from(o)) / unit;
                let smooth = delta * delta + self.sigma;
                2.0 * self.sigma * delta / (smooth * smooth) / d
            })
            .collect();
        if let Some(margin) = margin {
            gradient.iter_mut().zip(margin).for_each(|(total, &g)| *total -= unit * f64::from(g));
        }
        let largest = gradient.iter().fold(f64::MIN_POSITIVE, |most: f64, g| most.max(g.abs()));
        gradient.iter_mut().for_each(|g| *g /= largest);
        gradient
    }
}
