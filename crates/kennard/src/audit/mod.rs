//! How accurate a classifier is, how accurate it stays under attack, and how its conjugate spreads
//! stand to their bound.

mod files;
mod packets;
mod record;
mod summary;
mod warnings;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::attack::{Attack, Prey, Situation, hunt, margin, predict};
use crate::data::{DataSet, Sample};
use crate::engine::{Engine, Oracle, Program, Query};
use crate::{Error, Result, ThreatModel};

pub use files::{Manifest, write_run, write_whole};
pub use packets::PacketPlan;
pub use record::{AttackRecord, Record};
pub use summary::{
    AttackSummary, Clean, DataSummary, FileHash, ModelSummary, PacketSummary, Robust, Summary,
};
pub use warnings::Warning;

use summary::Tally;

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
    /// The attacks; each tries every sample that is classified correctly.
    pub attacks: Vec<Box<dyn Attack>>,
    /// The packets to measure.
    pub packets: Vec<PacketPlan>,
    /// How many samples, from the first; all by default.
    pub samples: Option<usize>,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Spend every attack's whole budget and keep the worst margin, instead of stopping at the first
    /// adversarial point.
    pub full: bool,
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
}

/// The account of the passes at the samples themselves; those of attack `i` go to `i + 1`.
const CLEAN: usize = 0;
/// So many samples are evaluated twice, to notice a model that answers at random.
const REPEATED: usize = 8;

impl Audit<'_> {
    /// Runs the audit. `stop` ends it early, with the samples finished by then; `progress` hears of
    /// every sample.
    ///
    /// # Errors
    /// When data and model do not fit, an answer of the model is NaN, or a runtime fails.
    pub fn run(&self, stop: &AtomicBool, mut progress: impl FnMut(Progress)) -> Result<Outcome> {
        let begin = Instant::now();
        let total = self.samples.map_or(self.data.len(), |n| n.min(self.data.len()));
        let samples = self.data.samples()?.take(total).map(|sample| self.check(sample?));
        let mut records = Vec::new();
        let mut tally = Tally::new(self.attacks.len());
        let task =
            |oracle, sample| -> crate::engine::Task<'_, Record> { Box::pin(self.examine(oracle, sample)) };
        let costs = self.engine.run(samples, task, stop, |record| {
            tally.count(&record);
            records.push(record);
            let (done, robust) = (tally.samples, tally.robust);
            progress(Progress::Samples { done, robust, total: total as u64 });
            Ok(())
        })?;
        if records.is_empty() && !stop.load(Ordering::Relaxed) {
            return Err(Error::Mismatch(format!("the data set {} is empty", self.data.spec())));
        }
        let packets = match stop.load(Ordering::Relaxed) {
            true => Vec::new(),
            false => self.measure_packets(stop, &mut progress)?,
        };
        let mut summary = self.summarize(&tally, &costs, packets)?;
        summary.warnings = warnings::find(self, &records, &summary, stop.load(Ordering::Relaxed), total);
        summary.seconds = begin.elapsed().as_secs_f64();
        Ok(Outcome { summary, records })
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
    async fn examine(&self, oracle: Oracle, sample: Sample) -> Result<Record> {
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
        let prediction = predict(&answer.logits);
        let logits = if self.engine.classifier().returns_logits() {
            answer.logits
        } else {
            ask(Program::Logits).await.logits
        };
        let mut record =
            Record { index, label, prediction, margin: margin(&logits, label), random, attacks: Vec::new() };
        if prediction == label {
            let situation = Situation { threat: self.threat, seed: self.seed, full: self.full };
            for (i, attack) in self.attacks.iter().enumerate() {
                let prey = Prey { origin: &input, label, index, clean: &logits };
                let verdict = hunt(attack.as_ref(), prey, situation, i + 1, oracle.clone()).await?;
                record.attacks.push(AttackRecord::new(&verdict, self.threat.norm, &input));
            }
        }
        Ok(record)
    }
}
