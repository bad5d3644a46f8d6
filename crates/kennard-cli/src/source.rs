//! The model and the data of the commands that measure without attacking.

use std::path::{Path, PathBuf};

use kennard::Graph;
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::write_set;

use crate::command::flag;
use crate::settings::{Number, Settings, selection};
use crate::setup;

type Error = Box<dyn std::error::Error>;

/// The model and how to run it.
#[derive(clap::Args, Clone, Debug)]
pub struct Model {
    /// The model, an ONNX file
    #[arg(value_name = "MODEL")]
    pub file: PathBuf,
    /// The model wants pixels times this: 255 for a model of pixels 0..255
    #[arg(long, value_name = "FACTOR")]
    input_scale: Option<Number>,
    /// The model wants normalised pixels: the mean of each channel
    #[arg(long, value_delimiter = ',', requires = "std")]
    mean: Option<Vec<f32>>,
    /// The model wants normalised pixels: the standard deviation of each channel
    #[arg(long, value_delimiter = ',', requires = "mean")]
    std: Option<Vec<f32>>,
    /// The model wants channels last
    #[arg(long)]
    nhwc: bool,
    /// What runs the model: auto, rten, onnxruntime
    #[arg(long, default_value = "auto")]
    runtime: String,
    /// Samples per micro-batch [default: from the model's size]
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,
    /// Cores to use [default: all]
    #[arg(long)]
    threads: Option<usize>,
}

/// The samples.
#[derive(clap::Args, Clone, Debug)]
pub struct Data {
    /// The data set: mnist:DIR, fashion-mnist:DIR, cifar10:DIR, cifar100:DIR, folder:DIR, npz:FILE, parquet:FILE
    #[arg(long, value_name = "KIND:PATH")]
    data: String,
    /// The part of it: test or train
    #[arg(long, default_value = "test")]
    split: String,
    /// A file with the names of the classes, one a line, in the order of the model's outputs
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Examine only this many samples, drawn at random
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Examine only the first N samples, in the order of the files
    #[arg(long, value_name = "N", conflicts_with = "samples")]
    first: Option<usize>,
}

impl Data {
    /// Which samples are examined; a random part is drawn by the seed.
    pub fn selection(&self, seed: u64) -> kennard::Result<Selection> {
        selection(self.samples, self.first, seed)
    }
}

impl Model {
    fn settings(&self) -> Settings {
        Settings {
            input_scale: self.input_scale,
            mean: self.mean.clone(),
            std: self.std.clone(),
            nhwc: Some(self.nhwc),
            runtime: Some(self.runtime.clone()),
            micro_batch: self.micro_batch,
            threads: self.threads,
            ..Settings::default()
        }
    }

    /// The model at work on inputs of `shape`; `first` are some of them.
    pub fn engine(&self, model: &Graph, shape: &[usize], first: &[&[f32]]) -> Result<Engine, Error> {
        Ok(said(setup::engine(model, shape, first, &self.settings())?))
    }

    /// How to feed the runtime.
    pub fn options(&self) -> EngineOptions {
        EngineOptions { micro_batch: self.micro_batch, threads: self.threads }
    }

    /// The data, read to fit the model, and the model at work on it.
    pub fn with(&self, data: &Data) -> Result<(Engine, DataSet), Error> {
        self.on(&data.data, &data.split, data.classes.as_deref())
    }

    /// The same, the data given by its name, split and list of classes.
    pub fn on(&self, data: &str, split: &str, classes: Option<&Path>) -> Result<(Engine, DataSet), Error> {
        let (data, split, classes) = (Some(data.into()), Some(split.into()), classes.map(Path::to_path_buf));
        let settings = Settings { data, split, classes, ..self.settings() };
        let (data, engine) = setup::open(&self.file, &settings)?;
        notes(&data);
        Ok((said(engine), data))
    }
}

/// Says what a reader should know of how the data were read.
pub fn notes(data: &DataSet) {
    for note in data.notes() {
        note!("note: {note}");
    }
}

/// Says what a reader should know of how the model was taken.
fn said(engine: Engine) -> Engine {
    for warning in engine.warnings() {
        warn!("warning ({}): {}", warning.code, warning.worded(flag));
    }
    engine
}

/// Makes the directory of the results, where one is named, before the work and not after it.
pub fn prepare(out: Option<&Path>) -> Result<(), kennard::Error> {
    out.map_or(Ok(()), kennard::run::prepare)
}

/// Writes files into a directory, each whole or not at all, and says so.
pub fn write_all<N: AsRef<str>>(directory: &Path, files: &[(N, Vec<u8>)]) -> Result<(), Error> {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_ref(), bytes.clone())).collect();
    write_set(directory, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    note!("written to {}: {}", directory.display(), names.join(", "));
    Ok(())
}

/// Pretty JSON with a line's end.
pub fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
