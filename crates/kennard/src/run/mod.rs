//! What makes the results of a run survive: files that are whole or absent, their digests, and what they are of.

pub(crate) mod files;
mod provenance;
pub(crate) mod sums;

pub use files::{clear_strays, make_directory, write_whole};
pub use provenance::{DataSummary, FileHash, ModelSummary, model_digest};
pub use sums::write_set;
