use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certified::CertifiedBy;
use super::{Distances, Record};
use crate::Figure;
use crate::certify::BoundMethod;
use crate::figure::paired;
use crate::stats::clopper_pearson;

/// How far around samples is proved, in the threat model's norm. A sample that is misclassified from the start has the
/// radius 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertifiedRadii {
    /// How many samples' radii are not known yet.
    pub pending: u64,
    /// Around how many samples something is proved.
    pub positive: u64,
    /// The quartiles over all samples; null where no bound is needed, all inputs being certified, and while some are pending.
    pub quartiles: [Option<f64>; 3],
    /// Certified and robust accuracy against epsilon, of the same samples; empty while some are pending.
    pub curve: Vec<CertifiedPoint>,
    /// The methods, and of how many samples each proved the radius. Radii are sought by bisection, to a hundredth, by all but
    /// α-CROWN, which counts where it certified epsilon itself.
    pub methods: Vec<CertifiedBy>,
}

/// What is proved and what attacks left at one epsilon, each with its Clopper–Pearson interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertifiedPoint {
    /// The largest size of a perturbation.
    pub eps: f64,
    /// The share of samples that are certified there.
    #[serde(flatten, with = "paired::certified_accuracy")]
    pub certified_accuracy: Figure,
    /// The share of samples that no minimum-norm attack broke at this distance or nearer.
    #[serde(flatten, with = "paired::robust_accuracy")]
    pub robust_accuracy: Figure,
}

/// Steps of the curve, from zero to the largest distance.
const STEPS: usize = 40;

impl CertifiedRadii {
    /// Before the first sample.
    pub(super) fn blank(last: BoundMethod) -> CertifiedRadii {
        CertifiedRadii {
            pending: 0,
            positive: 0,
            quartiles: [None; 3],
            curve: Vec::new(),
            methods: CertifiedBy::blank(last),
        }
    }

    /// The time that methods took, summed over this many workers.
    pub(super) fn take_times(&mut self, times: &BTreeMap<BoundMethod, Duration>, workers: usize) {
        CertifiedBy::take_times(&mut self.methods, times, workers);
    }

    /// Fills in all figures that follow from the records; of `unseen` samples there is none yet, `unfinished` are not done
    /// with. A sample that an attack broke where that is proved to be impossible counts as broken.
    pub(super) fn count(&mut self, records: &[Record], unseen: u64, unfinished: u64) {
        let radii = || records.iter().map(|record| record.radius.unwrap_or_default());
        let lacking = records.iter().filter(|record| record.pending && record.radius.is_none());
        self.pending = unseen + lacking.count() as u64;
        self.positive = radii().filter(|found| found.radius > 0.0).count() as u64;
        for by in &mut self.methods {
            let own = radii().filter(|found| found.radius > 0.0 && found.method.name() == by.name);
            by.certified = own.count() as u64;
        }
        self.quartiles = match self.pending {
            0 => Distances::of(radii().map(|found| found.radius)).quartiles,
            _ => [None; 3],
        };
        self.curve = if unfinished == 0 { curve(records) } else { Vec::new() };
    }
}

fn curve(records: &[Record]) -> Vec<CertifiedPoint> {
    let radius = |record: &Record| record.radius.map_or(0.0, |found| found.radius);
    let largest = records.iter().flat_map(|record| [radius(record), record.distance()]);
    let largest = largest.filter(|distance| distance.is_finite()).fold(0.0, f64::max);
    let share = |of: &dyn Fn(&Record) -> bool| {
        let count = records.iter().filter(|record| of(record)).count();
        let total = records.len();
        let interval = clopper_pearson(count as u64, total as u64);
        Figure::new(count as f64 / total.max(1) as f64, interval)
    };
    let point = |step: usize| {
        let eps = largest * step as f64 / STEPS as f64;
        let stands = |record: &Record| record.distance() > eps;
        let certified_accuracy = share(&|record| record.is_certified_within(eps) && stands(record));
        CertifiedPoint { eps, certified_accuracy, robust_accuracy: share(&stands) }
    };
    if largest > 0.0 { (0..=STEPS).map(point).collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::super::AttackRecord;
    use super::*;
    use crate::certify::CertifiedRadius;

    /// Four samples: one is proved up to half of its distance, one not at all, one everywhere, and one is misclassified.
    #[test]
    fn what_is_proved_stays_below_what_is_found() {
        let record = |index, radius: Option<f64>, norm: Option<f64>| Record {
            index,
            prediction: Some(usize::from(radius.is_none())),
            radius: radius.map(|radius| CertifiedRadius { radius, method: BoundMethod::Crown }),
            minimal: vec![radius.map(|_| AttackRecord {
                norm,
                broken: norm.is_some(),
                ..AttackRecord::default()
            })],
            ..Record::default()
        };
        let mut records = vec![
            record(0, Some(0.2), Some(0.4)),
            record(1, Some(0.0), Some(0.1)),
            record(2, Some(f64::INFINITY), None),
            record(3, None, None),
        ];
        let mut radii = CertifiedRadii::blank(BoundMethod::TIGHTEST);
        radii.count(&records, 0, 0);
        assert_eq!((radii.pending, radii.positive), (0, 2));
        assert_eq!(radii.quartiles, [Some(0.0), Some(0.0), Some(0.2)]);
        let at = |eps: f64| {
            let point = radii.curve.iter().find(|point| (point.eps - eps).abs() < 1e-12).unwrap();
            [point.certified_accuracy, point.robust_accuracy].map(|share| share.value)
        };
        assert_eq!([at(0.0), at(0.1), at(0.2), at(0.4)], [[0.5, 0.75], [0.5, 0.5], [0.5, 0.5], [0.25, 0.25]]);
        assert_eq!(radii.methods.iter().map(|by| by.certified).collect::<Vec<_>>(), [0, 0, 2, 0]);

        // A point where none can be is a contradiction, and counts as found.
        records[0].minimal[0].as_mut().unwrap().norm = Some(0.15);
        assert!(records[0].is_contradicted() && !records[1].is_contradicted());
        radii.count(&records, 0, 0);
        assert!(
            radii.curve.iter().all(|point| point.certified_accuracy.value <= point.robust_accuracy.value)
        );
        radii.count(&records, 1, 1);
        assert!(radii.pending == 1 && radii.curve.is_empty() && radii.quartiles == [None; 3]);
    }
}
