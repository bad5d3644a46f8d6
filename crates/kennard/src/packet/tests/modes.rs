//! Leading modes with known answers.

use super::*;
use crate::packet::Effort;

fn with_modes<F: Fn(&[f32], &mut [f64]) -> f64>(
    samples: usize,
    centre: &[f32],
    oracle: &mut Analytic<F>,
) -> Packet {
    let effort = Effort { modes: true, ..Effort::exactly(samples) };
    GaussianPacket { scale: 1.0, samples, seed: 1 }.measure_until(&effort, centre, 0, 0, oracle).unwrap()
}

/// `ln l = −½ Σ A_i x_i²`, A in two of 100 coordinates: `v = A² σ²`, `1 + 2c = σ² = 1/(1 + 2A)`, and
/// `s² Var(g) = ¼/σ²`; the product stays ½.
#[test]
fn a_quadratic_log_loss_has_its_axes_for_modes() {
    let a = |i: usize| [(3, 1.5), (17, -0.2)].iter().find(|(j, _)| *j == i).map_or(0.0, |(_, a)| *a);
    let packet = with_modes(16_000, &[0.0; 100], &mut separable(|i, x| (-0.5 * a(i) * x * x, -a(i) * x)));
    let modes = packet.modes.as_ref().unwrap();
    for (mode, axis) in modes.leading.iter().zip([3, 17]) {
        let variance = 1.0 / (1.0 + 2.0 * a(axis));
        assert!(mode.direction[axis].abs() > 0.999, "{axis}: {}", mode.direction[axis]);
        assert_agrees("v", mode.dispersion, a(axis).powi(2) * variance);
        assert_agrees("squeeze", mode.squeeze, variance);
        // A direction off the axis by 1 % has an excess: the state is correlated there.
        assert!((mode.product.value - 0.5).abs() < 1e-3, "{axis}: {}", mode.product.value);
        assert!(mode.residual < 0.2, "{}", mode.residual);
    }
    let close = |value: f64, truth: f64| assert!((value / truth - 1.0).abs() < 0.1, "{value}, not {truth}");
    close(modes.squeeze[0], 0.25);
    close(modes.squeeze[1], 1.0 / 0.6);
    close(modes.momentum[0], 1.0);
    assert!(modes.momentum_directions[0][3].abs() > 0.999);
    for principal in &modes.principal[..2] {
        assert_agrees("principal", *principal, 0.5);
        assert!((principal.value - 0.5).abs() < 0.03, "{:?}", modes.principal);
    }
}

/// `ln l = f(u·x)` along a diagonal of 400 dimensions: one mode, with the excess that `f` has in one
/// dimension, where the mean over coordinates hides it.
#[test]
fn the_excess_is_along_the_mode() {
    let dimension = 400;
    let f = bend(2.0);
    let diagonal = |point: &[f32], slope: &mut [f64]| {
        let unit = 1.0 / (point.len() as f64).sqrt();
        let (value, derivative) = f(0, point.iter().map(|x| f64::from(*x) * unit).sum());
        slope.fill(derivative * unit);
        value
    };
    // The centre is at −1.5 along the diagonal.
    let centre = vec![-1.5 / (dimension as f32).sqrt(); dimension];
    let packet = with_modes(16_000, &centre, &mut analytic(diagonal));
    let modes = packet.modes.as_ref().unwrap();
    let truth = Truth::of_separable(f, &[-1.5], 1.0, 1);
    assert!(truth.product() > 0.51, "{}", truth.product());
    let mode = &modes.leading[0];
    assert!((mode.direction.iter().sum::<f64>() / 20.0).abs() > 0.9999);
    assert_agrees("product", mode.product, truth.product());
    assert_agrees("v", mode.dispersion, truth.dispersion);
    let drift = modes.drift.as_ref().unwrap();
    assert!((modes.principal[0].value / truth.product() - 1.0).abs() < 0.02, "{:?}", modes.principal);
    assert_agrees("along the drift", drift.product, truth.product());
    assert!(
        packet.spreads.product.value - 0.5 < (truth.product() - 0.5) / 100.0,
        "{}",
        packet.spreads.product.value
    );
}

/// Neither a flat nor a linear log-loss has modes to speak of.
#[test]
fn flat_and_linear_losses_have_no_modes() {
    for slope in [0.0, 0.1] {
        let packet = with_modes(2000, &[0.5; 50], &mut separable(|_, x| (slope * x, slope)));
        let modes = packet.modes.unwrap();
        for mode in modes.leading.iter().chain(&modes.drift) {
            assert!(mode.dispersion.value.abs() < 1e-9, "{mode:?}");
            assert!((mode.product.value - 0.5).abs() < 1e-9, "{mode:?}");
        }
        assert_eq!(modes.drift.is_some(), slope > 0.0);
    }
}

/// Figures do not depend on whether modes are asked for, nor modes on the batch.
#[test]
fn modes_leave_the_figures_alone() {
    let without =
        measure(GaussianPacket { scale: 1.0, samples: 2000, seed: 1 }, &[0.1; 9], &mut separable(bend(1.0)));
    let with = with_modes(2000, &[0.1; 9], &mut separable(bend(1.0)));
    assert!(with.modes.is_some());
    assert_eq!(summary(&without), summary(&Packet { modes: None, ..with.clone() }));
    let mut other = separable(bend(1.0));
    other.batch = 7;
    assert_eq!(with_modes(2000, &[0.1; 9], &mut other).modes, with.modes);
}

/// A quadratic log-loss whose axes are all alike, so that no sketch finds them: along every mode the
/// principal product is ½, in its 99 % interval. With other seeds one of the 48 intervals fails in 38 % of
/// runs of a right program, three in 0.1 %.
#[test]
fn the_principal_product_of_a_quadratic_is_half_in_any_dimension() {
    let mut outside = Vec::new();
    for (dimension, samples) in [(2, 2000), (10, 2000), (60, 4000), (200, 16_000)] {
        for seed in 0..3 {
            let a = |i: usize| 0.3 / (dimension as f64).sqrt() * (1.5 + (i as f64 * 1.7).sin());
            let mut oracle = separable(|i, x| (-0.5 * a(i) * x * x, -a(i) * x));
            let effort = Effort { modes: true, ..Effort::exactly(samples) };
            let packet = GaussianPacket { scale: 1.0, samples, seed };
            let packet = packet.measure_until(&effort, &vec![0.2; dimension], 0, 0, &mut oracle).unwrap();
            let modes = packet.modes.unwrap();
            assert_eq!(modes.principal.len(), dimension.min(4), "d = {dimension}");
            for Figure { value, interval, .. } in modes.principal {
                let [low, high] = interval;
                assert!(high - low < 0.15, "d = {dimension}: {value} in {interval:?}");
                let wide = |end: f64| value + two_sided(7, 0.01) / two_sided(7, 0.05) * (end - value);
                if !(wide(low) - 1e-6..=wide(high) + 1e-6).contains(&0.5) {
                    outside.push((dimension, seed, value, interval));
                }
            }
        }
    }
    assert!(outside.len() < 3, "{outside:?}");
}

/// An even log-loss `0.8 √(1 + x²)` along one coordinate and a linear one along the other: the product along the drift changes
/// fast with its direction, which samples give to some degrees. Figures along it by the trapezoid rule, `C` and `A` being diagonal.
/// Over many seeds they cover 92 % to 97 %. At 92 %, six or more of 20 miss the truth in 0.4 % of runs of a right program, so one of the
/// six figures fails in 2.3 % at most; the seeds are fixed. Without the direction's error 5 % to 70 % would cover.
#[test]
fn intervals_along_the_drift_hold_the_error_of_its_direction() {
    let f = |i: usize, x: f64| {
        let root = (1.0 + x * x).sqrt();
        if i == 0 { (0.8 * root, 0.8 * x / root) } else { (0.3 * x, 0.3) }
    };
    let centre = [0.1f32, 0.0];
    let axes = [0, 1].map(|i| GridRule::new(|x| f(i, x), f64::from(centre[i]), 1.0));
    let drifts = axes.each_ref().map(|axis| axis.mean(|_, h| h));
    let square = drifts[0] * drifts[0] + drifts[1] * drifts[1];
    let along = |of: &dyn Fn(&GridRule) -> f64| -> f64 {
        axes.iter().zip(drifts).map(|(axis, drift)| of(axis) * drift * drift / square).sum()
    };
    let v = along(&|axis: &GridRule| axis.variance(|_, h| h));
    let x = along(&|axis: &GridRule| axis.variance(|z, _| z));
    let p = along(&|axis: &GridRule| axis.variance(|z, h| h - z / 2.0));
    for samples in [2000, 8000] {
        let mut covered = [0; 3];
        for seed in 0..20 {
            let effort = Effort { modes: true, rel_tol: Some(1e-9), ..Effort::exactly(samples) };
            let packet = GaussianPacket { scale: 1.0, samples: 2000, seed };
            let packet = packet.measure_until(&effort, &centre, 0, seed, &mut separable(f));
            let drift = packet.unwrap().modes.unwrap().drift.unwrap();
            assert!(drift.resolved, "{samples} samples, seed {seed}");
            let found = [(drift.dispersion, v), (drift.squeeze, x), (drift.product, (x * p).sqrt())];
            covered
                .iter_mut()
                .zip(found)
                .for_each(|(n, (figure, truth))| *n += usize::from(figure.contains(truth)));
        }
        assert!(covered.iter().all(|covered| *covered >= 15), "{samples} samples: {covered:?} of 20");
    }
}

/// An even log-loss displaces nothing: what samples show of a drift is noise, and has no direction.
#[test]
fn a_direction_that_is_not_resolved_has_no_interval() {
    let even = |_: usize, x: f64| {
        let root = (1.0 + x * x).sqrt();
        (0.6 * root, 0.6 * x / root)
    };
    let packet = with_modes(1000, &[0.0; 20], &mut separable(even));
    let drift = packet.modes.unwrap().drift.unwrap();
    assert!(!drift.resolved, "{drift:?}");
    for figure in [drift.product, drift.squeeze, drift.dispersion] {
        assert!(figure.value.is_finite() && figure.known_interval().is_none(), "{figure:?}");
    }
    let written = serde_json::to_value(&drift).unwrap();
    assert_eq!(written["resolved"], serde_json::Value::Bool(false));
    assert!(written["product"]["interval"].is_null(), "{written}");
}
