//! A table as text (RFC 4180): names of columns in the first line, then one sample per line, numbers and a label.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::classes::{ClassList, Words};
use crate::columns;
use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::input;
use crate::lines;
use crate::opened::Opened;
use crate::options::{Options, Split};
use crate::source::{Raw, Row, Rows, Source};

/// What may stand between two cells.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// What helps where lines have too few or too many cells.
const LINES: &str = "write one sample per line, each with all columns";

/// What helps against numbers as spreadsheets show them.
const PLAIN: &str = "write numbers with a decimal point, and without separators of thousands";

/// A table whose header is in order.
#[derive(Clone)]
struct DelimitedTable {
    path: PathBuf,
    separator: u8,
    names: Arc<[String]>,
    /// The place of the column of labels.
    label: usize,
    /// The class of each label's word.
    classes: Arc<BTreeMap<String, usize>>,
}

pub(crate) fn open(path: &Path, options: &Options, list: Option<&ClassList>) -> Result<Opened, DataError> {
    read(path, options, list).map_err(lines::in_lines)
}

/// The same, errors having their places in bytes.
fn read(path: &Path, options: &Options, list: Option<&ClassList>) -> Result<Opened, DataError> {
    let mut table = DelimitedTable::open(path, options.label_column.as_deref())?;
    let (mut len, mut words) = (0, Words::default());
    for record in table.records()? {
        let (place, record) = record?;
        words.add_cell(&record[table.label], path, place, list)?;
        table.input(&record, place)?;
        len += 1;
    }
    if len == 0 {
        return Err(DataError::empty(path, "write one sample per line below the names of the columns"));
    }
    let classes = words.classes(list)?;
    table.classes = Arc::new(classes.index);
    let features: Vec<String> = table.others().map(|(_, name)| name.clone()).collect();
    let mut notes = vec![columns::note(&features, &table.names[table.label])];
    notes.extend(columns::like_labels(&features));
    if options.split == Split::Train {
        notes.push("a table is one split: all of it is read".to_owned());
    }
    notes.extend(classes.notes);
    Ok(Opened {
        len,
        shape: vec![features.len()],
        classes: classes.count,
        class_names: classes.names,
        order: None,
        features,
        eight_bit: false,
        notes,
        form: None,
        source: Box::new(table),
    })
}

impl DelimitedTable {
    /// Reads the names of the columns. Cells are separated by whatever makes most columns of the first line.
    fn open(path: &Path, label: Option<&str>) -> Result<DelimitedTable, DataError> {
        let mut best: Option<(u8, Vec<String>)> = None;
        for separator in SEPARATORS {
            let mut reader = reader(path, separator)?;
            let names = reader.headers().map_err(|error| lines::failed(path, &error, LINES))?.iter();
            let names: Vec<String> =
                names.map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
            if best.as_ref().is_none_or(|(_, best)| names.len() > best.len()) {
                best = Some((separator, names));
            }
        }
        let (separator, names) = best.unwrap_or_default();
        let first = Place::Line(1);
        if names.iter().any(|name| name.contains('\0')) {
            return Err(DataError::malformed(path, first, "the text looks like UTF-16", lines::ENCODING));
        }
        if let [name] = names.as_slice()
            && name.contains(['|', ' ', ':'])
        {
            let problem = format!("the first line is one column, `{name}`");
            let cure = "put commas, semicolons or tabs between columns: no other separator is read";
            return Err(DataError::malformed(path, first, problem, cure));
        }
        if names.is_empty() {
            return Err(DataError::empty(path, "write the names of the columns in the first line"));
        }
        if names.iter().all(|name| name.parse::<f64>().is_ok()) {
            let problem = "the first line has only numbers; it should have the column names";
            return Err(DataError::malformed(path, first, problem, "write them there"));
        }
        input::check_values(names.len(), path, first, "write one sample per line")?;
        let label = columns::label(&names, label, path)?;
        columns::check(&names, path, first)?;
        Ok(DelimitedTable {
            path: path.to_owned(),
            separator,
            names: names.into(),
            label,
            classes: Arc::default(),
        })
    }

    /// The columns of the inputs.
    fn others(&self) -> impl Iterator<Item = (usize, &String)> {
        self.names.iter().enumerate().filter(|(place, _)| *place != self.label)
    }

    /// The lines below the header, with their places in bytes.
    fn records(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Place, StringRecord), DataError>> + Send + use<>, DataError>
    {
        let mut reader = reader(&self.path, self.separator)?;
        reader.headers().map_err(|error| lines::failed(&self.path, &error, LINES))?;
        let path = self.path.clone();
        Ok(reader.into_records().map(move |record| {
            let record = record.map_err(|error| lines::failed(&path, &error, LINES))?;
            Ok((lines::place(&record), record))
        }))
    }

    /// The numbers of a line.
    fn input(&self, record: &StringRecord, place: Place) -> Result<Vec<f32>, DataError> {
        let cell = |(at, name): (usize, &String)| {
            let text = &record[at];
            let value = match text {
                "" => {
                    let problem = format!("the column `{name}` is blank");
                    return Err(DataError::malformed(&self.path, place, problem, columns::MEND));
                }
                // As pandas writes columns of truth values.
                truth if truth.eq_ignore_ascii_case("true") => 1.0,
                truth if truth.eq_ignore_ascii_case("false") => 0.0,
                number => number.parse::<f64>().map_err(|_| {
                    let problem = format!("the column `{name}` holds `{number}`, no number");
                    let cure = if is_punctuated(number) { PLAIN } else { columns::ENCODE };
                    DataError::malformed(&self.path, place, problem, cure)
                })?,
            };
            columns::single(value, name, &self.path, place)
        };
        self.others().map(cell).collect()
    }
}

impl Source for DelimitedTable {
    fn rows(&self) -> Result<Rows, DataError> {
        let table = self.clone();
        let row = move |record: Result<(Place, StringRecord), DataError>| -> Result<Row, DataError> {
            let (place, record) = record?;
            let label = table.classes.get(record[table.label].trim()).copied().ok_or_else(|| {
                let problem = "the label was not there when the table was opened";
                DataError::malformed(&table.path, place, problem, "do not change the files during a run")
            })?;
            Ok(Row { input: Raw::Floats(table.input(&record, place)?), label })
        };
        Ok(Box::new(self.records()?.map(move |record| row(record).map_err(lines::in_lines))))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests([&self.path])
    }
}

fn reader(path: &Path, separator: u8) -> Result<csv::Reader<std::fs::File>, DataError> {
    let (file, _) = input::open_file(path)?;
    Ok(ReaderBuilder::new().trim(Trim::All).delimiter(separator).from_reader(file))
}

/// Whether a cell is a number with a decimal comma, or with something between thousands.
fn is_punctuated(cell: &str) -> bool {
    let mark = |c: char| matches!(c, ',' | '.' | '\'' | '’' | '_') || c.is_whitespace();
    let bare = cell.trim_start_matches(['-', '+']);
    bare.starts_with(|c: char| c.is_ascii_digit()) && bare.chars().all(|c| c.is_ascii_digit() || mark(c))
}
