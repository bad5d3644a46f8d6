use kennard_graph::{Loss, Objective};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How a network is trained: what it is shown, and what is made small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
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
    /// See [`Objective::Certified`], by intervals; the share of the clean loss falls from 1 while epsilon grows.
    Ibp {
        /// What it falls to, the paper's κ.
        natural: f64,
    },
    /// The same with CROWN's bounds, whose share falls from 1 to 0 while epsilon grows.
    CrownIbp {
        /// κ at the end.
        natural: f64,
    },
    /// See [`Objective::LogitPenalty`].
    LogitReg {
        /// λ
        lambda: f64,
    },
}

/// The methods' names.
pub const METHODS: &[&str] = &[
    "standard",
    "gaussian-noise",
    "fgsm-rs",
    "pgd",
    "trades",
    "mart",
    "ibp",
    "crown-ibp",
    "conjugate",
    "conjmask",
    "logitreg",
];

/// What the methods' parameters are where a user gives none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strength {
    /// σ of `gaussian-noise`; the share of `conjmask`; β of `trades` and `mart`; κ at the end of `ibp` and `crown-ibp`; λ of
    /// `conjugate` and `logitreg`.
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
            "ibp" => Method::Ibp { natural: strength.unwrap_or(0.5) },
            "crown-ibp" => Method::CrownIbp { natural: strength.unwrap_or(0.5) },
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
        // κ is the share of what training is without the method.
        let is_kappa = matches!(method, Method::Ibp { .. } | Method::CrownIbp { .. });
        let off = if is_kappa { 1.0 } else { 0.0 };
        if given.strength == Some(off) {
            return Err(Error::Setting(format!(
                "a strength of {off} switches {name} off; the method standard is what is left"
            )));
        }
        let is_share = is_kappa || matches!(method, Method::ConjMask { .. });
        let most = if is_share { 1.0 } else { f64::INFINITY };
        let range = match (is_kappa, is_share) {
            (true, _) => "from 0 on, smaller than 1",
            (false, true) => "larger than 0, 1 at most",
            (false, false) => "larger than 0",
        };
        match method.strength() {
            Some(strength) if !(0.0..=most).contains(&strength) || strength.is_infinite() => Err(
                Error::Setting(format!("the strength of {name} is {strength}, but must be a number {range}")),
            ),
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
            Method::Ibp { .. } => "ibp",
            Method::CrownIbp { .. } => "crown-ibp",
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
            Method::Ibp { natural: v } | Method::CrownIbp { natural: v } => Some(v),
        }
    }

    fn steps(&self) -> Option<usize> {
        match *self {
            Method::Pgd { steps } | Method::Trades { steps, .. } | Method::Mart { steps, .. } => Some(steps),
            _ => None,
        }
    }

    /// Whether images are changed within a threat model, or bounded over it.
    pub fn is_adversarial(&self) -> bool {
        self.is_certified()
            || matches!(
                self,
                Method::FgsmRs | Method::Pgd { .. } | Method::Trades { .. } | Method::Mart { .. }
            )
    }

    /// Whether what is made of images stays within the bounds of the input, whatever else holds.
    pub(super) fn stays_inside(&self) -> bool {
        self.is_adversarial() || matches!(self, Method::GaussianNoise { .. })
    }

    /// Whether its objective is a cross-entropy alone, whose labels can be smoothed.
    pub(super) fn smooths(&self) -> bool {
        let objective = self.objective(Phase::Grown, 1.0, [0.0, 1.0]);
        matches!(objective, Objective::CrossEntropy { .. })
    }

    /// Whether the network is bounded over a threat model.
    pub fn is_certified(&self) -> bool {
        matches!(self, Method::Ibp { .. } | Method::CrownIbp { .. })
    }

    /// The share of epsilon after some epochs, where it grows over `warmup` of them. Where bounds are made small, it stays 0 for a
    /// sixth of these, as Gowal et al. have it (2018, arXiv 1810.12715: 2 000 steps, then 10 000 of growth), and then grows
    /// [smoothly](smooth): a deep network that has learned nothing yet is easiest bounded by being constant, and stays so; and the
    /// bounds of one that was not trained for them grow a thousandfold from layer to layer.
    pub(super) fn grown(&self, done: f64, warmup: f64) -> f64 {
        let start = if self.is_certified() { warmup / 6.0 } else { 0.0 };
        let share = if warmup > 0.0 { ((done - start) / (warmup - start)).clamp(0.0, 1.0) } else { 1.0 };
        if self.is_certified() { smooth(share) } else { share }
    }

    /// The phases whose objectives are graphs of their own.
    pub(super) fn phases(&self) -> &'static [Phase] {
        if self.is_certified() { &[Phase::Before, Phase::Growing, Phase::Grown] } else { &[Phase::Grown] }
    }

    /// The phase in which epsilon has grown to this share.
    pub(super) fn phase(&self, grown: f64) -> Phase {
        match grown {
            _ if !self.is_certified() || grown >= 1.0 => Phase::Grown,
            0.0 => Phase::Before,
            _ => Phase::Growing,
        }
    }

    /// What [`Objective::Certified`] is told where epsilon has grown to `eps`, the share `grown` of what it will be.
    pub(super) fn told(&self, eps: f64, grown: f64) -> Vec<[f32; 1]> {
        let natural = |end: f64| 1.0 - (1.0 - end) * grown;
        let told = match (*self, self.phase(grown)) {
            (_, Phase::Before) => Vec::new(),
            (Method::CrownIbp { natural: end }, Phase::Growing) => vec![eps, natural(end), 1.0 - grown],
            (Method::Ibp { natural: end } | Method::CrownIbp { natural: end }, phase) => {
                if self.counts_clean(phase) { vec![eps, natural(end)] } else { vec![eps] }
            }
            _ => Vec::new(),
        };
        told.into_iter().map(|v| [v as f32]).collect()
    }

    /// Whether the loss of the images as they are counts in a phase of certified training.
    fn counts_clean(&self, phase: Phase) -> bool {
        phase != Phase::Grown || self.strength() != Some(0.0)
    }

    /// What is made small. While epsilon is 0 bounds are the logits themselves; once it has grown CROWN's have no share any more.
    pub(super) fn objective(&self, phase: Phase, smoothing: f64, limits: [f32; 2]) -> Objective {
        match *self {
            Method::Ibp { .. } | Method::CrownIbp { .. } if phase != Phase::Before => {
                let crown = phase == Phase::Growing && matches!(self, Method::CrownIbp { .. });
                Objective::Certified { limits, crown, clean: self.counts_clean(phase) }
            }
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
            Method::Ibp { .. } | Method::CrownIbp { .. } => Change::None,
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

/// From 0 to 1, with the fourth power over the first quarter, and on in a straight line: the smoothed schedule of Xu et al. (2020,
/// arXiv 2002.12920, appendix).
fn smooth(share: f64) -> f64 {
    const QUARTER: f64 = 0.25;
    // Value and slope of both are the same at the quarter, and the line ends at 1.
    let factor = 1.0 / (QUARTER.powi(3) * (4.0 - 3.0 * QUARTER));
    let start = factor * QUARTER.powi(4);
    match share {
        share if share < QUARTER => factor * share.powi(4),
        share => start + (1.0 - start) * (share - QUARTER) / (1.0 - QUARTER),
    }
}

/// Where a run stands while epsilon grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is 0.
    Before,
    Growing,
    /// It is what it will be.
    Grown,
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
