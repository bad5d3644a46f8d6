use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::DataError;
use crate::images::Form;
use crate::source::{Raw, Row, Rows, Sample, level};

/// The stream of a data set's samples; see [`DataSet::samples`](crate::DataSet::samples).
pub struct Samples {
    /// `None` after the last row or the first error.
    rows: Option<Rows>,
    next: usize,
    len: usize,
    form: Option<Form>,
    spec: String,
    own: Seen,
    shared: Arc<Mutex<Seen>>,
}

impl Samples {
    pub(crate) fn new(
        rows: Rows,
        len: usize,
        form: Option<Form>,
        spec: String,
        shared: Arc<Mutex<Seen>>,
    ) -> Samples {
        Samples { rows: Some(rows), next: 0, len, form, spec, own: Seen::default(), shared }
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
        let mut image = |raw| {
            let form = self.form.as_ref().expect("formats with encoded images have a form");
            let (input, change) = form.input(raw)?;
            self.own.resized += usize::from(change.resized);
            if let Some(from) = change.converted {
                *self.own.converted.entry(from).or_default() += 1;
            }
            Ok(input)
        };
        let input = match row.input {
            Raw::Bytes(bytes) => bytes.into_iter().map(level).collect(),
            Raw::Floats(values) => {
                for &v in &values {
                    let (min, max) = self.own.range.unwrap_or((v, v));
                    self.own.range = Some((min.min(v), max.max(v)));
                }
                values
            }
            raw => image(raw)?,
        };
        self.own.streamed += 1;
        lock(&self.shared).merge(&self.own);
        Ok(Sample { index: self.next - 1, input, label: row.label })
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
    streamed: usize,
    resized: usize,
    /// How many images of which kind were converted to the wanted channels.
    converted: BTreeMap<&'static str, usize>,
    pub range: Option<(f32, f32)>,
}

impl Seen {
    /// Keeps the larger counts: a second stream meets the same samples again.
    fn merge(&mut self, other: &Seen) {
        self.streamed = self.streamed.max(other.streamed);
        self.resized = self.resized.max(other.resized);
        for (&from, &count) in &other.converted {
            let own = self.converted.entry(from).or_default();
            *own = count.max(*own);
        }
        self.range = match (self.range, other.range) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    pub fn notes(&self, form: &Form) -> Vec<String> {
        let mut notes = Vec::new();
        let of = format!("of the {} images streamed so far", self.streamed);
        if let Some(resizing) = form.resizing(self.resized > 0) {
            notes.push(match self.streamed {
                0 => resizing,
                _ => format!("{resizing}; {} {of}", self.resized),
            });
        }
        for (from, count) in &self.converted {
            let to = form.colours();
            notes.push(format!("{count} {of} were converted from {from} to {to}"));
        }
        notes
    }
}

/// The counts stay meaningful when a thread died while it held them.
pub(crate) fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
