//! The settings of a training run, on the command line or in a file.

use std::path::PathBuf;

use kennard::data::{DataSet, Options, Split};
use kennard::run::model_digest;
use kennard::train::{
    Architecture, Augmentation, Method, Network, Optimizer, Recipe, Schedule, Strength, TrainedOn,
    TrainingData, TrainingSet, TrainingSettings,
};
use kennard::{Classifier, Graph, Norm, Preprocessing};
use kennard_runtime::{Choice, Runtime};
use serde::Deserialize;

use crate::settings::{Bounds, Number, selection};
use crate::source::notes;

type Error = Box<dyn std::error::Error>;

/// Passes over the training samples by default.
pub const EPOCHS: usize = 10;

/// What is trained, on what, and how. Names are those of the command line and of files.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The data set: mnist:DIR, fashion-mnist:DIR, cifar10:DIR, folder:DIR, npz:FILE …
    #[arg(long, value_name = "KIND:PATH")]
    pub data: Option<String>,
    /// The part of it: train or test [default: train]
    #[arg(long)]
    pub split: Option<String>,
    /// A file with the names of the classes, one a line: their order [default: numbers, or the sorted names]
    #[arg(long, value_name = "FILE")]
    pub classes: Option<PathBuf>,
    /// The network: mlp:256,256, cnn:16, resnet8, resnet20:16, wrn16-4, vit:6,64; sizes can be left out
    #[arg(long, value_name = "NAME", conflicts_with = "init")]
    pub arch: Option<String>,
    /// Train this model further, an ONNX file, instead of a new network
    #[arg(long, value_name = "MODEL")]
    pub init: Option<PathBuf>,
    /// standard, gaussian-noise, fgsm-rs, pgd, trades, mart, conjugate, conjmask, logitreg [default: standard]
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// σ of gaussian-noise, β of trades and mart, λ of conjugate and logitreg, the share of conjmask
    #[arg(long)]
    pub strength: Option<Number>,
    /// Steps of pgd, trades and mart [default: 10]
    #[arg(long)]
    pub steps: Option<usize>,
    /// How changes are measured: linf, l2, l1 [default: linf]
    #[arg(long)]
    pub norm: Option<String>,
    /// The size of changes, 8/255 say; also of the PGD that validates
    #[arg(long)]
    pub eps: Option<Number>,
    /// The range of inputs [default: 0,1]
    #[arg(long, value_name = "LO,HI")]
    pub bounds: Option<Bounds>,
    /// Passes over the training samples [default: 10]
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Epsilon grows from 0 over so many epochs [default: a fifth of them, for adversarial methods]
    #[arg(long, value_name = "EPOCHS")]
    pub eps_warmup: Option<f64>,
    /// Samples per step [default: 128]
    #[arg(long)]
    pub batch: Option<usize>,
    /// Samples worked on together by one core; divides the batch [default: 32]
    #[arg(long, value_name = "N")]
    pub micro_batch: Option<usize>,
    /// sgd, adam, adamw [default: sgd for networks with batch normalisation, else adamw]
    #[arg(long)]
    pub optimizer: Option<String>,
    /// The highest learning rate [default: 0.1 for sgd, 0.002 for the others, of --init a tenth]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// constant, cosine, one-cycle, step [default: one-cycle]
    #[arg(long)]
    pub schedule: Option<String>,
    /// The momentum of sgd [default: 0.9]
    #[arg(long)]
    pub momentum: Option<f64>,
    /// Weight decay [default: 0.0005]
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// The share of the label that is spread over all classes [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub label_smoothing: Option<f64>,
    /// Move images by up to so many pixels [default: 2 for 28×28, 4 for 32×32]
    #[arg(long, value_name = "PIXELS")]
    pub crop: Option<usize>,
    /// Mirror half of the images: true or false [default: for images in colour and Fashion-MNIST]
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub flip: Option<bool>,
    /// Keep the moving average of the weights, with this rate, 0.999 say
    #[arg(long, value_name = "RATE")]
    pub average: Option<f64>,
    /// Scale gradients down to this length
    #[arg(long, value_name = "LENGTH")]
    pub clip: Option<f64>,
    /// Samples kept for validation [default: a tenth, at most 5000]
    #[arg(long, value_name = "N")]
    pub held_out: Option<usize>,
    /// Use only so many samples of the data, drawn at random by the seed
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Use only the first so many samples of the data, in the order of the files
    #[arg(long, value_name = "N", conflicts_with = "samples")]
    pub first: Option<usize>,
    /// Seeds weights, order, variations and attacks [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// What runs the graphs: auto, rten, onnxruntime [default: auto]
    #[arg(long)]
    pub runtime: Option<String>,
    /// Cores to use [default: all]
    #[arg(long)]
    pub threads: Option<usize>,
}

/// A training run, ready to begin.
pub struct Course {
    pub recipe: Recipe,
    pub samples: TrainingSet,
    pub model: Graph,
    pub runtime: Runtime,
    pub threads: usize,
    /// What the result depends on, for the record.
    pub settings: TrainingSettings,
}

impl Settings {
    /// Reads the data and makes the network. `seen` is told how many samples have been read.
    pub fn prepare(&self, seen: impl FnMut(usize)) -> Result<Course, Error> {
        let spec = self.data.as_deref().ok_or("--data is missing: the data set, fashion-mnist:DIR say")?;
        let split: Split = self.split.as_deref().unwrap_or("train").parse()?;
        let options = Options { split, classes: self.classes.clone(), ..Options::default() };
        let mut data = DataSet::open(&spec.parse()?, &options)?;
        let shape = data.shape().to_vec();
        let initial = self.init.as_ref().map(Graph::load).transpose()?;
        let architecture = match (&self.arch, &initial) {
            (Some(name), _) => Some(name.parse::<Architecture>()?),
            (None, None) => {
                return Err("--arch is missing: the network to train, cnn say; or --init MODEL.onnx".into());
            }
            (None, Some(_)) => None,
        };
        let normalizes = match (&architecture, &initial) {
            (Some(architecture), _) => architecture.normalizes(),
            (None, Some(graph)) => !kennard_graph::statistics(graph).is_empty(),
            (None, None) => false,
        };
        let selection = selection(self.samples, self.first, self.seed.unwrap_or(0))?;
        let count = selection.count(data.len());
        let recipe = self.recipe(&data, normalizes, count)?;
        let fingerprint: Vec<String> = data.fingerprint()?.into_iter().map(|file| file.sha256).collect();
        let samples = TrainingSet::read(&data, selection, &recipe, seen)?;
        data.check_unchanged()?;
        let model = match (&architecture, initial) {
            (Some(architecture), _) => {
                let statistics = samples.statistics();
                let statistics = statistics.as_ref().map(|(mean, std)| (mean.as_slice(), std.as_slice()));
                architecture.build(&shape, data.classes(), statistics, recipe.seed)?
            }
            (None, Some(graph)) => {
                let classifier = Classifier::new(&graph, &shape, &Preprocessing::default())?;
                data.fit_classes(classifier.classes())?;
                classifier.graph().clone()
            }
            (None, None) => unreachable!("one of them is given"),
        };
        notes(&data);
        let runtime = Runtime::open(self.runtime.as_deref().unwrap_or("auto").parse::<Choice>()?)?;
        note!("{} {}: {}", runtime.name(), runtime.version(), runtime.reason());
        let all = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let network = match (&architecture, &self.init) {
            (None, Some(path)) => {
                Network::File { init: path.display().to_string(), sha256: model_digest(path)? }
            }
            (architecture, _) => {
                Network::Architecture(architecture.as_ref().map_or_else(String::new, Architecture::to_string))
            }
        };
        let data = TrainingData {
            name: spec.into(),
            split: split.to_string(),
            samples: selection,
            sha256: fingerprint,
            classes: self.classes.clone(),
        };
        let settings = TrainingSettings {
            network,
            samples: TrainedOn::DataSet { data },
            recipe: recipe.clone(),
            runtime: Some((&runtime).into()),
        };
        let threads = self.threads.unwrap_or_else(all).max(1);
        Ok(Course { recipe, samples, model, runtime, threads, settings })
    }

    fn recipe(&self, data: &DataSet, normalizes: bool, count: usize) -> Result<Recipe, Error> {
        let given = Strength { strength: self.strength.map(|v| v.0), steps: self.steps };
        let method = Method::named(self.method.as_deref().unwrap_or("standard"), given)?;
        let optimizer = match self.optimizer.as_deref() {
            None if normalizes => "sgd",
            None => "adamw",
            Some(name) => name,
        };
        let betas = [0.9, 0.999];
        let (optimizer, rate) = match optimizer {
            "sgd" => (Optimizer::Sgd { momentum: self.momentum.unwrap_or(0.9) }, 0.1),
            "adam" => (Optimizer::Adam { betas }, 0.002),
            "adamw" => (Optimizer::AdamW { betas }, 0.002),
            other => {
                return Err(
                    format!("the optimizer `{other}` is unknown; known are sgd, adam and adamw").into()
                );
            }
        };
        let rate = if self.init.is_some() { rate / 10.0 } else { rate };
        let schedule = match self.schedule.as_deref() {
            None | Some("one-cycle") => Schedule::OneCycle,
            Some("constant") => Schedule::Constant,
            Some("cosine") => Schedule::Cosine,
            Some("step") => Schedule::Step,
            Some(other) => {
                let known = "constant, cosine, one-cycle and step";
                return Err(format!("the schedule `{other}` is unknown; known are {known}").into());
            }
        };
        let bounds = self.bounds.unwrap_or_default().0.map(|value| value as f32);
        let epochs = self.epochs.unwrap_or(EPOCHS);
        let shape = data.shape();
        let natural = match *shape {
            [3, h, _] => (h / 8, true),
            [1, h, _] => (h / 14, data.spec().to_string().starts_with("fashion-mnist")),
            _ => (0, false),
        };
        let batch = self.batch.unwrap_or(128.min(count / 2).max(1));
        // The largest divisor of the batch up to 32.
        let part = self
            .micro_batch
            .unwrap_or_else(|| (1..=32.min(batch)).rev().find(|n| batch.is_multiple_of(*n)).unwrap_or(1));
        let held_out = self.held_out.unwrap_or((count / 10).min(5000));
        Ok(Recipe {
            method,
            norm: self.norm.as_deref().unwrap_or("linf").parse::<Norm>()?,
            eps: self.eps.map(|eps| eps.0),
            bounds,
            epochs,
            warmup: self.eps_warmup.unwrap_or(if method.is_adversarial() {
                epochs as f64 / 5.0
            } else {
                0.0
            }),
            batch,
            part,
            optimizer,
            rate: self.learning_rate.unwrap_or(rate),
            schedule,
            decay: self.weight_decay.unwrap_or(5e-4),
            smoothing: self.label_smoothing.unwrap_or(0.0),
            augmentation: Augmentation {
                crop: self.crop.unwrap_or(natural.0),
                flip: self.flip.unwrap_or(natural.1),
            },
            average: self.average,
            clip: self.clip,
            held_out,
            attacked: held_out.min(1000),
            seed: self.seed.unwrap_or(0),
        })
    }
}
