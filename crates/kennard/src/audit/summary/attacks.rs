//! What attacks found, in `summary.json`.

use serde::{Deserialize, Serialize};

use crate::audit::distances::Distances;

/// Accuracy on the samples as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// How many are classified correctly.
    pub correct: u64,
    /// Of how many samples it is not known yet.
    pub pending: u64,
    /// The share of all samples that are classified correctly; null while some are pending.
    pub accuracy: Option<f64>,
    /// Its Clopper–Pearson interval.
    pub interval: Option<[f64; 2]>,
}

/// Accuracy under an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttackSummary {
    /// The attack's name.
    pub name: String,
    /// Those of its parameters that are not as usual, in words: `1 step`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// How many samples stay correctly classified.
    pub robust: u64,
    /// Of how many samples it is not known yet.
    pub pending: u64,
    /// The share of all samples that stay correctly classified; null while some are pending.
    pub robust_accuracy: Option<f64>,
    /// What this share lies between, whatever the pending samples turn out to be.
    pub bracket: [f64; 2],
    /// Its Clopper–Pearson interval; null while some are pending.
    pub interval: Option<[f64; 2]>,
    /// Points evaluated without a gradient.
    pub forwards: u64,
    /// Points evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// Gradients among them that had an entry that was not finite.
    #[serde(default)]
    pub non_finite_gradients: u64,
    /// Of how many samples it proved that no point within epsilon is misclassified; none for attacks that prove nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<u64>,
    /// The attack's share of the wall-clock time, that of an interrupted run before not included; NaN, in files null, where it is
    /// not known.
    pub seconds: f64,
}

/// What a minimum-norm attack found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinimalSummary {
    /// The attack's name.
    pub name: String,
    /// Those of its parameters that are not as usual, in words: `1 step`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// How many samples' distances are not known yet.
    pub pending: u64,
    /// The distances; but for the number found, nothing while some are pending.
    pub distances: Distances,
    /// Points evaluated without a gradient.
    pub forwards: u64,
    /// Points evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// Gradients among them that had an entry that was not finite.
    #[serde(default)]
    pub non_finite_gradients: u64,
    /// Of how many samples it proved that no misclassified point is closer than the one found, or that there is none; none for
    /// attacks that prove nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<u64>,
    /// The attack's share of the wall-clock time, that of an interrupted run before not included.
    pub seconds: f64,
}

/// Accuracy under the worst attack of each sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// How many samples no attack breaks.
    pub robust: u64,
    /// Of how many samples it is not known yet.
    pub pending: u64,
    /// The share of all samples that no attack breaks; null while some are pending.
    pub robust_accuracy: Option<f64>,
    /// What this share lies between, whatever the pending samples turn out to be.
    pub bracket: [f64; 2],
    /// Its Clopper–Pearson interval; null while some are pending.
    pub interval: Option<[f64; 2]>,
}

impl AttackSummary {
    pub(in crate::audit) fn blank(name: &str) -> AttackSummary {
        AttackSummary {
            name: name.into(),
            changed: Vec::new(),
            robust: 0,
            pending: 0,
            robust_accuracy: None,
            bracket: [0.0, 1.0],
            interval: None,
            forwards: 0,
            backwards: 0,
            non_finite_gradients: 0,
            proved: None,
            seconds: 0.0,
        }
    }
}

impl MinimalSummary {
    pub(in crate::audit) fn blank(name: &str) -> MinimalSummary {
        MinimalSummary {
            name: name.into(),
            changed: Vec::new(),
            pending: 0,
            distances: Distances::default(),
            forwards: 0,
            backwards: 0,
            non_finite_gradients: 0,
            proved: None,
            seconds: 0.0,
        }
    }
}
