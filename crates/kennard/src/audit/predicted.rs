//! Distances to the decision boundary: predicted, and found.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::predictions::{Predictions, Predictor};
use super::{Audit, Outcome, Record, Warning};
use crate::data::Selection;
use crate::error::with_causes;
use crate::stats::{median, spearman};
use crate::survey::{DistanceEffort, PacketKind, Survey};
use crate::{Figure, Norm, Result};

/// Points for mean slopes, and weighted samples for the smoothed radius.
const SLOPES: usize = 32;
const RADIUS: usize = 500;

/// Predicted and found distances to the decision boundary, over the samples at which they were measured and that are
/// classified correctly. In medians, a distance that was not found counts as infinite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedDistances {
    /// The window's width `s`.
    pub scale: f64,
    /// These samples.
    pub samples: u64,
    /// The kind of prediction: `smoothed radius` in l2, where at least nine of ten samples have one, else `packet distance`, and
    /// `first order` where that is what nine of ten have.
    pub predicted_by: String,
    /// How the distances were found: `attack`, the closest of the minimum-norm attacks, or `boundary search`, which leaves the bounds of the input
    /// aside, as predictions do, and bounds no distance within a threat model.
    pub found_by: String,
    /// The median of the predicted distances, its interval over samples; fewer than 6 have none.
    pub predicted: Figure,
    /// The median of those found.
    pub found: Figure,
    /// The median of margin over slope at the samples themselves; null where it is infinite.
    pub first_order: Option<Figure>,
    /// Spearman's rank correlation of predicted and found distances, of the samples with both; null where there are too few.
    pub correlation: Option<Figure>,
}

impl Record {
    /// The distance found: by minimum-norm attacks if there are any, else by the boundary search; infinite where there is none.
    fn found(&self) -> f64 {
        match self.minimal.is_empty() {
            true => self.predictions.searched.unwrap_or(f64::INFINITY),
            false => self.distance(),
        }
    }
}

impl PredictedDistances {
    /// The distances of all records that were measured; none where no record was.
    pub(super) fn of(records: &[Record], norm: Norm, scale: f64) -> Option<PredictedDistances> {
        let measured = |record: &&Record| {
            record.is_correct() && !record.pending && record.predictions != Predictions::default()
        };
        let measured: Vec<&Record> = records.iter().filter(measured).collect();
        let predictions: Vec<&Predictions> = measured.iter().map(|record| &record.predictions).collect();
        let predictor = Predictor::of(&predictions, norm);
        let figure = |of: &dyn Fn(&Record) -> f64| {
            let (value, interval) = median(measured.iter().map(|record| of(record)))?;
            Some(Figure::perhaps(value, interval))
        };
        let or_infinite = |distance: Option<f64>| distance.unwrap_or(f64::INFINITY);
        let attacked = measured.iter().any(|record| !record.minimal.is_empty());
        let mut distances = PredictedDistances {
            scale,
            samples: measured.len() as u64,
            predicted_by: predictor.name().into(),
            found_by: if attacked { "attack" } else { "boundary search" }.into(),
            predicted: figure(&|record| or_infinite(record.predictions.by(predictor)))?,
            found: figure(&Record::found)?,
            first_order: figure(&|record| or_infinite(record.predictions.first_order))
                .filter(|median| median.value.is_finite()),
            correlation: None,
        };
        let pairs = measured.iter().filter_map(|record| distances.of_sample(record));
        let pairs: Vec<(f64, f64)> = pairs.map(|[predicted, found]| (predicted, found)).collect();
        distances.correlation = spearman(&pairs).map(|(value, interval)| Figure::new(value, interval));
        Some(distances)
    }

    /// The predicted and the found distance of a sample, where there are both; none of a sample that is misclassified.
    pub fn of_sample(&self, record: &Record) -> Option<[f64; 2]> {
        let predicted = record.predictions.by(Predictor::named(&self.predicted_by)?)?;
        let pair = [predicted, record.found()];
        (record.is_correct() && pair[1].is_finite()).then_some(pair)
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
                 {passes} are left of a budget as large as the attacks' passes"
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
        // The distances at the first centres alone would pass for those at all.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample with a packet distance, a smoothed radius where it has one, and a search's crossing where it found one.
    fn record(packet: f64, radius: Option<f64>, searched: Option<f64>) -> Record {
        let predictions = Predictions { packet: Some(packet), radius, searched, ..Predictions::default() };
        Record { prediction: Some(0), predictions, ..Record::default() }
    }

    /// A radius that one sample of ten lacks predicts, and that sample's is infinite; one that two lack does not.
    #[test]
    fn few_smoothed_radii_predict_nothing() {
        let of = |radii: usize, norm: Norm| {
            let radius = |i: usize| (i < radii).then_some(i as f64);
            let records: Vec<Record> =
                (0..10).map(|i| record(10.0 + i as f64, radius(i), Some(20.0 + i as f64))).collect();
            PredictedDistances::of(&records, norm, 0.1).unwrap()
        };
        let [nearly_all, few] = [9, 8].map(|radii| of(radii, Norm::L2));
        assert_eq!((nearly_all.predicted_by.as_str(), nearly_all.predicted.value), ("smoothed radius", 4.5));
        assert_eq!((few.predicted_by.as_str(), few.predicted.value), ("packet distance", 14.5));
        assert_eq!((nearly_all.samples, few.samples, few.found.value), (10, 10, 24.5));
        assert!(few.correlation.unwrap().value > 0.999);
        assert_eq!(of(10, Norm::Linf).predicted_by, "packet distance");
    }

    /// Where most searches find nothing, so does their median; misclassified samples and those that were not measured are
    /// left out.
    #[test]
    fn what_is_not_found_is_infinite() {
        let mut records =
            vec![record(1.0, None, Some(1.0)), record(2.0, None, None), record(3.0, None, None)];
        records.push(Record { prediction: Some(0), ..Record::default() });
        records.push(Record { prediction: Some(1), ..record(4.0, None, Some(0.0)) });
        let found = PredictedDistances::of(&records, Norm::L2, 0.1).unwrap();
        assert_eq!((found.samples, found.predicted.value, found.found.value), (3, 2.0, f64::INFINITY));
        assert_eq!(found.of_sample(&records[0]), Some([1.0, 1.0]));
        assert!(records[1..].iter().all(|record| found.of_sample(record).is_none()));
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<PredictedDistances>(&text).unwrap().found.value, f64::INFINITY);
        assert!(PredictedDistances::of(&records[3..], Norm::L2, 0.1).is_none());
    }
}
