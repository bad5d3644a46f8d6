//! Experiments that put the parts together: attacks on a hidden tensor ([`Features`]).

mod features;

pub use features::{AtSize, Features, FeaturesRecord, FeaturesReport};
