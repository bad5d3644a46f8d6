//! The paper's packet on the points of a data set.

use super::LogOdds;
use super::error::{AverageError, MeasureError};
use super::moments::Moments;
use super::points::Evaluated;
use super::spread::Spreads;

/// The packet `J_j = l(x_j)/√(mean l²)` on the points `x_j` of a data set, with `Δ_j = ∇J(x_j)`.
///
/// Moments are over the data points with weights `l²`: `σ_p,i² = Σ (∂_i l)²/Σ l²` less the mean's
/// square. The measure is atomic, so there is neither a bound nor an identity to test. The points are not a
/// sample of the packet, they are all of it: figures are these sums and no estimates, so that nothing is
/// corrected and intervals have no width. An accurate network's weight lies on the few points that it gets
/// wrong: the effective sample size says so.
pub struct Empirical {
    left_out: usize,
    moments: Moments,
    x: Vec<f64>,
    g: Vec<f64>,
}

/// An empirical packet's figures, or the mean over several.
#[derive(Debug, Clone, PartialEq)]
pub struct EmpiricalFigures {
    /// The spreads, over the data points.
    pub spreads: Spreads,
    /// Points where the loss or its gradient is not finite; they are in no figure.
    pub left_out: usize,
}

impl EmpiricalFigures {
    /// Whether the figures can be trusted: no point is left out, and enough carry the weight.
    pub fn valid(&self) -> bool {
        self.left_out == 0 && self.spreads.enough_samples
    }

    /// The mean of packets of several labels; points left out are counted together.
    ///
    /// # Errors
    /// When `packets` is empty.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        let spreads = Spreads::average(packets.iter().map(|packet| &packet.spreads))?;
        Ok(Self { spreads, left_out: packets.iter().map(|packet| packet.left_out).sum() })
    }
}

impl Empirical {
    /// An empty packet in `dimension` coordinates.
    pub fn new(dimension: usize) -> Self {
        let moments = Moments::with_positions(dimension);
        Self { left_out: 0, moments, x: vec![0.0; dimension], g: vec![0.0; dimension] }
    }

    /// Adds points (n×d) of `label`, n at most the oracle's batch size. Those where its answers are not
    /// finite are counted and left out.
    ///
    /// # Errors
    /// When the oracle fails.
    pub fn push<O: LogOdds>(
        &mut self,
        points: &[f32],
        label: usize,
        oracle: &mut O,
    ) -> Result<(), MeasureError<O::Error>> {
        let dimension = self.x.len();
        let mut log_odds = vec![0.0; points.len() / dimension];
        let mut gradient = vec![0.0; points.len()];
        oracle.evaluate(points, label, &mut log_odds, &mut gradient).map_err(MeasureError::Oracle)?;
        let mut margins = vec![0.0; log_odds.len()];
        oracle.margins(&log_odds, &mut margins);
        let rows = points.chunks_exact(dimension).zip(gradient.chunks_exact(dimension));
        for ((&u, &margin), (point, gradient)) in log_odds.iter().zip(&margins).zip(rows) {
            let Ok(evaluated) = Evaluated::new::<O::Error>(point, u, gradient, margin) else {
                self.left_out += 1;
                continue;
            };
            self.x.iter_mut().zip(point).for_each(|(x, &value)| *x = f64::from(value));
            for (g, &value) in self.g.iter_mut().zip(gradient) {
                *g = evaluated.slope * f64::from(value);
            }
            self.moments.push(2.0 * evaluated.log_loss, &self.x, &self.g, evaluated.wrong);
        }
        Ok(())
    }

    /// The figures of the points so far.
    ///
    /// # Errors
    /// When there is no point where the network is finite, or the loss is zero at all of them.
    pub fn finish<E>(&self) -> Result<EmpiricalFigures, MeasureError<E>> {
        if self.moments.samples() == 0 {
            return Err(MeasureError::NoPoints { left_out: self.left_out });
        }
        if self.moments.ess() == 0.0 {
            return Err(MeasureError::NoWeight);
        }
        Ok(EmpiricalFigures { spreads: Spreads::of_population(&self.moments), left_out: self.left_out })
    }
}
