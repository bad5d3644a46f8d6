//! The passes of an audit that prove.

use std::collections::BTreeMap;
use std::time::Duration;

use super::passes::Ledger;
use super::{Audit, Progress, Record};
use crate::certify::{BoundMethod, Certifier, Certifying};
use crate::{Error, Result};

impl<'a> Audit<'a> {
    /// The audit with certificates at epsilon, by methods up to `last`, where there can be some; and otherwise why there are
    /// none.
    pub fn certified_if_possible(self, last: BoundMethod) -> (Audit<'a>, Option<Error>) {
        match Certifier::new(self.engine, self.threat, self.boxes.as_ref(), last, None).err() {
            None => (Audit { certify: true, bounds: last, ..self }, None),
            refusal => (self, refusal),
        }
    }
}

impl Audit<'_> {
    /// What bounds the samples.
    pub(super) fn certifier(&self) -> Result<Certifier<'_>> {
        let new = match self.radii && self.threat.eps.is_infinite() {
            true => Certifier::at_any_radius,
            false => Certifier::new,
        };
        let certifier = new(self.engine, self.threat, self.boxes.as_ref(), self.bounds, self.certify_within)?;
        Ok(certifier.of_valid(self.lattice.as_ref()))
    }

    /// Bounds the samples that are classified correctly, all that were not bounded before. Returns the time of each method.
    pub(super) fn bound(
        &self,
        certifier: &Certifier,
        ledger: &mut Ledger,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        let Ledger { records, keep, stop, progress, .. } = ledger;
        let places = |of: &dyn Fn(&Record) -> bool| -> Vec<usize> {
            records.values().filter(|record| of(record)).map(|record| record.index).collect()
        };
        let open = places(&|record| record.pending && record.bound.is_none());
        let total = places(&Record::is_correct).len() as u64;
        let (mut done, mut certified) =
            (total - open.len() as u64, places(&Record::is_certified).len() as u64);
        certifier.run(self.samples_at(open)?, stop, |step| {
            let (index, bound) = match step {
                Certifying::Preparing { done, total } => {
                    progress(Progress::Preparing { done, total });
                    return Ok(());
                }
                Certifying::Found(index, bound) => (index, bound),
            };
            if let Some(record) = records.get_mut(&index) {
                record.bound = Some(bound);
                record.pending = self.is_left_to_attack(record);
                keep(record, None)?;
            }
            done += 1;
            certified += u64::from(bound.is_certified());
            progress(Progress::Bounds { done, total, certified });
            Ok(())
        })
    }

    /// Seeks the radii that are proved around the samples that are classified correctly, as [`bound`](Audit::bound) does.
    pub(super) fn reach(
        &self,
        certifier: &Certifier,
        ledger: &mut Ledger,
    ) -> Result<BTreeMap<BoundMethod, Duration>> {
        let Ledger { records, keep, stop, progress, .. } = ledger;
        let lacks = |record: &&Record| record.pending && record.radius.is_none();
        let open: BTreeMap<usize, _> =
            records.values().filter(lacks).map(|record| (record.index, record.bound)).collect();
        let total = records.values().filter(|record| record.is_correct()).count() as u64;
        let mut done = total - open.len() as u64;
        let samples = self.samples_at(open.keys().copied().collect())?;
        let known = samples.map(|sample| {
            let sample = sample?;
            let known = open.get(&sample.index).copied().flatten();
            Ok((sample, known))
        });
        certifier.radii(known, stop, |step| {
            let (index, radius) = match step {
                Certifying::Preparing { done, total } => {
                    progress(Progress::Preparing { done, total });
                    return Ok(());
                }
                Certifying::Found(index, radius) => (index, radius),
            };
            if let Some(record) = records.get_mut(&index) {
                record.radius = Some(radius);
                keep(record, None)?;
            }
            done += 1;
            progress(Progress::Radii { done, total });
            Ok(())
        })
    }
}
