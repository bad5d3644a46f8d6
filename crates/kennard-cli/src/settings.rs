use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kennard::attack::{Attack, Fgsm, Pgd};
use kennard::{Norm, Preprocessing, ThreatModel, parse_number};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

type Error = Box<dyn std::error::Error>;

/// The settings of an audit, on the command line and in the TOML file of `--config`, under the same
/// names. The command line wins.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The data set: mnist:DIR, fashion-mnist:DIR, cifar10:DIR, cifar100:DIR, folder:DIR, npz:FILE, parquet:FILE
    #[arg(long, value_name = "KIND:PATH")]
    pub data: Option<String>,
    /// The part of it: test or train [default: test]
    #[arg(long)]
    pub split: Option<String>,
    /// The norm of the perturbation: linf, l2, l1 [default: linf]
    #[arg(long)]
    pub norm: Option<Norm>,
    /// Its largest size: 0.3, or 8/255
    #[arg(long, allow_negative_numbers = true)]
    pub eps: Option<Number>,
    /// Smallest and largest value of an input element [default: 0,1]
    #[arg(long, value_name = "LO,HI", value_delimiter = ',', allow_negative_numbers = true)]
    pub bounds: Option<Vec<Number>>,
    /// The attacks: fgsm, fgsm-t, pgd, pgd-t, or none [default: fgsm,pgd]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub attack: Option<Vec<String>>,
    /// Steps of pgd [default: 40]
    #[arg(long)]
    pub steps: Option<usize>,
    /// Step size of pgd, in input units [default: 2.5 eps / steps]
    #[arg(long)]
    pub step_size: Option<Number>,
    /// Restarts of pgd [default: 1]
    #[arg(long)]
    pub restarts: Option<u64>,
    /// Let pgd start at the sample itself: true or false [default: random start]
    #[arg(long)]
    pub random_start: Option<bool>,
    /// Target classes of fgsm-t and pgd-t, the likeliest first [default: 9]
    #[arg(long)]
    pub targets: Option<usize>,
    /// Spend each attack's whole budget and keep the worst margin: true or false [default: stop at success]
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub full: Option<bool>,
    /// Examine only the first so many samples
    #[arg(long)]
    pub samples: Option<usize>,
    /// Points per centre of a packet; 0 measures none [default: 2000, up to 8000 where they are worth too little]
    #[arg(long)]
    pub packet_samples: Option<usize>,
    /// The seed of all random numbers [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// The model wants pixels times this: 255 for a model of pixels 0..255
    #[arg(long, value_name = "FACTOR")]
    pub input_scale: Option<Number>,
    /// The model wants normalised pixels: the mean of each channel
    #[arg(long, value_delimiter = ',', requires = "std", allow_negative_numbers = true)]
    pub mean: Option<Vec<f32>>,
    /// The model wants normalised pixels: the standard deviation of each channel
    #[arg(long, value_delimiter = ',', requires = "mean")]
    pub std: Option<Vec<f32>>,
    /// The model wants channels last: true or false
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub nhwc: Option<bool>,
    /// What runs the model: auto, rten, onnxruntime [default: auto]
    #[arg(long)]
    pub runtime: Option<String>,
    /// Samples per micro-batch [default: from the model's size]
    #[arg(long, value_name = "N")]
    pub micro_batch: Option<usize>,
    /// Cores to use [default: all]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Where to write manifest.json, samples.parquet and summary.json
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Fills fields that the command line leaves out from the file.
macro_rules! fill {
    ($mine:ident from $file:ident: $($field:ident),* $(,)?) => {
        $($mine.$field = $mine.$field.take().or($file.$field);)*
    };
}

impl Settings {
    /// These settings, what they leave out taken from a TOML file.
    pub fn or_from(mut self, file: &Path) -> Result<Settings, Error> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let file: Settings = toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        fill!(self from file: data, split, norm, eps, bounds, attack, steps, step_size, restarts, random_start,
            targets, full, samples, packet_samples, seed, input_scale, mean, std, nhwc, runtime, micro_batch,
            threads, out);
        Ok(self)
    }

    /// What the attacks may do.
    pub fn threat(&self) -> Result<ThreatModel, Error> {
        let eps = self.eps.ok_or("--eps is missing: the largest perturbation, 0.1 or 8/255 say")?.0;
        let bounds = match self.bounds.as_deref() {
            None => [0.0, 1.0],
            Some([lo, hi]) => [lo.0 as f32, hi.0 as f32],
            Some(_) => {
                return Err("--bounds takes two numbers: the smallest and the largest, 0,255 say".into());
            }
        };
        Ok(ThreatModel::within(self.norm.unwrap_or(Norm::Linf), eps, bounds)?)
    }

    /// The attacks asked for.
    pub fn attacks(&self) -> Result<Vec<Box<dyn Attack>>, Error> {
        let default = || vec!["fgsm".to_string(), "pgd".to_string()];
        let names = self.attack.clone().unwrap_or_else(default);
        let targets = self.targets.unwrap_or(9);
        let pgd = |targets| -> Box<dyn Attack> {
            let usual = Pgd::default();
            Box::new(Pgd {
                steps: self.steps.unwrap_or(usual.steps),
                step_size: self.step_size.map(|n| n.0),
                restarts: self.restarts.unwrap_or(usual.restarts),
                random_start: self.random_start.unwrap_or(usual.random_start),
                targets,
            })
        };
        let mut attacks: Vec<Box<dyn Attack>> = Vec::new();
        for name in names.iter().map(|name| name.trim()).filter(|name| *name != "none") {
            attacks.push(match name {
                "fgsm" => Box::new(Fgsm::default()),
                "fgsm-t" => Box::new(Fgsm { targets }),
                "pgd" => pgd(0),
                "pgd-t" => pgd(targets),
                other => {
                    let known = "fgsm, fgsm-t, pgd, pgd-t, none";
                    return Err(format!("the attack `{other}` is unknown; known are {known}").into());
                }
            });
        }
        Ok(attacks)
    }

    /// How the model sees the pixels.
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            scale: self.input_scale.map(|n| n.0),
            normalize: self.mean.clone().zip(self.std.clone()),
            nhwc: self.nhwc.unwrap_or(false),
        }
    }
}

/// A number as people write it: `0.1` or `8/255`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl FromStr for Number {
    type Err = kennard::Error;

    fn from_str(text: &str) -> Result<Number, kennard::Error> {
        parse_number(text).map(Number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Number(f64),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(value) => Ok(Number(value)),
            Form::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}
