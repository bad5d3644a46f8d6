//! Proofs that nothing which a threat model allows changes a classifier's answer.
//!
//! For a sample with the label y, the margins `z_y − z_j` are bounded from below over the whole region of the threat model
//! ([`kennard_graph::bound`]). Where all bounds are positive, no point of the region is misclassified: the sample is certified.
//! Where one is not, nothing is known: the network may be robust there and the bound too loose.
//!
//! Where distances are asked for, the largest radius that bounds certify is sought by bisection, beside the distances that
//! attacks find.
//!
//! What is proved is a statement about the network in real arithmetic, as its file and the preprocessing say, before any
//! rewriting. The rounding of the bounds themselves is taken off them already. Where the rounding of the network is bounded over the
//! whole region too ([`kennard_graph::forward_error`]), and is smaller than every margin, the same is proved of the network in
//! single precision.

mod ascent;
mod bounded;
mod certifier;
mod cost;
mod crown;
mod hidden;
mod method;
mod parted;
mod program;
mod programs;
mod provable;
mod radius;
mod region;
mod terms;
mod worker;

pub use ascent::Ascent;
pub use bounded::Bounded;
pub(crate) use certifier::{Certifier, Certifying};
pub use crown::Crown;
pub use method::BoundMethod;
pub use radius::CertifiedRadius;

#[cfg(test)]
mod tests;
