//! What the images of a step are changed to.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::method::StartingPoint;
use crate::ThreatModel;
use crate::attack::{largest, start_in_ball};

/// Adds normal noise, within the bounds.
pub fn noise(x: &mut [f32], sigma: f64, [lo, hi]: [f32; 2], random: &mut ChaCha8Rng) {
    for v in x {
        let z: f64 = StandardNormal.sample(random);
        *v = (f64::from(*v) + sigma * z).clamp(lo.into(), hi.into()) as f32;
    }
}

/// Zeroes the share of elements with the largest contributions `|x_i g_i|`.
pub fn mask(x: &mut [f32], gradient: &[f32], share: f64) {
    let contributions: Vec<f32> = x.iter().zip(gradient).map(|(x, g)| (x * g).abs()).collect();
    let count = (share * x.len() as f64).round() as usize;
    if count > 0 {
        for i in largest(&contributions, count) {
            x[i] = 0.0;
        }
    }
}

/// Where an ascent begins.
pub fn start(
    how: StartingPoint,
    threat: &ThreatModel,
    origin: &[f32],
    x: &mut [f32],
    random: &mut ChaCha8Rng,
) {
    match how {
        StartingPoint::Ball => start_in_ball(threat, origin, x, random),
        StartingPoint::Jitter => {
            for v in x.iter_mut() {
                let z: f64 = StandardNormal.sample(random);
                *v += (1e-3 * z) as f32;
            }
            threat.project(origin, x);
        }
    }
}
