//! Expected calibration error.

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::{Quality, log_probabilities};
use crate::figure::Figure;
use crate::random::stream;
use crate::stats::quantile;

/// Bins of equal width, as usual since Guo et al. 2017.
pub const BINS: usize = 15;

/// The samples whose largest probability falls into one of [`BINS`] bins of equal width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many.
    pub samples: u64,
    /// How many of them are classified correctly.
    pub correct: u64,
    /// The mean of their largest probability; 0 where there is none.
    pub confidence: f64,
}

/// The confidences of samples at a temperature.
pub(super) struct Confidences {
    temperature: f64,
    losses: Vec<f64>,
    /// Sums of confidences in place of their means.
    bins: [Bin; BINS],
}

impl Confidences {
    pub fn at(temperature: f64) -> Confidences {
        Confidences { temperature, losses: Vec::new(), bins: [Bin::default(); BINS] }
    }

    /// Takes a sample's logits in; see [`log_probabilities`]. Whether it was taken.
    pub fn push(&mut self, logits: &[f32], label: usize) -> bool {
        let Some(log_p) = log_probabilities(logits, label, self.temperature) else { return false };
        let confidence = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max).exp();
        // A bin holds its upper end.
        let place = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        let bin = &mut self.bins[place];
        bin.samples += 1;
        bin.confidence += confidence;
        bin.correct += u64::from(crate::answer::predict(logits) == label);
        self.losses.push(-log_p[label]);
        true
    }

    pub fn len(&self) -> usize {
        self.losses.len()
    }

    /// What they come to; there are at least two samples. `seed` is that of the interval's random numbers.
    pub fn quality(&self, seed: u64) -> Quality {
        let mean = |bin: &Bin| Bin { confidence: bin.confidence / bin.samples.max(1) as f64, ..*bin };
        let bins: Vec<Bin> = self.bins.iter().map(mean).collect();
        Quality { log_loss: Figure::mean(&self.losses), calibration_error: expected_error(&bins, seed), bins }
    }
}

/// Sets of bins that are drawn for an interval.
const DRAWS: usize = 999;

/// The expected calibration error `Σ_b (n_b/n) |accuracy_b − confidence_b|`, with a 95 % interval.
///
/// Distances are too large in the mean where they are mostly noise, so an interval around the value would miss a small
/// error. It holds instead all errors under which a value like this is not unusual: the bins' distances times a factor are
/// drawn with their sampling error, and the factors are kept at which at most 2.5 % of the draws come out smaller, and at
/// most 2.5 % larger, than what was found.
fn expected_error(bins: &[Bin], seed: u64) -> Figure {
    let n = bins.iter().map(|bin| bin.samples).sum::<u64>() as f64;
    let filled = bins.iter().filter(|bin| bin.samples > 0);
    // Weighted distance and its standard error.
    let parts: Vec<[f64; 2]> = filled
        .map(|bin| {
            let count = bin.samples as f64;
            let accuracy = bin.correct as f64 / count;
            // The confidence counts as one sample, so that a bin without errors is not taken to have no noise.
            let chance = (bin.correct as f64 + bin.confidence) / (count + 1.0);
            [count / n * (accuracy - bin.confidence), count / n * (chance * (1.0 - chance) / count).sqrt()]
        })
        .collect();
    let value: f64 = parts.iter().map(|[distance, _]| distance.abs()).sum();
    let mut random = stream(seed, &[], "calibration error");
    let noise: Vec<f64> = (0..DRAWS * parts.len()).map(|_| StandardNormal.sample(&mut random)).collect();
    // What errors `factor` times as large come out as: the quantile `p` of that.
    let drawn = |factor: f64, p: f64| {
        let draw = |noise: &[f64]| -> f64 {
            let found = parts.iter().zip(noise).map(|([distance, error], noise)| {
                // Where noise hides the distance, its size is that of the noise.
                let size = factor * distance.abs().max(error / 2.0);
                (size + error * noise).abs()
            });
            found.sum()
        };
        let mut values: Vec<f64> = noise.chunks_exact(parts.len()).map(draw).collect();
        values.sort_by(f64::total_cmp);
        quantile(&values, p)
    };
    let size: f64 = parts.iter().map(|[distance, error]| distance.abs().max(error / 2.0)).sum();
    let factor_at = |p: f64| {
        let (mut low, mut high) = (0.0, 2.0);
        if drawn(low, p) >= value {
            return 0.0;
        }
        while drawn(high, p) < value && high < 1e3 {
            high *= 2.0;
        }
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            if drawn(middle, p) < value { low = middle } else { high = middle }
        }
        high
    };
    let [low, high] = [0.975, 0.025].map(|p| factor_at(p) * size);
    Figure::new(value, [low.min(value), high.max(value)])
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// By hand: ten samples of confidence 0.9, of which 8 are right, and ten of 0.62, all right: (0.1 + 0.38)/2.
    #[test]
    fn the_error_by_hand() {
        let mut confidences = Confidences::at(1.0);
        for k in 0..20 {
            let p: f32 = if k < 10 { 0.9 } else { 0.62 };
            confidences.push(&[p.ln(), (1.0 - p).ln()], usize::from(k < 2));
        }
        let quality = confidences.quality(0);
        assert!((quality.calibration_error.value - 0.24).abs() < 1e-7, "{quality:?}");
        assert_eq!(
            (quality.bins[13].samples, quality.bins[13].correct, quality.bins[9].samples),
            (10, 8, 10)
        );
        let loss = -(8.0 * 0.9f64.ln() + 2.0 * 0.1f64.ln() + 10.0 * 0.62f64.ln()) / 20.0;
        assert!((quality.log_loss.value - loss).abs() < 1e-6);
    }

    /// Networks whose error in every bin is known: calibrated ones, and over- and underconfident ones. Of 200 sets each the
    /// interval holds it in 90 to 98 % of them on the average; 600 sets of a true 95 % are outside by chance in fewer
    /// than one of 10⁴ runs of another seed.
    #[test]
    fn intervals_cover() {
        let (mut covered, mut sets) = (0, 0);
        for (samples, shift) in [(2000, 0.0), (2000, 0.05), (500, -0.03)] {
            for set in 0..200 {
                let mut random = stream(2, &[set, samples, u64::from(shift > 0.0)], "expected errors");
                let mut bins = vec![Bin::default(); BINS];
                let mut truth = [0.0; BINS];
                for _ in 0..samples {
                    let confidence: f64 = 0.5 + 0.5 * random.random::<f64>().sqrt();
                    let accuracy = (confidence - shift).clamp(0.0, 1.0);
                    let place = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
                    bins[place].samples += 1;
                    bins[place].confidence += confidence;
                    bins[place].correct += u64::from(random.random::<f64>() < accuracy);
                    truth[place] += accuracy - confidence;
                }
                let truth = truth.iter().map(|distance| distance.abs()).sum::<f64>() / samples as f64;
                bins.iter_mut().for_each(|bin| bin.confidence /= bin.samples.max(1) as f64);
                covered += u32::from(expected_error(&bins, 0).contains(truth));
                sets += 1;
            }
        }
        let share = f64::from(covered) / f64::from(sets);
        assert!((0.90..=0.98).contains(&share), "{share}");
    }
}
