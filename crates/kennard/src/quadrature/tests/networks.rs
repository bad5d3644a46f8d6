//! The inequality on networks.

use super::{measure, unit_box, window};
use crate::quadrature::Coordinate;

/// A perceptron's cross-entropy for label 0 in the plane, in double precision: `ln l` and its gradient.
fn network(seed: u64, smooth: bool, sharpness: f64) -> impl Fn(&[f64]) -> (f64, f64, Vec<f64>) {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    const HIDDEN: usize = 12;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let weights: Vec<[f64; 4]> =
        (0..HIDDEN).map(|_| std::array::from_fn(|_| StandardNormal.sample(&mut random))).collect();
    move |x| {
        let (mut u, mut gradient) = (0.0, vec![0.0; 2]);
        for [a, b, c, out] in &weights {
            let z = 3.0 * (a * (x[0] - 0.5) + b * (x[1] - 0.5)) + 0.5 * c;
            let (value, slope) = match smooth {
                true => (z.tanh(), 1.0 - z.tanh().powi(2)),
                false => (z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }),
            };
            u += sharpness * out * value;
            gradient[0] += sharpness * out * slope * 3.0 * a;
            gradient[1] += sharpness * out * slope * 3.0 * b;
        }
        let (log_loss, slope) = crate::packet::log_loss::log_softplus(u);
        (log_loss, 1.0, gradient.iter().map(|du| slope * du).collect())
    }
}

/// With positive weights the inequality against the covariance holds for any rule; against the bound
/// from the faces it holds within the errors. Smooth networks must be exact; the kinks of the others
/// leave 1.4e-3 at 256 points per coordinate.
#[test]
fn networks_obey_their_bounds() {
    for seed in 0..6 {
        for (smooth, sharpness, allowed) in [(true, 1.0, 1e-9), (true, 6.0, 1e-6), (false, 1.0, 5e-3)] {
            let f = network(seed, smooth, sharpness);
            for domain in [unit_box(2), window(&[0.4, 0.6], 0.1)] {
                let spreads = measure(&domain, &f);
                for (i, c) in spreads.coordinates.iter().enumerate() {
                    assert!(c.product() >= c.covariance.abs() - 1e-12, "{c:?}");
                    assert!(c.discrepancy().abs() < allowed, "seed {seed}, {smooth}, {sharpness}: {c:?}");
                    let found = spreads.figure(i, Coordinate::product);
                    let (product, error) = (found.value, found.error());
                    assert!(product >= c.bound() - error - allowed, "{c:?} ± {error}");
                }
            }
        }
    }
}

/// One sign turned in the gradient: Stein's identity must notice.
#[test]
fn a_wrong_gradient_is_noticed() {
    let f = network(1, true, 1.0);
    let wrong = |x: &[f64]| {
        let (exponent, value, mut gradient) = f(x);
        gradient[1] = -gradient[1];
        (exponent, value, gradient)
    };
    for domain in [unit_box(2), window(&[0.4, 0.6], 0.1)] {
        let spreads = measure(&domain, wrong);
        assert!(spreads.coordinates[0].discrepancy().abs() < 1e-9);
        assert!(spreads.coordinates[1].discrepancy().abs() > 1e-3, "{spreads:?}");
    }
}
