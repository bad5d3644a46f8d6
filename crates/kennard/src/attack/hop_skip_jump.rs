use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::descent::{range, reach};
use super::steps::ascend;
use super::{BuiltIn, MinimumNorm, Subject};
use crate::Norm;
use crate::threat::clip;

/// HopSkipJump: needs the predicted class alone. At a point of the decision boundary it estimates the
/// boundary's direction from which side random neighbours lie on, steps along it, and goes back to the
/// boundary (Chen et al. 2020, arXiv 1904.02144, algorithm 2). It begins at random noise.
///
/// The paper forgets a step's estimate with the next. Here estimates are also added up, for as long as a step along their sum
/// ends closer to the sample than one along the latest: a boundary that is nearly a plane is then known
/// better and better, which in linf decides the sign of every element. The boundary is sought 16 times finer than the
/// neighbours lie apart, or all of them might be on one side; neighbours are no closer than single precision tells
/// apart; and in the end come steps along the sum alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HopSkipJump {
    /// Steps, T.
    pub steps: usize,
    /// Neighbours asked about in the first step, B₀; `√t` times as many in step t.
    pub initial_queries: usize,
    /// The most neighbours in a step.
    pub max_queries: usize,
    /// How finely the boundary is sought: to a share `θ = γ/d^{3/2}` (l2) or `γ/d²` (linf) of the way.
    pub gamma: f64,
    /// How many points of random noise are tried as a start.
    pub starts: usize,
}

/// The most neighbours that are asked about at once, enough to fill micro-batches, and the most elements that these
/// have in all.
const BLOCK: usize = 64;
const ELEMENTS: usize = 1 << 20;

/// How much finer than the paper the boundary is sought.
const FINER: f64 = 16.0;
/// How far neighbours lie apart at least, in each element and in units of the range.
const LEAST: f64 = 1e-4;
/// The most steps in the end, and the share that one must come closer by for the next.
const LAST_STEPS: usize = 20;
const WORTH: f64 = 1e-4;

impl Default for HopSkipJump {
    fn default() -> HopSkipJump {
        HopSkipJump { steps: 64, initial_queries: 100, max_queries: 10_000, gamma: 1.0, starts: 100 }
    }
}

impl BuiltIn for HopSkipJump {
    const NORMS: &'static [Norm] = &[Norm::Linf, Norm::L2];
    const NEEDS_GRADIENT: bool = false;

    fn name(&self) -> &str {
        "hop-skip-jump"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let mut random = subject.random(0);
        let Some(noise) = self.noise(subject, &mut random).await else { return };
        let norm = subject.threat().norm;
        let mut x = self.to_boundary(subject, noise).await;
        let mut sum = vec![0.0; x.len()];
        for t in 1..=self.steps {
            let distance = norm.distance(subject.origin(), &x);
            let radius = if t == 1 { 0.1 * range(subject) } else { self.radius(subject, &x) };
            let root = (t as f64).sqrt();
            let queries = ((self.initial_queries as f64 * root) as usize).min(self.max_queries);
            let (latest, told) = self.direction(subject, &x, queries, radius, &mut random).await;
            if told {
                sum.iter_mut().zip(&latest).for_each(|(sum, new)| *sum += new / radius as f32);
            }
            let step = distance / root;
            let along_sum = self.step(subject, &x, &sum, step, distance).await;
            let reached = along_sum.as_ref().map_or(distance, |x| norm.distance(subject.origin(), x));
            // In the first step both are the same.
            let along_latest = match t {
                1 => None,
                _ => self.step(subject, &x, &latest, step, reached).await,
            };
            if along_latest.is_some() {
                sum = latest.iter().map(|new| new / radius as f32).collect();
            }
            x = along_latest.or(along_sum).unwrap_or(x);
        }
        for _ in 0..LAST_STEPS {
            let distance = norm.distance(subject.origin(), &x);
            let step = distance / (self.steps as f64).sqrt();
            let Some(next) = self.step(subject, &x, &sum, step, distance).await else { break };
            let gained = distance - norm.distance(subject.origin(), &next);
            x = next;
            if gained < WORTH * distance {
                break;
            }
        }
    }
}

impl MinimumNorm for HopSkipJump {}

impl HopSkipJump {
    async fn is_adversarial(&self, subject: &Subject<'_>, x: &[f32]) -> bool {
        subject.logits(x).await.prediction() != subject.label()
    }

    /// An adversarial point of noise, uniform within the bounds.
    async fn noise(&self, subject: &Subject<'_>, random: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        let [lo, hi] = subject.threat().bounds;
        for _ in 0..self.starts {
            let x: Vec<f32> =
                subject.origin().iter().map(|_| lo + (hi - lo) * random.random::<f32>()).collect();
            if self.is_adversarial(subject, &x).await {
                return Some(x);
            }
        }
        None
    }

    /// θ: the share of the way that the boundary is sought to.
    fn fineness(&self, subject: &Subject) -> f64 {
        let d = subject.origin().len() as f64;
        self.gamma / d.powf(if subject.threat().norm == Norm::L2 { 1.5 } else { 2.0 })
    }

    /// How far away the neighbours are asked about, δ_t (section III.C.c).
    fn radius(&self, subject: &Subject, x: &[f32]) -> f64 {
        let (norm, origin) = (subject.threat().norm, subject.origin());
        let d = origin.len() as f64;
        let growth = if norm == Norm::L2 { d.sqrt() } else { d };
        let distinct = LEAST * range(subject) * d.sqrt();
        let published = growth * self.fineness(subject) * norm.distance(origin, x);
        published.max(distinct.min(0.1 * Norm::L2.distance(origin, x)))
    }

    /// The way from the adversarial `x` back to the sample as far as points stay adversarial.
    async fn to_boundary(&self, subject: &Subject<'_>, mut x: Vec<f32>) -> Vec<f32> {
        let (norm, origin) = (subject.threat().norm, subject.origin());
        let far = x.clone();
        let (mut low, mut high) = (0.0, 1.0);
        // Nothing comes between neighbouring numbers of single precision.
        let halvings = (FINER / self.fineness(subject)).log2().ceil().min(24.0) as usize;
        for _ in 0..halvings {
            let share = (low + high) / 2.0;
            let middle = towards(norm, origin, &far, share);
            if self.is_adversarial(subject, &middle).await {
                high = share;
                x = middle;
            } else {
                low = share;
            }
        }
        x
    }

    /// An estimate of the boundary's direction at `x`, towards the adversarial side (eq. 9 and 16), and whether there were
    /// neighbours on both sides.
    async fn direction(
        &self,
        subject: &Subject<'_>,
        x: &[f32],
        queries: usize,
        radius: f64,
        random: &mut ChaCha8Rng,
    ) -> (Vec<f32>, bool) {
        let (norm, bounds) = (subject.threat().norm, subject.threat().bounds);
        let d = x.len();
        // Sums of the steps taken to all neighbours, and to those on the adversarial side.
        let (mut all, mut beyond) = (vec![0.0f64; d], vec![0.0f64; d]);
        let mut count = 0;
        let mut left = queries;
        while left > 0 {
            let block = left.min(BLOCK).min((ELEMENTS / d).max(1));
            left -= block;
            let neighbours: Vec<Vec<f32>> = (0..block)
                .map(|_| {
                    let step: Vec<f64> = match norm {
                        Norm::Linf => (0..d).map(|_| 2.0 * random.random::<f64>() - 1.0).collect(),
                        _ => (0..d).map(|_| StandardNormal.sample(random)).collect(),
                    };
                    let factor = radius / Norm::L2.of(step.iter().copied()).max(f64::MIN_POSITIVE);
                    let moved = |(&x, v): (&f32, f64)| (f64::from(x) + factor * v) as f32;
                    let mut neighbour: Vec<f32> = x.iter().zip(step).map(moved).collect();
                    clip(&mut neighbour, bounds);
                    neighbour
                })
                .collect();
            let answers = subject.logits_of_each(&neighbours).await;
            for (neighbour, answer) in neighbours.iter().zip(answers) {
                let adversarial = answer.prediction() != subject.label();
                count += usize::from(adversarial);
                for i in 0..d {
                    let step = f64::from(neighbour[i]) - f64::from(x[i]);
                    all[i] += step;
                    beyond[i] += if adversarial { step } else { 0.0 };
                }
            }
        }
        // φ is 1 beyond the boundary and −1 before it; its mean is taken off unless all are alike.
        let mean = 2.0 * count as f64 / queries.max(1) as f64 - 1.0;
        let told = mean.abs() < 1.0;
        let mean = if told { mean } else { 0.0 };
        let estimate =
            beyond.iter().zip(&all).map(|(beyond, all)| (2.0 * beyond - (1.0 + mean) * all) as f32);
        (estimate.collect(), told)
    }

    /// Where a step along a direction and the way back to the boundary end, if that is closer to the sample than `beaten`.
    async fn step(
        &self,
        subject: &Subject<'_>,
        x: &[f32],
        direction: &[f32],
        step: f64,
        beaten: f64,
    ) -> Option<Vec<f32>> {
        let jumped = self.jump(subject, x, direction, step).await?;
        // One question tells whether the boundary on this way is closer at all.
        let origin = subject.origin();
        let share = (1.0 - self.fineness(subject)) * beaten / subject.threat().norm.distance(origin, &jumped);
        let near = towards(subject.threat().norm, origin, &jumped, share.min(1.0));
        match self.is_adversarial(subject, &near).await {
            true => Some(self.to_boundary(subject, near).await),
            false => None,
        }
    }

    /// A step along the direction, halved until it ends at an adversarial point; none if it vanishes.
    async fn jump(&self, subject: &Subject<'_>, x: &[f32], direction: &[f32], step: f64) -> Option<Vec<f32>> {
        let mut step = step.min(reach(subject));
        // After this many halvings nothing moves in single precision.
        for _ in 0..24 {
            let mut jumped = x.to_vec();
            ascend(subject.threat().norm, &mut jumped, direction, step);
            clip(&mut jumped, subject.threat().bounds);
            if jumped == x {
                break;
            }
            if self.is_adversarial(subject, &jumped).await {
                return Some(jumped);
            }
            step /= 2.0;
        }
        None
    }
}

/// A point on the way back from `far` to the sample: `share` of the straight line (l2), or clipped to a cube of that
/// share of the distance (linf).
fn towards(norm: Norm, origin: &[f32], far: &[f32], share: f64) -> Vec<f32> {
    let reach = share * norm.distance(origin, far);
    let moved = |(&far, &o): (&f32, &f32)| {
        let delta = f64::from(far) - f64::from(o);
        let delta = if norm == Norm::Linf { delta.clamp(-reach, reach) } else { share * delta };
        (f64::from(o) + delta) as f32
    };
    far.iter().zip(origin).map(moved).collect()
}
