//! The parts that many commands have.

mod model;

use std::path::PathBuf;
use std::sync::Mutex;

use kennard::audit::Shard;
use kennard::data::{DataSpec, Format, Options, Selection, Split};
use kennard::engine::EngineOptions;
use kennard::{Error, Norm, Result, ThreatModel};
use kennard_runtime::{Choice, Runtime};

pub use model::{Ends, Model};

use super::{Bounds, DATA, Number, Size, missing};

part! {
    /// The data.
    Data {
        /// The data set: mnist:DIR, fashion-mnist:DIR, cifar10:DIR, cifar100:DIR, folder:DIR, tar:FILE, npz:FILE, parquet:FILE,
        /// csv:FILE
        #[arg(long, value_name = "KIND:PATH")]
        data: String,
        /// The part of it: test or train [default: test]
        #[arg(long)]
        split: String,
        /// A file with the names of the classes, one per line, in the order of the model's outputs: for data whose labels are
        /// names, numbers that do not count from 0 (which are the names then), or ImageNet's ids with a table of them (n01440764
        /// tench, Tinca tinca) [default: their sorted order]
        #[arg(long, value_name = "FILE")]
        classes: PathBuf,
        /// The column with the labels, in csv: and parquet: data [default: label, labels, target, class, y or fine_label]
        #[arg(long, value_name = "NAME")]
        label_column: String,
        /// Scale the shorter side of images to this before the crop, as the model's card says it, for example 256 [default: as small as
        /// covers the crop]
        #[arg(long, value_name = "PIXELS")]
        resize: usize,
        /// The side of the square that is cut out of the centre [default: the model's size]
        #[arg(long, value_name = "PIXELS")]
        centre_crop: usize,
        /// How images are scaled: bilinear or bicubic [default: bilinear]
        #[arg(long, value_name = "HOW")]
        interpolation: String,
    }
}

impl Data {
    /// The data set.
    pub fn spec(&self) -> Result<DataSpec> {
        Ok(self.data.as_deref().ok_or_else(|| missing(DATA))?.parse()?)
    }

    /// How to read it, where nothing is known of the model.
    pub fn options(&self, split: Split) -> Result<Options> {
        let split = self.split.as_deref().map_or(Ok(split), str::parse)?;
        if let (Some(_), Ok(spec)) = (self.centre_crop, self.spec())
            && !matches!(spec.kind, Format::Folder | Format::Tar | Format::Parquet)
        {
            return Err(Error::Setting(format!(
                "{} data are no encoded images, and keep their size; leave the centre crop out",
                spec.kind
            )));
        }
        if self.centre_crop == Some(0) {
            return Err(Error::Setting("the centre crop must be at least 1 pixel wide".into()));
        }
        Ok(Options {
            split,
            classes: self.classes.clone(),
            label_column: self.label_column.clone(),
            resize: self.centre_crop.map(|side| (side, side)),
            shorter: self.resize,
            interpolation: self.interpolation.as_deref().map(str::parse).transpose()?,
            ..Options::default()
        })
    }
}

part! {
    /// The samples that are taken.
    Taken {
        /// Examine only this many samples, drawn at random by the seed
        #[arg(long, value_name = "N")]
        samples: usize,
        /// Examine only the first N samples, in the order of the files
        #[arg(long, value_name = "N", conflicts_with = "samples")]
        first: usize,
    }
}

impl Taken {
    /// Which samples these are; a random part is drawn by the seed.
    pub fn selection(&self, seed: u64) -> Result<Selection> {
        match (self.samples, self.first) {
            (Some(0), _) | (_, Some(0)) => {
                Err(Error::Setting("--samples and --first take a number of samples, at least 1".into()))
            }
            (Some(_), Some(_)) => Err(Error::Setting(
                "samples and first exclude each other: this many at random, or the first ones".into(),
            )),
            (Some(count), None) => Ok(Selection::Random { count, seed }),
            (None, Some(count)) => Ok(Selection::First(count)),
            (None, None) => Ok(Selection::All),
        }
    }

    /// Whether a part of the data is chosen.
    pub fn is_chosen(&self) -> bool {
        self.samples.is_some() || self.first.is_some()
    }

    /// These, or that many at random where none are chosen.
    pub fn or_samples(self, count: usize) -> Taken {
        if self.is_chosen() { self } else { Taken { samples: Some(count), first: None } }
    }
}

part! {
    /// The part of the samples that one of several runs works on.
    Sharding {
        /// Work on one of several parts of the samples, for example 1/3; `kennard merge` puts them together
        #[arg(long, value_name = "I/N")]
        #[serde(deserialize_with = "super::values::from_text")]
        shard: Shard,
    }
}

impl Sharding {
    /// The part, the whole by default.
    pub fn shard(&self) -> Shard {
        self.shard.unwrap_or(Shard::WHOLE)
    }
}

part! {
    /// What attacks may do.
    Threat {
        /// The norm of the perturbation: linf, l2, l1; l0 with --minimal alone [default: linf]
        #[arg(long)]
        norm: Norm,
        /// Its largest size: 0.3, or 8/255
        #[arg(long)]
        eps: Number,
        /// Smallest and largest value of an input element [default: 0,1]
        #[arg(long, value_name = "LO,HI")]
        bounds: Bounds,
    }
}

impl Threat {
    /// The norm, linf by default.
    pub fn norm(&self) -> Norm {
        self.norm.unwrap_or(Norm::Linf)
    }

    /// The range of inputs, 0 to 1 by default.
    pub fn bounds(&self) -> [f32; 2] {
        self.bounds.unwrap_or_default().single()
    }

    /// The threat model; without an epsilon it is unlimited.
    pub fn model(&self) -> Result<ThreatModel> {
        match self.eps {
            Some(eps) => ThreatModel::within(self.norm(), eps.0, self.bounds()),
            None => ThreatModel::unlimited(self.norm(), self.bounds()),
        }
    }
}

part! {
    /// How a process works.
    Work {
        /// The seed of all random numbers [default: 0]
        #[arg(long)]
        seed: u64,
        /// What runs the model: auto (ONNX Runtime where it is installed, else rten), rten, onnxruntime, openvino [default: auto]
        #[arg(long)]
        runtime: String,
        /// Samples per micro-batch, up to as many as there are, or 64 [default: from the model's size]
        #[arg(long, value_name = "N")]
        micro_batch: usize,
        /// Cores to use [default: all]
        #[arg(long)]
        threads: usize,
    }
}

part! {
    /// What a process may take.
    Limits {
        /// The most memory to use, by an estimate: 4GiB, 500MB; fewer cores work, and in smaller micro-batches, where it takes more
        /// [default: what is free]
        #[arg(long, value_name = "SIZE")]
        memory: Size,
    }
}

parts! {
    /// How the process runs models.
    Run {
        work: Work,
        limits: Limits,
    }
}

/// The runtimes that the process has named.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Work {
    /// The seed, 0 by default.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// The runtime. Which one it is, is said once.
    pub fn open(&self) -> Result<Runtime> {
        let runtime = Runtime::open(self.runtime.as_deref().unwrap_or("auto").parse::<Choice>()?)?;
        let which = format!("{} {}: {}", runtime.name(), runtime.version(), runtime.reason());
        let mut said = SAID.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !said.contains(&which) {
            note!("{which}");
            said.push(which);
        }
        Ok(runtime)
    }
}

impl Run {
    /// The seed, 0 by default.
    pub fn seed(&self) -> u64 {
        self.work.seed()
    }

    /// The runtime. Which one it is, is said.
    pub fn open(&self) -> Result<Runtime> {
        self.work.open()
    }

    /// How to feed it.
    pub fn options(&self) -> EngineOptions {
        EngineOptions { micro_batch: self.work.micro_batch, threads: self.work.threads }
    }

    /// The most memory to use, in bytes.
    pub fn memory(&self) -> Option<u64> {
        self.limits.memory.map(|size| size.0)
    }
}
