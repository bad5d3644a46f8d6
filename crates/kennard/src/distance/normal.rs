//! The normal distribution far out.

use crate::stats::normal_quantile;

/// `Φ⁻¹(q)` from `ln q ≤ 0`, also where `q` underflows: there by Newton's method on Mills' asymptotic series.
pub(super) fn quantile(log_q: f64) -> f64 {
    if log_q > -650.0 {
        let x = normal_quantile(log_q.exp());
        return if x.is_finite() { x } else { f64::INFINITY };
    }
    let log_tail = |x: f64| {
        let y = 1.0 / (x * x);
        -x * x / 2.0 - (x * std::f64::consts::TAU.sqrt()).ln() + (-y + 3.0 * y * y - 15.0 * y.powi(3)).ln_1p()
    };
    let mut x = (-2.0 * log_q).sqrt();
    for _ in 0..20 {
        // The slope of ln Φ(−x) is −(x + 1/x) nearly.
        x += (log_tail(x) - log_q) / (x + 1.0 / x);
    }
    -x
}

#[cfg(test)]
mod tests {
    use super::quantile;

    /// SciPy 1.17: `norm.isf(1e-12)`, and `norm.logsf` of 30 and 40.
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (log_q, x) in [
            (1e-12f64.ln(), -7.034_483_825_301_131),
            (-454.321_243_956_342_6, -30.0),
            (-804.608_442_013_754, -40.0),
            (0.5f64.ln(), 0.0),
        ] {
            assert!((quantile(log_q) - x).abs() < 1e-8, "{log_q}: {}", quantile(log_q));
        }
    }
}
