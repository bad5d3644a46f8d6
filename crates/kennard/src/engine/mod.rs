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
mod labels;
mod memory;
mod oracle;
mod plan;
mod probe;
mod program;
mod run;
mod search;
mod within;

pub(crate) use evaluator::{Evaluator, Query, Row};
pub(crate) use labels::OtherLabels;
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
        linear_of(d, EngineOptions::default())
    }

    fn linear_of(d: usize, options: EngineOptions) -> Engine {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(d)]));
        builder.output("logits", x.apply("Identity"));
        let classifier =
            Classifier::new(&builder.finish().unwrap(), &[d], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        Engine::new(classifier, runtime, &options).unwrap()
    }

    /// Rows that no sample fills are not computed, whatever is asked for.
    #[test]
    fn micro_batches_are_not_much_larger_than_there_are_samples() {
        let of = |asked: Option<usize>, samples: usize| {
            let options = EngineOptions { micro_batch: asked, ..EngineOptions::default() };
            linear_of(2, options).for_samples(samples).plan().micro_batch
        };
        let sizes = [of(Some(100_000), 16), of(Some(100_000), 300), of(Some(40), 16), of(Some(1), 16)];
        assert_eq!(sizes, [64, 300, 40, 1]);
        assert_eq!(of(None, 16), linear(2).plan().micro_batch);
    }
}
