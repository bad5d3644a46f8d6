//! Distances to the decision boundary that no factor on the logits changes.
//!
//! With `m_j = z_y − z_j`, the lead of the label `y` over another class `j`, a sample is misclassified where some
//! `m_j` is negative. A factor on the logits scales every `m_j` and its gradient alike, and moves no boundary.

mod boundary;
mod chains;
mod closest;
mod design;
mod error;
mod error_packet;
mod facets;
mod line;
mod margins;
mod moments;
mod normal;
mod oracle;
mod proposal;
mod radius;
mod sampling;
mod slopes;
#[cfg(test)]
mod tests;

pub(crate) use boundary::crossing_towards;
pub use boundary::{Crossing, crossings, crossings_in};
pub use error::DistanceError;
pub use error_packet::{ErrorFigures, ErrorPacket, Sampled};
pub use facets::Facet;
pub use line::LinePacket;
pub use margins::{Margins, Slopes};
pub(crate) use oracle::EngineMargins;
pub use radius::{RARE_FLOOR, Radius, SmoothedRadius};
pub use slopes::{NORMS, Predicted, SlopeDistances};
