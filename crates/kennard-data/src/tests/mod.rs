#[cfg(feature = "parquet")]
mod archives;
mod arrays;
#[cfg(feature = "images")]
mod classes;
mod damage;
#[cfg(feature = "parquet")]
mod encoded;
#[cfg(feature = "parquet")]
mod published;
#[cfg(feature = "images")]
mod shards;
mod tables;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::{DataError, DataSet, Options, Sample, Split};

fn options(split: Split) -> Options {
    Options { split, ..Options::default() }
}

fn open(kind: &str, path: impl AsRef<Path>, options: &Options) -> Result<DataSet, DataError> {
    DataSet::open(&format!("{kind}:{}", path.as_ref().display()).parse()?, options)
}

fn read(data: &DataSet) -> Result<Vec<Sample>, DataError> {
    data.samples()?.collect()
}

fn labels(samples: &[Sample]) -> Vec<usize> {
    samples.iter().map(|sample| sample.label).collect()
}

/// The message of the error met on opening or on reading.
fn error(kind: &str, path: impl AsRef<Path>, options: &Options) -> String {
    let result = open(kind, path.as_ref(), options).and_then(|data| read(&data));
    match result {
        Ok(samples) => panic!("the data set should be refused, and has {} samples", samples.len()),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is not in `{message}`");
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fixtures").join(name)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// An IDX file of bytes.
fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|d| d.to_be_bytes()));
    file.extend(data);
    file
}

/// A directory with these files; directories in their paths are made.
fn directory(files: &[(&str, Vec<u8>)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    directory
}

/// Three images of 2×3 pixels, whose bytes count from 0, and their labels.
fn small_mnist() -> [(&'static str, Vec<u8>); 2] {
    [
        ("t10k-images-idx3-ubyte.gz", gzip(&idx(&[3, 2, 3], &Vec::from_iter(0..18)))),
        ("t10k-labels-idx1-ubyte.gz", gzip(&idx(&[3], &[7, 2, 9]))),
    ]
}
