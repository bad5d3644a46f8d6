//! Distances to the decision boundary: predicted, and found.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::predictions::Predictions;
use super::{Audit, Outcome, Record, Warning};
use crate::data::Selection;
use crate::error::with_causes;
use crate::stats::{median, spearman};
use crate::survey::{DistanceEffort, PacketKind, Survey};
use crate::{Figure, Norm, Result};

/// Points for mean slopes, and weighted samples for the smoothed radius.
const SLOPES: usize = 32;
const RADIUS: usize = 500;

/// Predicted and found distances to the decision boundary, over the samples at which they were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedDistances {
    /// The window's width `s`.
    pub scale: f64,
    /// Samples with both distances.
    pub samples: u64,
    /// What predicts: `smoothed radius` in l2, else `packet distance`.
    pub predicted_by: String,
    /// What found: `attack`, the closest of the minimum-norm attacks, or `boundary search`, which leaves the bounds of the input
    /// aside, as predictions do, and bounds no distance within a threat model.
    pub found_by: String,
    /// The median of the predicted distances, its interval over samples; fewer than 6 have none.
    pub predicted: Figure,
    /// The median of those found.
    pub found: Figure,
    /// The median of margin over slope at the samples themselves; null where a slope vanishes.
    pub first_order: Option<Figure>,
    /// Spearman's rank correlation of predicted and found distances; null where there are too few.
    pub correlation: Option<Figure>,
}

impl Record {
    /// The predicted and the found distance of the sample, where there are both: found by minimum-norm attacks if there
    /// are any, else by the boundary search. None of a sample that is misclassified.
    pub fn distances(&self, norm: Norm) -> Option<[f64; 2]> {
        let found = match self.minimal.is_empty() {
            true => self.predictions.searched?,
            false => self.distance(),
        };
        let pair = [self.predictions.predicted(norm)?, found];
        (self.is_correct() && found.is_finite()).then_some(pair)
    }
}

impl PredictedDistances {
    /// Of all records that have both; none where no record has.
    pub(super) fn of(records: &[Record], norm: Norm, scale: f64) -> Option<PredictedDistances> {
        let pairs: Vec<[f64; 2]> = records.iter().filter_map(|record| record.distances(norm)).collect();
        let figure = |values: &mut dyn Iterator<Item = f64>| {
            median(values).map(|(value, interval)| Figure::perhaps(value, interval))
        };
        let both: Vec<(f64, f64)> = pairs.iter().map(|[a, b]| (*a, *b)).collect();
        let measured = records.iter().filter(|record| record.distances(norm).is_some());
        let attacked = records.iter().any(|record| !record.minimal.is_empty());
        Some(PredictedDistances {
            scale,
            samples: pairs.len() as u64,
            predicted_by: if norm == Norm::L2 { "smoothed radius" } else { "packet distance" }.into(),
            found_by: if attacked { "attack" } else { "boundary search" }.into(),
            predicted: figure(&mut pairs.iter().map(|pair| pair[0]))?,
            found: figure(&mut pairs.iter().map(|pair| pair[1]))?,
            first_order: figure(&mut measured.filter_map(|record| record.predictions.first_order)),
            correlation: spearman(&both).map(|(value, interval)| Figure::new(value, interval)),
        })
    }
}

impl Audit<'_> {
    /// Measures distances at those centres of the first plan's packets that are among the records, as far as the passes go
    /// that the packets leave; what they do not allow is said.
    pub(super) fn measure_distances(&self, outcome: &mut Outcome, stop: &AtomicBool) -> Result<()> {
        let Outcome { summary, records, .. } = outcome;
        let Some(plan) = self.packets.first().filter(|plan| plan.samples > 0) else { return Ok(()) };
        let passes = self.left_by_packets(plan, summary);
        let available = self.samples.count(self.data.len()).min(plan.centres);
        let norm = self.threat.norm;
        let effort = DistanceEffort { slopes: SLOPES, radius: RADIUS, errors: None, norm };
        let each = effort.passes(self.engine.classifier().classes());
        let centres = available.min(passes / each);
        if centres < available {
            let message = format!(
                "distances to the boundary are predicted at {centres} of {available} centres: each takes {each} passes, and \
                 {passes} are left of as many as the attacks took"
            );
            summary.warnings.push(Warning::new("distance-budget", message));
        }
        if centres == 0 {
            return Ok(());
        }
        let survey = Survey {
            scales: vec![plan.scale],
            centres: Selection::Random { count: centres, seed: self.seed },
            among: self.samples,
            without: self.without.clone(),
            stratified: true,
            seed: self.seed,
            ..Survey::new(self.engine, self.data, PacketKind::Gaussian)
        };
        let mine = |place: usize| records.binary_search_by_key(&place, |record| record.index).is_ok();
        let measured = match survey.distances(effort, mine, stop) {
            Ok(measured) => measured,
            Err(error) => {
                let message =
                    format!("distances to the boundary cannot be predicted: {}", with_causes(&error));
                summary.warnings.push(Warning::new("distances-failed", message));
                return Ok(());
            }
        };
        // Those of the first centres alone would pass for those of all.
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        for (place, measured) in measured {
            if let (Ok(measured), Ok(at)) =
                (measured, records.binary_search_by_key(&place, |record| record.index))
            {
                records[at].predictions = Predictions::new(&measured, norm);
            }
        }
        summary.distances = PredictedDistances::of(records, norm, plan.scale);
        Ok(())
    }
}
