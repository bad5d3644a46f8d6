//! Why a distance cannot be had.

use crate::error::is_scale;

/// Why a distance to the boundary could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistanceError<E> {
    /// The model could not be evaluated.
    #[error("the model could not be evaluated")]
    Oracle(#[source] E),
    /// There is no other class.
    #[error("the model has {0} class, so it has no decision boundary; distances need at least two classes")]
    OneClass(usize),
    /// The label is no class of the model.
    #[error("the label is {label}, and the model has {classes} classes; give a label from 0 to {}", classes - 1)]
    Label {
        /// The label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// The centre has no coordinates, or one that is not finite.
    #[error(
        "the centre has no coordinates or one that is not finite; give a point of the model's input size"
    )]
    Centre,
    /// The window's scale is not positive and finite.
    #[error("the window's scale is {0}; it must be positive and finite, in input units")]
    Scale(f64),
    /// Too few samples for an interval.
    #[error("{samples} samples are too few for intervals; take at least {least}")]
    Samples {
        /// This many.
        samples: usize,
        /// The fewest that will do.
        least: usize,
    },
    /// Nothing near the centre is misclassified.
    #[error(
        "no margin below zero near the centre: no point that a window of width {0} reaches was found to be \
         misclassified, so there is no error packet"
    )]
    NoErrors(f64),
    /// A logit is not a number.
    #[error(
        "a logit is not a number near the centre; the model leaves its range of finite numbers there, take a \
         smaller scale"
    )]
    NotANumber,
}

impl<E> DistanceError<E> {
    /// Refuses an invalid width of the window.
    pub(super) fn check_scale(scale: f64) -> Result<(), Self> {
        if is_scale(scale) { Ok(()) } else { Err(Self::Scale(scale)) }
    }
}
