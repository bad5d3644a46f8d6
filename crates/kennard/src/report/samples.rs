//! The table of single samples, and the distribution of their distances.

use serde::Serialize;

use crate::audit::RunState;

/// Columns of one entry for each sample that is shown: the first ones.
#[derive(Serialize)]
pub(super) struct SampleTable {
    index: Vec<usize>,
    label: Vec<usize>,
    /// Null where the model has no answer.
    prediction: Vec<Option<usize>>,
    margin: Vec<Option<f64>>,
    /// What it is taken for under attack.
    attacked: Vec<Option<usize>>,
    /// The attack that broke it first, by its place in the summary, minimum-norm attacks last; null where none did.
    broken_by: Vec<Option<usize>>,
    /// Whether attacks on it are still to come.
    pending: Vec<bool>,
    /// Points evaluated until it was broken, or in all.
    passes: Vec<u64>,
    /// The closest adversarial point of a minimum-norm attack, where there was one.
    distance: Option<Vec<Option<f64>>>,
}

impl SampleTable {
    pub fn new(state: &RunState, rows: usize) -> SampleTable {
        let (summary, records) = (&state.outcome.summary, &state.outcome.records);
        let records = &records[..rows.min(records.len())];
        let passes = |record: &crate::audit::Record| {
            let all = record.attacks.len() + record.minimal.len();
            let tried = record.broken_by().map_or(all, |i| i + 1);
            let attacks = record.attacks.iter().chain(&record.minimal);
            attacks.take(tried).flatten().map(|a| a.forwards + a.backwards).sum()
        };
        let distance = |record: &crate::audit::Record| rounded(record.distance()).filter(|_| !record.pending);
        SampleTable {
            index: records.iter().map(|r| r.index).collect(),
            label: records.iter().map(|r| r.label).collect(),
            prediction: records.iter().map(|r| r.prediction).collect(),
            margin: records.iter().map(|r| rounded(f64::from(r.margin))).collect(),
            attacked: records.iter().map(|r| r.prediction_under_attack()).collect(),
            broken_by: records.iter().map(crate::audit::Record::broken_by).collect(),
            pending: records.iter().map(|r| r.pending).collect(),
            passes: records.iter().map(passes).collect(),
            distance: (!summary.minimal.is_empty()).then(|| records.iter().map(distance).collect()),
        }
    }
}

/// Predicted and found distances to the decision boundary, one entry per sample that has both.
#[derive(Serialize)]
pub(super) struct DistancePairs {
    index: Vec<usize>,
    predicted: Vec<f64>,
    found: Vec<f64>,
}

impl DistancePairs {
    /// The pairs of all samples that have both distances; nothing where none has.
    pub fn new(state: &RunState) -> Option<DistancePairs> {
        let distances = state.outcome.summary.distances.as_ref()?;
        let mut pairs = DistancePairs { index: Vec::new(), predicted: Vec::new(), found: Vec::new() };
        for record in &state.outcome.records {
            if let Some([predicted, found]) = distances.of_sample(record) {
                pairs.index.push(record.index);
                pairs.predicted.push(predicted);
                pairs.found.push(found);
            }
        }
        (!pairs.index.is_empty()).then_some(pairs)
    }
}

/// Five significant digits: enough for a table, and half the size.
fn rounded(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.4e}").parse().unwrap_or(value))
}

/// How many samples are how far from their closest adversarial point.
#[derive(Serialize)]
pub(super) struct DistanceHistogram {
    /// The lower end of the first and the upper end of the last bin.
    ends: [f64; 2],
    counts: Vec<u64>,
    /// Misclassified from the start.
    zero: u64,
    /// No adversarial point was found.
    none: u64,
}

const BINS: usize = 40;

impl DistanceHistogram {
    /// The distances of all samples; nothing while some are pending, or where no minimum-norm attack found a
    /// point.
    pub fn of_distances(state: &RunState) -> Option<DistanceHistogram> {
        if state.outcome.summary.minimal.is_empty() || !state.outcome.summary.is_whole() {
            return None;
        }
        let distances: Vec<f64> = state.outcome.records.iter().map(|record| record.distance()).collect();
        let largest = distances.iter().copied().filter(|d| d.is_finite()).fold(0.0, f64::max);
        if largest <= 0.0 {
            return None;
        }
        let mut histogram =
            DistanceHistogram { ends: [0.0, largest], counts: vec![0; BINS], zero: 0, none: 0 };
        for distance in distances {
            if distance.is_infinite() {
                histogram.none += 1;
            } else if distance == 0.0 {
                histogram.zero += 1;
            } else {
                let bin = (distance / largest * BINS as f64) as usize;
                histogram.counts[bin.min(BINS - 1)] += 1;
            }
        }
        Some(histogram)
    }
}
