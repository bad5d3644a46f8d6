//! What input gradients say without a packet: their angle to the sample ([`Probe`]), and what a reader that is trained on
//! them alone can tell of the classes ([`Resolve`]).

mod convolutional;
mod probe;
mod resolve;
mod softmax;

pub use probe::{Cosines, Counts, Distribution, Probe, ProbeRecord, ProbeReport};
pub(crate) use probe::{cosine, labelled};
pub use resolve::{Accuracy, Reader, Reading, Resolve, ResolveReport};
