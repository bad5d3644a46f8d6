//! Broken samples that are kept to be shown: a bounded choice, the same in whatever order they come.

use std::collections::BTreeSet;
use std::path::Path;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::Examined;
use crate::attack::Adversarial;
use crate::figure::{bits, double_bits};
use crate::run::columns::{Field, batches};
use crate::run::files::parquet_bytes;
use crate::{Error, Norm, Result};

/// This many of each kind: the first, the easiest to break, and the hardest that were broken.
const EACH: usize = 8;

/// A broken sample with its closest adversarial point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The sample's place in the data set.
    pub index: usize,
    /// Its label.
    pub label: usize,
    /// What the model takes the point for.
    pub prediction: usize,
    /// The label's probability at the sample.
    #[serde(with = "bits")]
    pub confidence: f32,
    /// The probability of what the point is taken for.
    #[serde(with = "bits")]
    pub confidence_after: f32,
    /// The size of the perturbation in the threat model's norm.
    #[serde(with = "double_bits")]
    pub norm: f64,
    /// How hard it was to break: the distance, where a minimum-norm attack sought the closest point; else
    /// the points evaluated until it was broken.
    #[serde(with = "double_bits")]
    pub hardness: f64,
    /// Whether the sample was certified, and this point contradicts that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicts: bool,
    /// The sample itself.
    #[serde(with = "base64")]
    pub original: Vec<f32>,
    /// The adversarial point.
    #[serde(with = "base64")]
    pub point: Vec<f32>,
}

impl Shown {
    /// What is shown of a sample: the closest of its adversarial points. Nothing where it has none.
    pub(super) fn of(examined: &Examined, norm: Norm, returns_logits: bool) -> Option<Shown> {
        let Examined { record, input, outputs, adversarials } = examined;
        let distance = |found: &&Adversarial| norm.distance(input, &found.point);
        let closest = adversarials.iter().flatten().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let hardness = match record.minimal.iter().any(Option::is_some) {
            true => record.distance(),
            false => {
                let tried = record.attacks.iter().flatten();
                let before = tried.clone().position(|attack| attack.broken).map_or(usize::MAX, |i| i + 1);
                tried.take(before).map(|attack| attack.forwards + attack.backwards).sum::<u64>() as f64
            }
        };
        let share = |outputs: &[f32], class: usize| match returns_logits {
            true => softmax(outputs, class),
            false => outputs.get(class).copied().unwrap_or(f32::NAN),
        };
        let prediction = closest.prediction();
        Some(Shown {
            index: record.index,
            label: record.label,
            prediction,
            confidence: share(outputs, record.label),
            confidence_after: share(&closest.outputs, prediction),
            norm: distance(&closest),
            hardness,
            contradicts: record.is_contradicted(),
            original: input.clone(),
            point: closest.point.clone(),
        })
    }
}

fn softmax(logits: &[f32], class: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // Not `z − largest` of two infinities.
    let power = |z: f32| if z == largest { 1.0 } else { f64::from(z - largest).exp() };
    let sum: f64 = logits.iter().map(|&z| power(z)).sum();
    logits.get(class).map_or(f32::NAN, |&z| (power(z) / sum) as f32)
}

/// Why a sample is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// One of the first that were broken, by their place in the data set: no choice at all.
    First,
    /// One of the easiest to break.
    Easiest,
    /// One of the hardest that were broken.
    Hardest,
}

/// The places in `shown` of each kind. A choice among all broken samples changes none of them.
pub fn roles(shown: &[Shown]) -> [(Role, Vec<usize>); 3] {
    let sorted = |less: &dyn Fn(&Shown, &Shown) -> std::cmp::Ordering| {
        let mut places: Vec<usize> = (0..shown.len()).collect();
        places.sort_by(|&a, &b| less(&shown[a], &shown[b]).then_with(|| shown[a].index.cmp(&shown[b].index)));
        places.truncate(EACH);
        places
    };
    [
        (Role::First, sorted(&|_, _| std::cmp::Ordering::Equal)),
        (Role::Easiest, sorted(&|a, b| a.hardness.total_cmp(&b.hardness))),
        (Role::Hardest, sorted(&|a, b| b.hardness.total_cmp(&a.hardness))),
    ]
}

/// The samples that have a role, and the first that contradict a certificate, in the order of the data set.
pub(super) fn choose(mut shown: Vec<Shown>) -> Vec<Shown> {
    shown.sort_by_key(|shown| shown.index);
    shown.dedup_by_key(|shown| shown.index);
    let mut kept: BTreeSet<usize> = roles(&shown).into_iter().flat_map(|(_, places)| places).collect();
    // A contradiction needs its point.
    let contradicting = (0..shown.len()).filter(|&place| shown[place].contradicts);
    kept.extend(contradicting.take(EACH));
    let mut place = 0..;
    shown.retain(|_| place.next().is_some_and(|place| kept.contains(&place)));
    shown
}

/// The columns of `examples.parquet`.
const COLUMNS: [(&str, Field<Shown>); 9] = [
    ("index", Field::Count(|s| Some(s.index as u64), |s, v| s.index = v.unwrap_or_default() as usize)),
    ("label", Field::Class(|s| Some(s.label), |s, v| s.label = v.unwrap_or_default())),
    ("prediction", Field::Class(|s| Some(s.prediction), |s, v| s.prediction = v.unwrap_or_default())),
    ("confidence", Field::Single(|s| Some(s.confidence), |s, v| s.confidence = v.unwrap_or_default())),
    (
        "confidence_after",
        Field::Single(|s| Some(s.confidence_after), |s, v| s.confidence_after = v.unwrap_or_default()),
    ),
    ("norm", Field::Double(|s| Some(s.norm), |s, v| s.norm = v.unwrap_or_default())),
    ("hardness", Field::Double(|s| Some(s.hardness), |s, v| s.hardness = v.unwrap_or_default())),
    ("original", Field::List(|s| Some(s.original.clone()), |s, v| s.original = v.unwrap_or_default())),
    ("point", Field::List(|s| Some(s.point.clone()), |s, v| s.point = v.unwrap_or_default())),
];

/// The bytes of `examples.parquet`: one row per sample, pixels as lists in row-major order.
pub(super) fn to_parquet(shown: &[Shown]) -> Result<Vec<u8>, String> {
    let rows: Vec<_> = shown.iter().map(Some).collect();
    let columns = COLUMNS.iter().map(|(name, field)| (name, field.array(&rows)));
    let batch = RecordBatch::try_from_iter(columns).map_err(|e| e.to_string())?;
    parquet_bytes(&batch).map_err(|e| e.to_string())
}

/// The samples of a file that [`to_parquet`] made; none where there is no file.
///
/// # Errors
/// When the file is damaged, or another program's.
pub(super) fn from_parquet(path: &Path) -> Result<Vec<Shown>> {
    let error = |message: String| Error::Run { path: path.into(), message };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(error(format!("cannot be read: {e}"))),
    };
    let damaged = |e: &dyn std::fmt::Display| {
        error(format!("is damaged ({e}); remove it to go without pictures of examples"))
    };
    let shown: Option<Vec<_>> = batches(file, rows).map_err(|e| damaged(&e))?.into_iter().collect();
    let shown = shown.ok_or_else(|| damaged(&"a column is missing or of another kind"))?.concat();
    let sound = |s: &Shown| s.index <= i64::MAX as usize && s.label.max(s.prediction) <= i32::MAX as usize;
    match shown.iter().all(sound) {
        true => Ok(shown),
        false => Err(damaged(&"its numbers are negative")),
    }
}

fn rows(batch: &RecordBatch) -> Option<Vec<Shown>> {
    let mut shown = vec![Shown::default(); batch.num_rows()];
    COLUMNS.iter().try_for_each(|(name, field)| field.read(batch, name, &mut shown))?;
    Some(shown)
}

/// Floats as the base64 of their bytes: exact, and short enough for images.
mod base64 {
    use base64::prelude::*;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        let (words, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(D::Error::custom("the values are not whole"));
        }
        Ok(words.iter().copied().map(f32::from_le_bytes).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(index: usize) -> Shown {
        let value = index as f32 * 0.1;
        Shown {
            index,
            label: 1,
            prediction: 2,
            confidence: 0.75,
            confidence_after: 0.5,
            norm: 0.1,
            hardness: ((index * 7919) % 101) as f64,
            contradicts: false,
            original: vec![value, 1.0 / 3.0],
            point: vec![-value, f32::MIN_POSITIVE],
        }
    }

    /// In whatever order samples come, and whatever was left out before, the choice is the same.
    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let all: Vec<Shown> = (0..200).map(shown).collect();
        let whole = choose(all.clone());
        assert!(whole.len() > 2 * EACH && whole.len() <= 3 * EACH);
        let mut kept = Vec::new();
        for place in 0..200 {
            kept.push(all[(place * 83 + 17) % 200].clone());
            kept = choose(kept);
        }
        assert_eq!(kept, whole);
        let [(_, first), (_, easiest), (_, hardest)] = roles(&whole);
        assert!(first.iter().enumerate().all(|(i, &place)| whole[place].index == i));
        assert_eq!(whole[easiest[0]].hardness, 0.0);
        assert_eq!(whole[hardest[0]].hardness, 100.0);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let all: Vec<Shown> = (0..5).map(shown).collect();
        let line = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Shown>>(&line).unwrap(), all);
        let path = std::env::temp_dir().join(format!("kennard-gallery-{}.parquet", std::process::id()));
        std::fs::write(&path, to_parquet(&all).unwrap()).unwrap();
        assert_eq!(from_parquet(&path).unwrap(), all);
        std::fs::write(&path, b"PAR1 no table").unwrap();
        let message = from_parquet(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(message.contains("damaged"), "{message}");
        assert!(from_parquet(&path).unwrap().is_empty());
    }

    #[test]
    fn confidences_are_softmax() {
        assert!((softmax(&[0.0, 3f32.ln()], 1) - 0.75).abs() < 1e-6);
        assert_eq!(softmax(&[1000.0, 0.0], 0), 1.0);
    }
}
