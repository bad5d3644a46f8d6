//! Accuracy, robustness, and the uncertainty relation between them, for any ONNX classifier.

mod advice;
mod answer;
pub mod attack;
pub mod audit;
mod classifier;
pub mod engine;
mod error;
pub mod experiment;
pub mod export;
mod figure;
pub mod packet;
pub mod picture;
pub mod probe;
pub mod quadrature;
mod random;
pub mod report;
pub mod run;
pub mod stats;
pub mod survey;
mod threat;
pub mod train;
mod warning;
mod workers;

pub use advice::Advice;
pub use answer::{is_answer, margin, predict};
pub use classifier::{Classifier, Preprocessing};
pub use error::{Error, Result};
pub use figure::{Basis, Figure};
pub use kennard_data as data;
pub use kennard_graph::Graph;
pub use kennard_runtime::{Choice as RuntimeChoice, Runtime};
pub use rand;
pub use serde_json;
pub use threat::{Norm, ThreatModel, parse_number};
