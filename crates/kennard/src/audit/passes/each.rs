//! The passes over the samples: the model is asked, bounds are taken, attacks run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Ledger;
use crate::audit::{Audit, Examined, Progress, Record, Shown, Summary, gallery};
use crate::certify::Certifier;
use crate::data::Sample;
use crate::engine::Task;
use crate::run::KeptSamples;
use crate::stats::Share;
use crate::{Error, Result};

/// This many samples, the first, are evaluated twice, to notice a model that answers at random.
pub(super) const REPEATED: usize = 8;

impl Audit<'_> {
    /// Asks the model about the samples without a record.
    pub(super) fn look_at_all(&self, ledger: &mut Ledger, probe: bool) -> Result<()> {
        let total = ledger.total;
        let Ledger { records, keep, stop, progress, .. } = ledger;
        let kept = KeptSamples::new(records.values().map(|record| (record.index, record.label)));
        let all = self.samples_at(self.indices().collect())?;
        let unseen = all.filter_map(|sample| sample.and_then(|s| kept.unless(s)).transpose());
        // Means of answers at random are never the same twice.
        let random = self.engine.classifier().module().is_some_and(|module| module.passes() > 1);
        let repeated = self.last_repeated().filter(|_| !random);
        let task = |oracle, sample: Sample| -> Task<'_, Record> {
            Box::pin(async move {
                let twice = repeated.is_some_and(|last| sample.index <= last);
                Ok(self.look(&oracle, &sample, twice, probe).await?.record)
            })
        };
        self.engine.run(unseen, task, stop, |record| {
            keep(&record, None)?;
            records.insert(record.index, record);
            progress(Progress::Clean { done: records.len() as u64, total });
            Ok(())
        })?;
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        kept.all_met()?;
        match records.is_empty() {
            true => Err(Error::NoSamples { purpose: "examine", data: self.data.spec().to_string() }),
            false => Ok(()),
        }
    }

    /// Bounds the samples at epsilon, and seeks their radii where these are asked for.
    pub(super) fn prove(
        &self,
        certifier: &Certifier,
        ledger: &mut Ledger,
        summary: &mut Summary,
    ) -> Result<()> {
        let sessions = self.engine.plan().sessions;
        if self.threat.eps.is_finite() {
            let times = self.bound(certifier, ledger)?;
            summary.take_times(&times, sessions);
        }
        if self.radii && !ledger.stop.load(Ordering::Relaxed) {
            let times = self.reach(certifier, ledger)?;
            summary.radii.iter_mut().for_each(|radii| radii.take_times(&times, sessions));
        }
        Ok(())
    }

    /// Attacks the samples that are left to be attacked. Returns the time that each account took.
    pub(super) fn attack_open(&self, ledger: &mut Ledger) -> Result<BTreeMap<usize, Duration>> {
        let total = ledger.total;
        let Ledger { records, shown, keep, stop, progress, .. } = ledger;
        // What is left to be bounded, a run that goes on attacks later.
        let waits = |record: &Record| record.pending && self.is_bounded(record);
        let open: BTreeMap<usize, Record> = records
            .iter()
            .filter(|(_, record)| waits(record))
            .map(|(&i, record)| (i, record.clone()))
            .collect();
        let count =
            |of: &dyn Fn(&Record) -> bool| records.values().filter(|record| of(record)).count() as u64;
        let correct = count(&Record::is_correct);
        let (mut robust, mut unknown) = (count(&Record::is_robust), count(&Record::is_open));
        let mut pending = count(&|record| record.pending);
        let task = |oracle, sample: Sample| -> Task<'_, Examined> {
            let record = open[&sample.index].clone();
            Box::pin(self.attack(oracle, sample, record))
        };
        let returns_logits = self.engine.classifier().returns_logits();
        let samples = self.samples_at(open.keys().copied().collect())?;
        self.engine.run(samples, task, stop, |examined| {
            let news = Shown::of(&examined, self.threat.norm, returns_logits);
            progress(Progress::Examined(&examined));
            let record = examined.record;
            shown.extend(news);
            *shown = gallery::choose(std::mem::take(shown));
            keep(&record, shown.iter().find(|shown| shown.index == record.index))?;
            let before = &open[&record.index];
            robust = robust + u64::from(record.is_robust()) - u64::from(before.is_robust());
            unknown -= u64::from(before.is_open());
            pending -= 1;
            records.insert(record.index, record);
            let bracket = Share { count: robust, pending: unknown, total }.bracket();
            progress(Progress::Attacks { done: correct - pending, pending, bracket });
            Ok(())
        })
    }
}
