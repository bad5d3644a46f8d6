//! The single-backward probe: what one gradient per sample says of a network.
//!
//! After *Neural Uncertainty Principle* (arXiv 2603.19562), in these definitions. `x` is a sample as
//! the data set has it (not centred), `l` the cross-entropy of its label, `g = ∂ ln l`:
//!
//! ```text
//! cosine of a sample               cos(x, ∂l) = x·∂l / (‖x‖ ‖∂l‖)      in [−1, 1]
//! contribution of a component      |x_i g_i|                           without unit
//! contribution of a sample         Σ_i |x_i g_i|
//! ```
//!
//! `∂l` is taken as the gradient of the log-odds loss `u`, which has its direction (`l = ln(1 + eᵘ)`)
//! and does not vanish where the network is confident; `g = ∂u · sigmoid(u)/l`. A sample has no
//! cosine when it is zero or its gradient is; those are counted apart. The sign of the cosine depends
//! on where the zero of the input is: for images, on black being zero.

#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;

use kennard_graph::Loss;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, is_answer, predict};
use crate::data::{DataSet, Indices, Sample, Selection};
use crate::engine::{Engine, Oracle, Query, Task};
use crate::packet::log_loss::log_softplus;
use crate::packet::vector::dot;
use crate::stats::{mean, quantile};
use crate::{Figure, Result};

/// Measures the single-backward probe of a classifier: one forward and one backward pass per sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Which samples; all by default.
    pub samples: Selection,
    /// Only samples of this label: the selection is one among these.
    pub label: Option<usize>,
}

/// The probe at one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProbeRecord {
    /// The place in the data set.
    pub index: usize,
    /// The label.
    pub label: usize,
    /// Whether the classifier returns the label.
    pub correct: bool,
    /// `cos(x, ∂l)`; none where `x` or `∂l` is zero, or `l` or `∂l` not finite.
    pub cosine: Option<f64>,
    /// `Σ_i |x_i g_i|`; none where `l` or `∂l` is not finite.
    pub contribution: Option<f64>,
}

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    /// How many samples were probed.
    pub samples: u64,
    /// How many were to be.
    pub total: u64,
    /// Whether these are all.
    pub complete: bool,
    /// How many are classified correctly.
    pub correct: u64,
    /// How many have no cosine.
    pub without_cosine: u64,
    /// How many of these have none because the loss or its gradient is not finite there; they are in no
    /// figure.
    pub not_finite: u64,
    /// The cosines; none where no sample has one.
    pub cosine: Option<Distribution>,
    /// How many cosines fall where.
    pub cosine_histogram: Counts,
    /// The samples' contributions `Σ_i |x_i g_i|`.
    pub contribution: Option<Distribution>,
    /// The mean over samples of each component's contribution `|x_i g_i|` (d), in the input's order.
    #[serde(skip)]
    pub contribution_map: Vec<f64>,
    /// Every sample's figures.
    #[serde(skip)]
    pub records: Vec<ProbeRecord>,
}

/// Counts in bins of equal width.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// The lower end of the first and the upper end of the last bin.
    pub ends: [f64; 2],
    /// How many values are in each bin.
    pub counts: Vec<u64>,
}

/// Bins of the histogram of cosines.
const BINS: usize = 40;

impl Counts {
    /// The bins lie around zero and end at the least of 1, ½, 1/5, 1/10, 1/20, ... that holds all the
    /// cosines: in many dimensions they are small.
    pub(crate) fn of(cosines: &[f64]) -> Counts {
        let largest = cosines.iter().map(|cosine| cosine.abs()).fold(0.0, f64::max);
        let ends = (0..6).flat_map(|power| [1.0, 2.0, 5.0].map(|part| 1.0 / (part * 10f64.powi(power))));
        let end = ends.take_while(|end| *end >= largest).last().unwrap_or(1.0);
        let mut counts = vec![0; BINS];
        for cosine in cosines {
            let bin = ((cosine / end + 1.0) / 2.0 * BINS as f64) as usize;
            counts[bin.min(BINS - 1)] += 1;
        }
        Counts { ends: [-end, end], counts }
    }
}

/// The cosines of samples and their loss gradients, as other measurements report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cosines {
    /// How many samples were probed.
    pub samples: u64,
    /// How many of them have no cosine: the sample or its gradient is zero, or the gradient not finite.
    pub without: u64,
    /// The cosines; none where no sample has one.
    pub cosine: Option<Distribution>,
}

impl Cosines {
    /// The cosines of samples, in the order of the samples.
    pub fn of(cosines: impl Iterator<Item = Option<f64>>) -> Cosines {
        let all: Vec<Option<f64>> = cosines.collect();
        let found: Vec<f64> = all.iter().copied().flatten().collect();
        let without = (all.len() - found.len()) as u64;
        Cosines { samples: all.len() as u64, without, cosine: Distribution::of(&found) }
    }
}

/// How values are distributed over samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The mean.
    pub mean: f64,
    /// Student's 95 % interval of the mean over the population of samples; none for one sample.
    pub mean_interval: Option<[f64; 2]>,
    /// The smallest value.
    pub min: f64,
    /// The quantile of 5 %, as all of them interpolated linearly between the sorted values (`h = (n − 1) p`).
    pub q05: f64,
    /// The quantile of 25 %.
    pub q25: f64,
    /// The median.
    pub median: f64,
    /// The quantile of 75 %.
    pub q75: f64,
    /// The quantile of 95 %.
    pub q95: f64,
    /// The largest value.
    pub max: f64,
}

impl Distribution {
    /// The distribution of finite values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Distribution> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let quantile = |p: f64| quantile(&sorted, p);
        let interval = (values.len() > 1).then(|| Figure::mean(values).interval);
        Some(Distribution {
            mean: mean(values),
            mean_interval: interval,
            min,
            q05: quantile(0.05),
            q25: quantile(0.25),
            median: quantile(0.5),
            q75: quantile(0.75),
            q95: quantile(0.95),
            max,
        })
    }
}

impl Probe {
    /// Probes `data`. `stop` ends it early, with the samples finished by then; `progress` hears how
    /// many are done.
    ///
    /// # Errors
    /// When data and model do not fit, or a runtime fails.
    pub fn measure(
        &self,
        engine: &Engine,
        data: &DataSet,
        stop: &AtomicBool,
        mut progress: impl FnMut(u64),
    ) -> Result<ProbeReport> {
        let task = |oracle: Oracle, sample: Sample| -> Task<'_, (ProbeRecord, Vec<f64>)> {
            Box::pin(async move { Ok(probe(&sample, &oracle.ask(query(&sample, sample.label)).await)) })
        };
        let mut records = Vec::new();
        let mut map = vec![0.0; engine.classifier().dimension()];
        let indices: Indices = match self.label {
            None => self.samples.indices(data.len()),
            Some(label) => Box::new(self.samples.among(&data.indices_of(label)?).into_iter()),
        };
        let total = indices.len() as u64;
        engine.run_in_order(labelled(engine, data, indices)?, task, stop, |(record, contributions)| {
            map.iter_mut().zip(contributions).for_each(|(sum, c)| *sum += c);
            records.push(record);
            progress(records.len() as u64);
            Ok(())
        })?;
        let contributing = records.iter().filter(|record| record.contribution.is_some()).count();
        map.iter_mut().for_each(|sum| *sum /= contributing.max(1) as f64);
        Ok(report(records, map, total))
    }
}

fn report(records: Vec<ProbeRecord>, contribution_map: Vec<f64>, total: u64) -> ProbeReport {
    let cosines: Vec<f64> = records.iter().filter_map(|record| record.cosine).collect();
    let contributions: Vec<f64> = records.iter().filter_map(|record| record.contribution).collect();
    ProbeReport {
        samples: records.len() as u64,
        total,
        complete: records.len() as u64 == total,
        correct: records.iter().filter(|record| record.correct).count() as u64,
        without_cosine: (records.len() - cosines.len()) as u64,
        not_finite: (records.len() - contributions.len()) as u64,
        cosine: Distribution::of(&cosines),
        cosine_histogram: Counts::of(&cosines),
        contribution: Distribution::of(&contributions),
        contribution_map,
        records,
    }
}

/// The probe at a sample, and `|x_i g_i|` (d); nothing of that where the loss or its gradient is not finite.
fn probe(sample: &Sample, answer: &Answer) -> (ProbeRecord, Vec<f64>) {
    let slope = log_softplus(f64::from(answer.loss)).1;
    let pairs = sample.input.iter().zip(&answer.gradient);
    let contributions: Vec<f64> =
        pairs.map(|(&x, &du)| (f64::from(x) * slope * f64::from(du)).abs()).collect();
    let finite = is_finite(answer);
    let contributions = if finite { contributions } else { Vec::new() };
    let record = ProbeRecord {
        index: sample.index,
        label: sample.label,
        correct: predict(&answer.logits) == sample.label,
        cosine: cosine(&sample.input, &answer.gradient).filter(|_| finite),
        contribution: finite.then(|| contributions.iter().sum()),
    };
    (record, contributions)
}

/// `cos(x, ∂l)` (d each); none where either is zero, or the gradient not finite.
pub(crate) fn cosine(x: &[f32], gradient: &[f32]) -> Option<f64> {
    let double = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| f64::from(v)).collect() };
    let (x, gradient) = (double(x), double(gradient));
    let norms = dot(&x, &x).sqrt() * dot(&gradient, &gradient).sqrt();
    (norms > 0.0 && norms.is_finite()).then(|| (dot(&x, &gradient) / norms).clamp(-1.0, 1.0))
}

/// The logits, log-odds loss of `label` and gradient at a sample; none where the model has no answer there, or
/// loss or gradient is not finite (a loss of −∞ is).
pub(super) async fn ask(oracle: &Oracle, sample: &Sample, label: usize) -> Option<Answer> {
    let answer = oracle.ask(query(sample, label)).await;
    (is_answer(&answer.logits) && is_finite(&answer)).then_some(answer)
}

/// What asks for the logits, log-odds loss of `label` and gradient at a sample.
fn query(sample: &Sample, label: usize) -> Query {
    Query::gradient(Loss::LogOdds, sample.input.clone(), label)
}

/// Whether loss and gradient are finite, except a loss of −∞.
fn is_finite(answer: &Answer) -> bool {
    answer.gradient.iter().all(|g| g.is_finite()) && answer.loss < f32::INFINITY
}

/// The samples at `indices`, labels checked against the classifier.
pub(crate) fn labelled<'a>(
    engine: &'a Engine,
    data: &DataSet,
    indices: Indices,
) -> Result<impl Iterator<Item = Result<Sample>> + Send + use<'a>> {
    let classifier = engine.classifier();
    Ok(data.at(indices)?.map(move |sample| {
        let sample = sample?;
        classifier.check_label(sample.index, sample.label)?;
        Ok(sample)
    }))
}
