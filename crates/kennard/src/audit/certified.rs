use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::certify::BoundMethod;
use crate::stats::Share;

/// What is proved. The truth, how many samples no point within epsilon breaks, lies between this and what attacks leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certified {
    /// How many samples are certified: classified correctly, and so is every point within epsilon, in real arithmetic. One that
    /// an attack broke all the same is not among them.
    pub certified: u64,
    /// Of how many samples it is not known yet whether they are.
    pub pending: u64,
    /// The share of all samples that are certified; null while some are pending.
    pub certified_accuracy: Option<f64>,
    /// What this share lies between, whatever the pending samples turn out to be.
    pub bracket: [f64; 2],
    /// Its Clopper–Pearson interval; null while some are pending.
    pub interval: Option<[f64; 2]>,
    /// The methods, in the order in which they are tried on what those before did not certify.
    pub methods: Vec<CertifiedBy>,
    /// Samples that are certified and that an attack broke, by their places: certified in real arithmetic, broken as the runtime
    /// rounds, or a fault. They count as broken.
    pub contradicted: Vec<usize>,
    /// How many of those that are certified are so for single precision too, every operation rounded to nearest, sums taken in any
    /// order: at least as many, as tighter bounds are not tried for this alone unless they are cheap. Absent where that is not known,
    /// of all certified samples: records of an earlier version do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_floats: Option<u64>,
}

/// What one method of bounds proved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertifiedBy {
    /// Its name.
    pub name: String,
    /// How many samples it certified.
    pub certified: u64,
    /// Its share of the wall-clock time, that of an interrupted run before not included.
    pub seconds: f64,
}

impl Certified {
    /// Before the first sample.
    pub(super) fn blank(last: BoundMethod) -> Certified {
        Certified {
            certified: 0,
            pending: 0,
            certified_accuracy: None,
            bracket: [0.0, 1.0],
            interval: None,
            methods: CertifiedBy::blank(last),
            contradicted: Vec::new(),
            in_floats: None,
        }
    }

    /// Fills in all figures that follow from the records; of `unseen` samples there is none yet.
    pub(super) fn count(&mut self, records: &[Record], unseen: u64, total: u64) {
        let number = |of: &dyn Fn(&Record) -> bool| records.iter().filter(|record| of(record)).count() as u64;
        let stands = |record: &Record| record.is_certified() && !record.is_contradicted();
        let pending = unseen + number(&|record| record.pending && record.bound.is_none());
        let share = Share { count: number(&stands), pending, total };
        self.certified = share.count;
        self.pending = pending;
        self.certified_accuracy = share.known();
        self.bracket = share.bracket();
        self.interval = share.interval();
        for by in &mut self.methods {
            let own = |record: &Record| record.bound.is_some_and(|bound| bound.method.name() == by.name);
            by.certified = number(&|record| stands(record) && own(record));
        }
        let contradicted = records.iter().filter(|record| record.is_contradicted());
        self.contradicted = contradicted.map(|record| record.index).collect();
        let in_floats = |record: &Record| record.bound.and_then(|bound| bound.in_floats);
        let mut proved = records.iter().filter(|record| record.is_certified()).peekable();
        let known = proved.peek().is_some() && proved.all(|record| in_floats(record).is_some());
        self.in_floats = known.then(|| number(&|record| stands(record) && in_floats(record) == Some(true)));
    }
}

impl CertifiedBy {
    /// The methods up to one, before the first sample.
    pub(super) fn blank(last: BoundMethod) -> Vec<CertifiedBy> {
        let blank =
            |method: BoundMethod| CertifiedBy { name: method.to_string(), certified: 0, seconds: 0.0 };
        last.up_to().map(blank).collect()
    }

    /// The time that methods took, summed over this many workers.
    pub(super) fn take_times(
        methods: &mut [CertifiedBy],
        times: &BTreeMap<BoundMethod, Duration>,
        workers: usize,
    ) {
        for by in methods {
            let time = times.iter().find(|(method, _)| method.name() == by.name).map(|(_, time)| *time);
            by.seconds = time.unwrap_or_default().as_secs_f64() / workers as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::AttackRecord;
    use super::*;
    use crate::certify::Bounded;

    /// One sample of each kind: each counts once, and as what it surely is.
    #[test]
    fn every_sample_is_one_thing() {
        let broken = AttackRecord { broken: true, within: true, ..AttackRecord::default() };
        let method = BoundMethod::Crown;
        let bound =
            |margin| Some(Bounded { margin, method, in_floats: (margin > 0.0).then_some(margin > 0.2) });
        let record = |index, bound, attack: Option<&AttackRecord>| Record {
            index,
            prediction: Some(0),
            bound,
            attacks: vec![attack.cloned()],
            ..Record::default()
        };
        let records = [
            record(0, bound(0.5), None),
            record(1, bound(-0.5), Some(&AttackRecord::default())),
            record(2, bound(-0.5), Some(&broken)),
            record(3, bound(0.1), Some(&broken)),
            Record { prediction: Some(1), ..record(4, None, None) },
            Record { pending: true, ..record(5, None, None) },
            Record { pending: true, ..record(6, bound(f32::NEG_INFINITY), None) },
            record(7, bound(0.0), Some(&AttackRecord::default())),
        ];
        let mut certified = Certified::blank(BoundMethod::TIGHTEST);
        certified.count(&records, 2, 10);
        assert_eq!((certified.certified, certified.pending, certified.certified_accuracy), (1, 3, None));
        assert_eq!(certified.bracket, [0.1, 0.4]);
        assert_eq!((certified.contradicted, certified.in_floats), (vec![3], Some(1)));
        assert_eq!(certified.methods.iter().map(|by| by.certified).collect::<Vec<_>>(), [0, 0, 1, 0]);
        assert!(records[3].is_contradicted() && !records[3].is_robust() && records[0].is_robust());
    }

    /// A journal of a version that did not tell says nothing of single precision: a count of the other samples would be too low.
    #[test]
    fn floats_are_counted_of_all_certified_samples_or_of_none() {
        let record = |index, in_floats| {
            let bound = Bounded { margin: 0.5, method: BoundMethod::Intervals, in_floats };
            Record { index, prediction: Some(0), bound: Some(bound), ..Record::default() }
        };
        let counted = |records: &[Record]| {
            let mut certified = Certified::blank(BoundMethod::TIGHTEST);
            certified.count(records, 0, records.len() as u64);
            certified.in_floats
        };
        let [earlier, yes, no] = [record(0, None), record(1, Some(true)), record(2, Some(false))];
        assert_eq!(counted(&[yes.clone(), no.clone()]), Some(1));
        assert_eq!(counted(&[earlier, yes, no]), None);
        assert_eq!(counted(&[]), None);
    }

    /// What is proved is robust, whatever is still to be measured of it.
    #[test]
    fn certificates_count_while_samples_are_pending() {
        let bound = |margin| Some(Bounded { margin, method: BoundMethod::Crown, in_floats: None });
        let record = |index, bound| Record {
            index,
            prediction: Some(0),
            pending: true,
            bound,
            minimal: vec![None],
            ..Record::default()
        };
        let records = [record(0, bound(0.5)), record(1, bound(0.1)), record(2, bound(-0.5)), record(3, None)];
        assert!(records[0].is_robust() && !records[0].is_open() && records[2].is_open());
    }
}
