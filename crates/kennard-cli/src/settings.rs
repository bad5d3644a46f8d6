use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kennard::attack::{Attack, MinimumNorm, Parameters, Transfer, Version, attack, minimum_norm};
use kennard::audit::Shard;
use kennard::data::Selection;
use kennard::{Error, Norm, Preprocessing, Result, ThreatModel, parse_number};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use crate::Usage;

const DATA_MISSING: &str = "--data is missing: the data set, mnist:DIR say";
pub const OUT_MISSING: &str = "--out is missing: the directory for the results";
const EPS_MISSING: &str = "--eps is missing: the largest perturbation, 0.1 or 8/255 say";

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
    /// A file with the names of the classes, one a line, in the order of the model's outputs: for data whose labels are
    /// names [default: their sorted order]
    #[arg(long, value_name = "FILE")]
    pub classes: Option<PathBuf>,
    /// The norm of the perturbation: linf, l2, l1; l0 with --minimal alone [default: linf]
    #[arg(long)]
    pub norm: Option<Norm>,
    /// Its largest size: 0.3, or 8/255
    #[arg(long)]
    pub eps: Option<Number>,
    /// Smallest and largest value of an input element [default: 0,1]
    #[arg(long, value_name = "LO,HI")]
    pub bounds: Option<Bounds>,
    /// AutoAttack's version standard (or autoattack), plus or rand; or attacks by name: fgsm, fgsm-t, pgd, pgd-t, apgd-ce, apgd-dlr,
    /// apgd-t, fab, fab-t, square and others; or none [default: fgsm,pgd]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub attack: Option<Vec<Named>>,
    /// Attacks that seek each sample's smallest perturbation, and so give robust accuracy at every eps: fab, fab-t and others
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub minimal: Option<Vec<Named>>,
    /// Another model of the same data, an ONNX file prepared like the model: adversarial examples made there are tried here
    #[arg(long, value_name = "MODEL")]
    pub transfer: Option<PathBuf>,
    /// Steps, of the attacks that have them
    #[arg(long)]
    pub steps: Option<u64>,
    /// Step size in input units, of the attacks that have one
    #[arg(long)]
    pub step_size: Option<Number>,
    /// How often an attack begins anew
    #[arg(long)]
    pub restarts: Option<u64>,
    /// Whether an attack begins at a random point: true or false
    #[arg(long)]
    pub random_start: Option<bool>,
    /// Target classes of targeted attacks, the likeliest first
    #[arg(long)]
    pub targets: Option<u64>,
    /// Points that square evaluates
    #[arg(long)]
    pub queries: Option<u64>,
    /// The most passes that an attack may spend on a sample [default: as many as it takes]
    #[arg(long, value_name = "PASSES")]
    pub budget: Option<u64>,
    /// Spend each attack's whole budget and keep the worst margin: true or false [default: stop at success]
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub full: Option<bool>,
    /// Examine only this many samples, drawn at random by the seed
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Examine only the first N samples, in the order of the files
    #[arg(long, value_name = "N", conflicts_with = "samples")]
    pub first: Option<usize>,
    /// Work on one of several parts of the samples, 1/3 say; `kennard merge` puts them together
    #[arg(long, value_name = "I/N")]
    #[serde(deserialize_with = "from_text")]
    pub shard: Option<Shard>,
    /// Points per centre of a packet; 0 takes neither packets nor cosines [default: 2000, up to 32000 where they are worth too little, in no more passes than the attacks took]
    #[arg(long)]
    pub packet_samples: Option<usize>,
    /// The seed of all random numbers [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// The model wants pixels times this: 255 for a model of pixels 0..255
    #[arg(long, value_name = "FACTOR")]
    pub input_scale: Option<Number>,
    /// The model wants normalised pixels: the mean of each channel
    #[arg(long, value_delimiter = ',', requires = "std")]
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
    /// Where to keep samples as they finish, and to write manifest.json, samples.parquet, examples.parquet, summary.json and
    /// report.html
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
    pub fn or_from(mut self, file: &Path) -> Result<Settings, Box<dyn std::error::Error>> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let file: Settings = toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        // A choice of samples on the command line takes the place of either in the file.
        if self.samples.is_none() && self.first.is_none() {
            (self.samples, self.first) = (file.samples, file.first);
        }
        fill!(self from file: data, split, classes, norm, eps, bounds, attack, minimal, transfer, steps, step_size, restarts,
            random_start, targets, queries, budget, full, shard, packet_samples, seed, input_scale, mean, std, nhwc, runtime, micro_batch,
            threads, out);
        Ok(self)
    }

    /// These settings, which must say on what data, how large and where to; all that is missing is named at once.
    pub fn complete(self, out_too: bool) -> Result<Settings, Box<dyn std::error::Error>> {
        let missing = [
            (self.data.is_none(), DATA_MISSING),
            (self.eps.is_none() && self.minimal.is_none(), EPS_MISSING),
            (self.out.is_none() && out_too, OUT_MISSING),
        ];
        let missing: Vec<&str> =
            missing.iter().filter(|(missing, _)| *missing).map(|(_, say)| *say).collect();
        if missing.is_empty() { Ok(self) } else { Err(Usage(missing.join("\n")).into()) }
    }

    /// Which samples are examined.
    pub fn selection(&self) -> Result<Selection> {
        selection(self.samples, self.first, self.seed.unwrap_or(0))
    }

    /// What the attacks may do.
    pub fn threat(&self) -> Result<ThreatModel> {
        let bounds = self.bounds.unwrap_or_default().0.map(|value| value as f32);
        let norm = self.norm.unwrap_or(Norm::Linf);
        match self.eps {
            Some(eps) => ThreatModel::within(norm, eps.0, bounds),
            None if self.minimal.is_some() => ThreatModel::unlimited(norm, bounds),
            None => Err(Error::Setting(EPS_MISSING.into())),
        }
    }

    /// The attacks asked for, those on a surrogate last, and whether they form a cascade.
    pub fn attacks(&self) -> Result<(Vec<Box<dyn Attack>>, bool)> {
        let (mut attacks, cascade) = self.own_attacks()?;
        for named in self.transferred() {
            let surrogate = self.transfer.as_deref().unwrap_or(Path::new(""));
            let made = attack(&named.name, &self.adapted(&named, attack)?)?;
            attacks.push(Box::new(Transfer::new(made, surrogate)?));
        }
        Ok((attacks, cascade))
    }

    /// The attacks that are made on the surrogate.
    fn transferred(&self) -> Vec<Named> {
        let names = self.transfer.iter().flat_map(|_| ["apgd-ce", "apgd-t"]);
        names.map(Named::plain).collect()
    }

    fn own_attacks(&self) -> Result<(Vec<Box<dyn Attack>>, bool)> {
        let norm = self.norm.unwrap_or(Norm::Linf);
        let names: Vec<Named> = match &self.attack {
            Some(names) => names.iter().filter(|named| named.name != "none").cloned().collect(),
            // Where only the smallest perturbations are asked for, no other attack is.
            None if self.minimal.is_some() && self.eps.is_none() => Vec::new(),
            None => ["fgsm", "pgd"].map(Named::plain).into(),
        };
        if let [Named { name, parameters }] = names.as_slice()
            && let Ok(version) = name.parse::<Version>()
        {
            if parameters.is_empty() && self.parameters().next().is_none() {
                return Ok((version.attacks(norm), true));
            }
            let names: Vec<String> = version.attacks(norm).iter().map(|a| a.name().to_string()).collect();
            let message = format!(
                "AutoAttack {version} has fixed parameters; for others name its attacks: --attack {}",
                names.join(",")
            );
            return Err(Error::Setting(message));
        }
        if let Some(version) = names.iter().find(|named| named.name.parse::<Version>().is_ok()) {
            let message = format!(
                "{} is several attacks in a row, and stands alone: --attack {0}; or name single attacks",
                version.name
            );
            return Err(Error::Setting(message));
        }
        self.check_parameters(&names)?;
        let attack = |named: &Named| attack(&named.name, &self.adapted(named, attack)?);
        Ok((names.iter().map(attack).collect::<Result<_>>()?, false))
    }

    /// The minimum-norm attacks asked for.
    pub fn minimal(&self) -> Result<Vec<Box<dyn MinimumNorm>>> {
        let names = self.minimal.clone().unwrap_or_default();
        let attack = |named: &Named| minimum_norm(&named.name, &self.adapted(named, minimum_norm)?);
        names.iter().map(attack).collect()
    }

    /// The parameters given as options.
    fn parameters(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let options = [
            ("steps", self.steps.map(Value::from)),
            ("step_size", self.step_size.map(|n| Value::from(n.0))),
            ("restarts", self.restarts.map(Value::from)),
            ("random_start", self.random_start.map(Value::from)),
            ("targets", self.targets.map(Value::from)),
            ("queries", self.queries.map(Value::from)),
        ];
        options.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// Every option must mean something to one of the attacks.
    fn check_parameters(&self, names: &[Named]) -> Result<()> {
        let minimal = self.minimal.iter().flatten();
        let known: Vec<Value> = names
            .iter()
            .chain(minimal)
            .chain(&self.transferred())
            .map(|named| Ok(attack(&named.name, &named.parameters)?.settings()))
            .collect::<Result<_>>()?;
        for (option, _) in self.parameters() {
            let has =
                |settings: &Value| settings.get(option).is_some_and(|value| !is_untargeted(option, value));
            if !known.iter().any(has) {
                let option = option.replace('_', "-");
                return Err(Error::Setting(format!(
                    "--{option} says nothing to the attacks chosen; leave it out"
                )));
            }
        }
        Ok(())
    }

    /// An attack's parameters: its own, then the options that it has a use for. Whether it seeks targets
    /// is a matter of its name, so that untargeted attacks have no use for their number.
    fn adapted<A: Attack + ?Sized>(
        &self,
        named: &Named,
        make: impl Fn(&str, &Parameters) -> Result<Box<A>>,
    ) -> Result<Parameters> {
        let settings = make(&named.name, &Parameters::new())?.settings();
        let mut parameters = named.parameters.clone();
        for (option, value) in self.parameters() {
            let wanted = settings.get(option).is_some_and(|default| !is_untargeted(option, default));
            if wanted && !parameters.contains_key(option) {
                parameters.insert(option.into(), value);
            }
        }
        Ok(parameters)
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

/// The part of the data that `--samples` or `--first` names.
pub fn selection(samples: Option<usize>, first: Option<usize>, seed: u64) -> Result<Selection> {
    match (samples, first) {
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

/// Whether an option is the number of targets, and an attack has none.
fn is_untargeted(option: &str, value: &Value) -> bool {
    option == "targets" && value.as_u64() == Some(0)
}

/// A number as people write it: `0.1` or `8/255`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Number> {
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

/// The smallest and the largest value of an input element, as people write them: `0,1`; in a file also `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds(pub [f64; 2]);

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds([0.0, 1.0])
    }
}

impl FromStr for Bounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Bounds, String> {
        let numbers = text.split(',').map(|number| number.trim().parse::<Number>().map(|number| number.0));
        Bounds::of(numbers.collect::<Result<_, _>>().map_err(|error| error.to_string())?)
    }
}

impl Bounds {
    fn of(numbers: Vec<f64>) -> Result<Bounds, String> {
        let two = <[f64; 2]>::try_from(numbers).map(Bounds);
        two.map_err(|_| "bounds are two numbers: the smallest and the largest, 0,255 say".into())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.0[0], self.0[1])
    }
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bounds, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Numbers(Vec<Number>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => text.parse(),
            Form::Numbers(numbers) => Bounds::of(numbers.iter().map(|number| number.0).collect()),
        }
        .map_err(D::Error::custom)
    }
}

/// An attack: its name; in a settings file also a table of its name and parameters, `{ name = "pgd", steps = 100 }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub name: String,
    pub parameters: Parameters,
}

impl Named {
    pub fn plain(name: &str) -> Named {
        Named { name: name.trim().into(), parameters: Parameters::new() }
    }
}

impl FromStr for Named {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Named, Self::Err> {
        Ok(Named::plain(text))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Name(String),
            Table(Parameters),
        }
        match Form::deserialize(deserializer)? {
            Form::Name(name) => Ok(Named::plain(&name)),
            Form::Table(mut parameters) => match parameters.remove("name") {
                Some(Value::String(name)) => Ok(Named { name, parameters }),
                _ => Err(D::Error::custom("an attack needs a name, { name = \"pgd\", steps = 100 } say")),
            },
        }
    }
}

fn from_text<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T::Err: fmt::Display,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}
