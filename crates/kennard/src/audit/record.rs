use serde::{Deserialize, Serialize};

use super::predictions::Predictions;
use crate::ThreatModel;
use crate::attack::{Adversarial, Verdict};
use crate::certify::{Bounded, CertifiedRadius};
use crate::figure::{bits, optional_bits};

/// What was found about one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Its place in the data set.
    pub index: usize,
    /// Its label.
    pub label: usize,
    /// The predicted class; none where the sample could not be evaluated, the model's answer being NaN.
    pub prediction: Option<usize>,
    /// `z_y − max_{j≠y} z_j` at the sample itself; NaN where that could not be evaluated.
    #[serde(with = "bits")]
    pub margin: f32,
    /// Whether a second evaluation gave another answer.
    pub random: bool,
    /// The cosine of the sample and its loss gradient; none where either is zero, or where the audit does
    /// not probe.
    #[serde(with = "optional_bits")]
    pub cosine: Option<f64>,
    /// Whether bounds or attacks are still to come; until then there are no entries of attacks.
    #[serde(default)]
    pub pending: bool,
    /// What was measured of its distance to the decision boundary.
    #[serde(default)]
    pub predictions: Predictions,
    /// What was proved of it; none where nothing was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bounded>,
    /// How far around it is proved; none where that was not sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<CertifiedRadius>,
    /// One entry per attack; none where it did not try: the sample is misclassified from the start or certified, or an
    /// attack before it in a cascade broke it, or it could not be evaluated.
    pub attacks: Vec<Option<AttackRecord>>,
    /// One entry per minimum-norm attack; none where the sample is misclassified from the start, or could not be
    /// evaluated.
    pub minimal: Vec<Option<AttackRecord>>,
}

/// What one attack achieved on one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttackRecord {
    /// Whether an adversarial point was found; by a minimum-norm attack, at any distance.
    pub broken: bool,
    /// Whether that point lies within the threat model's epsilon; never where none is given.
    pub within: bool,
    /// The smallest margin at an allowed point; of a minimum-norm attack, that at the closest adversarial
    /// point.
    #[serde(with = "bits")]
    pub margin: f32,
    /// The size of the adversarial perturbation in the threat model's norm.
    #[serde(with = "optional_bits")]
    pub norm: Option<f64>,
    /// What the model takes the adversarial point for.
    pub prediction: Option<usize>,
    /// How many points were evaluated before the one that counts, itself included.
    pub found_after: u64,
    /// How many points were evaluated without their gradient.
    pub forwards: u64,
    /// How many points were evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// How many gradients were exactly zero.
    pub zero_gradients: u64,
    /// How many gradients had an entry that was not finite; of a transfer, on the surrogate.
    pub non_finite_gradients: u64,
    /// At how many points the model's answer was NaN; they count as nothing.
    pub unanswered: u64,
    /// Whether a point was misclassified in the attacked graph and not by the untouched model.
    pub disputed: bool,
    /// Whether it proved that there is no adversarial point within epsilon, or, of a minimum-norm attack, none that is closer; none
    /// for attacks that prove nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<bool>,
}

impl Record {
    /// Whether the model had an answer. A sample without one counts as neither correct nor robust.
    pub fn is_evaluated(&self) -> bool {
        self.prediction.is_some()
    }

    /// Whether the sample is classified correctly.
    pub fn is_correct(&self) -> bool {
        self.prediction == Some(self.label)
    }

    /// Whether it is classified correctly, no attack broke it within epsilon (minimum-norm attacks included), and none can any
    /// more: none is still to come, or it is proved that none finds anything.
    pub fn is_robust(&self) -> bool {
        !self.is_lost() && (!self.pending || self.is_certified())
    }

    /// Whether it is not known yet if it is robust.
    pub fn is_open(&self) -> bool {
        !self.is_lost() && !self.is_robust()
    }

    /// Whether it is certain not to be robust: misclassified from the start, not evaluated, or broken within epsilon.
    pub fn is_lost(&self) -> bool {
        !self.is_correct() || self.broken_by().is_some()
    }

    /// Whether it is proved that no point within epsilon is misclassified.
    pub fn is_certified(&self) -> bool {
        self.bound.is_some_and(|bound| bound.is_certified())
    }

    /// Whether it is proved that no point at a distance is misclassified.
    pub fn is_certified_within(&self, eps: f64) -> bool {
        self.radius.is_some_and(|proved| proved.radius > 0.0 && proved.radius >= eps)
    }

    /// Whether an attack found a misclassified point where it is proved that there is none: the network rounds otherwise in
    /// the runtime than in the proof, or something is wrong.
    pub fn is_contradicted(&self) -> bool {
        let found = self.attacks.iter().chain(&self.minimal).flatten().filter_map(|attack| attack.norm);
        let nearest = found.fold(f64::INFINITY, f64::min);
        self.is_certified() && self.broken_by().is_some()
            || nearest.is_finite() && self.is_certified_within(nearest)
    }

    /// The first attack that broke it within epsilon, by its place; minimum-norm attacks come last.
    pub fn broken_by(&self) -> Option<usize> {
        self.attacks.iter().chain(&self.minimal).position(|attack| attack.as_ref().is_some_and(|a| a.within))
    }

    /// What the model takes it for under attack: the prediction of the first adversarial point that an attack
    /// found within epsilon, that at the sample itself where none did.
    pub fn prediction_under_attack(&self) -> Option<usize> {
        let mut found = self.attacks.iter().chain(&self.minimal).flatten().filter(|attack| attack.within);
        found.find_map(|attack| attack.prediction).or(self.prediction)
    }

    /// The smallest distance at which a minimum-norm attack broke it: 0 where it is misclassified from the
    /// start or could not be evaluated, infinite where none did.
    pub fn distance(&self) -> f64 {
        let found = (0..self.minimal.len()).map(|i| self.distance_by(i));
        found.fold(f64::INFINITY, f64::min)
    }

    /// The distance at which the i-th minimum-norm attack broke it, likewise.
    pub(super) fn distance_by(&self, i: usize) -> f64 {
        match &self.minimal[i] {
            None => 0.0,
            Some(attack) => attack.norm.unwrap_or(f64::INFINITY),
        }
    }
}

impl AttackRecord {
    pub(super) fn new(verdict: &Verdict, threat: &ThreatModel, origin: &[f32]) -> AttackRecord {
        let admitted = |found: &Adversarial| threat.eps.is_finite() && threat.admits(origin, &found.point);
        AttackRecord {
            broken: verdict.broken,
            within: verdict.adversarial.as_ref().is_some_and(admitted),
            margin: verdict.margin,
            norm: verdict.adversarial.as_ref().map(|found| threat.norm.distance(origin, &found.point)),
            prediction: verdict.adversarial.as_ref().map(Adversarial::prediction),
            found_after: verdict.found_after,
            forwards: verdict.forwards,
            backwards: verdict.backwards,
            zero_gradients: verdict.zero_gradients,
            non_finite_gradients: verdict.non_finite_gradients,
            unanswered: verdict.unanswered,
            disputed: verdict.disputed,
            proved: verdict.proved,
        }
    }
}
