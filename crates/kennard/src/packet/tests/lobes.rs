//! Parts of a packet that the gradient around the centre does not lead to.

use super::*;
use crate::packet::Effort;
use crate::packet::log_loss::log_softplus;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Log-odds `u = base + slope·x + Σ_k relu(a_k w_k·x − c_k)`, `w_k` of length 1: flat or gently sloped
/// around the origin, with the loss in half-spaces.
struct Lobes {
    base: f64,
    slope: Vec<f64>,
    /// `w`, `a`, `c`
    lobes: Vec<(Vec<f64>, f64, f64)>,
}

impl LogOdds for Lobes {
    type Error = Infallible;

    fn batch_size(&self) -> usize {
        64
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        _: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Infallible> {
        let d = self.slope.len();
        for ((x, u), g) in points.chunks(d).zip(log_odds).zip(gradient.chunks_mut(d)) {
            let along = |w: &[f64]| w.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum::<f64>();
            let mut all = self.slope.clone();
            let mut value = self.base + along(&self.slope);
            for (w, a, c) in &self.lobes {
                let rise = a * along(w) - c;
                if rise > 0.0 {
                    value += rise;
                    all.iter_mut().zip(w).for_each(|(g, w)| *g += a * w);
                }
            }
            *u = value as f32;
            g.iter_mut().zip(&all).for_each(|(g, v)| *g = *v as f32);
        }
        Ok(())
    }
}

/// Orthonormal random directions.
fn directions(count: usize, dimension: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut all: Vec<Vec<f64>> = Vec::new();
    for _ in 0..count {
        let mut w: Vec<f64> = (0..dimension).map(|_| StandardNormal.sample(&mut random)).collect();
        for other in &all {
            let shared: f64 = w.iter().zip(other).map(|(a, b)| a * b).sum();
            w.iter_mut().zip(other).for_each(|(w, o)| *w -= shared * o);
        }
        let length = w.iter().map(|x| x * x).sum::<f64>().sqrt();
        w.iter_mut().for_each(|w| *w /= length);
        all.push(w);
    }
    all
}

fn measured(scale: f64, seed: u64, oracle: &mut Lobes) -> Packet {
    let effort = Effort { rel_tol: Some(0.02), ..Effort::default() };
    let centre = vec![0.0; oracle.slope.len()];
    GaussianPacket { scale, samples: 2000, seed }.measure_until(&effort, &centre, 0, 0, oracle).unwrap()
}

/// `‖⟨z⟩‖` by the trapezoid rule on a grid along the lobes' directions (one or two), which the other
/// directions are independent of.
fn true_drift(base: f64, scale: f64, lobes: &[(f64, f64)], slope: f64) -> f64 {
    const STEP: f64 = 0.01;
    let nodes: Vec<f64> = (-3000..=3000).map(|i| f64::from(i) * STEP).collect();
    let rise = |k: usize, z: f64| lobes.get(k).map_or(0.0, |(a, c)| (a * scale * z - c).max(0.0));
    let second: &[f64] = if lobes.len() > 1 { &nodes } else { &[0.0] };
    let log = |x: f64, y: f64| {
        2.0 * log_softplus(base + slope * scale * x + rise(0, x) + rise(1, y)).0 - (x * x + y * y) / 2.0
    };
    let mut top = f64::NEG_INFINITY;
    for &x in &nodes {
        second.iter().for_each(|&y| top = top.max(log(x, y)));
    }
    let (mut norm, mut first, mut other) = (0.0, 0.0, 0.0);
    for &x in &nodes {
        for &y in second {
            let weight = (log(x, y) - top).exp();
            norm += weight;
            first += weight * x;
            other += weight * y;
        }
    }
    (first / norm).hypot(other / norm)
}

/// The drift, widened from 95 % to 99.99 %: of 30 right packets one is outside in 0.3 % of runs with other
/// seeds.
fn assert_drift(case: &str, packet: &Packet, truth: f64) {
    let widening = two_sided(GROUPS - 1, 1e-4) / two_sided(GROUPS - 1, 0.05);
    let Figure { value, interval: [low, high], .. } = packet.drift;
    let wide = |end: f64| value + widening * (end - value);
    assert!(wide(low) <= truth && truth <= wide(high), "{case}: {value} in {low}..{high}, not {truth}");
    assert!((value / truth - 1.0).abs() < 0.06, "{case}: {value}, not {truth}");
    assert!(packet.valid(), "{case}: {}", summary(packet));
}

/// The loss of one half-space holds the packet, and nothing around the centre says so.
#[test]
fn a_far_lobe_is_found() {
    for (scale, base, a, c) in [
        (0.1, -60.0, 100.0, 40.0),
        (0.1, -60.0, 100.0, 45.0),
        (0.02, -40.0, 300.0, 20.0),
        (1.0, -150.0, 30.0, 90.0),
        (0.5, -30.0, 200.0, 420.0),
    ] {
        let truth = true_drift(base, scale, &[(a, c)], 0.0);
        for (dimension, seed) in [(1, 0), (2, 1), (50, 2), (50, 3), (200, 4), (400, 5)] {
            let case = format!("d = {dimension}, s = {scale}, lobe at {}", c / a / scale);
            let w = directions(1, dimension, seed).remove(0);
            let mut oracle = Lobes { base, slope: vec![0.0; dimension], lobes: vec![(w, a, c)] };
            let packet = measured(scale, seed, &mut oracle);
            assert_drift(&case, &packet, truth);
        }
    }
}

/// A gradient around the centre that leads elsewhere.
#[test]
fn a_lobe_is_found_beside_a_slope() {
    for (dimension, seed) in [(2, 1), (50, 2), (300, 3)] {
        let mut w = directions(2, dimension, seed);
        let slope: Vec<f64> = w.remove(1).iter().map(|x| 2.0 * x).collect();
        let mut oracle = Lobes { base: -60.0, slope, lobes: vec![(w.remove(0), 100.0, 45.0)] };
        let packet = measured(0.1, seed, &mut oracle);
        let without = true_drift(-60.0, 0.1, &[(100.0, 45.0)], 0.0);
        assert!(packet.valid(), "d = {dimension}: {}", summary(&packet));
        assert!(
            (packet.drift.value / without - 1.0).abs() < 0.06,
            "d = {dimension}: {} {without}",
            packet.drift.value
        );
    }
}

/// Two lobes of about equal weight: the mean lies between.
#[test]
fn several_lobes_are_found() {
    let shapes = [(100.0, 40.0), (100.0, 40.05)];
    let truth = true_drift(-60.0, 0.1, &shapes, 0.0);
    for (dimension, seed) in [(2, 1), (40, 2), (200, 3)] {
        let w = directions(2, dimension, seed);
        let lobes = w.into_iter().zip(shapes).map(|(w, (a, c))| (w, a, c)).collect();
        let mut oracle = Lobes { base: -60.0, slope: vec![0.0; dimension], lobes };
        let packet = measured(0.1, seed, &mut oracle);
        assert_drift(&format!("d = {dimension}"), &packet, truth);
    }
}

/// A lobe in a ball of 30 dimensions, ten scales away, that nothing leads to.
fn ball(point: &[f32], slope: &mut [f64]) -> f64 {
    let x0 = f64::from(point[0]) - 1.0;
    let rest: f64 = point[1..].iter().map(|x| f64::from(*x).powi(2)).sum();
    let inside = 60.0 - 4000.0 * (x0 * x0 + rest);
    slope.fill(0.0);
    if inside > 0.0 {
        slope.iter_mut().zip(point).for_each(|(s, x)| *s = -8000.0 * f64::from(*x));
        slope[0] = -8000.0 * x0;
    }
    inside.max(0.0) - 60.0
}

/// Figures without any variation are not to be trusted.
#[test]
fn a_lobe_that_cannot_be_found_is_not_hidden() {
    let packet = GaussianPacket { scale: 0.1, samples: 2000, seed: 1 };
    let packet = measure(packet, &[0.0; 30], &mut analytic(ball));
    assert!(packet.drift.value < 1.0 && !packet.reached && !packet.valid(), "{}", summary(&packet));
    assert!(packet.lobes.is_empty());
}
