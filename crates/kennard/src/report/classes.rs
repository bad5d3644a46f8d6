//! Accuracy class by class, and the confusion matrix.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audit::{Record, RunState};
use crate::stats::clopper_pearson;

/// Columns of one entry for each class that occurs.
#[derive(Serialize)]
pub(super) struct Classes {
    label: Vec<usize>,
    /// The classes' names, by label; empty where the data set has none.
    names: Vec<String>,
    samples: Vec<u64>,
    correct: Vec<u64>,
    clean_interval: Vec<[f64; 2]>,
    /// How many no attack breaks; null where there was no attack.
    robust: Option<Vec<u64>>,
    robust_interval: Option<Vec<[f64; 2]>>,
    /// Label, prediction, and how many samples, at the samples themselves.
    confusion: Vec<[usize; 3]>,
    /// Label, prediction, and how many samples, under attack.
    confusion_under_attack: Option<Vec<[usize; 3]>>,
}

impl Classes {
    /// Nothing before the model was asked about all samples; nothing of attacks while some are pending.
    pub fn new(state: &RunState) -> Option<Classes> {
        let (summary, records) = (&state.outcome.summary, &state.outcome.records);
        if summary.clean.pending > 0 {
            return None;
        }
        let attacked = summary.robust.is_some() && summary.is_whole();
        let mut counts: BTreeMap<usize, [u64; 3]> = BTreeMap::new();
        for record in records {
            let [samples, correct, robust] = counts.entry(record.label).or_default();
            *samples += 1;
            *correct += u64::from(record.is_correct());
            *robust += u64::from(record.is_robust());
        }
        let column = |i: usize| counts.values().map(|count| count[i]).collect::<Vec<u64>>();
        let intervals = |i: usize| counts.values().map(|c| clopper_pearson(c[i], c[0])).collect();
        Some(Classes {
            label: counts.keys().copied().collect(),
            names: state.manifest.about.classes.clone(),
            samples: column(0),
            correct: column(1),
            clean_interval: intervals(1),
            robust: attacked.then(|| column(2)),
            robust_interval: attacked.then(|| intervals(2)),
            confusion: confusion(records, |record| record.prediction),
            confusion_under_attack: attacked.then(|| confusion(records, Record::prediction_under_attack)),
        })
    }
}

/// Samples that could not be evaluated are left out.
fn confusion(records: &[Record], prediction: fn(&Record) -> Option<usize>) -> Vec<[usize; 3]> {
    let mut counts: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    for (record, prediction) in records.iter().filter_map(|record| Some((record, prediction(record)?))) {
        *counts.entry([record.label, prediction]).or_default() += 1;
    }
    counts.into_iter().map(|([label, prediction], count)| [label, prediction, count]).collect()
}
