//! Intervals for shares, and their comparison.

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};

/// The exact 95 % interval of a binomial share (Clopper & Pearson 1934): `successes` of `trials`.
/// `[0, 1]` where there are no trials.
pub fn clopper_pearson(successes: u64, trials: u64) -> [f64; 2] {
    let quantile = |a: u64, b: u64, p: f64| match Beta::new(a as f64, b as f64) {
        Ok(beta) => beta.inverse_cdf(p),
        Err(_) => p,
    };
    if trials == 0 {
        return [0.0, 1.0];
    }
    let low = if successes == 0 { 0.0 } else { quantile(successes, trials - successes + 1, 0.025) };
    let high = if successes == trials { 1.0 } else { quantile(successes + 1, trials - successes, 0.975) };
    [low, high]
}

/// McNemar's exact test of two shares of the same samples (McNemar 1947), two-sided: `first` samples have
/// the one property alone, `second` the other alone. The probability of counts at least as unequal where
/// both are equally likely; 1 where there are none.
pub fn mcnemar(first: u64, second: u64) -> f64 {
    match Binomial::new(0.5, first + second) {
        Ok(fair) => (2.0 * fair.cdf(first.min(second))).min(1.0),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, and by SciPy 1.17, `scipy.stats.binomtest(b, b + c).pvalue`.
    #[test]
    fn paired_shares_agree_with_scipy() {
        let cases = [
            (0, 0, 1.0),
            (0, 1, 1.0),
            (5, 5, 1.0),
            (3, 9, 2.0 * (1.0 + 12.0 + 66.0 + 220.0) / 4096.0),
            (0, 10, 2.0 / 1024.0),
            (500, 612, 0.0008647484771689024),
            (1, 200, 1.2570490861279506e-58),
        ];
        for (b, c, p) in cases {
            for found in [mcnemar(b, c), mcnemar(c, b)] {
                assert!((found - p).abs() <= 1e-9 * p, "{b} {c}: {found} {p}");
            }
        }
    }

    /// Reference values: SciPy 1.17, `scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact")`.
    #[test]
    fn intervals_agree_with_scipy() {
        let cases = [
            (9820, 10_000, 0.979_199_32, 0.984_514_69),
            (5, 10, 0.187_086_03, 0.812_913_97),
            (0, 20, 0.0, 0.168_433_47),
            (20, 20, 0.831_566_53, 1.0),
            (1, 1000, 0.000_025_317, 0.005_558_924),
        ];
        for (k, n, low, high) in cases {
            let [a, b] = clopper_pearson(k, n);
            assert!((a - low).abs() < 2e-8 && (b - high).abs() < 2e-8, "{k}/{n}: {a} {b}");
        }
    }
}
