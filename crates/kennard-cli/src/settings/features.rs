//! Features of a table, by name or place, and groups of them.

use std::convert::Infallible;
use std::str::FromStr;

use kennard::data::nearest;
use kennard::{Error, Result};
use serde::Deserialize;
use serde::de::Deserializer;

/// Features: `age,sex`; in a file also `["age", 3]`; `all` where all can be meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureNames(Vec<String>);

const ALL: &str = "all";

/// Groups of features, several separated by commas: the columns whose names begin with a word, `color` for `color_red` and
/// `color_blue`, as pandas and scikit-learn name them, or all of them, `red+blue`; in a file also `["color", ["red", "blue"]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups(Vec<Group>);

#[derive(Clone, Debug, PartialEq)]
enum Group {
    Begin(String),
    Of(FeatureNames),
}

/// A feature in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Feature {
    Place(usize),
    Name(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listed<T> {
    Text(String),
    List(Vec<T>),
}

impl FeatureNames {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether these are all features, `all`, and not the one whose name that is.
    pub fn is_all(&self, names: &[String]) -> bool {
        self.0 == [ALL] && !names.iter().any(|name| name == ALL)
    }

    fn split(text: &str, by: char) -> FeatureNames {
        FeatureNames(text.split(by).map(|name| name.trim().to_owned()).collect())
    }
}

impl FromStr for FeatureNames {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<FeatureNames, Infallible> {
        Ok(FeatureNames::split(text, ','))
    }
}

impl<'de> Deserialize<'de> for FeatureNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FeatureNames, D::Error> {
        Ok(match Listed::deserialize(deserializer)? {
            Listed::Text(text) => FeatureNames::split(&text, ','),
            Listed::List(features) => FeatureNames(features.into_iter().map(Feature::text).collect()),
        })
    }
}

impl Feature {
    fn text(self) -> String {
        match self {
            Feature::Place(place) => place.to_string(),
            Feature::Name(name) => name,
        }
    }
}

impl Group {
    fn of(text: &str) -> Group {
        match text.contains('+') {
            true => Group::Of(FeatureNames::split(text, '+')),
            false => Group::Begin(text.trim().to_owned()),
        }
    }
}

impl FromStr for Groups {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Groups, Infallible> {
        Ok(Groups(text.split(',').map(Group::of).collect()))
    }
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Groups, D::Error> {
        Ok(match Listed::deserialize(deserializer)? {
            Listed::Text(text) => Groups(text.split(',').map(Group::of).collect()),
            Listed::List(groups) => {
                let group = |group| match group {
                    Listed::Text(text) => Group::of(&text),
                    Listed::List(features) => {
                        Group::Of(FeatureNames(features.into_iter().map(Feature::text).collect()))
                    }
                };
                Groups(groups.into_iter().map(group).collect())
            }
        })
    }
}

impl Groups {
    /// The places of the features of each group, of `d`.
    pub fn places(&self, names: &[String], d: usize) -> Result<Vec<Vec<usize>>> {
        let of = |group: &Group| match group {
            Group::Of(features) => features.iter().map(|name| place("--one-hot", name, names, d)).collect(),
            Group::Begin(word) => beginning(word, names),
        };
        self.0.iter().map(of).collect()
    }
}

/// The places of the columns whose names are `word`, an underscore and more.
fn beginning(word: &str, names: &[String]) -> Result<Vec<usize>> {
    let begins = |name: &String| name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'));
    let places: Vec<usize> = (0..names.len()).filter(|&place| begins(&names[place])).collect();
    if places.len() > 1 {
        return Ok(places);
    }
    let known = known(word, names.iter().filter_map(|name| Some(name.rsplit_once('_')?.0)));
    let why = match names {
        [] => "the features have no names; write their places, 3+4+5".to_owned(),
        _ => format!(
            "there are not two columns {word}_…{known}; or write the names of a group's columns, red+green+blue"
        ),
    };
    Err(Error::Setting(format!("--one-hot {word}: {why}")))
}

fn known<'n>(word: &str, words: impl Iterator<Item = &'n str>) -> String {
    nearest(word, words).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The place of a feature, given by its name or its place, among `d`.
pub fn place(option: &str, text: &str, names: &[String], d: usize) -> Result<usize> {
    if let Some(place) = names.iter().position(|name| name == text) {
        return Ok(place);
    }
    if let Some(place) = text.parse().ok().filter(|place| *place < d) {
        return Ok(place);
    }
    let known = match names {
        [] => format!("the {d} features have no names, and the places 0 to {}", d - 1),
        names => {
            let near = nearest(text, names).map(|near| format!("did you mean `{near}`? "));
            format!("{}Known are {}", near.unwrap_or_default(), names.join(", "))
        }
    };
    Err(Error::Setting(format!("{option}: there is no feature `{text}`; {known}")))
}
