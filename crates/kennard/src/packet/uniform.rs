//! The paper's own packet: `ψ ∝ l` on a box.

use super::LogOdds;
use super::effort::Effort;
use super::error::{AverageError, MeasureError};
use super::moments::{GROUPS, Moments};
use super::points::Points;
use super::spread::Spreads;
use super::windowed::FALSE_ALARM;
use crate::Figure;
use crate::random::packet_stream;
use crate::stats::pseudo_values;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardUniform};

/// The packet `ψ ∝ l` on the box `[lo, hi]^d`, by uniform samples of weight `l²`.
///
/// In up to [`SOBOL_LARGEST`] dimensions the samples are scrambled Sobol points, of as many
/// independent scramblings as the intervals need; in more they are pseudo-random.
///
/// `ψ` does not vanish on the faces, so the product may fall below ½. What holds, with
/// `B_i = ∮ (x_i − ⟨x_i⟩) n_i ψ² dS`, is `σ_x,i σ_p,i ≥ |Cov(x_i, g_i)| = ½ |1 − B_i|`. Over the d
/// coordinates, with the root mean squares `σ_x` and `σ_p`, Cauchy–Schwarz for the sum over coordinates gives
///
/// ```text
/// σ_x σ_p = √(mean_i σ_x,i²) √(mean_i σ_p,i²) ≥ mean_i σ_x,i σ_p,i ≥ mean_i ½ |1 − B_i|
/// ```
///
/// which is the bound of the product that is shown. (`½ |1 − mean_i B_i|` is smaller wherever `1 − B_i` has
/// both signs: that of a coordinate whose loss grows towards both faces is negative.)
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxPacket {
    /// The lower and the upper end of every coordinate.
    pub bounds: [f64; 2],
    /// Weighted samples. A quarter as many triples of points, two of them on faces, test the bound.
    pub samples: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

/// A box packet's figures, or the mean over several.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxFigures {
    /// The spreads.
    pub spreads: Spreads,
    /// What the product cannot fall below: the mean over coordinates of `½ |1 − B_i|`.
    pub bound: f64,
    /// `B`, mean over coordinates of the boundary terms, from the covariances of samples inside.
    pub boundary: Figure,
    /// `B` again, from samples on the faces.
    pub boundary_faces: Figure,
    /// Whether the two agree, as partial integration demands. They do not when the gradient is
    /// not the loss's, or samples miss where the packet is. Among right measurements a fraction
    /// [`FALSE_ALARM`] fails.
    pub identities_hold: bool,
}

/// The most dimensions that Sobol points are used in. With more, the length of 2¹⁶ that a
/// sequence has here is too short to be any better than pseudo-random points.
pub const SOBOL_LARGEST: usize = 20;

/// Points of one scrambling.
const SOBOL_LENGTH: usize = 1 << 16;

/// This many samples come with one triple that ends on the faces.
const INSIDE_PER_FACE: usize = 4;

impl BoxPacket {
    /// Measures the packet of `label` in `dimension` coordinates, as far as `effort` demands.
    ///
    /// # Errors
    /// When the parameters make no packet, the oracle fails, or its answers are not finite.
    pub fn measure_until<O: LogOdds>(
        &self,
        effort: &Effort,
        dimension: usize,
        label: usize,
        oracle: &mut O,
    ) -> Result<BoxFigures, MeasureError<O::Error>> {
        let [lo, hi] = self.bounds;
        if !(lo < hi && lo.is_finite() && hi.is_finite()) {
            return Err(MeasureError::Bounds(lo, hi));
        }
        MeasureError::check_size(self.samples, dimension)?;
        let mut sampler = Inside {
            bounds: self.bounds,
            points: Points { dimension, label, oracle },
            random: self.stream(label),
            seed: self.seed,
            moments: Moments::with_positions(dimension),
        };
        let mut goal = self.samples;
        loop {
            sampler.draw(goal)?;
            let spreads = Spreads::from_moments(hi - lo, &sampler.moments);
            if effort.satisfied(&spreads, spreads.relative_error()) || goal >= effort.max_samples {
                return sampler.finish(spreads);
            }
            goal = (2 * goal).min(effort.max_samples);
        }
    }

    fn stream(&self, label: usize) -> ChaCha8Rng {
        packet_stream(self.seed, label as u64, *b"box     ", self.bounds[1])
    }
}

/// Samples of the box, in coordinates `z = (x − lo)/(hi − lo)`.
struct Inside<'a, O> {
    bounds: [f64; 2],
    points: Points<'a, O>,
    random: ChaCha8Rng,
    seed: u64,
    moments: Moments,
}

impl<O: LogOdds> Inside<'_, O> {
    fn draw(&mut self, goal: usize) -> Result<(), MeasureError<O::Error>> {
        let ([lo, hi], moments, dimension) = (self.bounds, &mut self.moments, self.points.dimension);
        let (mut z, mut h) = (vec![0.0; dimension], vec![0.0; dimension]);
        let (first, label, seed) = (moments.samples(), self.points.label, self.seed);
        let sobol = dimension <= SOBOL_LARGEST;
        self.points.evaluate(
            goal - first,
            &mut self.random,
            |index, random, point| {
                let sample = first + index;
                for (i, x) in point.iter_mut().enumerate() {
                    let unit = if sobol { sobol_point(sample, i, label, seed) } else { uniform(random) };
                    *x = (lo + (hi - lo) * unit) as f32;
                }
            },
            |_, evaluated| {
                for (z, &x) in z.iter_mut().zip(evaluated.point) {
                    *z = (f64::from(x) - lo) / (hi - lo);
                }
                for (h, &gradient) in h.iter_mut().zip(evaluated.gradient) {
                    *h = (hi - lo) * evaluated.slope * f64::from(gradient);
                }
                moments.push(2.0 * evaluated.log_loss, &z, &h, evaluated.wrong);
            },
        )?;
        if moments.ess() == 0.0 { Err(MeasureError::NoWeight) } else { Ok(()) }
    }

    /// Samples the faces and compares. On the unit box, with `m_i` the marginal density of `ψ²` and
    /// `a = ⟨z⟩`, `B_i = (1 − a_i) m_i(1) + a_i m_i(0)`, and `m_i(1)` is the mean of `l²` on the
    /// face over the mean inside. So `1 − B_i` is the mean of
    /// `l²(z) − (1 − a_i) l²(z, z_i = 1) − a_i l²(z, z_i = 0)` over that of `l²`: three points that
    /// differ in one random coordinate, whose common noise cancels.
    fn finish(mut self, spreads: Spreads) -> Result<BoxFigures, MeasureError<O::Error>> {
        let whole = self.moments.whole();
        let mean: Vec<f64> = whole.z.iter().map(|z| z / whole.weight).collect();
        let triples = (self.moments.samples() / INSIDE_PER_FACE).max(GROUPS);
        let sums = self.triples(triples, &mean)?;
        let (all, deleted) = self.boundary_terms(&sums, triples, whole.weight);
        let boundary_faces = Figure::mean(&pseudo_values(all, deleted.iter().copied()));

        // B from inside is 1 + 2 Cov; its difference from B on the faces is zero.
        let inside: Vec<f64> =
            self.moments.deleted(&whole).iter().map(|spread| 1.0 + 2.0 * spread.covariance).collect();
        let boundary = 1.0 + 2.0 * whole.spread().covariance;
        let differences: Vec<f64> =
            inside.iter().zip(&deleted).map(|(inside, faces)| inside - faces).collect();
        let difference = Figure::mean(&pseudo_values(boundary - all, differences.into_iter()));
        Ok(BoxFigures {
            bound: self.moments.mean_magnitude(),
            boundary: Figure::mean(&pseudo_values(boundary, inside.into_iter())),
            boundary_faces,
            identities_hold: difference.agrees(0.0, FALSE_ALARM),
            spreads: Spreads { samples: spreads.samples + 3 * triples, ..spreads },
        })
    }

    /// For each group, the sum over its triples of `l²(z) − (1 − a_i) l²(z, z_i = 1) − a_i l²(z, z_i = 0)`,
    /// `a` (d) being `mean`.
    fn triples(&mut self, triples: usize, mean: &[f64]) -> Result<Vec<f64>, MeasureError<O::Error>> {
        let ([lo, hi], dimension) = (self.bounds, self.points.dimension);
        let unit = self.moments.log_unit();
        let mut sums = vec![0.0; GROUPS];
        let mut inside = vec![0.0; dimension];
        let axes = std::cell::RefCell::new(vec![0; triples]);
        self.points.evaluate(
            3 * triples,
            &mut self.random,
            |index, random, point| {
                let axis = &mut axes.borrow_mut()[index / 3];
                if index % 3 == 0 {
                    *axis = (uniform(random) * dimension as f64) as usize % dimension;
                    inside.iter_mut().for_each(|x| *x = (lo + (hi - lo) * uniform(random)) as f32);
                }
                point.copy_from_slice(&inside);
                match index % 3 {
                    1 => point[*axis] = hi as f32,
                    2 => point[*axis] = lo as f32,
                    _ => {}
                }
            },
            |index, evaluated| {
                let a = mean[axes.borrow()[index / 3]];
                let factor = [1.0, a - 1.0, -a][index % 3];
                sums[index / 3 % GROUPS] += factor * (2.0 * evaluated.log_loss - unit).exp();
            },
        )?;
        Ok(sums)
    }

    /// `B` on the faces, and without each group: `1 − B = (Σ over triples / triples) / (Σ inside / samples)`.
    fn boundary_terms(&self, sums: &[f64], triples: usize, whole: f64) -> (f64, Vec<f64>) {
        let samples = self.moments.samples();
        let in_group = |count: usize, group: usize| (count + GROUPS - 1 - group) / GROUPS;
        let boundary = |sum: f64, triples: usize, weight: f64, samples: usize| {
            1.0 - sum / triples as f64 / (weight / samples as f64)
        };
        let total: f64 = sums.iter().sum();
        let all = boundary(total, triples, whole, samples);
        let without = |(k, (sum, weight)): (usize, (&f64, f64))| {
            let weight = whole - weight;
            if weight <= 1e-9 * whole {
                return all;
            }
            boundary(total - sum, triples - in_group(triples, k), weight, samples - in_group(samples, k))
        };
        (all, sums.iter().zip(self.moments.weights()).enumerate().map(without).collect())
    }
}

impl BoxFigures {
    /// Whether the figures can be trusted: enough samples, and the identities hold.
    pub fn valid(&self) -> bool {
        self.spreads.enough_samples && self.identities_hold
    }

    /// The mean of packets of several labels: as [`Packet::average`](super::Packet::average), the bound
    /// included.
    ///
    /// # Errors
    /// When `packets` is empty.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        Ok(Self {
            spreads: Spreads::average(packets.iter().map(|p| &p.spreads))?,
            bound: packets.iter().map(|p| p.bound).sum::<f64>() / packets.len() as f64,
            boundary: Figure::average(packets.iter().map(|p| p.boundary)),
            boundary_faces: Figure::average(packets.iter().map(|p| p.boundary_faces)),
            identities_hold: packets.iter().all(|p| p.identities_hold),
        })
    }
}

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(random)
}

/// Coordinate `i` of a sample: groups are independent scramblings, so that their scatter is the
/// sampling error. Sequences are followed by others when they end.
fn sobol_point(sample: usize, i: usize, label: usize, seed: u64) -> f64 {
    let (group, index) = (sample % GROUPS, sample / GROUPS);
    let scrambling = (index / SOBOL_LENGTH * GROUPS + group) as u64;
    // A mixture of all that keys the stream (splitmix64's finaliser).
    let mut key = seed ^ (label as u64).rotate_left(32) ^ scrambling.rotate_left(17);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        key = (key ^ (key >> 30)).wrapping_mul(factor);
    }
    let key = (key ^ (key >> 31)) as u32;
    f64::from(sobol_burley::sample((index % SOBOL_LENGTH) as u32, i as u32, key))
}
