//! How a data set is read.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// The part of a data set to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Split {
    /// The samples kept for testing.
    #[default]
    Test,
    /// The samples meant for training.
    Train,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Test => "test",
            Split::Train => "train",
        })
    }
}

impl std::str::FromStr for Split {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Split, DataError> {
        match text {
            "test" => Ok(Split::Test),
            "train" => Ok(Split::Train),
            other => {
                let problem = format!("the split `{other}` is unknown; known are test and train");
                Err(DataError::Option { problem })
            }
        }
    }
}

/// How images are scaled, as Pillow does under the same names: with a support that widens where images shrink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// A triangle.
    #[default]
    Bilinear,
    /// Keys' cubic with a = −½.
    Bicubic,
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        })
    }
}

impl std::str::FromStr for Interpolation {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Interpolation, DataError> {
        match text {
            "bilinear" => Ok(Interpolation::Bilinear),
            "bicubic" => Ok(Interpolation::Bicubic),
            other => {
                let problem =
                    format!("the interpolation `{other}` is unknown; known are bilinear and bicubic");
                Err(DataError::Option { problem })
            }
        }
    }
}

/// How to read a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The part to read.
    pub split: Split,
    /// The height and width the model takes. Images of `folder:`, `tar:` and `parquet:` are scaled
    /// (antialiased) to cover it and cropped around the centre. `None`: every image
    /// must have the size of the first.
    pub resize: Option<(usize, usize)>,
    /// The length that the shorter side is scaled to before the crop, as cards of models say it: 256 before a crop of 224.
    /// `None`: as small as covers the crop.
    pub shorter: Option<usize>,
    /// How images are scaled. `None`: bilinear.
    pub interpolation: Option<Interpolation>,
    /// The channels the model takes: 1 (grey) or 3 (RGB). `None`: those of the first image.
    pub channels: Option<usize>,
    /// A file of class names, one per line, in the order of the model's outputs, for `folder:`, `tar:`, `parquet:`, `csv:` and
    /// `npz:`.
    /// Labels that are names have their line as class; labels that are numbers count the lines from 0, unless the
    /// names are numbers themselves. Lines may begin with WordNet ids, `n01440764 tench, Tinca tinca`; labels then are ids or names. `None`: see [the crate](crate).
    pub classes: Option<PathBuf>,
    /// The labels of the classes in the order of the outputs, as the model's own file lists them: nothing where it does not. Where
    /// they are not 0, 1, 2, … they are the list of classes, and one that is named in [`classes`](Options::classes) must not
    /// contradict it. MNIST's and CIFAR's labels are places in any case.
    pub model_classes: Vec<String>,
    /// The column with the labels, for `csv:` and `parquet:`. `None`: the first of `label`, `labels`, `target`, `class`, `y`
    /// and `fine_label` that there is.
    pub label_column: Option<String>,
}

impl Options {
    /// How images are scaled, where something was said of it.
    pub(crate) fn scaling(&self) -> Option<String> {
        let side = self.shorter.map(|side| format!("shorter side {side}"));
        let by = self.interpolation.map(|by| by.to_string());
        let said: Vec<String> = side.into_iter().chain(by).collect();
        Some(said.join(", ")).filter(|said| !said.is_empty())
    }
}
