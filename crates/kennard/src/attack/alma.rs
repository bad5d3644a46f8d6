use serde::{Deserialize, Serialize};

use super::descent::range;
use super::{BuiltIn, Loss, MinimumNorm, Subject};
use crate::Norm;
use crate::threat::clip;

/// ALMA: an augmented Lagrangian of distance and misclassification, `‖δ‖ + P(y)` with `y` the difference of logits ratio;
/// its multiplier follows the penalty's slope (Rony et al. 2021, arXiv 2011.11857, penalty P₂).
/// Perturbations are in units of the input's range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alma {
    /// Steps, N.
    pub steps: usize,
    /// How far the first step goes, ε.
    pub init_distance: f64,
    /// What the learning rate falls to, as a share, from the first adversarial point on.
    pub reduction: f64,
    /// The first multiplier, μ⁽⁰⁾.
    pub mu: f64,
    /// The first penalty parameter, ρ⁽⁰⁾.
    pub rho: f64,
    /// Steps between looks at whether the constraint improves, M.
    pub check_steps: usize,
    /// The share that it must fall to, τ.
    pub tau: f64,
    /// What ρ grows by where it does not, γ.
    pub gamma: f64,
    /// How much of the past is kept in the multiplier, the mean square and the momentum, α.
    pub alpha: f64,
}

impl Default for Alma {
    fn default() -> Alma {
        Alma {
            steps: 1000,
            init_distance: 0.3,
            reduction: 0.01,
            mu: 1.0,
            rho: 1.0,
            check_steps: 10,
            tau: 0.95,
            gamma: 1.2,
            alpha: 0.9,
        }
    }
}

/// How far beyond the boundary the constraint is, in ratios of logits: at the boundary itself the class may be either.
const MARGIN: f64 = 1e-4;

impl BuiltIn for Alma {
    const NORMS: &'static [Norm] = &[Norm::L2, Norm::L1];

    fn name(&self) -> &str {
        "alma"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let (norm, bounds) = (subject.threat().norm, subject.threat().bounds);
        let (origin, unit) = (subject.origin(), range(subject));
        let loss = Loss::Dlr.for_classes(subject.classes());
        let mut x = origin.to_vec();
        let (mut square, mut momentum) = (vec![1.0f64; x.len()], vec![0.0f64; x.len()]);
        let mut penalty = Penalty { mu: self.mu, rho: self.rho };
        let mut rate = None;
        let (mut before, mut found) = (f64::INFINITY, None);
        for k in 0..self.steps {
            let answer = subject.gradient(&x, loss, subject.label()).await;
            let y = MARGIN - f64::from(answer.loss);
            if k > 0 && (k + 1) % self.check_steps == 0 {
                if found.is_none() && y >= self.tau * before {
                    penalty.rho *= self.gamma;
                }
                before = y;
            } else if k == 0 {
                before = y;
            }
            if k > 0 {
                let mu = self.alpha * penalty.mu + (1.0 - self.alpha) * penalty.slope(y);
                penalty.mu = mu.clamp(1e-6, 1e12);
            }
            if answer.prediction() != subject.label() {
                found = found.or(Some(k));
            }
            let pull = penalty.slope(y) * unit;
            let mut gradient: Vec<f64> = answer.gradient.iter().map(|&g| -pull * f64::from(g)).collect();
            if k > 0 {
                add_slope(norm, origin, &x, &mut gradient);
            }
            let rate = *rate.get_or_insert_with(|| self.first_rate(subject, &gradient));
            let decay = found.map_or(0.0, |at| (k - at) as f64 / (self.steps - at) as f64);
            let step = unit * rate * self.reduction.powf(decay);
            for i in 0..x.len() {
                let g = gradient[i];
                square[i] = self.alpha * square[i] + (1.0 - self.alpha) * g * g;
                momentum[i] = self.alpha * momentum[i] + g / (square[i].sqrt() + 1e-8);
                x[i] = (f64::from(x[i]) - step * momentum[i]) as f32;
            }
            clip(&mut x, bounds);
        }
        // The last point needs no gradient.
        subject.logits(&x).await;
    }
}

impl MinimumNorm for Alma {}

impl Alma {
    /// The learning rate with which the first step goes as far as is asked for, within the bounds.
    fn first_rate(&self, subject: &Subject, gradient: &[f64]) -> f64 {
        let (norm, bounds, unit) = (subject.threat().norm, subject.threat().bounds, range(subject));
        let origin = subject.origin();
        let step = |&g: &f64| g / ((self.alpha + (1.0 - self.alpha) * g * g).sqrt() + 1e-8);
        let steps: Vec<f64> = gradient.iter().map(step).collect();
        let goes = |rate: f64| {
            let moved = |(&o, step): (&f32, &f64)| (f64::from(o) - unit * rate * step) as f32;
            let mut x: Vec<f32> = origin.iter().zip(&steps).map(moved).collect();
            clip(&mut x, bounds);
            norm.distance(origin, &x) / unit >= self.init_distance
        };
        let Some(doublings) = (-32..32).find(|&n| goes(2f64.powi(n))) else { return 1.0 };
        let (mut low, mut high) = (0.0, 2f64.powi(doublings));
        for _ in 0..20 {
            let middle = (low + high) / 2.0;
            if goes(middle) { high = middle } else { low = middle }
        }
        high
    }
}

/// The penalty-Lagrangian function P₂: `μy + μρy² + ρ²y³/6` for `y ≥ 0`, else `μy/(1 − ρy)`.
struct Penalty {
    mu: f64,
    rho: f64,
}

impl Penalty {
    /// Its derivative.
    fn slope(&self, y: f64) -> f64 {
        let &Penalty { mu, rho } = self;
        if y >= 0.0 {
            mu + 2.0 * mu * rho * y + 0.5 * rho * rho * y * y
        } else {
            mu / (1.0 - rho * y).powi(2)
        }
    }
}

/// Adds the gradient of the distance from the sample; none at the sample itself.
fn add_slope(norm: Norm, origin: &[f32], x: &[f32], gradient: &mut [f64]) {
    let length = norm.distance(origin, x);
    if length == 0.0 {
        return;
    }
    for ((g, &x), &o) in gradient.iter_mut().zip(x).zip(origin) {
        let delta = f64::from(x) - f64::from(o);
        *g += match norm {
            Norm::L2 => delta / length,
            _ if delta == 0.0 => 0.0,
            _ => delta.signum(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The derivative is that of the penalty, by central differences, and continuous at zero.
    #[test]
    fn the_penalty_has_its_slope() {
        let value = |p: &Penalty, y: f64| {
            if y >= 0.0 {
                p.mu * y + p.mu * p.rho * y * y + p.rho * p.rho * y.powi(3) / 6.0
            } else {
                p.mu * y / (1.0 - p.rho * y)
            }
        };
        for penalty in [Penalty { mu: 1.0, rho: 1.0 }, Penalty { mu: 0.3, rho: 4.0 }] {
            for y in [-2.0, -0.1, 0.0, 0.1, 1.5] {
                let slope = (value(&penalty, y + 1e-6) - value(&penalty, y - 1e-6)) / 2e-6;
                assert!((slope - penalty.slope(y)).abs() < 1e-5 * slope.abs().max(1.0), "{y}");
            }
        }
    }
}
