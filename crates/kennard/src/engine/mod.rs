//! Feeds sessions with micro-batches of one size.
//!
//! Work comes as tasks, one per sample, each written as if it were alone: it asks for the logits or
//! the gradient at a point and waits. A worker per session keeps some tasks in flight, fills a
//! micro-batch with what they ask, and hands the answers back (continuous batching): a task that
//! ends makes room at once for the next sample.
//!
//! Micro-batches are padded to one size, because runtimes choose kernels, and so rounding, by batch
//! size; with that, an answer does not depend on what else is in the batch.

mod evaluator;
mod oracle;
mod plan;
mod run;

pub use evaluator::{Answer, Program};
pub(crate) use evaluator::{Evaluator, Query};
pub use oracle::Oracle;
pub use plan::{Engine, EngineOptions, Plan};
pub use run::{Cost, Task};
