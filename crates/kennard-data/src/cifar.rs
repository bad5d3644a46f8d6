//! CIFAR-10 and CIFAR-100, binary version: records of one (CIFAR-10) or two (CIFAR-100: coarse,
//! fine) label bytes and 3×32×32 pixel bytes (<https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::input::{self, Input};
use crate::opened::Opened;
use crate::options::Split;
use crate::source::{Raw, Row, Rows, Source};
use crate::spec::Format;

const PIXELS: usize = 3 * 32 * 32;

struct Cifar {
    files: Vec<PathBuf>,
    /// Label bytes before the pixels; the last of them counts.
    labels: usize,
    classes: usize,
}

pub(crate) fn open(kind: Format, directory: &Path, split: Split) -> Result<Opened, DataError> {
    let (labels, classes, names_file) = match kind {
        Format::Cifar100 => (2, 100, "fine_label_names.txt"),
        _ => (1, 10, "batches.meta.txt"),
    };
    let names: Vec<String> = match (kind, split) {
        (Format::Cifar100, Split::Test) => vec!["test.bin".to_owned()],
        (Format::Cifar100, Split::Train) => vec!["train.bin".to_owned()],
        (_, Split::Test) => vec!["test_batch.bin".to_owned()],
        (_, Split::Train) => (1..=5).map(|i| format!("data_batch_{i}.bin")).collect(),
    };
    let what = format!("the {split} split");
    let cure = format!("name the directory that holds {} (the \"binary version\" of the data set)", names[0]);
    let files = names
        .iter()
        .map(|name| input::find(directory, std::slice::from_ref(name), &what, &cure))
        .collect::<Result<Vec<_>, _>>()?;

    let record = (labels + PIXELS) as u64;
    let mut len = 0;
    for file in &files {
        let (_, bytes) = input::open_file(file)?;
        if bytes == 0 {
            return Err(DataError::empty(file, "fetch it again"));
        }
        if !bytes.is_multiple_of(record) {
            return Err(DataError::Truncated {
                file: file.clone(),
                place: Place::Row((bytes / record) as usize),
                wanted: record,
                found: bytes % record,
            });
        }
        len += (bytes / record) as usize;
    }
    let (class_names, notes) = read_names(&directory.join(names_file), classes)?;
    Ok(Opened {
        len,
        shape: vec![3, 32, 32],
        classes,
        class_names,
        order: None,
        features: Vec::new(),
        eight_bit: true,
        notes,
        form: None,
        source: Box::new(Cifar { files, labels, classes }),
    })
}

/// The names of the classes, one per line, and what a user should know about them.
fn read_names(path: &Path, classes: usize) -> Result<(Vec<String>, Vec<String>), DataError> {
    let absent = |why: &str| {
        let note = format!("class names are unknown: {} {why}", path.display());
        Ok((Vec::new(), vec![note]))
    };
    if !path.is_file() {
        return absent("is not there");
    }
    let (_, size) = input::open_file(path)?;
    if size > 1 << 16 {
        return absent("is too long for a list of names");
    }
    let text = String::from_utf8_lossy(&std::fs::read(path).map_err(DataError::io(path))?).into_owned();
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != classes {
        return absent(&format!("holds {} names, not {classes}", names.len()));
    }
    Ok((names, Vec::new()))
}

impl Source for Cifar {
    fn rows(&self) -> Result<Rows, DataError> {
        let (labels, classes) = (self.labels, self.classes);
        let mut streams = Vec::new();
        for path in &self.files {
            let (file, bytes) = input::open_file(path)?;
            let input = Input::new(path, Box::new(BufReader::new(file)));
            streams.push((path.clone(), input, bytes as usize / (labels + PIXELS)));
        }
        Ok(Box::new(streams.into_iter().flat_map(move |(path, mut input, records)| {
            (0..records).map(move |row| {
                let mut record = input.take(labels + PIXELS)?;
                let pixels = record.split_off(labels);
                let label = i128::from(record[labels - 1]);
                Ok(Row {
                    input: Raw::Bytes(pixels),
                    label: input::class_index(label, classes, &path, Place::Row(row))?,
                })
            })
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests(&self.files)
    }
}
