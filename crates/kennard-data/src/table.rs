//! `labels.csv`: a table of image files and their labels.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::class_list::are_same;
use crate::classes::{ClassList, Words};
use crate::error::{DataError, Place};
use crate::fingerprint::FileDigest;
use crate::input;
use crate::lines;
use crate::listing::{TABLE, fingerprint_list};
use crate::source::{Raw, Row, Rows, Source};
use crate::tally::Tally;

/// The column `file` holds paths below the table's directory; the column `label` numbers or names.
pub(crate) struct FileTable {
    root: PathBuf,
    path: PathBuf,
    /// The class of each label's word.
    classes: Arc<BTreeMap<String, usize>>,
}

struct Record {
    /// The place of the record, in bytes.
    place: Place,
    file: String,
    label: String,
}

/// How many samples a table has; its labels are added to `words`, which `list` may have. A file that it lists twice is said, and refused
/// where its labels differ.
pub(crate) fn count(
    root: &Path,
    words: &mut Words,
    list: Option<&ClassList>,
    notes: &mut Vec<String>,
) -> Result<usize, DataError> {
    let path = root.join(TABLE);
    let (mut len, mut again) = (0, Tally::default());
    let mut listed: HashMap<PathBuf, String> = HashMap::new();
    for record in records(&path)? {
        let Record { place, file, label } = record.map_err(lines::in_lines)?;
        words.add_cell(&label, &path, place, list).map_err(lines::in_lines)?;
        len += 1;
        // `./a.png` is `a.png`.
        let plain: PathBuf =
            Path::new(&file).components().filter(|part| *part != Component::CurDir).collect();
        match listed.entry(plain) {
            Entry::Vacant(new) => {
                new.insert(label);
            }
            Entry::Occupied(first) if are_same(first.get().trim(), label.trim()) => again.add(&file),
            Entry::Occupied(first) => {
                let problem = format!("`{file}` has the label `{label}` here, and `{}` before", first.get());
                let error = DataError::malformed(&path, place, problem, "leave one of the two lines out");
                return Err(lines::in_lines(error));
            }
        }
    }
    notes.extend(again.said(
        "line lists a file that is listed before, and counts again",
        "lines list files that are listed before, and count again",
    ));
    Ok(len)
}

impl FileTable {
    /// The table of a directory, its labels having these classes.
    pub fn new(root: &Path, classes: &BTreeMap<String, usize>) -> FileTable {
        FileTable { root: root.to_owned(), path: root.join(TABLE), classes: Arc::new(classes.clone()) }
    }
}

impl Source for FileTable {
    fn rows(&self) -> Result<Rows, DataError> {
        let (root, path, classes) = (self.root.clone(), self.path.clone(), Arc::clone(&self.classes));
        let row = move |record: Result<Record, DataError>| -> Result<Row, DataError> {
            let Record { place, file, label } = record?;
            let inside = |c| matches!(c, Component::Normal(_) | Component::CurDir);
            if file.is_empty() || !Path::new(&file).components().all(inside) {
                return Err(DataError::malformed(
                    &path,
                    place,
                    format!("`{file}` is no path of a file below the table's directory"),
                    "write paths relative to the table, without `..`",
                ));
            }
            let label = classes.get(label.trim()).copied().ok_or_else(|| {
                DataError::malformed(
                    &path,
                    place,
                    "the label was not there when the table was opened",
                    "do not change the files during a run",
                )
            })?;
            Ok(Row { input: Raw::File(root.join(file)), label })
        };
        Ok(Box::new(records(&self.path)?.map(move |record| row(record).map_err(lines::in_lines))))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint_list(&self.root, Some(&self.path), self.rows()?)
    }
}

/// The lines of a table, with their places in bytes.
fn records(path: &Path) -> Result<impl Iterator<Item = Result<Record, DataError>> + use<>, DataError> {
    let (file, _) = input::open_file(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let owned = path.to_owned();
    let failed =
        move |error: csv::Error| lines::failed(&owned, &error, "write one file and one label a line");
    let header = reader.headers().map_err(|error| lines::in_lines(failed(error)))?.clone();
    let column = |wanted: &str| {
        header.iter().position(|name| name.trim_start_matches('\u{feff}').eq_ignore_ascii_case(wanted))
    };
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
            place: lines::place(&record),
            file: record.get(file).unwrap_or_default().to_owned(),
            label: record.get(label).unwrap_or_default().to_owned(),
        })
    }))
}
