//! Classes of the model that no sample has.

use std::collections::BTreeSet;

use super::{Record, Summary, Warning};
use crate::Advice;
use crate::data::Selection;

/// More names than these are not said.
const SAID: usize = 8;

/// What to know of whole data that lack classes.
pub(super) fn note(summary: &Summary, records: &[Record]) -> Option<String> {
    let whole = summary.selection == Selection::All && summary.shard.is_whole() && summary.clean.pending == 0;
    let absent = classes(summary.model.classes, records).filter(|_| whole)?;
    Some(format!("no sample has {absent} of the model"))
}

/// The classes of which there is no record, as text; none where there is one of each.
fn classes(count: u64, records: &[Record]) -> Option<String> {
    let found: BTreeSet<usize> = records.iter().map(|record| record.label).collect();
    let missing: Vec<usize> = (0..count as usize).filter(|class| !found.contains(class)).collect();
    let first: Vec<String> = missing.iter().take(SAID).map(usize::to_string).collect();
    let more = match missing.len().saturating_sub(SAID) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = if missing.len() == 1 { "class" } else { "classes" };
    (!missing.is_empty()).then(|| format!("{word} {}{more}", first.join(", ")))
}

/// A part of the data that lacks classes is no picture of the whole.
pub(super) fn missing(summary: &Summary, records: &[Record]) -> Option<Warning> {
    // What a shard lacks, others may have.
    if summary.clean.pending > 0 || summary.total == 0 || !summary.shard.is_whole() {
        return None;
    }
    let classes = classes(summary.model.classes, records)?;
    let (part, advice) = match summary.selection {
        Selection::All => return None,
        // All samples were taken, as there are no more.
        Selection::First(n) | Selection::Random { count: n, .. } if summary.total < n as u64 => return None,
        Selection::First(n) => (
            format!("the first {n} samples"),
            Advice::new(". If the data are sorted by class, take a random part: {samples}")
                .with("samples", enough(n, summary.model.classes)),
        ),
        Selection::Random { count, .. } => (
            format!("{count} samples drawn at random"),
            ". Take more samples, or check whether the data has these classes at all".into(),
        ),
    };
    let message = format!(
        "{part} contain no sample of the model's {classes}; the figures cover the other classes only"
    );
    Some(Warning::new("missing-classes", message).advise(advice))
}

/// As many as `n`, and ten of each class.
fn enough(n: usize, classes: u64) -> u64 {
    classes.saturating_mul(10).max(n as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_part_has_room_for_all_classes() {
        assert_eq!([enough(1, 10), enough(500, 10)], [100, 500]);
    }

    #[test]
    fn missing_classes_are_named() {
        let record =
            |label| Record { index: label, label, prediction: Some(0), margin: 1.0, ..Record::default() };
        let of =
            |labels: &[usize], count| classes(count, &labels.iter().copied().map(record).collect::<Vec<_>>());
        assert_eq!(of(&[0, 2, 1], 3), None);
        assert_eq!(of(&[0, 2, 2], 3).unwrap(), "class 1");
        assert_eq!(of(&[0, 2], 5).unwrap(), "classes 1, 3, 4");
        assert_eq!(of(&[0], 1000).unwrap(), "classes 1, 2, 3, 4, 5, 6, 7, 8 and 991 more");
    }
}
