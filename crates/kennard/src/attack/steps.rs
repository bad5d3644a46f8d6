//! Random starts and ascent directions, per norm; shared by the attacks.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use crate::Norm;

/// A random displacement within the ball of radius `eps`: uniform in the ball for each norm.
pub(super) fn random_in_ball(norm: Norm, eps: f64, d: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let signed = |size: f64, random: &mut ChaCha8Rng| if random.random::<bool>() { size } else { -size };
    let direction: Vec<f64> = match norm {
        Norm::Linf => return (0..d).map(|_| eps * (2.0 * random.random::<f64>() - 1.0)).collect(),
        Norm::L2 => (0..d).map(|_| StandardNormal.sample(random)).collect(),
        Norm::L1 => (0..d)
            .map(|_| {
                let size: f64 = Exp1.sample(random);
                signed(size, random)
            })
            .collect(),
    };
    let length: f64 = match norm {
        Norm::L1 => direction.iter().map(|v| v.abs()).sum(),
        _ => direction.iter().map(|v| v * v).sum::<f64>().sqrt(),
    };
    let radius = eps * random.random::<f64>().powf(1.0 / d as f64);
    direction.iter().map(|v| radius * v / length.max(f64::MIN_POSITIVE)).collect()
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
                *x += if g > 0.0 {
                    step
                } else if g < 0.0 {
                    -step
                } else {
                    0.0
                };
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
        Norm::L1 => {
            let count = ((gradient.len() as f64 * L1_SHARE).round() as usize).max(1);
            let mut order: Vec<usize> = (0..gradient.len()).collect();
            order.sort_by(|&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()).then(a.cmp(&b)));
            order.truncate(count);
            order.retain(|&i| gradient[i] != 0.0);
            let each = (step / order.len().max(1) as f64) as f32;
            for i in order {
                x[i] += each * gradient[i].signum();
            }
        }
    }
}
