//! Whole numbers, however they are written.

/// The whole number that a word stands for, be it written `3`, `03` or `3.0`.
pub(crate) fn whole_number(word: &str) -> Option<i128> {
    let word = word.trim();
    if let Ok(number) = word.parse::<i128>() {
        return Some(number);
    }
    word.parse::<f64>().ok().and_then(whole)
}

/// A number that is whole, and small enough to be exact.
pub(crate) fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 2f64.powi(53)).then_some(number as i128)
}
