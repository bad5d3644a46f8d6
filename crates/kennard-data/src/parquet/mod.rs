//! Parquet files. As the Hugging Face hub keeps image data sets: a column `image` that is a struct of `bytes` and `path`
//! (or plain binary) with encoded images, and a column of labels, numbers or names, whose classes the metadata entry
//! `huggingface` may name. Without images, a table: columns of numbers and one of labels.

mod arrow;
mod column;
mod layout;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};

use self::column::{Column, check_embedded, open_file};
use self::layout::{Inputs, Layout};
use self::rows::FileRows;
use crate::classes::{ClassList, Label, Numbers, Words, table};
use crate::columns;
use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::images::Form;
use crate::input::{self, MAX_CLASSES};
use crate::opened::Opened;
use crate::options::Options;
use crate::shards::{self, Shards};
use crate::source::{Raw, Rows, Source, rows_of_files};

/// Labels read together.
const LABEL_BATCH: usize = 4096;

/// Files with columns of the same names.
struct ParquetTable {
    files: Arc<[PathBuf]>,
    layout: Arc<Layout>,
    meaning: Arc<Meaning>,
}

/// Which class a label means.
enum Meaning {
    /// A number has a class.
    Numbers(Numbers),
    /// A number counts the file's own names, each of which has a class of the list given.
    Renamed { names: Vec<String>, classes: Vec<Option<usize>>, list: ClassList },
    /// Words have classes.
    Words(BTreeMap<String, usize>),
}

impl Meaning {
    fn class(&self, label: &Label, file: &Path, place: Place) -> Result<usize, DataError> {
        match (self, label) {
            (Meaning::Numbers(numbers), _) => numbers.class(label.number(file, place)?, file, place),
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

/// What the labels of all files say.
#[derive(Default)]
struct FoundLabels {
    len: usize,
    highest: usize,
    words: Words,
    worded: bool,
}

impl FoundLabels {
    /// Reads the labels of a file, whose numbers have classes, and whose words the list may have.
    fn add(
        &mut self,
        file: &SerializedFileReader<std::fs::File>,
        layout: &Layout,
        numbers: &Numbers,
        list: Option<&ClassList>,
        path: &Path,
    ) -> Result<(), DataError> {
        let mut first = 0;
        for group in 0..file.num_row_groups() {
            let mut column = Column::open(file, group, &layout.label, path)?;
            loop {
                let batch = column.next(&layout.label.name, LABEL_BATCH, first, path)?;
                if batch.is_empty() {
                    break;
                }
                for (row, label) in batch.iter().enumerate() {
                    let place = Place::Row(first + row);
                    if let Label::Word(word) = label {
                        self.worded = true;
                        self.words.add_cell(word, path, place, list)?;
                    } else {
                        let index = numbers.class(label.number(path, place)?, path, place)?;
                        self.highest = self.highest.max(index);
                    }
                }
                first += batch.len();
            }
        }
        self.len += first;
        Ok(())
    }
}

pub(crate) fn open(path: &Path, options: &Options, list: Option<&ClassList>) -> Result<Opened, DataError> {
    let Shards { files, others, mut notes } = shards::find(path, options.split, "parquet")?;
    let (layout, mut found) = read_labels(&files, options, list)?;
    let empty = || DataError::empty(path, "take a file with rows");
    let layout = layout.filter(|_| found.len > 0).ok_or_else(empty)?;
    if let Inputs::Images(images) = &layout.inputs {
        check_embedded(&files[0], images)?;
    }
    if list.is_none() && found.words.named() {
        // The other split may have classes of which this one has no sample; they count, so that both agree.
        notes.extend(match words_of(&others, options) {
            Ok(more) => found.words.join(more),
            Err(error) => Some(format!("the classes of the other split are unknown, and left out: {error}")),
        });
    }
    let order = found.words.order(list);
    let features = layout.features();
    if !features.is_empty() {
        notes.push(columns::note(&features, &layout.label.name));
        notes.extend(columns::like_labels(&features));
    }
    let (meaning, classes, class_names) = classes(&found, layout.names.clone(), list, &mut notes)?;
    let source = ParquetTable { files: files.into(), layout: Arc::new(layout), meaning: Arc::new(meaning) };
    let mut rows = source.rows()?;
    let (form, shape) = match rows.next().ok_or_else(empty)??.input {
        Raw::Floats(values) => (None, vec![values.len()]),
        image => {
            let form = Form::new(image, rows, options)?;
            let shape = form.shape();
            (Some(form), shape)
        }
    };
    Ok(Opened {
        len: found.len,
        shape,
        classes,
        class_names,
        order,
        eight_bit: form.is_some(),
        features,
        notes,
        form,
        source: Box::new(source),
    })
}

/// The columns of the files of a split, which have the same, and what their labels say.
fn read_labels(
    files: &[PathBuf],
    options: &Options,
    list: Option<&ClassList>,
) -> Result<(Option<Layout>, FoundLabels), DataError> {
    let mut found = FoundLabels::default();
    let mut common: Option<Layout> = None;
    for path in files {
        let file = open_file(path)?;
        let own = Layout::of(file.metadata(), options.label_column.as_deref(), path)?;
        let layout = common.get_or_insert_with(|| own.clone());
        if let Some(problem) = own.apart(layout, &files[0]) {
            return Err(DataError::malformed(
                path,
                Place::Whole,
                problem,
                "write all files of a split alike",
            ));
        }
        let numbers = match (own.names.len(), list) {
            (0, None) => Numbers::Below(MAX_CLASSES),
            (0, Some(list)) => list.numbers(),
            (known, _) => Numbers::Below(known),
        };
        found.add(&file, &own, &numbers, list, path)?;
    }
    Ok((common, found))
}

/// What labels mean, the number of the classes and their names. The files name the classes `own_names`.
fn classes(
    found: &FoundLabels,
    own_names: Vec<String>,
    list: Option<&ClassList>,
    notes: &mut Vec<String>,
) -> Result<(Meaning, usize, Vec<String>), DataError> {
    let (meaning, classes, class_names) = match (found.worded, list) {
        (true, _) => {
            let words = found.words.classes(list)?;
            notes.extend(words.notes);
            (Meaning::Words(words.index), words.count, words.names)
        }
        (false, Some(list)) if !own_names.is_empty() => {
            let classes = own_names.iter().map(|name| list.find(name)).collect();
            let meaning = Meaning::Renamed { names: own_names, classes, list: list.clone() };
            (meaning, list.names().len(), list.names().to_vec())
        }
        (false, Some(list)) => (Meaning::Numbers(list.numbers()), list.names().len(), list.names().to_vec()),
        (false, None) => {
            let classes = if own_names.is_empty() { found.highest + 1 } else { own_names.len() };
            (Meaning::Numbers(Numbers::Below(classes)), classes, own_names)
        }
    };
    if !found.worded && !class_names.is_empty() {
        notes.push(list.map_or_else(|| table(&class_names), ClassList::note));
    }
    Ok((meaning, classes, class_names))
}

/// The words that the labels of some files are, if they are text.
fn words_of(files: &[PathBuf], options: &Options) -> Result<Words, DataError> {
    let mut found = FoundLabels::default();
    for path in files {
        let file = open_file(path)?;
        let layout = Layout::of(file.metadata(), options.label_column.as_deref(), path)?;
        if layout.words {
            found.add(&file, &layout, &Numbers::Below(MAX_CLASSES), None, path)?;
        }
    }
    Ok(found.words)
}

impl Source for ParquetTable {
    fn rows(&self) -> Result<Rows, DataError> {
        let (files, layout, meaning) =
            (Arc::clone(&self.files), Arc::clone(&self.layout), Arc::clone(&self.meaning));
        Ok(rows_of_files(files.len(), move |place| {
            let mut rows = FileRows::open(&files[place], &layout, &meaning)?;
            Ok(std::iter::from_fn(move || rows.next().transpose()))
        }))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests(self.files.iter())
    }
}
