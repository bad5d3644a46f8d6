//! The model and the data of the commands that measure without attacking, and the files that they write.

use std::path::{Path, PathBuf};

use kennard::audit::Warning;
use kennard::data::{DataSet, Indices, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::graph::ModelFile;
use kennard::run::write_set;

use crate::command::flag;
use crate::settings::{Data, Model, Run, Taken};
use crate::setup::Asking;
use crate::{Error, Usage, setup};

/// The model and how to run it.
#[derive(clap::Args, Clone, Debug)]
pub struct ModelArgs {
    /// The model, an ONNX file
    #[arg(value_name = "MODEL")]
    pub file: PathBuf,
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    run: Run,
}

impl ModelArgs {
    /// The model's engine for inputs of `shape`; `first` are some of them.
    pub fn engine(&self, shape: &[usize], first: &[Vec<f32>]) -> kennard::Result<Engine> {
        let file = ModelFile::open(&self.file)?;
        Ok(said(setup::engine(&file, shape, first, None, &self.model, &self.run)?))
    }

    /// The micro-batch and the threads.
    pub fn options(&self) -> EngineOptions {
        self.run.options()
    }

    /// The seed of all random numbers.
    pub fn seed(&self) -> u64 {
        self.run.seed()
    }

    /// The model's engine, and the data set, read to fit the model; `taken` are the samples that are used.
    pub fn on(&self, data: &Data, taken: Selection) -> kennard::Result<(Engine, DataSet)> {
        on(&self.file, data, taken, &self.model, &self.run)
    }
}

/// The model, the data set, and which of its samples are used.
#[derive(clap::Args)]
pub struct Subject {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    taken: Taken,
}

impl Subject {
    /// Which samples are used, the model's engine, and the data set.
    pub fn open(&self) -> kennard::Result<(Selection, Engine, DataSet)> {
        let samples = self.taken.selection(self.model.seed())?;
        let (engine, data) = self.model.on(&self.data, samples)?;
        Ok((samples, engine, data))
    }
}

/// The model's engine, and the data set, read to fit the model. Prints notes on the data and warnings about the model.
pub fn on(
    file: &Path,
    data: &Data,
    taken: Selection,
    model: &Model,
    run: &Run,
) -> kennard::Result<(Engine, DataSet)> {
    let (data, engine) = setup::open(file, data, taken, Asking::ManyPoints, model, run)?;
    notes(&data, taken.indices(data.len()));
    Ok((said(engine), data))
}

/// Prints the notes on how these samples were read.
pub fn notes(data: &DataSet, taken: Indices) {
    for note in data.notes_of(taken) {
        note!("note: {note}");
    }
}

/// Prints the warnings about how the model was read.
pub fn said(engine: Engine) -> Engine {
    engine.warnings().iter().for_each(say_warning);
    engine
}

/// Prints a warning.
pub fn say_warning(warning: &Warning) {
    warn!("warning ({}): {}", warning.code, warning.worded(flag));
}

/// Makes the directory of the results, where one is named, before the work and not after it.
pub fn prepare(out: Option<&Path>) -> Result<(), kennard::Error> {
    out.map_or(Ok(()), kennard::run::prepare)
}

/// As [`prepare`], for results that are written once and never replace others.
pub fn prepare_new(out: Option<&Path>) -> Result<(), kennard::Error> {
    out.map_or(Ok(()), kennard::run::prepare_new)
}

/// Writes files into a directory, each whole or not at all, and says so.
pub fn write_all<N: AsRef<str>>(directory: &Path, files: &[(N, Vec<u8>)]) -> Result<(), Error> {
    write_set(directory, files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_ref()).collect();
    note!("written to {}: {}", directory.display(), names.join(", "));
    Ok(())
}

/// The files, and beside each SVG the same as PDF, for papers.
///
/// # Errors
/// When a picture is not one of ours.
#[cfg(feature = "pdf")]
pub fn with_pdfs(files: Vec<(String, Vec<u8>)>) -> kennard::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for (name, bytes) in files {
        let pdf = match name.strip_suffix(".svg") {
            Some(stem) => {
                let svg = std::str::from_utf8(&bytes).map_err(|error| kennard::Error::Format {
                    what: "the PDF of a picture",
                    source: error.into(),
                })?;
                Some((format!("{stem}.pdf"), kennard::picture::pdf(svg)?))
            }
            None => None,
        };
        all.push((name, bytes));
        all.extend(pdf);
    }
    Ok(all)
}

/// The files; PDF is left out of this build.
///
/// # Errors
/// None.
#[cfg(not(feature = "pdf"))]
pub fn with_pdfs(files: Vec<(String, Vec<u8>)>) -> kennard::Result<Vec<(String, Vec<u8>)>> {
    Ok(files)
}

/// Prints figures on standard output: as JSON if asked for, else as `print` does.
pub fn show<R: serde::Serialize>(report: &R, as_json: bool, print: impl FnOnce(&R)) -> Result<(), Error> {
    if as_json {
        crate::out::json(&json(report)?);
    } else {
        print(report);
    }
    Ok(())
}

/// Pretty JSON with a line's end.
pub fn json(value: &impl serde::Serialize) -> kennard::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Refuses to write over the file that a command reads.
pub fn apart(out: &Path, read: &Path) -> Result<(), Usage> {
    match (out.canonicalize(), read.canonicalize()) {
        (Ok(out), Ok(read)) if out == read => {
            Err(Usage(format!("--out is {}, the file that is read; give it another", read.display())))
        }
        _ => Ok(()),
    }
}
