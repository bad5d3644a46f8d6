//! Tasks in flight, and the questions that they have open.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Task;
use crate::answer::Answer;
use crate::engine::oracle::Question;
use crate::engine::{Oracle, Program};

/// A task in flight, with what it asks.
pub(super) struct Flight<'t, R> {
    pub(super) oracle: Oracle,
    pub(super) task: Task<'t, R>,
    pub(super) open: Vec<OpenQuestion>,
}

/// A question on its way, and the answers so far.
pub(super) struct OpenQuestion {
    pub(super) question: Rc<Question>,
    pub(super) points: usize,
    pub(super) answers: Vec<Answer>,
}

impl OpenQuestion {
    pub(super) fn missing(&self) -> usize {
        self.points - self.answers.len()
    }
}

/// The program that most points wait for.
pub(super) fn fullest<R>(flights: &[Flight<'_, R>]) -> Program {
    let mut waiting: BTreeMap<Program, usize> = BTreeMap::new();
    for open in flights.iter().flat_map(|flight| &flight.open) {
        *waiting.entry(open.question.query.program).or_default() += open.missing();
    }
    waiting.into_iter().max_by_key(|(_, points)| *points).map_or(Program::Logits, |(program, _)| program)
}
