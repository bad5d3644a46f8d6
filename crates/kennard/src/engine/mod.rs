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
mod memory;
mod oracle;
mod plan;
mod probe;
mod program;
mod run;
mod search;
mod within;

pub(crate) use evaluator::{Evaluator, Query, Row};
pub(crate) use oracle::{Oracle, Reply};
pub use plan::{Engine, EngineOptions, Plan};
pub use program::Program;
pub(crate) use run::Task;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice};
    use kennard_graph::{Builder, DType, Dim, TensorType};

    /// A classifier of `d` classes whose logits are the input.
    pub(super) fn linear(d: usize) -> Engine {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(d)]));
        builder.output("logits", x.apply("Identity"));
        let classifier =
            Classifier::new(&builder.finish().unwrap(), &[d], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        Engine::new(classifier, runtime, &EngineOptions::default()).unwrap()
    }
}
