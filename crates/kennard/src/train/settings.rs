//! What a training run's `manifest.json` says.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::Result;
use crate::data::{Interpolation, Selection};
use crate::run::{RuntimeSummary, sorted, stored};

/// What is trained, so that anyone can train it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingManifest {
    /// Kennard's version.
    pub kennard: String,
    /// The command line.
    pub command: Vec<String>,
    /// Everything that the result depends on.
    #[serde(serialize_with = "sorted")]
    pub training: TrainingSettings,
}

/// Everything that the result of a training run depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    /// The network to begin with.
    pub network: Network,
    /// The samples.
    #[serde(flatten)]
    pub samples: TrainedOn,
    /// What is done.
    pub recipe: Recipe,
    /// What runs the graphs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeSummary>,
}

impl TrainingSettings {
    /// Whether a whole run of these settings is one of the others too: all are the same, but for the epsilon of a method that is
    /// not trained against changes, which only validation would attack with.
    pub fn trains_as(&self, other: &TrainingSettings) -> bool {
        let without = |settings: &TrainingSettings| {
            let mut settings = settings.clone();
            if !settings.recipe.method.is_adversarial() {
                settings.recipe.eps = None;
            }
            settings
        };
        without(self) == without(other)
    }
}

/// The network that a training run begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Network {
    /// An [`Architecture`](super::Architecture) by its name, with weights drawn by the recipe's seed.
    Architecture(String),
    /// A model that is trained further.
    File {
        /// Its path.
        init: String,
        /// SHA-256 of its content, in hexadecimal.
        sha256: String,
    },
}

/// The samples of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum TrainedOn {
    /// The samples of a data set.
    DataSet {
        /// The data set.
        data: TrainingData,
    },
    /// Points of a two-dimensional problem.
    Problem {
        /// The problem's name.
        problem: String,
        /// How many points.
        points: usize,
    },
}

/// The data set of a training run. What an older Kennard did not write is read as its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingData {
    /// The name, as on the command line.
    pub name: String,
    /// `test` or `train`; empty, and left out of files, of samples in memory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub split: String,
    /// Which samples.
    pub samples: Selection,
    /// SHA-256 of its files, in hexadecimal.
    pub sha256: Vec<String>,
    /// The file with the classes' names, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<PathBuf>,
    /// The column with the labels, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The length that the shorter side of images is scaled to, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// The side of the square that is cut out of images, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centre_crop: Option<usize>,
    /// How images are scaled, where something is said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<Interpolation>,
}

impl TrainingManifest {
    /// The manifest in the directory of a training run; nothing where there is none.
    ///
    /// # Errors
    /// When it is damaged, or of something else than a training run.
    pub fn read(directory: &Path) -> Result<Option<TrainingManifest>> {
        Ok(stored(directory)?.map(|(manifest, _)| manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Method;
    use super::*;

    #[test]
    fn epsilon_counts_where_training_has_a_use_for_it() {
        let of = |method: Method, eps: Option<f64>, seed: u64| TrainingSettings {
            network: Network::Architecture("cnn".into()),
            samples: TrainedOn::Problem { problem: "moons".into(), points: 10 },
            recipe: Recipe { method, eps, seed, ..Recipe::default() },
            runtime: None,
        };
        let same = |method: Method, seed: u64| of(method, None, 0).trains_as(&of(method, Some(0.1), seed));
        assert!(same(Method::Standard, 0) && same(Method::GaussianNoise { sigma: 0.1 }, 0));
        assert!(!same(Method::Standard, 1) && !same(Method::Pgd { steps: 7 }, 0) && !same(Method::FgsmRs, 0));
    }
}
