//! Certificates before attacks that would have them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Audit, Outcome};
use crate::attack::Strongest;
use crate::certify::{BoundMethod, Certifier, Certifying};

/// How many samples that withstood all attacks are tried with cheap bounds.
const TRIED: usize = 8;
/// How many methods of bounds there are up to CROWN, the last that is tried.
const METHODS: usize = 3;
/// Trying them may cost one of this many passes that the attacks took.
const SHARE: usize = 50;
/// Nothing is tried where that leaves fewer passes per sample and method.
const LEAST: usize = 10;

impl Audit<'_> {
    /// With the contest [`Strongest`] among the attacks, certificates come first wherever there are any: what is proved needs no
    /// attack, and a broken sample stays one. Methods of bounds that cost a sample more than the contest usually spends on it are left
    /// out. What was decided, and why, stands in [`certificates`](Audit::certificates).
    ///
    /// Other attacks, and audits that seek certificates already or attack certified samples all the same, stay as they are.
    pub fn certificates_first(self) -> Self {
        let contest = self.attacks.iter().find(|attack| attack.name() == Strongest::NAME);
        let Some(settings) = contest.filter(|_| !self.certify && !self.full).map(|attack| attack.settings())
        else {
            return self;
        };
        let own: Strongest = serde_json::from_value(settings).unwrap_or_default();
        let passes = own.passes.min(Strongest::USUAL).min(self.budget.unwrap_or(u64::MAX));
        let first = Audit { certify: true, certify_within: Some(passes), ..self };
        match first.certifier().map(|certifier| certifier.methods().collect::<Vec<BoundMethod>>()) {
            Ok(methods) => {
                let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
                let said =
                    format!("certificates first, by {}: what is proved is not attacked", names.join(", "));
                Audit { certificates: Some(said), ..first }
            }
            Err(error) => {
                // Without what to do about it: nothing needs to be done.
                let said = format!("no certificates before the attacks: {}", error.kind());
                Audit { certify: false, certify_within: None, certificates: Some(said), ..first }
            }
        }
    }

    /// Whether certificates would have saved much of an audit that sought none: how many of a few samples that withstood all
    /// attacks cheap bounds prove, and of how many. `None` where these are fewer than most, where most samples are broken or
    /// the attacks took few passes, of large networks, and of parts of a run.
    ///
    /// Which samples and methods are tried follows from the run and from no stopwatch.
    pub fn provable(&self, outcome: &Outcome, stop: &AtomicBool) -> Option<[usize; 2]> {
        let Outcome { summary, records, .. } = outcome;
        let passes = self.spent(summary) / (SHARE * TRIED * METHODS);
        let sought = self.certify || self.full || self.certificates.is_some();
        let part = self.shard.of > 1 || !summary.complete;
        if sought || part || passes < LEAST || !self.is_small() {
            return None;
        }
        let standing = records.iter().filter(|record| record.is_robust()).map(|record| record.index);
        let mut standing: Vec<usize> = standing.collect();
        if 2 * standing.len() < records.iter().filter(|record| record.is_correct()).count() {
            return None;
        }
        standing.truncate(TRIED);
        let (boxes, limit) = (self.boxes.as_ref(), Some(passes as u64));
        let certifier = Certifier::new(self.engine, self.threat, boxes, BoundMethod::Crown, limit).ok()?;
        let certifier = certifier.of_valid(self.lattice.as_ref());
        let (tried, mut proved) = (standing.len(), 0);
        let samples = self.samples_at(standing).ok()?;
        let bounded = certifier.run(samples, stop, |step| {
            proved += usize::from(matches!(step, Certifying::Found(_, bound) if bound.is_certified()));
            Ok(())
        });
        bounded.ok()?;
        (2 * proved > tried && !stop.load(Ordering::Relaxed)).then_some([proved, tried])
    }
}
