//! Why a packet, or the mean of several, cannot be had.

use super::moments::GROUPS;

/// Why a packet could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError<E> {
    #[error("the packet's scale is {0}; it must be positive and finite")]
    Scale(f64),
    #[error("{0} samples are too few for intervals; take at least {GROUPS}")]
    Samples(usize),
    #[error(
        "there is no data point where the loss and its gradient are finite ({left_out} where they are not)"
    )]
    NoPoints { left_out: usize },
    #[error("the box from {0} to {1} is empty; the lower bound comes first")]
    Bounds(f64, f64),
    #[error("the centre has no coordinates; give a point of the model's input size")]
    NoCoordinates,
    #[error("coordinate {coordinate} of the centre is {value}; every coordinate must be finite")]
    Centre { coordinate: usize, value: f32 },
    #[error("the model could not be evaluated")]
    Oracle(#[source] E),
    #[error(
        "the log-odds loss near the centre is {0}; the model leaves its range of finite numbers \
         within the packet, take a smaller scale"
    )]
    LogOdds(f32),
    #[error(
        "the gradient near the centre is {value} in coordinate {coordinate}; the model leaves its \
         range of finite numbers within the packet, take a smaller scale"
    )]
    Gradient { coordinate: usize, value: f32 },
    #[error(
        "the loss is exactly zero at every sample, so there is no packet; check that the model has \
         more than one class and its logits are finite"
    )]
    NoWeight,
}

/// Packets whose mean has no meaning.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AverageError {
    #[error("there are no packets to average; measure at least one centre")]
    Empty,
    #[error(
        "packet {index} has scale {scale} in {dimension} dimensions, the first has {first_scale} in \
         {first_dimension}; average only packets of one scale and input shape"
    )]
    Mixed { index: usize, scale: f64, dimension: usize, first_scale: f64, first_dimension: usize },
}
