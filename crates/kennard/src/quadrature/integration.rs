//! A packet under integration: sums over rules of one order.

use super::grid::{self, Axis};
use super::sums::WaveSums;
use super::{Coordinate, Domain, QuadratureError, Wave};

/// A window is looked at this many widths from its centre in each direction, at points [`LOOK_STEP`] widths
/// apart in one dimension and four or 16 times that in two or three.
const LOOK: i32 = 40;
const LOOK_STEP: f64 = 0.5;
/// A packet under integration.
pub(super) struct Integration<'a, F> {
    pub domain: &'a Domain,
    pub f: &'a mut F,
    /// How many points were evaluated.
    pub points: usize,
}

impl<E, F: FnMut(&[f64]) -> Result<Wave, E>> Integration<'_, F> {
    /// The figures, and `ln ∫ f²`.
    pub fn integrate(
        &mut self,
        sides: &[[f64; 2]],
        order: usize,
    ) -> Result<(Vec<Coordinate>, f64), QuadratureError<E>> {
        let axes = Axis::all(sides, order);
        let origin: Vec<f64> = sides.iter().map(|[low, high]| 0.5 * (low + high)).collect();
        let whole = self.sum(&axes, &origin)?;
        if whole.norm == 0.0 {
            return Err(QuadratureError::NoWeight);
        }
        let mut coordinates = Vec::new();
        for (i, &[low, high]) in sides.iter().enumerate() {
            let mut coordinate = whole.coordinate(i, origin[i]);
            let (below, above) = (self.face(&axes, i, low)?, self.face(&axes, i, high)?);
            coordinate.boundary = (coordinate.mean - low) * below.relative_to(&whole)
                + (high - coordinate.mean) * above.relative_to(&whole);
            if let Domain::Window { centre, scale } = self.domain {
                coordinate.take_off_window(centre[i], *scale);
            }
            coordinates.push(coordinate);
        }
        Ok((coordinates, whole.log_norm()))
    }

    /// Widens the sides of a window to all points of a coarse grid where `ψ²` is more than `e^negligible` of
    /// the most there.
    pub fn widen(
        &mut self,
        sides: &mut [[f64; 2]],
        centre: &[f64],
        scale: f64,
        negligible: f64,
    ) -> Result<(), QuadratureError<E>> {
        let d = sides.len();
        let step = LOOK_STEP * f64::from(1 << (2 * (d - 1)));
        let count = (2.0 * f64::from(LOOK) / step) as usize + 1;
        let offset = |k: usize| k as f64 * step - f64::from(LOOK);
        // A row along the first coordinate at a time.
        let mut heights: Vec<(f64, Vec<f64>)> = Vec::new();
        for row in 0..count.pow(d as u32 - 1) {
            let mut rest = row;
            let others: Vec<f64> = (1..d)
                .map(|_| {
                    let place = offset(rest % count);
                    rest /= count;
                    place
                })
                .collect();
            let z = |k: usize| std::iter::once(offset(k)).chain(others.iter().copied());
            let points: Vec<f64> = (0..count)
                .flat_map(|k| z(k).zip(centre).map(|(z, x)| x + scale * z).collect::<Vec<_>>())
                .collect();
            self.points += count;
            let Ok(wave) = (self.f)(&points) else { continue };
            for k in 0..count {
                let squared: f64 = z(k).map(|z| z * z).sum();
                let height = 2.0 * (wave.exponent[k] + wave.value[k].abs().ln()) - squared / 2.0;
                if height > f64::NEG_INFINITY {
                    heights.push((height, z(k).collect()));
                }
            }
        }
        let top = heights.iter().map(|(height, _)| *height).fold(f64::NEG_INFINITY, f64::max);
        for (_, z) in heights.iter().filter(|(height, _)| *height > top + negligible) {
            for ((side, z), x) in sides.iter_mut().zip(z).zip(centre) {
                side[0] = side[0].min(x + scale * (z - step));
                side[1] = side[1].max(x + scale * (z + step));
            }
        }
        Ok(())
    }

    /// The most that each pair of faces can contribute to `B_i`.
    pub fn faces(&mut self, sides: &[[f64; 2]], order: usize) -> Result<Vec<[f64; 2]>, QuadratureError<E>> {
        let axes = Axis::all(sides, order);
        let whole = self.sum(&axes, &vec![0.0; sides.len()])?;
        let mut faces = Vec::new();
        for (i, &[low, high]) in sides.iter().enumerate() {
            let (below, above) = (self.face(&axes, i, low)?, self.face(&axes, i, high)?);
            faces.push([below, above].map(|face| (high - low) * face.relative_to(&whole)));
        }
        Ok(faces)
    }

    /// The sums over the face where coordinate `i` is at its `end`.
    fn face(&mut self, axes: &[Axis], i: usize, end: f64) -> Result<WaveSums, QuadratureError<E>> {
        let mut axes = axes.to_vec();
        axes[i] = Axis::point(end);
        self.sum(&axes, &vec![0.0; axes.len()])
    }

    /// The weighted sums over the product of the axes, positions relative to `origin`.
    fn sum(&mut self, axes: &[Axis], origin: &[f64]) -> Result<WaveSums, QuadratureError<E>> {
        let d = axes.len();
        let mut sums = WaveSums::zero(d);
        for (points, weights) in grid::chunks(axes) {
            let mut wave = (self.f)(&points).map_err(QuadratureError::Wave)?;
            self.points += weights.len();
            for ((n, x), weight) in points.chunks_exact(d).enumerate().zip(weights) {
                let gradient = &mut wave.gradient[n * d..(n + 1) * d];
                let (mut exponent, value) = (wave.exponent[n], wave.value[n]);
                if exponent == f64::NEG_INFINITY {
                    continue;
                }
                if let Domain::Window { centre, scale } = self.domain {
                    for ((x, centre), slope) in x.iter().zip(centre).zip(gradient.iter_mut()) {
                        let z = (x - centre) / scale;
                        exponent -= z * z / 4.0;
                        *slope -= value * z / (2.0 * scale);
                    }
                }
                let finite =
                    exponent.is_finite() && value.is_finite() && gradient.iter().all(|v| v.is_finite());
                if !finite {
                    return Err(QuadratureError::NotFinite(x.to_vec()));
                }
                sums.add(exponent, weight, x.iter().zip(origin).map(|(x, o)| x - o), value, gradient);
            }
        }
        Ok(sums)
    }
}
