//! Estimates with their 95 % intervals.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The interval of a figure that grows with this one.
    pub(crate) fn map(&self, grow: impl Fn(f64) -> f64) -> Self {
        Self { low: grow(self.low), high: grow(self.high) }
    }

    /// Its half-width as a share of `value`; zero where it has no width.
    pub(crate) fn relative_to(&self, value: f64) -> f64 {
        if self.high > self.low { (self.high - self.low) / 2.0 / value.abs() } else { 0.0 }
    }
}

/// A figure and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub interval: Interval,
}

impl Estimate {
    pub(crate) fn student(value: f64, variance: f64, degrees: usize) -> Self {
        let half = two_sided(degrees, 0.05) * variance.sqrt();
        Self { value, interval: Interval { low: value - half, high: value + half } }
    }

    /// The mean of independent values of equal expectation.
    pub(crate) fn mean(values: &[f64]) -> Self {
        let degrees = values.len() - 1;
        let variance = scatter(values) / (values.len() * degrees) as f64;
        Self::student(mean(values), variance, degrees)
    }

    /// The mean of independent values of equal expectation, less what it shares with the mean of
    /// `control`, whose expectation is zero: the linear regression on it, taken to zero.
    pub(crate) fn controlled_mean(values: &[f64], control: &[f64]) -> Self {
        let (value_mean, control_mean) = (mean(values), mean(control));
        let pairs = values.iter().zip(control);
        let shared: f64 = pairs.clone().map(|(v, c)| (v - value_mean) * (c - control_mean)).sum();
        let spread = scatter(control);
        let slope = if spread > 0.0 { shared / spread } else { 0.0 };
        let residuals: Vec<f64> = pairs.map(|(value, control)| value - slope * control).collect();
        let degrees = values.len() - 2;
        let variance = scatter(&residuals) / (values.len() * degrees) as f64;
        Self::student(mean(&residuals), variance, degrees)
    }

    /// The mean of independent estimates of different figures: their distances to the value add in
    /// quadrature (Zou and Donner, Statistics in Medicine 27:1693, 2008).
    pub(crate) fn average(estimates: impl ExactSizeIterator<Item = (f64, Interval)>) -> Self {
        let count = estimates.len() as f64;
        let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
        for (figure, interval) in estimates {
            value += figure / count;
            below += ((figure - interval.low) / count).powi(2);
            above += ((interval.high - figure) / count).powi(2);
        }
        Self { value, interval: Interval { low: value - below.sqrt(), high: value + above.sqrt() } }
    }

    /// The figure whose square this is; noise below zero counts as zero.
    pub(crate) fn root(self) -> Self {
        let root = |square: f64| square.max(0.0).sqrt();
        let Interval { low, high } = self.interval;
        Self { value: root(self.value), interval: Interval { low: root(low), high: root(high) } }
    }

    pub(crate) fn scaled(self, factor: f64) -> Self {
        let Interval { low, high } = self.interval;
        Self { value: factor * self.value, interval: Interval { low: factor * low, high: factor * high } }
    }

    /// Whether `expected` is within the error of the value at false-alarm rate `rate`, for an
    /// estimate with `degrees` degrees of freedom.
    pub(crate) fn agrees(&self, expected: f64, rate: f64, degrees: usize) -> bool {
        let widening = two_sided(degrees, rate) / two_sided(degrees, 0.05);
        let below = widening * (self.value - self.interval.low);
        let above = widening * (self.interval.high - self.value);
        self.value - below <= expected && expected <= self.value + above
    }
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

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sum of squared distances from the mean.
pub(crate) fn scatter(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// The distance that `|t|` of Student's distribution exceeds with probability `rate`.
pub(crate) fn two_sided(degrees: usize, rate: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees as f64)
        .expect("degrees of freedom are positive")
        .inverse_cdf(1.0 - rate / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against SciPy's quantiles of Student's distribution.
    #[test]
    fn quantiles_match_tables() {
        for (degrees, rate, quantile) in [
            (31, 0.05, 2.039513446396408),
            (31, 0.01, 2.744041919294269),
            (31, 0.001 / 3.0, 4.032918876509941),
            (62, 0.05, 1.9989715170333788),
            (62, 0.01, 2.6574785649511563),
            (62, 0.001 / 3.0, 3.799103881575841),
            (63, 0.05, 1.998340542520741),
            (63, 0.01, 2.6561450250998613),
            (63, 0.001 / 3.0, 3.795581733146964),
        ] {
            let t = two_sided(degrees, rate);
            assert!((t / quantile - 1.0).abs() < 1e-7, "t({degrees}, {rate}) = {t}");
        }
    }

    /// By hand: the variance estimate of 1, 2, 6 has the bias −1/n times itself, which the
    /// jackknife of single values removes: 14/3 becomes the unbiased 7.
    #[test]
    fn the_jackknife_removes_bias() {
        let variance = |values: &[f64]| scatter(values) / values.len() as f64;
        let deleted = [[2.0, 6.0], [1.0, 6.0], [1.0, 2.0]].map(|values| variance(&values));
        let values = pseudo_values(variance(&[1.0, 2.0, 6.0]), deleted.into_iter());
        assert!((mean(&values) - 7.0).abs() < 1e-12, "{values:?}");
    }

    /// Values that are a multiple of the control and a constant leave the constant.
    #[test]
    fn control_removes_what_is_shared() {
        let control = [0.5, -1.0, 2.0, 0.25];
        let values = control.map(|control| 3.0 - 4.0 * control);
        let estimate = Estimate::controlled_mean(&values, &control);
        assert!((estimate.value - 3.0).abs() < 1e-12, "{estimate:?}");
        assert!(estimate.interval.high - estimate.interval.low < 1e-9, "{estimate:?}");
        let none = Estimate::controlled_mean(&values, &[0.5; 4]);
        assert_eq!(none.value, mean(&values));
    }
}
