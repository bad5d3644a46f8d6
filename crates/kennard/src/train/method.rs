use kennard_graph::{Loss, Objective};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How a network is trained: what it is shown, and what is made small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Method {
    /// Cross-entropy of the images as they are.
    Standard,
    /// Cross-entropy of images with normal noise of standard deviation σ.
    GaussianNoise {
        /// σ, in input units.
        sigma: f64,
    },
    /// Cross-entropy after one step of 1.25 ε from a random start (Wong et al. 2020, arXiv 2001.03994).
    FgsmRs,
    /// Cross-entropy after steps of 2.5 ε/steps from a random start (Madry et al. 2018, arXiv 1706.06083).
    Pgd {
        /// Steps.
        steps: usize,
    },
    /// See [`Objective::Trades`]; the changed images maximise the divergence.
    Trades {
        /// β
        beta: f64,
        /// Steps.
        steps: usize,
    },
    /// See [`Objective::Mart`]; the changed images maximise the cross-entropy.
    Mart {
        /// β
        beta: f64,
        /// Steps.
        steps: usize,
    },
    /// See [`Objective::Conjugate`].
    Conjugate {
        /// λ, in units of the square of the input's.
        lambda: f64,
    },
    /// Cross-entropy of images whose elements with the largest conjugate contributions `|x_i g_i|` are zero.
    ConjMask {
        /// The share of elements that are masked.
        share: f64,
    },
    /// See [`Objective::LogitPenalty`].
    LogitReg {
        /// λ
        lambda: f64,
    },
}

/// The methods' names.
pub const METHODS: &[&str] =
    &["standard", "gaussian-noise", "fgsm-rs", "pgd", "trades", "mart", "conjugate", "conjmask", "logitreg"];

/// What the methods' parameters are where a user gives none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strength {
    /// σ of `gaussian-noise`; the share of `conjmask`; β of `trades` and `mart`; λ of `conjugate` and
    /// `logitreg`.
    pub strength: Option<f64>,
    /// Steps of `pgd`, `trades` and `mart`.
    pub steps: Option<usize>,
}

impl Method {
    /// A method by its name.
    ///
    /// # Errors
    /// When there is no such method, a parameter is not one of it, or makes no sense.
    pub fn named(name: &str, given: Strength) -> Result<Method> {
        let strength = given.strength;
        let steps = given.steps.unwrap_or(10);
        let method = match name {
            "standard" => Method::Standard,
            "gaussian-noise" => Method::GaussianNoise { sigma: strength.unwrap_or(0.1) },
            "fgsm-rs" => Method::FgsmRs,
            "pgd" => Method::Pgd { steps },
            "trades" => Method::Trades { beta: strength.unwrap_or(6.0), steps },
            "mart" => Method::Mart { beta: strength.unwrap_or(5.0), steps },
            "conjugate" => Method::Conjugate { lambda: strength.unwrap_or(0.01) },
            "conjmask" => Method::ConjMask { share: strength.unwrap_or(0.1) },
            "logitreg" => Method::LogitReg { lambda: strength.unwrap_or(0.1) },
            _ => {
                let known = METHODS.join(", ");
                return Err(Error::Setting(format!("the method `{name}` is unknown; known are {known}")));
            }
        };
        if strength.is_some() && method.strength().is_none() {
            return Err(Error::Setting(format!("the method {name} has no strength beside epsilon")));
        }
        if given.steps.is_some() && method.steps().is_none_or(|steps| steps == 0) {
            return Err(Error::Setting(format!(
                "the method {name} has no steps, or none at all were asked for"
            )));
        }
        if given.strength == Some(0.0) {
            return Err(Error::Setting(format!(
                "a strength of 0 switches {name} off; the method standard is what is left"
            )));
        }
        let share = if matches!(method, Method::ConjMask { .. }) { 1.0 } else { f64::INFINITY };
        match method.strength() {
            Some(strength) if !(0.0..=share).contains(&strength) || strength.is_infinite() => {
                Err(Error::Setting(format!(
                    "the strength of {name} is {strength}, but must be a number larger than 0{}",
                    if share == 1.0 { ", 1 at most" } else { "" }
                )))
            }
            _ => Ok(method),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Standard => "standard",
            Method::GaussianNoise { .. } => "gaussian-noise",
            Method::FgsmRs => "fgsm-rs",
            Method::Pgd { .. } => "pgd",
            Method::Trades { .. } => "trades",
            Method::Mart { .. } => "mart",
            Method::Conjugate { .. } => "conjugate",
            Method::ConjMask { .. } => "conjmask",
            Method::LogitReg { .. } => "logitreg",
        }
    }

    /// Its parameter beside epsilon.
    pub fn strength(&self) -> Option<f64> {
        match *self {
            Method::Standard | Method::FgsmRs | Method::Pgd { .. } => None,
            Method::GaussianNoise { sigma: v } | Method::ConjMask { share: v } => Some(v),
            Method::Trades { beta: v, .. } | Method::Mart { beta: v, .. } => Some(v),
            Method::Conjugate { lambda: v } | Method::LogitReg { lambda: v } => Some(v),
        }
    }

    fn steps(&self) -> Option<usize> {
        match *self {
            Method::Pgd { steps } | Method::Trades { steps, .. } | Method::Mart { steps, .. } => Some(steps),
            _ => None,
        }
    }

    /// Whether images are changed within a threat model.
    pub fn is_adversarial(&self) -> bool {
        matches!(self, Method::FgsmRs | Method::Pgd { .. } | Method::Trades { .. } | Method::Mart { .. })
    }

    /// What is made small.
    pub(super) fn objective(&self, smoothing: f64) -> Objective {
        match *self {
            Method::Trades { beta, .. } => Objective::Trades { beta },
            Method::Mart { beta, .. } => Objective::Mart { beta },
            Method::Conjugate { lambda } => Objective::Conjugate { lambda },
            Method::LogitReg { lambda } => Objective::LogitPenalty { lambda },
            _ => Objective::CrossEntropy { smoothing },
        }
    }

    /// How images are changed.
    pub(super) fn change(&self) -> Change {
        match *self {
            Method::Standard | Method::Conjugate { .. } | Method::LogitReg { .. } => Change::None,
            Method::GaussianNoise { sigma } => Change::Noise(sigma),
            Method::ConjMask { share } => Change::Mask(share),
            Method::FgsmRs => {
                Change::Ascent(Ascent { steps: 1, step: 1.25, start: Start::Ball, climbs: Climbs::Loss })
            }
            Method::Pgd { steps } => Change::Ascent(Ascent::of(steps, Start::Ball, Climbs::Loss)),
            Method::Trades { steps, .. } => {
                Change::Ascent(Ascent::of(steps, Start::Jitter, Climbs::Divergence))
            }
            Method::Mart { steps, .. } => Change::Ascent(Ascent::of(steps, Start::Jitter, Climbs::Loss)),
        }
    }
}

/// How the images of a step are changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    None,
    /// Normal noise.
    Noise(f64),
    /// The share of elements that are zeroed.
    Mask(f64),
    Ascent(Ascent),
}

impl Change {
    /// The loss whose gradient with respect to the image is asked for.
    pub fn loss(&self) -> Option<Loss> {
        match self {
            // Its gradient has the direction of the cross-entropy's, and does not vanish with it.
            Change::Mask(_) | Change::Ascent(Ascent { climbs: Climbs::Loss, .. }) => Some(Loss::LogOdds),
            _ => None,
        }
    }
}

/// Projected steps up a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ascent {
    pub steps: usize,
    /// The length of a step, in units of epsilon.
    pub step: f64,
    pub start: Start,
    pub climbs: Climbs,
}

impl Ascent {
    fn of(steps: usize, start: Start, climbs: Climbs) -> Ascent {
        Ascent { steps, step: 2.5 / steps as f64, start, climbs }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    /// Anywhere in the ball.
    Ball,
    /// Normal noise of standard deviation 0.001 around the image.
    Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Climbs {
    Loss,
    /// The divergence from the image's own class probabilities.
    Divergence,
}
