//! The experiments of the paper, with their settings in TOML files beside this one, each ending in its table, its
//! pictures, and whether the paper's claim came out.

mod claim;
mod conjugates;
mod digits;
mod features;
mod fragile;
mod frontier;
mod jobs;
mod networks;
mod pixels;
mod plane;
mod resolve;
mod seeds;
mod simultaneous;
mod size;
mod tradeoff;
mod whitened;
mod window;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::{Lab, NamedFile};
use crate::run::sums::sha256;
use crate::warning::Warning;
use crate::{Error, Result};

pub use claim::{Claim, ClaimVerdict};
use size::{OwnSize, epochs_of};

/// What must be said where networks are examined on the samples that they were trained on.
const SEEN: &str =
    "The networks were trained on the split that they are examined on: accuracies are too high.\n\n";

/// What was predicted of the experiments of the second edition before they were run.
pub const PREDICTIONS: &str = include_str!("predictions.md");

/// How many images R5 looks at where nothing else is asked for.
pub const R5_IMAGES: usize = 150;

/// An experiment of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// An accurate network under attacks of growing size.
    E1,
    /// Accuracy, robust accuracy and conjugate spreads, epoch by epoch.
    E2,
    /// The trade-off over methods and strengths.
    E3,
    /// Two classes in the plane, by quadrature.
    E4,
    /// The label read from the input, and from the loss gradient, along the trade-off.
    E5,
    /// Attacks on features beside attacks on pixels.
    E6,
    /// Images in a plane: what becomes of packets while networks of several regimes learn.
    R1,
    /// What factors of the logits, which change no decision, do to the figures of R1's networks.
    R2,
    /// One trunk that reads the label from the input and from the loss gradient, against two trunks.
    R3,
    /// Networks beside the known frontier of accuracy and robustness, and where none is.
    R4,
    /// Which figure of an image predicts its distance to the decision boundary.
    R5,
    /// Attacks on features beside attacks on pixels, each in units of its own.
    R6,
    /// One network's trade-off between accuracy and certified radius, through windows of noise.
    R7,
}

/// What an experiment is made under.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The name of the data set that networks are trained and examined on.
    pub data: String,
    /// Whether they are examined on the samples that they were trained on.
    pub seen: bool,
    /// The files of networks, where the experiment looks at given ones.
    pub models: Vec<PathBuf>,
    /// Where to keep the runs.
    pub out: PathBuf,
    /// How many epochs in place of the experiment's own.
    pub epochs: Option<usize>,
    /// How many samples in place of the experiment's own.
    pub samples: Option<usize>,
}

/// What an experiment ends with.
pub struct PaperReport {
    /// Tables and remarks, in Markdown.
    pub text: String,
    /// The paper's claims, and what became of them.
    pub claims: Vec<Claim>,
    /// All figures.
    pub figures: serde_json::Value,
    /// Pictures, and tables of single runs.
    pub pictures: Vec<NamedFile>,
    /// What a reader should know before believing it.
    pub warnings: Vec<Warning>,
}

impl Experiment {
    /// `e1` to `e6`, `r1` to `r7`.
    pub fn name(self) -> &'static str {
        match self {
            Experiment::E1 => "e1",
            Experiment::E2 => "e2",
            Experiment::E3 => "e3",
            Experiment::E4 => "e4",
            Experiment::E5 => "e5",
            Experiment::E6 => "e6",
            Experiment::R1 => "r1",
            Experiment::R2 => "r2",
            Experiment::R3 => "r3",
            Experiment::R4 => "r4",
            Experiment::R5 => "r5",
            Experiment::R6 => "r6",
            Experiment::R7 => "r7",
        }
    }

    /// The settings of its networks and their audit, in TOML; none where it trains networks by itself or
    /// looks at given ones. `eps` is the size of
    /// attacks.
    pub fn settings(self, eps: f64) -> Option<String> {
        let text: String = match self {
            Experiment::E1 => seeds::each_seed(include_str!("e1.toml")),
            Experiment::E2 => seeds::each_seed(include_str!("e2.toml")),
            Experiment::E3 => seeds::each_seed(include_str!("e3.toml")),
            // The first seed of E3's networks.
            Experiment::E5 => seeds::first_seed(include_str!("e3.toml")),
            Experiment::E6 => seeds::each_seed(include_str!("e6.toml")),
            Experiment::R6 => whitened::settings(),
            Experiment::R7 => window::settings(),
            _ => return None,
        };
        let part = |of: f64| format!("{:?}", eps / of);
        Some(text.replace("\"EPS/4\"", &part(4.0)).replace("\"EPS/2\"", &part(2.0)))
    }

    /// Whether it trains its networks by itself, on data that it makes or prepares.
    fn trains_by_itself(self) -> bool {
        matches!(self, Experiment::E4 | Experiment::R1 | Experiment::R2 | Experiment::R3 | Experiment::R4)
    }

    /// Whether it is one of the second edition, with [`PREDICTIONS`].
    fn is_predicted(self) -> bool {
        self.trains_by_itself() && self != Experiment::E4
            || matches!(self, Experiment::R5 | Experiment::R6 | Experiment::R7)
    }

    /// The error with what can be done about it in an experiment, whose settings for training are its own.
    fn advised(self, error: Error, on: &Conditions) -> Error {
        let (error, samples, held_out, batch) = match error {
            Error::OfModel { model, error } => {
                return Error::OfModel { model, error: Box::new(self.advised(*error, on)) };
            }
            Error::Advised { error, advice } => match *error {
                Error::TooFewSamples { samples, held_out, batch } => (error, samples, held_out, batch),
                _ => return Error::Advised { error, advice },
            },
            error => return error,
        };
        let least = least_samples(samples, held_out, batch);
        if on.samples.is_some() || matches!(self, Experiment::E4 | Experiment::R4) {
            let advice = crate::Advice::new(". It takes at least {samples}");
            error.advise(advice.with("samples", least))
        } else {
            error.advise(". Take a larger data set")
        }
    }

    /// How large it is by itself.
    fn own_size(self) -> OwnSize {
        let (epochs, samples) = match self {
            Experiment::E4 => (Some(plane::EPOCHS), Some(plane::POINTS)),
            Experiment::R1 | Experiment::R2 => (Some(digits::EPOCHS), Some(digits::TRAIN)),
            Experiment::R3 => (Some(simultaneous::EPOCHS), Some(simultaneous::READ)),
            Experiment::R4 => (Some(frontier::EPOCHS), Some(frontier::TRAIN)),
            Experiment::R5 => (None, Some(R5_IMAGES)),
            other => (other.settings(0.0).as_deref().and_then(epochs_of), None),
        };
        OwnSize { epochs, samples }
    }

    /// Runs it on the networks of its settings, which `lab` trains and examines. `None`: interrupted; what is done is
    /// kept, and not done again. With fewer epochs or samples than its own it judges no claim.
    ///
    /// # Errors
    /// When a network cannot be trained or examined, or a directory cannot be used.
    pub fn run(self, lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
        let shortened = self.own_size().shortened(on.epochs, on.samples);
        let report = match self {
            Experiment::E1 => fragile::run(lab, on),
            Experiment::E2 => conjugates::run(lab, on),
            Experiment::E3 => tradeoff::run(lab, on),
            Experiment::E4 => plane::run(lab, on),
            Experiment::E5 => resolve::run(lab, on),
            Experiment::E6 => features::run(lab, on),
            Experiment::R1 => digits::run(lab, on),
            Experiment::R2 => digits::temperatures(lab, on, &shortened),
            Experiment::R3 => simultaneous::run(lab, on),
            Experiment::R4 => frontier::run(lab, on),
            Experiment::R5 => pixels::run(lab, on),
            Experiment::R6 => whitened::run(lab, on),
            Experiment::R7 => window::run(lab, on),
        };
        let Some(mut report) = report.map_err(|error| self.advised(error, on))? else { return Ok(None) };
        if let Some(why) = shortened {
            report = report.unjudged(&why);
        }
        let claims: String = report.claims.iter().map(Claim::line).collect();
        let seen = if on.seen && !self.trains_by_itself() && self != Experiment::R5 { SEEN } else { "" };
        report.text = format!("{}\n{seen}{claims}", report.text);
        if self.is_predicted() {
            let digest = sha256(PREDICTIONS.as_bytes());
            report.text += &format!("\nPredictions: predictions.md, SHA-256 {digest}\n");
            report.figures["predictions_sha256"] = digest.into();
            report.pictures.push(("predictions.md".into(), PREDICTIONS.as_bytes().to_vec()));
        }
        Ok(Some(report))
    }
}

impl PaperReport {
    /// A text alone.
    fn new(text: impl Into<String>) -> PaperReport {
        PaperReport {
            text: text.into(),
            claims: Vec::new(),
            figures: json!({}),
            pictures: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The report without verdicts on its claims; `why` is said in a warning.
    fn unjudged(mut self, why: &str) -> PaperReport {
        self.claims = self.claims.into_iter().map(|claim| claim.unjudged(why)).collect();
        let warning = Warning::new("shortened", format!("the experiment is {why}; no claim is judged"));
        self.text += &format!("\nWarning ({}): {}.\n", warning.code, warning.message);
        self.warnings.push(warning);
        self
    }

    /// Adds that a rank correlation is positive, or negative; without a verdict where there is a reason for that.
    fn correlate(
        &mut self,
        claim: impl Into<String>,
        pairs: &[(f64, f64)],
        positive: bool,
        too_small: &Option<String>,
    ) {
        self.claims.push(Claim::of_correlation(claim, pairs, positive).unless(too_small.clone()));
    }

    /// The claims and all figures, and warnings where there are some.
    pub fn json(&self) -> serde_json::Value {
        let mut all = json!({ "claims": self.claims, "figures": self.figures });
        if !self.warnings.is_empty() {
            all["warnings"] = json!(self.warnings);
        }
        all
    }
}

/// How many samples leave a batch where as large a share of them is held out as `held_out` of `samples`.
fn least_samples(samples: usize, held_out: usize, batch: usize) -> usize {
    let leaves = |count: &usize| count.saturating_sub(count * held_out / samples.max(1)) >= batch;
    (batch..=held_out + 2 * batch).find(leaves).unwrap_or(held_out + batch)
}

/// How many epochs each of the networks is trained at least.
fn epochs(lab: &dyn Lab) -> usize {
    lab.runs().iter().map(|run| run.epochs).min().unwrap_or(0)
}

fn value(figures: &impl Serialize) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(figures)?)
}
