//! Packets of a network of points in the plane, by quadrature under Gaussian windows.

use serde::{Deserialize, Serialize};

use super::points::PlanePoints;
use crate::answer::predict;
use crate::engine::{Engine, Evaluator};
use crate::error::with_causes;
use crate::packet::log_loss::log_softplus;
use crate::quadrature::{Coordinate, Domain, Quadrature, loss, query};
use crate::stats::mean;
use crate::{Error, Result};

/// The width of the windows; the points' standard deviation is 1.
pub const SCALE: f64 = 0.25;
/// The paper's box: [−4, 4]².
pub const BOX: [f64; 2] = [-4.0, 4.0];

/// Networks answer in single precision and their gradients jump: figures settle to about 1e-3.
pub const WINDOW: Quadrature = Quadrature { tolerance: 1e-3, max_order: 64 };
const BOXED: Quadrature = Quadrature { tolerance: 1e-3, max_order: 256 };

/// Points per coordinate of the rule for the share that is misclassified, and how many σ_x it reaches.
const CELLS: usize = 40;
const REACH: f64 = 5.0;

/// Figures of packets around points, means over these.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packets {
    /// `σ_x`, the root mean square over the coordinates, in units of the points' standard deviation.
    pub sigma_x: f64,
    /// `σ_p`, likewise, in its inverse.
    pub sigma_p: f64,
    /// `σ_x σ_p`; the bound is ½.
    pub product: f64,
    /// The packet's displacement in widths of its window.
    pub drift: f64,
    /// `s² tr Cov(h)`.
    pub dispersion: f64,
    /// The share of `ψ²` that is misclassified.
    pub misclassified: f64,
    /// How far a product of any coordinate and point is below ½, beyond what the last refinement of the rule changed it by;
    /// 0 where none is.
    pub below: f64,
}

/// A figure of packets, by its name.
pub type NamedPacketFigure = (&'static str, fn(&Packets) -> f64);

/// The figures of packets, by their names.
pub const FIGURES: [NamedPacketFigure; 6] = [
    ("σ_x", |p| p.sigma_x),
    ("σ_p", |p| p.sigma_p),
    ("σ_x σ_p", |p| p.product),
    ("drift", |p| p.drift),
    ("dispersion", |p| p.dispersion),
    ("P_ψ(misclassified)", |p| p.misclassified),
];

impl Packets {
    /// The mean figures of the packets around these points, each of its point's label.
    ///
    /// # Errors
    /// When the model's answers are no numbers, or a packet reaches too far.
    pub fn measure(engine: &Engine, centres: &PlanePoints) -> Result<Packets> {
        Evaluator::lend(engine, |mut evaluator| {
            let found: Result<Vec<Packets>> = (0..centres.labels.len())
                .map(|place| around(&mut evaluator, centres.at(place), centres.labels[place]))
                .collect();
            Ok(average(&found?))
        })
    }
}

/// The mean of packets' figures, and the largest shortfall.
fn average(of: &[Packets]) -> Packets {
    let over = |figure: fn(&Packets) -> f64| mean(&of.iter().map(figure).collect::<Vec<_>>());
    Packets {
        sigma_x: over(|p| p.sigma_x),
        sigma_p: over(|p| p.sigma_p),
        product: over(|p| p.product),
        drift: over(|p| p.drift),
        dispersion: over(|p| p.dispersion),
        misclassified: over(|p| p.misclassified),
        below: of.iter().map(|p| p.below).fold(0.0, f64::max),
    }
}

/// The packet of a label around a point.
fn around(evaluator: &mut Evaluator, centre: [f64; 2], label: usize) -> Result<Packets> {
    let domain = Domain::Window { centre: centre.to_vec(), scale: SCALE };
    let spreads = WINDOW
        .measure(&domain, |points| loss(evaluator, points, label))
        .map_err(|e| failed(&e, label, &format!("around {centre:?}")))?;
    let (sigma_x, sigma_p) = (spreads.rms(|c| c.sigma_x).value, spreads.rms(|c| c.sigma_p).value);
    let moved: f64 = spreads.coordinates.iter().zip(centre).map(|(c, x)| (c.mean - x).powi(2)).sum();
    let below = (0..2).map(|i| {
        let product = spreads.figure(i, Coordinate::product);
        0.5 - product.value - product.error()
    });
    Ok(Packets {
        sigma_x,
        sigma_p,
        product: sigma_x * sigma_p,
        drift: moved.sqrt() / SCALE,
        dispersion: SCALE * SCALE * spreads.coordinates.iter().map(|c| c.roughness).sum::<f64>(),
        misclassified: misclassified(evaluator, centre, label, &spreads.coordinates)?,
        below: below.fold(0.0, f64::max),
    })
}

/// The share of `ψ²` at points that get another label, by the midpoint rule around the packet's mean.
fn misclassified(
    evaluator: &mut Evaluator,
    centre: [f64; 2],
    label: usize,
    packet: &[Coordinate],
) -> Result<f64> {
    let step = |i: usize, k: usize| {
        let along = 2.0 * (k as f64 + 0.5) / CELLS as f64 - 1.0;
        packet[i].mean + along * REACH * packet[i].sigma_x
    };
    let points: Vec<f64> =
        (0..CELLS * CELLS).flat_map(|cell| [step(0, cell % CELLS), step(1, cell / CELLS)]).collect();
    let answer = evaluator.evaluate(&query(&points, label))?;
    let classes = evaluator.classes();
    let log_densities: Vec<f64> = answer
        .loss
        .iter()
        .zip(points.chunks_exact(2))
        .map(|(&u, x)| {
            let far: f64 = x.iter().zip(centre).map(|(x, c)| (x - c).powi(2)).sum();
            2.0 * log_softplus(f64::from(u)).0 - far / (2.0 * SCALE * SCALE)
        })
        .collect();
    let top = log_densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut all, mut wrong) = (0.0, 0.0);
    for (log_density, logits) in log_densities.iter().zip(answer.logits.chunks_exact(classes)) {
        let density = (log_density - top).exp();
        all += density;
        wrong += if predict(logits) == label { 0.0 } else { density };
    }
    Ok(wrong / all)
}

/// Figures of the paper's own packet on the box, means over labels and coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boxed {
    /// `σ_x`.
    pub sigma_x: f64,
    /// `σ_p`.
    pub sigma_p: f64,
    /// `σ_x σ_p`.
    pub product: f64,
    /// `½ |1 − B|`, what the product cannot fall below.
    pub bound: f64,
}

impl Boxed {
    /// The packets of all labels on the box.
    ///
    /// # Errors
    /// When the model's answers are no numbers.
    pub fn measure(engine: &Engine) -> Result<Boxed> {
        let domain = Domain::Box(vec![BOX; 2]);
        let mut coordinates = Vec::new();
        Evaluator::lend(engine, |mut evaluator| -> Result<()> {
            for label in 0..evaluator.classes() {
                let spreads = BOXED
                    .measure(&domain, |points| loss(&mut evaluator, points, label))
                    .map_err(|e| failed(&e, label, "on the box"))?;
                coordinates.extend(spreads.coordinates);
            }
            Ok(())
        })?;
        let over = |figure: fn(&Coordinate) -> f64| mean(&coordinates.iter().map(figure).collect::<Vec<_>>());
        Ok(Boxed {
            sigma_x: over(|c| c.sigma_x),
            sigma_p: over(|c| c.sigma_p),
            product: over(Coordinate::product),
            bound: over(Coordinate::bound),
        })
    }
}

fn failed(error: &dyn std::error::Error, label: usize, place: &str) -> Error {
    Error::Unmeasured { what: format!("the packet of label {label} {place}"), why: with_causes(error) }
}
