//! Networks trained and examined with the settings of the command line and of files.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use kennard::audit::{Audit, Outcome, RunDirectory};
use kennard::data::DataSet;
use kennard::engine::Engine;
use kennard::experiment::{Lab, Point, TrainingRun};
use kennard::report::Sheet;
use kennard::run::ModelSummary;
use kennard::train::{TrainingDirectory, TrainingManifest};
use kennard::{Error, Result};

use crate::progress::Display;
use crate::settings::{Settings, Temperature};
use crate::{audit, recipe, report, setup, train};

/// Training runs that differ in some settings, and the audit that all undergo.
pub struct Bench {
    pub runs: Vec<TrainingRun>,
    /// How each of them is trained.
    pub training: Vec<recipe::Settings>,
    pub audit: Settings,
    pub stop: Arc<AtomicBool>,
    /// The directory of the page, and the page; it is written when the first training run or audit begins, so that settings that
    /// are refused leave the directory as it is.
    pub page: Mutex<Option<(PathBuf, Sheet)>>,
}

impl Bench {
    fn begin(&self) -> Result<()> {
        let page = self.page.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        page.map_or(Ok(()), |(out, page)| report::begin(&out, &page))
    }
}

impl Lab for Bench {
    fn runs(&self) -> &[TrainingRun] {
        &self.runs
    }

    fn train(&self, run: &TrainingRun, directory: &Path) -> Result<bool> {
        let Some(place) = self.runs.iter().position(|other| other == run) else { return Ok(false) };
        note!("{} of {}: {}", place + 1, self.runs.len(), run.name);
        let of_run = |error: Error| Error::OfModel {
            model: format!("the run `{}`", run.name.escape_debug()),
            error: Box::new(error),
        };
        let course = self.training[place].prepare().map_err(of_run)?;
        let whole = TrainingManifest::read(directory)
            .ok()
            .flatten()
            .filter(|_| directory.join("SHA256SUMS").exists());
        let same = whole.map(|whole| whole.training).filter(|there| there.trains_as(&course.settings));
        let settings = same.as_ref().unwrap_or(&course.settings);
        let directory = TrainingDirectory::open(directory, self.command(), settings, true)?;
        if !directory.is_finished() {
            self.begin()?;
        }
        let trained = train::teach(&course, &directory, &self.stop, |epoch| note!("{}", train::line(epoch)))?;
        Ok(!trained.interrupted)
    }

    fn open(&self, model: &Path) -> Result<(DataSet, Engine)> {
        setup::open_with_surrogate(model, &self.audit).map_err(|error| error.of_model("", model))
    }

    fn audit<'a>(&self, model: &'a Path, data: &'a DataSet, engine: &'a Engine) -> Result<Audit<'a>> {
        let fits = self.audit.own.temperature == Some(Temperature::Fit);
        let temper = |summary: &ModelSummary| match setup::tempered(summary, &self.audit, data, engine) {
            Err(error) if fits && has_no_temperature(&error) => {
                note!("{}: packets are measured without a fitted temperature: {error}", model.display());
                Ok(None)
            }
            tempered => tempered,
        };
        let summary = ModelSummary::of_file(model, engine.classifier())?;
        setup::whole_audit_at(summary, &self.audit, data, engine, temper)
    }

    fn certifies(&self) -> bool {
        self.audit.own.certify.unwrap_or(true)
    }

    fn conduct(&self, audit: &Audit, directory: RunDirectory) -> Result<Outcome> {
        self.begin()?;
        audit::say_damage(&directory);
        let mut display = Display::new();
        let outcome = audit.run_in(directory, &self.stop, |progress| display.show(progress));
        display.finish();
        outcome
    }

    fn found(&self, point: &Point) {
        let certified = match point.certified.value.is_finite() {
            true => format!(", certified {:.1} %", 100.0 * point.certified.value),
            false => String::new(),
        };
        let [clean, robust] = [point.clean, point.robust].map(|share| 100.0 * share.value);
        note!("{}: clean {clean:.1} %, robust {robust:.1} %{certified}", point.name);
    }

    fn say(&self, line: &str) {
        note!("{line}");
    }

    fn command(&self) -> Vec<String> {
        crate::command_line()
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }
}

/// Whether an error says that no temperature can be fitted: the network has hardly begun to learn, or the samples are too few.
fn has_no_temperature(error: &Error) -> bool {
    matches!(error, Error::NotANumber(_) | Error::TooFew { .. })
}

#[cfg(test)]
mod tests {
    use kennard::calibration::{Scores, fit_temperature};
    use kennard::data::Options;

    use super::*;

    /// What is wrong with files, data and settings is no reason to measure packets otherwise.
    #[test]
    fn a_fit_that_fails_is_told_from_other_errors() {
        let failed = fit_temperature(&Scores::default()).unwrap_err();
        assert!(has_no_temperature(&failed), "{failed}");
        let missing = DataSet::open(&"npz:no-such-file".parse().unwrap(), &Options::default()).err().unwrap();
        assert!(!has_no_temperature(&Error::from(missing)));
        assert!(!has_no_temperature(&Error::Setting("a threshold".into())));
    }
}
