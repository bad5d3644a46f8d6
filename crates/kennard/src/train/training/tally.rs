//! How far an epoch is, and its sums.

use crate::train::epoch::Epoch;

/// How far a training run is.
#[derive(Clone, Debug)]
pub struct TrainingProgress<'p> {
    /// The epoch under way, from 1.
    pub epoch: usize,
    /// How many steps of it are done.
    pub step: usize,
    /// How many steps an epoch has.
    pub steps: usize,
    /// The mean of the objective in this epoch so far.
    pub loss: f64,
    /// The accuracy on what the network was shown in this epoch so far.
    pub accuracy: f64,
    /// The epoch that has just ended, if one has.
    pub ended: Option<&'p Epoch>,
}

/// What an epoch's steps give, summed over the samples.
#[derive(Default)]
pub(super) struct EpochTally {
    pub(super) loss: f64,
    pub(super) correct: usize,
    pub(super) shown: usize,
}

impl EpochTally {
    pub(super) fn loss(&self) -> f64 {
        self.loss / self.shown as f64
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.shown as f64
    }

    pub(super) fn progress<'p>(
        &self,
        epoch: usize,
        step: usize,
        steps: usize,
        ended: Option<&'p Epoch>,
    ) -> TrainingProgress<'p> {
        TrainingProgress { epoch, step, steps, loss: self.loss(), accuracy: self.accuracy(), ended }
    }
}
