//! How far an attack may go in each sample or each feature, where that is not the same for all, and which points are valid.

use std::path::Path;
use std::str::FromStr;

use kennard::data::{DataSet, Sample};
use kennard::{Boxes, Error, Lattice, Result};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::features::{self, FeatureNames, Groups};
use super::{Number, Threat, missing};

part! {
    /// A reach of its own for each sample or feature.
    Reach {
        /// Attack each sample within a box of its own, in place of --eps: float arrays lower and upper beside x and y in the
        /// NPZ file of --data
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        boxes: bool,
        /// How far each feature may move, in its own units (linf): numbers with commas between, or a file of numbers, in the order
        /// of the features; with --eps they are multiplied by it
        #[arg(long, value_name = "LIST|FILE")]
        eps_per_feature: PerFeature,
        /// Features that may not change: names of columns, or places from 0
        #[arg(long, value_name = "NAMES")]
        frozen: FeatureNames,
        /// Features that hold whole numbers, also in adversarial points; all: every one, in data of 0..1 at multiples of 1/255,
        /// for models of integers at their levels
        #[arg(long, value_name = "NAMES")]
        integer: FeatureNames,
        /// Groups of features of which one is 1 and the others are 0, also in adversarial points: color for all columns
        /// color_…, or their names as red+green+blue
        #[arg(long, value_name = "GROUPS")]
        one_hot: Groups,
    }
}

impl Reach {
    /// Whether it says by itself how far attacks may go.
    pub fn is_said(&self) -> bool {
        self.boxed() || self.eps_per_feature.is_some()
    }

    fn boxed(&self) -> bool {
        self.boxes.unwrap_or(false)
    }

    /// The boxes of the samples; nothing where the threat model is the same for all samples and features.
    pub fn boxes(&self, threat: &Threat, data: &DataSet) -> Result<Option<Boxes>> {
        let d = data.shape().iter().product();
        if self.boxed() {
            if threat.norm() != kennard::Norm::Linf {
                return Err(refused(
                    "--boxes says how far each feature may move by itself; leave --norm out",
                ));
            }
            if threat.eps.is_some() || threat.bounds.is_some() {
                return Err(refused("--boxes takes the place of --eps and --bounds; leave these out"));
            }
            if self.eps_per_feature.is_some() || self.frozen.is_some() {
                return Err(refused(
                    "--boxes says of each feature how far it may move; leave --eps-per-feature and --frozen out",
                ));
            }
            return Boxes::new(data.beside("lower")?, data.beside("upper")?, d).map(Some);
        }
        if self.eps_per_feature.is_none() && self.frozen.is_none() {
            return Ok(None);
        }
        if threat.norm() != kennard::Norm::Linf {
            return Err(refused(
                "--eps-per-feature and --frozen are about linf, where each feature moves by itself; leave --norm out",
            ));
        }
        let mut radii = match (&self.eps_per_feature, threat.eps) {
            (Some(own), eps) => own.radii(eps, d)?,
            (None, Some(eps)) => vec![eps.0; d],
            (None, None) => {
                return Err(missing(["--eps", "how far the features that are not frozen may move"]));
            }
        };
        for place in self.frozen.iter().flat_map(FeatureNames::iter) {
            radii[features::place("--frozen", place, data.feature_names(), d)?] = 0.0;
        }
        Boxes::around(radii, threat.bounds()).map(Some)
    }

    /// The points that are valid; nothing where all are. `levels`: how many one unit has for the model, where it takes integers.
    pub fn lattice(&self, data: &DataSet, levels: Option<f64>, bounds: [f32; 2]) -> Result<Option<Lattice>> {
        if self.integer.is_none() && self.one_hot.is_none() {
            return Ok(None);
        }
        let (d, names) = (data.shape().iter().product(), data.feature_names());
        let all = self.integer.as_ref().is_some_and(|features| features.is_all(names));
        let integer = self.integer.iter().filter(|_| !all).flat_map(FeatureNames::iter);
        let integer =
            integer.map(|name| features::place("--integer", name, names, d)).collect::<Result<_>>()?;
        let one_hot = self.one_hot.as_ref().map_or(Ok(Vec::new()), |groups| groups.places(names, d))?;
        if all {
            let per_unit = levels.map_or_else(|| levels_of(data, bounds), Ok)?;
            return Lattice::of_levels(one_hot, per_unit, d).map(Some);
        }
        Lattice::new(integer, one_hot, d).map(Some)
    }
}

/// How many levels one unit of the data has: 255 where they are bytes divided by that, and where numbers of 0..1 begin with a
/// sample that is not of 0 and 1 alone.
fn levels_of(data: &DataSet, bounds: [f32; 2]) -> Result<f64> {
    let between = |sample: Sample| sample.input.iter().any(|x| x.fract() != 0.0);
    let bytes =
        data.eight_bit() || bounds == [0.0, 1.0] && data.samples()?.next().transpose()?.is_some_and(between);
    Ok(if bytes { 255.0 } else { 1.0 })
}

fn refused(why: &str) -> Error {
    Error::Setting(why.into())
}

/// A number for each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct PerFeature(Vec<f64>);

impl FromStr for PerFeature {
    type Err = String;

    fn from_str(text: &str) -> Result<PerFeature, String> {
        let numbers = |text: &str| -> Result<Vec<f64>, String> {
            let words = text.split([',', '\n', '\r', ' ', '\t', ';']).filter(|word| !word.is_empty());
            words.map(|word| word.parse::<Number>().map(|n| n.0).map_err(|error| error.to_string())).collect()
        };
        let listed = match (numbers(text), Path::new(text).is_file()) {
            (Ok(listed), false) => listed,
            (Err(error), false) => return Err(format!("neither numbers ({error}) nor a file")),
            (_, true) => {
                let text = std::fs::read_to_string(text).map_err(|error| format!("{text}: {error}"))?;
                // Spreadsheets begin a text with a mark of its encoding.
                numbers(text.trim_start_matches('\u{feff}'))?
            }
        };
        if listed.is_empty() { Err("there is no number".into()) } else { Ok(PerFeature(listed)) }
    }
}

impl PerFeature {
    fn radii(&self, eps: Option<Number>, d: usize) -> Result<Vec<f64>> {
        if self.0.len() != d {
            let message =
                format!("--eps-per-feature has {} numbers, and there are {d} features", self.0.len());
            return Err(Error::Setting(message));
        }
        let unit = eps.map_or(1.0, |eps| eps.0);
        Ok(self.0.iter().map(|own| own * unit).collect())
    }
}

impl<'de> Deserialize<'de> for PerFeature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PerFeature, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a list of numbers, or a text of them or of a file's name")]
        enum Form {
            Text(String),
            Numbers(Vec<Number>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => text.parse().map_err(D::Error::custom),
            Form::Numbers(numbers) => Ok(PerFeature(numbers.iter().map(|number| number.0).collect())),
        }
    }
}
