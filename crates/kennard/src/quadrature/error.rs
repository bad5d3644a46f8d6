//! Why an integration fails.

/// Why a packet could not be integrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuadratureError<E> {
    /// A packet of other than 1 to 3 dimensions.
    #[error("quadrature is for 1 to 3 dimensions, the packet has {0}; sample it instead")]
    Dimension(usize),
    /// The ends of a box are not finite, or the lower is not the first.
    #[error(
        "the box reaches from {low} to {high} in coordinate {coordinate}; give finite ends, the lower first"
    )]
    Ends {
        /// Which coordinate, from 0.
        coordinate: usize,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// The scale of a window is not positive and finite.
    #[error("the window's scale is {0}; it must be positive and finite")]
    Scale(f64),
    /// A coordinate of a window's centre is not finite.
    #[error("coordinate {coordinate} of the window's centre is {value}; every coordinate must be finite")]
    Centre {
        /// Which coordinate, from 0.
        coordinate: usize,
        /// Its value.
        value: f64,
    },
    /// The packet reaches farther than this many widths.
    #[error("the packet reaches farther than {0} widths from its window's centre; take a smaller scale")]
    TooWide(f64),
    /// The wave function or its gradient is not finite at this point (d).
    #[error("the wave function or its gradient is no finite number at {0:?}; check the model there")]
    NotFinite(Vec<f64>),
    /// The wave function is zero at every point.
    #[error("the wave function is zero at every point, so there is no packet; check the model and the label")]
    NoWeight,
    /// The wave function could not be evaluated.
    #[error("the wave function could not be evaluated")]
    Wave(#[source] E),
}
