//! What the network did: excesses over the window, and the misclassified share.

use super::*;
use crate::packet::Effort;
use crate::packet::log_loss::log_softplus;

/// Log-odds `u = slope·x₀ + base`, whose label leads the runner-up by `−u + ahead`: with more than two classes `ahead`
/// is positive.
struct Plane {
    slope: f64,
    base: f64,
    ahead: f32,
}

impl LogOdds for Plane {
    type Error = Infallible;

    fn batch_size(&self) -> usize {
        48
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        _: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Infallible> {
        let d = points.len() / log_odds.len();
        gradient.fill(0.0);
        for ((x, u), g) in points.chunks(d).zip(log_odds).zip(gradient.chunks_mut(d)) {
            *u = (self.slope * f64::from(x[0]) + self.base) as f32;
            g[0] = self.slope as f32;
        }
        Ok(())
    }

    fn margins(&self, log_odds: &[f32], margins: &mut [f32]) {
        margins.iter_mut().zip(log_odds).for_each(|(margin, u)| *margin = self.ahead - u);
    }
}

/// `P_ψ(u ≥ ahead)` by the trapezoid rule along the slope.
fn true_share(plane: &Plane, scale: f64) -> f64 {
    let node = |i: i32| {
        let z = f64::from(i) * 1e-3;
        let u = plane.slope * scale * z + plane.base;
        (u, (2.0 * log_softplus(u).0 - z * z / 2.0).exp())
    };
    let nodes: Vec<(f64, f64)> = (-12_000..=16_000).map(node).collect();
    let all: f64 = nodes.iter().map(|(_, weight)| weight).sum();
    let wrong = nodes.iter().filter(|(u, _)| *u >= f64::from(plane.ahead)).map(|(_, weight)| weight);
    wrong.sum::<f64>() / all
}

/// Against quadrature; one case in a hundred fails by chance with other seeds.
#[test]
fn the_misclassified_share_is_that_of_margins() {
    for (slope, base, ahead) in [(4.0, -2.0, 0.0), (4.0, -2.0, 0.7), (1.0, 1.0, 2.0), (30.0, -60.0, 0.0)] {
        let mut plane = Plane { slope, base, ahead };
        let truth = true_share(&plane, 0.5);
        let packet = GaussianPacket { scale: 0.5, samples: 4000, seed: 3 };
        let found = packet.measure(&[0.0; 5], 0, 0, &mut plane).unwrap();
        assert_agrees(&format!("{slope}, {base}, {ahead}: share"), found.spreads.misclassified, truth);
        // A chain's Langevin steps hardly cross an edge as steep as the last.
        if slope > 10.0 {
            continue;
        }
        let effort = Effort { modes: false, ..Effort::default() };
        let chains = packet.measure_chains(&effort, &[0.0; 5], &mut plane).unwrap();
        assert_agrees("share by chains", chains.spreads.misclassified, truth);
    }
}

/// None of a thousand samples is misclassified: the interval is the binomial one, and has a width.
#[test]
fn a_share_of_zero_has_an_interval() {
    let mut plane = Plane { slope: 0.1, base: -9.0, ahead: 0.0 };
    let packet = GaussianPacket { scale: 0.1, samples: 1000, seed: 3 };
    let found = packet.measure(&[0.0; 3], 0, 0, &mut plane).unwrap().spreads.misclassified;
    let [low, high] = found.interval;
    // SciPy 1.17: scipy.stats.binomtest(0, 1000).proportion_ci(0.95, "exact"); the weights differ by 2 %.
    assert!(found.value == 0.0 && low == 0.0 && (high / 0.003_682_084 - 1.0).abs() < 0.01, "{found:?}");
}

/// Flat: exactly zero. Affine: zero, the packet is displaced. Quadratic: `√(1/(1 + 2 A s²)) − 1` and
/// `√(1 + 2 A s²) − 1`, to rounding of single precision, however small.
#[test]
fn excesses_are_those_of_closed_forms() {
    let packet = GaussianPacket { scale: 0.2, samples: 2000, seed: 5 };
    let flat = measure(packet, &[0.0; 4], &mut separable(|_, _| (-3.0, 0.0)));
    assert_eq!((flat.excess_x.value, flat.excess_p.value), (0.0, 0.0));
    assert_eq!((flat.excess_x.interval, flat.excess_p.interval), ([0.0; 2], [0.0; 2]));
    let tilted = measure(packet, &[0.0; 4], &mut separable(|_, x| (1.5 * x, 1.5)));
    assert!(tilted.excess_x.value.abs() < 1e-6 && tilted.excess_p.value.abs() < 1e-6, "{}", summary(&tilted));
    for a in [1e-4, 0.1, 3.0, -2.0] {
        let quadratic = separable(move |_, x| (-0.5 * a * x * x, -a * x));
        let found = measure(packet, &[0.0; 4], &mut { quadratic });
        let ratio: f64 = 1.0 + 2.0 * a * 0.2 * 0.2;
        for (name, figure, truth) in
            [("x", found.excess_x, ratio.sqrt().recip() - 1.0), ("p", found.excess_p, ratio.sqrt() - 1.0)]
        {
            assert!((figure.value / truth - 1.0).abs() < 1e-3, "{a}, {name}: {figure:?}, not {truth}");
        }
    }
}

/// In 784 dimensions, of a loss that is not quadratic, against quadrature; one figure in a hundred fails by chance
/// with other seeds.
#[test]
fn excesses_agree_with_quadrature() {
    let centre = vec![0.0; 784];
    let truth = Truth::of_separable(bend(0.03), &centre[..2], 1.0, 784);
    let packet = GaussianPacket { scale: 1.0, samples: 4000, seed: 8 };
    let found = measure(packet, &centre, &mut separable(bend(0.03)));
    for (figure, truth) in
        [(found.excess_x, truth.sigma_x - 1.0), (found.excess_p, 2.0 * truth.sigma_p - 1.0)]
    {
        let Figure { value, interval: [low, high], .. } = figure;
        let widening = two_sided(GROUPS - 1, 0.01) / two_sided(GROUPS - 1, 0.05);
        let inside = |end: f64| (truth - value) / (end - value) <= widening;
        assert!(inside(low) || inside(high), "{figure:?}, not {truth}");
        assert!((truth - value).abs() < widening * (high - low), "{figure:?}, not {truth}");
    }
}
