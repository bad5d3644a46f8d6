//! The settings of a training run, on the command line or in a file.

use std::path::PathBuf;

use kennard::data::{DataSet, Options};
use kennard::experiment::recipe::{
    Course, EPOCHS, StartingNetwork, Wanted, attacked_of, optimizer, part_of, schedule, usual,
};
use kennard::train::{Augmentation, Method, Optimizer, Recipe, Strength};
use kennard::{Error, Result};
use serde::Deserialize;

use crate::settings::{Bounds, Number, selection};
use crate::setup;

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
    /// Epsilon grows from 0 over this many epochs [default: a fifth of them, for adversarial methods]
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
    /// Move images by up to this many pixels [default: 2 for 28×28, 4 for 32×32]
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
    /// Use only this many samples of the data, drawn at random by the seed
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Use only the first N samples of the data, in the order of the files
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

impl Settings {
    /// Reads the data and makes the network.
    pub fn prepare(&self) -> Result<Course> {
        let missing = |message: &str| Error::Setting(message.into());
        let data = self.data.as_deref();
        let data = data.ok_or_else(|| missing("--data is missing: the data set, fashion-mnist:DIR say"))?;
        let network = match (&self.arch, &self.init) {
            (Some(name), _) => StartingNetwork::New(name.parse()?),
            (None, Some(file)) => StartingNetwork::File(file.clone()),
            (None, None) => {
                return Err(missing(
                    "--arch is missing: the network to train, cnn say; or --init MODEL.onnx",
                ));
            }
        };
        let split = self.split.as_deref().unwrap_or("train").parse()?;
        let wanted = Wanted {
            data: data.parse()?,
            options: Options { split, classes: self.classes.clone(), ..Options::default() },
            selection: selection(self.samples, self.first, self.seed.unwrap_or(0))?,
            network,
            runtime: setup::runtime(self.runtime.as_deref())?,
            threads: self.threads,
        };
        let course = wanted.prepare(|data, normalizes, count| self.recipe(data, normalizes, count))?;
        for note in &course.notes {
            note!("note: {note}");
        }
        Ok(course)
    }

    /// What is usual, where the settings say nothing else.
    fn recipe(&self, data: &DataSet, normalizes: bool, samples: usize) -> Result<Recipe> {
        let given = Strength { strength: self.strength.map(|v| v.0), steps: self.steps };
        let method = Method::named(self.method.as_deref().unwrap_or("standard"), given)?;
        let optimizer = match optimizer(self.optimizer.as_deref(), normalizes)? {
            Optimizer::Sgd { momentum } => Optimizer::Sgd { momentum: self.momentum.unwrap_or(momentum) },
            other => other,
        };
        let usual = usual(method, optimizer, self.epochs.unwrap_or(EPOCHS), data, samples);
        let batch = self.batch.unwrap_or(usual.batch);
        let held_out = self.held_out.unwrap_or(usual.held_out);
        let rate = if self.init.is_some() { usual.rate / 10.0 } else { usual.rate };
        Ok(Recipe {
            norm: self.norm.as_deref().map_or(Ok(usual.norm), str::parse)?,
            eps: self.eps.map(|eps| eps.0),
            bounds: self.bounds.map_or(usual.bounds, |bounds| bounds.0.map(|value| value as f32)),
            warmup: self.eps_warmup.unwrap_or(usual.warmup),
            batch,
            part: self.micro_batch.unwrap_or_else(|| part_of(batch)),
            rate: self.learning_rate.unwrap_or(rate),
            schedule: self.schedule.as_deref().map_or(Ok(usual.schedule), schedule)?,
            decay: self.weight_decay.unwrap_or(usual.decay),
            smoothing: self.label_smoothing.unwrap_or(usual.smoothing),
            augmentation: Augmentation {
                crop: self.crop.unwrap_or(usual.augmentation.crop),
                flip: self.flip.unwrap_or(usual.augmentation.flip),
            },
            average: self.average,
            clip: self.clip,
            held_out,
            attacked: attacked_of(held_out),
            seed: self.seed.unwrap_or(usual.seed),
            ..usual
        })
    }
}
