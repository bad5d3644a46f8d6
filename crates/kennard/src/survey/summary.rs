//! What `summary.json` says of a survey.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::figures::Figures;
use super::{Failure, PacketKind, Survey, SurveyOutcome};
use crate::packet::ESS_FLOOR;
use crate::probe::Cosines;
use crate::run::files::to_json;
use crate::run::{DataSummary, ModelSummary};
use crate::warning::Warning;
use crate::{Error, Result};

/// The figures of a survey, as in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveySummary {
    /// The version of this format.
    pub version: u32,
    /// The model.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// The hidden tensor whose packets these are; null for the input's.
    pub tensor: Option<String>,
    /// The runtime's name.
    pub runtime: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The mean over packets at each scale, in the order asked for.
    pub curve: Vec<Figures>,
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
            tensor: self.hidden.map(|hidden| hidden.name().into()),
            runtime: self.engine.runtime().name().into(),
            seed: self.seed,
            curve: outcome.curve.clone(),
            failed: outcome.failed.clone(),
            cosines: outcome.cosines,
            warnings: self.warnings(outcome),
            seconds: took.as_secs_f64(),
        })
    }

    fn warnings(&self, outcome: &SurveyOutcome) -> Vec<Warning> {
        let mut warnings = self.engine.warnings().to_vec();
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
                "a part of {missed} of {all} packets may not have been reached: the figures do not vary from sample to \
                 sample, or of many searches only one found a part of the packet, so that others may have found none. \
                 Take another scale, or look at the loss along lines (`kennard slice`)"
            );
            warnings.push(Warning::new("packet-not-reached", message));
        }
        if wrong > 0 {
            let message = format!(
                "Stein's identities fail for {wrong} of {all} packets: the gradient is not the loss's, or a part of \
                 the packet was never sampled"
            );
            warnings.push(Warning::new("stein", message));
        }
        if failed > 0 {
            let message = format!(
                "{failed} of {} packets could not be measured and are in no figure; `failed` says why",
                all + failed
            );
            warnings.push(Warning::new("packets-failed", message));
        }
        warnings
    }
}
