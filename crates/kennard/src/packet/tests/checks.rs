//! Wrong measurements that the identities must expose.

use super::*;
use crate::packet::moments::Moments;

const DIMENSION: usize = 784;
const SCALE: f64 = 0.1;

/// A measurement around a point with drift near one, as plainly trained networks have it, whose
/// gradient, and the points the network sees, went through `spoil` first.
fn measured(samples: usize, spoil: impl Fn(&mut [f32], &mut [f64])) -> Packet {
    let bend = bend(0.04 / SCALE);
    let log_loss = |point: &[f32], slope: &mut [f64]| {
        let mut point = point.to_vec();
        spoil(&mut point, &mut []);
        let mut sum = 0.0;
        for (i, (x, slope)) in point.iter().zip(&mut *slope).enumerate() {
            let (value, derivative) = bend(i, f64::from(*x) / SCALE);
            sum += value * SCALE;
            *slope = derivative;
        }
        spoil(&mut [], slope);
        sum
    };
    let packet = GaussianPacket { scale: SCALE, samples, seed: 5 };
    measure(packet, &[0.05; DIMENSION], &mut analytic(log_loss))
}

#[test]
fn a_right_measurement_is_valid() {
    let packet = measured(2000, |_, _| {});
    assert!(packet.valid(), "{}", summary(&packet));
    assert!((0.5..2.0).contains(&packet.drift.value), "{}", packet.drift.value);
}

#[test]
fn too_few_samples_are_not_enough() {
    let packet = measured(600, |_, _| {});
    assert!(packet.identities_hold && !packet.spreads.enough_samples && !packet.valid());
}

/// A wrong gradient also misleads the search for the packet, and effective samples are few: the
/// first sign of it. With more of them the identities tell.
fn assert_seen(case: &str, spoil: impl Fn(&mut [f32], &mut [f64])) {
    assert!(!measured(2000, &spoil).valid(), "{case}");
    let packet = measured(10_000, &spoil);
    assert!(!packet.identities_hold, "{case}: {}", summary(&packet));
}

#[test]
fn a_wrong_sign_is_seen() {
    assert_seen("everywhere", |_, slope| slope.iter_mut().for_each(|slope| *slope = -*slope));
    assert_seen("in a tenth", |_, slope| slope.iter_mut().take(78).for_each(|slope| *slope = -*slope));
}

#[test]
fn a_wrong_factor_is_seen() {
    for factor in [0.0, 0.5, 0.8, 1.25, 2.0] {
        assert_seen(&factor.to_string(), |_, slope| slope.iter_mut().for_each(|slope| *slope *= factor));
    }
}

#[test]
fn a_permuted_gradient_is_seen() {
    assert_seen("reversed", |_, slope| slope.reverse());
}

/// Around a symmetric point nothing is displaced, and only the widths can tell.
#[test]
fn a_wrong_sign_is_seen_without_drift() {
    let packet = |flipped: usize| {
        let mut oracle = separable(|i, x| {
            let curvature = if i < flipped { -0.02 } else { 0.02 };
            (-0.01 * x * x, -curvature * x)
        });
        measure(GaussianPacket { scale: 1.0, samples: 5000, seed: 2 }, &[0.0; DIMENSION], &mut oracle)
    };
    let right = packet(0);
    assert!(right.valid(), "{}", summary(&right));
    let wrong = packet(78);
    assert!(wrong.spreads.enough_samples && !wrong.identities_hold, "{}", summary(&wrong));
    assert!(wrong.excess_drift.contains(0.0), "{}", summary(&wrong));
}

/// An oracle that clamps to [0, 1] evaluates elsewhere than it was asked to.
#[test]
fn a_clamping_oracle_is_seen() {
    assert_seen("clamped", |point, _| point.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0)));
}

/// Clamped samples are not those of the window.
#[test]
fn a_clamping_sampler_is_seen() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    let packet = |low: f64| {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut moments = Moments::new(DIMENSION);
        for _ in 0..2000 {
            let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
            let z: Vec<f64> = (0..DIMENSION).map(|_| normal().max(low)).collect();
            let h = vec![0.01; DIMENSION];
            moments.push(z.iter().map(|z| 2.0 * 0.01 * z).sum(), &z, &h, false);
        }
        Packet::from_moments(SCALE, 1000.0, &moments)
    };
    assert!(packet(f64::NEG_INFINITY).valid());
    for low in [-0.5, -1.5] {
        let packet = packet(low);
        assert!(packet.spreads.enough_samples && !packet.identities_hold, "{low}: {}", summary(&packet));
    }
}

/// Clipping as a part of the network, gradient included, is a function on R^d like any other.
#[test]
fn a_clip_inside_the_network_is_right() {
    let f = |_: usize, x: f64| {
        if (0.0..1.0).contains(&x) { (0.4 * x, 0.4) } else { (0.4 * x.clamp(0.0, 1.0), 0.0) }
    };
    let packet = GaussianPacket { scale: SCALE, samples: 2000, seed: 9 };
    let packet = measure(packet, &[0.05; DIMENSION], &mut separable(f));
    assert!(packet.valid(), "{}", summary(&packet));
}
