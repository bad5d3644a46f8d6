use serde::{Deserialize, Serialize};

use super::{Survey, SurveySummary};
use crate::classifier::Preprocessing;
use crate::data::Selection;
use crate::run::{About, DataIdentity, Manifest, RuntimeSummary};

/// Everything that the figures of a survey depend on. What an older Kennard did not write is read as its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SurveySettings {
    /// SHA-256 of the model, in hexadecimal.
    pub model: String,
    /// What is done to inputs in front of the model.
    pub preprocessing: Preprocessing,
    /// The data.
    pub data: DataIdentity,
    /// The packet's name.
    pub packet: String,
    /// The windows' widths `s`, in input units.
    pub scales: Vec<f64>,
    /// Temperatures that the logits are divided by; 1 alone where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub temperatures: Vec<f64>,
    /// How many samples are not used, since a temperature was fitted to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<usize>,
    /// The hidden tensor whose packets are measured; the input's otherwise.
    pub tensor: Option<String>,
    /// Only this label.
    pub label: Option<usize>,
    /// Which samples of the data set are used.
    pub centres: Selection,
    /// Points per packet, to begin with.
    pub draws: usize,
    /// Points per packet at the most.
    pub max_draws: usize,
    /// The share of its value below which every interval's half-width must be.
    pub rel_tol: Option<f64>,
    /// The seed of all random numbers.
    pub seed: u64,
    /// What runs the model.
    pub runtime: RuntimeSummary,
    /// Samples per micro-batch.
    pub micro_batch: usize,
}

impl Manifest<SurveySettings> {
    /// The manifest of a survey that was started by `command`, and whose figures are these.
    pub fn new(survey: &Survey, summary: &SurveySummary, command: Vec<String>) -> Manifest<SurveySettings> {
        let (engine, data) = (survey.engine, &summary.data);
        let classes = survey.data.class_names().to_vec();
        let about = About { model: summary.model.clone(), samples: 0, classes, ..About::default() };
        let settings = SurveySettings {
            model: summary.model.sha256.clone(),
            preprocessing: engine.classifier().preprocessing().clone(),
            data: DataIdentity {
                name: data.name.clone(),
                split: data.split.clone(),
                files: data.files.clone(),
                shape: survey.data.shape().to_vec(),
            },
            packet: survey.kind.name().into(),
            scales: survey.scales.clone(),
            temperatures: survey.temperatures.clone(),
            without: Some(survey.without.len()).filter(|count| *count > 0),
            tensor: summary.tensor.clone(),
            label: survey.label,
            centres: survey.centres,
            draws: survey.samples,
            max_draws: survey.effort.max_samples,
            rel_tol: survey.effort.rel_tol,
            seed: survey.seed,
            runtime: engine.runtime().into(),
            micro_batch: engine.plan().micro_batch,
        };
        Manifest::of(command, engine.plan(), about, settings)
    }
}
