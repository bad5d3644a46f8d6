//! The components of a mixture that are near to a point, and what they make of the log-gradient there.

use super::points::Evaluated;
use super::vector::dot;

/// Components whose responsibilities are computed.
pub const KEPT: usize = 16;

/// `s g = η + ½ Σ_k r_k (x_k − x)/s` over the kept components, whose first is the sample's own.
pub(super) fn log_gradient(
    scale: f64,
    centres: &[&[f32]],
    kept: &[usize],
    evaluated: &Evaluated,
    z: &[f64],
    g: &mut [f64],
) {
    let own = dot(z, z);
    // ln of each responsibility over that of the sample's own component
    let logs: Vec<f64> = kept[1..]
        .iter()
        .map(|&k| (own - distance(centres[k], evaluated.point) / (scale * scale)) / 2.0)
        .collect();
    let top = logs.iter().copied().fold(0.0, f64::max);
    let total = (-top).exp() + logs.iter().map(|log| (log - top).exp()).sum::<f64>();
    let slope = scale * evaluated.slope;
    let share = (-top).exp() / total;
    for ((g, &gradient), z) in g.iter_mut().zip(evaluated.gradient).zip(z) {
        *g = slope * f64::from(gradient) - share * z / 2.0;
    }
    for (&k, log) in kept[1..].iter().zip(&logs) {
        let share = (log - top).exp() / total;
        // Below rounding, its term is lost anyway.
        if share > 1e-17 {
            for ((g, &x), &centre) in g.iter_mut().zip(evaluated.point).zip(centres[k]) {
                *g -= share * (f64::from(x) - f64::from(centre)) / scale / 2.0;
            }
        }
    }
}

/// The responsibility for a point of all components but the kept ones.
pub(super) fn left_out(scale: f64, centres: &[&[f32]], kept: &[usize], point: &[f32]) -> f64 {
    if kept.len() == centres.len() {
        return 0.0;
    }
    let logs: Vec<f64> =
        centres.iter().map(|centre| -distance(centre, point) / (2.0 * scale * scale)).collect();
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.iter().map(|log| (log - top).exp()).sum();
    let inside: f64 = kept.iter().map(|&k| (logs[k] - top).exp()).sum();
    (1.0 - inside / total).max(0.0)
}

/// For each point, itself and the [`KEPT`] − 1 nearest others.
pub(super) fn nearest(points: &[&[f32]]) -> Vec<Vec<usize>> {
    let others = points.len().min(KEPT) - 1;
    (0..points.len())
        .map(|j| {
            let mut distances: Vec<(f64, usize)> =
                (0..points.len()).filter(|k| *k != j).map(|k| (distance(points[j], points[k]), k)).collect();
            if others < distances.len() {
                distances.select_nth_unstable_by(others, |a, b| {
                    a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)
                });
            }
            distances.truncate(others);
            std::iter::once(j).chain(distances.into_iter().map(|(_, k)| k)).collect()
        })
        .collect()
}

/// The squared distance of two points.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let square = |a: f32, b: f32| (f64::from(a) - f64::from(b)).powi(2);
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += square(a[lane], b[lane]);
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| square(*a, *b)).sum::<f64>()
}

/// The mean of points (d each).
pub(super) fn mean(points: &[&[f32]]) -> Vec<f64> {
    let mut mean = vec![0.0; points[0].len()];
    for point in points {
        mean.iter_mut().zip(*point).for_each(|(mean, &x)| *mean += f64::from(x) / points.len() as f64);
    }
    mean
}
