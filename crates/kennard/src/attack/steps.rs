//! Random starts and steps up a gradient, per norm; shared by the attacks and by training.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use crate::{Norm, ThreatModel};

/// Moves `x` from `origin` to a random point that is allowed.
pub(crate) fn start_in_ball(threat: &ThreatModel, origin: &[f32], x: &mut [f32], random: &mut ChaCha8Rng) {
    let moved = random_in_ball(threat.norm, threat.eps, x.len(), random);
    x.iter_mut().zip(moved).for_each(|(x, delta)| *x += delta as f32);
    threat.project(origin, x);
}

/// A step of projected gradient ascent, of length `step` in the norm. In l1 elements that the bounds stop do not count.
pub(crate) fn ascend_within(
    threat: &ThreatModel,
    origin: &[f32],
    x: &mut [f32],
    gradient: &[f32],
    step: f64,
) {
    match threat.norm {
        Norm::L1 | Norm::L0 => ascend(threat.norm, x, &open(gradient, x, threat.bounds), step),
        Norm::Linf | Norm::L2 => ascend(threat.norm, x, gradient, step),
    }
    threat.project(origin, x);
}

/// A gradient without the entries whose way up leaves the bounds: among the largest they would take the place of others that can move.
fn open(gradient: &[f32], x: &[f32], [lo, hi]: [f32; 2]) -> Vec<f32> {
    let shut = |g: f32, x: f32| if g > 0.0 { x >= hi } else { x <= lo };
    gradient.iter().zip(x).map(|(&g, &x)| if shut(g, x) { 0.0 } else { g }).collect()
}

/// A random displacement within the ball of radius `eps`: uniform in the ball for each norm.
fn random_in_ball(norm: Norm, eps: f64, d: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let signed = |size: f64, random: &mut ChaCha8Rng| if random.random::<bool>() { size } else { -size };
    let direction: Vec<f64> = match norm {
        Norm::Linf => return (0..d).map(|_| eps * (2.0 * random.random::<f64>() - 1.0)).collect(),
        Norm::L2 => (0..d).map(|_| StandardNormal.sample(random)).collect(),
        Norm::L1 | Norm::L0 => (0..d)
            .map(|_| {
                let size: f64 = Exp1.sample(random);
                signed(size, random)
            })
            .collect(),
    };
    let length = norm.of(direction.iter().copied()).max(f64::MIN_POSITIVE);
    let radius = eps * random.random::<f64>().powf(1.0 / d as f64);
    direction.iter().map(|v| radius * v / length).collect()
}

/// Moves `x` to a random point at distance `eps`: uniform noise stretched so that it touches the ball
/// (linf), a Gaussian direction (l2, l1).
pub(super) fn sphere(norm: Norm, eps: f64, x: &mut [f32], random: &mut ChaCha8Rng) {
    let direction: Vec<f64> = match norm {
        Norm::Linf => (0..x.len()).map(|_| 2.0 * random.random::<f64>() - 1.0).collect(),
        _ => (0..x.len()).map(|_| StandardNormal.sample(random)).collect(),
    };
    let factor = eps / norm.of(direction.iter().copied()).max(f64::MIN_POSITIVE);
    x.iter_mut().zip(direction).for_each(|(x, v)| *x = (f64::from(*x) + factor * v) as f32);
}

/// Moves `x` straight to or from `origin` until it is `eps` away (l2); at `origin` itself it stays.
pub(super) fn onto_sphere(origin: &[f32], x: &mut [f32], eps: f64) {
    let distance = Norm::L2.distance(origin, x);
    if distance == 0.0 {
        return;
    }
    for (x, &o) in x.iter_mut().zip(origin) {
        *x = (f64::from(o) + eps / distance * (f64::from(*x) - f64::from(o))) as f32;
    }
}

/// The places of the `count` largest entries (at least one), zeros left out; at equal ones the first.
pub(crate) fn largest(gradient: &[f32], count: usize) -> Vec<usize> {
    let count = count.clamp(1, gradient.len());
    let larger = |&a: &usize, &b: &usize| gradient[b].abs().total_cmp(&gradient[a].abs()).then(a.cmp(&b));
    let mut order: Vec<usize> = (0..gradient.len()).collect();
    order.select_nth_unstable_by(count - 1, larger);
    order.truncate(count);
    order.retain(|&i| gradient[i] != 0.0);
    order.sort_unstable();
    order
}

/// The share of coordinates that an l1 step moves (SLIDE, Tramèr & Boneh 2019, arXiv 1904.13000:
/// the steepest single coordinate is too slow, the 99th percentile works).
const L1_SHARE: f64 = 0.01;

/// Moves `x` by a step of length `step` up the gradient: its signs (linf), its direction (l2), or
/// the signs of its largest entries (l1). Where the gradient is zero, nothing moves.
pub(super) fn ascend(norm: Norm, x: &mut [f32], gradient: &[f32], step: f64) {
    match norm {
        Norm::Linf => {
            let step = step as f32;
            for (x, &g) in x.iter_mut().zip(gradient) {
                *x += if g == 0.0 { 0.0 } else { step.copysign(g) };
            }
        }
        Norm::L2 => {
            let largest = gradient.iter().fold(0.0f32, |m, g| m.max(g.abs()));
            if largest == 0.0 {
                return;
            }
            // Scaled first, so that squares of tiny gradients do not vanish.
            let scaled = |g: f32| f64::from(g) / f64::from(largest);
            let length = gradient.iter().map(|&g| scaled(g) * scaled(g)).sum::<f64>().sqrt();
            for (x, &g) in x.iter_mut().zip(gradient) {
                *x = (f64::from(*x) + step * scaled(g) / length) as f32;
            }
        }
        Norm::L1 | Norm::L0 => {
            let moved = largest(gradient, (gradient.len() as f64 * L1_SHARE).round() as usize);
            let each = (step / moved.len().max(1) as f64) as f32;
            for i in moved {
                x[i] += each * gradient[i].signum();
            }
        }
    }
}
