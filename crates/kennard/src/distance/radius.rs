//! The smoothed radius.

use super::design::design;
use super::margins::{CountedOracle, Leads};
use super::normal::quantile;
use super::proposal::{Proposal, ProposalPart, WINDOW_SHARE};
use super::sampling::{draw, follow, places};
use super::{DistanceError, Margins};
use crate::Figure;
use crate::random::stream;
use crate::stats::two_sided;

/// The fewest samples, and those that say which side of the boundary is the rarer.
const LEAST: usize = 100;
const FIRST_LOOK: usize = 256;
/// The effective samples of the rarer side below which its share is not told with confidence.
pub const RARE_FLOOR: f64 = 100.0;

/// The smoothed radius `R_s = s Φ⁻¹(p)`, `p` the share of the window `N(x₀, s² I)` that is classified as the label.
///
/// A classifier smoothed by the window keeps its answer within `R_s` in l2 (Cohen, Rosenfeld and Kolter 2019, arXiv
/// 1902.02918). This is an estimate of it by importance sampling, however rare the other classes are, and no certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothedRadius {
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// Weighted samples. Some 1 400 points more, and 500 gradients, find where to draw them.
    pub samples: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

/// A smoothed radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Radius {
    /// `R_s`, in input units; negative where the label has less than half of the window. None where no sample of the
    /// rarer side was ever seen.
    pub radius: Option<Figure>,
    /// `ln` of the rarer side's share: of what is misclassified where the radius is positive.
    pub log_share: f64,
    /// The standard error of that share, over the share.
    pub relative_error: f64,
    /// Where no sample of the rarer side was seen: what the radius exceeds at least (or, for a label that is never
    /// predicted, falls below), with confidence 95 %, from samples of the window alone.
    pub beyond: Option<f64>,
    /// The effective sample size of the samples on the rarer side.
    pub ess: f64,
    /// Whether that is enough to trust the interval, [`RARE_FLOOR`].
    pub enough: bool,
    /// Passes that it took, a gradient counted as three.
    pub passes: u64,
}

impl SmoothedRadius {
    /// Measures the radius of a sample of `label` at `centre` (d). `sample_index` keys its random numbers.
    ///
    /// # Errors
    /// When the scale, the centre, the label or the number of samples is invalid, there is one class only, the oracle fails,
    /// or a logit is not a number.
    pub fn measure<O: Margins>(
        &self,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        oracle: &mut O,
    ) -> Result<Radius, DistanceError<O::Error>> {
        self.measure_from(centre, label, sample_index, &[], oracle)
    }

    /// Measures as [`measure`](Self::measure) does. Samples are drawn around points `across` the boundary (d each) where a search from the centre finds none.
    pub(crate) fn measure_from<O: Margins>(
        &self,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        across: &[Vec<f32>],
        oracle: &mut O,
    ) -> Result<Radius, DistanceError<O::Error>> {
        DistanceError::check_scale(self.scale)?;
        if self.samples < LEAST {
            return Err(DistanceError::Samples { samples: self.samples, least: LEAST });
        }
        let mut asked = CountedOracle::new(oracle, centre, label)?;
        let mut random = stream(self.seed, &[sample_index, self.scale.to_bits()], "smoothed radius");
        let mut wrong = 0;
        draw(&mut asked, self.scale, &Proposal::default(), FIRST_LOOK, &mut random, |sample| {
            wrong += usize::from(sample.leads.wrong());
        })?;
        // The rarer side, as far as a first look tells.
        let rare_is_wrong = 2 * wrong < FIRST_LOOK;
        let rare = |leads: &Leads| leads.wrong() == rare_is_wrong;
        let mut proposal = design(&mut asked, self.scale, &mut random)?;
        if proposal.parts.is_empty() {
            let part = |point: &Vec<f32>| ProposalPart::at(&places(centre, point, self.scale));
            proposal = Proposal::new(across.iter().filter_map(part).collect());
        }
        follow(&mut asked, self.scale, &mut proposal, &mut random, |leads| {
            if rare(leads) { 0.0 } else { f64::NEG_INFINITY }
        })?;
        let mut sums = WeightSums::default();
        draw(&mut asked, self.scale, &proposal, self.samples, &mut random, |sample| {
            sums.add(rare(sample.leads).then_some(sample.log_ratio));
        })?;
        Ok(self.radius(&sums, rare_is_wrong, proposal.parts.is_empty(), asked.passes))
    }

    fn radius(&self, sums: &WeightSums, rare_is_wrong: bool, window_alone: bool, passes: u64) -> Radius {
        let sign = if rare_is_wrong { -1.0 } else { 1.0 };
        let at = |log_share: f64| sign * self.scale * quantile(log_share.min(0.0));
        let (log_share, relative_error) = sums.share();
        let radius = (sums.ess() > 0.0).then(|| {
            let half = two_sided(sums.count - 1, 0.05) * relative_error;
            let mut interval = [at(log_share - half), at(log_share + half)];
            interval.sort_by(f64::total_cmp);
            Figure::new(at(log_share), interval)
        });
        // None of n samples of the window: its share is below 1 − 0.05^(1/n) with confidence 95 %.
        let of_window = FIRST_LOOK as f64 + sums.count as f64 * if window_alone { 1.0 } else { WINDOW_SHARE };
        let bound = at((-(0.05f64.ln() / of_window).exp_m1()).ln());
        Radius {
            radius,
            log_share,
            relative_error,
            beyond: radius.is_none().then_some(bound),
            ess: sums.ess(),
            enough: sums.ess() >= RARE_FLOOR,
            passes,
        }
    }
}

/// Sums of weights, in units of the largest so far.
#[derive(Default)]
struct WeightSums {
    count: usize,
    top: Option<f64>,
    sum: f64,
    squares: f64,
}

impl WeightSums {
    /// Adds a sample: `ln` of its weight, none where it has none.
    fn add(&mut self, log_weight: Option<f64>) {
        self.count += 1;
        let Some(log_weight) = log_weight else { return };
        let top = self.top.map_or(log_weight, |top| top.max(log_weight));
        let shrink = self.top.map_or(0.0, |before| (before - top).exp());
        let weight = (log_weight - top).exp();
        self.sum = self.sum * shrink + weight;
        self.squares = self.squares * shrink * shrink + weight * weight;
        self.top = Some(top);
    }

    /// `ln` of the mean weight, and its standard error over the mean.
    fn share(&self) -> (f64, f64) {
        let count = self.count as f64;
        let Some(top) = self.top else { return (f64::NEG_INFINITY, f64::INFINITY) };
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0) / (count - 1.0);
        (top + mean.ln(), variance.sqrt() / mean)
    }

    fn ess(&self) -> f64 {
        if self.squares > 0.0 { self.sum * self.sum / self.squares } else { 0.0 }
    }
}
