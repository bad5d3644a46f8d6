//! Samples that lie in memory, and the check of what a user's own source hands out.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::fingerprint::{self, FileDigest};
use crate::input::MAX_VALUES;
use crate::source::{Raw, Row, Rows, Source};

/// What a [`Source`] of your own holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The number of samples, at least 1.
    pub len: usize,
    /// The shape of one input, such as channels, height, width.
    pub shape: Vec<usize>,
    /// The number of classes, at least 1; labels are less.
    pub classes: usize,
    /// The names by class; none where they are unknown.
    pub class_names: Vec<String>,
    /// Whether all inputs are [`Raw::Bytes`], and none otherwise.
    pub eight_bit: bool,
}

impl Contents {
    /// Checks that there is something, and that the names are as many as the classes.
    pub(crate) fn check(&self, name: &str) -> Result<(), DataError> {
        let names = self.class_names.len();
        let problem = match (self.len, self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))) {
            (0, _) => "there is no sample".to_owned(),
            (_, Some(0)) | (_, None) => format!("inputs of shape {:?} have no values", self.shape),
            (_, Some(values)) if values > MAX_VALUES => {
                format!("an input has {values} values; at most {MAX_VALUES} are taken")
            }
            _ if self.classes == 0 => "there is no class".to_owned(),
            _ if names != 0 && names != self.classes => {
                format!("there are {} classes and {names} names of classes", self.classes)
            }
            _ => return Ok(()),
        };
        Err(DataError::Contents { name: name.to_owned(), problem })
    }
}

/// A user's own source, each of whose rows is checked.
pub(crate) struct CheckedSource {
    name: Arc<str>,
    contents: Arc<Contents>,
    source: Box<dyn Source>,
}

impl CheckedSource {
    pub fn new(name: &str, contents: Contents, source: Box<dyn Source>) -> CheckedSource {
        CheckedSource { name: name.into(), contents: Arc::new(contents), source }
    }
}

impl Source for CheckedSource {
    fn rows(&self) -> Result<Rows, DataError> {
        let (name, contents) = (Arc::clone(&self.name), Arc::clone(&self.contents));
        Ok(Box::new(self.source.rows()?.enumerate().map(move |(index, row)| {
            let row = row?;
            check(&name, index, &contents, &row).map(|()| row)
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        self.source.fingerprint()
    }
}

/// Refuses a row, the sample `index`, that is not as announced.
fn check(name: &str, index: usize, contents: &Contents, Row { input, label }: &Row) -> Result<(), DataError> {
    let wrong = |problem: String| {
        Err(DataError::Contents { name: name.to_owned(), problem: format!("sample {index}: {problem}") })
    };
    let (found, eight_bit) = match input {
        Raw::Bytes(levels) => (levels.len(), true),
        Raw::Floats(values) => (values.len(), false),
        _ => return wrong("the input is an encoded image; decode it".to_owned()),
    };
    let (shape, classes) = (&contents.shape, contents.classes);
    if found != shape.iter().product::<usize>() {
        return wrong(format!("the input has {found} values; its shape should be {shape:?}"));
    }
    if eight_bit != contents.eight_bit {
        let [found, announced] = [eight_bit, contents.eight_bit].map(|b| if b { "8-bit" } else { "float" });
        return wrong(format!("the input is {found} and {announced} inputs are announced"));
    }
    if let Raw::Floats(values) = input
        && let Some(&value) = values.iter().find(|value| !value.is_finite())
    {
        return Err(DataError::NotFiniteSample { name: name.to_owned(), sample: index, value });
    }
    if *label >= classes {
        return wrong(format!("the label is {label}; the classes are 0 to {}", classes - 1));
    }
    Ok(())
}

/// Inputs, one after the other, and their labels.
pub(crate) struct Memory {
    inputs: Arc<[f32]>,
    labels: Arc<[usize]>,
}

impl Memory {
    pub fn new(inputs: Vec<f32>, labels: Vec<usize>) -> Memory {
        Memory { inputs: inputs.into(), labels: labels.into() }
    }
}

impl Source for Memory {
    fn rows(&self) -> Result<Rows, DataError> {
        let (inputs, labels) = (Arc::clone(&self.inputs), Arc::clone(&self.labels));
        let size = inputs.len() / labels.len();
        Ok(Box::new((0..labels.len()).map(move |index| {
            let input = Raw::Floats(inputs[index * size..][..size].to_vec());
            Ok(Row { input, label: labels[index] })
        })))
    }

    /// The digest of the inputs as little-endian floats, with the labels as little-endian 64-bit numbers behind them.
    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        let mut hash = Sha256::new();
        self.inputs.iter().for_each(|value| hash.update(value.to_le_bytes()));
        self.labels.iter().for_each(|&label| hash.update((label as u64).to_le_bytes()));
        let bytes = 4 * self.inputs.len() as u64 + 8 * self.labels.len() as u64;
        Ok(vec![FileDigest { file: "memory".to_owned(), bytes, sha256: fingerprint::hex(hash) }])
    }
}
