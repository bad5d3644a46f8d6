//! Certified robustness: bounds of a classifier made as tight as wanted.

mod alpha;

pub use alpha::{Alpha, Ascent};
