//! A linear softmax probe, fitted by L-BFGS.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::packet::vector::dot;

/// A linear classifier of n inputs of d numbers, fitted to minimise
///
/// ```text
/// F(W, b) = (1/n) Σ_j −ln softmax(W z_j + b)_{y_j} + (1/2n) ‖W‖²       z = (x − mean)/size
/// ```
///
/// `mean` (d) is that of the fitted inputs, `size` the root mean square of all elements of `x − mean`:
/// one number, so that the probe does not depend on the unit of `x`, and elements that hardly vary are
/// not blown up. This is multinomial logistic regression with the usual penalty C = 1 on such inputs;
/// F is convex; its minimum is one up to a constant in b.
pub(super) struct Softmax {
    classes: usize,
    mean: Vec<f64>,
    size: f64,
    /// Row k is `W_k`, then `b_k`: K×(d+1).
    weights: Vec<f64>,
    /// Whether the largest element of its gradient fell to [`FLAT`].
    pub converged: bool,
}

/// The gradient that counts as zero; F is then within about FLAT² n of its minimum.
const FLAT: f64 = 1e-5;
const MOST_STEPS: usize = 1000;
/// How many steps the inverse Hessian is made of.
const MEMORY: usize = 12;

impl Softmax {
    /// Fits to `inputs` (n×d) with `labels` (n, less than `classes`). Needs 8·n·d bytes. None where `stop` ended it.
    pub fn fit(inputs: &[Vec<f32>], labels: &[usize], classes: usize, stop: &AtomicBool) -> Option<Softmax> {
        let d = inputs.first().map_or(0, Vec::len);
        let n = inputs.len().max(1) as f64;
        let mut mean = vec![0.0; d];
        for input in inputs {
            mean.iter_mut().zip(input).for_each(|(sum, &x)| *sum += f64::from(x) / n);
        }
        let centred = |input: &Vec<f32>| input.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect();
        let mut rows: Vec<Vec<f64>> = inputs.iter().map(centred).collect();
        let square = rows.iter().map(|row| dot(row, row)).sum::<f64>() / (n * d.max(1) as f64);
        let size = if square > 0.0 { square.sqrt() } else { 1.0 };
        rows.iter_mut().flatten().for_each(|x| *x /= size);
        let objective = LogisticLoss { rows: &rows, labels, classes, d };
        let (weights, converged) = minimise(vec![0.0; classes * (d + 1)], |w| objective.at(w), stop)?;
        Some(Softmax { classes, mean, size, weights, converged })
    }

    /// The class that it reads from an input.
    pub fn predict(&self, input: &[f32]) -> usize {
        let z: Vec<f64> =
            input.iter().zip(&self.mean).map(|(&x, m)| (f64::from(x) - m) / self.size).collect();
        let mut best = (0, f64::NEG_INFINITY);
        for (class, row) in self.weights.chunks_exact(z.len() + 1).enumerate().take(self.classes) {
            let (w, b) = row.split_at(z.len());
            let logit = dot(w, &z) + b[0];
            if logit > best.1 {
                best = (class, logit);
            }
        }
        best.0
    }
}

struct LogisticLoss<'a> {
    rows: &'a [Vec<f64>],
    labels: &'a [usize],
    classes: usize,
    d: usize,
}

impl LogisticLoss<'_> {
    /// F and its gradient.
    fn at(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let (d, n) = (self.d, self.rows.len().max(1) as f64);
        let (mut value, mut gradient) = (0.0, vec![0.0; weights.len()]);
        for (z, &label) in self.rows.iter().zip(self.labels) {
            let mut logits: Vec<f64> =
                weights.chunks_exact(d + 1).map(|row| dot(&row[..d], z) + row[d]).collect();
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|u| (u - top).exp()).sum();
            value += (top + sum.ln() - logits[label]) / n;
            for (k, u) in logits.iter_mut().enumerate() {
                let residual = ((*u - top).exp() / sum - f64::from(u8::from(k == label))) / n;
                let row = &mut gradient[k * (d + 1)..(k + 1) * (d + 1)];
                row[..d].iter_mut().zip(z).for_each(|(g, z)| *g += residual * z);
                row[d] += residual;
            }
        }
        for k in 0..self.classes {
            for i in k * (d + 1)..k * (d + 1) + d {
                value += weights[i] * weights[i] / (2.0 * n);
                gradient[i] += weights[i] / n;
            }
        }
        (value, gradient)
    }
}

/// L-BFGS with halved steps (Nocedal & Wright, *Numerical Optimization*, algorithms 7.4 and 3.1), for a
/// convex function: returns the place, and whether the gradient is flat there; none where `stop` ended it.
fn minimise(
    mut x: Vec<f64>,
    f: impl Fn(&[f64]) -> (f64, Vec<f64>),
    stop: &AtomicBool,
) -> Option<(Vec<f64>, bool)> {
    let flat = |gradient: &[f64]| gradient.iter().all(|g| g.abs() <= FLAT);
    let (mut value, mut gradient) = f(&x);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..MOST_STEPS {
        if flat(&gradient) {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let direction = direction(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        let mut step = 1.0;
        let (next, next_value, next_gradient) = loop {
            let next: Vec<f64> = x.iter().zip(&direction).map(|(x, p)| x + step * p).collect();
            let (next_value, next_gradient) = f(&next);
            if next_value <= value + 1e-4 * step * slope {
                break (next, next_value, next_gradient);
            }
            step *= 0.5;
            // Rounding of F: no step descends any more.
            if step < 1e-12 {
                let flat = flat(&gradient);
                return Some((x, flat));
            }
        };
        let moved: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&moved, &turned) > 1e-14 * dot(&turned, &turned).sqrt() * dot(&moved, &moved).sqrt() {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((moved, turned));
        }
        (x, value, gradient) = (next, next_value, next_gradient);
    }
    let flat = flat(&gradient);
    Some((x, flat))
}

/// Minus the inverse Hessian of the pairs `(Δx, Δ∂F)` times the gradient.
fn direction(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut along = Vec::new();
    for (s, y) in pairs.iter().rev() {
        let a = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= a * y);
        along.push(a);
    }
    if let Some((s, y)) = pairs.last() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y), a) in pairs.iter().zip(along.into_iter().rev()) {
        let b = dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (a - b) * s);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 points of 3 numbers in 3 classes, the same in references/probes.py.
    fn points() -> (Vec<Vec<f32>>, Vec<usize>) {
        let number = |j: usize, i: usize| ((j * 37 + i * 11 + j * i * 5) % 23) as f32 / 23.0;
        let inputs: Vec<Vec<f32>> = (0..40).map(|j| (0..3).map(|i| number(j, i)).collect()).collect();
        let label = |(j, x): (usize, &Vec<f32>)| {
            if j % 7 == 0 { j % 3 } else { usize::from(x[0] > 0.5) + usize::from(x[1] + x[2] > 1.1) }
        };
        let labels = inputs.iter().enumerate().map(label).collect();
        (inputs, labels)
    }

    fn fit(inputs: &[Vec<f32>], labels: &[usize], classes: usize) -> Softmax {
        Softmax::fit(inputs, labels, classes, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn what_is_stopped_has_no_probe() {
        let (inputs, labels) = points();
        assert!(Softmax::fit(&inputs, &labels, 3, &AtomicBool::new(true)).is_none());
    }

    const SCIPY_WEIGHTS: [[f64; 3]; 3] = [
        [-0.644_366_599, -0.179_862_502, -0.317_542_513],
        [0.250_972_823, 0.164_098_354, -0.117_610_769],
        [0.393_393_776, 0.015_764_148, 0.435_153_281],
    ];
    const SCIPY_CORRECT: usize = 29;

    /// Against SciPy's BFGS on the same objective: references/probes.py.
    #[test]
    fn the_minimum_agrees_with_scipy() {
        let (inputs, labels) = points();
        let probe = fit(&inputs, &labels, 3);
        assert!(probe.converged);
        for (k, row) in SCIPY_WEIGHTS.iter().enumerate() {
            for (i, expected) in row.iter().enumerate() {
                let found = probe.weights[k * 4 + i];
                assert!((found - expected).abs() < 1e-4, "W[{k}][{i}] = {found}, not {expected}");
            }
        }
        let right = inputs.iter().zip(&labels).filter(|(x, y)| probe.predict(x) == **y).count();
        assert_eq!(right, SCIPY_CORRECT);
    }
    /// Another unit of the input gives the same probe.
    #[test]
    fn the_unit_does_not_matter() {
        let (inputs, labels) = points();
        let scaled: Vec<Vec<f32>> =
            inputs.iter().map(|x| x.iter().map(|x| 256.0 * x + 64.0).collect()).collect();
        let (a, b) = (fit(&inputs, &labels, 3), fit(&scaled, &labels, 3));
        assert!(a.weights.iter().zip(&b.weights).all(|(a, b)| (a - b).abs() < 1e-4));
        for (x, z) in inputs.iter().zip(&scaled) {
            assert_eq!(a.predict(x), b.predict(z));
        }
    }

    /// Inputs that say nothing: the probe returns the more frequent label.
    #[test]
    fn constant_inputs_give_the_majority() {
        let probe = fit(&vec![vec![1.0, 2.0]; 5], &[1, 0, 1, 1, 0], 3);
        assert_eq!(probe.predict(&[1.0, 2.0]), 1);
        assert_eq!(probe.predict(&[9.0, 2.0]), 1);
    }
}
