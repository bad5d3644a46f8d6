//! Resolving the conjugates: how well the label can be read from `x` and from `Δ`.
//!
//! A probe, linear or a small convolutional network ([`Reader`]), is fitted to the samples with even
//! index and tested on those with odd index, on each of these inputs:
//!
//! | input | what it is |
//! |---|---|
//! | `x` | the sample as the data set has it |
//! | `delta-true` | `Δ = ∂l/∂x`, `l` the cross-entropy of the **true label**, scaled to l2 length 1 |
//! | `delta-predicted` | the same of the label that the **network predicts** |
//!
//! `Δ` with the true label holds that label by construction: for a linear network with weights `w_k`
//! it is `Σ_k p_k w_k − w_y`, from which `y` can be read whatever the network knows. Its accuracy says
//! how linearly a gradient gives away the label it was made with, and is no measure of what the
//! network knows of the sample. `Δ` with the predicted label is made without the true one: nothing can
//! be read from it that is not in `x` and the network. The two differ only where the network errs.
//!
//! A convolutional probe need not be linear in what it is given. From `delta-predicted` it can read more
//! than from `x`, because a trained network has learnt from more samples than the probe; of an untrained
//! one it shows how much of `x` the gradient keeps. That `delta-true` is read best stays a leak.
//!
//! The length of `Δ` is left out because it spans many orders of magnitude (it vanishes where the
//! network is confident) and would be all that a linear probe sees. The direction is taken from the
//! log-odds loss, which has the same and does not vanish; a gradient of exactly zero stays zero.

mod halves;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use halves::Halves;

use super::backward::{ask, labelled};
use super::convolutional::Convolutional;
use super::softmax::Softmax;
use crate::answer::predict;
use crate::data::{DataSet, Sample, Selection};
use crate::engine::{Engine, Oracle, Task};
use crate::packet::vector::dot;
use crate::stats::clopper_pearson;
use crate::warning::Warning;
use crate::{Error, Result};

/// Fits and tests the probes of a classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resolve {
    /// Which samples; all by default. Every second of them is for fitting.
    pub samples: Selection,
    /// What reads the label.
    pub reader: Reader,
}

/// What reads the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reader {
    /// Multinomial logistic regression.
    #[default]
    Linear,
    /// A small convolutional network, of images alone.
    Cnn,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reader::Linear => "linear softmax",
            Reader::Cnn => "convolutional",
        })
    }
}

/// A share of the tested samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Samples whose label was found.
    pub correct: u64,
    /// Samples in all.
    pub tested: u64,
    /// `correct / tested`.
    pub accuracy: f64,
    /// Clopper–Pearson, 95 %, for samples drawn like these and the probe as it is.
    pub interval: [f64; 2],
}

impl Accuracy {
    /// `correct` of `tested`.
    pub(crate) fn of(correct: u64, tested: u64) -> Accuracy {
        let accuracy = correct as f64 / tested as f64;
        Accuracy { correct, tested, accuracy, interval: clopper_pearson(correct, tested) }
    }
}

/// What a probe reads from an input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// `x`, `delta-true` or `delta-predicted`.
    pub input: String,
    /// How often it reads the true label.
    pub share: Accuracy,
    /// Whether the fit came to its minimum; none for the convolutional network, which is trained for a
    /// number of steps.
    pub converged: Option<bool>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResolveReport {
    /// What read the label.
    pub reader: Reader,
    /// Samples the probes were fitted to.
    pub fitted: u64,
    /// The network itself on the tested samples.
    pub network: Accuracy,
    /// Always the most frequent label of the fitted samples, on the tested ones.
    pub majority: Accuracy,
    /// The probes. Without `delta-predicted` where the network predicts every label rightly, because
    /// it is `delta-true` then.
    pub probes: Vec<Reading>,
    /// Samples, fitted or tested, for which the two forms of `Δ` differ.
    pub differing: u64,
    /// Samples whose `delta-true` is exactly zero.
    pub zero_gradients: u64,
    /// Labels of tested samples that no fitted sample has: no probe can read them.
    pub unfitted: Vec<usize>,
    /// Samples that were left out: the model's answer or a gradient is not finite there.
    #[serde(default)]
    pub not_finite: u64,
    /// Whether all samples were looked at and all probes fitted.
    pub complete: bool,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
}

/// A sample with what can be read from it.
struct Resolved {
    label: usize,
    prediction: usize,
    x: Vec<f32>,
    true_delta: Vec<f32>,
    predicted_delta: Vec<f32>,
}

impl Resolve {
    /// Measures the probes on `data`. Holds the inputs and both gradients: 12·n·d bytes, and 4·n·d
    /// for a fit. `stop` ends it early, with the samples and the probes finished by then: none is fitted after it.
    ///
    /// # Errors
    /// When data and model do not fit, a runtime fails, or there are
    /// fewer than 10 samples to fit to, or only one label among them, though nothing was stopped; for the convolutional
    /// probe also when samples are no images.
    pub fn measure(
        &self,
        engine: &Engine,
        data: &DataSet,
        stop: &AtomicBool,
        mut progress: impl FnMut(u64),
    ) -> Result<ResolveReport> {
        let task = |oracle: Oracle, sample: Sample| -> Task<'_, Option<Resolved>> {
            Box::pin(async move { Ok(resolved(&oracle, sample).await) })
        };
        let (mut samples, mut not_finite) = (Vec::new(), 0);
        engine.run_in_order(
            labelled(engine, data, self.samples.indices(data.len()))?,
            task,
            stop,
            |resolved| {
                match resolved {
                    Some(resolved) => samples.push(resolved),
                    None => not_finite += 1,
                }
                progress(samples.len() as u64 + not_finite);
                Ok(())
            },
        )?;
        let classes = engine.classifier().classes();
        let looked = samples.len() as u64 + not_finite;
        let total = self.samples.count(data.len()) as u64;
        let stopped = || stop.load(Ordering::Relaxed);
        let found = report(samples, classes, self.reader, stopped(), |inputs, labels| match self.reader {
            _ if stopped() => Ok(None),
            Reader::Linear => Ok(linear(&inputs, labels, classes, stop)),
            Reader::Cnn => match Convolutional::fit(&inputs.fitted, labels, engine, stop)? {
                Some(probe) => Ok(Some((probe.predict(inputs.tested)?, None))),
                None => Ok(None),
            },
        })?;
        let wanted = if found.differing > 0 { 3 } else { 2 };
        let fitted = found.probes.len();
        let complete = looked == total && fitted == wanted;
        let lacking = match looked < total {
            true => format!("{looked} of {total} samples were looked at, and no probe was fitted"),
            false => format!("{fitted} of {wanted} probes were fitted"),
        };
        let warnings = Vec::from_iter((!complete).then(|| Warning::interrupted(lacking)));
        Ok(ResolveReport { not_finite, complete, warnings, ..found })
    }
}

/// What can be read from a sample; none where the model's answer or a gradient is not finite.
async fn resolved(oracle: &Oracle, sample: Sample) -> Option<Resolved> {
    let answer = ask(oracle, &sample, sample.label).await?;
    let prediction = predict(&answer.logits);
    let true_delta = direction(&answer.gradient);
    let predicted_delta = match prediction == sample.label {
        true => true_delta.clone(),
        false => direction(&ask(oracle, &sample, prediction).await?.gradient),
    };
    let (x, label) = (sample.input, sample.label);
    Some(Resolved { label, prediction, x, true_delta, predicted_delta })
}

/// Scaled to l2 length 1; zero stays zero.
fn direction(gradient: &[f32]) -> Vec<f32> {
    let double: Vec<f64> = gradient.iter().map(|&v| f64::from(v)).collect();
    let norm = dot(&double, &double).sqrt();
    let unit = if norm > 0.0 { norm } else { 1.0 };
    double.iter().map(|v| (v / unit) as f32).collect()
}

/// The labels read from the tested half by a probe fitted to the other, and whether its fit came to its
/// minimum.
type Read = (Vec<usize>, Option<bool>);

fn linear(inputs: &Halves<Vec<f32>>, labels: &[usize], classes: usize, stop: &AtomicBool) -> Option<Read> {
    let probe = Softmax::fit(&inputs.fitted, labels, classes, stop)?;
    Some((inputs.tested.iter().map(|input| probe.predict(input)).collect(), Some(probe.converged)))
}

/// The report, with the probes that `read` fits: it fits none once it is stopped.
fn report(
    samples: Vec<Resolved>,
    classes: usize,
    reader: Reader,
    stopped: bool,
    read: impl Fn(Halves<Vec<f32>>, &[usize]) -> Result<Option<Read>>,
) -> Result<ResolveReport> {
    let labels = Halves::of(samples.iter().map(|s| s.label));
    let mut counts = vec![0u64; classes];
    labels.fitted.iter().for_each(|&label| counts[label] += 1);
    let too_few = labels.fitted.len() < 10 || counts.iter().filter(|count| **count > 0).count() < 2;
    if too_few && !stopped {
        return Err(Error::TooFew {
            count: labels.fitted.len() as u64,
            what: "samples, every second one,",
            purpose: "to fit a probe to; it takes at least 10 samples of at least two labels".into(),
        });
    }
    let most = (0..classes).max_by_key(|&label| (counts[label], std::cmp::Reverse(label))).unwrap_or(0);
    let predictions = Halves::of(samples.iter().map(|s| s.prediction));
    let differing = samples.iter().filter(|s| s.prediction != s.label).count() as u64;
    let zero_gradients = samples.iter().filter(|s| s.true_delta.iter().all(|v| *v == 0.0)).count() as u64;
    let share = |read: &mut dyn Iterator<Item = usize>| {
        let correct = read.zip(&labels.tested).filter(|(read, label)| read == *label).count() as u64;
        Accuracy::of(correct, labels.tested.len() as u64)
    };
    let network = share(&mut predictions.tested.iter().copied());
    let majority = share(&mut std::iter::repeat(most));
    let probe = |input: &str, inputs: Vec<Vec<f32>>| -> Result<Option<Reading>> {
        let Some((read, converged)) = read(Halves::of(inputs.into_iter()), &labels.fitted)? else {
            return Ok(None);
        };
        Ok(Some(Reading { input: input.into(), share: share(&mut read.into_iter()), converged }))
    };
    let (mut xs, mut true_deltas, mut predicted_deltas) = (Vec::new(), Vec::new(), Vec::new());
    for sample in samples {
        xs.push(sample.x);
        true_deltas.push(sample.true_delta);
        predicted_deltas.push(sample.predicted_delta);
    }
    let mut inputs = vec![("x", xs), ("delta-true", true_deltas)];
    if differing > 0 {
        inputs.push(("delta-predicted", predicted_deltas));
    }
    let mut probes = Vec::new();
    for (name, inputs) in inputs {
        probes.extend(probe(name, inputs)?);
    }
    let fitted = labels.fitted.len() as u64;
    let unfitted = (0..classes).filter(|&k| counts[k] == 0 && labels.tested.contains(&k)).collect();
    Ok(ResolveReport {
        reader,
        fitted,
        network,
        majority,
        probes,
        differing,
        zero_gradients,
        unfitted,
        not_finite: 0,
        complete: true,
        warnings: Vec::new(),
    })
}
