//! The engine's classifier, answering about distances.

use std::sync::atomic::{AtomicBool, Ordering};

use kennard_graph::Loss;

use super::{Margins, Slopes};
use crate::engine::{Evaluator, Program, Query, Row};
use crate::{Error, Result};

/// A worker's sessions, answering about logit differences.
pub(crate) struct EngineMargins<'e> {
    evaluator: Evaluator<'e>,
    /// What each point is followed by in the classifier's input, and held fixed: see
    /// [`Hidden`](crate::packet::Hidden).
    rest: Vec<f32>,
    /// Ends the work where it is.
    stop: Option<&'e AtomicBool>,
}

impl<'e> EngineMargins<'e> {
    pub fn new(evaluator: Evaluator<'e>) -> Self {
        Self { evaluator, rest: Vec::new(), stop: None }
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

    /// The points (n×d) with what follows each.
    fn whole(&self, points: &[f32]) -> Vec<f32> {
        let dimension = self.evaluator.dimension() - self.rest.len();
        points.chunks_exact(dimension).flat_map(|point| point.iter().chain(&self.rest)).copied().collect()
    }

    fn go_on(&self) -> Result<()> {
        match self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            true => Err(Error::Stopped),
            false => Ok(()),
        }
    }
}

impl Margins for EngineMargins<'_> {
    type Error = Error;

    fn classes(&self) -> usize {
        self.evaluator.classes()
    }

    fn batch_size(&self) -> usize {
        self.evaluator.micro_batch()
    }

    fn logits(&mut self, points: &[f32]) -> Result<Vec<f32>> {
        self.go_on()?;
        let query = Query::logits(self.whole(points));
        Ok(self.evaluator.evaluate(&query)?.logits)
    }

    fn slopes(&mut self, points: &[f32], label: usize, others: &[usize]) -> Result<Slopes> {
        self.go_on()?;
        let dimension = self.evaluator.dimension();
        let program = Program::Gradient(Loss::LogitDifference);
        let whole = self.whole(points);
        let queries: Vec<Query> = whole
            .chunks_exact(dimension)
            .zip(others)
            .map(|(point, &other)| Query::new(program, point.to_vec(), label).targeting(other))
            .collect();
        let own = dimension - self.rest.len();
        let mut slopes = Slopes::default();
        for queries in queries.chunks(self.evaluator.rows(program)) {
            let rows: Vec<Row> = queries.iter().map(|query| Row { query, point: 0 }).collect();
            self.evaluator.run(program, &rows, |logits, _, gradient| {
                slopes.logits.extend_from_slice(logits);
                slopes.gradient.extend_from_slice(&gradient[..own]);
            })?;
        }
        Ok(slopes)
    }
}
