use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::lower_limit;

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
        scale * quantile((self.counts[class] as f64 + 0.5) / (self.draws as f64 + 1.0))
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
    scale * quantile(p)
}

/// The probability that a class must exceed to be certified within a radius: `Φ(R/s)`.
pub(super) fn probability_within(radius: f64, scale: f64) -> f64 {
    Normal::standard().cdf(radius / scale)
}

/// Φ⁻¹.
fn quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
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
