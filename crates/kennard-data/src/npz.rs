//! Inputs and labels as two NumPy arrays: members of an NPZ archive (a zip file), or two NPY files.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use crate::array::{Array, MemberPlace};
use crate::classes::{ClassList, Numbers};
use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::input::{self, MAX_CLASSES, MAX_DEFLATE_RATIO};
use crate::npy::Element;
use crate::opened::Opened;
use crate::options::Split;
use crate::source::{Raw, Row, Rows, Source};

/// Names of inputs and labels that belong to one split; MedMNIST uses the second form.
const TEST: [(&str, &str); 2] = [("x_test", "y_test"), ("test_images", "test_labels")];
const TRAIN: [(&str, &str); 2] = [("x_train", "y_train"), ("train_images", "train_labels")];
const ANY: [(&str, &str); 2] = [("x", "y"), ("images", "labels")];

struct Arrays {
    inputs: Array,
    labels: Array,
    numbers: Numbers,
}

pub(crate) fn open(path: &Path, split: Split, list: Option<&ClassList>) -> Result<Opened, DataError> {
    let (inputs, labels, own_split) = match two_files(path) {
        Some((x, y)) => (Array::open_file(x)?, Array::open_file(y)?, false),
        None => find_members(path, split)?,
    };
    let mut notes = Vec::new();
    if split == Split::Train && !own_split {
        notes.push(format!(
            "the split train is not marked in the names of the arrays: all of {} is read",
            inputs.name.display()
        ));
    }
    let shape = check_inputs(&inputs)?;
    check_labels(&labels)?;
    let (len, label_count) = (inputs.header.shape[0], labels.header.shape[0]);
    if len != label_count {
        return Err(DataError::CountMismatch {
            input_file: inputs.name,
            inputs: len,
            label_file: labels.name,
            labels: label_count,
        });
    }
    if inputs.header.shape.contains(&0) {
        return Err(DataError::empty(&inputs.name, format!("its shape is {:?}", inputs.header.shape)));
    }
    let cure = "check that the first axis is that of the samples";
    input::check_values(shape.iter().product(), &inputs.name, Place::Offset(0), cure)?;
    if let [first, _, last] = shape[..]
        && matches!(last, 1 | 3)
        && !matches!(first, 1 | 3)
    {
        notes.push(format!(
            "inputs of shape {shape:?} look like height, width, channels; \
             if the model takes channels first, store x.transpose(0, 3, 1, 2)"
        ));
    }
    let mut highest = 0;
    // Labels of Kennard's own examples count the model's outputs.
    let counted = list.is_some() && are_examples(path)?;
    let numbers = match list {
        Some(list) if counted => Numbers::Counted(list.clone()),
        list => list.map_or(Numbers::Below(MAX_CLASSES), ClassList::numbers),
    };
    for label in labels.class_indices(numbers.clone())? {
        highest = highest.max(label?);
    }
    let class_names = list.map_or_else(Vec::new, |list| list.names().to_vec());
    let told = |list: &&ClassList| list.is_of_model() || matches!(numbers, Numbers::Named(..));
    notes.extend(list.filter(told).map(ClassList::note));
    let classes = if class_names.is_empty() { highest + 1 } else { class_names.len() };
    Ok(Opened {
        len,
        shape,
        classes,
        class_names,
        order: None,
        features: Vec::new(),
        eight_bit: inputs.header.element == Element::Unsigned(1),
        notes,
        form: None,
        source: Box::new(Arrays { inputs, labels, numbers }),
    })
}

/// `X.npy,Y.npy`, unless that is the name of one file.
fn two_files(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let (x, y) = path.to_str()?.split_once(',')?;
    (!path.exists()).then(|| (x.into(), y.into()))
}

/// Whether an archive is of adversarial examples, as `kennard attack` writes them.
fn are_examples(path: &Path) -> Result<bool, DataError> {
    let archive = two_files(path).is_none().then(|| Archive::open(path)).transpose()?;
    let has = |name: &str| archive.as_ref().is_some_and(|archive| archive.find(name).is_some());
    Ok(["original", "prediction", "index"].into_iter().all(has))
}

/// The shape of one input.
fn check_inputs(inputs: &Array) -> Result<Vec<usize>, DataError> {
    let problem = |problem: String, cure: &str| {
        Err(DataError::unsupported(&inputs.name, Place::Offset(0), problem, cure))
    };
    let shape = &inputs.header.shape;
    match (&shape[..], inputs.header.element) {
        ([] | [_], _) => problem(
            format!("inputs of shape {shape:?} have no axis but the samples'"),
            "store inputs as (samples, ...), such as (samples, channels, height, width)",
        ),
        (_, Element::Signed(_) | Element::Unsigned(2..)) => problem(
            "inputs of this integer type have no known range".to_owned(),
            "store levels 0 to 255 as x.astype(numpy.uint8), other values as numpy.float32",
        ),
        ([_, rest @ ..], _) => Ok(rest.to_vec()),
    }
}

fn check_labels(labels: &Array) -> Result<(), DataError> {
    let problem = |problem: String, cure: &str| {
        Err(DataError::unsupported(&labels.name, Place::Offset(0), problem, cure))
    };
    let shape = &labels.header.shape;
    match (&shape[..], labels.header.element) {
        ([_, k @ (2..)], _) => problem(
            format!("labels of shape {shape:?} look one-hot with {k} classes"),
            "store class indices, y.argmax(1)",
        ),
        ([_] | [_, 1], _) => Ok(()),
        _ => problem(
            format!("labels have the shape {shape:?}"),
            "store one class index for each sample, of shape (samples,)",
        ),
    }
}

/// Finds the inputs and labels of a split in an archive, and whether their names tell the split.
fn find_members(path: &Path, split: Split) -> Result<(Array, Array, bool), DataError> {
    let mut archive = Archive::open(path)?;
    let own = match split {
        Split::Test => TEST,
        Split::Train => TRAIN,
    };
    let pairs = || own.iter().chain(&ANY);
    let Some((x, y)) = pairs().find_map(|(x, y)| Some((archive.find(x)?, archive.find(y)?))) else {
        let names = &archive.names;
        return Err(DataError::Missing {
            directory: path.to_owned(),
            what: format!("the inputs and labels of the {split} split"),
            tried: pairs().map(|(x, y)| format!("{x} and {y}")).collect(),
            cure: format!("the archive holds {names:?}; name two arrays so"),
        });
    };
    let own_split = own.iter().any(|(name, _)| archive.find(name) == Some(x));
    Ok((archive.array(x)?, archive.array(y)?, own_split))
}

/// An archive of arrays.
struct Archive {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    names: Vec<String>,
}

impl Archive {
    fn open(path: &Path) -> Result<Archive, DataError> {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
            return Err(DataError::unsupported(
                path,
                Place::Whole,
                "one NPY file holds inputs or labels, not both",
                "name two, npz:X.npy,Y.npy",
            ));
        }
        let (file, _) = input::open_file(path)?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| failed(path, &e))?;
        let mut names = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|e| failed(path, &e))?;
            names.push(entry.name().map_err(|e| failed(path, &e))?.into_owned());
        }
        Ok(Archive { path: path.to_owned(), archive, names })
    }

    /// The place of an array.
    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n.eq_ignore_ascii_case(&format!("{name}.npy")))
    }

    fn array(&mut self, index: usize) -> Result<Array, DataError> {
        let path = &self.path;
        let entry = self.archive.by_index_raw(index).map_err(|e| failed(path, &e))?;
        let name = path.join(&self.names[index]);
        let refuse = |problem: String| {
            let cure = "write the archive with numpy.savez or numpy.savez_compressed";
            Err(DataError::unsupported(&name, Place::Whole, problem, cure))
        };
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => return refuse(format!("the packing {other} is not read")),
        };
        if entry.encrypted() {
            return refuse("the member is encrypted".to_owned());
        }
        let Some(start) = entry.data_start() else {
            return refuse("the member's data cannot be found".to_owned());
        };
        let member = MemberPlace {
            start,
            stored: entry.compressed_size(),
            size: entry.size(),
            deflated,
            crc: entry.crc32(),
        };
        let ratio = if deflated { MAX_DEFLATE_RATIO } else { 1 };
        if member.size > member.stored.saturating_mul(ratio) {
            return refuse(format!(
                "{} packed bytes cannot hold the {} announced",
                member.stored, member.size
            ));
        }
        Array::open_member(path, &self.names[index], member)
    }
}

fn failed(path: &Path, error: &zip::result::ZipError) -> DataError {
    let cure = "write the archive with numpy.savez(FILE, x=x, y=y)";
    DataError::malformed(path, Place::Whole, format!("no readable archive: {error}"), cure)
}

/// One float array of an archive beside its inputs: `len` rows of inputs of `shape`, row-major, one after the other.
pub(crate) fn beside(path: &Path, name: &str, len: usize, shape: &[usize]) -> Result<Vec<f32>, DataError> {
    let mut archive = Archive::open(path)?;
    let Some(index) = archive.find(name) else {
        return Err(DataError::Missing {
            directory: path.to_owned(),
            what: format!("the array {name}"),
            tried: vec![name.to_owned()],
            cure: format!("the archive holds {:?}", archive.names),
        });
    };
    let array = archive.array(index)?;
    let wanted: Vec<usize> = [len].iter().chain(shape).copied().collect();
    let float = matches!(array.header.element, Element::Float(_));
    let problem = match array.header.shape != wanted {
        true => Some(format!("{name} has the shape {:?}", array.header.shape)),
        false if !float => Some(format!("the elements of {name} are integers")),
        false => None,
    };
    if let Some(problem) = problem {
        let cure = format!("store it as numpy.float32 of shape {wanted:?}, like the inputs");
        return Err(DataError::unsupported(&array.name, Place::Offset(0), problem, &cure));
    }
    let mut values = Vec::new();
    for (row, sample) in array.samples()?.enumerate() {
        let floats = array.header.floats(&sample?, &array.name, row);
        values.extend(floats.map_err(|error| match error {
            DataError::NotFinite { file, place, value } => {
                let problem = format!("{name} holds {value}, no finite number of 32 bits");
                DataError::Malformed { file, place, problem, cure: "repair the array".to_owned() }
            }
            other => other,
        })?);
    }
    Ok(values)
}

impl Source for Arrays {
    fn rows(&self) -> Result<Rows, DataError> {
        let Array { name, header, .. } = self.inputs.clone();
        let labels = self.labels.class_indices(self.numbers.clone())?;
        let samples = self.inputs.samples()?.zip(labels).enumerate();
        Ok(Box::new(samples.map(move |(row, (sample, label))| {
            let sample = sample?;
            Ok(Row {
                input: match header.element {
                    Element::Float(_) => Raw::Floats(header.floats(&sample, &name, row)?),
                    _ => Raw::Bytes(sample),
                },
                label: label?,
            })
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        let mut files = vec![&self.inputs.file, &self.labels.file];
        files.dedup();
        fingerprint::digests(files)
    }
}
