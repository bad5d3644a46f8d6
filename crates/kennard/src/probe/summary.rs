use serde::Serialize;

use super::ProbeReport;
use crate::Result;
use crate::data::DataSet;
use crate::run::{DataSummary, ModelSummary};

/// What a probe found, and what it is of, as in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeSummary {
    /// The model.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// What was found.
    #[serde(flatten)]
    pub report: ProbeReport,
}

impl ProbeSummary {
    /// The report on a model with what it was made of.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub fn new(model: ModelSummary, data: &DataSet, report: ProbeReport) -> Result<ProbeSummary> {
        let notes = data.notes_of(report.records.iter().map(|record| record.index));
        Ok(ProbeSummary { model, data: DataSummary { notes, ..DataSummary::of(data)? }, report })
    }
}
