//! A line or plane through a sample, and the packet in it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Slice;
use crate::error::with_causes;
use crate::packet::LogOdds;
use crate::packet::points::Points;
use crate::packet::vector::dot;
use crate::quadrature::plane::CoordinateFigures;
use crate::quadrature::{Coordinate, Domain, Quadrature, Wave};
use crate::{Error, Result};

/// A line or a plane through a point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subspace {
    pub(super) centre: Vec<f32>,
    pub(super) label: usize,
    /// Orthonormal (k×d).
    pub(super) axes: Vec<Vec<f64>>,
}

const LINE: Quadrature = Quadrature { tolerance: 1e-5, max_order: 4096 };
const PLANE: Quadrature = Quadrature { tolerance: 1e-4, max_order: 128 };

impl Subspace {
    pub(super) fn measure<O: LogOdds>(&self, scale: f64, oracle: &mut O) -> Result<Slice> {
        let k = self.axes.len();
        let domain = Domain::Window { centre: vec![0.0; k], scale };
        let rule = if k == 1 { LINE } else { PLANE };
        let integral = rule.measure(&domain, |points| self.wave(points, oracle)).map_err(|e| {
            Error::Unmeasured { what: format!("the packet at scale {scale}"), why: with_causes(&e) }
        })?;
        let square = |of: fn(&Coordinate) -> f64| -> f64 { integral.coordinates.iter().map(of).sum() };
        Ok(Slice {
            scale,
            coordinates: (0..k).map(|i| CoordinateFigures::of(&integral, i)).collect(),
            bound: 0.5,
            drift: square(|c| c.mean * c.mean).sqrt() / scale,
            dispersion: scale * scale * square(|c| c.roughness),
            // Told by logits, which an oracle does not give.
            misclassified: f64::NAN,
            misclassified_error: f64::NAN,
            log_norm: integral.log_norm,
            order: integral.order,
            converged: integral.converged,
            cut: self.clone(),
        })
    }

    /// The input at `t` (k), rounded to single precision.
    pub(super) fn point(&self, t: &[f64], x: &mut [f32]) {
        for (i, (x, &centre)) in x.iter_mut().zip(&self.centre).enumerate() {
            let moved: f64 = self.axes.iter().zip(t).map(|(axis, t)| t * axis[i]).sum();
            *x = (f64::from(centre) + moved) as f32;
        }
    }

    /// The loss at points n×k, as a wave function.
    fn wave<O: LogOdds>(
        &self,
        at: &[f64],
        oracle: &mut O,
    ) -> Result<Wave, crate::packet::MeasureError<O::Error>> {
        let k = self.axes.len();
        let mut wave = Wave::default();
        let mut points = Points { dimension: self.centre.len(), label: self.label, oracle };
        points.evaluate(
            at.len() / k,
            &mut ChaCha8Rng::from_seed(Default::default()),
            |n, _, x| self.point(&at[n * k..(n + 1) * k], x),
            |_, seen| {
                wave.exponent.push(seen.log_loss);
                wave.value.push(1.0);
                let gradient: Vec<f64> = seen.gradient.iter().map(|&g| f64::from(g)).collect();
                wave.gradient.extend(self.axes.iter().map(|axis| seen.slope * dot(axis, &gradient)));
            },
        )?;
        Ok(wave)
    }
}
