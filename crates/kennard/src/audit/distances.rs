use serde::{Deserialize, Serialize};

use crate::stats::{clopper_pearson, lower_quantile, median};

/// Distances to the closest adversarial point, in the threat model's norm. A sample that is misclassified
/// from the start has the distance 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// For how many samples an adversarial point was found, or none is needed.
    pub found: u64,
    /// The quartiles over all samples; null where no point was found.
    pub quartiles: [Option<f64>; 3],
    /// The 95 % interval of the median, from order statistics; an end is null where no point was found, and both of fewer than
    /// 6 samples, which have none.
    #[serde(default)]
    pub median_interval: [Option<f64>; 2],
    /// Robust accuracy against epsilon.
    pub curve: Vec<CurvePoint>,
}

/// Robust accuracy at one epsilon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The largest size of a perturbation.
    pub eps: f64,
    /// The share of samples that no perturbation of that size breaks.
    pub robust_accuracy: f64,
    /// Its Clopper–Pearson interval.
    pub interval: [f64; 2],
}

/// Steps of the curve, from zero to the largest distance.
const STEPS: usize = 40;

impl Distances {
    /// The summary of distances, infinite where no adversarial point was found.
    pub(super) fn of(distances: impl Iterator<Item = f64>) -> Distances {
        let mut sorted: Vec<f64> = distances.collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let found = sorted.partition_point(|d| d.is_finite());
        let quartile = |p: f64| lower_quantile(&sorted, p).filter(|d| d.is_finite());
        let largest = found.checked_sub(1).map_or(0.0, |last| sorted[last]);
        let point = |step: usize| {
            let eps = largest * step as f64 / STEPS as f64;
            let robust = (n - sorted.partition_point(|&d| d <= eps)) as u64;
            let interval = clopper_pearson(robust, n as u64);
            CurvePoint { eps, robust_accuracy: robust as f64 / n.max(1) as f64, interval }
        };
        let curve = if largest > 0.0 { (0..=STEPS).map(point).collect() } else { Vec::new() };
        let finite = |end: f64| Some(end).filter(|end| end.is_finite());
        let interval = median(sorted.iter().copied()).and_then(|(_, interval)| interval);
        let median_interval = interval.map_or([None; 2], |ends| ends.map(finite));
        Distances { found: found as u64, quartiles: [0.25, 0.5, 0.75].map(quartile), median_interval, curve }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_and_curve_of_a_few_distances() {
        let distances =
            Distances::of([0.0, 3.0, 1.0, 4.0, f64::INFINITY, 2.0, f64::INFINITY, 0.0].into_iter());
        assert_eq!(distances.found, 6);
        assert_eq!(distances.quartiles, [Some(0.0), Some(2.0), Some(4.0)]);
        let at = |eps: f64| distances.curve.iter().find(|p| p.eps == eps).unwrap().robust_accuracy;
        assert_eq!([at(0.0), at(1.0), at(2.0), at(4.0)], [0.75, 0.625, 0.5, 0.25]);
        assert_eq!(Distances::of([f64::INFINITY].into_iter()).quartiles, [None; 3]);
        // Of eight the first and the last: 2/2⁸ is below 5 %, 2 · 9/2⁸ is not.
        assert_eq!(distances.median_interval, [Some(0.0), None]);
        assert_eq!(Distances::of([0.0, 1.0, 2.0].into_iter()).median_interval, [None; 2]);
        // Of 1000 the 469th and the 532nd: `scipy.stats.binom.cdf(468, 1000, 0.5)` is the last below 0.025.
        let many = Distances::of((1..=1000).map(f64::from));
        assert_eq!(many.median_interval, [Some(469.0), Some(532.0)]);
    }
}
