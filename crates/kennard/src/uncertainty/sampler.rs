//! Samples of a Gaussian window, drawn where the packet is.

use super::LogOdds;
use super::gaussian::MeasureError;
use super::log_loss::log_softplus;
use super::moments::dot;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// The searches for where the packet is, and the steps of each.
const SEARCHES: usize = 16;
const ROUNDS: usize = 8;

/// The share of samples drawn from the window itself. It keeps every weight below its inverse
/// times that of sampling the window alone, wherever the searches end (Hesterberg, Technometrics
/// 37:185, 1995).
const WINDOW_SHARE: f64 = 0.1;

/// Where the samples are drawn: `z ~ N(0, I)` with probability [`WINDOW_SHARE`], else `N(shift, I)`
/// for one of the shifts (d), all equally likely.
pub(super) struct Proposal {
    shifts: Vec<Vec<f64>>,
    /// ‖shift‖²/2
    half_squares: [f64; SEARCHES],
}

impl Proposal {
    fn new(shifts: Vec<Vec<f64>>) -> Self {
        let half_squares = std::array::from_fn(|k| dot(&shifts[k], &shifts[k]) / 2.0);
        Self { shifts, half_squares }
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
        let gains: [f64; SEARCHES] = std::array::from_fn(|k| dot(&self.shifts[k], z) - self.half_squares[k]);
        let top = gains.iter().copied().fold(0.0, f64::max);
        let displaced = gains.iter().map(|gain| (gain - top).exp()).sum::<f64>() / SEARCHES as f64;
        -top - (WINDOW_SHARE * (-top).exp() + (1.0 - WINDOW_SHARE) * displaced).ln()
    }
}

/// One evaluated sample.
pub(super) struct Sample<'a> {
    /// `ln l`; −∞ for a loss of zero, whose gradient has no meaning.
    pub log_loss: f64,
    /// `z = (x − x₀)/s` (d)
    pub z: &'a [f64],
    /// `η = s ∂ ln l` (d)
    pub h: &'a [f64],
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
    /// `N(shift, I)` by stochastic approximation, a point a step, with steps `2/(round + 2)`.
    /// There are several, because several classes may pull the packet apart, and their scatter
    /// covers a packet wider than the window. Where they end changes the sampling error, not what
    /// is estimated.
    pub fn proposal(&mut self) -> Result<Proposal, MeasureError<O::Error>> {
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
        Ok(Proposal::new(shifts))
    }

    /// Draws `count` samples of the window, each displaced by what `shift` says of its index, and
    /// shows them to `visit` with their index, in order.
    pub fn draw<'s>(
        &mut self,
        count: usize,
        shift: impl Fn(usize, &mut ChaCha8Rng) -> Option<&'s [f64]>,
        mut visit: impl FnMut(usize, Sample),
    ) -> Result<(), MeasureError<O::Error>> {
        let dimension = self.centre.len();
        let batch = self.oracle.batch_size().clamp(1, count);
        let mut points = vec![0.0; batch * dimension];
        let mut log_odds = vec![0.0; batch];
        let mut gradients = vec![0.0; batch * dimension];
        let mut z = vec![0.0; dimension];
        let mut h = vec![0.0; dimension];

        for start in (0..count).step_by(batch) {
            let rows = batch.min(count - start);
            let points = &mut points[..rows * dimension];
            let log_odds = &mut log_odds[..rows];
            let gradients = &mut gradients[..rows * dimension];
            for (index, point) in (start..).zip(points.chunks_exact_mut(dimension)) {
                let shift = shift(index, &mut self.random);
                self.fill(point, shift);
            }
            self.oracle.evaluate(points, self.label, log_odds, gradients).map_err(MeasureError::Oracle)?;

            let evaluated = points.chunks_exact(dimension).zip(gradients.chunks_exact(dimension));
            for (index, (&u, (point, gradient))) in (start..).zip(log_odds.iter().zip(evaluated)) {
                if u.is_nan() || u == f32::INFINITY {
                    return Err(MeasureError::LogOdds(u));
                }
                let (log_loss, slope) = log_softplus(f64::from(u));
                if log_loss > f64::NEG_INFINITY
                    && let Some(coordinate) = gradient.iter().position(|value| !value.is_finite())
                {
                    return Err(MeasureError::Gradient { coordinate, value: gradient[coordinate] });
                }
                // From the point as the oracle saw it, rounded to f32.
                for ((z, &x), &centre) in z.iter_mut().zip(point).zip(self.centre) {
                    *z = (f64::from(x) - f64::from(centre)) / self.scale;
                }
                let slope = self.scale * slope;
                for (h, &gradient) in h.iter_mut().zip(gradient) {
                    *h = slope * f64::from(gradient);
                }
                visit(index, Sample { log_loss, z: &z, h: &h });
            }
        }
        Ok(())
    }

    fn fill(&mut self, point: &mut [f32], shift: Option<&[f64]>) {
        for (i, (x, &centre)) in point.iter_mut().zip(self.centre).enumerate() {
            let normal: f64 = StandardNormal.sample(&mut self.random);
            let z = normal + shift.map_or(0.0, |shift| shift[i]);
            *x = (f64::from(centre) + self.scale * z) as f32;
        }
    }
}
