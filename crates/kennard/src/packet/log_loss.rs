//! The logarithm of the cross-entropy, from the log-odds loss.

/// `ln l` and its slope `d ln l / du = sigmoid(u)/softplus(u)`, for `l = softplus(u) = ln(1 + e^u)`.
///
/// Finite and right to rounding for every finite `u`: a confident correct point (`u → −∞`) has
/// `ln l → u` and slope 1, a misclassified one (`u → ∞`) `ln l → ln u` and slope `1/u`.
pub(crate) fn log_softplus(u: f64) -> (f64, f64) {
    // Below −37, e^u is less than half the spacing of f64 at 1, so l = e^u to rounding.
    if u < -37.0 {
        (u, 1.0)
    } else if u <= 0.0 {
        let e = u.exp();
        let loss = e.ln_1p();
        (loss.ln(), e / ((1.0 + e) * loss))
    } else {
        let e = (-u).exp();
        let loss = u + e.ln_1p();
        (loss.ln(), 1.0 / ((1.0 + e) * loss))
    }
}

#[cfg(test)]
mod tests {
    use super::log_softplus;

    /// References from 50-digit arithmetic (mpmath), rounded to f64.
    #[test]
    fn matches_high_precision_references() {
        let references = [
            (-745.5, -745.5, 1.0),
            (-100.0, -100.0, 1.0),
            (-80.0, -80.0, 1.0),
            (-37.5, -37.5, 1.0),
            (-36.5, -36.5, 0.9999999999999999),
            (-20.0, -20.00000000103058, 0.9999999989694232),
            (-5.0, -5.003359553239909, 0.9966498291384774),
            (-1.0, -1.1607163753888976, 0.8585199917061369),
            (-0.001, -0.36723434793137927, 0.721507174010924),
            (0.0, -0.36651292058166435, 0.7213475204444817),
            (0.5, -0.02626493926374671, 0.6390247807012777),
            (3.0, 1.114678319907568, 0.31246410778772515),
            (20.0, 2.995732273657049, 0.04999999989178944),
            (80.0, 4.382026634673881, 0.0125),
            (1000.0, 6.907755278982137, 0.001),
        ];
        for (u, log_loss, slope) in references {
            let (l, f) = log_softplus(u);
            assert!((l - log_loss).abs() <= 4e-16 * log_loss.abs().max(1e-15), "ln l({u}) = {l}");
            assert!((f - slope).abs() <= 4e-16 * slope, "slope({u}) = {f}");
        }
        assert_eq!(log_softplus(f64::NEG_INFINITY), (f64::NEG_INFINITY, 1.0));
    }
}
