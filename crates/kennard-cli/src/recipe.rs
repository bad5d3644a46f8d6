//! The settings of a training run, on the command line or in a file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use kennard::data::{DataSet, Options, Split};
use kennard::experiment::recipe::{
    Course, EPOCHS, StartingNetwork, Wanted, attacked_of, optimizer, part_of, schedule, usual,
};
use kennard::train::{Architecture, Augmentation, Method, Optimizer, Recipe, Strength};
use kennard::{Error, Result};

use crate::settings::{Data, Number, Taken, Threat, Work, missing};

part! {
    /// What is trained, and how.
    TrainingOptions {
        /// The network: mlp:256,256, cnn:16, cnn4:32, resnet8, resnet20:16, wrn16-4, vit:6,64; sizes can be left out
        #[arg(long, value_name = "NAME", conflicts_with = "init")]
        arch: String,
        /// Train this model further, an ONNX file, instead of a new network
        #[arg(long, value_name = "MODEL")]
        init: PathBuf,
        /// standard, gaussian-noise, fgsm-rs, pgd, trades, mart, ibp, crown-ibp, conjugate, conjmask, logitreg [default: standard]
        #[arg(long, value_name = "NAME")]
        method: String,
        /// σ of gaussian-noise, β of trades and mart, κ of ibp and crown-ibp, λ of conjugate and logitreg, the share of conjmask
        #[arg(long)]
        strength: Number,
        /// Steps of pgd, trades and mart [default: 10]
        #[arg(long)]
        steps: usize,
        /// Passes over the training samples [default: 10]
        #[arg(long)]
        epochs: usize,
        /// Epsilon grows from 0 over this many epochs [default: a fifth of them for adversarial methods, half for ibp and crown-ibp]
        #[arg(long, value_name = "EPOCHS")]
        eps_warmup: f64,
        /// Samples per step [default: 128]
        #[arg(long)]
        batch: usize,
        /// sgd, adam, adamw [default: sgd for networks with batch normalisation, else adamw]
        #[arg(long)]
        optimizer: String,
        /// The highest learning rate [default: 0.1 for sgd, 0.002 for the others (0.004 for ibp and crown-ibp), of --init a tenth]
        #[arg(long, value_name = "RATE")]
        learning_rate: f64,
        /// constant, cosine, one-cycle, step [default: one-cycle]
        #[arg(long)]
        schedule: String,
        /// The momentum of sgd [default: 0.9]
        #[arg(long)]
        momentum: f64,
        /// Weight decay [default: 0.0005, for ibp and crown-ibp 0]
        #[arg(long)]
        weight_decay: f64,
        /// The share of the label that is spread over all classes [default: 0]
        #[arg(long, value_name = "SHARE")]
        label_smoothing: f64,
        /// Move images by up to this many pixels [default: 2 for 28×28 (0 for ibp and crown-ibp), 4 for 32×32]
        #[arg(long, value_name = "PIXELS")]
        crop: usize,
        /// Mirror half of the images: true or false [default: for images in colour and Fashion-MNIST]
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        flip: bool,
        /// Keep the moving average of the weights, with this rate, for example 0.999
        #[arg(long, value_name = "RATE")]
        average: f64,
        /// Scale gradients down to this length
        #[arg(long, value_name = "LENGTH")]
        clip: f64,
        /// Samples kept for validation [default: a tenth, at most 5000]
        #[arg(long, value_name = "N")]
        held_out: usize,
    }
}

parts! {
    /// The settings of a training run.
    Settings {
        data: Data,
        course: TrainingOptions,
        threat: Threat,
        taken: Taken,
        run: Work,
    }
}

impl Settings {
    /// Reads the data and makes the network.
    pub fn prepare(&self) -> Result<Course> {
        self.prepare_with(None, None)
    }

    /// As [`Self::prepare`], with samples and a network that a caller holds, in place of those that the settings name.
    pub fn prepare_with(&self, samples: Option<DataSet>, network: Option<StartingNetwork>) -> Result<Course> {
        let network = self.network(network)?;
        let wanted = Wanted {
            data: match samples {
                Some(samples) => samples,
                None => self.data_set(&network)?,
            },
            classes: self.data.classes.clone(),
            selection: self.taken.selection(self.run.seed())?,
            network,
            runtime: self.run.open()?,
            threads: self.run.threads,
        };
        let course = wanted.prepare(|data, normalizes, samples| self.recipe(data, normalizes, samples))?;
        for note in &course.notes {
            note!("note: {note}");
        }
        Ok(course)
    }

    /// The network to begin with, unless one is given.
    fn network(&self, given: Option<StartingNetwork>) -> Result<StartingNetwork> {
        match (given, &self.course.arch, &self.course.init) {
            (Some(network), None, None) => Ok(network),
            (None, Some(name), None) => Ok(StartingNetwork::New(name.parse()?)),
            (None, None, Some(file)) => StartingNetwork::file(file),
            (None, None, None) => {
                Err(missing(["--arch", "the network to train, for example cnn; or --init=MODEL.onnx"]))
            }
            _ => {
                let message =
                    "--arch and --init exclude each other, and a model that is given: one network is trained";
                Err(Error::Setting(message.into()))
            }
        }
    }

    /// The data set that the settings name, opened, with its labels as the network's file numbers them.
    fn data_set(&self, network: &StartingNetwork) -> Result<DataSet> {
        let options = Options { model_classes: network.class_labels(), ..self.data.options(Split::Train)? };
        Ok(DataSet::open(&self.data.spec()?, &options)?)
    }

    /// Checks the recipe on the data set, whose samples are not read. `opened` has the data sets that are open already.
    pub fn check(&self, opened: &mut BTreeMap<String, DataSet>) -> Result<()> {
        let network = self.network(None)?;
        let data = match opened.entry(format!("{:?} {:?}", self.data, network.class_labels())) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.data_set(&network)?),
        };
        let samples = self.taken.selection(self.run.seed())?.count(data.len());
        self.recipe(data, network.normalizes(data.shape())?, samples)?.check(samples)
    }

    /// Refuses unknown names of networks and methods, without reading any data.
    pub fn check_names(&self) -> Result<()> {
        self.method()?;
        self.course.arch.iter().try_for_each(|name| name.parse::<Architecture>().map(drop))
    }

    fn method(&self) -> Result<Method> {
        let given = Strength { strength: self.course.strength.map(|v| v.0), steps: self.course.steps };
        Method::named(self.course.method.as_deref().unwrap_or("standard"), given)
    }

    /// What is usual, where the settings say nothing else.
    fn recipe(&self, data: &DataSet, normalizes: bool, samples: usize) -> Result<Recipe> {
        let course = &self.course;
        let method = self.method()?;
        let optimizer = match optimizer(course.optimizer.as_deref(), normalizes)? {
            Optimizer::Sgd { momentum } => Optimizer::Sgd { momentum: course.momentum.unwrap_or(momentum) },
            _ if course.momentum.is_some() => {
                let message =
                    "a momentum is set, which the optimizer of this network does not have: it is that of sgd";
                return Err(Error::Setting(message.into()));
            }
            other => other,
        };
        let moved = course.crop.is_some_and(|pixels| pixels > 0) || course.flip == Some(true);
        if moved && data.shape().len() != 3 {
            return Err(Error::Setting(
                "images are cropped and flipped, and these samples are no images of channels, height and width".into(),
            ));
        }
        if course.eps_warmup.is_some_and(|share| share > 0.0) && !method.is_adversarial() {
            let setting = "epsilon that could grow";
            return Err(Error::NotOfMethod { method: method.name().into(), setting });
        }
        let usual = usual(method, optimizer, course.epochs.unwrap_or(EPOCHS), data, samples);
        let batch = course.batch.unwrap_or(usual.batch);
        let held_out = course.held_out.unwrap_or(usual.held_out);
        let rate = if course.init.is_some() { usual.rate / 10.0 } else { usual.rate };
        Ok(Recipe {
            norm: self.threat.norm(),
            eps: self.threat.eps.map(|eps| eps.0),
            bounds: self.threat.bounds(),
            warmup: course.eps_warmup.unwrap_or(usual.warmup),
            batch,
            part: self.run.micro_batch.unwrap_or_else(|| part_of(batch)),
            rate: course.learning_rate.unwrap_or(rate),
            schedule: course.schedule.as_deref().map_or(Ok(usual.schedule), schedule)?,
            decay: course.weight_decay.unwrap_or(usual.decay),
            smoothing: course.label_smoothing.unwrap_or(usual.smoothing),
            augmentation: Augmentation {
                crop: course.crop.unwrap_or(usual.augmentation.crop),
                flip: course.flip.unwrap_or(usual.augmentation.flip),
            },
            average: course.average,
            clip: course.clip,
            held_out,
            attacked: attacked_of(held_out),
            seed: self.run.seed(),
            ..usual
        })
    }
}
