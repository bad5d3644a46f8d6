//! What an attacker may do: a norm, a size, and the bounds of the input; and the nearest points that this allows.

mod bounds;
mod boxes;
mod lattice;
mod model;
mod norm;
mod number;
mod projection;

pub(crate) use bounds::{check_inside, clip};
pub use boxes::Boxes;
pub(crate) use boxes::{Frame, SampleBox};
pub use lattice::Lattice;
pub(crate) use lattice::{Steps, Valid};
pub use model::ThreatModel;
pub(crate) use model::beyond_rounding;
pub use norm::Norm;
pub use number::parse_number;
pub(crate) use projection::{onto_l0_ball, to_hyperplane};
