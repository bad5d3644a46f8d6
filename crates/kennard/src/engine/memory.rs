//! What the work on a classifier takes of memory, roughly, and how much there is.

use std::fs;

use kennard_graph::{Graph, Tensor, infer};
use kennard_runtime::Runtime;

use crate::{Classifier, Result};

/// The process with a runtime and no model.
const PROCESS: u64 = 100 << 20;
/// How often a session's constants are there while sessions of the untouched model, of logits and of gradients are made and at work,
/// in every worker. A gradient's graph has some of them twice.
const COPIES: u64 = 5;

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need {
    /// However many workers there are.
    once: u64,
    /// For every worker, however large its micro-batches are.
    worker: u64,
    /// For every sample of a worker's micro-batch.
    sample: u64,
}

impl Need {
    /// The need of a classifier whose logits a graph computes, in micro-batches of this many samples.
    pub fn of(
        classifier: &Classifier,
        logits: &Graph,
        runtime: &Runtime,
        micro_batch: usize,
    ) -> Result<Need> {
        let types = infer(logits)?;
        // A gradient reads what the model has computed.
        let made = logits.nodes.iter().flat_map(|node| &node.outputs).filter_map(|name| types.get(name));
        let elements = made
            .map(|ty| ty.shape.volume().map_or(usize::MAX, |(n, _)| n))
            .fold(0usize, usize::saturating_add);
        let weights = classifier.untouched().constants.values().map(Tensor::bytes);
        let weights = weights.fold(0usize, usize::saturating_add) as u64;
        let copied = runtime.copied(logits) as u64;
        Ok(Need {
            // The file's bytes are there as long as the model is being read.
            once: weights.saturating_mul(2),
            worker: copied.saturating_mul(COPIES),
            sample: (elements as u64).saturating_mul(4) / micro_batch.max(1) as u64,
        })
    }

    /// The need of two classifiers together.
    pub fn and(self, other: Need) -> Need {
        Need {
            once: self.once.saturating_add(other.once),
            worker: self.worker.saturating_add(other.worker),
            sample: self.sample.saturating_add(other.sample),
        }
    }

    /// The bytes that this many workers need, with what the process itself takes.
    pub fn with(self, workers: usize, micro_batch: usize) -> u64 {
        let worker = self.worker.saturating_add(self.sample.saturating_mul(micro_batch as u64));
        worker.saturating_mul(workers as u64).saturating_add(self.once).saturating_add(PROCESS)
    }

    /// The most of these workers that `bytes` of memory are enough for. Where they are not enough for one worker and micro-batches
    /// may be `smaller`, these are halved until they are; none where they never are.
    pub fn fitting(self, [workers, largest]: [usize; 2], smaller: bool, bytes: u64) -> Option<[usize; 2]> {
        let mut micro_batch = largest;
        loop {
            let fit = |workers: &usize| self.with(*workers, micro_batch) <= bytes;
            if let Some(workers) = (1..=workers).rev().find(fit) {
                return Some([workers, micro_batch]);
            }
            if !smaller || micro_batch < 2 {
                return None;
            }
            micro_batch = micro_batch.div_ceil(2);
        }
    }
}

/// How much memory there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub bytes: u64,
    /// Whether it was asked for, and is not only what the machine has.
    pub asked: bool,
    /// How many workers there are without it.
    pub workers: usize,
}

/// The bytes that this process may still take: what the machine has, or its control group. Only Linux says so.
pub(super) fn free() -> Option<u64> {
    let line = |text: &str, name: &str| -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().find_map(|word| word.parse().ok())
    };
    let machine = line(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?.saturating_mul(1024);
    let group = || {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let read = |file: &str| fs::read_to_string(format!("/sys/fs/cgroup/{path}/{file}")).ok();
        let most: u64 = read("memory.max")?.trim().parse().ok()?;
        Some(most.saturating_sub(line(&read("memory.stat")?, "anon ")?))
    };
    Some(group().map_or(machine, |group: u64| group.min(machine)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::linear;

    #[test]
    fn workers_are_given_up_before_micro_batches() {
        let need = Need { once: 1 << 30, worker: 100 << 20, sample: 10 << 20 };
        let most = need.with(4, 16);
        assert_eq!(most, PROCESS + (1 << 30) + 4 * (260 << 20));
        let fitting = |bytes| need.fitting([4, 16], true, bytes);
        assert_eq!(fitting(most), Some([4, 16]));
        assert_eq!(fitting(most - 1), Some([3, 16]));
        assert_eq!(fitting(need.with(1, 16) - 1), Some([1, 8]));
        assert_eq!(fitting(need.with(1, 1)), Some([1, 1]));
        assert_eq!(fitting(need.with(1, 1) - 1), None);
        assert!(need.fitting([4, 16], false, need.with(1, 16) - 1).is_none(), "a size that is given stays");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_estimate() {
        let error = linear(2).within(Some(1 << 20)).err().unwrap().to_string();
        assert_eq!(
            error,
            "one worker in micro-batches of 1 needs about 100 MiB of memory, and 1 MiB may be used: raise `memory`"
        );
        let engine = linear(2).within(Some(1 << 30)).unwrap();
        assert_eq!((engine.limited_by_memory(), engine.plan()), (None, linear(2).plan()));
        // Nothing is known of the memory elsewhere.
        assert!(free().is_none_or(|bytes| bytes > 1 << 20));
        assert_eq!([3 << 29, 1 << 20].map(crate::error::size), ["1.5 GiB", "1 MiB"]);
    }
}
