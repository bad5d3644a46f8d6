//! The paper's packet on the points of a data set.

use super::LogOdds;
use super::gaussian::MeasureError;
use super::moments::{GROUPS, Moments};
use super::points::Evaluated;
use super::spread::Spreads;

/// The packet `J_j = l(x_j)/√(mean l²)` on the points `x_j` of a data set, with `Δ_j = ∇J(x_j)`.
///
/// Moments are over the data points with weights `l²`: `σ_p,i² = Σ (∂_i l)²/Σ l²` less the mean's
/// square. The measure is atomic, so there is neither a bound nor an identity to test. An accurate
/// network's weight lies on the few points that it gets wrong: the effective sample size says so.
pub struct Empirical {
    moments: Moments,
    x: Vec<f64>,
    g: Vec<f64>,
}

impl Empirical {
    /// An empty packet in `dimension` coordinates.
    pub fn new(dimension: usize) -> Self {
        let moments = Moments::with_positions(dimension);
        Self { moments, x: vec![0.0; dimension], g: vec![0.0; dimension] }
    }

    /// Adds points (n×d) of `label`, n at most the oracle's batch size.
    ///
    /// # Errors
    /// When the oracle fails, or its answers are not finite.
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
        let rows = points.chunks_exact(dimension).zip(gradient.chunks_exact(dimension));
        for (&u, (point, gradient)) in log_odds.iter().zip(rows) {
            let evaluated = Evaluated::new(point, u, gradient)?;
            self.x.iter_mut().zip(point).for_each(|(x, &value)| *x = f64::from(value));
            for (g, &value) in self.g.iter_mut().zip(gradient) {
                *g = evaluated.slope * f64::from(value);
            }
            self.moments.push(2.0 * evaluated.log_loss, &self.x, &self.g);
        }
        Ok(())
    }

    /// The figures of the points so far.
    ///
    /// # Errors
    /// When there are too few points for intervals, or the loss is zero at all of them.
    pub fn finish<E>(&self) -> Result<Spreads, MeasureError<E>> {
        if self.moments.samples() < GROUPS {
            return Err(MeasureError::Points(self.moments.samples()));
        }
        if self.moments.ess() == 0.0 {
            return Err(MeasureError::NoWeight);
        }
        Ok(Spreads::from_moments(1.0, &self.moments))
    }
}
