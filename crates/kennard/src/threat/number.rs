use crate::{Error, Result};

/// A number as people write it: `0.1`, or a fraction like `8/255`.
///
/// # Errors
/// When it is neither.
pub fn parse_number(text: &str) -> Result<f64> {
    let error =
        || Error::Unreadable { text: text.into(), what: "number", form: "write 0.03 or 8/255".into() };
    let number = |part: &str| part.trim().parse::<f64>().map_err(|_| error());
    let value = match text.split_once('/') {
        Some((top, bottom)) => number(top)? / number(bottom)?,
        None => number(text)?,
    };
    if value.is_finite() { Ok(value) } else { Err(error()) }
}
