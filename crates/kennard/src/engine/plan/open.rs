//! Engines made: what is compiled, and batches of which size.

use std::sync::{Mutex, OnceLock};

use kennard_graph::{Dim, Graph, infer, simplify};
use kennard_runtime::{Precision, Runtime};

use super::{Engine, EngineOptions, LARGEST, Plan, SESSIONS};
use crate::warning::Warning;
use crate::{Classifier, Error, Result};

/// The two largest neighbouring activations of a micro-batch should fit a core's second-level cache.
const CACHE: usize = 1 << 20;

/// Samples per micro-batch of a live module, where nothing else is asked for.
const LIVE_BATCH: usize = 128;

impl Engine {
    /// Makes a plan for `classifier` on `runtime`.
    ///
    /// The micro-batch follows from the sizes of the activations, not from a stopwatch: runtimes
    /// choose kernels, and so rounding, by batch size, and a second run must give the same bytes.
    /// For the same reason every core has a session of its own: several threads inside a session
    /// may round otherwise than one. A model whose answers depend on the rest of the batch gets one sample
    /// at a time.
    ///
    /// # Errors
    /// When shapes contradict each other, or the runtime lacks the model's precision.
    pub fn new(classifier: Classifier, runtime: Runtime, options: &EngineOptions) -> Result<Engine> {
        for (what, value) in [("threads", options.threads), ("micro-batch", options.micro_batch)] {
            if value == Some(0) {
                let allowed = "it must be at least 1".into();
                return Err(Error::OutOfRange { setting: what.into(), value: 0.0, allowed });
            }
        }
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let sessions = match classifier.module() {
            Some(module) => module.workers(),
            None => options.threads.unwrap_or(cores),
        };
        let sessions = sessions.clamp(1, cores.max(SESSIONS));
        let fixed = classifier.fixed_batch();
        let micro_batch = match (fixed, options.micro_batch) {
            (Some(batch), _) => batch,
            (None, _) if classifier.mixes_samples() => 1,
            (None, Some(batch)) => batch.max(1),
            (None, None) if classifier.module().is_some() => LIVE_BATCH,
            (None, None) => cache_sized(classifier.head())?,
        };
        let given = classifier.untouched().with_batch(micro_batch);
        // One at a time its answer depends on nothing but the sample.
        let alone = classifier.mixes_samples() || runtime.rounds_by_place(&given)?;
        let untouched = (if alone { fixed.unwrap_or(1) } else { micro_batch }, alone);
        let warnings = warnings(&classifier, &runtime, &given)?;
        Ok(Engine {
            classifier,
            surrogate: None,
            own_label: None,
            runtime,
            plan: Plan { micro_batch, sessions, threads_per_session: 1 },
            search: Precision::F32,
            untouched,
            simplified: false,
            graphs: Mutex::default(),
            no_gradient: OnceLock::new(),
            trees: OnceLock::new(),
            warnings,
            batch_is_given: fixed.is_some() || options.micro_batch.is_some(),
            asked: (options.micro_batch, usize::MAX),
            limit: None,
            limited_by_memory: None,
        })
    }
}

/// The warnings of the classifier, and those about what a runtime computes otherwise than the model `given`.
///
/// # Errors
/// When the types of the model contradict each other.
fn warnings(classifier: &Classifier, runtime: &Runtime, given: &Graph) -> Result<Vec<Warning>> {
    let mut warnings = classifier.warnings().to_vec();
    if let Some(passes) = classifier.module().map(|module| module.passes()).filter(|passes| *passes > 1) {
        let message = format!(
            "the model answers at random: every answer and every gradient is the mean of {passes} passes, decisions are \
             those of the mean logits, and a second run gives other figures"
        );
        warnings.push(Warning::new("expectation", message));
    }
    if let Some(tensor) = runtime.narrows_integers(given)? {
        let message = format!(
            "the model computes `{tensor}` in 64-bit integers, {} in 32 bits: answers are wrong where values need more \
             bits. Use the runtime onnxruntime",
            runtime.name()
        );
        warnings.push(Warning::new("untouched-model", message));
    }
    if let Some(op) = runtime.spells_out(given) {
        let message = format!(
            "{} has no {op}: what is judged is the same function in basic operators, which round otherwise than the \
             file's own. Use the runtime onnxruntime",
            runtime.name()
        );
        warnings.push(Warning::new("untouched-model", message));
    }
    if let Some(tensor) = runtime.check_precision(given)? {
        let message = format!(
            "the model computes in half precision (`{tensor}` and others), {} in single precision: the figures are \
             those of the model in single precision, not of the model as given. Use the runtime onnxruntime",
            runtime.name()
        );
        warnings.push(Warning::new("untouched-model", message));
    }
    Ok(warnings)
}

/// The largest power of two of samples whose two largest neighbouring activations fit the cache.
fn cache_sized(graph: &Graph) -> Result<usize> {
    let graph = simplify(graph)?;
    let types = infer(&graph)?;
    let bytes = |name: &str| -> usize {
        types.get(name).filter(|ty| ty.shape.0.first() == Some(&Dim::BATCH)).map_or(0, |ty| {
            let elements = ty.shape.volume().map_or(usize::MAX, |(n, _)| n);
            elements.saturating_mul(4)
        })
    };
    let total = |names: &[String]| names.iter().map(|name| bytes(name)).fold(0, usize::saturating_add);
    let largest =
        graph.nodes.iter().map(|node| total(&node.inputs).saturating_add(total(&node.outputs))).max();
    let fitting = CACHE / largest.unwrap_or(1).max(1);
    Ok(if fitting < 2 { 1 } else { (1 << fitting.ilog2()).min(LARGEST) })
}
