//! What `summary.json` says of a survey.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::figures::{Figures, NOT_REACHED, yes};
use super::{Failure, PacketKind, Survey, SurveyOutcome};
use crate::calibration::Calibrated;
use crate::figure::Basis;
use crate::packet::{ESS_FLOOR, Lobe};
use crate::probe::Cosines;
use crate::run::files::to_json;
use crate::run::{DataSummary, ModelSummary};
use crate::warning::Warning;
use crate::{Error, Figure, Result};

/// The figures of a survey, as in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SurveySummary {
    /// The version of this format.
    pub version: u32,
    /// The model.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// Whether all was measured that was to be.
    #[serde(default = "yes")]
    pub complete: bool,
    /// The hidden tensor whose packets these are; null for the input's.
    pub tensor: Option<String>,
    /// The runtime's name.
    pub runtime: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The temperature at which packets are measured too, where it was fitted, and the expected calibration error before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibrated>,
    /// The mean over packets at each scale, in the order asked for.
    pub curve: Vec<Figures>,
    /// The packets that fall into several lobes.
    #[serde(default)]
    pub lobes: Vec<Lobes>,
    /// The packets that could not be measured, which are in no figure.
    #[serde(default)]
    pub failed: Vec<Failure>,
    /// The single-backward probe; null where there was none.
    pub cosines: Option<Cosines>,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time.
    pub seconds: f64,
}

impl SurveySummary {
    /// The text of `summary.json`.
    ///
    /// # Errors
    /// When a figure cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        String::from_utf8(to_json(self)?).map_err(|e| Error::Summary(e.to_string()))
    }
}

/// The lobes of one packet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lobes {
    /// The window's width `s`.
    pub scale: Option<f64>,
    /// The place in the data set of the sample that is the centre.
    pub centre: Option<u64>,
    /// The label.
    pub label: Option<u64>,
    /// Whether each great one was reached from two starts at least, and the last look found no other.
    pub reached: bool,
    /// They, the largest share first.
    pub lobes: Vec<Lobe>,
}

fn lobes(outcome: &SurveyOutcome) -> Vec<Lobes> {
    let several = outcome.packets.iter().filter(|packet| packet.lobes.len() > 1);
    let of = |packet: &Figures| Lobes {
        scale: packet.scale,
        centre: packet.centre,
        label: packet.label,
        reached: packet.reached,
        lobes: packet.lobes.clone(),
    };
    several.map(of).collect()
}

/// This many packets are named in a warning.
const NAMED: usize = 5;

/// Which packets these are: "sample 3 at scale 0.1, …".
fn named<'f>(packets: impl Iterator<Item = &'f Figures>) -> String {
    let name = |packet: &Figures| {
        let scale = packet.scale.map_or(String::new(), |scale| format!(" at scale {scale}"));
        match (packet.centre, packet.label) {
            (Some(centre), _) => format!("sample {centre}{scale}"),
            (None, Some(label)) => format!("label {label}{scale}"),
            _ => format!("all labels{scale}"),
        }
    };
    let mut names: Vec<String> = packets.take(NAMED + 1).map(name).collect();
    if names.len() > NAMED {
        names[NAMED] = "…".into();
    }
    names.join(", ")
}

/// Whether an estimated figure of a packet has an interval of no width.
fn without_width(figures: &Figures) -> bool {
    let estimated = [Some(figures.sigma_x), Some(figures.sigma_p), figures.drift, figures.dispersion];
    let sampled = |figure: &Figure| matches!(figure.basis, Basis::Samples { .. });
    estimated.into_iter().flatten().any(|figure| sampled(&figure) && figure.error() <= 0.0)
}

/// The largest half-width, as a share of its value, of those that sampling goes on for.
fn widest(figures: &Figures) -> f64 {
    let watched = [
        Some(figures.sigma_x),
        Some(figures.sigma_p),
        Some(figures.product),
        figures.drift,
        figures.dispersion,
    ];
    watched.into_iter().flatten().map(|figure| figure.relative_error()).fold(0.0, f64::max)
}

impl Survey<'_> {
    /// The figures with what they were measured on; `took` is the time of the run.
    ///
    /// # Errors
    /// When the files cannot be read any more.
    pub fn summary(
        &self,
        model: ModelSummary,
        outcome: &SurveyOutcome,
        took: Duration,
    ) -> Result<SurveySummary> {
        self.data.check_unchanged()?;
        Ok(SurveySummary {
            version: 1,
            model,
            data: DataSummary::of(self.data)?,
            complete: outcome.complete,
            tensor: self.hidden.map(|hidden| hidden.name().into()),
            runtime: self.engine.runtime().name().into(),
            seed: self.seed,
            calibration: self.calibration.clone(),
            curve: outcome.curve.clone(),
            lobes: lobes(outcome),
            failed: outcome.failed.clone(),
            cosines: outcome.cosines,
            warnings: self.warnings(outcome),
            seconds: took.as_secs_f64(),
        })
    }

    /// What a survey that was stopped lacks.
    fn lacking(&self, outcome: &SurveyOutcome) -> String {
        let done = (outcome.packets.len() + outcome.failed.len()) as u64;
        if done == outcome.planned {
            return "all packets are measured, distances to the decision boundary are missing".into();
        }
        let tried = |scale: f64| {
            let packets = outcome.packets.iter().map(|packet| packet.scale);
            packets.chain(outcome.failed.iter().map(|failure| failure.scale)).any(|s| s == Some(scale))
        };
        let scales = if self.kind.has_scale() { self.scales.as_slice() } else { &[] };
        let missing: Vec<String> =
            scales.iter().filter(|scale| !tried(**scale)).map(|scale| format!("{scale}")).collect();
        let at =
            |temperature: f64| outcome.packets.iter().any(|packet| packet.temperature == Some(temperature));
        let temperatures: Vec<String> =
            self.temperatures.iter().filter(|t| !at(**t)).map(|t| format!("{t}")).collect();
        let mut text = format!("{done} of {} packets were measured", outcome.planned);
        for (what, missing) in [("scale", missing), ("temperature", temperatures)] {
            if let [one] = missing.as_slice() {
                text += &format!("; {what} {one} is missing");
            } else if !missing.is_empty() {
                text += &format!("; {what}s {} are missing", missing.join(", "));
            }
        }
        text + "; means are of those that were"
    }

    fn warnings(&self, outcome: &SurveyOutcome) -> Vec<Warning> {
        let mut warnings = self.engine.warnings().to_vec();
        if !outcome.complete {
            warnings.push(Warning::interrupted(self.lacking(outcome)));
        }
        let count = |of: &dyn Fn(&&Figures) -> bool| outcome.packets.iter().filter(of).count();
        let few = count(&|packet| !packet.enough_samples);
        let missed = count(&|packet| !packet.reached);
        let wrong = count(&|packet| packet.enough_samples && packet.reached && !packet.valid);
        let (all, failed) = (outcome.packets.len(), outcome.failed.len());
        if few > 0 {
            let message = format!("{few} of {all} packets have fewer than {ESS_FLOOR} effective samples");
            warnings.push(Warning::new("few-samples", message).advise(match self.kind {
                PacketKind::Empirical => {
                    ": the loss of a few data points outweighs the others; more data may help"
                }
                _ => ": ask for more with {max_draws}, or take a smaller scale",
            }));
        }
        if missed > 0 {
            let message = format!(
                "a part of {missed} of {all} packets may not have been reached ({}): {NOT_REACHED}",
                named(outcome.packets.iter().filter(|packet| !packet.reached))
            );
            warnings.push(
                Warning::new("packet-not-reached", message)
                    .advise(". Take another scale, or look at the loss along lines ({!slice})"),
            );
        }
        let narrow: Vec<&Figures> = outcome
            .packets
            .iter()
            .chain(outcome.curve.iter().filter(|mean| mean.packets > 1))
            .filter(|figures| without_width(figures))
            .collect();
        if !narrow.is_empty() && !self.answering_is_affine() {
            let message = format!(
                "intervals have no width at {} of {} packets and means ({}): nothing varies from sample to sample there, \
                 for example because the loss is flat there and the packet lies elsewhere",
                narrow.len(),
                all + outcome.curve.len(),
                named(narrow.iter().copied())
            );
            warnings.push(Warning::new("no-width", message));
        }
        if let Some(tolerance) = self.effort.rel_tol {
            let wide = outcome.packets.iter().filter(|packet| widest(packet) > tolerance);
            let wide: Vec<&Figures> = wide.collect();
            if let Some(most) = wide.iter().map(|packet| widest(packet)).max_by(f64::total_cmp) {
                let message = format!(
                    "the intervals of {} of {all} packets are still wider than was asked for after the largest number of points \
                     that was allowed ({}): a half-width is up to {:.2} % of its value, not {} %",
                    wide.len(),
                    named(wide.iter().copied()),
                    100.0 * most,
                    100.0 * tolerance
                );
                warnings
                    .push(Warning::new("wide-intervals", message).advise(": ask for more with {max_draws}"));
            }
        }
        if let Some(threshold) = self.engine.classifier().moved_by_threshold() {
            let message = format!(
                "the loss of these packets is that of logits which the threshold {threshold} moves, so that the larger decides. It is \
                 not the cross-entropy of the model's probability"
            );
            warnings.push(Warning::new("threshold", message));
        }
        if wrong > 0 {
            let crowded = match self.kind {
                PacketKind::Data => {
                    "more data points share a window than are computed with (the notes say what the others hold), "
                }
                _ => "",
            };
            let message = format!(
                "Stein's identities fail for {wrong} of {all} packets: {crowded}the gradient is not that of the loss, or a \
                 part of the packet was never sampled"
            );
            warnings.push(Warning::new("stein", message));
        }
        if failed > 0 {
            let message = format!(
                "{failed} of {} packets could not be measured and are left out of all figures; `failed` says why",
                all + failed
            );
            warnings.push(Warning::new("packets-failed", message));
        }
        warnings
    }
}
