//! What `summary.json` says of a survey.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::figures::{Figures, yes};
use super::{Failure, Survey, SurveyOutcome};
use crate::Result;
use crate::calibration::Calibrated;
use crate::packet::Lobe;
use crate::probe::Cosines;
use crate::run::files::to_json_text;
use crate::run::{DataSummary, ModelSummary};
use crate::warning::Warning;

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
        to_json_text(self)
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
    /// Whether each great lobe was reached from two starts at least, and the last look found no other.
    pub reached: bool,
    /// The lobes, the largest share first.
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
}
