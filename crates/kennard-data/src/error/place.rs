//! Where in a file something is.

use std::fmt;

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// Bytes before the place, in the decompressed stream.
    Offset(u64),
    /// Samples before the place, in this file.
    Row(usize),
    /// Line of a text file, from 1.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Offset(n) => write!(f, ", offset {n}"),
            Place::Row(n) => write!(f, ", row {n}"),
            Place::Line(n) => write!(f, ", line {n}"),
        }
    }
}
