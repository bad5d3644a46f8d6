//! How accurate a classifier is, how accurate it stays under attack, and how its conjugate spreads
//! stand to their bound.

mod directory;
mod distances;
mod finished;
mod gallery;
mod kept;
mod merge;
mod missing;
mod packet_summary;
mod packets;
mod record;
mod requirement;
mod settings;
mod share;
mod state;
mod summary;
mod table;
mod warnings;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::answer::{Answer, is_answer, margin, predict};
use crate::attack::{
    Adversarial, Attack, AttackedSample, Conditions, Criterion, Loss, MinimumNorm, run_attack,
};
use crate::data::{DataError, DataSet, Indices, Sample, Selection};
use crate::engine::{Engine, Oracle, Program, Query, Task};
use crate::probe::cosine;
use crate::run::ModelSummary;
use crate::threat::check_inside;
use crate::{Error, Norm, Result, ThreatModel};
use kept::Kept;

use share::Share;

pub use directory::RunDirectory;
pub use distances::{CurvePoint, Distances};
pub use finished::FinishedRun;
pub use gallery::{Role, Shown, roles};
pub use merge::merge;
pub use packet_summary::PacketSummary;
pub use packets::PacketPlan;
pub use record::{AttackRecord, Record};
pub use requirement::{Judged, Requirement};
pub use settings::{AuditSettings, NamedAttack};
pub use state::{RunState, Stage};
pub use summary::{AttackSummary, Clean, MinimalSummary, Robust, Summary};

pub use crate::run::{About, Checkpoint, Shard};
pub use crate::warning::Warning;

/// What an audit's `manifest.json` says.
pub type Manifest = crate::run::Manifest<AuditSettings>;

/// What to measure of a classifier.
pub struct Audit<'a> {
    /// Which model it is, for the record.
    pub model: ModelSummary,
    /// The classifier at work.
    pub engine: &'a Engine,
    /// Labelled samples.
    pub data: &'a DataSet,
    /// What the attacks may do.
    pub threat: ThreatModel,
    /// The attacks.
    pub attacks: Vec<Box<dyn Attack>>,
    /// Whether an attack tries only what those before it left standing, as AutoAttack does, rather than
    /// every sample that is classified correctly.
    pub cascade: bool,
    /// Attacks that seek the closest adversarial point.
    pub minimal: Vec<Box<dyn MinimumNorm>>,
    /// Whether to take the loss gradient at every sample, for its cosine with the sample.
    pub probe: bool,
    /// The packets to measure.
    pub packets: Vec<PacketPlan>,
    /// Which samples; all by default.
    pub samples: Selection,
    /// The part of these that this run works on.
    pub shard: Shard,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Spend every attack's whole budget on every sample and keep the worst margin, instead of stopping at
    /// the first adversarial point.
    pub full: bool,
    /// The most passes that an attack may spend on a sample.
    pub budget: Option<u64>,
    /// What must be reached; the summary says whether it is.
    pub requirements: Vec<Requirement>,
    /// Where the model comes from, if it is one of several checkpoints under the same audit. The figures do not depend
    /// on it.
    pub checkpoint: Option<Checkpoint>,
}

/// How far an audit is. It asks the model about all samples first, then attacks those that are classified
/// correctly, and measures packets last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'p> {
    /// Samples that the model was asked about.
    Clean {
        /// How many.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// Samples that attacks are done with.
    Attacks {
        /// How many, of those that are classified correctly.
        done: u64,
        /// How many are still to be attacked.
        pending: u64,
        /// What robust accuracy lies between, whatever becomes of these.
        bracket: [f64; 2],
    },
    /// All samples are done with: the figures so far, all but those of packets.
    Attacked(&'p Summary),
    /// Packet centres done with.
    Packets {
        /// How many are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
}

/// What an audit found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The figures.
    pub summary: Summary,
    /// One record per sample, in order.
    pub records: Vec<Record>,
    /// Some of the broken samples, with their adversarial points.
    pub shown: Vec<Shown>,
}

/// A sample, what was found about it, and the adversarial points.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What was found.
    pub record: Record,
    /// The sample itself.
    pub input: Vec<f32>,
    /// What the untouched model returns there.
    pub outputs: Vec<f32>,
    /// The adversarial point of each attack that found one, minimum-norm attacks last.
    pub adversarials: Vec<Option<Adversarial>>,
}

/// A sample's record before any attack, and what the untouched model returns there.
struct Looked {
    record: Record,
    outputs: Vec<f32>,
}

/// The account of the passes at the samples themselves; those of attack `i` go to `i + 1`.
const CLEAN: usize = 0;
/// So many samples, the first, are evaluated twice, to notice a model that answers at random.
const REPEATED: usize = 8;

impl<'a> Audit<'a> {
    /// An audit of the clean accuracy alone; further fields say what else to measure.
    pub fn new(model: ModelSummary, engine: &'a Engine, data: &'a DataSet, threat: ThreatModel) -> Audit<'a> {
        Audit {
            model,
            engine,
            data,
            threat,
            attacks: Vec::new(),
            cascade: false,
            minimal: Vec::new(),
            probe: false,
            packets: Vec::new(),
            samples: Selection::All,
            shard: Shard::WHOLE,
            seed: 0,
            full: false,
            budget: None,
            requirements: Vec::new(),
            checkpoint: None,
        }
    }

    /// Runs the audit. `stop` ends it early, with what is known by then; `progress` hears of every sample.
    ///
    /// # Errors
    /// When settings, data and model do not fit together, or a runtime fails.
    pub fn run(&self, stop: &AtomicBool, progress: impl FnMut(Progress)) -> Result<Outcome> {
        self.go_on(Vec::new(), Vec::new(), |_, _| Ok(()), stop, progress)
    }

    /// The same, every sample kept in a directory as it finishes, and those that are there taken over. In
    /// the end the results are written there.
    ///
    /// # Errors
    /// As before, and when the directory cannot be written to; what was finished stays there.
    pub fn run_in(
        &self,
        mut directory: RunDirectory,
        stop: &AtomicBool,
        progress: impl FnMut(Progress),
    ) -> Result<Outcome> {
        if let Some(outcome) = directory.outcome() {
            return Ok(outcome.clone());
        }
        let (finished, shown) = (directory.finished().to_vec(), directory.shown().to_vec());
        let keep = |record: &Record, shown: Option<&Shown>| directory.keep(record, shown);
        let outcome = match self.go_on(finished, shown, keep, stop, progress) {
            Err(error @ Error::Data(DataError::Rewritten { .. } | DataError::Changed { .. })) => {
                directory.discard()?;
                return Err(error);
            }
            outcome => outcome?,
        };
        directory.finish(&outcome, outcome.summary.complete)?;
        Ok(outcome)
    }

    /// Runs what `records` lack.
    fn go_on(
        &self,
        records: Vec<Record>,
        mut shown: Vec<Shown>,
        mut keep: impl FnMut(&Record, Option<&Shown>) -> Result<()>,
        stop: &AtomicBool,
        mut progress: impl FnMut(Progress),
    ) -> Result<Outcome> {
        let begin = Instant::now();
        self.check_settings()?;
        let mut summary = Summary::blank(&About::of(self), &AuditSettings::of(self)?);
        summary.warnings = self.engine.warnings().to_vec();
        let total = summary.total;
        let kept = Kept::new(&records);
        let mut records: BTreeMap<usize, Record> =
            records.into_iter().map(|record| (record.index, record)).collect();

        let all = self.samples_at(self.indices().collect())?;
        let unseen = all.filter_map(|sample| sample.and_then(|s| kept.unless(s)).transpose());
        let lacking = self.lacks_gradient();
        if let Some(reason) = &lacking {
            summary.cosines = None;
            summary.warnings.push(Warning::new(
                "no-gradient",
                format!("{reason}: neither cosines nor packets are measured"),
            ));
        }
        let probe = self.probe && lacking.is_none();
        let repeated = self.last_repeated();
        let task = |oracle, sample: Sample| -> Task<'_, Record> {
            Box::pin(
                async move { Ok(self.look(&oracle, &sample, sample.index <= repeated, probe).await?.record) },
            )
        };
        self.engine.run(unseen, task, stop, |record| {
            keep(&record, None)?;
            records.insert(record.index, record);
            progress(Progress::Clean { done: records.len() as u64, total });
            Ok(())
        })?;
        let stopped = || stop.load(Ordering::Relaxed);
        if !stopped() {
            kept.all_met()?;
        }
        if records.is_empty() && !stopped() {
            return Err(Error::Mismatch(format!("there is no sample to examine in {}", self.data.spec())));
        }

        let open: BTreeMap<usize, Record> = records
            .iter()
            .filter(|(_, record)| record.pending)
            .map(|(&i, record)| (i, record.clone()))
            .collect();
        let count =
            |of: &dyn Fn(&Record) -> bool| records.values().filter(|record| of(record)).count() as u64;
        let correct = count(&Record::is_correct);
        let (mut robust, mut pending) = (count(&Record::is_robust), open.len() as u64);
        let task = |oracle, sample: Sample| -> Task<'_, Examined> {
            let record = open[&sample.index].clone();
            Box::pin(self.attack(oracle, sample, record))
        };
        let returns_logits = self.engine.classifier().returns_logits();
        let samples = self.samples_at(open.keys().copied().collect())?;
        let times = self.engine.run(samples, task, stop, |examined| {
            let news = Shown::of(&examined, self.threat.norm, returns_logits);
            let record = examined.record;
            shown.extend(news);
            shown = gallery::choose(std::mem::take(&mut shown));
            keep(&record, shown.iter().find(|shown| shown.index == record.index))?;
            robust += u64::from(record.is_robust());
            pending -= 1;
            records.insert(record.index, record);
            let bracket = Share { count: robust, pending, total }.bracket();
            progress(Progress::Attacks { done: correct - pending, pending, bracket });
            Ok(())
        })?;
        let records: Vec<Record> = records.into_values().collect();
        summary.count(&records);
        // What was done to the samples is known once they have been read.
        summary.data.notes = self.data.notes();
        let whole =
            self.samples == Selection::All && self.shard == Shard::WHOLE && summary.clean.pending == 0;
        let absent = missing::classes(summary.model.classes, &records).filter(|_| whole);
        let note = absent.map(|classes| format!("no sample has {classes}, which the model knows"));
        summary.data.notes.extend(note);
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
        let mut outcome = Outcome { summary, records, shown };
        warnings::review(&mut outcome);
        outcome.summary.seconds = begin.elapsed().as_secs_f64();
        outcome.summary.complete = outcome.summary.is_whole();
        if outcome.summary.complete {
            progress(Progress::Attacked(&outcome.summary));
            if self.shard.number == 1 && lacking.is_none() && !self.packets.is_empty() {
                self.measure_packets(&mut outcome.summary, stop, &mut progress)?;
                outcome.summary.complete = !stopped();
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

    /// Attacks as [`run`](Audit::run) does, and hands over the adversarial points themselves, as they come.
    ///
    /// # Errors
    /// As there, and what `each` returns.
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

    /// The samples of this run, by their places in the data set.
    pub fn indices(&self) -> Indices {
        self.shard.of(self.samples.indices(self.data.len()))
    }

    /// The samples at ascending indices.
    fn samples_at(&self, indices: Vec<usize>) -> Result<impl Iterator<Item = Result<Sample>> + Send + '_> {
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
    fn last_repeated(&self) -> usize {
        self.samples.indices(self.data.len()).take(REPEATED).last().unwrap_or(0)
    }

    /// Asks about a sample as it is.
    fn ask(
        &self,
        oracle: &Oracle,
        program: Program,
        sample: &Sample,
    ) -> impl Future<Output = Answer> + use<> {
        let (points, label) = (sample.input.clone(), sample.label);
        oracle.ask(Query::new(program, points, label).on_account(CLEAN))
    }

    /// The account that the passes of the i-th attack are booked under, minimum-norm attacks last.
    fn account(&self, i: usize) -> usize {
        CLEAN + 1 + i
    }

    fn check_settings(&self) -> Result<()> {
        let norm = self.threat.norm;
        let attacks = self.attacks.iter().map(AsRef::as_ref);
        let minimal = self.minimal.iter().map(|attack| -> &dyn Attack { attack.as_ref() });
        let all = attacks.clone().chain(minimal.clone());
        for attack in all.clone() {
            if !attack.norms().contains(&norm) {
                let norms: Vec<String> = attack.norms().iter().map(Norm::to_string).collect();
                let message =
                    format!("the attack {} works in {}, not in {norm}", attack.name(), norms.join(", "));
                return Err(Error::Setting(message));
            }
        }
        for list in [attacks.map(Attack::name).collect::<Vec<_>>(), minimal.map(Attack::name).collect()] {
            if let Some(twin) = list.iter().enumerate().find(|(i, name)| list[..*i].contains(name)) {
                return Err(Error::Setting(format!("the attack {} is asked for twice", twin.1)));
            }
        }
        packets::check(&self.packets)?;
        let names: Vec<&str> = self.attacks.iter().map(|attack| attack.name()).collect();
        let has_robust = !names.is_empty() || !self.minimal.is_empty() && self.threat.eps.is_finite();
        self.requirements.iter().try_for_each(|wanted| wanted.check(&names, has_robust))?;
        if self.budget == Some(0) {
            return Err(Error::Setting(
                "a budget of 0 passes switches every attack off; give it one at least".into(),
            ));
        }
        if !self.attacks.is_empty() && self.threat.eps.is_infinite() {
            return Err(Error::Threat(
                "an attack needs an epsilon: the largest perturbation, 0.1 or 8/255 say".into(),
            ));
        }
        let needing = all.filter(|attack| attack.needs_gradient()).map(Attack::name).collect::<Vec<_>>();
        if let Some(why) = (!needing.is_empty()).then(|| self.engine.gradient_error()).flatten() {
            let message = format!(
                "{why}. {} cannot run without one; square and hop-skip-jump need none, nor does the accuracy on the \
                 samples as they are",
                needing.join(", ")
            );
            return Err(Error::NoGradient(message).advise(" ({attack = square}, {attack = none})"));
        }
        Ok(())
    }

    /// A sample that the classifier and the threat model can work on.
    fn check(&self, sample: Sample) -> Result<Sample> {
        self.engine.classifier().check_label(sample.index, sample.label)?;
        check_inside(sample.index, &sample.input, self.threat.bounds)?;
        Ok(sample)
    }

    /// What the model makes of a sample as it is; asked `again`, whether it says the same, and if it is to
    /// `probe`, the cosine with its loss gradient.
    async fn look(&self, oracle: &Oracle, sample: &Sample, again: bool, probe: bool) -> Result<Looked> {
        let Sample { index, label, .. } = *sample;
        let ask = |program| self.ask(oracle, program, sample);
        let outputs = ask(Program::Untouched).await.logits;
        let logits = if self.engine.classifier().returns_logits() {
            outputs.clone()
        } else {
            ask(Program::Logits).await.logits
        };
        let evaluated = is_answer(&outputs) && is_answer(&logits);
        let random = again && evaluated && ask(Program::Untouched).await.logits != outputs;
        let cosine = match probe && evaluated {
            true => cosine(&sample.input, &ask(Program::Gradient(Loss::LogOdds)).await.gradient),
            false => None,
        };
        let attacked = !(self.attacks.is_empty() && self.minimal.is_empty());
        let prediction = evaluated.then(|| predict(&outputs));
        let record = Record {
            index,
            label,
            prediction,
            margin: if evaluated { margin(&logits, label) } else { f32::NAN },
            random,
            cosine,
            pending: attacked && prediction == Some(label),
            attacks: vec![None; self.attacks.len()],
            minimal: vec![None; self.minimal.len()],
        };
        Ok(Looked { record, outputs })
    }

    /// Attacks a sample that is classified correctly.
    async fn attack(&self, oracle: Oracle, sample: Sample, mut record: Record) -> Result<Examined> {
        let outputs = self.ask(&oracle, Program::Untouched, &sample).await.logits;
        let logits = if self.engine.classifier().returns_logits() {
            outputs.clone()
        } else {
            self.ask(&oracle, Program::Logits, &sample).await.logits
        };
        let Sample { index, input, label } = sample;
        record.pending = false;
        let mut adversarials = vec![None; self.attacks.len() + self.minimal.len()];
        let attacked = AttackedSample {
            origin: &input,
            shape: self.engine.classifier().shape(),
            label,
            index,
            clean: &logits,
        };
        let criterion = if self.full { Criterion::Worst } else { Criterion::First };
        let conditions = Conditions { threat: self.threat, criterion, seed: self.seed, budget: self.budget };
        for (i, attack) in self.attacks.iter().enumerate() {
            if self.cascade && !self.full && !record.is_robust() {
                break;
            }
            let verdict =
                run_attack(attack.as_ref(), attacked, conditions, self.account(i), oracle.clone()).await?;
            record.attacks[i] = Some(AttackRecord::new(&verdict, &self.threat, &input));
            adversarials[i] = verdict.adversarial;
        }
        let threat = ThreatModel::unlimited(self.threat.norm, self.threat.bounds)?;
        let conditions = Conditions { threat, criterion: Criterion::Closest, ..conditions };
        for (i, attack) in self.minimal.iter().enumerate() {
            let place = self.attacks.len() + i;
            let account = self.account(place);
            let verdict = run_attack(attack.as_ref(), attacked, conditions, account, oracle.clone()).await?;
            record.minimal[i] = Some(AttackRecord::new(&verdict, &self.threat, &input));
            adversarials[place] = verdict.adversarial;
        }
        Ok(Examined { record, input, outputs, adversarials })
    }
}

fn interrupted(summary: &Summary) -> Warning {
    let (samples, total) = (summary.samples, summary.total);
    let message = match &summary.robust {
        _ if samples < total => {
            format!("the audit was stopped after it had asked the model about {samples} of {total} samples: no share is known")
        }
        _ if summary.is_whole() => {
            "the audit was stopped while packets were measured: none is shown; what is shown is of all samples".into()
        }
        Some(robust) => {
            let [low, high] = robust.bracket.map(|share| 100.0 * share);
            format!(
                "the audit was stopped with {} of {total} samples still to be attacked: robust accuracy lies between \
                 {low:.2} and {high:.2} %",
                robust.pending
            )
        }
        None => "the audit was stopped with samples still to be attacked: no distance is known of these".into(),
    };
    Warning::new("interrupted", message)
}
