//! Packets with known answers.

mod averages;

use super::*;
use crate::packet::log_loss::log_softplus;
use crate::packet::moments::Moments;
use crate::packet::sampler::Sampler;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

const DIMENSIONS: [usize; 3] = [1, 10, 784];
const SCALES: [f64; 2] = [0.05, 2.0];

fn gaussian(scale: f64, samples: usize) -> GaussianPacket {
    GaussianPacket { scale, samples, seed: 1 }
}

fn centre(dimension: usize) -> Vec<f32> {
    (0..dimension).map(|i| 0.5 + 0.1 * (i as f32).sin()).collect()
}

fn coherent(scale: f64, drift: f64) -> Truth {
    Truth { sigma_x: scale, sigma_p: 0.5 / scale, drift, dispersion: 0.0 }
}

fn assert_close(case: &str, value: f64, truth: f64, tolerance: f64) {
    assert!((value - truth).abs() <= tolerance, "{case}: {value}, not {truth}");
}

#[test]
fn a_constant_loss_is_a_coherent_state() {
    for (dimension, scale) in DIMENSIONS.into_iter().flat_map(|d| SCALES.map(|s| (d, s))) {
        let mut oracle = separable(|_, _| (-0.1, 0.0));
        let unproven = measure(gaussian(scale, 1000), &centre(dimension), &mut oracle);
        oracle.affine = true;
        let packet = measure(gaussian(scale, 1000), &centre(dimension), &mut oracle);
        let case = format!("d = {dimension}, s = {scale}");
        assert_packet(&case, &packet, &coherent(scale, 0.0));
        assert_eq!(
            (packet.spreads.product.value, packet.drift.value, packet.dispersion.value),
            (0.5, 0.0, 0.0),
            "{case}"
        );
        assert_eq!(
            (packet.spreads.product_mean, packet.spreads.product_min, packet.bound),
            (0.5, 0.5, 0.5),
            "{case}"
        );
        assert_eq!(packet.spreads.samples, 1000);
        // Samples that all agree may all have missed something, unless it is known that there is nothing.
        assert!(packet.valid() && !unproven.reached && !unproven.valid(), "{case}");
    }
}

/// `l = exp(aᵀx)`: displaced, and exact in every sample up to the rounding of f32.
#[test]
fn a_linear_log_loss_displaces_the_packet() {
    for (dimension, scale) in DIMENSIONS.into_iter().flat_map(|d| SCALES.map(|s| (d, s))) {
        for drift in [0.2, 1.0, 5.0] {
            let case = format!("d = {dimension}, s = {scale}, D = {drift}");
            let sign = |i: usize| if i.is_multiple_of(3) { -1.0 } else { 1.0 };
            let slope = drift / (2.0 * scale * (dimension as f64).sqrt());
            let mut oracle = separable(|i, x| {
                let slope = slope * sign(i);
                (slope * (x - 0.5), slope)
            });
            let packet = measure(gaussian(scale, 1500), &centre(dimension), &mut oracle);
            assert_packet(&case, &packet, &coherent(scale, drift));
            assert_close(&case, packet.drift.value, drift, 1e-5 * drift);
            assert_close(&case, packet.spreads.product.value, 0.5, 1e-6);
            assert_close(&case, packet.spreads.product_mean, 0.5, 1e-6);
            assert_close(&case, packet.dispersion.value, 0.0, 1e-6);
            // The window alone would keep exp(−D²) of the samples.
            assert!(packet.spreads.ess > 0.8 * 1500.0, "{case}: {}", packet.spreads.ess);
        }
    }
}

/// `l = exp(−½ Σ A_i x_i²)`: σ_x,i = (1/s² + 2A_i)^(−½), σ_p,i = 1/(2 σ_x,i); around x₀ the mean
/// is x₀ σ_x,i²/s², and `h = −A x` has the variance A_i² σ_x,i².
#[test]
fn a_quadratic_log_loss_squeezes_the_packet() {
    for (dimension, scale) in DIMENSIONS.into_iter().flat_map(|d| SCALES.map(|s| (d, s))) {
        let case = format!("d = {dimension}, s = {scale}");
        // 2 A s²: between −0.2 and 0.6, less in many dimensions to keep effective samples.
        let range = 1.0 / (dimension as f64).sqrt().max(1.0);
        let squeeze = |i: usize| range * [0.6, -0.2, 0.4, 0.3][i % 4];
        let variance = |i: usize| scale * scale / (1.0 + squeeze(i));
        let a = move |i: usize| squeeze(i) / (2.0 * scale * scale);
        let centre: Vec<f32> = (0..dimension).map(|i| (scale * [0.5, -0.25][i % 2]) as f32).collect();
        let mut oracle = separable(|i, x| (-0.5 * a(i) * x * x, -a(i) * x));
        let packet = measure(gaussian(scale, 4000), &centre, &mut oracle);

        let all = || 0..dimension;
        let mean = |f: &dyn Fn(usize) -> f64| all().map(f).sum::<f64>() / dimension as f64;
        let displacement = |i: usize| f64::from(centre[i]) * (variance(i) / (scale * scale) - 1.0);
        let truth = Truth {
            sigma_x: mean(&variance).sqrt(),
            sigma_p: mean(&|i| 0.25 / variance(i)).sqrt(),
            drift: all().map(|i| displacement(i).powi(2)).sum::<f64>().sqrt() / scale,
            dispersion: scale * scale * all().map(|i| a(i).powi(2) * variance(i)).sum::<f64>(),
        };
        assert_packet(&case, &packet, &truth);

        // Per coordinate, six standard errors: one in 10⁸ coordinates fails.
        let error = 6.0 / packet.spreads.ess.sqrt();
        for (i, (x, p)) in packet.spreads.sigma_x_map.iter().zip(&packet.spreads.sigma_p_map).enumerate() {
            let truth = variance(i).sqrt();
            assert!((x / truth - 1.0).abs() < error, "{case}, coordinate {i}: {x}, not {truth}");
            assert!((2.0 * p * truth - 1.0).abs() < error, "{case}, coordinate {i}: {p}");
        }
        assert_close(&case, packet.spreads.product_mean, 0.5, error * range);
        assert!(packet.spreads.product_min <= packet.spreads.product_mean, "{case}");
    }
}

/// A tenth of the window's width: where `1 + 2 c` alone would be the difference of large noises.
#[test]
fn strong_squeezing_is_exact() {
    let a = 49.5;
    let packet = measure(gaussian(1.0, 4000), &[0.1], &mut separable(|_, x| (-0.5 * a * x * x, -a * x)));
    assert_close("sigma_x", packet.spreads.sigma_x.value, 0.1, 1e-6);
    assert_close("sigma_p", packet.spreads.sigma_p.value, 5.0, 1e-5);
    assert_close("product", packet.spreads.product.value, 0.5, 1e-6);
}

/// `‖E[h]‖²` of the samples exceeds the packet's by `V/(s² ESS)`, here about as much as the packet
/// has: uncorrected, the drift would be near 0.07, and its interval far from the truth.
#[test]
fn dispersion_does_not_inflate_the_drift() {
    let (dimension, squeeze, drift) = (784, 0.05, 0.05);
    let offset = drift * (1.0 + squeeze) / squeeze / f64::sqrt(dimension as f64);
    let mut oracle = separable(|_, x| (-squeeze / 4.0 * x * x, -squeeze / 2.0 * x));
    let packet = measure(gaussian(1.0, 2500), &vec![offset as f32; dimension], &mut oracle);
    assert_agrees("drift", packet.drift, drift);
    assert!(2.0 * packet.drift.error() < 0.01, "{}", summary(&packet));
    let uncorrected = (drift * drift + 4.0 * packet.dispersion.value / packet.spreads.ess).sqrt();
    assert!(uncorrected > 0.065, "{uncorrected}");
}

/// K classes of linear log-odds, `l = Σ_j exp(a_jᵀx)`: ψ² is a mixture of Gaussians of width s
/// around `x₀ + s²(a_j + a_k)`, of weights `exp(s² ‖a_j + a_k‖²/2)`.
#[test]
fn classes_make_a_mixture_of_gaussians() {
    for (dimension, classes, length) in [(1, 2, 2.0), (20, 3, 1.0), (100, 9, 0.8)] {
        let case = format!("d = {dimension}, {classes} classes, ‖a‖ ≈ {length}");
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let norm = (dimension as f64).sqrt();
        let slopes: Vec<Vec<f64>> =
            (0..classes).map(|_| (0..dimension).map(|_| length * normal() / norm).collect()).collect();
        let log_loss = |point: &[f32], slope: &mut [f64]| {
            let odds = |a: &Vec<f64>| a.iter().zip(point).map(|(a, x)| a * f64::from(*x)).sum::<f64>().exp();
            let odds: Vec<f64> = slopes.iter().map(odds).collect();
            let loss: f64 = odds.iter().sum();
            for (i, slope) in slope.iter_mut().enumerate() {
                *slope = slopes.iter().zip(&odds).map(|(a, odds)| odds / loss * a[i]).sum();
            }
            loss.ln()
        };
        let packet = measure(gaussian(1.0, 4000), &vec![0.0; dimension], &mut analytic(log_loss));

        let (mut weight, mut mean, mut square) = (0.0, vec![0.0; dimension], 0.0);
        for (a, b) in slopes.iter().flat_map(|a| slopes.iter().map(move |b| (a, b))) {
            let shift: Vec<f64> = a.iter().zip(b).map(|(a, b)| a + b).collect();
            let shift_squared: f64 = shift.iter().map(|shift| shift * shift).sum();
            let part = (shift_squared / 2.0).exp();
            weight += part;
            square += part * shift_squared;
            mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += part * shift);
        }
        let drift_squared = mean.iter().map(|mean| (mean / weight).powi(2)).sum::<f64>();
        let sigma_x = (1.0 + (square / weight - drift_squared) / dimension as f64).sqrt();
        assert_agrees(&case, packet.spreads.sigma_x, sigma_x);
        assert_agrees(&case, packet.drift, drift_squared.sqrt());
        assert!(packet.valid(), "{case}: {}", summary(&packet));
    }
}

/// States of the harmonic oscillator, `ψ ∝ H_n(x) e^(−x²/2)`: the window of width √½ has
/// `e^(−x²/2)` for its root, and `l = |H_n|`. Both spreads are √(n + ½).
#[test]
fn oscillator_states() {
    let states: [fn(f64) -> (f64, f64); 4] = [
        |_| (1.0, 0.0),
        |x| (2.0 * x, 2.0),
        |x| (4.0 * x * x - 2.0, 8.0 * x),
        |x| (8.0 * x.powi(3) - 12.0 * x, 24.0 * x * x - 12.0),
    ];
    for (n, hermite) in states.into_iter().enumerate() {
        // ln l far below zero, so that the loss is in the range of f32.
        let mut oracle = separable(|_, x| {
            let (value, slope) = hermite(x);
            (value.abs().ln() - 5.0, slope / value)
        });
        oracle.affine = n == 0;
        let packet = measure(gaussian(0.5f64.sqrt(), 100_000), &[0.0], &mut oracle);
        let (spread, case) = ((n as f64 + 0.5).sqrt(), format!("n = {n}"));
        assert_agrees(&case, packet.spreads.sigma_x, spread);
        assert_agrees(&case, packet.spreads.sigma_p, spread);
        assert_agrees(&case, packet.spreads.product, n as f64 + 0.5);
        assert!(packet.valid(), "{case}: {}", summary(&packet));
    }
}

/// Two classes in one dimension: `u` linear, and with a kink as ReLU networks have it.
#[test]
fn two_classes_agree_with_quadrature() {
    let line = |x: f64| (3.0 * x - 1.0, 3.0);
    // Between two nodes, where the trapezoid rule has no error of first order.
    let corner = 0.25 + 0.5 * 100.5 * GridRule::STEP;
    let kink = |x: f64| if x > corner { (4.0 * (x - corner), 4.0) } else { (corner - x, -1.0) };
    check_two_classes("line", line, 1e-6, 5e-4);
    check_two_classes("kink", kink, 2e-3, 5e-3);
}

/// `differences`: the error of the momentum of ψ's differences, of first order at a kink.
/// `tolerance`: five standard errors and more.
fn check_two_classes(case: &str, u: impl Fn(f64) -> (f64, f64) + Copy, differences: f64, tolerance: f64) {
    let (scale, centre) = (0.5, [0.25f32]);
    let f = move |x: f64| {
        let (u, du) = u(x);
        let (log_loss, slope) = log_softplus(u);
        (log_loss, slope * du)
    };
    let truth = Truth::of_separable(|_, x| f(x), &centre, scale, 1);

    // The reference itself: the momentum of ψ's differences, and the bound.
    let momentum = GridRule::new(f, f64::from(centre[0]), scale).momentum_squared().sqrt() / scale;
    assert_close(case, truth.sigma_p, momentum, differences * momentum);
    assert!(truth.product() > 0.5, "{case}: {}", truth.product());

    let packet = measure(gaussian(scale, 400_000), &centre, &mut separable(|_, x| f(x)));
    assert_packet(case, &packet, &truth);
    assert_close(case, packet.spreads.sigma_x.value, truth.sigma_x, tolerance * truth.sigma_x);
    assert_close(case, packet.spreads.sigma_p.value, truth.sigma_p, tolerance * truth.sigma_p);
    assert_close(case, packet.spreads.product.value, truth.product(), tolerance);
    assert_close(case, packet.drift.value, truth.drift, 1e-2);
}

/// The weighted sums of a packet's samples; at least one has weight.
fn sampled(
    packet: &GaussianPacket,
    centre: &[f32],
    oracle: &mut impl LogOdds<Error = Infallible>,
) -> Moments {
    let random = packet.stream(0, *b"gaussian");
    let mut sampler = Sampler { centre, scale: packet.scale, label: 0, oracle, random };
    let proposal = sampler.proposal().unwrap();
    let mut moments = Moments::new(centre.len());
    sampler.weigh(&proposal, packet.samples, &mut moments, &mut None).unwrap();
    moments
}

/// The raw sample product agrees, but its noise is hundreds of times the excess over ½.
#[test]
fn the_identities_remove_the_noise_of_the_window() {
    let centre = vec![0.0; 784];
    let truth = Truth::of_separable(bend(0.04), &[0.0; 2], 1.0, 784);
    let (mut raw, mut identity) = (Vec::new(), Vec::new());
    for seed in 0..20 {
        let packet = GaussianPacket { scale: 1.0, samples: 1000, seed };
        let moments = sampled(&packet, &centre, &mut separable(bend(0.04)));
        let spread = moments.whole().spread();
        let sigma_p_squared = spread.gradient - spread.covariance + spread.position / 4.0;
        // The sample variances fall short by 1/ESS.
        raw.push((spread.position * sigma_p_squared).sqrt() / (1.0 - 1.0 / moments.ess()));
        identity.push(Packet::from_moments(1.0, 1000.0, &moments).spreads.product.value);
    }
    // Within 4.5 standard errors of the mean of 20: one in 10⁴ fails.
    for products in [&raw, &identity] {
        let mean = products.iter().sum::<f64>() / 20.0;
        let variance = products.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 19.0;
        assert_close("product", mean, truth.product(), 4.5 * (variance / 20.0).sqrt());
    }
    let deviation = |products: &[f64]| {
        (products.iter().map(|p| (p - truth.product()).powi(2)).sum::<f64>() / 20.0).sqrt()
    };
    assert!(deviation(&identity) < deviation(&raw) / 1000.0);
    assert!(deviation(&identity) < (truth.product() - 0.5) / 100.0);
    assert!(deviation(&raw) > truth.product() - 0.5);
}
