//! Data sets opened: of files, of samples in memory, of a source of the user's own.

use super::DataSet;
use crate::class_list::{ClassList, is_rearranged};
use crate::error::DataError;
use crate::memory::{CheckedSource, Contents, Memory};
use crate::opened::Opened;
use crate::options::Options;
#[cfg(feature = "parquet")]
use crate::parquet;
use crate::shown::{SHOWN, shown};
use crate::source::Source;
use crate::spec::{DataSpec, Format};
#[cfg(feature = "images")]
use crate::{archive, folder};
use crate::{cifar, delimited, idx, npz};

impl DataSet {
    /// Opens a data set, `spec` being [parsed](DataSpec) from words such as `mnist:data/mnist`.
    ///
    /// # Errors
    /// A file is missing, truncated or malformed; there is no sample, or the counts of inputs and
    /// labels differ; a label is no class index; an option cannot be fulfilled.
    pub fn open(spec: &DataSpec, options: &Options) -> Result<DataSet, DataError> {
        let list = ClassList::asked(options)?;
        let list = list.as_ref();
        if options.label_column.is_some() && !matches!(spec.kind, Format::Csv | Format::Parquet) {
            let problem = format!("{} data have no columns; leave the column of labels out", spec.kind);
            return Err(DataError::Option { problem });
        }
        let takes_list =
            matches!(spec.kind, Format::Folder | Format::Tar | Format::Npz | Format::Parquet | Format::Csv);
        if options.classes.is_some() && !takes_list {
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
        let of_model = list.filter(|list| list.is_of_model());
        if let Some(list) =
            of_model.filter(|list| !takes_list && is_rearranged(list.names(), &opened.class_names))
        {
            let problem = format!(
                "{} data have the classes in the order {}, and the model's file lists {}: its outputs have another order than the \
                 labels",
                spec.kind,
                shown(&opened.class_names, SHOWN),
                shown(list.names(), SHOWN)
            );
            return Err(DataError::Option { problem });
        }
        let listed_by_model = takes_list && of_model.is_some();
        let data = DataSet::new(spec.to_string(), Some(spec.kind), opened);
        Ok(DataSet { options: options.clone(), listed_by_model, ..data })
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
        let source = Box::new(CheckedSource::new(name, contents, Box::new(source)));
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

    pub(super) fn new(name: String, kind: Option<Format>, opened: Opened) -> DataSet {
        let (seen, fingerprint) = Default::default();
        DataSet { name, kind, options: Options::default(), listed_by_model: false, opened, seen, fingerprint }
    }
}
