use crate::Norm;
use crate::attack::Verdict;

/// What was found about one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place in the data set.
    pub index: usize,
    /// Its label.
    pub label: usize,
    /// The predicted class.
    pub prediction: usize,
    /// `z_y − max_{j≠y} z_j` at the sample itself.
    pub margin: f32,
    /// Whether a second evaluation gave another answer.
    pub random: bool,
    /// One entry per attack; none where the sample is misclassified from the start.
    pub attacks: Vec<AttackRecord>,
}

/// What one attack achieved on one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackRecord {
    /// Whether an adversarial point was found.
    pub broken: bool,
    /// The smallest margin at an allowed point.
    pub margin: f32,
    /// The size of the adversarial perturbation in the threat model's norm.
    pub norm: Option<f64>,
    /// How many points were evaluated before that of smallest margin, itself included.
    pub found_after: u64,
    /// How many points were evaluated.
    pub evaluations: u64,
    /// How many gradients were exactly zero.
    pub zero_gradients: u64,
    /// Whether a point was misclassified in the attacked graph and not by the untouched model.
    pub disputed: bool,
}

impl Record {
    /// Whether the sample is classified correctly.
    pub fn is_correct(&self) -> bool {
        self.prediction == self.label
    }

    /// Whether it is classified correctly and no attack broke it.
    pub fn is_robust(&self) -> bool {
        self.is_correct() && self.attacks.iter().all(|attack| !attack.broken)
    }
}

impl AttackRecord {
    pub(super) fn new(verdict: &Verdict, norm: Norm, origin: &[f32]) -> AttackRecord {
        AttackRecord {
            broken: verdict.broken,
            margin: verdict.margin,
            norm: verdict.adversarial.as_ref().map(|x| norm.distance(origin, x)),
            found_after: verdict.found_after,
            evaluations: verdict.evaluations,
            zero_gradients: verdict.zero_gradients,
            disputed: verdict.disputed,
        }
    }
}
