use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use crate::classes::ClassList;
use crate::error::{DataError, Place};
use crate::fingerprint::{FileDigest, digest};
use crate::memory::{Checked, Contents, Memory};
use crate::opened::Opened;
use crate::options::{Options, Split};
#[cfg(feature = "parquet")]
use crate::parquet;
use crate::samples::{self, Samples, Seen};
use crate::selection::{Indices, Selected, Selection};
use crate::source::Source;
use crate::spec::{DataSpec, Format};
#[cfg(feature = "images")]
use crate::{archive, folder};
use crate::{cifar, delimited, idx, npz};

/// A data set that was found and whose headers and labels are in order.
///
/// The labels of all formats but CIFAR, where they lie between the pixels, are checked on opening.
pub struct DataSet {
    /// What was opened, or the name given to it.
    name: String,
    /// The format; none for a source of the user's own.
    kind: Option<Format>,
    options: Options,
    opened: Opened,
    seen: Arc<Mutex<Seen>>,
    fingerprint: OnceLock<Vec<FileDigest>>,
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
        if options.label_column.is_some() && !matches!(spec.kind, Format::Csv | Format::Parquet) {
            let problem = format!("{} data have no columns; leave the column of labels out", spec.kind);
            return Err(DataError::Option { problem });
        }
        if list.is_some()
            && !matches!(
                spec.kind,
                Format::Folder | Format::Tar | Format::Npz | Format::Parquet | Format::Csv
            )
        {
            let problem =
                format!("{} data have their own order of classes; leave the list of classes out", spec.kind);
            return Err(DataError::Option { problem });
        }
        let opened = match spec.kind {
            Format::Mnist | Format::FashionMnist => idx::open(spec.kind, &spec.path, options.split),
            Format::Cifar10 | Format::Cifar100 => cifar::open(spec.kind, &spec.path, options.split),
            #[cfg(feature = "images")]
            Format::Folder => folder::open(&spec.path, options, list),
            #[cfg(not(feature = "images"))]
            Format::Folder | Format::Tar => {
                Err(DataError::LeftOut { kind: spec.kind.to_string(), feature: "images" })
            }
            #[cfg(feature = "images")]
            Format::Tar => archive::open(&spec.path, options, list),
            Format::Npz => npz::open(&spec.path, options.split, list),
            Format::Csv => delimited::open(&spec.path, options, list),
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet::open(&spec.path, options, list),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Err(DataError::LeftOut { kind: spec.kind.to_string(), feature: "parquet" }),
        }?;
        if options.scaling().is_some() && opened.form.is_none() {
            let problem = format!(
                "{} data are no encoded images, and keep their size; leave the scaling out",
                spec.kind
            );
            return Err(DataError::Option { problem });
        }
        let data = DataSet::new(spec.to_string(), Some(spec.kind), opened);
        Ok(DataSet { options: options.clone(), ..data })
    }

    /// A data set of samples in memory: the inputs one after the other, each row-major in `shape`, and the label of
    /// each, with the classes' names or nothing where they are unknown.
    ///
    /// ```
    /// use kennard_data::DataSet;
    ///
    /// // Two points of the plane.
    /// let data = DataSet::from_samples(vec![0.1, 0.2, 0.8, 0.9], vec![0, 1], &[2], &["low", "high"])?;
    /// let second = data.samples()?.nth(1).expect("there are two")?;
    /// assert_eq!((second.input, second.label), (vec![0.8, 0.9], 1));
    /// # Ok::<(), kennard_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// There is no sample, or not one input of this shape for each label; a value is not finite; there is a label beyond
    /// the names.
    pub fn from_samples(
        inputs: Vec<f32>,
        labels: Vec<usize>,
        shape: &[usize],
        class_names: &[&str],
    ) -> Result<DataSet, DataError> {
        let name = "memory";
        let contents = Contents {
            len: labels.len(),
            shape: shape.to_vec(),
            classes: match class_names.len() {
                0 => labels.iter().max().map_or(0, |highest| highest.saturating_add(1)),
                named => named,
            },
            class_names: class_names.iter().map(|name| name.to_string()).collect(),
            eight_bit: false,
        };
        let (found, size) = (inputs.len(), shape.iter().product::<usize>());
        if found != labels.len().saturating_mul(size) {
            let problem = format!(
                "{} labels and inputs of shape {shape:?} do not go with {found} values",
                labels.len()
            );
            return Err(DataError::Contents { name: name.to_owned(), problem });
        }
        let data = DataSet::from_source(name, contents, Memory::new(inputs, labels))?;
        data.labels()?.try_for_each(|label| label.map(drop))?;
        Ok(data)
    }

    /// A data set with a source of your own, which streams its samples each time that it is asked to.
    ///
    /// ```
    /// use kennard_data::{Contents, DataError, DataSet, FileDigest, Raw, Row, Rows, Source};
    ///
    /// /// The numbers 0 to 9; those from 5 on are of class 1.
    /// struct Numbers;
    ///
    /// impl Source for Numbers {
    ///     fn rows(&self) -> Result<Rows, DataError> {
    ///         let row = |n: u8| Ok(Row { input: Raw::Floats(vec![f32::from(n)]), label: usize::from(n >= 5) });
    ///         Ok(Box::new((0..10).map(row)))
    ///     }
    ///
    ///     fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
    ///         Ok(vec![FileDigest { file: "numbers".into(), bytes: 0, sha256: "version 1".into() }])
    ///     }
    /// }
    ///
    /// let contents = Contents { len: 10, shape: vec![1], classes: 2, ..Contents::default() };
    /// let data = DataSet::from_source("numbers", contents, Numbers)?;
    /// assert_eq!(data.indices_of(1)?, [5, 6, 7, 8, 9]);
    /// # Ok::<(), DataError>(())
    /// ```
    ///
    /// # Errors
    /// The contents have no samples, values or classes, or another number of names than of classes. The stream ends with
    /// an error at a sample that is not as announced; encoded images are refused.
    pub fn from_source(
        name: &str,
        contents: Contents,
        source: impl Source + 'static,
    ) -> Result<DataSet, DataError> {
        contents.check(name)?;
        let Contents { len, shape, classes, class_names, eight_bit } = contents.clone();
        let source = Box::new(Checked::new(name, contents, Box::new(source)));
        let (features, notes) = Default::default();
        let opened = Opened {
            len,
            shape,
            classes,
            class_names,
            order: None,
            features,
            eight_bit,
            notes,
            form: None,
            source,
        };
        Ok(DataSet::new(name.to_owned(), None, opened))
    }

    fn new(name: String, kind: Option<Format>, opened: Opened) -> DataSet {
        let (seen, fingerprint) = Default::default();
        DataSet { name, kind, options: Options::default(), opened, seen, fingerprint }
    }

    /// What was opened, as `kind:path`, or the name that a source of the user's own was given.
    pub fn spec(&self) -> &str {
        &self.name
    }

    /// The part that was read.
    pub fn split(&self) -> Split {
        self.options.split
    }

    /// How it was read; the defaults of a source of the user's own.
    pub fn options(&self) -> &Options {
        &self.options
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

    /// The names of the columns that inputs come from, in their order; nothing where they come from no table.
    pub fn feature_names(&self) -> &[String] {
        &self.opened.features
    }

    /// The column of labels that was [asked for](Options::label_column).
    pub fn label_column(&self) -> Option<&str> {
        self.options.label_column.as_deref()
    }

    /// Compares the classes with those of a model that the data are for. That the model has more or fewer classes than
    /// the data have names is said in the [notes](Self::notes): the sorted names are then hardly in its order.
    ///
    /// # Errors
    /// When a list of classes was given and the model has another number of them.
    pub fn fit_classes(&mut self, model: usize) -> Result<(), DataError> {
        let named = self.opened.class_names.len();
        if let Some(file) = self.options.classes.as_ref().filter(|_| named != model) {
            let problem = format!("the list has {named} classes and the model has {model}");
            let cure = "list all classes of the model, in the order of its outputs";
            return Err(DataError::malformed(file, Place::Whole, problem, cure));
        }
        let sorted = matches!(self.kind, Some(Format::Folder | Format::Tar | Format::Parquet | Format::Csv));
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
        self.notes_of(0..self.len())
    }

    /// The same, numbers being those of the images at these places alone.
    pub fn notes_of(&self, places: impl Iterator<Item = usize>) -> Vec<String> {
        let mut notes = self.opened.notes.clone();
        if let Some(form) = &self.opened.form {
            notes.extend(samples::lock(&self.seen).notes(form, places));
        }
        notes
    }

    /// A float array of an `npz:` archive that lies beside its inputs, of their shape: one row for each sample, row-major,
    /// one after the other. It is held in memory.
    ///
    /// # Errors
    /// The data are of another kind; there is no such array, or it has another shape.
    pub fn beside(&self, name: &str) -> Result<Vec<f32>, DataError> {
        let Some(Format::Npz) = self.kind else {
            let problem = format!("the array {name} is looked for in npz: data alone, beside x and y");
            return Err(DataError::Option { problem });
        };
        let spec: DataSpec = self.name.parse()?;
        npz::beside(&spec.path, name, self.len(), self.shape())
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
            self.name.clone(),
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

    /// The SHA-256 of the files of this split that hold inputs and labels, of the list of classes, and of the name of the
    /// column of labels and of how images are scaled if something was said of these, for the record of a run; where some of the
    /// names that tell the order of the classes are of the other split alone, also of all names in that order. The first call
    /// reads them all.
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
        digests.extend(self.opened.order.clone());
        digests.extend(self.options.classes.as_deref().map(digest).transpose()?);
        let Options { label_column, .. } = &self.options;
        let said =
            [("column of labels", label_column.clone()), ("scaling of images", self.options.scaling())];
        let said =
            said.into_iter().filter_map(|(what, said)| Some(FileDigest::of_text(what, said.as_deref()?)));
        digests.extend(said);
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
        Err(DataError::Rewritten { spec: self.name.clone(), file })
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
            .field("name", &self.name)
            .field("split", &self.options.split)
            .field("len", &self.len())
            .field("shape", &self.shape())
            .field("classes", &self.classes())
            .finish_non_exhaustive()
    }
}
