//! Intervals for shares and rank correlations.

use statrs::distribution::{Beta, ContinuousCDF};
use statrs::statistics::{Data, OrderStatistics, RankTieBreaker};

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

/// Spearman's rank correlation of pairs, equal values having their mean rank, and its 95 % interval: that of
/// Fisher's z with the variance `(1 + ρ²/2)/(n − 3)` (Bonett & Wright 2000, *Psychometrika* 65:23). `None`
/// where there are fewer than 4 pairs, or all values of one side are equal. The interval supposes independent
/// pairs, which the epochs of one run are not.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<(f64, [f64; 2])> {
    if pairs.len() < 4 || pairs.iter().any(|(a, b)| !(a.is_finite() && b.is_finite())) {
        return None;
    }
    let ranks = |of: fn(&(f64, f64)) -> f64| {
        Data::new(pairs.iter().map(of).collect::<Vec<f64>>()).ranks(RankTieBreaker::Average)
    };
    let (a, b) = (ranks(|pair| pair.0), ranks(|pair| pair.1));
    let n = pairs.len() as f64;
    let middle = (n + 1.0) / 2.0;
    let product =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum() };
    let (both, spread) = (product(&a, &b), product(&a, &a) * product(&b, &b));
    if spread <= 0.0 {
        return None;
    }
    let rho = (both / spread.sqrt()).clamp(-1.0, 1.0);
    // A perfect correlation would have no width at all: it counts as half a step short of it, a step being
    // what the exchange of two neighbours makes.
    let most = 1.0 - 6.0 / (n * (n * n - 1.0));
    let reach = 1.959_963_984_540_054 * ((1.0 + rho * rho / 2.0) / (n - 3.0)).sqrt();
    let z = rho.clamp(-most, most).atanh();
    Some((rho, [(z - reach).tanh().min(rho), (z + reach).tanh().max(rho)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coefficients: SciPy 1.17, `scipy.stats.spearmanr`. The interval of ρ = 0.6, n = 20 by hand:
    /// `tanh(0.693147 ± 1.959964·√(1.18/17))`.
    #[test]
    fn rank_correlations_agree_with_scipy() {
        let pairs = [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0), (5.0, 7.0), (6.0, 5.0), (7.0, 6.0)];
        let (rho, _) = spearman(&pairs).unwrap();
        assert!((rho - 0.821_428_571_428_571_5).abs() < 1e-12, "{rho}");
        let ties = [(1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 4.0), (4.0, 3.0)];
        let (rho, _) = spearman(&ties).unwrap();
        assert!((rho - 0.815_789_473_684_210_4).abs() < 1e-12, "{rho}");
        assert!(spearman(&[(1.0, 1.0); 6]).is_none());
        assert_eq!(
            spearman(&[(0.0, 3.0), (1.0, 2.0), (2.0, 1.0), (3.0, 0.0)]).unwrap(),
            (-1.0, [-1.0, -1.0])
        );
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
