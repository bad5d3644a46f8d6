//! Why a packet, or the mean of several, cannot be had.

use super::moments::GROUPS;
use crate::error::is_scale;

/// Why a packet could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError<E> {
    /// The scale is not positive and finite.
    #[error("the packet's scale is {0}; it must be positive and finite")]
    Scale(f64),
    /// A width below the spacing of float32 numbers at the centre.
    #[error(
        "the scale {scale:e} is finer than float32 distinguishes at this sample; take at least {:.1e}",
        // Rounded, and not down.
        1.05 * least
    )]
    Fine {
        /// The scale.
        scale: f64,
        /// The finest that can be measured here.
        least: f64,
    },
    /// This many samples are too few.
    #[error("{0} samples are too few for intervals; take at least {GROUPS}")]
    Samples(usize),
    /// No data point has a finite loss and gradient.
    #[error(
        "there is no data point where the loss and its gradient are finite ({left_out} where they are not)"
    )]
    NoPoints {
        /// Data points that have not.
        left_out: usize,
    },
    /// A box whose lower bound, the first, is not below the upper.
    #[error("the box from {0} to {1} is empty; the lower bound comes first")]
    Bounds(f64, f64),
    /// A centre or a space without coordinates.
    #[error("the centre has no coordinates; give a point of the model's input size")]
    NoCoordinates,
    /// A coordinate of the centre is not finite.
    #[error("coordinate {coordinate} of the centre is {value}; every coordinate must be finite")]
    Centre {
        /// Which coordinate, from 0.
        coordinate: usize,
        /// Its value.
        value: f32,
    },
    /// The oracle failed.
    #[error("the model could not be evaluated")]
    Oracle(#[source] E),
    /// The log-odds loss is not finite.
    #[error(
        "the log-odds loss near the centre is {0}; the model leaves its range of finite numbers \
         within the packet, take a smaller scale"
    )]
    LogOdds(f32),
    /// A coordinate of the gradient is not finite.
    #[error(
        "the gradient near the centre is {value} in coordinate {coordinate}; the model leaves its \
         range of finite numbers within the packet, take a smaller scale"
    )]
    Gradient {
        /// Which coordinate, from 0.
        coordinate: usize,
        /// Its value.
        value: f32,
    },
    /// The loss is zero at all samples.
    #[error(
        "the loss is exactly zero at every sample, so there is no packet; check that the model has \
         more than one class and its logits are finite"
    )]
    NoWeight,
}

impl<E> MeasureError<E> {
    /// Refuses an invalid width of the window.
    pub(super) fn check_scale(scale: f64) -> Result<(), Self> {
        if is_scale(scale) { Ok(()) } else { Err(Self::Scale(scale)) }
    }

    /// Refuses a width below [`finest`].
    pub(super) fn check_fine(scale: f64, centre: &[f32]) -> Result<(), Self> {
        let least = finest(centre);
        if scale < least { Err(Self::Fine { scale, least }) } else { Ok(()) }
    }

    /// Refuses too few samples, and a space without coordinates.
    pub(super) fn check_size(samples: usize, dimension: usize) -> Result<(), Self> {
        match (samples, dimension) {
            (..GROUPS, _) => Err(Self::Samples(samples)),
            (_, 0) => Err(Self::NoCoordinates),
            _ => Ok(()),
        }
    }
}

/// Two to four spacings of float32, as a share of a number.
const SPACINGS: f64 = 1.0 / (1 << 22) as f64;

/// The finest width of a window around a centre (d), in its units, that all of its elements resolve.
fn finest(centre: &[f32]) -> f64 {
    let largest = centre.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    f64::from(largest) * SPACINGS
}

/// Whether any element of a centre (d) resolves a window of this width.
pub(crate) fn moves(scale: f64, centre: &[f32]) -> bool {
    centre.iter().any(|x| scale >= f64::from(x.abs()) * SPACINGS)
}

/// Packets whose mean has no meaning.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AverageError {
    /// No packets.
    #[error("there are no packets to average; measure at least one centre")]
    Empty,
    /// Packets of different scales or dimensions.
    #[error(
        "packet {index} has scale {scale} in {dimension} dimensions, the first has {first_scale} in \
         {first_dimension}; average only packets of one scale and input shape"
    )]
    Mixed {
        /// The first packet that differs from packet 0.
        index: usize,
        /// Its scale.
        scale: f64,
        /// Its dimension.
        dimension: usize,
        /// The scale of packet 0.
        first_scale: f64,
        /// The dimension of packet 0.
        first_dimension: usize,
    },
}
