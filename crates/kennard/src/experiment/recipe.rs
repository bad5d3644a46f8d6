use std::path::{Path, PathBuf};

use kennard_graph::ModelFile;
use kennard_runtime::Runtime;

use crate::data::{DataSet, Selection};
use crate::run::model_digest;
use crate::run::sums::sha256;
use crate::train::{
    Architecture, Augmentation, Kept, Method, Network, Optimizer, Recipe, Schedule, TrainedOn, TrainingData,
    TrainingSet, TrainingSettings,
};
use crate::{Classifier, Error, Graph, Norm, Preprocessing, Result};

/// Passes over the training samples by default.
pub const EPOCHS: usize = 10;

/// What is trained.
#[derive(Clone, Debug)]
pub enum StartingNetwork {
    /// A new network.
    New(Architecture),
    /// A model, which is trained further.
    Given {
        /// The path of its file, or the name that files call it by.
        name: String,
        /// SHA-256 of its content, in hexadecimal.
        sha256: String,
        /// The model itself.
        file: ModelFile,
    },
}

impl StartingNetwork {
    /// The model of an ONNX file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(path: &Path) -> Result<StartingNetwork> {
        let (name, sha256) = (path.display().to_string(), model_digest(path)?);
        Ok(StartingNetwork::Given { name, sha256, file: ModelFile::open(path)? })
    }

    /// A model in memory, which files call `name`, for samples of the shape `sample` where that is known. Its digest is that of
    /// the file that its graph would be saved as.
    ///
    /// # Errors
    /// When it is no classifier of such samples.
    pub fn in_memory(name: &str, file: &ModelFile, sample: Option<&[usize]>) -> Result<StartingNetwork> {
        let graph = Preprocessing::default().graph(file, sample)?;
        Ok(StartingNetwork::Given {
            name: name.into(),
            sha256: sha256(&graph.to_bytes()),
            file: file.clone(),
        })
    }

    /// The labels of the classes that its file lists, in the order of the outputs; none for a new network.
    pub fn class_labels(&self) -> Vec<String> {
        match self {
            StartingNetwork::New(_) => Vec::new(),
            StartingNetwork::Given { file, .. } => Preprocessing::default().class_labels(file),
        }
    }

    /// Whether it has batch normalisation, for samples of this shape.
    ///
    /// # Errors
    /// When a given model is no classifier of such samples.
    pub fn normalizes(&self, shape: &[usize]) -> Result<bool> {
        Ok(match self {
            StartingNetwork::New(architecture) => architecture.normalizes(),
            StartingNetwork::Given { file, .. } => {
                !kennard_graph::statistics(&Preprocessing::default().graph(file, Some(shape))?).is_empty()
            }
        })
    }
}

/// A training run as it is wanted.
pub struct Wanted {
    /// The data set.
    pub data: DataSet,
    /// The file with the names of its classes, where one is given.
    pub classes: Option<PathBuf>,
    /// The samples to use, those held out among them.
    pub selection: Selection,
    /// What is trained.
    pub network: StartingNetwork,
    /// What runs the graphs.
    pub runtime: Runtime,
    /// Cores to use; all by default.
    pub threads: Option<usize>,
}

/// A training run, ready to begin.
pub struct Course {
    /// How to train.
    pub recipe: Recipe,
    /// What to train on.
    pub samples: TrainingSet,
    /// The network.
    pub model: Graph,
    /// What runs the graphs.
    pub runtime: Runtime,
    /// Cores to use.
    pub threads: usize,
    /// What the result depends on, for the record.
    pub settings: TrainingSettings,
    /// What a reader should know of how the data were read, and how much of them.
    pub notes: Vec<String>,
}

impl Wanted {
    /// Reads the samples and makes the network. `recipe` is asked how to train on the data, with a network that has batch
    /// normalisation or none, and this many samples of them.
    ///
    /// # Errors
    /// When the data or the model cannot be read, or do not belong together, or the recipe makes no sense for them.
    pub fn prepare(self, recipe: impl FnOnce(&DataSet, bool, usize) -> Result<Recipe>) -> Result<Course> {
        let mut data = self.data;
        let shape = data.shape().to_vec();
        let network = match &self.network {
            StartingNetwork::New(architecture) => Network::Architecture(architecture.to_string()),
            StartingNetwork::Given { name, sha256, .. } => {
                Network::File { init: name.clone(), sha256: sha256.clone() }
            }
        };
        let recipe = recipe(&data, self.network.normalizes(&shape)?, self.selection.count(data.len()))?;
        let fingerprint: Vec<String> = data.fingerprint()?.into_iter().map(|file| file.sha256).collect();
        let samples = TrainingSet::read(&data, self.selection, &recipe, |_| ())?;
        data.check_unchanged()?;
        let model = match &self.network {
            StartingNetwork::New(architecture) => {
                let statistics = samples.statistics();
                let statistics = statistics.as_ref().map(|(mean, std)| (mean.as_slice(), std.as_slice()));
                let kept = if recipe.method.is_certified() { Kept::Intervals } else { Kept::Activations };
                architecture.build(&shape, data.classes(), statistics, kept, recipe.seed)?
            }
            StartingNetwork::Given { file, .. } => {
                let preprocessing = Preprocessing::default();
                let graph = preprocessing.graph(file, Some(&shape))?;
                let classifier = Classifier::new(&graph, &shape, &preprocessing)?;
                data.fit_classes(classifier.classes())?;
                classifier.head().clone()
            }
        };
        let trained_on = TrainingData {
            name: data.spec().to_owned(),
            split: data.split().map(|split| split.to_string()).unwrap_or_default(),
            samples: self.selection,
            sha256: fingerprint,
            classes: self.classes,
            label_column: data.label_column().map(String::from),
            resize: data.options().shorter,
            centre_crop: data.options().resize.map(|(height, _)| height),
            interpolation: data.options().interpolation,
        };
        let settings = TrainingSettings {
            network,
            samples: TrainedOn::DataSet { data: trained_on },
            recipe: recipe.clone(),
            runtime: Some((&self.runtime).into()),
        };
        let all = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.threads.unwrap_or_else(all).max(1);
        let notes = data.notes().into_iter().chain(samples.left_over(recipe.batch)).collect();
        Ok(Course { recipe, samples, model, runtime: self.runtime, threads, settings, notes })
    }
}

/// A recipe with what is usual for a method and an optimizer on this many samples of some data. Where bounds are made small,
/// decay and, without colour, moved images only cost: on MNIST within 0.1 and 0.3 more was certified without them, and at
/// twice the rate.
pub fn usual(method: Method, optimizer: Optimizer, epochs: usize, data: &DataSet, samples: usize) -> Recipe {
    let (crop, flip) = match *data.shape() {
        [3, height, _] => (height / 8, true),
        [1, height, _] => (
            if method.is_certified() { 0 } else { height / 14 },
            data.spec().to_string().starts_with("fashion-mnist"),
        ),
        _ => (0, false),
    };
    let batch = 128.min(samples / 2).max(1);
    let held_out = (samples / 10).min(5000);
    Recipe {
        method,
        norm: Norm::Linf,
        eps: None,
        bounds: [0.0, 1.0],
        epochs,
        warmup: match method {
            _ if method.is_certified() => epochs as f64 / 2.0,
            _ if method.is_adversarial() => epochs as f64 / 5.0,
            _ => 0.0,
        },
        batch,
        part: part_of(batch),
        optimizer,
        rate: match optimizer {
            Optimizer::Sgd { .. } => 0.1,
            _ if method.is_certified() => 0.004,
            _ => 0.002,
        },
        schedule: Schedule::OneCycle,
        decay: if method.is_certified() { 0.0 } else { 5e-4 },
        smoothing: 0.0,
        augmentation: Augmentation { crop, flip },
        average: None,
        clip: None,
        held_out,
        attacked: attacked_of(held_out),
        seed: 0,
    }
}

/// The largest divisor of a batch up to 32.
pub fn part_of(batch: usize) -> usize {
    (1..=32.min(batch)).rev().find(|n| batch.is_multiple_of(*n)).unwrap_or(1)
}

/// How many of the samples held out are attacked.
pub fn attacked_of(held_out: usize) -> usize {
    held_out.min(1000)
}

/// An optimizer by its name, with its usual settings; for networks with batch normalisation or without one.
///
/// # Errors
/// Names those that are known.
pub fn optimizer(name: Option<&str>, normalizes: bool) -> Result<Optimizer> {
    let betas = [0.9, 0.999];
    match name.unwrap_or(if normalizes { "sgd" } else { "adamw" }) {
        "sgd" => Ok(Optimizer::Sgd { momentum: 0.9 }),
        "adam" => Ok(Optimizer::Adam { betas }),
        "adamw" => Ok(Optimizer::AdamW { betas }),
        other => Err(unknown("optimizer", other, "sgd, adam and adamw")),
    }
}

/// A schedule by its name.
///
/// # Errors
/// Names those that are known.
pub fn schedule(name: &str) -> Result<Schedule> {
    match name {
        "one-cycle" => Ok(Schedule::OneCycle),
        "constant" => Ok(Schedule::Constant),
        "cosine" => Ok(Schedule::Cosine),
        "step" => Ok(Schedule::Step),
        other => Err(unknown("schedule", other, "constant, cosine, one-cycle and step")),
    }
}

fn unknown(what: &'static str, name: &str, known: &str) -> Error {
    Error::Unknown { what, name: name.into(), nearest: None, known: known.into() }
}
