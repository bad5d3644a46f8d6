use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::DataError;
use crate::images::Form;
use crate::source::{Change, Raw, Row, Rows, Sample, level};

/// The stream of a data set's samples; see [`DataSet::samples`](crate::DataSet::samples).
pub struct Samples {
    /// `None` after the last row or the first error.
    rows: Option<Rows>,
    next: usize,
    len: usize,
    form: Option<Form>,
    spec: String,
    seen: Arc<Mutex<Seen>>,
}

impl Samples {
    pub(crate) fn new(
        rows: Rows,
        len: usize,
        form: Option<Form>,
        spec: String,
        seen: Arc<Mutex<Seen>>,
    ) -> Samples {
        Samples { rows: Some(rows), next: 0, len, form, spec, seen }
    }

    /// The next row, and a check that there are as many as were found on opening.
    fn row(&mut self) -> Option<Result<Row, DataError>> {
        let found = match (self.rows.as_mut()?.next(), self.next < self.len) {
            (Some(Ok(row)), true) => {
                self.next += 1;
                return Some(Ok(row));
            }
            (Some(Err(error)), _) => {
                self.rows = None;
                return Some(Err(error));
            }
            (None, false) => {
                self.rows = None;
                return None;
            }
            (Some(Ok(_)), false) => "more".to_owned(),
            (None, true) => self.next.to_string(),
        };
        self.rows = None;
        Some(Err(DataError::Changed { spec: self.spec.clone(), expected: self.len, found }))
    }

    fn convert(&mut self, row: Row) -> Result<Sample, DataError> {
        let index = self.next - 1;
        let input = match row.input {
            Raw::Bytes(bytes) => bytes.into_iter().map(level).collect(),
            Raw::Floats(values) => values,
            raw => {
                let form = self.form.as_ref().expect("formats with encoded images have a form");
                let (input, change) = form.input(raw)?;
                lock(&self.seen).image(index, change);
                input
            }
        };
        Ok(Sample { index, input, label: row.label })
    }
}

impl Iterator for Samples {
    type Item = Result<Sample, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.nth(0)
    }

    /// Passes over `n` samples without converting them; an error among them is not lost.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        for _ in 0..n {
            if let Err(error) = self.row()? {
                return Some(Err(error));
            }
        }
        let sample = self.row()?.and_then(|row| self.convert(row));
        if sample.is_err() {
            self.rows = None;
        }
        Some(sample)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.len - self.next + 1))
    }
}

/// What the streams of a data set met so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of each image by its place: 0 before it is streamed, then what was done to it, by the place in `changes`, from 1. A stream
    /// that meets it again counts nothing twice.
    images: Vec<u8>,
    /// What was done to images, each kind once.
    changes: Vec<Change>,
}

impl Seen {
    fn image(&mut self, place: usize, change: Change) {
        let known = self.changes.iter().position(|known| *known == change);
        let known = known.unwrap_or_else(|| {
            self.changes.push(change);
            self.changes.len() - 1
        });
        if self.images.len() <= place {
            self.images.resize(place + 1, 0);
        }
        self.images[place] = known as u8 + 1;
    }

    /// What was done to the images at these places, as far as they were streamed.
    pub fn notes(&self, form: &Form, places: impl Iterator<Item = usize>) -> Vec<String> {
        let (mut streamed, mut resized, mut turned) = (0, 0, 0);
        let mut converted: BTreeMap<&'static str, usize> = BTreeMap::new();
        for place in places {
            let Some(code) = self.images.get(place).filter(|code| **code > 0) else { continue };
            let change = self.changes[usize::from(*code) - 1];
            streamed += 1;
            resized += usize::from(change.resized);
            turned += usize::from(change.turned);
            if let Some(from) = change.converted {
                *converted.entry(from).or_default() += 1;
            }
        }
        let mut notes = Vec::new();
        if let Some(resizing) = form.resizing(resized > 0) {
            notes.push(match streamed {
                0 => resizing,
                _ => Counted::new(&(resizing + "; "), resized, "").text(streamed),
            });
        }
        if turned > 0 {
            notes.push(Counted::new("", turned, TURNED).text(streamed));
        }
        for (from, count) in converted {
            let after = format!(" were converted from {from} to {}", form.colours());
            notes.push(Counted::new("", count, &after).text(streamed));
        }
        notes
    }
}

/// What stands between the number of images that a note is of and that of all, and behind the latter.
const OF: &str = " of the ";
const SO_FAR: &str = " images streamed so far";

/// What is said of images that a viewer would turn.
const TURNED: &str = " have an orientation in their Exif data, and are taken as they are stored, not turned";

/// A note of how many of the images streamed so far something is true.
struct Counted {
    before: String,
    count: usize,
    after: String,
}

impl Counted {
    fn new(before: &str, count: usize, after: &str) -> Counted {
        Counted { before: before.to_owned(), count, after: after.to_owned() }
    }

    fn text(&self, streamed: usize) -> String {
        let Counted { before, count, after } = self;
        format!("{before}{count}{OF}{streamed}{SO_FAR}{after}")
    }

    /// The note that a text is, if it has such numbers.
    fn read(text: &str) -> Option<Counted> {
        let (head, after) = text.split_once(SO_FAR)?;
        let (head, streamed) = head.rsplit_once(OF)?;
        streamed.parse::<usize>().ok()?;
        let before = head.trim_end_matches(|c: char| c.is_ascii_digit());
        let count = head[before.len()..].parse().ok()?;
        Some(Counted::new(before, count, after))
    }
}

/// The [notes](crate::DataSet::notes) of a data set that was read in parts, of which these are the notes: numbers of images
/// are added up. `streamed` is how many the parts have together.
pub fn notes_of_parts(parts: &[&[String]], streamed: usize) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    // In the order that one stream has: what is resized first.
    let mut counts: BTreeMap<(bool, String, String), usize> = BTreeMap::new();
    for note in parts.iter().copied().flatten() {
        match Counted::read(note) {
            Some(Counted { before, count, after }) => {
                *counts.entry((before.is_empty(), before, after)).or_default() += count;
            }
            None if notes.contains(note) => {}
            None => notes.push(note.clone()),
        }
    }
    let is_counted = |note: &String| Counted::read(note).is_some();
    let place = parts.iter().find_map(|notes| notes.iter().position(is_counted));
    let place = place.unwrap_or(notes.len()).min(notes.len());
    let counted =
        counts.into_iter().map(|((_, before, after), count)| Counted { before, count, after }.text(streamed));
    notes.splice(place..place, counted);
    notes
}

/// The counts stay meaningful when a thread died while it held them.
pub(crate) fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
