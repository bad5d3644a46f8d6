//! What a method does to samples, and when.

use kennard_graph::Loss;

/// Where a run stands while epsilon grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::train) enum TrainingPhase {
    /// Epsilon is 0.
    Before,
    /// Epsilon grows.
    Growing,
    /// Epsilon is what it will be.
    Grown,
}

/// How the images of a step are changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) enum Change {
    None,
    /// Normal noise.
    Noise(f64),
    /// The share of elements that are zeroed.
    Mask(f64),
    Ascent(ProjectedSteps),
}

impl Change {
    /// The loss whose gradient with respect to the image is asked for.
    pub fn loss(&self) -> Option<Loss> {
        match self {
            // The gradient of the log-odds has the direction of the cross-entropy's, and does not vanish with it.
            Change::Mask(_) | Change::Ascent(ProjectedSteps { climbs: Climbs::Loss, .. }) => {
                Some(Loss::LogOdds)
            }
            _ => None,
        }
    }
}

/// Projected steps up a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) struct ProjectedSteps {
    pub steps: usize,
    /// The length of a step, in units of epsilon.
    pub step: f64,
    pub start: StartingPoint,
    pub climbs: Climbs,
}

impl ProjectedSteps {
    pub(super) fn of(steps: usize, start: StartingPoint, climbs: Climbs) -> ProjectedSteps {
        ProjectedSteps { steps, step: 2.5 / steps as f64, start, climbs }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) enum StartingPoint {
    /// Anywhere in the ball.
    Ball,
    /// Normal noise of standard deviation 0.001 around the image.
    Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) enum Climbs {
    Loss,
    /// The divergence from the image's own class probabilities.
    Divergence,
}
