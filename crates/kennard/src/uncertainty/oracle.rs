//! The engine as a packet sees it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::LogOdds;
use crate::attack::Loss;
use crate::engine::{Evaluator, Program, Query};
use crate::{Error, Result};

/// A worker's sessions, answering about packets' points.
pub(super) struct EngineOracle<'e> {
    evaluator: Evaluator<'e>,
    query: Query,
    /// What each point is followed by in the classifier's input, and held fixed: see
    /// [`Hidden`](super::Hidden).
    rest: Vec<f32>,
    /// Ends the work where it is.
    stop: Option<&'e AtomicBool>,
}

impl<'e> EngineOracle<'e> {
    pub fn new(evaluator: Evaluator<'e>) -> Self {
        let program = Program::Gradient(Loss::LogOdds);
        let query = Query { program, points: Vec::new(), label: 0, target: 0, account: 0 };
        Self { evaluator, query, rest: Vec::new(), stop: None }
    }

    /// The same, and once `stop` is set every question is answered with an error.
    pub fn until(evaluator: Evaluator<'e>, stop: &'e AtomicBool) -> Self {
        Self { stop: Some(stop), ..Self::new(evaluator) }
    }

    /// Follows each point with `rest`.
    pub fn hold(&mut self, rest: &[f32]) {
        self.rest.clear();
        self.rest.extend_from_slice(rest);
    }
}

impl LogOdds for EngineOracle<'_> {
    type Error = Error;

    fn batch_size(&self) -> usize {
        self.evaluator.micro_batch()
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        label: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<()> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Error::Packet("stopped".into()));
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
        let rows = answer.gradient.chunks_exact(self.evaluator.dimension());
        for (gradient, row) in gradient.chunks_exact_mut(dimension).zip(rows) {
            gradient.copy_from_slice(&row[..dimension]);
        }
        Ok(())
    }
}
