//! The temperature of the largest likelihood.

use super::log_probabilities;
use crate::figure::Figure;
use crate::{Error, Result};

/// Logits of samples and their labels.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// n×K, row-major, K as in the first.
    logits: Vec<f32>,
    labels: Vec<usize>,
}

impl Scores {
    /// Takes a sample's logits (K) in; not where one is NaN, or where the label's loss is infinite at every temperature.
    /// Whether it was taken.
    pub fn push(&mut self, logits: &[f32], label: usize) -> bool {
        let taken = log_probabilities(logits, label, 1.0).is_some();
        if taken {
            self.logits.extend_from_slice(logits);
            self.labels.push(label);
        }
        taken
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = (&[f32], usize)> {
        let classes = self.logits.len() / self.len().max(1);
        self.logits.chunks_exact(classes.max(1)).zip(self.labels.iter().copied())
    }

    /// Mean slope of the log-loss in the inverse temperature, its mean square, and the mean curvature: the mean and the
    /// variance of the logits under the probabilities, less the label's logit.
    fn slope(&self, inverse: f64) -> LikelihoodSlope {
        let (mut slope, mut square, mut curvature) = (0.0, 0.0, 0.0);
        for (logits, label) in self.rows() {
            let Some(log_p) = log_probabilities(logits, label, 1.0 / inverse) else { continue };
            // Masked classes have no probability, and no logit to weigh.
            let pairs = log_p.iter().zip(logits).filter(|(_, z)| z.is_finite());
            let (mut mean, mut second) = (0.0, 0.0);
            for (log_p, &z) in pairs {
                let above = f64::from(z) - f64::from(logits[label]);
                mean += log_p.exp() * above;
                second += log_p.exp() * above * above;
            }
            slope += mean;
            square += mean * mean;
            curvature += second - mean * mean;
        }
        let n = self.len() as f64;
        LikelihoodSlope { slope: slope / n, square: square / n, curvature: curvature / n }
    }
}

struct LikelihoodSlope {
    slope: f64,
    square: f64,
    curvature: f64,
}

/// How many times larger or smaller than the size of the logits a temperature may be; no network needs more.
const RANGE: f64 = 1e6;

/// Bisection alone would end sooner.
const STEPS: usize = 100;

/// The temperature T at which the labels are likeliest, with its 95 % interval over samples.
///
/// The log-loss is convex in 1/T, so its slope has one zero; it is found by Newton's
/// method between bounds. The interval is that of an
/// M-estimator (the variance of the slopes over the squared curvature, Huber 1967), on the logarithm of T.
///
/// # Errors
/// When there are fewer than two samples, or the likelihood grows without end: towards T = 0 where no sample is
/// misclassified, towards infinity where the network does not do better than chance.
pub fn fit_temperature(scores: &Scores) -> Result<Figure> {
    let n = scores.len();
    if n < 2 {
        let purpose = "to fit a temperature to; take some hundred".into();
        return Err(Error::TooFew { count: n as u64, what: "samples", purpose });
    }
    let size = (scores.slope(f64::MIN_POSITIVE).curvature).sqrt();
    let (mut low, mut high) = (1.0 / (RANGE * size), RANGE / size);
    if !(size > 0.0 && low > 0.0 && high.is_finite()) {
        return Err(Error::NotANumber(
            "all logits are equal at every sample: there is no temperature to fit; look at the model".into(),
        ));
    }
    if scores.slope(high).slope <= 0.0 {
        return Err(Error::NotANumber(format!(
            "all {n} samples that a temperature is fitted to are classified correctly, so the likelihood grows as T falls to \
             0; take more samples, or some that the network was not trained on"
        )));
    }
    if scores.slope(low).slope >= 0.0 {
        return Err(Error::NotANumber(
            "the likelihood grows as T rises without end: the network does no better than chance on these samples. Are data \
             and labels those that it was trained for?"
                .into(),
        ));
    }
    let mut inverse = (low * high).sqrt();
    for _ in 0..STEPS {
        let LikelihoodSlope { slope, curvature, .. } = scores.slope(inverse);
        if slope < 0.0 {
            low = inverse
        } else {
            high = inverse
        }
        // Newton's step on the logarithm, where it stays in between.
        let next = inverse * (-slope / (inverse * curvature)).exp();
        let next = if low < next && next < high { next } else { (low * high).sqrt() };
        let moved = (next / inverse - 1.0).abs();
        inverse = next;
        if moved < 1e-13 {
            break;
        }
    }
    let LikelihoodSlope { square, curvature, .. } = scores.slope(inverse);
    let variance = square / (n as f64 * (curvature * inverse).powi(2));
    let logarithm = Figure::student(-inverse.ln(), variance, n - 1);
    Ok(logarithm.map(f64::exp))
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::random::stream;

    fn scores(rows: &[([f32; 3], usize)]) -> Scores {
        let mut scores = Scores::default();
        rows.iter().for_each(|(logits, label)| assert!(scores.push(logits, *label)));
        scores
    }

    /// By hand: with logits (±1, ∓1), three right and one wrong, `p = σ(2/T)` is likeliest at ¾: T = 2/ln 3. The slopes
    /// are ±2σ, so J = 4 p(1 − p), H = 4 p(1 − p), and the variance of ln T is `J T²/(n H²)` = T²/(4·¾).
    #[test]
    fn two_classes_by_hand() {
        let mut scores = Scores::default();
        for label in [0, 0, 0, 1] {
            scores.push(&[1.0, -1.0], label);
        }
        let fitted = fit_temperature(&scores).unwrap();
        let t = 2.0 / 3f64.ln();
        assert!((fitted.value / t - 1.0).abs() < 1e-12, "{fitted:?}");
        let reach = crate::stats::two_sided(3, 0.05) * (t * t / 3.0).sqrt();
        assert!((fitted.interval[1] / t).ln() / reach - 1.0 < 1e-9, "{fitted:?}");
    }

    /// Against SciPy 1.17, `brentq` for the slope of the mean of `logsumexp(z/T) − z_y/T` in 1/T.
    #[test]
    fn three_classes_agree_with_scipy() {
        let scores = scores(&[
            ([2.0, 0.5, -1.0], 0),
            ([0.1, 0.2, 0.3], 1),
            ([-1.0, 3.0, 0.0], 1),
            ([1.5, -0.5, 1.0], 2),
            ([0.0, -2.0, 4.0], 2),
        ]);
        let fitted = fit_temperature(&scores).unwrap();
        assert!((fitted.value - SCIPY).abs() < 1e-9, "{fitted:?}");
    }

    const SCIPY: f64 = 0.711_587_429_389_672_1;

    /// Labels drawn from `softmax(z/2)` have the temperature 2. Of 400 sets of 300 samples the interval holds it in 95 %:
    /// outside 90 to 98 % by chance in fewer than one of 10³ runs of another seed (binomial, 400).
    #[test]
    fn intervals_cover() {
        let mut covered = 0;
        for set in 0..400 {
            let mut random = stream(1, &[set], "temperatures");
            let mut scores = Scores::default();
            for _ in 0..300 {
                let logits: Vec<f32> = (0..4)
                    .map(|_| {
                        4.0 * <StandardNormal as Distribution<f32>>::sample(&StandardNormal, &mut random)
                    })
                    .collect();
                let log_p = log_probabilities(&logits, 0, 2.0).unwrap();
                let mut left: f64 = random.random();
                let label = log_p.iter().position(|p| {
                    left -= p.exp();
                    left < 0.0
                });
                scores.push(&logits, label.unwrap_or(3));
            }
            covered += u32::from(fit_temperature(&scores).unwrap().contains(2.0));
        }
        assert!((360..=392).contains(&covered), "{covered}");
    }

    /// A factor on the logits is a factor on the temperature, however large.
    #[test]
    fn temperatures_scale_with_logits() {
        let rows =
            [([2.0, 0.5, -1.0], 0), ([0.1, 0.2, 0.3], 1), ([-1.0, 3.0, 0.0], 1), ([1.5, -0.5, 1.0], 2)];
        let one = fit_temperature(&scores(&rows)).unwrap().value;
        for factor in [1e-9f32, 1e-3, 1e3, 1e12] {
            let scaled = rows.map(|(logits, label)| (logits.map(|z| factor * z), label));
            let other = fit_temperature(&scores(&scaled)).unwrap().value / f64::from(factor);
            assert!((other / one - 1.0).abs() < 1e-5, "{factor}: {other} {one}");
        }
    }

    #[test]
    fn what_has_no_temperature_says_why() {
        let said = |rows: &[([f32; 3], usize)]| fit_temperature(&scores(rows)).unwrap_err().to_string();
        assert!(said(&[([1.0, 0.0, 0.0], 0)]).contains("1 samples are too few"));
        assert!(said(&[([1.0, 0.0, 0.0], 0), ([0.0, 1.0, 0.0], 1)]).contains("classified correctly"));
        assert!(said(&[([1.0, 0.0, 0.0], 1), ([0.0, 1.0, 0.0], 0)]).contains("better than chance"));
        assert!(said(&[([1.0; 3], 1), ([1.0; 3], 0)]).contains("all logits are equal"));
        let mut masked = Scores::default();
        assert!(!masked.push(&[f32::NEG_INFINITY, 0.0], 0) && masked.push(&[f32::NEG_INFINITY, 0.0], 1));
    }
}
