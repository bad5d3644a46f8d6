//! The range of an input's values.

use crate::{Error, Result, SampleError};

/// Refuses a sample that does not lie within the bounds: brought into them it would be another sample than was given.
///
/// # Errors
/// Names the sample and its value.
pub(crate) fn check_inside(index: usize, input: &[f32], [lo, hi]: [f32; 2]) -> Result<()> {
    match input.iter().find(|v| !(lo..=hi).contains(*v)) {
        None => Ok(()),
        Some(&value) => {
            Err(Error::Sample { index, problem: SampleError::Outside { value, bounds: [lo, hi] } }
                .advise(". State the data's range with {bounds}, for instance {bounds = 0,255}"))
        }
    }
}

/// Every element brought into the bounds.
pub(crate) fn clip(x: &mut [f32], [lo, hi]: [f32; 2]) {
    for x in x {
        *x = x.max(lo).min(hi);
    }
}
