//! Ways to train a network of points in the plane.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::points::PlanePoints;
use crate::Norm;
use crate::random::stream;
use crate::train::{Method, Optimizer, Recipe, Schedule};

/// How many epochs, unless others are asked for.
pub const EPOCHS: usize = 32;
/// The smallest and the largest coordinate, far beyond all points.
pub const BOUNDS: [f32; 2] = [-8.0, 8.0];
/// Hidden units per layer where the regime is none of widths.
const WIDTH: usize = 64;
/// Steps of the attack in training.
const STEPS: usize = 7;
/// The share of labels that the regime of label noise draws anew.
const NOISE: f64 = 0.2;

/// A way to train.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regime {
    /// Its name in tables.
    pub name: &'static str,
    /// Hidden units in each of two layers.
    pub width: usize,
    /// What the labels are.
    pub labels: Labels,
    method: TrainedBy,
    decay: f64,
}

/// The labels of the training samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// The labels of the data.
    True,
    /// One label in five drawn anew.
    Noisy,
    /// All labels drawn anew: nothing can be learnt from them.
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum TrainedBy {
    Plain,
    /// PGD in l2 of this size.
    Pgd(f64),
    /// Normal noise of this standard deviation.
    Noise(f64),
}

const fn regime(name: &'static str, method: TrainedBy) -> Regime {
    Regime { name, width: WIDTH, labels: Labels::True, method, decay: 0.0 }
}

/// All regimes, in the order of the tables.
pub const REGIMES: [Regime; 10] = [
    regime("plain", TrainedBy::Plain),
    regime("pgd 0.05", TrainedBy::Pgd(0.05)),
    regime("pgd 0.1", TrainedBy::Pgd(0.1)),
    regime("pgd 0.2", TrainedBy::Pgd(0.2)),
    regime("smoothing 0.25", TrainedBy::Noise(0.25)),
    Regime { decay: 0.1, ..regime("decay 0.1", TrainedBy::Plain) },
    Regime { labels: Labels::Noisy, ..regime("label noise", TrainedBy::Plain) },
    Regime { labels: Labels::Random, ..regime("random labels", TrainedBy::Plain) },
    Regime { width: 16, ..regime("width 16", TrainedBy::Plain) },
    Regime { width: 256, ..regime("width 256", TrainedBy::Plain) },
];

impl Regime {
    /// Whether the network can learn what it is tested on.
    pub fn learns(&self) -> bool {
        self.labels != Labels::Random
    }

    /// The network by its name.
    pub fn architecture(&self) -> String {
        format!("mlp:{0},{0}", self.width)
    }

    /// How it is trained.
    pub fn recipe(&self, epochs: usize, seed: u64) -> Recipe {
        let (method, eps) = match self.method {
            TrainedBy::Plain => (Method::Standard, None),
            TrainedBy::Pgd(eps) => (Method::Pgd { steps: STEPS }, Some(eps)),
            TrainedBy::Noise(sigma) => (Method::GaussianNoise { sigma }, None),
        };
        Recipe {
            method,
            norm: Norm::L2,
            eps,
            bounds: BOUNDS,
            epochs,
            batch: 64,
            part: 64,
            optimizer: Optimizer::AdamW { betas: [0.9, 0.999] },
            rate: 0.01,
            schedule: Schedule::Cosine,
            decay: self.decay,
            seed,
            ..Recipe::default()
        }
    }

    /// The labels that it is trained with.
    pub fn labels_of(&self, points: &PlanePoints, seed: u64) -> Vec<usize> {
        let share = match self.labels {
            Labels::True => return points.labels.clone(),
            Labels::Noisy => NOISE,
            Labels::Random => 1.0,
        };
        let mut random = stream(seed, &[], "labels");
        let mut draw = |&label: &usize| {
            let (anew, other) = (random.random_bool(share), random.random_range(0..points.classes));
            if anew { other } else { label }
        };
        points.labels.iter().map(&mut draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 2 000 labels of ten classes, noise of one in five changes 18 % (standard error 0.9 %), random labels 90 % (0.7 %):
    /// five standard errors, one alarm in 10⁶ streams.
    #[test]
    fn labels_are_drawn_anew() {
        let labels: Vec<usize> = (0..2000).map(|i| i % 10).collect();
        let points = PlanePoints { values: vec![0.0; 4000], labels, classes: 10 };
        for (regime, expected) in REGIMES.iter().map(|r| {
            (
                r,
                match r.labels {
                    Labels::True => 0.0,
                    Labels::Noisy => 0.18,
                    Labels::Random => 0.9,
                },
            )
        }) {
            let found = regime.labels_of(&points, 3);
            let changed = found.iter().zip(&points.labels).filter(|(a, b)| a != b).count() as f64 / 2000.0;
            assert!((changed - expected).abs() < 0.045, "{}: {changed}", regime.name);
            assert_eq!(found, regime.labels_of(&points, 3));
        }
    }
}
