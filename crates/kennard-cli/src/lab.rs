//! Networks trained and examined with the settings of the command line and of files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kennard::Result;
use kennard::audit::{Audit, Outcome, RunDirectory};
use kennard::data::DataSet;
use kennard::engine::Engine;
use kennard::experiment::{Lab, Point, TrainingRun};
use kennard::run::ModelSummary;
use kennard::train::TrainingDirectory;

use crate::progress::Display;
use crate::settings::Settings;
use crate::{audit, recipe, setup, train};

/// Training runs that differ in some settings, and the audit that all undergo.
pub struct Bench {
    pub runs: Vec<TrainingRun>,
    /// How each of them is trained.
    pub training: Vec<recipe::Settings>,
    pub audit: Settings,
    pub stop: Arc<AtomicBool>,
}

impl Lab for Bench {
    fn runs(&self) -> &[TrainingRun] {
        &self.runs
    }

    fn train(&self, run: &TrainingRun, directory: &Path) -> Result<bool> {
        let Some(place) = self.runs.iter().position(|other| other == run) else { return Ok(false) };
        note!("{} of {}: {}", place + 1, self.runs.len(), run.name);
        let course = self.training[place].prepare()?;
        let directory = TrainingDirectory::open(directory, self.command(), &course.settings, true)?;
        let trained = train::teach(&course, &directory, &self.stop, |epoch| note!("{}", train::line(epoch)))?;
        Ok(!trained.interrupted)
    }

    fn open(&self, model: &Path) -> Result<(DataSet, Engine)> {
        setup::open_with_surrogate(model, &self.audit)
    }

    fn audit<'a>(&self, model: &'a Path, data: &'a DataSet, engine: &'a Engine) -> Result<Audit<'a>> {
        setup::whole_audit(ModelSummary::of_file(model, engine.classifier())?, &self.audit, data, engine)
    }

    fn conduct(&self, audit: &Audit, directory: RunDirectory) -> Result<Outcome> {
        audit::say_damage(&directory);
        let mut display = Display::new();
        let outcome = audit.run_in(directory, &self.stop, |progress| display.show(progress));
        display.finish();
        outcome
    }

    fn found(&self, point: &Point) {
        note!("{}: clean {:.1} %, robust {:.1} %", point.name, 100.0 * point.clean, 100.0 * point.robust);
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
