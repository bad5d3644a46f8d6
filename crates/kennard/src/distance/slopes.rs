//! Distances from margins and slopes: to first order, and by the mean slope under a window.

use rand_distr::{Distribution, StandardNormal};

use super::boundary::{CLASSES, StartingClass, nearest_classes};
use super::margins::CountedOracle;
use super::{DistanceError, Margins};
use crate::packet::vector::axpy;
use crate::random::stream;
use crate::stats::pseudo_values;
use crate::{Figure, Norm};

/// Samples are taken in this many groups, whose jackknife gives the interval and takes off the bias of a norm of a
/// noisy mean.
const GROUPS: usize = 16;

/// The norms that distances are given in.
pub const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

/// Distances to the decision boundary from margins and slopes, `min_j m_j(x₀) / ‖slope of m_j‖` with the dual norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlopeDistances {
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// Points of the window, the same for all classes; rounded up to a multiple of 32.
    pub samples: usize,
    /// The seed of the points.
    pub seed: u64,
}

/// What margins and slopes say about one sample. Distances are negative where it is misclassified.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// `min_j m_j(x₀)`, in the logits' units.
    pub margin: f64,
    /// The l2 norm of the gradient of the log-odds loss `ln Σ_{j≠y} exp(z_j) − z_y` at the sample. The classes that
    /// were left out do not count.
    pub gradient_norm: f64,
    /// How many other classes were looked at: all, or the 9 whose boundary is nearest by first order.
    pub classes: usize,
    /// Whether those were all other classes.
    pub all_classes: bool,
    /// In each of [`NORMS`], `min_j m_j(x₀)/‖∂m_j(x₀)‖`; infinite where all slopes vanish.
    pub first_order: [f64; 3],
    /// In each of [`NORMS`], `min_j m_j(x₀)/‖E[∂m_j]‖`, the mean under the window `N(x₀, s² I)`.
    pub packet: [Figure; 3],
}

impl SlopeDistances {
    /// Measures the distances of a sample of `label` at `centre` (d). `sample_index` keys its points.
    ///
    /// # Errors
    /// When the scale, the centre or the label is invalid, there is one class only, the oracle fails, or a logit is not a
    /// number.
    pub fn measure<O: Margins>(
        &self,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        oracle: &mut O,
    ) -> Result<Predicted, DistanceError<O::Error>> {
        DistanceError::check_scale(self.scale)?;
        let mut asked = CountedOracle::new(oracle, centre, label)?;
        let starts = nearest_classes(&mut asked, CLASSES)?;
        let mut norms = Vec::with_capacity(starts.len());
        for start in &starts {
            norms.push(self.slope_norms(&mut asked, start.class, sample_index)?);
        }
        let margin = -starts[0].slope.leads.largest().1;
        let first_order = NORMS.map(|norm| {
            let distance = |start: &StartingClass| -start.slope.lead / dual(norm, &start.slope.gradient);
            starts.iter().map(distance).fold(f64::INFINITY, f64::min)
        });
        let packet = [0, 1, 2].map(|norm| {
            // Without the group, or of all.
            let distance = |group: usize| {
                let one =
                    |(start, norms): (&StartingClass, &Vec<[f64; 3]>)| -start.slope.lead / norms[group][norm];
                starts.iter().zip(&norms).map(one).fold(f64::INFINITY, f64::min)
            };
            let whole = distance(GROUPS);
            match whole.is_finite() {
                true => Figure::mean(&pseudo_values(whole, (0..GROUPS).map(distance))),
                false => Figure::exact(whole),
            }
        });
        Ok(Predicted {
            margin,
            gradient_norm: log_odds_slope(&starts),
            classes: starts.len(),
            all_classes: starts.len() + 1 == asked.oracle.classes(),
            first_order,
            packet,
        })
    }

    /// The dual norms of a class's mean slope, without each group of samples and, last, of all.
    fn slope_norms<O: Margins>(
        &self,
        asked: &mut CountedOracle<O>,
        class: usize,
        sample_index: u64,
    ) -> Result<Vec<[f64; 3]>, DistanceError<O::Error>> {
        let d = asked.centre.len();
        let samples = self.samples.next_multiple_of(2 * GROUPS).max(2 * GROUPS);
        let mut random = stream(self.seed, &[sample_index, self.scale.to_bits()], "slopes");
        let mut groups = vec![vec![0.0; d]; GROUPS];
        let batch = asked.oracle.batch_size().max(1).div_ceil(2) * 2;
        for start in (0..samples).step_by(batch) {
            let count = batch.min(samples - start);
            let mut points = Vec::with_capacity(count * d);
            for _ in 0..count / 2 {
                // A point and its mirror image, in which the slope of a parabola cancels.
                let normal: Vec<f64> = (0..d).map(|_| StandardNormal.sample(&mut random)).collect();
                asked.displace(&normal, self.scale, &mut points);
                asked.displace(&normal, -self.scale, &mut points);
            }
            let slopes = asked.slopes(&points, &vec![class; count])?;
            for (k, slope) in slopes.iter().enumerate() {
                axpy(&mut groups[(start + k) / 2 % GROUPS], 1.0, &slope.gradient);
            }
        }
        let mut sum = vec![0.0; d];
        groups.iter().for_each(|group| axpy(&mut sum, 1.0, group));
        let norms = |part: &[f64], share: f64| NORMS.map(|norm| dual(norm, part) / (share * samples as f64));
        let rest = 1.0 - 1.0 / GROUPS as f64;
        let mut found = Vec::with_capacity(GROUPS + 1);
        for group in &mut groups {
            let without: Vec<f64> = sum.iter().zip(group).map(|(sum, own)| sum - *own).collect();
            found.push(norms(&without, rest));
        }
        found.push(norms(&sum, 1.0));
        Ok(found)
    }
}

/// What a slope `w` can gain at most over a perturbation of norm 1.
fn dual(norm: Norm, w: &[f64]) -> f64 {
    let dual = match norm {
        Norm::Linf => Norm::L1,
        Norm::L2 => Norm::L2,
        Norm::L1 | Norm::L0 => Norm::Linf,
    };
    dual.of(w.iter().copied())
}

/// `‖Σ_j softmax_j ∂(z_j − z_y)‖`, the softmax over the other classes.
fn log_odds_slope(starts: &[StartingClass]) -> f64 {
    let top = starts.iter().map(|start| start.slope.lead).fold(f64::NEG_INFINITY, f64::max);
    let mut sum = vec![0.0; starts[0].slope.gradient.len()];
    let mut total = 0.0;
    for start in starts {
        let weight = (start.slope.lead - top).exp();
        total += weight;
        axpy(&mut sum, weight, &start.slope.gradient);
    }
    Norm::L2.of(sum.into_iter()) / total
}
