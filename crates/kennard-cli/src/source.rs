//! The model and the data of the commands that measure without attacking.

use std::path::{Path, PathBuf};

use kennard::data::{DataSet, DataSpec, Options, Split};
use kennard::engine::{Engine, EngineOptions};
use kennard::{Classifier, Graph, Preprocessing};
use kennard_runtime::{Choice, Runtime};

use crate::settings::Number;

type Error = Box<dyn std::error::Error>;

/// How many samples are looked at to see what kind of outputs the model has.
const PROBED: usize = 8;

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
    #[arg(long, value_delimiter = ',', requires = "std", allow_negative_numbers = true)]
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
    /// Examine only the first so many samples
    #[arg(long)]
    pub samples: Option<usize>,
}

impl Model {
    /// The model at work on inputs of `shape`; `first` are some of them.
    pub fn engine(&self, model: &Graph, shape: &[usize], first: &[&[f32]]) -> Result<Engine, Error> {
        let preprocessing = Preprocessing {
            scale: self.input_scale.map(|n| n.0),
            normalize: self.mean.clone().zip(self.std.clone()),
            nhwc: self.nhwc,
        };
        let runtime = Runtime::open(self.runtime.parse::<Choice>()?)?;
        eprintln!("{} {}: {}", runtime.name(), runtime.version(), runtime.reason());
        let options = EngineOptions { micro_batch: self.micro_batch, threads: self.threads };
        let classifier = Classifier::new(model, shape, &preprocessing)?;
        let engine = Engine::new(classifier, runtime, &options)?.probe(first)?;
        for warning in engine.warnings() {
            eprintln!("warning ({}): {}", warning.code, warning.message);
        }
        Ok(engine)
    }

    /// The data, read to fit the model, and the model at work on it.
    pub fn with(&self, data: &Data) -> Result<(Engine, DataSet), Error> {
        let split = match data.split.as_str() {
            "test" => Split::Test,
            "train" => Split::Train,
            other => return Err(format!("the split `{other}` is unknown; known are test and train").into()),
        };
        let model = Graph::load(&self.file)?;
        let dims = model.single_input()?.ty.shape.0.clone();
        let (size, channels) = match (dims.as_slice(), self.nhwc) {
            (&[_, c, h, w], false) | (&[_, h, w, c], true) => (h.known().zip(w.known()), c.known()),
            _ => (None, None),
        };
        let channels = channels.filter(|c| [1, 3].contains(c));
        let data =
            DataSet::open(&data.data.parse::<DataSpec>()?, &Options { split, resize: size, channels })?;
        let first = data.samples()?.take(PROBED).collect::<Result<Vec<_>, _>>()?;
        let first: Vec<&[f32]> = first.iter().map(|sample| sample.input.as_slice()).collect();
        let engine = self.engine(&model, data.shape(), &first)?;
        Ok((engine, data))
    }
}

/// Makes the directory of the results, before the work and not after it.
pub fn prepare(out: Option<&Path>) -> Result<(), Error> {
    match out {
        Some(directory) => std::fs::create_dir_all(directory)
            .map_err(|e| format!("--out {}: {e}", directory.display()).into()),
        None => Ok(()),
    }
}

/// Writes files into a directory, each whole or not at all, and says so.
pub fn write_all(directory: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), Error> {
    for (name, bytes) in files {
        kennard::audit::write_whole(&directory.join(name), bytes)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    eprintln!("written to {}: {}", directory.display(), names.join(", "));
    Ok(())
}

/// Pretty JSON with a line's end.
pub fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
