//! What was found about one sample, and the table of all of them.

use std::path::Path;

use arrow_array::{ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};

use super::votes::{probability_within, radius_of};
use crate::run::columns::{self, Field};
use crate::run::files::parquet_bytes;
use crate::{Error, Result};

/// The certificate of one sample, or that there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// The place in the data set.
    pub index: usize,
    /// The true class.
    pub label: usize,
    /// The class that the certificate is about: the most frequent of the draws that choose.
    pub class: usize,
    /// How often it came, of the draws that count.
    pub count: u64,
    /// The draws that count.
    pub draws: u64,
    /// The lower limit of its probability under the noise, which fails with at most the probability α.
    pub probability: f64,
    /// How far from the sample, in l2 and input units, the smoothed classifier returns this class: `σ Φ⁻¹(p)` of that limit.
    /// None where the limit is not above ½: it abstains.
    pub radius: Option<f64>,
}

impl CertificateRecord {
    /// The record of a class that came `count` times in `draws`.
    pub(super) fn new(
        [index, label, class]: [usize; 3],
        [count, draws]: [u64; 2],
        probability: f64,
        sigma: f64,
    ) -> CertificateRecord {
        let radius = (probability > 0.5).then(|| radius_of(probability, sigma));
        CertificateRecord { index, label, class, count, draws, probability, radius }
    }

    /// Whether the label is certified within a radius, its surface included.
    pub fn certifies(&self, radius: f64, sigma: f64) -> bool {
        self.class == self.label && self.probability > probability_within(radius, sigma)
    }
}

/// The columns, and whether they may be null.
const COLUMNS: [(&str, bool, Field<CertificateRecord>); 7] = [
    ("index", false, Field::Count(|r| Some(r.index as u64), |r, v| r.index = v.unwrap_or_default() as usize)),
    ("label", false, Field::Class(|r| Some(r.label), |r, v| r.label = v.unwrap_or_default())),
    ("class", false, Field::Class(|r| Some(r.class), |r, v| r.class = v.unwrap_or_default())),
    ("count", false, Field::Count(|r| Some(r.count), |r, v| r.count = v.unwrap_or_default())),
    ("draws", false, Field::Count(|r| Some(r.draws), |r, v| r.draws = v.unwrap_or_default())),
    (
        "probability",
        false,
        Field::Double(|r| Some(r.probability), |r, v| r.probability = v.unwrap_or_default()),
    ),
    ("radius", true, Field::Double(|r| r.radius, |r, v| r.radius = v)),
];

/// The table: a row per sample.
pub(super) fn to_batch(records: &[CertificateRecord]) -> Result<RecordBatch> {
    let rows: Vec<_> = records.iter().map(Some).collect();
    let columns: Vec<(&str, ArrayRef, bool)> =
        COLUMNS.iter().map(|(name, nullable, field)| (*name, field.array(&rows), *nullable)).collect();
    RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| Error::format("the table", e))
}

/// The bytes of the table.
pub(super) fn to_parquet(records: &[CertificateRecord]) -> Result<Vec<u8>> {
    parquet_bytes(&to_batch(records)?).map_err(|e| Error::format("the table", e))
}

/// The records of a table that [`to_parquet`] made.
///
/// # Errors
/// When the file is missing, damaged, or another program's.
pub(super) fn from_parquet(path: &Path) -> Result<Vec<CertificateRecord>> {
    // Numbers that came out negative are too large for any of the columns.
    let sound = |r: &CertificateRecord| {
        r.label.max(r.class) <= i32::MAX as usize && r.count <= r.draws && r.draws <= i64::MAX as u64
    };
    let ordered = |records: &[CertificateRecord]| records.is_sorted_by(|a, b| a.index < b.index);
    columns::records(path, rows, |records| records.iter().all(sound) && ordered(records))
}

/// The records of a batch; an error is the name of a column that is missing or of another type.
fn rows(batch: &RecordBatch) -> Result<Vec<CertificateRecord>, String> {
    let mut rows = vec![CertificateRecord::default(); batch.num_rows()];
    for (name, _, field) in &COLUMNS {
        field.read(batch, name, &mut rows).ok_or(*name)?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let records = [
            CertificateRecord::new([0, 1, 1], [990, 1000], 0.97, 0.5),
            CertificateRecord::new([3, 1, 0], [510, 1000], 0.46, 0.5),
        ];
        assert!(records[0].certifies(0.9, 0.5) && !records[0].certifies(0.95, 0.5));
        assert!(records[1].radius.is_none() && !records[1].certifies(0.0, 0.5));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("samples.parquet");
        std::fs::write(&path, to_parquet(&records).unwrap()).unwrap();
        assert_eq!(from_parquet(&path).unwrap(), records);
        std::fs::write(&path, b"PAR1").unwrap();
        assert!(from_parquet(&path).unwrap_err().to_string().contains("damaged"));
    }
}
