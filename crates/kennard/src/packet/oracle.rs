//! What packets ask: the log-odds loss and its gradient, of anything, and of the engine's classifier.

use std::sync::atomic::{AtomicBool, Ordering};

use kennard_graph::{Graph, Loss, is_affine};

use crate::answer::{largest_other, margin, predict};
use crate::engine::{Engine, Evaluator, Query};
use crate::{Error, Result};

/// A classifier as a packet sees it: the log-odds loss of a label and its input gradient.
pub trait LogOdds {
    /// Why it cannot answer.
    type Error: std::error::Error + 'static;

    /// How many points the oracle likes to get at once. Results do not depend on it.
    fn batch_size(&self) -> usize;

    /// Whether `u` is known to be affine, so that `ln l` is concave: the packet then has one part, and
    /// samples that agree to the last digit are no sign that another was missed.
    fn is_affine(&self) -> bool {
        false
    }

    /// Evaluates `u = ln((1 − p_y)/p_y) = logsumexp_{j≠y}(z_j) − z_y` and `∂u/∂x`.
    ///
    /// The cross-entropy is `l = softplus(u)`; `u` itself keeps its precision where `p_y`
    /// rounds to 1. `u = −∞` means `l = 0`: the point has no weight.
    ///
    /// `points` is n×d, row-major, n at most [`batch_size`](Self::batch_size), `label` is `y`;
    /// the oracle fills `log_odds` (n) and `gradient` (n×d) entirely. The network is evaluated
    /// as a function on R^d: points outside the data's range must not be clamped.
    ///
    /// # Errors
    /// Whatever keeps the oracle from evaluating; the measurement stops with it.
    fn evaluate(
        &mut self,
        points: &[f32],
        label: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Self::Error>;

    /// The margins `z_y − max_{j≠y} z_j` (n) at the points of the latest [`evaluate`](Self::evaluate), whose
    /// answers were `log_odds` (n). A point of a margin that is not positive is misclassified.
    ///
    /// They are `−u` with two classes, as which they are taken by default. With more, a point of positive
    /// log-odds may be classified correctly: the other classes together are likelier than the label, each alone is not.
    fn margins(&self, log_odds: &[f32], margins: &mut [f32]) {
        margins.iter_mut().zip(log_odds).for_each(|(margin, u)| *margin = -u);
    }
}

/// A worker's sessions, answering about packets' points.
pub(crate) struct EngineOracle<'e> {
    evaluator: Evaluator<'e>,
    query: Query,
    /// What each point is followed by in the classifier's input, and held fixed: see
    /// [`Hidden`](super::Hidden).
    rest: Vec<f32>,
    /// Ends the work where it is.
    stop: Option<&'e AtomicBool>,
    /// Whether the logits are affine in the input.
    affine: bool,
    /// The margins at the latest points.
    margins: Vec<f32>,
}

impl<'e> EngineOracle<'e> {
    pub fn new(evaluator: Evaluator<'e>, engine: &Engine) -> Self {
        let query = Query::gradient(Loss::LogOdds, Vec::new(), 0);
        let affine = engine.classifier().graph().is_some_and(is_affine);
        Self { evaluator, query, rest: Vec::new(), stop: None, affine, margins: Vec::new() }
    }

    /// The same, and once `stop` is set every question is answered with an error.
    pub fn until(evaluator: Evaluator<'e>, engine: &Engine, stop: &'e AtomicBool) -> Self {
        Self { stop: Some(stop), ..Self::new(evaluator, engine) }
    }

    /// Follows each point with `rest`.
    pub fn hold(&mut self, rest: &[f32]) {
        self.rest.clear();
        self.rest.extend_from_slice(rest);
    }
}

/// The margin of a label; of two equal logits the first one's class is predicted, and leads by the least that there is.
fn decided(logits: &[f32], label: usize) -> f32 {
    match margin(logits, label) {
        0.0 if predict(logits) == label => f32::MIN_POSITIVE,
        margin => margin,
    }
}

/// The logit of a label and the largest other.
fn leading(logits: &[f32], label: usize) -> [f32; 2] {
    [logits.get(label).copied().unwrap_or(f32::NAN), largest_other(logits, label)]
}

impl LogOdds for EngineOracle<'_> {
    type Error = Error;

    fn batch_size(&self) -> usize {
        self.evaluator.micro_batch()
    }

    fn is_affine(&self) -> bool {
        self.evaluator.classes() == 2 && self.affine
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        label: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<()> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Error::Stopped);
        }
        self.query.label = label;
        self.query.target = label;
        self.query.points.clear();
        let dimension = self.evaluator.dimension() - self.rest.len();
        for point in points.chunks_exact(dimension) {
            self.query.points.extend_from_slice(point);
            self.query.points.extend_from_slice(&self.rest);
        }
        let answer = self.evaluator.evaluate(&self.query)?;
        log_odds.copy_from_slice(&answer.loss);
        let classes = answer.logits.len() / log_odds.len().max(1);
        self.margins.clear();
        self.margins.extend(answer.logits.chunks_exact(classes.max(1)).map(|logits| decided(logits, label)));
        // The loss of numbers beyond has no gradient: it would pass for flat.
        let lost = |logits: &[f32]| logits.iter().any(|z| z.is_finite() && z.abs() > Graph::LARGEST_LOGIT);
        for (u, logits) in log_odds.iter_mut().zip(answer.logits.chunks_exact(classes.max(1))) {
            if lost(&leading(logits, label)) {
                *u = f32::NAN;
            }
        }
        let rows = answer.gradient.chunks_exact(self.evaluator.dimension());
        for (gradient, row) in gradient.chunks_exact_mut(dimension).zip(rows) {
            gradient.copy_from_slice(&row[..dimension]);
        }
        Ok(())
    }

    fn margins(&self, _: &[f32], margins: &mut [f32]) {
        margins.copy_from_slice(&self.margins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prediction decides between equal logits, as it does for accuracy.
    #[test]
    fn ties_are_decided_as_predictions_are() {
        let wrong = |logits: &[f32], label| decided(logits, label) <= 0.0;
        assert!(!wrong(&[0.5, 2.0, 2.0], 1) && wrong(&[0.5, 2.0, 2.0], 2));
        assert!(!wrong(&[0.0, 0.0, 0.0], 0) && wrong(&[0.0, 0.0, 0.0], 1));
        assert_eq!(decided(&[1.0, 3.0], 1), 2.0);
    }
}
