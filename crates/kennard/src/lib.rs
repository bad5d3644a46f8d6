//! Accuracy, robustness, and the uncertainty relation between them, for any ONNX classifier.

pub mod attack;
pub mod audit;
mod classifier;
pub mod data;
pub mod engine;
mod error;
pub mod export;
mod files;
mod panics;
pub mod picture;
mod projection;
mod provenance;
pub mod report;
pub mod stats;
mod sums;
mod threat;
pub mod train;
pub mod uncertainty;
mod warning;

pub use classifier::{Classifier, Preprocessing};
pub use error::{Error, Result};
pub use kennard_graph::Graph;
pub use kennard_runtime::{Choice as RuntimeChoice, Runtime};
pub use threat::{Norm, ThreatModel, parse_number};
