//! In which line of a text file something is: what the `csv` crate says of that leaves out blank lines, and the second half of
//! Windows' ends of lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use csv::{ErrorKind, StringRecord};

use crate::error::{DataError, Place};

/// What helps against text in other encodings.
pub(crate) const ENCODING: &str = "save it as UTF-8 (spreadsheets and editors have other encodings too)";

/// Where a record is, in bytes: its line is counted only when there is something to say of it, by [`in_lines`].
pub(crate) fn place(record: &StringRecord) -> Place {
    record.position().map_or(Place::Whole, |position| Place::Offset(position.byte()))
}

/// What is wrong with a file, whose place is in bytes. `cure` is what helps where lines have too few or too many cells.
pub(crate) fn failed(path: &Path, error: &csv::Error, cure: &str) -> DataError {
    let place = error.position().map_or(Place::Whole, |position| Place::Offset(position.byte()));
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let problem = format!("the line has {len} cells, the first has {expected_len}");
            DataError::malformed(path, place, problem, cure)
        }
        ErrorKind::Utf8 { .. } => DataError::malformed(
            path,
            place,
            "the text is not in UTF-8; it may be UTF-16 or Latin-1",
            ENCODING,
        ),
        ErrorKind::Io(error) => DataError::malformed(path, place, error.to_string(), cure),
        _ => DataError::malformed(path, place, error.to_string(), cure),
    }
}

/// The same error, its place in a text file told in lines where it is in bytes.
pub(crate) fn in_lines(error: DataError) -> DataError {
    match error {
        DataError::Malformed { file, place, problem, cure } => {
            DataError::Malformed { place: line(&file, place), file, problem, cure }
        }
        DataError::Label { file, place, label, problem } => {
            DataError::Label { place: line(&file, place), file, label, problem }
        }
        DataError::TooLarge { file, place, what, limit, cure } => {
            DataError::TooLarge { place: line(&file, place), file, what, limit, cure }
        }
        other => other,
    }
}

fn line(file: &Path, place: Place) -> Place {
    match place {
        Place::Offset(byte) => line_at(file, byte).map_or(place, Place::Line),
        other => other,
    }
}

/// The line, from 1, of the first byte from a place on that ends no line.
fn line_at(file: &Path, place: u64) -> io::Result<u64> {
    let (mut reader, mut line, mut at, mut last) = (BufReader::new(File::open(file)?), 1, 0, 0);
    loop {
        let bytes = reader.fill_buf()?;
        for &byte in bytes {
            let ends = matches!(byte, b'\r' | b'\n');
            if at >= place && !ends {
                return Ok(line);
            }
            line += u64::from(ends && !(byte == b'\n' && last == b'\r'));
            (at, last) = (at + 1, byte);
        }
        let read = bytes.len();
        if read == 0 {
            return Ok(line);
        }
        reader.consume(read);
    }
}
