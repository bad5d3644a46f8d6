use super::super::{DistanceError, Radius, SmoothedRadius};
use super::{ball, linear};
use statrs::distribution::{ContinuousCDF, Normal};

fn half_space(dimension: usize, r: f64, factor: f64) -> Radius {
    let mut weights = vec![vec![0.0; dimension]; 2];
    (weights[1][0], weights[1][1]) = (0.6, 0.8);
    let mut oracle = linear(weights, vec![r, 0.0], factor);
    let radius = SmoothedRadius { scale: 1.0, samples: 1000, seed: 5 };
    radius.measure(&vec![0.0; dimension], 0, 1, &mut oracle).unwrap()
}

/// The share behind a plane at distance r is `Φ(−r/s)`, so the radius is r: from one half to 1e-12 (r = 7.03), and far
/// below. Twelve figures, each outside three times its interval with probability below 1e-8, however the samples fall.
#[test]
fn half_spaces_are_exact() {
    for dimension in [2, 784] {
        for r in [0.0, 1.0, 3.0, 5.0, 7.034_483_8, 30.0] {
            let found = half_space(dimension, r, 1.0);
            let radius = found.radius.unwrap();
            assert!(found.enough && found.relative_error < 0.1, "{found:?}");
            assert!((radius.value - r).abs() < 3.0 * radius.error(), "{r}: {found:?}");
        }
    }
}

/// A factor on the logits moves nothing but roundings in single precision.
#[test]
fn factors_change_nothing() {
    let one = half_space(20, 3.0, 1.0).radius.unwrap().value;
    for factor in [1e-3, 1e-2, 1e2, 1e3] {
        let other = half_space(20, 3.0, factor).radius.unwrap().value;
        assert!((other / one - 1.0).abs() < 1e-4, "{factor}: {one} {other}");
    }
}

/// Behind the boundary the radius is negative, and as exact. False alarms as above.
#[test]
fn a_misclassified_sample_has_a_negative_radius() {
    for r in [-0.5, -4.0] {
        let found = half_space(10, r, 1.0);
        let radius = found.radius.unwrap();
        assert!(found.enough && (radius.value - r).abs() < 3.0 * radius.error(), "{found:?}");
    }
}

/// The share of a slab's two sides is twice that of one; here `|x₀| > 4`, in 50 dimensions: the radius is
/// `−Φ⁻¹(2 Φ(−4))`. A false alarm has probability below 1e-8.
#[test]
fn two_sides_count_twice() {
    let mut weights = vec![vec![0.0; 50]; 3];
    (weights[1][0], weights[2][0]) = (1.0, -1.0);
    let mut oracle = linear(weights, vec![4.0, 0.0, 0.0], 1.0);
    let radius = SmoothedRadius { scale: 1.0, samples: 2000, seed: 2 };
    let found = radius.measure(&[0.0; 50], 0, 1, &mut oracle).unwrap();
    let normal = Normal::standard();
    let exact = -normal.inverse_cdf(2.0 * normal.cdf(-4.0));
    let figure = found.radius.unwrap();
    assert!((figure.value - exact).abs() < 3.0 * figure.error(), "{found:?}, {exact}");
}

/// The interval holds the truth in 95 % of runs: of 200, fewer than 178 or more than 199 in less than one of 2 000
/// right programs.
#[test]
fn intervals_cover() {
    let mut oracle = linear(vec![vec![0.0; 5], vec![1.0; 5]], vec![6.0, 0.0], 1.0);
    let exact = 6.0 / 5f64.sqrt();
    let held = (0..200).filter(|index| {
        let radius = SmoothedRadius { scale: 1.0, samples: 500, seed: 9 };
        radius.measure(&[0.0; 5], 0, *index, &mut oracle).unwrap().radius.unwrap().contains(exact)
    });
    let held = held.count();
    assert!((178..=199).contains(&held), "{held}");
}

#[test]
fn what_is_never_seen_has_a_bound_only() {
    // The other class never leads.
    let mut flat = linear(vec![vec![0.0; 3], vec![0.0; 3]], vec![1.0, 0.0], 1.0);
    let radius = SmoothedRadius { scale: 0.5, samples: 1000, seed: 0 };
    let found = radius.measure(&[0.0; 3], 0, 0, &mut flat).unwrap();
    // 0 of 1256: at most 0.002382 with confidence 95 %, Φ⁻¹ of which is −2.82253 (SciPy 1.17).
    assert!(found.radius.is_none() && !found.enough);
    assert!((found.beyond.unwrap() - 0.5 * 2.822_533).abs() < 1e-3, "{found:?}");
    let far = radius.measure(&[0.0; 3], 1, 0, &mut flat).unwrap();
    assert!((far.beyond.unwrap() + 0.5 * 2.822_533).abs() < 1e-3, "{far:?}");
    let none = SmoothedRadius { scale: f64::NAN, ..radius };
    assert!(matches!(none.measure(&[0.0; 3], 0, 0, &mut flat), Err(DistanceError::Scale(_))));
    let few = SmoothedRadius { samples: 1, ..radius };
    assert!(matches!(few.measure(&[0.0; 3], 0, 0, &mut flat), Err(DistanceError::Samples { .. })));
}

/// A ball of the other class, in three dimensions: its share by quadrature (SciPy 1.17, the noncentral chi-square
/// distribution: `ncx2.cdf(4, 3, 25)` = 4.635e-4). A false alarm has probability below 1e-8.
#[test]
fn balls_have_the_noncentral_share() {
    let mut oracle = ball(vec![5.0, 0.0, 0.0], 2.0, false);
    let radius = SmoothedRadius { scale: 1.0, samples: 4000, seed: 4 };
    let found = radius.measure(&[0.0; 3], 0, 1, &mut oracle).unwrap();
    let error = found.log_share.exp() / 0.000_463_528_349_789_624_8 - 1.0;
    assert!(found.enough && error.abs() < 6.0 * found.relative_error, "{found:?}");
}
