//! What makes the results of a run survive, whatever is run: files that are whole or absent, their digests, what
//! they are of, and a journal from which an interrupted run goes on.

pub(crate) mod columns;
mod directory;
pub(crate) mod files;
pub(crate) mod journal;
mod kept;
mod kind;
pub(crate) mod lock;
mod manifest;
mod place;
mod provenance;
pub(crate) mod shard;
pub(crate) mod sums;

pub(crate) use directory::{Directory, SUMMARY};
pub use files::{make_directory, prepare, write_whole};
pub use kennard_graph::files::clear_strays;
pub(crate) use kept::KeptSamples;
pub(crate) use kind::{RunKind, check_kind, keep_off};
pub use manifest::{About, Checkpoint, Manifest};
pub(crate) use manifest::{MANIFEST, NO_RUN, same_settings, sorted, stored, stored_before};
pub(crate) use place::{ADVERSARIALS, PICTURES};
pub use place::{prepare_new, prepare_shared};
pub use provenance::{DataIdentity, DataSummary, FileHash, ModelSummary, RuntimeSummary, model_digest};
pub use shard::Shard;
pub(crate) use shard::merged_manifest;
pub use sums::write_set;
