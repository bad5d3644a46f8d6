//! Temperatures: how confident a classifier is, beside how often it is right.
//!
//! Logits divided by a temperature T leave every decision as it was, and move every figure that is made of the loss. So
//! figures of packets are told at T = 1, the network's own, and at the temperature that makes the labels most likely
//! (Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017, section 4.2).

mod calibrated;
mod expected;
mod fit;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::answer::{is_answer, predict};
use crate::data::{DataSet, Sample, Selection};
use crate::engine::{Engine, Oracle, Query, Task};
use crate::figure::Figure;
use crate::probe::labelled;
use crate::run::files::refused;
use crate::run::{DataIdentity, DataSummary, ModelSummary, RuntimeSummary};
use crate::stats::clopper_pearson;
use crate::warning::Warning;
use crate::{Error, RequestError, Result};

pub use calibrated::Calibrated;
pub use expected::{BINS, Bin};
pub use fit::{Scores, fit_temperature};

use expected::Confidences;

/// Fits a temperature to a random half of the samples, and measures on the others what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calibrate {
    /// Which samples; all by default.
    pub samples: Selection,
    /// The seed of the choice of the half.
    pub seed: u64,
}

/// A temperature, what it was fitted to, and what it does to samples that it was not fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibration {
    /// The version of this format.
    pub version: u32,
    /// The model.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// The runtime.
    pub runtime: RuntimeSummary,
    /// The seed of the choice of the samples that it was fitted to.
    pub seed: u64,
    /// Which samples of the data it was made of.
    pub samples: Selection,
    /// How many of these it was fitted to.
    pub fitted: u64,
    /// How many of these the figures below are of, none of which it was fitted to.
    pub measured: u64,
    /// The temperature of the largest likelihood, T; its interval is over samples.
    pub temperature: Figure,
    /// The share of samples classified correctly, which no temperature changes.
    pub accuracy: Figure,
    /// The network as it is.
    pub before: Quality,
    /// The network with its logits divided by T.
    pub after: Quality,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// How well probabilities agree with what happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The mean of `−ln p_y`.
    pub log_loss: Figure,
    /// The expected calibration error in [`BINS`] bins of equal width: the mean over samples of the distance between the
    /// confidence of their bin and its accuracy. The figure itself is too large in the mean, the more so the fewer the
    /// samples; the interval allows for that.
    pub calibration_error: Figure,
    /// The bins, from the least confident.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Reads what `kennard calibrate` wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no temperature.
    pub fn read(file: &Path) -> Result<Calibration> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            refused(file, format!("is neither a number nor a file with a temperature ({error})"))
                .advise("; {!calibrate} writes one")
        })?;
        let found: Calibration = serde_json::from_str(&text).map_err(|error| {
            refused(file, format!("holds no temperature ({error})"))
                .advise("; {!calibrate} writes such files")
        })?;
        let value = found.temperature.value;
        if !(value > 0.0 && value.is_finite()) {
            return Err(refused(
                file,
                format!("holds the temperature {value}, which is not positive and finite"),
            ));
        }
        Ok(found)
    }

    /// Whether it is of samples of this data set.
    ///
    /// # Errors
    /// When the files of the data cannot be read.
    pub fn is_of(&self, data: &DataSet) -> Result<bool> {
        let DataIdentity { split, files, .. } = DataIdentity::of(data)?;
        Ok(split == self.data.split && files == self.data.files)
    }

    /// The places of the samples that the temperature was fitted to, among `len`, in ascending order.
    pub fn fitted_to(&self, len: usize) -> Vec<usize> {
        halves(self.samples, self.seed, len).0
    }
}

impl Calibrate {
    /// Fits and measures. `stop` ends it early, without figures; `progress` hears how many samples the model was asked
    /// about, and of how many.
    ///
    /// # Errors
    /// When data and model do not fit, the runtime fails, there are fewer than four samples, or no temperature is
    /// likelier than all others.
    pub fn measure(
        &self,
        model: ModelSummary,
        engine: &Engine,
        data: &DataSet,
        stop: &AtomicBool,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Option<Calibration>> {
        let begin = Instant::now();
        if let Some(threshold) = engine.classifier().moved_by_threshold() {
            return Err(RequestError::TemperatureOfThreshold { threshold }.into());
        }
        let (fitted, others) = halves(self.samples, self.seed, data.len());
        let total = (fitted.len() + others.len()) as u64;
        if total < 4 {
            let purpose = "to fit a temperature to one half and measure it on the other; take some hundred";
            return Err(Error::TooFew { count: total, what: "samples", purpose: purpose.into() });
        }
        let mut asked = 0;
        let mut each = |places: Vec<usize>, hear: &mut dyn FnMut(&Scored)| {
            answers(engine, data, places, stop, |scored| {
                hear(scored);
                asked += 1;
                progress(asked, total);
            })
        };
        let mut scores = Scores::default();
        let mut left_out = 0;
        if !each(fitted, &mut |scored| left_out += u64::from(!scored.push_to(&mut scores)))? {
            return Ok(None);
        }
        let temperature = fit_temperature(&scores)?;
        let fitted = scores.len() as u64;

        let (mut before, mut after) = (Confidences::at(1.0), Confidences::at(temperature.value));
        let mut correct = 0;
        let hear = &mut |scored: &Scored| {
            let taken = before.push(&scored.logits, scored.label) && after.push(&scored.logits, scored.label);
            left_out += u64::from(!taken);
            correct += u64::from(taken && predict(&scored.logits) == scored.label);
        };
        if !each(others, hear)? {
            return Ok(None);
        }
        let measured = before.len() as u64;
        if measured < 2 {
            return Err(Error::NotANumber("no sample of the other half has a finite loss to measure".into()));
        }
        let accuracy = Figure::new(correct as f64 / measured as f64, clopper_pearson(correct, measured));
        data.check_unchanged()?;
        Ok(Some(Calibration {
            version: 1,
            model,
            data: DataSummary {
                notes: data.notes_of(self.samples.indices(data.len())),
                ..DataSummary::of(data)?
            },
            runtime: engine.runtime().into(),
            seed: self.seed,
            samples: self.samples,
            fitted,
            measured,
            temperature,
            accuracy,
            before: before.quality(self.seed),
            after: after.quality(self.seed),
            warnings: warnings(engine, left_out, total),
            seconds: begin.elapsed().as_secs_f64(),
        }))
    }
}

/// A sample's logits and its label.
struct Scored {
    logits: Vec<f32>,
    label: usize,
}

impl Scored {
    fn push_to(&self, scores: &mut Scores) -> bool {
        scores.push(&self.logits, self.label)
    }
}

/// Two halves of a selection: a random one, and the others; both in ascending order.
fn halves(samples: Selection, seed: u64, len: usize) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<usize> = samples.indices(len).collect();
    // Not the stream that draws samples, so that the half is none of the smaller parts of the same seed.
    let half = Selection::Random { count: all.len() / 2, seed: seed ^ HALVES };
    let fitted = half.among(&all);
    let others = all.into_iter().filter(|place| fitted.binary_search(place).is_err()).collect();
    (fitted, others)
}

/// What sets the stream that draws the half apart from others of the seed.
const HALVES: u64 = 0x6861_6c76_6573;

/// Asks about samples at ascending places, in their order; whether all were asked about.
fn answers(
    engine: &Engine,
    data: &DataSet,
    places: Vec<usize>,
    stop: &AtomicBool,
    mut each: impl FnMut(&Scored),
) -> Result<bool> {
    let count = places.len();
    let task = |oracle: Oracle, sample: Sample| -> Task<'_, Scored> {
        Box::pin(async move {
            let answer = oracle.ask(Query::logits(sample.input)).await;
            Ok(Scored { logits: answer.logits, label: sample.label })
        })
    };
    let samples = labelled(engine, data, Box::new(places.into_iter()))?;
    let mut heard = 0;
    engine.run_in_order(samples, task, stop, |scored| {
        each(&scored);
        heard += 1;
        Ok(())
    })?;
    Ok(heard == count)
}

fn warnings(engine: &Engine, left_out: u64, total: u64) -> Vec<Warning> {
    let mut warnings = engine.warnings().to_vec();
    if left_out > 0 {
        let message = format!(
            "{left_out} of {total} samples are left out of all figures: the model's answer is NaN, or the loss of their label infinite \
             at every temperature"
        );
        warnings.push(Warning::new("not-evaluated", message));
    }
    warnings
}

/// The logarithms of the probabilities that logits divided by a temperature give; none where the model has no answer or
/// the label's probability is zero at every temperature.
fn log_probabilities(logits: &[f32], label: usize, temperature: f64) -> Option<Vec<f64>> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !is_answer(logits) || !top.is_finite() || logits.get(label).is_none_or(|z| !z.is_finite()) {
        return None;
    }
    let scaled: Vec<f64> = logits.iter().map(|&z| (f64::from(z) - f64::from(top)) / temperature).collect();
    let log_sum = scaled.iter().map(|z| z.exp()).sum::<f64>().ln();
    Some(scaled.into_iter().map(|z| z - log_sum).collect())
}
