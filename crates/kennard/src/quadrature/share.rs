//! The share of a packet at misclassified points: those where another class leads the label, or is level with it.
//!
//! On a line the leads' changes of sign are bisected, and `ψ²` is integrated between them by Gauss's rule of two points in
//! each cell; what cells twice as wide give tells the error. In the plane `ψ²` and the lead are taken as linear on the
//! triangles of a grid, whose error falls with the square of the cells' width: a third of the difference to cells twice as
//! wide is taken out (Richardson's extrapolation), and is the estimate of the error. It is the error of cells: what lies beyond the
//! grid, or between its lines, is not in it.

use crate::{Figure, Result};

/// Cells along each coordinate, of a line and of a plane; even numbers.
const CELLS: [usize; 2] = [400, 128];
/// How many `σ_x` they reach to either side of the packet's mean, on a line and in a plane.
const REACH: [f64; 2] = [8.0, 8.0];
/// How often a cell with a change of sign is halved.
const HALVINGS: usize = 24;
/// No error is estimated as less: logits are of single precision.
const LEAST_ERROR: f64 = 1e-6;

/// `ln ψ²`, up to a constant, and what the other class leads by, at points.
pub(super) type Seen = (Vec<f64>, Vec<f64>);

/// The share of `ψ²` at points where another class's logit is at least the label's, with an estimated error: around a
/// packet of one or two coordinates, of each its mean and its spread; `at` tells of points n×k.
pub(super) fn misclassified(
    coordinates: &[[f64; 2]],
    mut at: impl FnMut(&[f64]) -> Result<Seen>,
) -> Result<Figure> {
    let (share, error) = match *coordinates {
        [first, second] => {
            let [fine, coarse] = plane([first, second], at)?;
            let change = (fine - coarse) / 3.0;
            ((fine + change).clamp(0.0, 1.0), change.abs())
        }
        _ => {
            let [fine, coarse] = line(coordinates[0], &mut at)?;
            (fine, (fine - coarse).abs())
        }
    };
    Ok(Figure::integrated(share, error.max(LEAST_ERROR)))
}

/// The lines of the grid across a coordinate of this mean and spread.
fn edges([mean, sigma]: [f64; 2], cells: usize, reach: f64) -> Vec<f64> {
    (0..=cells).map(|k| mean + (2.0 * k as f64 / cells as f64 - 1.0) * reach * sigma).collect()
}

/// A part of a line, and whether points in it are misclassified.
type Part = ([f64; 2], bool);

/// The share on a line: by all cells, and by cells twice as wide.
fn line(coordinate: [f64; 2], at: &mut impl FnMut(&[f64]) -> Result<Seen>) -> Result<[f64; 2]> {
    let edges = edges(coordinate, CELLS[0], REACH[0]);
    let wrong: Vec<bool> = at(&edges)?.1.iter().map(|lead| *lead >= 0.0).collect();
    let changing = (0..CELLS[0]).filter(|&k| wrong[k] != wrong[k + 1]);
    let mut brackets: Vec<(usize, [f64; 2])> = changing.map(|k| (k, [edges[k], edges[k + 1]])).collect();
    let halvings = if brackets.is_empty() { 0 } else { HALVINGS };
    for _ in 0..halvings {
        let middles: Vec<f64> = brackets.iter().map(|(_, [low, high])| 0.5 * (low + high)).collect();
        let (_, leads) = at(&middles)?;
        for (((cell, ends), middle), lead) in brackets.iter_mut().zip(middles).zip(leads) {
            let beyond = (lead >= 0.0) != wrong[*cell];
            ends[usize::from(beyond)] = middle;
        }
    }
    let mut changes: Vec<Option<f64>> = vec![None; CELLS[0]];
    for (cell, [low, high]) in brackets {
        changes[cell] = Some(0.5 * (low + high));
    }
    let parts = |step: usize| -> Vec<Part> {
        let mut parts = Vec::new();
        for k in (0..CELLS[0]).step_by(step) {
            let ([low, high], [before, after]) = ([edges[k], edges[k + step]], [wrong[k], wrong[k + step]]);
            let change = changes[k..k + step].iter().flatten().next().filter(|_| before != after);
            let middle = change.copied().unwrap_or(high);
            parts.push(([low, middle], before));
            parts.push(([middle, high], after));
        }
        parts.retain(|([low, high], _)| low < high);
        parts
    };
    let [fine, coarse] = [parts(1), parts(2)];
    Ok([over_parts(&fine, at)?, over_parts(&coarse, at)?])
}

/// The share of `ψ²` in the parts of misclassified points.
fn over_parts(parts: &[Part], at: &mut impl FnMut(&[f64]) -> Result<Seen>) -> Result<f64> {
    let nodes = |([low, high], _): &Part| {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        [-1.0, 1.0].map(|side| middle + side * half / 3f64.sqrt())
    };
    let points: Vec<f64> = parts.iter().flat_map(nodes).collect();
    let densities = densities(&at(&points)?.0);
    let (mut all, mut wrong) = (0.0, 0.0);
    for (([low, high], misclassified), pair) in parts.iter().zip(densities.chunks_exact(2)) {
        let mass = (high - low) * (pair[0] + pair[1]);
        all += mass;
        wrong += if *misclassified { mass } else { 0.0 };
    }
    Ok(wrong / all)
}

/// `ψ²`, 1 where it is largest.
fn densities(logarithms: &[f64]) -> Vec<f64> {
    let top = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logarithms.iter().map(|logarithm| (logarithm - top).exp()).collect()
}

/// The share in a plane: by all cells, and by cells twice as wide.
fn plane(coordinates: [[f64; 2]; 2], mut at: impl FnMut(&[f64]) -> Result<Seen>) -> Result<[f64; 2]> {
    let [across, along] = coordinates.map(|coordinate| edges(coordinate, CELLS[1], REACH[1]));
    let points: Vec<f64> = along.iter().flat_map(|y| across.iter().flat_map(move |x| [*x, *y])).collect();
    let (logarithms, leads) = at(&points)?;
    let densities = densities(&logarithms);
    let share = |step: usize| {
        let (mut all, mut wrong) = (0.0, 0.0);
        for row in (0..CELLS[1]).step_by(step) {
            for column in (0..CELLS[1]).step_by(step) {
                let corner = |i: usize, j: usize| {
                    let n = (row + i * step) * (CELLS[1] + 1) + column + j * step;
                    // Infinite leads have no place between them.
                    [densities[n], leads[n].clamp(-1e30, 1e30)]
                };
                let [first, last] = [corner(0, 0), corner(1, 1)];
                for other in [corner(0, 1), corner(1, 0)] {
                    let [mass, beyond] = of_triangle([first, other, last]);
                    all += mass;
                    wrong += beyond;
                }
            }
        }
        wrong / all
    };
    Ok([share(1), share(2)])
}

/// The integral of `ψ²` over a triangle, and that over the part of it where the lead is at least 0, in thirds of the triangle's area.
/// Both are given at the corners, and linear between them.
fn of_triangle(corners: [[f64; 2]; 3]) -> [f64; 2] {
    let all = corners[0][0] + corners[1][0] + corners[2][0];
    let above = |[_, lead]: [f64; 2]| lead >= 0.0;
    let count = corners.iter().filter(|corner| above(**corner)).count();
    let alone = corners.iter().position(|corner| above(*corner) == (count == 1));
    let (1 | 2, Some(alone)) = (count, alone) else {
        return [all, if count == 3 { all } else { 0.0 }];
    };
    // The line where the lead is 0 cuts off the corner that is alone on its side.
    let [apex, left, right] = [0, 1, 2].map(|k| corners[(alone + k) % 3]);
    let cut = |[density, lead]: [f64; 2]| {
        let along = apex[1] / (apex[1] - lead);
        [along, apex[0] + along * (density - apex[0])]
    };
    let ([s, at_left], [t, at_right]) = (cut(left), cut(right));
    let cut_off = s * t * (apex[0] + at_left + at_right);
    [all, if count == 1 { cut_off } else { all - cut_off }]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: [f64; 2] = [0.3, -0.2];
    const SIGMA: [f64; 2] = [0.5, 0.1];

    /// The share of a normal density where `lead`, of positions in units of the spreads from the mean, is at least 0.
    fn found(k: usize, lead: impl Fn(&[f64]) -> f64) -> Figure {
        let coordinates = [[MEAN[0], SIGMA[0]], [MEAN[1], SIGMA[1]]];
        let at = |points: &[f64]| {
            let (mut logarithms, mut leads) = (Vec::new(), Vec::new());
            for x in points.chunks_exact(k) {
                let z: Vec<f64> = x.iter().enumerate().map(|(j, x)| (x - MEAN[j]) / SIGMA[j]).collect();
                logarithms.push(-z.iter().map(|z| z * z).sum::<f64>() / 2.0 - 700.0);
                leads.push(lead(&z));
            }
            Ok((logarithms, leads))
        };
        misclassified(&coordinates[..k], at).unwrap()
    }

    fn assert_near(name: &str, found: Figure, exact: f64, within: f64) {
        let off = (found.value - exact).abs();
        assert!(off < within, "{name}: {found:?}, not {exact}");
        assert!(off <= found.error(), "{name}: {found:?} is off by {off}");
        assert!(found.error() < 20.0 * within, "{name}: {found:?}");
    }

    /// `1 − Φ(0)`, `1 − Φ(1)` and `1 − Φ(1.9234)`, and what lies beyond two points.
    #[test]
    fn on_a_line_shares_are_those_of_a_normal_distribution() {
        for (beyond, exact) in [(0.0, 0.5), (1.0, 0.158_655_254), (1.9234, 0.027_214_917)] {
            assert_near("half-line", found(1, |z| z[0] - beyond), exact, 1e-6);
            assert_near("other half-line", found(1, |z| beyond - z[0]), 1.0 - exact, 1e-6);
        }
        assert_near("two ends", found(1, |z| z[0].abs() - 1.0), 2.0 * 0.158_655_254, 1e-6);
        for (lead, exact) in [(-1.0, 0.0), (0.0, 1.0), (f64::INFINITY, 1.0)] {
            assert_eq!(found(1, |_| lead).value, exact);
            assert_eq!(found(2, |_| lead).value, exact);
        }
    }

    /// Half-planes at several slopes, and the outside of discs of radius r, which has `exp(−r²/2)`.
    #[test]
    fn in_a_plane_shares_are_those_of_half_planes_and_discs() {
        for angle in [0.0f64, 0.4, 0.9, 1.5] {
            let lead = |z: &[f64]| z[0] * angle.cos() + z[1] * angle.sin() - 1.013;
            // 1 − Φ(1.013)
            assert_near("half-plane", found(2, lead), 0.155_530, 1e-4);
        }
        for radius in [0.7, 1.3, 2.1f64] {
            let outside = (-radius * radius / 2.0).exp();
            let disc = |z: &[f64]| z[0] * z[0] + z[1] * z[1] - radius * radius;
            assert_near("disc", found(2, disc), outside, 2e-4);
        }
    }
}
