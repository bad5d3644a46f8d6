//! The rows of one file, in the order of the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::Meaning;
use super::column::{Column, Images, Named, open_file};
use super::layout::{Inputs, Layout};
use crate::classes::Label;
use crate::columns;
use crate::error::{DataError, Place};
use crate::source::{Raw, Row};

/// Rows of images read together: few, since each is large.
const IMAGES: usize = 16;
/// Rows of numbers read together.
const NUMBERS: usize = 256;

pub struct FileRows {
    file: SerializedFileReader<File>,
    path: PathBuf,
    layout: Layout,
    meaning: Arc<Meaning>,
    groups: std::ops::Range<usize>,
    /// The columns of the row group being read.
    group: Option<(Reader, Column)>,
    ready: std::vec::IntoIter<(Raw, Label)>,
    /// Rows handed out.
    row: usize,
}

/// The columns of inputs in one row group.
enum Reader {
    Images(Box<Images>),
    Numbers(Vec<Column>),
}

impl FileRows {
    pub fn open(path: &Path, layout: &Layout, meaning: &Arc<Meaning>) -> Result<FileRows, DataError> {
        let file = open_file(path)?;
        let groups = 0..file.num_row_groups();
        let layout = layout.placed(file.metadata()).ok_or_else(|| {
            let problem = "its columns are not those that it had when it was opened";
            DataError::malformed(path, Place::Whole, problem, "do not change the files during a run")
        })?;
        let meaning = Arc::clone(meaning);
        let ready = Vec::new().into_iter();
        Ok(FileRows { file, path: path.to_owned(), layout, meaning, groups, group: None, ready, row: 0 })
    }

    pub fn next(&mut self) -> Result<Option<Row>, DataError> {
        loop {
            if let Some((input, label)) = self.ready.next() {
                let label = self.meaning.class(&label, &self.path, Place::Row(self.row))?;
                self.row += 1;
                return Ok(Some(Row { input, label }));
            }
            if let Some((reader, labels)) = &mut self.group {
                let (row, path) = (self.row, self.path.as_path());
                let (inputs, count) = match (reader, &self.layout.inputs) {
                    (Reader::Images(images), Inputs::Images(column)) => {
                        let images = images.next(&column.name, IMAGES, row, path)?.into_iter();
                        let raw = |(image, i): (parquet::data_type::ByteArray, usize)| {
                            Raw::Encoded(image.data().to_vec(), path.to_owned(), row + i)
                        };
                        (images.zip(0..).map(raw).collect::<Vec<_>>(), IMAGES)
                    }
                    (Reader::Numbers(readers), Inputs::Numbers(columns)) => {
                        (numbers(readers, columns, row, path)?, NUMBERS)
                    }
                    _ => unreachable!("a reader is made for the layout"),
                };
                let labels = labels.next(&self.layout.label.name, count, row, path)?;
                if inputs.len() != labels.len() {
                    return Err(uneven(path, row + inputs.len().min(labels.len())));
                }
                if inputs.is_empty() {
                    self.group = None;
                }
                self.ready = inputs.into_iter().zip(labels).collect::<Vec<_>>().into_iter();
                continue;
            }
            let Some(group) = self.groups.next() else {
                return Ok(None);
            };
            let column = |column| Column::open(&self.file, group, column, &self.path);
            let reader = match &self.layout.inputs {
                Inputs::Images(images) => {
                    Reader::Images(Box::new(Images::open(&self.file, group, images, &self.path)?))
                }
                Inputs::Numbers(all) => Reader::Numbers(all.iter().map(column).collect::<Result<_, _>>()?),
            };
            self.group = Some((reader, column(&self.layout.label)?));
        }
    }
}

/// The next rows of numbers.
fn numbers(
    readers: &mut [Column],
    columns: &[Named],
    row: usize,
    path: &Path,
) -> Result<Vec<Raw>, DataError> {
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for (place, (reader, Named { name, .. })) in readers.iter_mut().zip(columns).enumerate() {
        let values = reader.next(name, NUMBERS, row, path)?;
        if place == 0 {
            rows = vec![Vec::with_capacity(columns.len()); values.len()];
        }
        if values.len() != rows.len() {
            return Err(uneven(path, row + values.len().min(rows.len())));
        }
        for (i, (to, value)) in rows.iter_mut().zip(values).enumerate() {
            let value = match value {
                Label::Number(value) => value as f64,
                Label::Fraction(value) => value,
                Label::Word(_) => unreachable!("columns of words are no inputs"),
            };
            to.push(columns::single(value, name, path, Place::Row(row + i))?);
        }
    }
    Ok(rows.into_iter().map(Raw::Floats).collect())
}

fn uneven(path: &Path, row: usize) -> DataError {
    let problem = "the columns of inputs and labels end at different rows";
    DataError::malformed(path, Place::Row(row), problem, "write the file again")
}
