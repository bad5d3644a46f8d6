//! The parts that a packet falls into.

use serde::{Deserialize, Serialize};

/// A part of a packet around a peak of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lobe {
    /// Its share of `ψ²`, from a few hundred weighted samples.
    pub share: f64,
    /// How far its peak is from the centre, in units of the window's width `s`.
    pub distance: f64,
    /// How many starts led to it. Where one start in many finds a lobe, others are likely to be found by none.
    pub starts: usize,
}
