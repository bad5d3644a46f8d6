//! The model and the data of the commands that measure without attacking, and the files that they write.

use std::path::{Path, PathBuf};

use kennard::data::{DataSet, Indices, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::graph::ModelFile;
use kennard::run::write_set;

use crate::command::flag;
use crate::settings::{Data, Model, Run};
use crate::setup::Asking;
use crate::{Error, Usage, setup};

/// The model and how to run it.
#[derive(clap::Args, Clone, Debug)]
pub struct Given {
    /// The model, an ONNX file
    #[arg(value_name = "MODEL")]
    pub file: PathBuf,
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    run: Run,
}

impl Given {
    /// The model at work on inputs of `shape`; `first` are some of them.
    pub fn engine(&self, shape: &[usize], first: &[Vec<f32>]) -> kennard::Result<Engine> {
        let file = ModelFile::open(&self.file)?;
        Ok(said(setup::engine(&file, shape, first, None, &self.model, &self.run)?))
    }

    /// How to feed the runtime.
    pub fn options(&self) -> EngineOptions {
        self.run.options()
    }

    /// The seed of all random numbers.
    pub fn seed(&self) -> u64 {
        self.run.seed()
    }

    /// The data, of which these samples are taken, read to fit the model, and the model at work on it.
    pub fn on(&self, data: &Data, taken: Selection) -> kennard::Result<(Engine, DataSet)> {
        on(&self.file, data, taken, &self.model, &self.run)
    }
}

/// The data, read to fit the model, and the model at work on it, with what a reader should know of both.
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

/// Says what a reader should know of how the data were read, as far as these samples were.
pub fn notes(data: &DataSet, taken: Indices) {
    for note in data.notes_of(taken) {
        note!("note: {note}");
    }
}

/// Says what a reader should know of how the model was taken.
pub fn said(engine: Engine) -> Engine {
    for warning in engine.warnings() {
        warn!("warning ({}): {}", warning.code, warning.worded(flag));
    }
    engine
}

/// Makes the directory of the results, where one is named, before the work and not after it.
pub fn prepare(out: Option<&Path>) -> Result<(), kennard::Error> {
    out.map_or(Ok(()), kennard::run::prepare)
}

/// The same for results that are written once, which never take the place of others.
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
                let svg = std::str::from_utf8(&bytes)
                    .map_err(|error| kennard::Error::Summary(error.to_string()))?;
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

/// Says the figures on standard output: as JSON where that is asked for, else as `print` does.
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
    let text = serde_json::to_string_pretty(value);
    Ok(text.map_err(|error| kennard::Error::Summary(error.to_string()))? + "\n")
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
