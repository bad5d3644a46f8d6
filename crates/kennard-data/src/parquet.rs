//! Parquet files as the Hugging Face hub keeps image data sets: a column `image` that is a struct
//! of `bytes` and `path` (or plain binary) with encoded images, and a column of labels, numbers or names.
//! Class names come from the metadata entry `huggingface`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::classes::{ClassList, Label, Words, table};
use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::guard;
use crate::images::Form;
use crate::input::{self, MAX_CLASSES};
use crate::opened::Opened;
use crate::options::{Options, Split};
use crate::source::{Raw, Row, Rows, Source};

const IMAGES: [&str; 4] = ["image.bytes", "image", "img.bytes", "img"];
const LABELS: [&str; 3] = ["label", "labels", "fine_label"];

/// Rows read together: few, since each brings an image.
const BATCH: usize = 16;
/// Labels read together.
const LABEL_BATCH: usize = 4096;

struct Table {
    path: PathBuf,
    images: usize,
    labels: usize,
    meaning: Arc<Meaning>,
}

/// Which class a label means.
enum Meaning {
    /// A number is the class, less than this many.
    Classes(usize),
    /// A number counts the file's own names, each of which has a class of the list given.
    Renamed { names: Vec<String>, classes: Vec<Option<usize>>, list: ClassList },
    /// Words have classes.
    Words(BTreeMap<String, usize>),
}

impl Meaning {
    fn class(&self, label: &Label, file: &Path, place: Place) -> Result<usize, DataError> {
        match (self, label) {
            (Meaning::Classes(count), _) => {
                input::class_index(label.number(file, place)?, *count, file, place)
            }
            (Meaning::Renamed { names, classes, list }, _) => {
                let own = input::class_index(label.number(file, place)?, names.len(), file, place)?;
                classes[own].ok_or_else(|| list.unknown(&names[own], file, place))
            }
            (Meaning::Words(classes), Label::Word(word)) => {
                classes.get(word.trim()).copied().ok_or_else(|| list_changed(file, place))
            }
            (Meaning::Words(_), _) => Err(list_changed(file, place)),
        }
    }
}

fn list_changed(file: &Path, place: Place) -> DataError {
    let problem = "the label was not there when the file was opened";
    DataError::malformed(file, place, problem, "do not change the files during a run")
}

pub(crate) fn open(path: &Path, options: &Options, list: Option<&ClassList>) -> Result<Opened, DataError> {
    let file = open_file(path)?;
    let metadata = file.metadata();
    let images = find_column(metadata, &IMAGES, path)?;
    let labels = find_column(metadata, &LABELS, path)?;
    let label_name = metadata.file_metadata().schema_descr().column(labels).name().to_owned();
    let own_names = class_names(metadata, &label_name);

    let limit = match (own_names.len(), list) {
        (0, None) => MAX_CLASSES,
        (0, Some(list)) => list.names().len(),
        (known, _) => known,
    };
    let (mut len, mut highest, mut words, mut worded) = (0, 0, Words::default(), false);
    for group in 0..file.num_row_groups() {
        let mut column = Labels::open(&file, group, labels, path)?;
        loop {
            let batch = column.next(LABEL_BATCH, len, path)?;
            if batch.is_empty() {
                break;
            }
            for (row, label) in batch.iter().enumerate() {
                let place = Place::Row(len + row);
                if let Label::Word(word) = label {
                    worded = true;
                    words.add(word, path, place)?;
                } else {
                    let index = input::class_index(label.number(path, place)?, limit, path, place)?;
                    highest = highest.max(index);
                }
            }
            len += batch.len();
        }
    }
    let mut notes = Vec::new();
    if options.split == Split::Train {
        notes.push("a parquet file is one split: all of it is read".to_owned());
    }
    let (meaning, classes, class_names) = match (worded, list) {
        (true, _) => {
            let found = words.classes(list)?;
            notes.extend(found.notes);
            (Meaning::Words(found.index), found.count, found.names)
        }
        (false, Some(list)) if !own_names.is_empty() => {
            let classes = own_names.iter().map(|name| list.find(name)).collect();
            let meaning = Meaning::Renamed { names: own_names, classes, list: list.clone() };
            (meaning, list.names().len(), list.names().to_vec())
        }
        (false, Some(list)) => (Meaning::Classes(limit), limit, list.names().to_vec()),
        (false, None) => {
            let classes = if own_names.is_empty() { highest + 1 } else { own_names.len() };
            (Meaning::Classes(classes), classes, own_names)
        }
    };
    if !worded && !class_names.is_empty() {
        notes.push(table(&class_names));
    }
    let source = Table { path: path.to_owned(), images, labels, meaning: Arc::new(meaning) };
    let Some(first) = source.rows()?.next() else {
        return Err(DataError::empty(path, "take a file with rows"));
    };
    let form = Form::new(first?.input, options)?;
    Ok(Opened {
        len,
        shape: form.shape(),
        classes,
        class_names,
        eight_bit: true,
        notes,
        form: Some(form),
        source: Box::new(source),
    })
}

impl Source for Table {
    fn rows(&self) -> Result<Rows, DataError> {
        let file = open_file(&self.path)?;
        let mut rows = TableRows {
            groups: 0..file.num_row_groups(),
            file,
            path: self.path.clone(),
            images: self.images,
            labels: self.labels,
            meaning: Arc::clone(&self.meaning),
            group: None,
            ready: Vec::new().into_iter(),
            row: 0,
        };
        Ok(Box::new(std::iter::from_fn(move || rows.next().transpose())))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests([&self.path])
    }
}

struct TableRows {
    file: SerializedFileReader<File>,
    path: PathBuf,
    images: usize,
    labels: usize,
    meaning: Arc<Meaning>,
    groups: std::ops::Range<usize>,
    /// The columns of the row group being read.
    group: Option<(ColumnReaderImpl<ByteArrayType>, Labels)>,
    ready: std::vec::IntoIter<(ByteArray, Label)>,
    /// Rows handed out.
    row: usize,
}

impl TableRows {
    fn next(&mut self) -> Result<Option<Row>, DataError> {
        loop {
            if let Some((image, label)) = self.ready.next() {
                let place = Place::Row(self.row);
                let label = self.meaning.class(&label, &self.path, place)?;
                let input = Raw::Encoded(image.data().to_vec(), self.path.clone(), self.row);
                self.row += 1;
                return Ok(Some(Row { input, label }));
            }
            if let Some((images, labels)) = &mut self.group {
                let images = read(images, BATCH, self.row, &self.path)?;
                let labels = labels.next(BATCH, self.row, &self.path)?;
                if images.len() != labels.len() {
                    return Err(DataError::malformed(
                        &self.path,
                        Place::Row(self.row + images.len().min(labels.len())),
                        "the columns of images and labels end at different rows",
                        "write the file again",
                    ));
                }
                if images.is_empty() {
                    self.group = None;
                }
                self.ready = images.into_iter().zip(labels).collect::<Vec<_>>().into_iter();
                continue;
            }
            let Some(group) = self.groups.next() else {
                return Ok(None);
            };
            let images = column(&self.file, group, self.images, &self.path)?;
            let ColumnReader::ByteArrayColumnReader(images) = images else {
                return Err(wrong_type(&self.path, "images", "binary data"));
            };
            let labels = Labels::open(&self.file, group, self.labels, &self.path)?;
            self.group = Some((images, labels));
        }
    }
}

/// A column of labels in one row group.
enum Labels {
    Short(ColumnReaderImpl<Int32Type>),
    Long(ColumnReaderImpl<Int64Type>),
    Single(ColumnReaderImpl<FloatType>),
    Double(ColumnReaderImpl<DoubleType>),
    Words(ColumnReaderImpl<ByteArrayType>),
}

impl Labels {
    fn open(
        file: &SerializedFileReader<File>,
        group: usize,
        index: usize,
        path: &Path,
    ) -> Result<Labels, DataError> {
        match column(file, group, index, path)? {
            ColumnReader::Int32ColumnReader(labels) => Ok(Labels::Short(labels)),
            ColumnReader::Int64ColumnReader(labels) => Ok(Labels::Long(labels)),
            ColumnReader::FloatColumnReader(labels) => Ok(Labels::Single(labels)),
            ColumnReader::DoubleColumnReader(labels) => Ok(Labels::Double(labels)),
            ColumnReader::ByteArrayColumnReader(labels) => Ok(Labels::Words(labels)),
            _ => Err(wrong_type(path, "labels", "a number or text")),
        }
    }

    /// The next labels, `row` being the place of the first.
    fn next(&mut self, count: usize, row: usize, path: &Path) -> Result<Vec<Label>, DataError> {
        fn each<V>(values: Vec<V>, label: impl Fn(V) -> Label) -> Vec<Label> {
            values.into_iter().map(label).collect()
        }
        Ok(match self {
            Labels::Short(labels) => each(read(labels, count, row, path)?, |v| Label::Number(v.into())),
            Labels::Long(labels) => each(read(labels, count, row, path)?, |v| Label::Number(v.into())),
            Labels::Single(labels) => each(read(labels, count, row, path)?, |v| Label::of(v.into())),
            Labels::Double(labels) => each(read(labels, count, row, path)?, Label::of),
            Labels::Words(labels) => each(read(labels, count, row, path)?, |v| {
                Label::Word(String::from_utf8_lossy(v.data()).into_owned())
            }),
        })
    }
}

/// The next values of a column; nothing at its end. `row` is the place of the first.
fn read<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    count: usize,
    row: usize,
    path: &Path,
) -> Result<Vec<T::T>, DataError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let (records, present, _) =
        guarded(path, Place::Row(row), || column.read_records(count, Some(&mut levels), None, &mut values))?;
    if present != records {
        let highest = levels.iter().max().copied();
        let null = levels.iter().position(|level| Some(*level) != highest).unwrap_or(0);
        return Err(DataError::malformed(
            path,
            Place::Row(row + null),
            "the image or the label is null",
            "leave such rows out when writing the file",
        ));
    }
    Ok(values)
}

fn open_file(path: &Path) -> Result<SerializedFileReader<File>, DataError> {
    let (file, _) = input::open_file(path)?;
    guarded(path, Place::Whole, || SerializedFileReader::new(file))
}

fn column(
    file: &SerializedFileReader<File>,
    group: usize,
    index: usize,
    path: &Path,
) -> Result<ColumnReader, DataError> {
    guarded(path, Place::Whole, || file.get_row_group(group)?.get_column_reader(index))
}

/// Calls the `parquet` crate on a file that may be damaged. What the call worked on must not be used after an error;
/// every error ends the stream.
fn guarded<T>(
    path: &Path,
    place: Place,
    call: impl FnOnce() -> parquet::errors::Result<T>,
) -> Result<T, DataError> {
    let cure = "fetch or write the file again (packed with snappy, zstd, gzip, or not at all)";
    guard::guarded(call).map_err(|problem| DataError::malformed(path, place, problem, cure))
}

fn wrong_type(path: &Path, what: &str, wanted: &str) -> DataError {
    let problem = format!("the column of {what} does not hold {wanted}");
    let cure = "write it as the `datasets` library does, with the features Image and ClassLabel";
    DataError::unsupported(path, Place::Whole, problem, cure)
}

/// The leaf column with the first of the names that there is.
fn find_column(metadata: &ParquetMetaData, names: &[&str], path: &Path) -> Result<usize, DataError> {
    let columns = metadata.file_metadata().schema_descr().columns();
    let index = names
        .iter()
        .find_map(|name| columns.iter().position(|c| c.path().string() == *name))
        .ok_or_else(|| {
            let found: Vec<String> = columns.iter().take(100).map(|column| column.path().string()).collect();
            DataError::Missing {
                directory: path.to_owned(),
                what: "a column".to_owned(),
                tried: names.iter().map(|name| name.to_string()).collect(),
                cure: format!("the columns are {}; rename one", found.join(", ")),
            }
        })?;
    if columns[index].max_rep_level() > 0 {
        let problem = format!("the column `{}` holds lists", columns[index].path().string());
        let cure = "write one image and one label a row";
        return Err(DataError::unsupported(path, Place::Whole, problem, cure));
    }
    Ok(index)
}

/// The names in the `ClassLabel` feature of a column, if the file tells them.
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
