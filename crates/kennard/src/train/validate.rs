use std::sync::atomic::AtomicBool;

use kennard_graph::Graph;
use kennard_runtime::Runtime;

use super::images::Images;
use crate::attack::{Pgd, stays_correct};
use crate::data::Sample;
use crate::engine::{Engine, EngineOptions, Oracle, Task};
use crate::{Classifier, Preprocessing, Result, ThreatModel};

/// Shares of held-out samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Validation {
    /// Classified correctly; none of none.
    pub accuracy: Option<f64>,
    /// Classified correctly and unbroken by PGD, among the first `attacked`; none of none.
    pub robust_accuracy: Option<f64>,
}

/// Measures a network on held-out samples, and on the first `attacked` of them under 10 steps of PGD.
pub(super) fn validate(
    model: &Graph,
    images: &Images,
    held_out: &[usize],
    threat: Option<&ThreatModel>,
    attacked: usize,
    runtime: &Runtime,
    threads: usize,
) -> Result<Validation> {
    let classifier = Classifier::new(model, &images.shape, &Preprocessing::default())?;
    let options = EngineOptions { threads: Some(threads), ..EngineOptions::default() };
    let engine = Engine::new(classifier, runtime.clone(), &options)?;
    let pgd = Pgd { steps: 10, ..Pgd::default() };
    let samples = held_out.iter().enumerate().map(|(place, &index)| {
        let mut input = vec![0.0; images.dimension()];
        images.get(index, &mut input);
        Ok((place, Sample { index, input, label: images.labels[index] }))
    });
    let task = |oracle: Oracle, (place, sample): (usize, Sample)| -> Task<'_, (bool, Option<bool>)> {
        let (pgd, shape) = (&pgd, images.shape.as_slice());
        let threat = threat.filter(|_| place < attacked).copied();
        Box::pin(async move { stays_correct(oracle, &sample, shape, pgd, threat).await })
    };
    let (mut correct, mut robust, mut tried) = (0usize, 0usize, 0usize);
    engine.run(samples, task, &AtomicBool::new(false), |(right, held)| {
        correct += usize::from(right);
        tried += usize::from(held.is_some());
        robust += usize::from(held == Some(true));
        Ok(())
    })?;
    let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
    Ok(Validation { accuracy: share(correct, held_out.len()), robust_accuracy: share(robust, tried) })
}
