//! `labels.csv`: a table of image files and their labels.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::folder::{self, Listing};
use super::input::{self, MAX_CLASSES};
use super::{DataError, FileDigest, Place, Raw, Row, Rows, Source};

pub(super) const TABLE: &str = "labels.csv";

/// The column `file` holds paths below the table's directory; the column `label` class indices,
/// or else names, whose sorted order gives the indices.
pub(super) struct Table {
    root: PathBuf,
    path: PathBuf,
    /// Sorted; nothing where labels are class indices.
    names: Arc<[String]>,
    classes: usize,
}

struct Record {
    line: u64,
    file: String,
    label: String,
}

impl Table {
    pub fn open(root: PathBuf) -> Result<(Table, Listing), DataError> {
        let path = root.join(TABLE);
        let mut len = 0;
        let mut words = BTreeSet::new();
        let (mut all_numbers, mut highest, mut bad) = (true, 0, None);
        for record in records(&path)? {
            let Record { line, label, .. } = record?;
            len += 1;
            match label.parse::<i64>() {
                Ok(number) => {
                    let index = input::class_index(number.into(), MAX_CLASSES, &path, Place::Line(line));
                    highest = highest.max(*index.as_ref().unwrap_or(&0));
                    bad = bad.or(index.err());
                }
                Err(_) => all_numbers = false,
            }
            if !words.contains(&label) {
                words.insert(label);
            }
            if words.len() > MAX_CLASSES {
                return Err(DataError::TooLarge {
                    file: path,
                    place: Place::Line(line),
                    what: "another class".to_owned(),
                    limit: format!("{MAX_CLASSES} classes"),
                    cure: "check that the column label holds labels".to_owned(),
                });
            }
        }
        let (classes, names) = if all_numbers {
            if let Some(error) = bad {
                return Err(error);
            }
            (highest + 1, Vec::new())
        } else {
            (words.len(), words.into_iter().collect())
        };
        let listing = Listing { len, classes, class_names: names.clone(), notes: Vec::new() };
        let table = Table { root, path, names: names.into(), classes };
        Ok((table, listing))
    }
}

impl Source for Table {
    fn rows(&self) -> Result<Rows, DataError> {
        let (root, path, names) = (self.root.clone(), self.path.clone(), Arc::clone(&self.names));
        let classes = self.classes;
        Ok(Box::new(records(&self.path)?.map(move |record| {
            let Record { line, file, label } = record?;
            let inside = |c| matches!(c, Component::Normal(_) | Component::CurDir);
            if file.is_empty() || !Path::new(&file).components().all(inside) {
                return Err(DataError::malformed(
                    &path,
                    Place::Line(line),
                    format!("`{file}` is no path of a file below the table's directory"),
                    "write paths relative to the table, without `..`",
                ));
            }
            let label = match names.is_empty() {
                true => label.parse().ok().filter(|&label| label < classes),
                false => names.binary_search(&label).ok(),
            };
            Ok(Row {
                input: Raw::File(root.join(file)),
                label: label.ok_or_else(|| {
                    DataError::malformed(
                        &path,
                        Place::Line(line),
                        "the label was not there when the table was opened",
                        "do not change the files during a run",
                    )
                })?,
            })
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        folder::fingerprint_list(&self.root, Some(&self.path), self.rows()?)
    }
}

/// The lines of a table.
fn records(path: &Path) -> Result<impl Iterator<Item = Result<Record, DataError>> + use<>, DataError> {
    let (file, _) = input::open_file(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let owned = path.to_owned();
    let failed = move |error: csv::Error| {
        let line = error.position().map_or(Place::Whole, |p| Place::Line(p.line()));
        DataError::malformed(&owned, line, error.to_string(), "write one file and one label a line")
    };
    let header = reader.headers().map_err(&failed)?.clone();
    let column = |wanted: &str| header.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let (Some(file), Some(label)) = (column("file"), column("label")) else {
        let header: Vec<&str> = header.iter().collect();
        return Err(DataError::malformed(
            path,
            Place::Line(1),
            format!("the columns are {header:?}, `file` and `label` are needed"),
            "name the columns in the first line",
        ));
    };
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(&failed)?;
        Ok(Record {
            line: record.position().map_or(0, csv::Position::line),
            file: record.get(file).unwrap_or_default().to_owned(),
            label: record.get(label).unwrap_or_default().to_owned(),
        })
    }))
}
