//! Fisher's plane: the two directions in which the classes of a data set lie farthest apart, whitened.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::stats::mean;
use crate::{Error, Mismatch, Result};

/// The share of the mean variance that is added to the variance within the classes, so that pixels that never change do
/// not count as infinitely sharp.
const RIDGE: f64 = 0.1;

/// The plane of Fisher's linear discriminant (Fisher 1936; Rao 1948 for several classes): the first two `w` of the largest
/// `(wᵀ S_b w) / (wᵀ S_w w)`, of the scatter between and within classes. The coordinates have mean 0 and variance 1 on the
/// samples that it was fitted to, and no correlation there.
pub struct Plane {
    /// Two directions (d each), scaled.
    directions: [Vec<f64>; 2],
    /// The coordinates of the origin.
    offset: [f64; 2],
}

impl Plane {
    /// Fits the plane to samples: `values` (n×d, row-major) with `n` labels.
    ///
    /// # Errors
    /// When there are fewer than three classes with samples, or no second direction.
    pub fn fit(values: &[f32], labels: &[usize]) -> Result<Plane> {
        let n = labels.len();
        let d = values.len() / n.max(1);
        let classes = labels.iter().max().map_or(0, |most| most + 1);
        let rows = || values.chunks_exact(d.max(1)).zip(labels);
        let mut counts = vec![0.0; classes];
        let mut means = DMatrix::<f64>::zeros(d, classes);
        for (row, &label) in rows() {
            counts[label] += 1.0;
            means.column_mut(label).iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
        }
        let present = counts.iter().filter(|count| **count > 0.0).count();
        if present < 3 {
            return Err(Error::TooFew {
                count: present as u64,
                what: "classes",
                purpose: "for a plane of Fisher's discriminant; it takes samples of at least 3 classes"
                    .into(),
            });
        }
        for (label, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            means.column_mut(label).unscale_mut(count);
        }
        let within = within(values, labels, &means);
        let overall: DVector<f64> = means
            .column_iter()
            .zip(&counts)
            .fold(DVector::zeros(d), |sum, (mean, count)| sum + mean * *count)
            / n as f64;
        let mut between = means.clone();
        for (mut column, count) in between.column_iter_mut().zip(&counts) {
            column -= &overall;
            column *= (count / n as f64).sqrt();
        }
        // S_w⁻¹ S_b has the eigenvectors S_w⁻¹ M u, M Mᵀ = S_b, with u those of the small Mᵀ S_w⁻¹ M.
        let none = Mismatch::Degenerate("all samples are equal within their classes, or nearly");
        let solved = within.cholesky().ok_or(none)?.solve(&between);
        let small = SymmetricEigen::new(between.transpose() * &solved);
        let mut order: Vec<usize> = (0..classes).collect();
        order.sort_by(|&a, &b| small.eigenvalues[b].total_cmp(&small.eigenvalues[a]));
        let mut plane = Plane { directions: [vec![], vec![]], offset: [0.0; 2] };
        let mut first: Vec<f64> = Vec::new();
        for (i, &place) in order.iter().take(2).enumerate() {
            let mut w = &solved * small.eigenvectors.column(place);
            let coordinates = |w: &DVector<f64>| -> Vec<f64> {
                let along: Vec<f64> = rows().map(|(row, _)| product(w.as_slice(), row)).collect();
                let mean = mean(&along);
                along.into_iter().map(|v| v - mean).collect()
            };
            if i == 1 {
                // The ridge leaves a little correlation.
                let along = coordinates(&w);
                let shared = along.iter().zip(&first).map(|(a, b)| a * b).sum::<f64>() / n as f64;
                w -= DVector::from_column_slice(&plane.directions[0]) * shared;
            }
            let along = coordinates(&w);
            let variance = along.iter().map(|v| v * v).sum::<f64>() / n as f64;
            if !(variance > 0.0 && small.eigenvalues[place] > 1e-9) {
                let why = "the means of the classes lie on a line: there is no plane";
                return Err(Mismatch::Degenerate(why).into());
            }
            // An eigenvector has no sign of its own: the largest component is positive.
            let largest = w.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
            w *= largest.signum() / variance.sqrt();
            plane.directions[i] = w.iter().copied().collect();
            let along: Vec<f64> = rows().map(|(row, _)| product(w.as_slice(), row)).collect();
            plane.offset[i] = -mean(&along);
            first = coordinates(&w);
        }
        Ok(plane)
    }

    /// The coordinates of samples (n×d): n×2.
    pub fn project(&self, values: &[f32]) -> Vec<f32> {
        let d = self.directions[0].len();
        let point = |row: &[f32]| [0, 1].map(|i| (product(&self.directions[i], row) + self.offset[i]) as f32);
        values.chunks_exact(d).flat_map(point).collect()
    }
}

/// The covariance within the classes, with its ridge.
fn within(values: &[f32], labels: &[usize], means: &DMatrix<f64>) -> DMatrix<f64> {
    let (d, n) = (means.nrows(), labels.len());
    let mut residuals = DMatrix::<f64>::zeros(d, n);
    for ((mut column, row), &label) in residuals.column_iter_mut().zip(values.chunks_exact(d)).zip(labels) {
        let mean = means.column(label);
        column.iter_mut().zip(row).zip(mean.iter()).for_each(|((r, &v), m)| *r = f64::from(v) - m);
    }
    let mut within = &residuals * residuals.transpose() / n as f64;
    let ridge = RIDGE * within.trace() / d as f64;
    (0..d).for_each(|i| within[(i, i)] += ridge);
    within
}

fn product(w: &[f64], row: &[f32]) -> f64 {
    w.iter().zip(row).map(|(w, &v)| w * f64::from(v)).sum()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::random::stream;

    /// Three classes whose means differ in the first two of five coordinates, the noise being equal: the plane is that of
    /// these two, and the wider of them comes first. The angle of a direction with 300 samples per class is about
    /// 1/√900 · noise/spread = 0.02: 0.1 is 5 standard deviations.
    #[test]
    fn the_plane_is_that_of_the_means() {
        let means = [[4.0, 0.0], [-4.0, 0.0], [0.0, 3.0]];
        let mut random = stream(0, &[], "fisher");
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for i in 0..900 {
            let label = i % 3;
            for j in 0..5 {
                let z: f64 = StandardNormal.sample(&mut random);
                values.push((z + means[label].get(j).copied().unwrap_or(0.0)) as f32);
            }
            labels.push(label);
        }
        let plane = Plane::fit(&values, &labels).unwrap();
        for (i, w) in plane.directions.iter().enumerate() {
            let length = w.iter().map(|v| v * v).sum::<f64>().sqrt();
            assert!((w[i] / length - 1.0).abs() < 0.1, "{w:?}");
        }
        // White where it was fitted.
        let points = plane.project(&values);
        let moment = |of: fn(f64, f64) -> f64| {
            points.chunks_exact(2).map(|p| of(p[0].into(), p[1].into())).sum::<f64>() / 900.0
        };
        for (found, expected) in [
            (moment(|x, _| x), 0.0),
            (moment(|_, y| y), 0.0),
            (moment(|x, _| x * x), 1.0),
            (moment(|_, y| y * y), 1.0),
            (moment(|x, y| x * y), 0.0),
        ] {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn no_plane_is_an_error() {
        let two = Plane::fit(&[0.0, 1.0, 1.0, 0.0], &[0, 1]).err().unwrap().to_string();
        assert!(two.contains("at least 3 classes"), "{two}");
    }
}
