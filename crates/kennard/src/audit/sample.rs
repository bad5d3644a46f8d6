//! The whole work on one sample.

use super::{AttackRecord, Audit, Examined, Predictions, Record};
use crate::answer::{Answer, is_answer, margin, predict};
use crate::attack::{AttackConditions, AttackedSample, Criterion, Loss, run_attack};
use crate::data::Sample;
use crate::engine::{Oracle, Program, Query};
use crate::probe::cosine;
use crate::threat::{SampleBox, check_inside};
use crate::{Norm, Precision, Result, ThreatModel};

/// The account of the passes at the samples themselves; those of attack `i` go to `i + 1`.
const CLEAN: usize = 0;

/// A sample's record before any attack, and what the untouched model returns there.
pub(super) struct Looked {
    pub record: Record,
    pub outputs: Vec<f32>,
}

impl Audit<'_> {
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

    /// What the untouched model returns at a sample, and its logits there.
    async fn answers(&self, oracle: &Oracle, sample: &Sample) -> [Vec<f32>; 2] {
        let outputs = self.ask(oracle, Program::Untouched, sample).await.logits;
        let logits = match self.engine.classifier().returns_logits() {
            true => outputs.clone(),
            false => self.ask(oracle, Program::Logits, sample).await.logits,
        };
        [outputs, logits]
    }

    /// The account that the passes of the i-th attack are booked under, minimum-norm attacks last.
    pub(super) fn account(&self, i: usize) -> usize {
        CLEAN + 1 + i
    }

    /// A sample that the classifier and the threat model can work on.
    pub(super) fn check(&self, sample: Sample) -> Result<Sample> {
        self.engine.classifier().check_label(sample.index, sample.label)?;
        check_inside(sample.index, &sample.input, self.threat.bounds)?;
        if let Some(lattice) = &self.lattice {
            lattice.check(sample.index, &sample.input, self.data.feature_names())?;
        }
        if let Some(boxes) = &self.boxes {
            boxes.check_inside(sample.index, &sample.input)?;
        }
        Ok(sample)
    }

    /// What the model makes of a sample as it is; asked `again`, whether it says the same, and if it is to
    /// `probe`, the cosine with its loss gradient.
    pub(super) async fn look(
        &self,
        oracle: &Oracle,
        sample: &Sample,
        again: bool,
        probe: bool,
    ) -> Result<Looked> {
        let Sample { index, label, .. } = *sample;
        let ask = |program| self.ask(oracle, program, sample);
        let [outputs, logits] = self.answers(oracle, sample).await;
        let evaluated = is_answer(&outputs) && is_answer(&logits);
        let random = again && evaluated && ask(Program::Untouched).await.logits != outputs;
        let cosine = match probe && evaluated {
            true => cosine(&sample.input, &ask(Program::Gradient(Loss::LogOdds)).await.gradient),
            false => None,
        };
        let prediction = evaluated.then(|| predict(&outputs));
        let record = Record {
            index,
            label,
            prediction,
            margin: if evaluated { margin(&logits, label) } else { f32::NAN },
            random,
            cosine,
            pending: (self.certify || self.is_attacking()) && prediction == Some(label),
            predictions: Predictions::default(),
            bound: None,
            radius: None,
            attacks: vec![None; self.attacks.len()],
            minimal: vec![None; self.minimal.len()],
        };
        Ok(Looked { record, outputs })
    }

    /// Whether there is any attack.
    fn is_attacking(&self) -> bool {
        !(self.attacks.is_empty() && self.minimal.is_empty())
    }

    /// Whether bounds are done with a sample.
    pub(super) fn is_bounded(&self, record: &Record) -> bool {
        let judged = self.threat.eps.is_infinite() || record.bound.is_some();
        !self.certify || judged && (!self.radii || record.radius.is_some())
    }

    /// Whether a sample that was bounded is still to be attacked: a certified one only for the whole budget of attacks, or for
    /// its distance.
    pub(super) fn is_left_to_attack(&self, record: &Record) -> bool {
        match record.is_certified() {
            true => !self.minimal.is_empty() || self.full && self.is_attacking(),
            false => self.is_attacking(),
        }
    }

    /// Attacks a sample that is classified correctly.
    pub(super) async fn attack(
        &self,
        oracle: Oracle,
        sample: Sample,
        mut record: Record,
    ) -> Result<Examined> {
        let [outputs, logits] = self.answers(&oracle, &sample).await;
        let Sample { index, input, label } = sample;
        record.pending = false;
        let mut adversarials = vec![None; self.attacks.len() + self.minimal.len()];
        let lattice = self.lattice.as_ref();
        let own = self.boxes.as_ref().map(|boxes| boxes.of(index, &input, lattice));
        let valid =
            lattice.map(|lattice| lattice.around(&input, &self.threat, own.as_ref().map(SampleBox::ends)));
        let frame = own.as_ref().map(SampleBox::frame);
        let unit = frame.map(|frame| frame.to_unit(&input));
        let attacked = AttackedSample {
            origin: unit.as_deref().unwrap_or(&input),
            shape: self.engine.classifier().shape(),
            label,
            index,
            clean: &logits,
            frame,
            valid: valid.as_ref(),
            trees: self.engine.trees().ok(),
        };
        let criterion = if self.full { Criterion::Worst } else { Criterion::First };
        // A box is the whole unit cube.
        let threat = if frame.is_some() { ThreatModel::new(Norm::Linf, 1.0)? } else { self.threat };
        let rough = self.engine.search_precision() != Precision::F32;
        let conditions = AttackConditions { threat, criterion, seed: self.seed, budget: self.budget, rough };
        for (i, attack) in self.attacks.iter().enumerate() {
            if !self.full && (record.is_certified() || self.cascade && !record.is_robust()) {
                break;
            }
            let verdict =
                run_attack(attack.as_ref(), attacked, conditions, self.account(i), oracle.clone()).await?;
            let found = AttackRecord::new(&verdict, &self.threat, &input);
            // What an attack within a box found lies in it, wherever the sample is there.
            let within = if frame.is_some() { verdict.broken } else { found.within };
            record.attacks[i] = Some(AttackRecord { within, ..found });
            adversarials[i] = verdict.adversarial;
        }
        let threat = ThreatModel::unlimited(self.threat.norm, self.threat.bounds)?;
        let conditions = AttackConditions { threat, criterion: Criterion::Closest, ..conditions };
        let valid = lattice.map(|lattice| lattice.around(&input, &threat, None));
        let attacked = AttackedSample { valid: valid.as_ref(), ..attacked };
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
