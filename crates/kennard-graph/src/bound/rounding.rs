//! What rounding can do, at most (Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 to 4).
//!
//! Bound graphs are computed in single precision, rounded to nearest, subnormal numbers kept. Sums may be taken in any order, with or
//! without fused multiplications, and a runtime may put factors into weights beforehand (`factors.rs`): what is counted here holds for all
//! of that.

use crate::{GraphError, Result};

/// The unit roundoff of single precision: a result is off by at most this share of itself.
pub(super) const U: f64 = 1.0 / (1u64 << 24) as f64;

/// Above all that results below the normal range can be off by, with room for sums of many; and so far above that range that products
/// with it stay within: numbers below take a processor many times as long.
pub(super) const TINY: f64 = 1e-25;

/// Where a product of a weight and factors may be below the normal range, larger numbers could make it count.
pub(super) const MODERATE: f64 = 1e9;

/// Numbers beyond this count as overflow: nothing is said about the sample then.
pub(super) const HUGE: f64 = 1e30;

/// Roundings beside those of the sum itself: of weights, of factors put into them, of the margins.
const OTHERS: usize = 32;

/// `γₙ = nU/(1 − nU)`: a sum of this many products is off by at most this share of the sum of their sizes.
///
/// # Errors
/// When the sum is too long for single precision.
pub(super) fn gamma(terms: usize) -> Result<f64> {
    let share = terms.saturating_add(OTHERS) as f64 * U;
    if share > 0.25 {
        let message = format!("sums of {terms} products are too long to be bounded in single precision");
        return Err(GraphError::Shape(message));
    }
    // The last factor: the share itself is rounded to single precision.
    Ok(share / (1.0 - share) * 1.001)
}

/// What margins are multiplied by that are summed with products whose sum is off by this share: a long sum may lose more of them than
/// γ itself has room for.
pub(super) fn room(share: f64) -> f64 {
    if share > 5e-4 { 1.0 + 2.0 * share } else { 1.0 }
}
