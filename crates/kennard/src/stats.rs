//! Intervals for shares, their differences, and rank correlations; means, quantiles and the jackknife.

mod clusters;
mod share;
#[cfg(test)]
mod tests;

pub(crate) use clusters::{cluster_bootstrap, holm, student_p};
pub(crate) use share::Share;

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, Normal, StudentsT};
use statrs::statistics::{Data, OrderStatistics, RankTieBreaker};

/// What a standard normal variable exceeds in magnitude with a probability of 5 %.
pub(crate) const NORMAL_95: f64 = 1.959_963_984_540_054;

/// `Φ(z)`, the probability that a standard normal variable is below `z`.
pub(crate) fn normal_share(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// `Φ⁻¹(p)`, what a standard normal variable is below with the probability `p`.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

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

/// The one-sided lower limit of a binomial share (Clopper & Pearson 1934), `successes` of `trials`: the true share is below it
/// with at most the probability `failure`. 0 where there are no successes.
pub(crate) fn lower_limit(successes: u64, trials: u64, failure: f64) -> f64 {
    let Ok(beta) = Beta::new(successes as f64, trials.saturating_sub(successes) as f64 + 1.0) else {
        return 0.0;
    };
    if successes >= trials { failure.powf(1.0 / trials as f64) } else { beta.inverse_cdf(failure) }
}

/// Spearman's rank correlation of pairs, equal values having their mean rank, and its 95 % interval: that of
/// Fisher's z with the variance `(1 + ρ²/2)/(n − 3)` (Bonett & Wright 2000, *Psychometrika* 65:23). `None`
/// where there are fewer than 4 pairs, or all values of one side are equal. The interval supposes independent
/// pairs, which the epochs of one run are not.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<(f64, [f64; 2])> {
    let rho = rank_correlation(pairs)?;
    let n = pairs.len() as f64;
    // A perfect correlation would have no width at all: it counts as half a step short of it, a step being
    // what the exchange of two neighbours makes.
    let most = 1.0 - 6.0 / (n * (n * n - 1.0));
    let reach = NORMAL_95 * ((1.0 + rho * rho / 2.0) / (n - 3.0)).sqrt();
    let z = rho.clamp(-most, most).atanh();
    Some((rho, [(z - reach).tanh().min(rho), (z + reach).tanh().max(rho)]))
}

/// Spearman's rank correlation by itself; `None` as in [`spearman`].
pub(crate) fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
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
    Some((both / spread.sqrt()).clamp(-1.0, 1.0))
}

/// The partial rank correlation of the first two numbers of each row, given the third: Spearman's coefficients in
/// `(r_ab − r_ac r_bc) / √((1 − r_ac²)(1 − r_bc²))` (Kendall & Stuart, *The Advanced Theory of Statistics* 2, chapter 27).
/// `None` as in [`spearman`], and where the third says all of one of the others.
pub(crate) fn partial_rank_correlation(rows: &[[f64; 3]]) -> Option<f64> {
    let of = |i: usize, j: usize| rank_correlation(&rows.iter().map(|r| (r[i], r[j])).collect::<Vec<_>>());
    let (ab, ac, bc) = (of(0, 1)?, of(0, 2)?, of(1, 2)?);
    let left = (1.0 - ac * ac) * (1.0 - bc * bc);
    (left > 1e-12).then(|| ((ab - ac * bc) / left.sqrt()).clamp(-1.0, 1.0))
}

/// The two-sided p-value of McNemar's exact test: whether of two classifiers on the same samples one is right
/// more often, `only_first` being right where the other is wrong and `only_other` the other way round. Under
/// equal shares these are halves of their sum, binomially.
pub fn mcnemar(only_first: u64, only_other: u64) -> f64 {
    match Binomial::new(0.5, only_first + only_other) {
        Ok(halves) => (2.0 * halves.cdf(only_first.min(only_other))).min(1.0),
        Err(_) => 1.0,
    }
}

/// The 95 % interval of the difference of two shares on the same samples, the first's less the second's, from
/// the table of counts `[[both, first only], [second only, neither]]`: method 10 of Newcombe (1998, Statistics
/// in Medicine 17, 2635), which combines the Wilson intervals of the shares with their correlation.
/// `[-1, 1]` where there are no samples.
pub fn paired_difference(table: [[u64; 2]; 2]) -> [f64; 2] {
    let [[a, b], [c, d]] = table.map(|row| row.map(|count| count as f64));
    let n = a + b + c + d;
    if n == 0.0 {
        return [-1.0, 1.0];
    }
    let (p, q) = ((a + b) / n, (a + c) / n);
    let ([p_low, p_high], [q_low, q_high]) = (wilson(p, n), wilson(q, n));
    let margins = (a + b) * (c + d) * (a + c) * (b + d);
    // With Newcombe's continuity correction where the correlation is positive.
    let excess = a * d - b * c;
    let correlation = match margins > 0.0 {
        true if excess > 0.0 => (excess - n / 2.0).max(0.0) / margins.sqrt(),
        true => excess / margins.sqrt(),
        false => 0.0,
    };
    let width = |dp: f64, dq: f64| (dp * dp - 2.0 * correlation * dp * dq + dq * dq).max(0.0).sqrt();
    [p - q - width(p - p_low, q_high - q), p - q + width(p_high - p, q - q_low)]
}

/// The 95 % interval of a share by its score (Wilson 1927).
fn wilson(p: f64, n: f64) -> [f64; 2] {
    let z2 = NORMAL_95 * NORMAL_95;
    let centre = p + z2 / (2.0 * n);
    let width = NORMAL_95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    [centre - width, centre + width].map(|end| (end / (1.0 + z2 / n)).clamp(0.0, 1.0))
}

/// The mean of values, of which there is at least one.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sum of squared distances from the mean.
pub(crate) fn scatter(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// A quantile of at least one value in ascending order, interpolated linearly between them (`h = (n − 1) p`).
pub(crate) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// The smallest of values in ascending order that a share `p` of them does not exceed (nearest rank); nothing of none.
pub(crate) fn lower_quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The median of values, and its 95 % interval from order statistics, whatever the distribution: that of the sign test. Fewer
/// than 6 values have no such interval: even their range holds the median less often. `None` of none. Values may be infinite:
/// the median is then the lower of the two in the middle, where one of them is.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<(f64, Option<[f64; 2]>)> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let halves = Binomial::new(0.5, sorted.len() as u64).ok()?;
    let most = (0..sorted.len() as u64 / 2).take_while(|k| 2.0 * halves.cdf(*k) <= 0.05).count();
    // This many values at either end lie outside the interval.
    let interval = most.checked_sub(1).map(|outside| [sorted[outside], sorted[last - outside]]);
    let middle = quantile(&sorted, 0.5);
    let value = if middle.is_finite() { Some(middle) } else { lower_quantile(&sorted, 0.5) };
    Some((value?, interval))
}

/// The mean of maps of equal length.
pub(crate) fn mean_map<'a>(maps: impl ExactSizeIterator<Item = &'a [f64]>) -> Vec<f64> {
    let count = maps.len() as f64;
    let mut means = Vec::new();
    for map in maps {
        means.resize(map.len(), 0.0);
        means.iter_mut().zip(map).for_each(|(mean, value)| *mean += value / count);
    }
    means
}

/// The distance that `|t|` of Student's distribution exceeds with probability `rate`.
pub(crate) fn two_sided(degrees: usize, rate: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees as f64)
        .expect("degrees of freedom are positive")
        .inverse_cdf(1.0 - rate / 2.0)
}

/// The delete-a-group jackknife's pseudo-values: `whole` is a figure of all samples, `deleted[k]`
/// of those without group `k`.
///
/// They scatter like independent values around the figure, their mean without its bias of order
/// 1/n (Efron, *The Jackknife, the Bootstrap and Other Resampling Plans*, chapters 2 and 3).
pub(crate) fn pseudo_values(whole: f64, deleted: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
    let groups = deleted.len() as f64;
    deleted.map(|deleted| groups * whole - (groups - 1.0) * deleted).collect()
}

/// Which points of a plane lie on its Pareto front: no other is at least as good in both coordinates and better in one.
/// NaN compares with nothing.
pub(crate) fn pareto_front(points: &[[f64; 2]]) -> Vec<bool> {
    let better = |a: &[f64; 2], b: &[f64; 2]| a[0] >= b[0] && a[1] >= b[1] && a != b;
    points.iter().map(|point| !points.iter().any(|other| better(other, point))).collect()
}
