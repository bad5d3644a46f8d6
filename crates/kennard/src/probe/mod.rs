//! What input gradients say without a packet: their angle to the sample ([`Probe`]), and what a reader that is trained on
//! them alone can tell of the classes ([`Resolve`]).

mod backward;
mod convolutional;
mod resolve;
mod softmax;
mod summary;

pub use backward::{Cosines, Counts, Distribution, Probe, ProbeRecord, ProbeReport};
pub(crate) use backward::{cosine, labelled};
pub use resolve::{Accuracy, Reader, Reading, Resolve, ResolveReport};
pub use summary::ProbeSummary;
