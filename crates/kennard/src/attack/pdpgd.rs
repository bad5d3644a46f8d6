use serde::{Deserialize, Serialize};

use super::descent::range;
use super::{Answer, BuiltIn, Loss, MinimumNorm, Subject};
use crate::threat::clip;
use crate::{Norm, ThreatModel};

/// Primal-dual proximal gradient descent: Adam descends a soft margin, the norm is minimised by its proximal operator, and
/// the weights of the two are dual variables that follow whether the point is adversarial (Matyasko and Chau
/// 2021, arXiv 2106.01538; proximal Adam of Melchior et al. 2019, arXiv 1910.10094). Perturbations are in units
/// of the input's range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pdpgd {
    /// Steps.
    pub steps: usize,
    /// The primal variables' first learning rate.
    pub primal_rate: f64,
    /// The share that it falls to, exponentially.
    pub primal_decrease: f64,
    /// The first weight of the distance, in units of that of the margin.
    pub dual_ratio: f64,
    /// The dual variable's first learning rate.
    pub dual_rate: f64,
    /// The share that it falls to, linearly.
    pub dual_decrease: f64,
    /// How much of the past the weights keep.
    pub dual_memory: f64,
    /// The least ratio of the weights, either way.
    pub dual_least_ratio: f64,
    /// Steps of the proximal operator in the metric of Adam.
    pub proximal_steps: usize,
}

impl Default for Pdpgd {
    fn default() -> Pdpgd {
        Pdpgd {
            steps: 500,
            primal_rate: 0.1,
            primal_decrease: 0.01,
            dual_ratio: 0.01,
            dual_rate: 0.1,
            dual_decrease: 0.1,
            dual_memory: 0.9,
            dual_least_ratio: 1e-6,
            proximal_steps: 5,
        }
    }
}

/// The proximal steps end where a step changes less than this share.
const SETTLED: f64 = 0.01;

impl BuiltIn for Pdpgd {
    fn name(&self) -> &str {
        "pdpgd"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let label = subject.label();
        let mut moments = AdamMoments::new(subject.origin().len());
        let mut weights = TermWeights::new(self);
        let mut x = subject.origin().to_vec();
        for k in 0..self.steps {
            let answer = subject.gradient(&x, Loss::Margin, label).await;
            let share = k as f64 / self.steps as f64;
            let rate = self.primal_rate * self.primal_decrease.powf(share);
            moments.descend(subject, &mut x, &answer, rate);
            self.shrink(subject, &mut x, &moments, rate * weights.ratio());
            let left = 1.0 - k as f64 / (self.steps - 1).max(1) as f64;
            let rate = self.dual_rate * (left * (1.0 - self.dual_decrease) + self.dual_decrease);
            weights.follow(self, f64::from(answer.loss), rate);
        }
        // The last point needs no gradient.
        subject.logits(&x).await;
    }
}

impl MinimumNorm for Pdpgd {}

impl Pdpgd {
    /// The proximal operator of the norm, of weight `weight`, in the metric in which Adam descends.
    fn shrink(&self, subject: &Subject, x: &mut Vec<f32>, moments: &AdamMoments, weight: f64) {
        let (norm, bounds, unit) = (subject.threat().norm, subject.threat().bounds, range(subject));
        let origin = subject.origin();
        let steepest = moments.scales().fold(f64::MIN_POSITIVE, f64::max);
        let weight = unit * weight / steepest;
        let start = x.clone();
        for _ in 0..self.proximal_steps {
            let mut delta: Vec<f64> = Vec::with_capacity(x.len());
            for ((&x, &start), (&o, scale)) in x.iter().zip(&start).zip(origin.iter().zip(moments.scales())) {
                let back = scale / steepest * (f64::from(x) - f64::from(start));
                delta.push(f64::from(x) - back - f64::from(o));
            }
            proximal(norm, &mut delta, weight);
            let mut next: Vec<f32> =
                delta.iter().zip(origin).map(|(delta, &o)| (f64::from(o) + delta) as f32).collect();
            clip(&mut next, bounds);
            let moved = Norm::L2.distance(&next, x);
            let length = Norm::L2.distance(origin, &next);
            *x = next;
            if moved <= SETTLED * length {
                break;
            }
        }
    }
}

/// Brings `δ` to the minimum of `½‖u − δ‖₂² + weight ‖u‖`.
fn proximal(norm: Norm, delta: &mut [f64], weight: f64) {
    match norm {
        Norm::L2 => {
            let length = norm.of(delta.iter().copied()).max(f64::MIN_POSITIVE);
            let factor = (1.0 - weight / length).max(0.0);
            delta.iter_mut().for_each(|v| *v *= factor);
        }
        Norm::L1 | Norm::L0 => {
            delta.iter_mut().for_each(|v| *v = (v.abs() - weight).max(0.0).copysign(*v));
        }
        // What is left by the projection onto the dual norm's ball (Moreau 1965).
        Norm::Linf => {
            let mut inside: Vec<f32> = delta.iter().map(|&v| v as f32).collect();
            let bounds = [f32::NEG_INFINITY, f32::INFINITY];
            let ball = ThreatModel { norm: Norm::L1, eps: weight, bounds };
            ball.project(&vec![0.0; delta.len()], &mut inside);
            delta.iter_mut().zip(inside).for_each(|(v, inside)| *v -= f64::from(inside));
        }
    }
}

/// Adam's moments of the soft margin's gradient.
struct AdamMoments {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl AdamMoments {
    const BETA: [f64; 2] = [0.9, 0.999];

    fn new(d: usize) -> AdamMoments {
        AdamMoments { mean: vec![0.0; d], square: vec![0.0; d], steps: 0 }
    }

    /// A step down `ln(1 + e^m)`, `m` the label's lead.
    fn descend(&mut self, subject: &Subject, x: &mut [f32], answer: &Answer, rate: f64) {
        let unit = range(subject);
        self.steps += 1;
        let pull = unit / (1.0 + f64::from(answer.loss).exp());
        for (i, &g) in answer.gradient.iter().enumerate() {
            let g = -pull * f64::from(g);
            self.mean[i] += (1.0 - AdamMoments::BETA[0]) * (g - self.mean[i]);
            self.square[i] += (1.0 - AdamMoments::BETA[1]) * (g * g - self.square[i]);
        }
        let corrected = unit * rate / (1.0 - AdamMoments::BETA[0].powi(self.steps));
        let steps: Vec<f64> =
            self.mean.iter().zip(self.scales()).map(|(mean, s)| corrected * mean / s).collect();
        x.iter_mut().zip(steps).for_each(|(x, step)| *x = (f64::from(*x) - step) as f32);
        clip(x, subject.threat().bounds);
    }

    /// What each element's step is divided by.
    fn scales(&self) -> impl Iterator<Item = f64> {
        let corrected = 1.0 - AdamMoments::BETA[1].powi(self.steps);
        self.square.iter().map(move |square| (square / corrected).sqrt() + 1e-8)
    }
}

/// The weights of distance and soft margin.
struct TermWeights {
    /// The logarithm of their ratio, as the dual variable has it.
    log_ratio: f64,
    /// The margin's weight, averaged; the two add up to 1.
    margin: f64,
}

impl TermWeights {
    fn new(attack: &Pdpgd) -> TermWeights {
        let log_ratio = -attack.dual_ratio.ln();
        TermWeights { log_ratio, margin: share(log_ratio) }
    }

    /// The weight of the distance over that of the margin.
    fn ratio(&self) -> f64 {
        (1.0 - self.margin) / self.margin
    }

    /// The margin weighs more where the point is not adversarial, less where it is.
    fn follow(&mut self, attack: &Pdpgd, lead: f64, rate: f64) {
        let most = -attack.dual_least_ratio.ln();
        let sign = if lead == 0.0 { 0.0 } else { -lead.signum() };
        self.log_ratio = (self.log_ratio + rate * sign).clamp(-most, most);
        self.margin += (1.0 - attack.dual_memory) * (share(self.log_ratio) - self.margin);
    }
}

fn share(log_ratio: f64) -> f64 {
    1.0 / (1.0 + (-log_ratio).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `u` is the minimum where `(δ − u)/weight` is a subgradient of the norm at `u`: of dual norm 1 at most, and with
    /// `‖u‖` as its product with `u`.
    #[test]
    fn proximal_operators_meet_their_condition() {
        let delta = [0.7, -1.2, 0.1, 0.0, 2.5, -0.4];
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            for weight in [0.05, 0.5, 1.0, 10.0] {
                let mut u = delta;
                proximal(norm, &mut u, weight);
                let slope: Vec<f32> = delta.iter().zip(u).map(|(d, u)| ((d - u) / weight) as f32).collect();
                assert!(norm.dual_size(&slope) <= 1.0 + 1e-5, "{norm} {weight}");
                let product: f64 = slope.iter().zip(u).map(|(s, u)| f64::from(*s) * u).sum();
                let size = norm.of(u.into_iter());
                assert!((product - size).abs() < 1e-5 * size.max(1.0), "{norm} {weight}: {product}, {size}");
            }
        }
    }
}
