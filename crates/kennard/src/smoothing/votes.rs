use serde::Serialize;

use crate::Figure;
use crate::stats::{clopper_pearson, lower_limit, mean, normal_quantile, normal_share};

/// How often a classifier returned each class under noise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Votes {
    /// The most frequent class of the draws that choose, the first of equals; they are none of those counted.
    pub chosen: usize,
    /// How often each class (K) came, of the draws that count.
    pub counts: Vec<u64>,
    /// The draws that count; where the classifier had no answer, more than the sum of the counts.
    pub draws: u64,
}

impl Votes {
    /// What the smoothed classifier returns: the most frequent class, the first of equals.
    pub fn majority(&self) -> usize {
        most(&self.counts)
    }

    /// How far from the sample, in l2 and input units, the smoothed classifier surely returns the chosen class: `s Φ⁻¹(p)` with
    /// the lower limit p of its probability. With at most the probability `failure` that is wrong. None: the limit is not
    /// above ½, nothing is certified. It cannot exceed `s Φ⁻¹(failure^(1/n))` of n draws, though all agree.
    pub fn certified_radius(&self, scale: f64, failure: f64) -> Option<f64> {
        let p = lower_limit(self.counts[self.chosen], self.draws, failure);
        (p > 0.5).then(|| radius_of(p, scale))
    }

    /// The estimate `s Φ⁻¹(p)` of a class's radius, negative where it comes less often than half of the time. Of k draws in n,
    /// p is `(k + ½)/(n + 1)`, so that it is finite where all agree; it is then an estimate from below.
    pub fn estimated_radius(&self, scale: f64, class: usize) -> f64 {
        scale * normal_quantile((self.counts[class] as f64 + 0.5) / (self.draws as f64 + 1.0))
    }

    /// Whether all draws returned one class: the radius is as large as this number of draws can tell.
    pub fn is_unanimous(&self) -> bool {
        self.counts.contains(&self.draws)
    }
}

/// The class of the largest count, the first of equals.
pub(super) fn most(counts: &[u64]) -> usize {
    let largest = counts.iter().max();
    counts.iter().position(|count| Some(count) == largest).unwrap_or_default()
}

/// The radius of a class that has the probability p under noise of standard deviation `scale`: `s Φ⁻¹(p)`.
pub(super) fn radius_of(p: f64, scale: f64) -> f64 {
    scale * normal_quantile(p)
}

/// The largest radius that this many draws can certify: that of draws which all agree.
pub(super) fn largest_radius(draws: u64, failure: f64, scale: f64) -> f64 {
    radius_of(failure.powf(1.0 / draws as f64), scale)
}

/// The mean of certified radii, 0 for samples without one, with its 95 % interval over samples. No radius is above `most`, and many
/// samples have that one. Where all of a few samples do, Student's interval has no width, though other samples may have smaller
/// radii. So the interval is at least that of the mean when the share of samples at `most` is within its own (Clopper and Pearson)
/// and the mean of the others is as found.
pub(super) fn mean_radius(radii: &[f64], most: f64) -> Figure {
    let (full, others): (Vec<f64>, Vec<f64>) =
        radii.iter().partition(|radius| **radius >= most * (1.0 - 1e-9));
    let rest = if others.is_empty() { 0.0 } else { mean(&others) };
    let ends = clopper_pearson(full.len() as u64, radii.len() as u64);
    let [low, high] = ends.map(|share| share * most + (1.0 - share) * rest);
    let student = Figure::mean(radii);
    let [least, largest] = student.interval;
    Figure { interval: [least.min(low).max(0.0), largest.max(high).min(most)], ..student }
}

/// The probability that a class must exceed to be certified within a radius: `Φ(R/s)`.
pub(super) fn probability_within(radius: f64, scale: f64) -> f64 {
    normal_share(radius / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Agreeing draws, their number, the rate of failure, and the radius in units of s.
    const RADII: [(u64, u64, f64, Option<f64>); 9] = [
        (1000, 1000, 1e-3, Some(2.463_262_614_780_811_4)),
        (300, 300, 1e-3, Some(1.999_765_810_183_584_2)),
        (100_000, 100_000, 1e-3, Some(3.811_456_563_389_914_5)),
        (999, 1000, 1e-3, Some(2.357_650_570_595_154_7)),
        (900, 1000, 1e-3, Some(1.114_483_162_279_799_7)),
        (99_500, 100_000, 1e-3, Some(2.528_461_556_656_544_5)),
        (560, 1000, 1e-3, Some(0.026_863_739_626_879_657)),
        (530, 1000, 1e-3, None),
        (8, 10, 0.05, None),
    ];

    /// Six samples at the largest radius: `beta.ppf(0.025, 6, 1)` of it at the least; none of six with any: as little is known.
    #[test]
    fn means_of_radii_at_an_end_are_not_certain() {
        let unlikely = 0.025f64.powf(1.0 / 6.0);
        let [low, high] = mean_radius(&[2.0; 6], 2.0).interval;
        assert!((low - 2.0 * unlikely).abs() < 1e-9 && high == 2.0, "{low} {high}");
        let [low, high] = mean_radius(&[0.0; 6], 2.0).interval;
        assert!(low == 0.0 && (high - 2.0 * (1.0 - unlikely)).abs() < 1e-9, "{low} {high}");
        // Between the ends Student's interval is what there is, and what the largest could add.
        let spread: Vec<f64> = (0..40).map(|i| f64::from(i) / 40.0).collect();
        let ([low, _], student) = (mean_radius(&spread, 2.0).interval, Figure::mean(&spread));
        assert_eq!(low, student.interval[0]);
    }

    /// A share q of samples without a certificate, all others at the largest radius: the mean is (1 − q) of it. Streams are keyed, so
    /// that this fails always or never.
    #[test]
    fn intervals_of_mean_radii_cover() {
        use rand::RngExt;
        for (n, q) in [(8, 0.1), (20, 0.05), (50, 0.03), (200, 0.01)] {
            let covered = (0..500).filter(|&run| {
                let mut random = crate::random::stream(run, &[n], "radii");
                let radii: Vec<f64> =
                    (0..n).map(|_| if random.random::<f64>() < q { 0.0 } else { 1.0 }).collect();
                mean_radius(&radii, 1.0).contains(1.0 - q)
            });
            let covered = covered.count();
            // 95 % of 500 are 475, less 2.5 standard errors of 4.9.
            assert!(covered >= 463, "n = {n}, q = {q}: {covered} of 500");
        }
    }

    /// SciPy 1.17: `norm.ppf(beta.ppf(alpha, k, n - k + 1))`, for k = n `norm.ppf(alpha**(1/n))`.
    #[test]
    fn radii_agree_with_scipy() {
        for (k, n, failure, expected) in RADII {
            let votes = Votes { chosen: 1, counts: vec![n - k, k], draws: n };
            let found = votes.certified_radius(2.0, failure);
            match expected {
                None => assert_eq!(found, None, "{k} of {n}"),
                Some(radius) => {
                    let found = found.unwrap();
                    assert!((found / (2.0 * radius) - 1.0).abs() < 1e-7, "{k} of {n}: {found}");
                }
            }
        }
    }
}
