use serde::Serialize;

use super::ProbeReport;
use crate::Result;
use crate::data::DataSet;
use crate::run::{DataSummary, ModelSummary};
use crate::warning::Warning;

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
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
}

impl ProbeSummary {
    /// The report on a model with what it was made of.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub fn new(model: ModelSummary, data: &DataSet, report: ProbeReport) -> Result<ProbeSummary> {
        let notes = data.notes_of(report.records.iter().map(|record| record.index));
        let data = DataSummary { notes, ..DataSummary::of(data)? };
        let (done, total) = (report.samples, report.total);
        let lacking = format!("{done} of {total} samples were probed, in the order of the files");
        let warnings = Vec::from_iter((!report.complete).then(|| Warning::interrupted(lacking)));
        Ok(ProbeSummary { model, data, report, warnings })
    }
}
