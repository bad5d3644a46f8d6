//! MNIST and its kin: images and labels in two IDX files, plain or packed with gzip.
//!
//! An IDX file starts with two zero bytes, the type of its elements (8 is u8) and its rank; then
//! the dimensions as big-endian u32, then the elements, row-major
//! (<https://yann.lecun.org/exdb/mnist/>, "The IDX file format").

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::input::{self, Input};
use crate::opened::Opened;
use crate::options::Split;
use crate::source::{Raw, Row, Rows, Source};
use crate::spec::Format;

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const CLOTHES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

struct Idx {
    images: PathBuf,
    labels: PathBuf,
}

pub(crate) fn open(kind: Format, directory: &Path, split: Split) -> Result<Opened, DataError> {
    let prefix = match split {
        Split::Test => "t10k",
        Split::Train => "train",
    };
    let cure = format!(
        "name the directory that holds {prefix}-images-idx3-ubyte.gz and {prefix}-labels-idx1-ubyte.gz"
    );
    let mut notes = Vec::new();
    let mut file = |what: &str, rank: usize| -> Result<PathBuf, DataError> {
        let names =
            ["", ".gz"].map(|gz| ["-", "."].map(|dot| format!("{prefix}-{what}{dot}idx{rank}-ubyte{gz}")));
        let what = format!("the {what} of the {split} split");
        let found = input::find(directory, &names.concat(), &what, &cure)?;
        let others = names.iter().flatten().map(|name| directory.join(name));
        for other in others.filter(|other| *other != found && other.is_file()) {
            notes.push(format!("{} is read, and {} beside it is left out", found.display(), other.display()));
        }
        Ok(found)
    };
    let source = Idx { images: file("images", 3)?, labels: file("labels", 1)? };

    let (_, images) = open_array(&source.images, 3)?;
    let (mut labels, label_count) = open_array(&source.labels, 1)?;
    let [count, height, width] = images[..] else {
        unreachable!("open_array returns as many dimensions as asked for")
    };
    if count != label_count[0] {
        return Err(DataError::CountMismatch {
            input_file: source.images,
            inputs: count,
            label_file: source.labels,
            labels: label_count[0],
        });
    }
    for row in 0..count {
        let label = labels.take(1)?[0];
        input::class_index(label.into(), 10, &source.labels, Place::Row(row))?;
    }
    labels.end()?;

    let names = match kind {
        Format::FashionMnist => CLOTHES,
        _ => DIGITS,
    };
    Ok(Opened {
        len: count,
        shape: vec![1, height, width],
        classes: 10,
        class_names: names.map(String::from).to_vec(),
        order: None,
        features: Vec::new(),
        eight_bit: true,
        notes,
        form: None,
        source: Box::new(source),
    })
}

impl Source for Idx {
    fn rows(&self) -> Result<Rows, DataError> {
        let (mut images, shape) = open_array(&self.images, 3)?;
        let (mut labels, _) = open_array(&self.labels, 1)?;
        let path = self.labels.clone();
        Ok(Box::new((0..shape[0]).map(move |row| {
            let pixels = images.take(shape[1] * shape[2])?;
            let label = i128::from(labels.take(1)?[0]);
            if row + 1 == shape[0] {
                images.end()?;
            }
            Ok(Row {
                input: Raw::Bytes(pixels),
                label: input::class_index(label, 10, &path, Place::Row(row))?,
            })
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests([&self.images, &self.labels])
    }
}

/// Opens an IDX file of bytes and reads its header: the stream of elements and the dimensions.
fn open_array(path: &Path, rank: usize) -> Result<(Input, Vec<usize>), DataError> {
    let (mut input, size) = Input::open(path)?;
    let magic = input.take(4)?;
    if magic != [0, 0, 8, rank as u8] {
        let problem = match (rank, &magic[..]) {
            (3, [0, 0, 8, 1]) => "this is a file of labels, not of images".to_owned(),
            (1, [0, 0, 8, 3]) => "this is a file of images, not of labels".to_owned(),
            _ => format!(
                "the file starts with {magic:02x?}, an IDX file of bytes of rank {rank} with [00, 00, 08, {rank:02x}]"
            ),
        };
        return Err(DataError::malformed(
            path,
            Place::Offset(0),
            problem,
            "fetch the file again, or check that it has its own name",
        ));
    }
    let shape: Vec<usize> = input
        .take(4 * rank)?
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes(b.try_into().expect("chunks of 4")) as usize)
        .collect();
    let bytes = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
    size.check(path, 4 + 4 * rank as u64, bytes)?;
    if bytes == Some(0) {
        return Err(DataError::empty(path, format!("its header says {shape:?}; fetch or write it again")));
    }
    input::check_values(shape[1..].iter().product(), path, Place::Offset(8), "check the header")?;
    Ok((input, shape))
}
