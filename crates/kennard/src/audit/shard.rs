use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::Indices;
use crate::{Error, Result};

/// The part of the selected samples that a run works on: every `of`-th of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
}

impl Shard {
    /// All samples.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// This part of the selected samples.
    pub fn of(self, selected: Indices) -> Indices {
        match self {
            Shard::WHOLE => selected,
            _ => Box::new(selected.skip(self.number - 1).step_by(self.of)),
        }
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shard> {
        let parts =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err(Error::Setting(format!("`{text}` is no shard; write 1/3 for the first of three"))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}
