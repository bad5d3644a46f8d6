//! Points evaluated in batches.

use super::LogOdds;
use super::error::MeasureError;
use super::log_loss::log_softplus;
use rand_chacha::ChaCha8Rng;

/// Has an oracle evaluate points of one label.
pub(crate) struct Points<'a, O> {
    pub dimension: usize,
    pub label: usize,
    pub oracle: &'a mut O,
}

/// A point with the loss there.
pub(crate) struct Evaluated<'a> {
    /// `x` (d)
    pub point: &'a [f32],
    /// `ln l`; −∞ for a loss of zero, whose gradient has no meaning.
    pub log_loss: f64,
    /// `h = ∂ ln l` is `slope` times `gradient` (d).
    pub slope: f64,
    pub gradient: &'a [f32],
    /// Whether another class's logit is at least the label's.
    pub wrong: bool,
}

impl<O: LogOdds> Points<'_, O> {
    /// Evaluates `count` points that `fill` makes of their index, and shows them to `visit`, in
    /// order. What the order of calls is between the two depends on the batch size.
    pub fn evaluate(
        &mut self,
        count: usize,
        random: &mut ChaCha8Rng,
        mut fill: impl FnMut(usize, &mut ChaCha8Rng, &mut [f32]),
        mut visit: impl FnMut(usize, Evaluated),
    ) -> Result<(), MeasureError<O::Error>> {
        let dimension = self.dimension;
        let batch = self.oracle.batch_size().clamp(1, count.max(1));
        let mut points = vec![0.0; batch * dimension];
        let mut log_odds = vec![0.0; batch];
        let mut gradients = vec![0.0; batch * dimension];
        let mut margins = vec![0.0; batch];
        for start in (0..count).step_by(batch) {
            let rows = batch.min(count - start);
            let points = &mut points[..rows * dimension];
            let log_odds = &mut log_odds[..rows];
            let gradients = &mut gradients[..rows * dimension];
            let margins = &mut margins[..rows];
            for (index, point) in (start..).zip(points.chunks_exact_mut(dimension)) {
                fill(index, random, point);
            }
            self.oracle.evaluate(points, self.label, log_odds, gradients).map_err(MeasureError::Oracle)?;
            self.oracle.margins(log_odds, margins);
            let evaluated = points.chunks_exact(dimension).zip(gradients.chunks_exact(dimension));
            let answers = log_odds.iter().zip(&*margins).zip(evaluated);
            for (index, ((&u, &margin), (point, gradient))) in (start..).zip(answers) {
                visit(index, Evaluated::new(point, u, gradient, margin)?);
            }
        }
        Ok(())
    }
}

impl<'a> Evaluated<'a> {
    /// The loss at a point from its log-odds `u`, with the margin there.
    ///
    /// # Errors
    /// When they, or their gradient, are not finite (except `u = −∞`).
    pub fn new<E>(
        point: &'a [f32],
        u: f32,
        gradient: &'a [f32],
        margin: f32,
    ) -> Result<Self, MeasureError<E>> {
        if u.is_nan() || u == f32::INFINITY {
            return Err(MeasureError::LogOdds(u));
        }
        let (log_loss, slope) = log_softplus(f64::from(u));
        if log_loss > f64::NEG_INFINITY
            && let Some(coordinate) = gradient.iter().position(|value| !value.is_finite())
        {
            return Err(MeasureError::Gradient { coordinate, value: gradient[coordinate] });
        }
        Ok(Self { point, log_loss, slope, gradient, wrong: margin <= 0.0 })
    }
}
