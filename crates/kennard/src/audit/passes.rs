//! The passes of an audit over the samples.

mod each;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use each::REPEATED;

use super::sample::Looked;
use super::{
    About, Audit, AuditSettings, Examined, Outcome, Progress, Record, RunDirectory, Shown, Summary, Warning,
    gallery, missing, warnings,
};
use crate::Result;
use crate::data::Sample;
use crate::engine::{Oracle, OtherLabels, Task};

/// What is known of the samples so far, where it is kept, and who hears of it.
pub(super) struct Ledger<'a> {
    /// How many samples there are to examine.
    total: u64,
    pub records: BTreeMap<usize, Record>,
    shown: Vec<Shown>,
    pub keep: &'a mut dyn FnMut(&Record, Option<&Shown>) -> Result<()>,
    pub stop: &'a AtomicBool,
    pub progress: &'a mut dyn FnMut(Progress),
}

impl Audit<'_> {
    /// Runs the audit. `stop` ends it early, with what is known by then; `progress` hears of every sample.
    ///
    /// # Errors
    /// When settings, data and model do not fit together, or a runtime fails.
    pub fn run(&self, stop: &AtomicBool, mut progress: impl FnMut(Progress)) -> Result<Outcome> {
        self.go_on(Vec::new(), Vec::new(), &mut |_, _| Ok(()), stop, &mut progress)
    }

    /// Runs the audit as [`run`](Audit::run) does. Every sample is kept in a directory as it finishes, and the samples that are there
    /// are taken over. In the end the results are written there.
    ///
    /// # Errors
    /// Those of [`run`](Audit::run), and when the directory cannot be written to; what was finished stays there.
    pub fn run_in(
        &self,
        mut directory: RunDirectory,
        stop: &AtomicBool,
        mut progress: impl FnMut(Progress),
    ) -> Result<Outcome> {
        if let Some(outcome) = directory.outcome() {
            return Ok(outcome.clone());
        }
        let (finished, shown) = (directory.finished().to_vec(), directory.shown().to_vec());
        let mut keep = |record: &Record, shown: Option<&Shown>| directory.keep(record, shown);
        let outcome = match self.go_on(finished, shown, &mut keep, stop, &mut progress) {
            Err(error) => return Err(directory.ended(error)),
            Ok(outcome) => outcome,
        };
        directory.finish(&outcome, outcome.summary.complete)?;
        Ok(outcome)
    }

    /// Runs what `records` lack. `progress` is no parameter of the type: else every caller would compile an audit of its own.
    fn go_on(
        &self,
        records: Vec<Record>,
        shown: Vec<Shown>,
        keep: &mut dyn FnMut(&Record, Option<&Shown>) -> Result<()>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Outcome> {
        let begin = Instant::now();
        self.check_settings()?;
        let certifier = self.certify.then(|| self.certifier()).transpose()?;
        let mut summary = Summary::blank(&About::of(self), &AuditSettings::of(self)?);
        summary.calibration = self.calibration.clone();
        summary.warnings = self.engine.warnings().to_vec();
        let lacking = self.lacks_gradient();
        if let Some(reason) = &lacking {
            summary.cosines = None;
            summary.warnings.push(Warning::new(
                "no-gradient",
                format!("{reason}: neither cosines nor packets are measured"),
            ));
        }
        let records = records.into_iter().map(|record| (record.index, record)).collect();
        let total = summary.total;
        let mut ledger = Ledger { total, records, shown, keep, stop, progress };
        self.look_at_all(&mut ledger, self.probe && lacking.is_none())?;
        if let Some(warning) = self.own_label(ledger.stop)? {
            summary.warnings.insert(self.engine.warnings().len(), warning);
        }
        if let Some(certifier) = &certifier {
            self.prove(certifier, &mut ledger, &mut summary)?;
        }
        let times = self.attack_open(&mut ledger)?;
        let Ledger { records, shown, progress, .. } = ledger;

        let records: Vec<Record> = records.into_values().collect();
        summary.count(&records);
        self.note_data(&mut summary, &records);
        let seconds = |account: usize| {
            let time = times.get(&account).copied().unwrap_or_default();
            time.as_secs_f64() / self.engine.plan().sessions as f64
        };
        for (i, attack) in summary.attacks.iter_mut().enumerate() {
            attack.seconds = seconds(self.account(i));
        }
        for (i, attack) in summary.minimal.iter_mut().enumerate() {
            attack.seconds = seconds(self.account(self.attacks.len() + i));
        }
        // A run that goes on may have kept more of its course than is shown in the end.
        let mut outcome = Outcome { summary, records, shown: gallery::choose(shown) };
        warnings::review(&mut outcome);
        outcome.summary.seconds = begin.elapsed().as_secs_f64();
        outcome.summary.complete = outcome.summary.is_whole();
        if outcome.summary.complete {
            progress(Progress::Attacked(&outcome.summary));
            if lacking.is_none() && !self.packets.is_empty() {
                self.measure(&mut outcome, stop, progress)?;
            }
        }
        let judged =
            self.requirements.iter().map(|requirement| requirement.judge(&outcome.summary)).collect();
        outcome.summary.requirements = judged;
        if !outcome.summary.complete {
            outcome.summary.warnings.push(interrupted(&outcome.summary));
        }
        self.data.check_unchanged()?;
        warnings::review(&mut outcome);
        outcome.summary.seconds = begin.elapsed().as_secs_f64();
        Ok(outcome)
    }

    /// What was done to the samples, which is known once they have been read.
    fn note_data(&self, summary: &mut Summary, records: &[Record]) {
        summary.data.notes = self.data.notes_of(self.indices());
        summary.data.notes.extend(self.boxes.as_ref().map(|boxes| boxes.note(self.threat.eps)));
        summary.data.notes.extend(self.lattice.as_ref().map(|lattice| lattice.note(&self.threat)));
        let note = missing::note(summary, records);
        summary.data.notes.extend(note);
    }

    /// Measures packets and distances of an audit that is whole otherwise.
    fn measure(
        &self,
        outcome: &mut Outcome,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        if self.shard.number == 1 {
            self.measure_packets(&mut outcome.summary, stop, progress)?;
        }
        let stopped = || stop.load(Ordering::Relaxed);
        if !stopped() {
            self.measure_distances(outcome, stop)?;
        }
        outcome.summary.complete = !stopped();
        Ok(())
    }

    /// Attacks as [`run`](Audit::run) does, and hands over the adversarial points themselves, as they come.
    ///
    /// # Errors
    /// Those of [`run`](Audit::run), and what `each` returns.
    pub fn adversarials(&self, stop: &AtomicBool, each: impl FnMut(Examined) -> Result<()>) -> Result<()> {
        self.check_settings()?;
        let task = |oracle: Oracle, sample| -> Task<'_, Examined> {
            Box::pin(async move {
                let Looked { record, outputs } = self.look(&oracle, &sample, false, false).await?;
                if record.pending {
                    return self.attack(oracle, sample, record).await;
                }
                let adversarials = vec![None; self.attacks.len() + self.minimal.len()];
                Ok(Examined { record, input: sample.input, outputs, adversarials })
            })
        };
        let samples = self.samples_at(self.indices().collect())?;
        self.data.while_unchanged(|| self.engine.run(samples, task, stop, each).map(drop))
    }

    /// What a reader should know where the file itself returns other labels of samples than that of the largest score, or the
    /// runtime does not compute them ([`Engine::comparing`](crate::engine::Engine::comparing)). `stop` ends it early, with the samples so far.
    ///
    /// # Errors
    /// When a sample cannot be read, or the runtime fails.
    pub fn own_label(&self, stop: &AtomicBool) -> Result<Option<Warning>> {
        if !self.engine.compares() {
            return Ok(None);
        }
        let samples = self.samples_at(self.indices().collect())?;
        let found = self.engine.other_labels(samples.map(|sample| Ok(sample?.input)), stop)?;
        let uncomputed =
            || OtherLabels::not_compared(format!("{} does not compute it", self.engine.runtime().name()));
        Ok(found.map_or_else(|| Some(uncomputed()), OtherLabels::warning))
    }

    /// The samples at ascending indices.
    pub(super) fn samples_at(
        &self,
        indices: Vec<usize>,
    ) -> Result<impl Iterator<Item = Result<Sample>> + Send + '_> {
        Ok(self.data.at(Box::new(indices.into_iter()))?.map(|sample| self.check(sample?)))
    }

    /// Why there is no gradient for what needs one beside the attacks, which say so themselves.
    fn lacks_gradient(&self) -> Option<String> {
        if !self.probe && self.packets.is_empty() {
            return None;
        }
        self.engine.gradient_error().map(|error| error.to_string())
    }

    /// The last of the samples that are evaluated twice.
    fn last_repeated(&self) -> Option<usize> {
        self.samples.indices(self.data.len()).take(REPEATED).last()
    }
}

fn interrupted(summary: &Summary) -> Warning {
    let (samples, total) = (summary.samples, summary.total);
    let message = match &summary.robust {
        _ if samples < total => {
            format!("the run was stopped after it had asked the model about {samples} of {total} samples: no share is known")
        }
        _ if summary.is_whole() => {
            "the run was stopped while packets and distances were measured: those that are shown are complete, others \
             are missing; all other figures are of all samples"
                .into()
        }
        Some(robust) => {
            let [low, high] = robust.bracket.map(|share| 100.0 * share);
            format!(
                "the run was stopped with {} of {total} samples still to be attacked: robust accuracy lies between \
                 {low:.2} and {high:.2} %",
                robust.pending
            )
        }
        None if summary.minimal.is_empty() => {
            "the run was stopped with samples still to be bounded: the number of certified samples is only known to lie within the bracket"
                .into()
        }
        None => "the run was stopped with samples still to be attacked: their distances are not known".into(),
    };
    Warning::new("interrupted", message)
}
