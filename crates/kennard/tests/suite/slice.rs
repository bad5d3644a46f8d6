//! Packets along lines and planes of a linear network, where plain sums over a fine grid give the figures.

use crate::common::{engine, labelled, linear, rten};
use kennard::engine::EngineOptions;
use kennard::quadrature::{Direction, Slice, SlicePlan};

const SHAPE: [usize; 3] = [1, 4, 4];

/// `E` under `l² N(t; 0, s² I)` on a grid, for `l = ln(1 + eᵘ)`, `u = u₀ + b·t`: per coordinate the mean, the
/// variance of `t` and that of `g = ∂ ln l − t/(2s²)`.
fn sums(offset: f64, b: &[f64], s: f64) -> Vec<[f64; 3]> {
    let n: usize = if b.len() == 1 { 4001 } else { 401 };
    let axis: Vec<f64> = (0..n).map(|i| s * (-10.0 + 20.0 * i as f64 / (n - 1) as f64)).collect();
    let mut moments = vec![[0.0; 5]; b.len()];
    for place in 0..n.pow(b.len() as u32) {
        let t: Vec<f64> = (0..b.len()).map(|j| axis[place / n.pow(j as u32) % n]).collect();
        let u = offset + t.iter().zip(b).map(|(t, b)| t * b).sum::<f64>();
        let (l, slope) = (u.exp().ln_1p(), 1.0 / (1.0 + (-u).exp()));
        let weight = l * l * (-t.iter().map(|t| t * t).sum::<f64>() / (2.0 * s * s)).exp();
        for (sum, (t, b)) in moments.iter_mut().zip(t.iter().zip(b)) {
            let g = slope * b / l - t / (2.0 * s * s);
            for (sum, value) in sum.iter_mut().zip([1.0, *t, t * t, g, g * g]) {
                *sum += weight * value;
            }
        }
    }
    let figures = |[w, t, tt, g, gg]: [f64; 5]| [t / w, tt / w - (t / w).powi(2), gg / w - (g / w).powi(2)];
    moments.into_iter().map(figures).collect()
}

#[test]
fn a_linear_network_agrees_with_sums_over_a_grid() {
    let model = linear(&SHAPE, 2);
    let data = labelled(&model, &SHAPE, 6);
    let engine = engine(&model, &data, rten(), &EngineOptions::default());
    let weights = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let samples: Vec<_> = data.samples().unwrap().map(|sample| sample.unwrap()).collect();
    let double = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let unit = |a: Vec<f64>| -> Vec<f64> {
        let length = dot(&a, &a).sqrt();
        a.into_iter().map(|a| a / length).collect()
    };
    let (x, label) = (double(&samples[1].input), samples[1].label);
    let w: Vec<f64> = (0..16).map(|i| (weights[16 + i] - weights[i]) * [1.0, -1.0][label]).collect();
    let towards: Vec<f64> = double(&samples[4].input).iter().zip(&x).map(|(a, b)| a - b).collect();
    let first = unit(w.clone());
    let along = dot(&first, &towards);
    let second = unit(towards.iter().zip(&first).map(|(t, f)| t - along * f).collect());
    for (directions, axes) in [
        (vec![Direction::Gradient], vec![first.clone()]),
        (vec![Direction::Towards(4)], vec![unit(towards.clone())]),
        (vec![Direction::Gradient, Direction::Towards(4)], vec![first.clone(), second.clone()]),
    ] {
        let scales = vec![0.1, 1.0];
        let plan = SlicePlan::new(&engine, &data, 1, directions, scales);
        let report = plan.measure().unwrap();
        assert_eq!((report.label, report.prediction), (label as u64, label as u64));
        for slice in &report.slices {
            let b: Vec<f64> = axes.iter().map(|axis| dot(&w, axis)).collect();
            let exact = sums(dot(&w, &x), &b, slice.scale);
            for (c, [mean, variance, momentum]) in slice.coordinates.iter().zip(exact) {
                let s = slice.scale;
                for (found, exact) in [
                    (c.mean.value / s, mean / s),
                    (c.sigma_x.value / s, variance.sqrt() / s),
                    (c.sigma_p.value * s, momentum.sqrt() * s),
                    (c.product.value, (variance * momentum).sqrt()),
                ] {
                    assert!((found - exact).abs() < 2e-5, "{found} {exact}: {slice:?}");
                }
                assert!(c.product.value > 0.5 - 1e-5, "{slice:?}");
            }
            density_is_one(slice, &engine);
        }
    }
    let refused = |sample, directions, scale, says: &str| {
        let plan = SlicePlan::new(&engine, &data, sample, directions, vec![scale]);
        let message = plan.measure().unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    };
    refused(6, vec![Direction::Gradient], 0.1, "no sample 6");
    refused(0, vec![Direction::Towards(0)], 0.1, "length 0");
    refused(0, vec![Direction::Gradient, Direction::Gradient], 0.1, "span no plane");
    refused(0, vec![Direction::Gradient; 3], 0.1, "3 directions");
    refused(0, vec![], 0.1, "0 directions");
    refused(0, vec![Direction::Gradient], 0.0, "positive");
}

/// What is drawn is a density: its sum over the ends is nearly one.
fn density_is_one(slice: &Slice, engine: &kennard::engine::Engine) {
    let ends = slice.ends();
    let n: usize = if ends.len() == 1 { 2000 } else { 60 };
    let middle = |[low, high]: [f64; 2], i: usize| low + (high - low) * (i as f64 + 0.5) / n as f64;
    let at: Vec<f64> = (0..n.pow(ends.len() as u32))
        .flat_map(|place| ends.iter().enumerate().map(move |(j, e)| middle(*e, place / n.pow(j as u32) % n)))
        .collect();
    let cell: f64 = ends.iter().map(|[low, high]| (high - low) / n as f64).product();
    let sum = slice.at(engine, &at).unwrap().0.iter().sum::<f64>() * cell;
    assert!((0.99..1.001).contains(&sum), "{sum}");
}
