mod named;
mod steps;

use kennard_graph::Objective;
use serde::{Deserialize, Serialize};

pub use named::{METHODS, Strength};

pub(super) use steps::{Change, Climbs, ProjectedSteps, StartingPoint, TrainingPhase};

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
    /// As [`Ibp`](Method::Ibp), with CROWN's bounds, whose share falls from 1 to 0 while epsilon grows.
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

impl Method {
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

    /// Whether it is for robustness to a threat model. Noise is for smoothing, whose certificates want accuracy.
    pub fn seeks_robustness(&self) -> bool {
        !matches!(self, Method::Standard | Method::GaussianNoise { .. })
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
        let objective = self.objective(TrainingPhase::Grown, 1.0, [0.0, 1.0]);
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
    pub(super) fn phases(&self) -> &'static [TrainingPhase] {
        if self.is_certified() {
            &[TrainingPhase::Before, TrainingPhase::Growing, TrainingPhase::Grown]
        } else {
            &[TrainingPhase::Grown]
        }
    }

    /// The phase in which epsilon has grown to this share.
    pub(super) fn phase(&self, grown: f64) -> TrainingPhase {
        match grown {
            _ if !self.is_certified() || grown >= 1.0 => TrainingPhase::Grown,
            0.0 => TrainingPhase::Before,
            _ => TrainingPhase::Growing,
        }
    }

    /// What [`Objective::Certified`] is told where epsilon has grown to `eps`, the share `grown` of what it will be.
    pub(super) fn told(&self, eps: f64, grown: f64) -> Vec<[f32; 1]> {
        let natural = |end: f64| 1.0 - (1.0 - end) * grown;
        let told = match (*self, self.phase(grown)) {
            (_, TrainingPhase::Before) => Vec::new(),
            (Method::CrownIbp { natural: end }, TrainingPhase::Growing) => {
                vec![eps, natural(end), 1.0 - grown]
            }
            (Method::Ibp { natural: end } | Method::CrownIbp { natural: end }, phase) => {
                if self.counts_clean(phase) { vec![eps, natural(end)] } else { vec![eps] }
            }
            _ => Vec::new(),
        };
        told.into_iter().map(|v| [v as f32]).collect()
    }

    /// Whether the loss of the images as they are counts in a phase of certified training.
    fn counts_clean(&self, phase: TrainingPhase) -> bool {
        phase != TrainingPhase::Grown || self.strength() != Some(0.0)
    }

    /// What is made small. While epsilon is 0 bounds are the logits themselves; once it has grown CROWN's have no share any more.
    pub(super) fn objective(&self, phase: TrainingPhase, smoothing: f64, limits: [f32; 2]) -> Objective {
        match *self {
            Method::Ibp { .. } | Method::CrownIbp { .. } if phase != TrainingPhase::Before => {
                let crown = phase == TrainingPhase::Growing && matches!(self, Method::CrownIbp { .. });
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
            Method::FgsmRs => Change::Ascent(ProjectedSteps {
                steps: 1,
                step: 1.25,
                start: StartingPoint::Ball,
                climbs: Climbs::Loss,
            }),
            Method::Pgd { steps } => {
                Change::Ascent(ProjectedSteps::of(steps, StartingPoint::Ball, Climbs::Loss))
            }
            Method::Trades { steps, .. } => {
                Change::Ascent(ProjectedSteps::of(steps, StartingPoint::Jitter, Climbs::Divergence))
            }
            Method::Mart { steps, .. } => {
                Change::Ascent(ProjectedSteps::of(steps, StartingPoint::Jitter, Climbs::Loss))
            }
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
