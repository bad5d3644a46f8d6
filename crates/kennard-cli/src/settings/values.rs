//! Values as people write them.

mod temperature;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kennard::attack::Parameters;
use kennard::data::nearest;
use kennard::{Error, Result, parse_number};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

pub use temperature::{Temperature, Tempered};

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
        #[serde(untagged, expecting = "expected a number, or a text like 8/255")]
        enum Form {
            Text(String),
            Number(f64),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(value) if value.is_finite() => Ok(Number(value)),
            Form::Number(value) => value.to_string().parse().map_err(D::Error::custom),
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
    /// In single precision.
    pub fn single(self) -> [f32; 2] {
        self.0.map(|value| value as f32)
    }

    fn of(numbers: Vec<f64>) -> Result<Bounds, String> {
        let two = <[f64; 2]>::try_from(numbers).map(Bounds);
        two.map_err(|_| "bounds are two numbers: the smallest and the largest, for example 0,255".into())
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
        #[serde(untagged, expecting = "expected two numbers, or a text like 0,1")]
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

/// The extents of a sample: `3,224,224`; in a file also `[3, 224, 224]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Extents(pub Vec<usize>);

impl FromStr for Extents {
    type Err = String;

    fn from_str(text: &str) -> Result<Extents, String> {
        let extents = text.split(',').map(|extent| extent.trim().parse().ok());
        Extents::of(extents.collect::<Option<Vec<usize>>>().unwrap_or_default())
    }
}

impl Extents {
    fn of(extents: Vec<usize>) -> Result<Extents, String> {
        if extents.is_empty() || extents.contains(&0) {
            return Err("a shape is one number per axis, without the batch, for example 3,224,224".into());
        }
        Ok(Extents(extents))
    }
}

impl<'de> Deserialize<'de> for Extents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Extents, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a list of whole numbers, or a text of them")]
        enum Form {
            Text(String),
            Numbers(Vec<usize>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => text.parse(),
            Form::Numbers(extents) => Extents::of(extents),
        }
        .map_err(D::Error::custom)
    }
}

/// Numbers by name: `scale=0.5,state=0`; in a file also a table, `{ scale = 0.5 }`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held(pub BTreeMap<String, f64>);

impl FromStr for Held {
    type Err = String;

    fn from_str(text: &str) -> Result<Held, String> {
        let one = |pair: &str| -> Option<(String, f64)> {
            let (name, number) = pair.rsplit_once('=')?;
            Some((name.trim().into(), number.trim().parse::<Number>().ok()?.0))
        };
        let all: Option<_> = text.split(',').map(one).collect();
        all.map(Held).ok_or_else(|| "inputs are held as NAME=NUMBER, several with commas between".into())
    }
}

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Held, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a table of numbers, or a text like NAME=0")]
        enum Form {
            Text(String),
            Numbers(BTreeMap<String, Number>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => text.parse().map_err(D::Error::custom),
            Form::Numbers(held) => {
                Ok(Held(held.into_iter().map(|(name, number)| (name, number.0)).collect()))
            }
        }
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
        #[serde(
            untagged,
            expecting = "expected the name of an attack, or a table with it and its parameters"
        )]
        enum Form {
            Name(String),
            Table(Parameters),
        }
        match Form::deserialize(deserializer)? {
            Form::Name(name) => Ok(Named::plain(&name)),
            Form::Table(mut parameters) => match parameters.remove("name") {
                Some(Value::String(name)) => Ok(Named { name, parameters }),
                _ => Err(D::Error::custom(
                    "an attack needs a name, for example { name = \"pgd\", steps = 100 }",
                )),
            },
        }
    }
}

/// The value of this name, of those that are known.
///
/// # Errors
/// When there is none.
pub fn by_name<T: Copy>(what: &'static str, name: &str, known: &[(&str, T)]) -> Result<T> {
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let nearest = nearest(name, names.iter().copied()).map(String::from);
        Error::Unknown { what, name: name.into(), nearest, known: names.join(", ") }
    })
}

/// Reads a value from its text.
pub fn from_text<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T::Err: fmt::Display,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}
