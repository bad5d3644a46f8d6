//! Samples in two halves.

/// Both halves of something per sample: even places for fitting, odd ones for testing.
pub(super) struct Halves<T> {
    pub(super) fitted: Vec<T>,
    pub(super) tested: Vec<T>,
}

impl<T> Halves<T> {
    pub(crate) fn of(values: impl Iterator<Item = T>) -> Halves<T> {
        let mut halves = Halves { fitted: Vec::new(), tested: Vec::new() };
        for (place, value) in values.enumerate() {
            let half = if place % 2 == 0 { &mut halves.fitted } else { &mut halves.tested };
            half.push(value);
        }
        halves
    }
}
