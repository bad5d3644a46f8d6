//! Packets against closed forms and quadrature.
//!
//! Seeds are fixed. A test that compares a random figure with its expectation states how often a
//! right program would fail it with other seeds.

mod boxes;
mod chains;
mod checks;
mod coverage;
mod exact;
mod lobes;
mod mixtures;
mod modes;
mod signal;
mod streams;

use super::moments::GROUPS;
use super::{GaussianPacket, LogOdds, Packet, Spreads};
use crate::Figure;
use crate::stats::two_sided;
use std::convert::Infallible;

/// The oracle of a loss given as `ln l`: the function returns it and fills its gradient.
struct Analytic<F> {
    batch: usize,
    affine: bool,
    log_loss: F,
}

impl<F: Fn(&[f32], &mut [f64]) -> f64> LogOdds for Analytic<F> {
    type Error = Infallible;

    fn batch_size(&self) -> usize {
        self.batch
    }

    fn is_affine(&self) -> bool {
        self.affine
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        _label: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Infallible> {
        let dimension = points.len() / log_odds.len();
        let mut slope = vec![0.0; dimension];
        let rows = points.chunks_exact(dimension).zip(gradient.chunks_exact_mut(dimension));
        for (u, (point, gradient)) in log_odds.iter_mut().zip(rows) {
            let loss = (self.log_loss)(point, &mut slope).exp();
            // u = ln(e^l − 1), without overflow of e^l.
            let complement = -(-loss).exp_m1();
            *u = (loss + complement.ln()) as f32;
            for (gradient, slope) in gradient.iter_mut().zip(&slope) {
                *gradient = (loss / complement * slope) as f32;
            }
        }
        Ok(())
    }
}

fn analytic<F: Fn(&[f32], &mut [f64]) -> f64>(log_loss: F) -> Analytic<F> {
    Analytic { batch: 64, affine: false, log_loss }
}

/// `ln l = Σ_i f(i, x_i)`, where `f` gives the value and the derivative.
fn separable(f: impl Fn(usize, f64) -> (f64, f64)) -> Analytic<impl Fn(&[f32], &mut [f64]) -> f64> {
    analytic(move |point, slope| {
        let mut sum = 0.0;
        for (i, (x, slope)) in point.iter().zip(slope).enumerate() {
            let (value, derivative) = f(i, f64::from(*x));
            sum += value;
            *slope = derivative;
        }
        sum
    })
}

/// A log-loss that is flat far below zero, rises with slope `a_i` far above, and bends between;
/// `a_i` is `slope` in even coordinates and minus half of it in odd ones.
fn bend(slope: f64) -> impl Fn(usize, f64) -> (f64, f64) + Copy {
    move |i, x| {
        let slope = if i % 2 == 0 { slope } else { -slope / 2.0 };
        let root = (x * x + 1.0).sqrt();
        (slope * (x + root) / 2.0, slope * (1.0 + x / root) / 2.0)
    }
}

/// What a packet should measure.
struct Truth {
    sigma_x: f64,
    sigma_p: f64,
    drift: f64,
    dispersion: f64,
}

impl Truth {
    fn product(&self) -> f64 {
        self.sigma_x * self.sigma_p
    }

    /// The packet of a separable loss whose figures repeat with the coordinates of `centre`, as
    /// many times as make `dimension`.
    fn of_separable(
        f: impl Fn(usize, f64) -> (f64, f64),
        centre: &[f32],
        scale: f64,
        dimension: usize,
    ) -> Self {
        let repeats = (dimension / centre.len()) as f64;
        let (mut x_squared, mut p_squared, mut drift_squared, mut dispersion) = (0.0, 0.0, 0.0, 0.0);
        for (i, &centre) in centre.iter().enumerate() {
            let packet = GridRule::new(|x| f(i, x), f64::from(centre), scale);
            let g = |z: f64, h: f64| h - z / 2.0;
            x_squared += packet.variance(|z, _| z);
            p_squared += packet.variance(g);
            drift_squared += packet.mean(|z, _| z).powi(2);
            dispersion += packet.variance(|_, h| h);
        }
        let count = centre.len() as f64;
        Self {
            sigma_x: scale * (x_squared / count).sqrt(),
            sigma_p: (p_squared / count).sqrt() / scale,
            drift: (repeats * drift_squared).sqrt(),
            dispersion: repeats * dispersion,
        }
    }
}

/// A packet in one dimension on a grid of ±16 s, by the trapezoid rule, which converges faster
/// than any power of the step for a smooth loss. None of Stein's identities enters.
struct GridRule {
    /// `z`, `ψ` and `s h` at the nodes
    nodes: Vec<(f64, f64, f64)>,
}

impl GridRule {
    const STEP: f64 = 1e-3;

    fn new(f: impl Fn(f64) -> (f64, f64), centre: f64, scale: f64) -> Self {
        let node = |node: i32| {
            let z = f64::from(node) * Self::STEP;
            let (value, slope) = f(centre + scale * z);
            (z, (value - z * z / 4.0).exp(), scale * slope)
        };
        Self { nodes: (-16_000..=16_000).map(node).collect() }
    }

    fn mean(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let norm: f64 = self.nodes.iter().map(|(_, psi, _)| psi * psi).sum();
        self.nodes.iter().map(|&(z, psi, h)| of(z, h) * psi * psi).sum::<f64>() / norm
    }

    fn variance(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let mean = self.mean(&of);
        self.mean(|z, h| (of(z, h) - mean).powi(2))
    }

    /// `s² ∫ψ'²`, from differences of ψ.
    fn momentum_squared(&self) -> f64 {
        let norm: f64 = self.nodes.iter().map(|(_, psi, _)| psi * psi).sum();
        let steps = self.nodes.windows(2).map(|pair| pair[1].1 - pair[0].1);
        steps.map(|step| step * step).sum::<f64>() / (Self::STEP * Self::STEP * norm)
    }
}

fn measure<F: Fn(&[f32], &mut [f64]) -> f64>(
    packet: GaussianPacket,
    centre: &[f32],
    oracle: &mut Analytic<F>,
) -> Packet {
    packet.measure(centre, 0, 0, oracle).expect("the loss is finite near the centre")
}

/// A packet without its maps.
fn summary(packet: &Packet) -> String {
    let spreads = Spreads { sigma_x_map: Vec::new(), sigma_p_map: Vec::new(), ..packet.spreads.clone() };
    format!("{:?}", Packet { spreads, ..packet.clone() })
}

/// Fails when the truth is not in a figure's 99 % interval, widened by the rounding of f32 points
/// and gradients: a right program fails one figure in a hundred with other seeds.
fn assert_agrees(case: &str, figure: Figure, truth: f64) {
    let Figure { value, interval: [low, high], .. } = figure;
    let widening = two_sided(GROUPS - 1, 0.01) / two_sided(GROUPS - 1, 0.05);
    let rounding = 1e-6 * (1.0 + truth.abs());
    let low = value - widening * (value - low) - rounding;
    let high = value + widening * (high - value) + rounding;
    assert!(low <= truth && truth <= high, "{case}: {value} in {low}..{high}, not {truth}");
}

fn assert_packet(case: &str, packet: &Packet, truth: &Truth) {
    for (name, figure, truth) in [
        ("sigma_x", packet.spreads.sigma_x, truth.sigma_x),
        ("sigma_p", packet.spreads.sigma_p, truth.sigma_p),
        ("product", packet.spreads.product, truth.product()),
        ("drift", packet.drift, truth.drift),
        ("dispersion", packet.dispersion, truth.dispersion),
        ("stein", packet.spreads.covariance, -0.5),
        ("excess drift", packet.excess_drift, 0.0),
        ("stray drift", packet.stray_drift, 0.0),
    ] {
        assert_agrees(&format!("{case}, {name}"), figure, truth);
    }
    assert!(packet.identities_hold, "{case}: {}", summary(packet));
}
