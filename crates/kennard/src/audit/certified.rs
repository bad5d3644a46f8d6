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
    /// Of how many it is not known yet.
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
    pub(super) fn blank() -> Certified {
        let method =
            |method: BoundMethod| CertifiedBy { name: method.to_string(), certified: 0, seconds: 0.0 };
        Certified {
            certified: 0,
            pending: 0,
            certified_accuracy: None,
            bracket: [0.0, 1.0],
            interval: None,
            methods: BoundMethod::ALL.into_iter().map(method).collect(),
            contradicted: Vec::new(),
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
    }
}
