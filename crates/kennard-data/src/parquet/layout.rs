//! What the columns of a file are.

use std::collections::HashMap;
use std::path::Path;

use parquet::file::metadata::ParquetMetaData;

use super::arrow::durations;
use super::column::{DECIMALS, Named, is_words, unread};
use crate::columns;
use crate::error::{DataError, Place};
use crate::shown::quoted;

/// What columns of images are called.
const IMAGES: [&str; 4] = ["image.bytes", "image", "img.bytes", "img"];

/// Other names that they may have, whatever their capitals: nothing says that they are images.
const MAYBE_IMAGES: [&str; 11] =
    ["image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpg", "jpeg", "png"];

/// Where pandas keeps its index (<https://pandas.pydata.org/docs/development/developer.html>).
const INDEX: &str = "__index_level_";

/// The columns that are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub inputs: Inputs,
    pub label: Named,
    /// Whether labels are text.
    pub words: bool,
    /// The names of the classes in the `ClassLabel` feature of the labels, if the file tells them.
    pub names: Vec<String>,
}

/// Where inputs are.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// In a column of encoded images.
    Images(Named),
    /// In columns of numbers.
    Numbers(Vec<Named>),
}

impl Inputs {
    /// Whether they are images, and the names of their columns, sorted.
    fn names(&self) -> (bool, Vec<&str>) {
        let (is_images, columns) = match self {
            Inputs::Images(images) => (true, std::slice::from_ref(images)),
            Inputs::Numbers(columns) => (false, columns.as_slice()),
        };
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        (is_images, names)
    }
}

impl Layout {
    /// The columns of a file; the labels' is the one that is `wanted`, or that has a usual name.
    pub fn of(metadata: &ParquetMetaData, wanted: Option<&str>, path: &Path) -> Result<Layout, DataError> {
        let columns = metadata.file_metadata().schema_descr().columns();
        let paths: Vec<String> = columns.iter().map(|column| column.path().string()).collect();
        let named = |index: usize| Named { name: paths[index].clone(), index };
        let durations = durations(metadata);
        let readable = |index: usize, is_input: bool| {
            let column = &columns[index];
            let held = unread(column).or((is_input && is_words(column)).then_some("text or bytes"));
            let held = held.or(durations.contains(&paths[index]).then_some("durations"));
            let Some(held) = held else { return Ok(named(index)) };
            let cure = if held == DECIMALS { "cast it to float64" } else { columns::ENCODE };
            let tried = if is_input { " (nor is there one of images, called image or img)" } else { "" };
            let problem = format!("the column `{}` holds {held}{tried}", paths[index]);
            Err(DataError::unsupported(path, Place::Whole, problem, cure))
        };
        let label = readable(columns::label(&paths, wanted, path)?, false)?;
        let words = is_words(&columns[label.index]);
        let images = IMAGES.iter().find_map(|name| paths.iter().position(|path| path == name));
        let inputs = match images {
            Some(image) => Inputs::Images(readable(image, false)?),
            None => {
                let misnamed = (0..paths.len())
                    .find(|&i| i != label.index && is_words(&columns[i]) && may_be_images(&paths[i]));
                if let Some(index) = misnamed {
                    let problem = format!(
                        "the column `{}` holds text or bytes, and columns of images are called image or img",
                        paths[index]
                    );
                    return Err(DataError::unsupported(path, Place::Whole, problem, "rename it to image"));
                }
                let kept: Vec<usize> = (0..paths.len()).filter(|i| !paths[*i].starts_with(INDEX)).collect();
                let names: Vec<&String> = kept.iter().map(|i| &paths[*i]).collect();
                columns::check(&names, path, Place::Whole)?;
                let others = kept.into_iter().filter(|i| *i != label.index);
                Inputs::Numbers(others.map(|index| readable(index, true)).collect::<Result<_, _>>()?)
            }
        };
        let names = class_names(metadata, &label.name);
        Ok(Layout { inputs, label, words, names })
    }

    /// What sets it apart from that of the first of several files; nothing where the two are alike.
    pub fn apart(&self, first: &Layout, file: &Path) -> Option<String> {
        if self == first {
            return None;
        }
        let (file, column) = (file.display(), &self.label.name);
        if self.label.name != first.label.name || self.inputs.names() != first.inputs.names() {
            return Some(format!("its columns are others than those of {file}"));
        }
        let held = |layout: &Layout| if layout.words { "text" } else { "numbers" };
        let classes = |layout: &Layout| match layout.names.as_slice() {
            [] => "without names".to_owned(),
            names => quoted(names),
        };
        if self.words != first.words {
            return Some(format!(
                "its column `{column}` holds {}, that of {file} {}",
                held(self),
                held(first)
            ));
        }
        let others = || {
            format!(
                "the classes of its column `{column}` ({}) are others than those of {file} ({})",
                classes(self),
                classes(first)
            )
        };
        (self.names != first.names).then(others)
    }

    /// The same columns in another file, where they may have another order; nothing where one is not there.
    pub fn placed(&self, metadata: &ParquetMetaData) -> Option<Layout> {
        let columns = metadata.file_metadata().schema_descr().columns();
        // Of columns with one name the first counts.
        let places: HashMap<String, usize> =
            columns.iter().enumerate().rev().map(|(index, column)| (column.path().string(), index)).collect();
        let named = |column: &Named| {
            places.get(&column.name).map(|&index| Named { name: column.name.clone(), index })
        };
        let inputs = match &self.inputs {
            Inputs::Images(images) => Inputs::Images(named(images)?),
            Inputs::Numbers(all) => Inputs::Numbers(all.iter().map(named).collect::<Option<_>>()?),
        };
        Some(Layout { inputs, label: named(&self.label)?, words: self.words, names: self.names.clone() })
    }

    /// The names of the columns of numbers.
    pub fn features(&self) -> Vec<String> {
        match &self.inputs {
            Inputs::Images(_) => Vec::new(),
            Inputs::Numbers(columns) => columns.iter().map(|column| column.name.clone()).collect(),
        }
    }
}

/// Whether a column may hold images, as its name says, or that of the struct that it is part of.
fn may_be_images(path: &str) -> bool {
    let name = path.split('.').next().unwrap_or(path);
    let known = ["image", "img"].contains(&name);
    !known && MAYBE_IMAGES.iter().any(|maybe| name.eq_ignore_ascii_case(maybe))
}

/// The names in the `ClassLabel` feature of a column, from the metadata entry `huggingface`.
fn class_names(metadata: &ParquetMetaData, label: &str) -> Vec<String> {
    let entries = metadata.file_metadata().key_value_metadata();
    let names = || {
        let entry = entries?.iter().find(|entry| entry.key == "huggingface")?;
        let json: serde_json::Value = serde_json::from_str(entry.value.as_ref()?).ok()?;
        let names = json["info"]["features"][label]["names"].as_array()?;
        names.iter().map(|name| name.as_str().map(String::from)).collect::<Option<Vec<_>>>()
    };
    names().unwrap_or_default()
}
