//! How accurate a classifier is, how accurate it stays under attack, and how its conjugate spreads
//! stand to their bound.

mod about;
mod directory;
mod distances;
mod gallery;
mod merge;
mod packets;
mod record;
mod shard;
mod state;
mod summary;
mod table;
mod warnings;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::attack::{Adversarial, Aim, Attack, Loss, MinimumNorm, Prey, Situation, hunt, margin, predict};
use crate::data::{DataSet, Indices, Sample, Selection};
use crate::engine::{Cost, Engine, Oracle, Program, Query, Task};
use crate::uncertainty::cosine;
use crate::{Error, Norm, Result, ThreatModel};

pub use about::About;
pub use directory::{FinishedRun, Manifest, RunDirectory};
pub use distances::{CurvePoint, Distances};
pub use gallery::{Role, Shown, roles};
pub use merge::merge;
pub use packets::PacketPlan;
pub use record::{AttackRecord, Record};
pub use shard::Shard;
pub use state::{RunState, Stage};
pub use summary::{AttackSummary, Clean, MinimalSummary, PacketSummary, Robust, Summary};

pub use crate::files::write_whole;
pub use crate::provenance::{DataSummary, FileHash, ModelSummary};
pub use crate::warning::Warning;

/// What to measure of a classifier.
pub struct Audit<'a> {
    /// The model's file, for the record.
    pub model: &'a Path,
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
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Samples done with: attacked, or misclassified from the start.
    Samples {
        /// How many are done.
        done: u64,
        /// How many of them are classified correctly after all attacks.
        robust: u64,
        /// How many there are.
        total: u64,
    },
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

/// The account of the passes at the samples themselves; those of attack `i` go to `i + 1`.
const CLEAN: usize = 0;
/// So many samples, the first, are evaluated twice, to notice a model that answers at random.
const REPEATED: usize = 8;

impl<'a> Audit<'a> {
    /// An audit of the clean accuracy alone; further fields say what else to measure.
    pub fn new(model: &'a Path, engine: &'a Engine, data: &'a DataSet, threat: ThreatModel) -> Audit<'a> {
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
        }
    }

    /// Runs the audit. `stop` ends it early, with the samples finished by then; `progress` hears of
    /// every sample.
    ///
    /// # Errors
    /// When settings, data and model do not fit together, an answer of the model is NaN, or a runtime fails.
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
        let (finished, shown) = (directory.finished().to_vec(), directory.shown().to_vec());
        let keep = |record: &Record, shown: Option<&Shown>| directory.keep(record, shown);
        let outcome = self.go_on(finished, shown, keep, stop, progress)?;
        directory.finish(&outcome, !stop.load(Ordering::Relaxed))?;
        Ok(outcome)
    }

    /// Runs what `records` lack.
    fn go_on(
        &self,
        mut records: Vec<Record>,
        mut shown: Vec<Shown>,
        mut keep: impl FnMut(&Record, Option<&Shown>) -> Result<()>,
        stop: &AtomicBool,
        mut progress: impl FnMut(Progress),
    ) -> Result<Outcome> {
        let begin = Instant::now();
        self.check_settings()?;
        let mut summary = Summary::blank(self)?;
        let total = self.indices().len();
        let finished: BTreeSet<usize> = records.iter().map(|record| record.index).collect();
        let samples =
            self.wanted()?.filter(|sample| sample.as_ref().map_or(true, |s| !finished.contains(&s.index)));
        let mut robust = records.iter().filter(|record| record.is_robust()).count() as u64;
        let task = |oracle, sample| -> Task<'_, Examined> { Box::pin(self.examine(oracle, sample)) };
        let returns_logits = self.engine.classifier().returns_logits();
        let costs = self.engine.run(samples, task, stop, |examined| {
            let news = Shown::of(&examined, self.threat.norm, returns_logits);
            let record = examined.record;
            shown.extend(news);
            shown = gallery::choose(std::mem::take(&mut shown));
            keep(&record, shown.iter().find(|shown| shown.index == record.index))?;
            robust += u64::from(record.is_robust());
            records.push(record);
            progress(Progress::Samples { done: records.len() as u64, robust, total: total as u64 });
            Ok(())
        })?;
        let stopped = stop.load(Ordering::Relaxed);
        if records.is_empty() && !stopped {
            return Err(Error::Mismatch(format!("there is no sample to examine in {}", self.data.spec())));
        }
        records.sort_by_key(|record| record.index);
        summary.count(&records);
        // What was done to the samples is known once they have been read.
        summary.data.notes = self.data.notes();
        let seconds = |account: usize| {
            let cost: Cost = costs.get(&account).copied().unwrap_or_default();
            cost.time.as_secs_f64() / self.engine.plan().sessions as f64
        };
        for (i, attack) in summary.attacks.iter_mut().enumerate() {
            attack.seconds = seconds(self.account(i));
        }
        for (i, attack) in summary.minimal.iter_mut().enumerate() {
            attack.seconds = seconds(self.account(self.attacks.len() + i));
        }
        if !stopped && self.shard.number == 1 {
            summary.packets = self.measure_packets(stop, &mut progress)?;
        }
        if stop.load(Ordering::Relaxed) {
            let message = format!(
                "the audit was stopped after {} of {total} samples; the figures are of those",
                records.len()
            );
            summary.warnings.push(Warning::new("interrupted", message));
        }
        let mut outcome = Outcome { summary, records, shown };
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
        let task = |oracle, sample| -> Task<'_, Examined> { Box::pin(self.examine(oracle, sample)) };
        self.engine.run(self.wanted()?, task, stop, each).map(drop)
    }

    /// The samples of this run, by their places in the data set.
    pub(super) fn indices(&self) -> Indices {
        self.shard.of(self.samples.indices(self.data.len()))
    }

    /// The samples of this run.
    fn wanted(&self) -> Result<impl Iterator<Item = Result<Sample>> + Send + '_> {
        Ok(self.data.at(self.indices())?.map(|sample| self.check(sample?)))
    }

    /// The account that the passes of the i-th attack are booked under, minimum-norm attacks last.
    fn account(&self, i: usize) -> usize {
        CLEAN + 1 + i
    }

    fn check_settings(&self) -> Result<()> {
        let norm = self.threat.norm;
        let attacks = self.attacks.iter().map(AsRef::as_ref);
        let minimal = self.minimal.iter().map(|attack| -> &dyn Attack { attack.as_ref() });
        for attack in attacks.clone().chain(minimal.clone()) {
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
        if !self.attacks.is_empty() && self.threat.eps.is_infinite() {
            return Err(Error::Threat(
                "an attack needs an epsilon: the largest perturbation, 0.1 or 8/255 say".into(),
            ));
        }
        Ok(())
    }

    /// Everything that the figures depend on.
    pub(super) fn settings(&self) -> Result<Value> {
        let Summary { model, data, .. } = Summary::blank(self)?;
        let classifier = self.engine.classifier();
        let runtime = self.engine.runtime();
        let named = |attack: &dyn Attack| json!({"name": attack.name(), "parameters": attack.settings()});
        Ok(json!({
            "model": model.sha256,
            "preprocessing": classifier.preprocessing(),
            "data": {"name": data.name, "split": data.split, "files": data.files},
            "samples": self.samples,
            "threat_model": self.threat,
            "attacks": self.attacks.iter().map(|a| named(a.as_ref())).collect::<Vec<_>>(),
            "cascade": self.cascade,
            "minimal": self.minimal.iter().map(|a| named(a.as_ref())).collect::<Vec<_>>(),
            "probe": self.probe,
            "packets": self.packets,
            "shard": self.shard,
            "seed": self.seed,
            "full": self.full,
            "budget": self.budget,
            "runtime": format!("{} {}", runtime.name(), runtime.version()),
            "micro_batch": self.engine.plan().micro_batch,
            "kennard": env!("CARGO_PKG_VERSION"),
        }))
    }

    /// A sample that the classifier and the threat model can work on.
    fn check(&self, sample: Sample) -> Result<Sample> {
        let [lo, hi] = self.threat.bounds;
        let classifier = self.engine.classifier();
        if sample.label >= classifier.classes() {
            return Err(Error::Mismatch(format!(
                "sample {} has the label {}, the model has {} classes (0 to {}). Is this the data set it was \
                 trained for?",
                sample.index,
                sample.label,
                classifier.classes(),
                classifier.classes() - 1
            )));
        }
        if let Some(value) = sample.input.iter().find(|v| !(lo..=hi).contains(*v)) {
            return Err(Error::Mismatch(format!(
                "sample {} has the value {value}, outside the input bounds {lo} to {hi}: an attack from there would \
                 be silently weaker. State the data's range with --bounds, for instance --bounds 0,255",
                sample.index
            )));
        }
        Ok(sample)
    }

    /// The work on one sample.
    async fn examine(&self, oracle: Oracle, sample: Sample) -> Result<Examined> {
        let Sample { index, input, label } = sample;
        let ask = |program| {
            let query = Query { program, points: input.clone(), label, target: label, account: CLEAN };
            oracle.ask(query)
        };
        let answer = ask(Program::Untouched).await;
        if answer.logits.iter().any(|z| z.is_nan()) {
            return Err(Error::NotANumber(format!(
                "the model's output for sample {index} is NaN; check that the model is whole and the data is what it \
                 was trained for"
            )));
        }
        let random = index < REPEATED && ask(Program::Untouched).await.logits != answer.logits;
        let outputs = answer.logits;
        let prediction = predict(&outputs);
        let logits = if self.engine.classifier().returns_logits() {
            outputs.clone()
        } else {
            ask(Program::Logits).await.logits
        };
        let cosine = match self.probe {
            true => cosine(&input, &ask(Program::Gradient(Loss::LogOdds)).await.gradient),
            false => None,
        };
        let mut record = Record {
            index,
            label,
            prediction,
            margin: margin(&logits, label),
            random,
            cosine,
            attacks: vec![None; self.attacks.len()],
            minimal: vec![None; self.minimal.len()],
        };
        let mut adversarials = vec![None; self.attacks.len() + self.minimal.len()];
        if prediction != label {
            return Ok(Examined { record, input, outputs, adversarials });
        }
        let prey =
            Prey { origin: &input, shape: self.engine.classifier().shape(), label, index, clean: &logits };
        let aim = if self.full { Aim::Worst } else { Aim::First };
        let situation = Situation { threat: self.threat, aim, seed: self.seed, budget: self.budget };
        for (i, attack) in self.attacks.iter().enumerate() {
            if self.cascade && !self.full && !record.is_robust() {
                break;
            }
            let verdict = hunt(attack.as_ref(), prey, situation, self.account(i), oracle.clone()).await?;
            record.attacks[i] = Some(AttackRecord::new(&verdict, self.threat.norm, &input));
            adversarials[i] = verdict.adversarial;
        }
        let threat = ThreatModel::unlimited(self.threat.norm, self.threat.bounds)?;
        let situation = Situation { threat, aim: Aim::Closest, ..situation };
        for (i, attack) in self.minimal.iter().enumerate() {
            let place = self.attacks.len() + i;
            let account = self.account(place);
            let verdict = hunt(attack.as_ref(), prey, situation, account, oracle.clone()).await?;
            record.minimal[i] = Some(AttackRecord::new(&verdict, self.threat.norm, &input));
            adversarials[place] = verdict.adversarial;
        }
        Ok(Examined { record, input, outputs, adversarials })
    }
}
