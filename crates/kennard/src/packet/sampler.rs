//! Samples of a Gaussian window, drawn where the packet is.

use super::LogOdds;
use super::error::MeasureError;
use super::moments::Moments;
use super::points::Points;
use super::sketch::Sketch;
use super::vector::{columns, dot, transform};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// The searches for where the packet is, and the steps of each.
pub(super) const SEARCHES: usize = 16;
const ROUNDS: usize = 8;

/// The share of samples drawn from the window itself. It keeps every weight below its inverse
/// times that of sampling the window alone, wherever the searches end (Hesterberg, Technometrics
/// 37:185, 1995).
const WINDOW_SHARE: f64 = 0.1;

/// Where the samples are drawn: `z ~ N(0, I)` with probability [`WINDOW_SHARE`], else `N(shift, I)`
/// for one of the shifts (d), all equally likely.
pub(super) struct ShiftProposal {
    shifts: Vec<Vec<f64>>,
    /// The shifts, coordinate by coordinate (d).
    by_coordinate: Vec<[f64; SEARCHES]>,
    /// ‖shift‖²/2
    half_squares: [f64; SEARCHES],
}

impl ShiftProposal {
    fn new(shifts: Vec<Vec<f64>>) -> Self {
        let half_squares = std::array::from_fn(|k| dot(&shifts[k], &shifts[k]) / 2.0);
        let dimension = shifts.first().map_or(0, Vec::len);
        let by_coordinate = (0..dimension).map(|i| std::array::from_fn(|k| shifts[k][i])).collect();
        Self { shifts, by_coordinate, half_squares }
    }

    /// How far the mean of the shifts is from the centre, in units of `s`.
    pub fn distance(&self) -> f64 {
        let mean = |row: &[f64; SEARCHES]| row.iter().sum::<f64>() / SEARCHES as f64;
        self.by_coordinate.iter().map(|row| mean(row).powi(2)).sum::<f64>().sqrt()
    }

    /// The mixture with lobes (at most `SEARCHES − KEPT_SEARCHES`): a shift for each, more for those with a
    /// larger share, and some of the searches.
    pub fn with_lobes(&self, lobes: &[FarLobe]) -> Self {
        let free = SEARCHES.saturating_sub(KEPT_SEARCHES + lobes.len()) as f64;
        let mut shifts: Vec<Vec<f64>> = Vec::with_capacity(SEARCHES);
        for lobe in lobes {
            let slots = 1 + (lobe.share * free) as usize;
            shifts.extend(std::iter::repeat_n(&lobe.peak, slots).cloned());
        }
        shifts.truncate(SEARCHES - KEPT_SEARCHES);
        let rest = SEARCHES - shifts.len();
        shifts.extend((0..rest).map(|k| self.shifts[k * SEARCHES / rest].clone()));
        Self::new(shifts)
    }

    /// Which lobe is nearer to `z` (d) than the window and all shifts; none if none is.
    pub fn nearest_lobe(&self, z: &[f64], lobes: &[FarLobe]) -> Option<usize> {
        let gain = |shift: &Vec<f64>| dot(shift, z) - dot(shift, shift) / 2.0;
        let mut highest = self.shifts.iter().map(gain).fold(0.0, f64::max);
        let mut nearest = None;
        for (k, lobe) in lobes.iter().enumerate() {
            let gain = gain(&lobe.peak);
            if gain > highest {
                (highest, nearest) = (gain, Some(k));
            }
        }
        nearest
    }

    /// A random part of the mixture: a shift, or none for the window.
    pub fn choose(&self, random: &mut ChaCha8Rng) -> Option<&[f64]> {
        let part: f64 = StandardUniform.sample(random);
        let shift: u32 = StandardUniform.sample(random);
        (part >= WINDOW_SHARE).then(|| self.shifts[shift as usize % SEARCHES].as_slice())
    }

    /// The logarithm of the window's density over the proposal's, at `z` (d).
    pub fn log_ratio(&self, z: &[f64]) -> f64 {
        // ln N(z; shift, I)/N(z; 0, I)
        let mut gains = columns(&self.by_coordinate, z);
        gains.iter_mut().zip(&self.half_squares).for_each(|(gain, half)| *gain -= half);
        let top = gains.iter().copied().fold(0.0, f64::max);
        let displaced = gains.iter().map(|gain| (gain - top).exp()).sum::<f64>() / SEARCHES as f64;
        -top - (WINDOW_SHARE * (-top).exp() + (1.0 - WINDOW_SHARE) * displaced).ln()
    }
}

/// A part of a packet far from where searches end.
#[derive(Clone)]
pub(super) struct FarLobe {
    /// Where `ψ²` is largest, in units of `s` from the centre (d).
    pub peak: Vec<f64>,
    /// `ln ψ²` there, up to the constant.
    pub height: f64,
    /// How many tracks ended here.
    pub visits: usize,
    /// Its share of the packet.
    pub share: f64,
}

impl FarLobe {
    /// Whether a track that ended at `z` (d) ended here: tracks stop short of the peak, and shorter from
    /// afar.
    pub fn is_near(&self, z: &[f64]) -> bool {
        let distance: f64 = self.peak.iter().zip(z).map(|(a, b)| (a - b).powi(2)).sum();
        distance < 4.0 + 0.02 * dot(&self.peak, &self.peak)
    }
}

/// The fewest searches that a proposal keeps beside lobes.
const KEPT_SEARCHES: usize = 2;

/// One evaluated sample.
pub(super) struct EvaluatedSample<'a> {
    /// `ln l`; −∞ for a loss of zero, whose gradient has no meaning.
    pub log_loss: f64,
    /// `z = (x − x₀)/s` (d)
    pub z: &'a [f64],
    /// `η = s ∂ ln l` (d)
    pub h: &'a [f64],
    /// Whether the point is misclassified.
    pub wrong: bool,
}

/// Draws points around one centre and has the oracle evaluate them.
pub(super) struct Sampler<'a, O> {
    pub centre: &'a [f32],
    pub scale: f64,
    pub label: usize,
    pub oracle: &'a mut O,
    pub random: ChaCha8Rng,
}

impl<O: LogOdds> Sampler<'_, O> {
    /// The proposal that follows the packet.
    ///
    /// A locally linear `ln l` displaces the packet by `2 s² E[h]`, and samples of the window
    /// displaced by as much have equal weights. Each search solves `shift = 2 E[η]` under
    /// `N(shift, I)` by stochastic approximation, one point per step, with steps `2/(round + 2)`.
    /// There are several, because several classes may pull the packet apart, and their scatter
    /// covers a packet wider than the window. Where they end changes the sampling error, not what
    /// is estimated.
    pub fn proposal(&mut self) -> Result<ShiftProposal, MeasureError<O::Error>> {
        let mut shifts = vec![vec![0.0; self.centre.len()]; SEARCHES];
        for round in 0..ROUNDS {
            let step = 2.0 / (round as f64 + 2.0);
            let drawn = shifts.clone();
            self.draw(
                SEARCHES,
                |search, _| Some(&drawn[search]),
                |search, sample| {
                    if sample.log_loss > f64::NEG_INFINITY {
                        let moves = shifts[search].iter_mut().zip(sample.h);
                        moves.for_each(|(shift, h)| *shift += step * (2.0 * h - *shift));
                    }
                },
            )?;
        }
        Ok(ShiftProposal::new(shifts))
    }

    /// Adds weighted samples of the packet until there are `goal` in all; at least one has weight.
    pub fn weigh(
        &mut self,
        proposal: &ShiftProposal,
        goal: usize,
        moments: &mut Moments,
        sketch: &mut Option<Sketch>,
    ) -> Result<(), MeasureError<O::Error>> {
        self.draw(
            goal - moments.samples(),
            |_, random| proposal.choose(random),
            |_, sample| {
                let log_weight = 2.0 * sample.log_loss + proposal.log_ratio(sample.z);
                moments.push(log_weight, sample.z, sample.h, sample.wrong);
                if let Some(sketch) = sketch {
                    sketch.push(log_weight, sample.z, sample.h);
                }
            },
        )?;
        if moments.ess() == 0.0 { Err(MeasureError::NoWeight) } else { Ok(()) }
    }

    /// Draws `count` samples of the window, each displaced by what `shift` says of its index, and
    /// shows them to `visit` with their index, in order.
    pub fn draw<'s>(
        &mut self,
        count: usize,
        shift: impl Fn(usize, &mut ChaCha8Rng) -> Option<&'s [f64]>,
        visit: impl FnMut(usize, EvaluatedSample),
    ) -> Result<(), MeasureError<O::Error>> {
        let (centre, scale) = (self.centre, self.scale);
        self.evaluate(
            count,
            |index, random, point| {
                let shift = shift(index, random);
                let mut normal = || -> f64 { StandardNormal.sample(random) };
                match shift {
                    None => point.iter_mut().zip(centre).for_each(|(x, &centre)| {
                        *x = (f64::from(centre) + scale * normal()) as f32;
                    }),
                    Some(shift) => {
                        point.iter_mut().zip(centre).zip(shift).for_each(|((x, &centre), shift)| {
                            *x = (f64::from(centre) + scale * (normal() + shift)) as f32;
                        })
                    }
                }
            },
            visit,
        )
    }

    /// Evaluates `count` points that `fill` makes (d), and shows them to `visit`.
    pub fn evaluate(
        &mut self,
        count: usize,
        fill: impl FnMut(usize, &mut ChaCha8Rng, &mut [f32]),
        mut visit: impl FnMut(usize, EvaluatedSample),
    ) -> Result<(), MeasureError<O::Error>> {
        let (centre, scale) = (self.centre, self.scale);
        let inverse = 1.0 / scale;
        let mut z = vec![0.0; centre.len()];
        let mut h = vec![0.0; centre.len()];
        let mut points = Points { dimension: centre.len(), label: self.label, oracle: &mut *self.oracle };
        points.evaluate(count, &mut self.random, fill, |index, evaluated| {
            // From the point as the oracle saw it, rounded to f32.
            let gradient = (evaluated.gradient, scale * evaluated.slope);
            transform((evaluated.point, centre, inverse), gradient, &mut z, &mut h);
            visit(
                index,
                EvaluatedSample { log_loss: evaluated.log_loss, z: &z, h: &h, wrong: evaluated.wrong },
            );
        })
    }
}
