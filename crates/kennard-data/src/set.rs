mod open;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::{DataError, Place};
use crate::fingerprint::{FileDigest, digest};
use crate::npz;
use crate::opened::Opened;
use crate::options::{Options, Split};
use crate::samples::{self, Samples, Seen};
use crate::selection::{Indices, Selected, Selection};
use crate::shown::counted;
use crate::spec::{DataSpec, Format};

/// A data set that was found and whose headers and labels are in order.
///
/// The labels of all formats but CIFAR, where they lie between the pixels, are checked on opening.
pub struct DataSet {
    /// What was opened, or the name given to it.
    name: String,
    /// The format; none for a source of the user's own.
    kind: Option<Format>,
    options: Options,
    /// Whether the classes are those that the model's own file lists.
    listed_by_model: bool,
    opened: Opened,
    seen: Arc<Mutex<Seen>>,
    fingerprint: OnceLock<Vec<FileDigest>>,
}

impl DataSet {
    /// What was opened, as `kind:path`, or the name that a source of the user's own was given.
    pub fn spec(&self) -> &str {
        &self.name
    }

    /// The part that was read; none of a source of the user's own, which has no parts.
    pub fn split(&self) -> Option<Split> {
        self.kind.is_some().then_some(self.options.split)
    }

    /// Its name, and the part that was read: `mnist:data (test)`.
    pub fn in_words(&self) -> String {
        self.split().map_or_else(|| self.name.clone(), |split| format!("{} ({split})", self.name))
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
    /// When a list of classes was given, or taken from the model's file, or a source of the user's own names them, and the model has
    /// another number of them; when a `folder:` has numbers beyond the model's classes.
    pub fn fit_classes(&mut self, model: usize) -> Result<(), DataError> {
        let named = self.opened.class_names.len();
        if let Some(file) = self.options.classes.as_ref().filter(|_| named != model) {
            let problem = format!("the list has {named} classes and the model has {model}");
            let cure = "list all classes of the model, in the order of its outputs";
            return Err(DataError::malformed(file, Place::Whole, problem, cure));
        }
        if self.listed_by_model && named > 0 && named != model {
            let problem = format!(
                "the model's file lists {named} labels, and it has {model} outputs: give a list of classes, in the order of its \
                 outputs"
            );
            return Err(DataError::Option { problem });
        }
        if self.kind.is_none() && named > 0 && named != model {
            let problem = format!(
                "the classes of the samples have {named} names, as the data or the model's file list them, and the model has \
                 {model} outputs: name all classes in the order of its outputs; where its file lists others, save the samples as \
                 npz:FILE and give a list of classes"
            );
            return Err(DataError::Option { problem });
        }
        let (known, numbered) = (self.opened.classes, named == 0 && self.kind == Some(Format::Folder));
        if numbered && known > model {
            let problem = format!(
                "`{}` names a directory, or is a label in labels.csv, and the model has the classes 0 to {}, the data {known}: \
                 where such numbers do not count from 0, give a list of classes that names them",
                known - 1,
                model.saturating_sub(1)
            );
            return Err(DataError::Option { problem });
        }
        let sorted = matches!(self.kind, Some(Format::Folder | Format::Tar | Format::Parquet | Format::Csv));
        if sorted && named > 0 && named != model {
            self.opened.notes.push(format!(
                "the data have {} and the model has {model}: if its order is another, all labels are wrong; give the list \
                 of its classes",
                counted(named, "named class", "named classes")
            ));
        }
        Ok(())
    }

    /// Whether all values are 8-bit levels divided by 255, and so in \[0, 1\].
    pub fn eight_bit(&self) -> bool {
        self.opened.eight_bit
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
    /// The errors of the work, and those of [`check_unchanged`](Self::check_unchanged).
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
