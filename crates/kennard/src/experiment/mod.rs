//! Experiments that put the parts together: networks trained, audited and compared, by whoever has the settings
//! ([`Lab`]); the experiments of the paper ([`paper`]); attacks on a hidden tensor ([`Features`]).

mod features;
mod lab;
pub mod paper;
mod points;
/// What is usual for a training run.
pub mod recipe;
mod track;
pub mod tradeoff;
mod whitened;

pub use features::{AtSize, Features, FeaturesRecord, FeaturesReport};
pub use lab::{Lab, TrainingRun};
pub use points::{Correlation, Point, SERIES, correlation_lines, correlations, csv, over_epochs, table};
pub use track::{Origin, follow, track_files};

/// By default this many samples are attacked for each network: intervals of ±3 %.
pub const SAMPLES: usize = 1000;

/// A file's name and its contents.
pub type NamedFile = (String, Vec<u8>);

/// A number with four significant digits.
pub fn short(value: f64) -> String {
    crate::figure::significant(value, 4)
}
