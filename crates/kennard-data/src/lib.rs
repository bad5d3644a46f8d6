//! Labelled data sets, streamed sample by sample.
//!
//! [`DataSet::open`] takes a [`DataSpec`], `kind:path`:
//!
//! | spec | files |
//! |---|---|
//! | `mnist:DIR`, `fashion-mnist:DIR` | IDX, plain or gzip, by their usual names: `t10k-images-idx3-ubyte.gz`, ... |
//! | `cifar10:DIR` | `test_batch.bin` or `data_batch_1.bin` to `_5.bin`; class names from `batches.meta.txt` |
//! | `cifar100:DIR` | `test.bin` or `train.bin`, fine labels; class names from `fine_label_names.txt` |
//! | `folder:DIR` | PNG, JPEG, BMP, WebP images; one directory a class, or a `labels.csv` with the columns `file` and `label` |
//! | `npz:FILE`, `npz:X.npy,Y.npy` | NumPy arrays `x` (samples first, any rank) and `y` (class indices) |
//! | `parquet:FILE` | as on the Hugging Face hub: a column `image` of encoded images, a column `label` of numbers or names |
//!
//! Where a data set has splits, [`Options::split`] chooses; `folder:` has them when `DIR` holds
//! `train` and `test` (or `val`), `npz:` when the archive holds `x_train` or `x_test`.
//!
//! Labels that are whole numbers, in whatever form (`3`, `03`, `3.0`), are class indices; names are counted in their
//! sorted order, those of both splits. [`Options::classes`] names a file with another order, that of the model.
//!
//! 8-bit values are divided by 255; float arrays are taken as they are. Only the images of
//! `folder:` and `parquet:` are resized and converted between grey and RGB; the other formats
//! keep the shape they have. No format is held in memory: a stream needs room for a few samples.
//! All files are taken for hostile: what a header announces is checked against what the file can
//! hold before anything is allocated.

mod array;
mod cifar;
mod classes;
mod error;
mod fingerprint;
mod folder;
mod guard;
mod idx;
mod images;
mod input;
mod npy;
mod npz;
mod parquet;
mod plane;
mod samples;
mod selection;
mod spec;
mod table;
mod whole;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

pub use error::{DataError, Place};
pub use fingerprint::{FileDigest, digest};
pub use guard::guarded;
pub use plane::Problem;
pub use samples::Samples;
pub use selection::{Indices, Selected, Selection};
pub use spec::{DataSpec, Kind};

use classes::ClassList;
use images::Form;
use samples::Seen;

/// One labelled input.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The place in the data set, from 0.
    pub index: usize,
    /// The values, row-major in the data set's [shape](DataSet::shape).
    pub input: Vec<f32>,
    /// The class, less than [`DataSet::classes`].
    pub label: usize,
}

/// The part of a data set to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Split {
    #[default]
    Test,
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

/// How to read a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub split: Split,
    /// The height and width the model takes. Images of `folder:` and `parquet:` are scaled
    /// (bilinear, antialiased) to cover it and cropped around the centre. `None`: every image
    /// must have the size of the first.
    pub resize: Option<(usize, usize)>,
    /// The channels the model takes: 1 (grey) or 3 (RGB). `None`: those of the first image.
    pub channels: Option<usize>,
    /// A file of class names, one a line, in the order of the model's outputs, for `folder:`, `parquet:` and `npz:`.
    /// Labels that are names have their line as class; labels that are numbers count the lines from 0, unless the
    /// names are numbers themselves. `None`: see [the module](self).
    pub classes: Option<PathBuf>,
}

/// A data set that was found and whose headers and labels are in order.
///
/// The labels of all formats but CIFAR, where they lie between the pixels, are checked on opening.
pub struct DataSet {
    spec: DataSpec,
    split: Split,
    opened: Opened,
    /// The file of class names.
    list: Option<PathBuf>,
    seen: Arc<Mutex<Seen>>,
    fingerprint: OnceLock<Vec<FileDigest>>,
}

/// What a format's reader finds out on opening.
struct Opened {
    len: usize,
    shape: Vec<usize>,
    classes: usize,
    class_names: Vec<String>,
    eight_bit: bool,
    notes: Vec<String>,
    /// How encoded images become inputs; `None` for arrays.
    form: Option<Form>,
    source: Box<dyn Source>,
}

/// The files of an open data set.
trait Source: Send + Sync {
    /// Starts a stream; an error ends it.
    fn rows(&self) -> Result<Rows, DataError>;

    /// What [`DataSet::fingerprint`] returns.
    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError>;
}

type Rows = Box<dyn Iterator<Item = Result<Row, DataError>> + Send>;

/// A sample before conversion, so that skipped samples cost no decoding.
struct Row {
    input: Raw,
    label: usize,
}

enum Raw {
    /// 8-bit levels.
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    /// An encoded image in a file of its own.
    File(PathBuf),
    /// An encoded image, the file it came in, and its row there.
    Encoded(Vec<u8>, PathBuf, usize),
}

impl DataSet {
    /// Opens a data set, `spec` being [parsed](DataSpec) from words such as `mnist:data/mnist`.
    ///
    /// # Errors
    /// A file is missing, truncated or malformed; there is no sample, or the counts of inputs and
    /// labels differ; a label is no class index; an option cannot be fulfilled.
    pub fn open(spec: &DataSpec, options: &Options) -> Result<DataSet, DataError> {
        let list = options.classes.as_deref().map(ClassList::read).transpose()?;
        let list = list.as_ref();
        if list.is_some() && !matches!(spec.kind, Kind::Folder | Kind::Npz | Kind::Parquet) {
            let problem =
                format!("{} data have their own order of classes; leave the list of classes out", spec.kind);
            return Err(DataError::Option { problem });
        }
        let opened = match spec.kind {
            Kind::Mnist | Kind::FashionMnist => idx::open(spec.kind, &spec.path, options.split),
            Kind::Cifar10 | Kind::Cifar100 => cifar::open(spec.kind, &spec.path, options.split),
            Kind::Folder => folder::open(&spec.path, options, list),
            Kind::Npz => npz::open(&spec.path, options.split, list),
            Kind::Parquet => parquet::open(&spec.path, options, list),
        }?;
        let (seen, fingerprint) = Default::default();
        let list = options.classes.clone();
        Ok(DataSet { spec: spec.clone(), split: options.split, opened, list, seen, fingerprint })
    }

    /// What was opened.
    pub fn spec(&self) -> &DataSpec {
        &self.spec
    }

    pub fn split(&self) -> Split {
        self.split
    }

    /// The number of samples, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "an empty data set cannot be opened")]
    pub fn len(&self) -> usize {
        self.opened.len
    }

    /// The shape of one input: channels, height, width for images; that of `x` without its first
    /// axis for arrays.
    pub fn shape(&self) -> &[usize] {
        &self.opened.shape
    }

    /// The number of classes. Where no list of classes comes with the data, the largest label
    /// plus 1; the model may know more.
    pub fn classes(&self) -> usize {
        self.opened.classes
    }

    /// The names of the classes by label, or nothing where they are unknown.
    pub fn class_names(&self) -> &[String] {
        &self.opened.class_names
    }

    /// Compares the classes with those of a model that the data are for. That the model has more or fewer classes than
    /// the data have names is said in the [notes](Self::notes): the sorted names are then hardly in its order.
    ///
    /// # Errors
    /// When a list of classes was given and the model has another number of them.
    pub fn fit_classes(&mut self, model: usize) -> Result<(), DataError> {
        let named = self.opened.class_names.len();
        if let Some(file) = self.list.as_ref().filter(|_| named != model) {
            let problem = format!("the list has {named} classes and the model has {model}");
            let cure = "list all classes of the model, in the order of its outputs";
            return Err(DataError::malformed(file, Place::Whole, problem, cure));
        }
        let sorted = matches!(self.spec.kind, Kind::Folder | Kind::Parquet);
        if sorted && named > 0 && named != model {
            self.opened.notes.push(format!(
                "the data have {named} named classes and the model has {model}: if its order is another, all labels are \
                 wrong; give the list of its classes"
            ));
        }
        Ok(())
    }

    /// Whether all values are 8-bit levels divided by 255, and so in \[0, 1\].
    pub fn eight_bit(&self) -> bool {
        self.opened.eight_bit
    }

    /// The least and the greatest value: \[0, 1\] for [8-bit](Self::eight_bit) data, else those of
    /// the samples streamed so far, `None` before the first.
    pub fn value_range(&self) -> Option<(f32, f32)> {
        match self.opened.eight_bit {
            true => Some((0.0, 1.0)),
            false => samples::lock(&self.seen).range,
        }
    }

    /// What a user should know: files left out, a missing split, images resized or converted and
    /// how many of those streamed so far.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.opened.notes.clone();
        if let Some(form) = &self.opened.form {
            notes.extend(samples::lock(&self.seen).notes(form));
        }
        notes
    }

    /// Streams the samples, in the order of the files and the same every time.
    /// `skip` and `step_by` are cheap: images passed over are not decoded.
    ///
    /// # Errors
    /// The files cannot be opened any more. The stream ends with its first error.
    pub fn samples(&self) -> Result<Samples, DataError> {
        Ok(Samples::new(
            self.opened.source.rows()?,
            self.opened.len,
            self.opened.form.clone(),
            self.spec.to_string(),
            Arc::clone(&self.seen),
        ))
    }

    /// Streams some of the samples, those at `indices` (ascending, each less than [`len`](Self::len)); the
    /// others are passed over without being decoded.
    ///
    /// # Errors
    /// As of [`samples`](Self::samples).
    pub fn at(&self, indices: Indices) -> Result<Selected, DataError> {
        Ok(Selected::new(self.samples()?, indices))
    }

    /// Streams the samples that a selection takes, in the order of the files.
    ///
    /// # Errors
    /// As of [`samples`](Self::samples).
    pub fn select(&self, selection: Selection) -> Result<Selected, DataError> {
        self.at(selection.indices(self.len()))
    }

    /// The labels in the order of the files; no image is decoded.
    ///
    /// # Errors
    /// As of [`samples`](Self::samples).
    pub fn labels(&self) -> Result<impl Iterator<Item = Result<usize, DataError>>, DataError> {
        Ok(self.opened.source.rows()?.take(self.len()).map(|row| Ok(row?.label)))
    }

    /// The places of the samples of a label; no image is decoded.
    ///
    /// # Errors
    /// As of [`samples`](Self::samples).
    pub fn indices_of(&self, label: usize) -> Result<Vec<usize>, DataError> {
        let mut indices = Vec::new();
        for (index, found) in self.labels()?.enumerate() {
            if found? == label {
                indices.push(index);
            }
        }
        Ok(indices)
    }

    /// The SHA-256 of the files of this split that hold inputs and labels, and of the list of classes, for the record
    /// of a run. The first call reads them all.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        if let Some(digests) = self.fingerprint.get() {
            return Ok(digests.clone());
        }
        let digests = self.digests()?;
        Ok(self.fingerprint.get_or_init(|| digests).clone())
    }

    /// The digests of the files as they are now.
    fn digests(&self) -> Result<Vec<FileDigest>, DataError> {
        let mut digests = self.opened.source.fingerprint()?;
        digests.extend(self.list.as_deref().map(digest).transpose()?);
        Ok(digests)
    }

    /// Checks that the files are still those that the [`fingerprint`](Self::fingerprint) was taken of. It
    /// reads them all again.
    ///
    /// # Errors
    /// A file was changed since, or cannot be read.
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        let before = self.fingerprint()?;
        let now = self.digests()?;
        let other = before.iter().zip(&now).find(|(before, now)| before != now);
        let file = match other {
            Some((before, _)) => before.file.clone(),
            None if before.len() != now.len() => "the list of its files".into(),
            None => return Ok(()),
        };
        Err(DataError::Rewritten { spec: self.spec.to_string(), file })
    }
}

impl DataSet {
    /// Does work that reads the samples, and checks that the files were the same all the while. They are read
    /// once before and once after.
    ///
    /// # Errors
    /// Those of the work, and as [`check_unchanged`](Self::check_unchanged).
    pub fn while_unchanged<R, E: From<DataError>>(
        &self,
        work: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        self.fingerprint()?;
        let found = work()?;
        self.check_unchanged()?;
        Ok(found)
    }
}

impl fmt::Debug for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSet")
            .field("spec", &self.spec)
            .field("split", &self.split)
            .field("len", &self.len())
            .field("shape", &self.shape())
            .field("classes", &self.classes())
            .finish_non_exhaustive()
    }
}
