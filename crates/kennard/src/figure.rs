//! Figures with their 95 % intervals.

mod files;

use serde::Deserialize;

pub(crate) use self::files::{bits, double_bits, optional_bits, paired, value_alone};
use crate::stats::{clopper_pearson, cluster_bootstrap, mean, scatter, two_sided};

/// A figure: its value, its 95 % interval, and what it was estimated from.
///
/// In files it is `{"value", "interval"}`, the interval null where there is none, and `{"value", "error"}` where it was
/// integrated. What is infinite, as the median of distances most of which were not found, is null.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "files::Written")]
pub struct Figure {
    /// The estimate.
    pub value: f64,
    /// The lower and the upper end of the interval; NaN where there is none, as of a median of a few values.
    pub interval: [f64; 2],
    /// What it was estimated from.
    pub basis: Basis,
}

/// What a figure was estimated from.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Basis {
    /// Independent values: the interval is Student's with this many degrees of freedom.
    Samples {
        /// Degrees of freedom.
        degrees: usize,
    },
    /// All of a population: the interval has no width.
    Population,
    /// A quadrature rule: the interval reaches as far as its estimated error.
    Quadrature {
        /// The estimated error.
        error: f64,
    },
    /// Not known, as of figures that a file holds.
    Unknown,
}

impl Figure {
    /// A figure that is not known: NaN, its interval too.
    pub(crate) const UNKNOWN: Figure =
        Figure { value: f64::NAN, interval: [f64::NAN; 2], basis: Basis::Unknown };

    /// A figure with a given interval.
    pub fn new(value: f64, interval: [f64; 2]) -> Self {
        Self { value, interval, basis: Basis::Unknown }
    }

    /// A figure that may have no interval.
    pub(crate) fn perhaps(value: f64, interval: Option<[f64; 2]>) -> Self {
        Self::new(value, interval.unwrap_or(Self::UNKNOWN.interval))
    }

    /// The interval, where there is one.
    pub fn known_interval(&self) -> Option<[f64; 2]> {
        Some(self.interval).filter(|ends| ends.iter().all(|end| !end.is_nan()))
    }

    /// A figure of a population, all of which was summed.
    pub(crate) fn exact(value: f64) -> Self {
        Self { value, interval: [value; 2], basis: Basis::Population }
    }

    /// A figure that was integrated, with the estimated error of that.
    pub(crate) fn integrated(value: f64, error: f64) -> Self {
        Self { value, interval: [value - error, value + error], basis: Basis::Quadrature { error } }
    }

    /// A figure of this variance, with Student's interval.
    pub(crate) fn student(value: f64, variance: f64, degrees: usize) -> Self {
        let half = two_sided(degrees, 0.05) * variance.sqrt();
        Self { value, interval: [value - half, value + half], basis: Basis::Samples { degrees } }
    }

    /// The mean of independent values of equal expectation, at least two.
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
    pub(crate) fn average(figures: impl ExactSizeIterator<Item = Self>) -> Self {
        let count = figures.len() as f64;
        let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
        let mut basis = Basis::Population;
        for Self { value: figure, interval: [low, high], basis: other } in figures {
            value += figure / count;
            below += ((figure - low) / count).powi(2);
            above += ((high - figure) / count).powi(2);
            basis = basis.weaker(other);
        }
        Self { value, interval: [value - below.sqrt(), value + above.sqrt()], basis }
    }

    /// The mean over images of independently measured figures, with its 95 % interval for images drawn like these:
    /// their scatter holds the variation from image to image and each one's own sampling error. That of one image is
    /// its own.
    ///
    /// The interval is the union of Student's and Hall's, whose cubic transformation takes out the skewness of the
    /// mean (Hall, JRSS B 54:221, 1992): drift and dispersion are skewed to the right, and Student's interval alone
    /// covers 89 % where 32 values are as skewed as exp(normal). The union covers 91 % to 96 % from 8 values on, of
    /// skewed and normal populations. Shares near 0 or 1 at most images, such as P(wrong), need more: of images like Beta(0.05,
    /// 1.2) it covers 44 % from 3 on, 70 % from 8 and 96 % from 32. Images stratified by label vary less together than ones drawn at random, for
    /// which the interval is.
    pub(crate) fn over_images(figures: &[Self]) -> Self {
        if let [only] = figures {
            return *only;
        }
        let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        let (n, degrees) = (values.len() as f64, values.len() - 1);
        let value = mean(&values);
        let deviation = (scatter(&values) / degrees as f64).sqrt();
        let student = Self::student(value, deviation * deviation / n, degrees);
        if deviation == 0.0 {
            // Nothing is seen of how images vary: each one's own error stands for it, all of them to one side.
            let end = |at: usize| mean(&figures.iter().map(|figure| figure.interval[at]).collect::<Vec<_>>());
            return Self { interval: [end(0), end(1)], ..student };
        }
        if values.len() < 3 || !deviation.is_finite() {
            return student;
        }
        let cubes: f64 = values.iter().map(|v| ((v - value) / deviation).powi(3)).sum();
        let skewness = cubes * n / ((n - 1.0) * (n - 2.0));
        // Hall's transformation of W = (mean − truth)/deviation is W + γW²/3 + γ²W³/27 + γ/(6n), γ the skewness; this
        // is its inverse, at Student's quantiles over √n.
        let untransformed = |y: f64| match skewness.abs() > 1e-6 {
            true => 3.0 / skewness * ((1.0 + skewness * (y - skewness / (6.0 * n))).cbrt() - 1.0),
            false => y,
        };
        let quantile = two_sided(degrees, 0.05) / n.sqrt();
        let [low, high] = [quantile, -quantile].map(|y| value - deviation * untransformed(y));
        let interval = [student.interval[0].min(low), student.interval[1].max(high)];
        Self { interval, ..student }
    }

    /// A statistic of clusters, such as all networks of one seed, with the interval of the bootstrap over clusters; none of
    /// fewer than three.
    pub(crate) fn over_clusters<C>(clusters: &[C], statistic: impl Fn(&[&C]) -> Option<f64>) -> Option<Self> {
        cluster_bootstrap(clusters, statistic).map(|(value, interval)| Self::new(value, interval))
    }

    /// The figure where it can be: value and interval are at least `least`.
    pub(crate) fn at_least(self, least: f64) -> Self {
        // What is no number stays none.
        self.map(|value| if value < least { least } else { value })
    }

    /// A figure that grows with this one.
    pub(crate) fn map(self, grow: impl Fn(f64) -> f64) -> Self {
        Self { value: grow(self.value), interval: self.interval.map(grow), ..self }
    }

    /// The figure whose square this is; noise below zero counts as zero.
    pub(crate) fn root(self) -> Self {
        self.at_least(0.0).map(f64::sqrt)
    }

    /// `√(1 + y) − 1` of this figure `y`, without the cancellation where it is small; noise below −1 counts as −1.
    pub(crate) fn root_excess(self) -> Self {
        self.map(|y| {
            let y = y.max(-1.0);
            y / (1.0 + (1.0 + y).sqrt())
        })
    }

    /// A share, from pseudo-values of groups: their mean with Student's interval, both within 0 and 1. The interval of
    /// none or all of `ess` effective samples is the binomial one.
    pub(crate) fn share(share: f64, values: &[f64], ess: f64) -> Self {
        let figure = Self::mean(values);
        let ess = ess.clamp(1.0, 1e15) as u64;
        match share {
            share if share <= 0.0 => Self { value: 0.0, interval: clopper_pearson(0, ess), ..figure },
            share if share >= 1.0 => Self { value: 1.0, interval: clopper_pearson(ess, ess), ..figure },
            _ => figure.map(|value| value.clamp(0.0, 1.0)),
        }
    }

    /// The figure times a positive factor.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        self.map(|value| factor * value)
    }

    /// The value with its unit, and the interval: `98.1 % [97.6, 98.5]`.
    pub(crate) fn worded(&self, unit: &str, number: impl Fn(f64) -> String) -> String {
        let [low, high] = self.interval.map(&number);
        format!("{}{unit} [{low}, {high}]", number(self.value))
    }

    /// A share in per cent, with this many decimals.
    pub(crate) fn percent(&self, unit: &str, decimals: usize) -> String {
        self.worded(unit, |share| format!("{:.decimals$}", 100.0 * share))
    }

    /// Whether the interval contains `value`.
    pub fn contains(&self, value: f64) -> bool {
        let [low, high] = self.interval;
        low <= value && value <= high
    }

    /// Half the width of the interval; where it was integrated, the estimated error.
    pub fn error(&self) -> f64 {
        match self.basis {
            Basis::Quadrature { error } => error,
            _ => (self.interval[1] - self.interval[0]) / 2.0,
        }
    }

    /// Half the width of the interval as a share of the value's magnitude; zero where it has no width.
    pub fn relative_error(&self) -> f64 {
        if self.interval[1] > self.interval[0] { self.error() / self.value.abs() } else { 0.0 }
    }

    /// Whether `expected` is within the error of the value at false-alarm rate `rate`.
    pub(crate) fn agrees(&self, expected: f64, rate: f64) -> bool {
        let widening = match self.basis {
            Basis::Samples { degrees } => two_sided(degrees, rate) / two_sided(degrees, 0.05),
            _ => 1.0,
        };
        let below = widening * (self.value - self.interval[0]);
        let above = widening * (self.interval[1] - self.value);
        self.value - below <= expected && expected <= self.value + above
    }
}

impl Basis {
    /// The basis of the mean of two figures: the fewer degrees of freedom.
    fn weaker(self, other: Self) -> Self {
        match (self, other) {
            (Basis::Samples { degrees: a }, Basis::Samples { degrees: b }) => {
                Basis::Samples { degrees: a.min(b) }
            }
            (Basis::Samples { .. }, Basis::Population) => self,
            _ => other,
        }
    }
}

/// A number with this many significant digits, without zeros at its end; with an exponent where it is below 10⁻⁶ or from 10⁹
/// on.
pub(crate) fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 {
        // Whatever its sign.
        return "0".into();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-6..1e9).contains(&value.abs()) {
        let text = format!("{value:.places$e}", places = (digits - 1).max(0) as usize);
        return match text.split_once('e') {
            Some((digits, exponent)) if digits.contains('.') => {
                format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => text,
        };
    }
    let places = (digits - 1 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// A count with its noun: "1 epoch", "2 epochs".
pub(crate) fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
