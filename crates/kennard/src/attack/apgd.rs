use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::direction::{Aim, AttackLoss};
use super::steps::{ascend, largest, sphere};
use super::{Answer, BuiltIn, Subject};
use crate::{Norm, ThreatModel};

/// Auto-PGD: projected gradient ascent with momentum, whose step size halves where the loss no longer
/// rises (Croce & Hein 2020, arXiv 2003.01690, algorithm 1); in l1 with sparse steps on shrinking balls
/// (Croce & Hein 2021, arXiv 2103.01208, algorithm 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apgd {
    /// The loss that is ascended.
    #[serde(skip)]
    pub loss: AttackLoss,
    /// Steps per restart.
    pub steps: usize,
    /// How often to begin anew (per target).
    pub restarts: u64,
    /// How many target classes a targeted loss goes towards, the likeliest first.
    pub targets: usize,
    /// How many gradients are averaged at each point, for models that answer at random (expectation over
    /// transformation, Athalye et al. 2018, arXiv 1802.00420).
    pub averaged: usize,
}

impl Default for Apgd {
    fn default() -> Apgd {
        Apgd { loss: AttackLoss::CrossEntropy, steps: 100, restarts: 1, targets: 9, averaged: 1 }
    }
}

/// The step size halves where the loss rose in at most this share of the steps since the last look.
const RHO: f64 = 0.75;
/// How much of a step is new; the rest is momentum.
const ALPHA: f64 = 0.75;

impl BuiltIn for Apgd {
    fn name(&self) -> &str {
        match self.loss {
            AttackLoss::CrossEntropy => "apgd-ce",
            AttackLoss::Dlr => "apgd-dlr",
            AttackLoss::TargetedDlr => "apgd-t",
            AttackLoss::Margin => "apgd-margin",
            AttackLoss::ProbabilityMargin => "pma",
        }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        for direction in self.loss.directions(subject, self.targets) {
            for restart in 0..self.restarts {
                // The targets of one restart begin at points of their own.
                let mut random = subject.random(restart * subject.classes() as u64 + direction.stream());
                let mut ascent =
                    ApgdRun { attack: self, subject, direction, eps: subject.threat().eps, stride: STRIDE };
                ascent.run_from(ascent.random_start(&mut random)).await;
            }
        }
    }
}

/// One run of Auto-PGD towards or away from one class.
pub(super) struct ApgdRun<'a> {
    pub attack: &'a Apgd,
    pub subject: &'a Subject<'a>,
    pub direction: Aim,
    /// The radius of the ball.
    pub eps: f64,
    /// The first step, in radii.
    pub stride: f64,
}

/// The first step of an ascent from a random point, in radii.
pub(super) const STRIDE: f64 = 2.0;

/// A point, and the loss and gradient there.
#[derive(Clone)]
struct LossPoint {
    x: Vec<f32>,
    seen: Answer,
}

impl ApgdRun<'_> {
    /// The whole ascent, from any point.
    pub async fn run_from(&mut self, mut start: Vec<f32>) {
        if self.subject.threat().norm == Norm::L1 {
            self.shrinking_balls(start).await;
        } else {
            self.project(&mut start);
            self.dense(start).await;
        }
    }

    /// A random point: on the ball's surface, or (l1) so far away that its projection onto the ball leaves
    /// few elements changed.
    pub fn random_start(&self, random: &mut ChaCha8Rng) -> Vec<f32> {
        let &ThreatModel { norm, bounds: [lo, hi], .. } = self.subject.threat();
        let mut x = self.subject.origin().to_vec();
        if norm == Norm::L1 {
            for x in &mut x {
                let size: f32 = StandardNormal.sample(random);
                *x += (hi - lo) * size;
            }
        } else {
            sphere(norm, self.eps, &mut x, random);
        }
        x
    }

    async fn look(&self, x: Vec<f32>) -> LossPoint {
        let mut seen = self.direction.look(self.subject, &x).await;
        for _ in 1..self.attack.averaged {
            let other = self.direction.look(self.subject, &x).await;
            seen.loss += other.loss;
            // The gradient stays finite.
            for (g, other) in seen.gradient.iter_mut().zip(&other.gradient) {
                *g = (*g + other).clamp(f32::MIN, f32::MAX);
            }
        }
        LossPoint { x, seen }
    }

    fn project(&self, x: &mut [f32]) {
        self.subject.threat().at(self.eps).project(self.subject.origin(), x);
    }

    /// Algorithm 1 of the first paper.
    async fn dense(&self, start: Vec<f32>) {
        let steps = self.attack.steps;
        let norm = self.subject.threat().norm;
        let mut here = self.look(start).await;
        let mut best = here.clone();
        let mut before = here.x.clone();
        let mut schedule = HalvingSchedule::new(steps);
        let mut size = self.stride * self.eps;
        for k in 0..steps {
            let mut z = here.x.clone();
            ascend(norm, &mut z, &here.seen.gradient, size);
            self.project(&mut z);
            let alpha = if k == 0 { 1.0 } else { ALPHA as f32 };
            for ((z, &x), &before) in z.iter_mut().zip(&here.x).zip(&before) {
                *z = x + alpha * (*z - x) + (1.0 - alpha) * (x - before);
            }
            self.project(&mut z);
            if k + 1 == steps {
                // Nothing follows its gradient.
                self.subject.logits(&z).await;
                break;
            }
            let next = self.look(z).await;
            schedule.rises += usize::from(next.seen.loss > here.seen.loss);
            before = std::mem::replace(&mut here, next).x;
            if here.seen.loss > best.seen.loss {
                best = here.clone();
            }
            if schedule.halves(k + 1, best.seen.loss) {
                size /= 2.0;
                here = best.clone();
            }
        }
    }

    /// Balls of radius 3ε, 2ε, ε, each begun where the last one ended.
    async fn shrinking_balls(&mut self, start: Vec<f32>) {
        let eps = self.eps;
        let steps = self.attack.steps;
        let stages = [(3.0, 3 * steps / 10), (2.0, 3 * steps / 10), (1.0, steps - 2 * (3 * steps / 10))];
        let mut x = start;
        let mut share = 0.2;
        for (stage, &(factor, steps)) in stages.iter().enumerate() {
            self.eps = factor * eps;
            self.project(&mut x);
            if stage > 0 {
                share = self.changed(&x) / (1.5 * x.len() as f64);
            }
            x = self.sparse(x, steps, share, stage + 1 == stages.len()).await;
        }
        self.eps = eps;
    }

    /// How many elements of `x` differ from the sample's.
    fn changed(&self, x: &[f32]) -> f64 {
        Norm::L0.distance(self.subject.origin(), x)
    }

    /// Algorithm 1 of the second paper in one ball; returns the best point, of all but the `last` step in the
    /// last ball. A step moves the share of
    /// elements whose gradient is largest, the share following the sparsity of the best point.
    async fn sparse(&self, start: Vec<f32>, steps: usize, mut share: f64, last: bool) -> Vec<f32> {
        let d = start.len() as f64;
        let mut here = self.look(start).await;
        let mut best = here.clone();
        let mut changed_before = self.changed(&here.x);
        let every = (4 * steps / 100).max(1);
        let mut size = self.eps;
        for k in 1..=steps {
            let mut x = here.x.clone();
            let moved = largest(&here.seen.gradient, (share * d) as usize);
            let each = (size / moved.len().max(1) as f64) as f32;
            for i in moved {
                x[i] += each * here.seen.gradient[i].signum();
            }
            self.project(&mut x);
            if last && k == steps {
                self.subject.logits(&x).await;
                break;
            }
            here = self.look(x).await;
            if here.seen.loss > best.seen.loss {
                best = here.clone();
            }
            if k % every == 0 {
                let changed = self.changed(&best.x);
                share = changed / (1.5 * d);
                if changed < 0.95 * changed_before {
                    size = self.eps;
                    here = best.clone();
                } else {
                    size = (size / 1.5).max(self.eps / 10.0);
                }
                changed_before = changed;
            }
        }
        best.x
    }
}

/// When to look whether the step size should halve (section 3.2 of the first paper).
struct HalvingSchedule {
    steps: usize,
    /// The next look, and the gap to it.
    next: usize,
    gap: usize,
    rises: usize,
    /// Whether the last look halved, and the best loss then.
    halved: bool,
    best: f32,
}

impl HalvingSchedule {
    fn new(steps: usize) -> HalvingSchedule {
        let gap = (22 * steps / 100).max(1);
        HalvingSchedule { steps, next: gap, gap, rises: 0, halved: true, best: f32::NEG_INFINITY }
    }

    /// Whether the step size halves after step `k`, the best loss so far being `best`.
    fn halves(&mut self, k: usize, best: f32) -> bool {
        if k != self.next {
            return false;
        }
        let few_rises = self.rises as f64 <= RHO * self.gap as f64;
        let stuck = !self.halved && best <= self.best;
        self.halved = few_rises || stuck;
        self.best = best;
        let percent = |share: usize| (share * self.steps / 100).max(1);
        self.gap = self.gap.saturating_sub(percent(3)).max(percent(6));
        self.next = k + self.gap;
        self.rises = 0;
        self.halved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 100 steps: 22, 41, 57, 70, 80, 87, 93, 99.
    #[test]
    fn looks_come_closer_together() {
        let mut schedule = HalvingSchedule::new(100);
        let looks: Vec<usize> = (1..=100)
            .filter(|&k| {
                let before = schedule.next;
                schedule.halves(k, 0.0);
                schedule.next != before
            })
            .collect();
        assert_eq!(looks, [22, 41, 57, 70, 80, 87, 93, 99]);
    }
}
