//! Bounds against the same formulas by hand, in double precision: they are wider only by the margins for rounding.

use kennard_graph::{Graph, Method, Region};
use rand::RngExt;

use crate::subject::{Bounds, model, random, tensor};

const N: usize = 5;
const HIDDEN: usize = 7;
const CLASSES: usize = 3;

struct Net {
    w: [Vec<f32>; 2],
    b: [Vec<f32>; 2],
}

impl Net {
    fn new(seed: u64) -> Net {
        let mut rng = random(seed);
        let mut some = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        Net { w: [some(N * HIDDEN), some(HIDDEN * CLASSES)], b: [some(HIDDEN), some(CLASSES)] }
    }

    fn graph(&self) -> Graph {
        model(&[N], |x| {
            let b = x.builder();
            let layer = |x, i: usize, shape: [usize; 2]| {
                let weights = [tensor(&shape, self.w[i].clone()), tensor(&shape[1..], self.b[i].clone())];
                let [w, bias] = weights.map(|t| Some(b.constant(t)));
                b.op("Gemm", &[Some(x), w, bias], &[])
            };
            layer(layer(x, 0, [N, HIDDEN]).apply("Relu"), 1, [HIDDEN, CLASSES])
        })
    }

    /// The hidden layer's bounds over a box.
    fn hidden(&self, l: &[f32], u: &[f32]) -> Vec<[f64; 2]> {
        (0..HIDDEN)
            .map(|j| {
                let ends = |flip: bool| {
                    (0..N)
                        .map(|i| {
                            let w = f64::from(self.w[0][i * HIDDEN + j]);
                            w * f64::from(if (w > 0.0) != flip { l[i] } else { u[i] })
                        })
                        .sum::<f64>()
                        + f64::from(self.b[0][j])
                };
                [ends(false), ends(true)]
            })
            .collect()
    }

    /// `min c·f` over the box by intervals, the last layer merged with c.
    fn intervals(&self, c: &[f64], l: &[f32], u: &[f32]) -> f64 {
        self.hidden(l, u)
            .iter()
            .enumerate()
            .map(|(j, [lo, hi])| {
                let v = self.row(c, j);
                v * if v > 0.0 { lo.max(0.0) } else { hi.max(0.0) }
            })
            .sum::<f64>()
            + self.constant(c)
    }

    /// The same by CROWN (Zhang et al. 2018, theorem 3.2 for one hidden layer).
    fn crown(&self, c: &[f64], l: &[f32], u: &[f32]) -> f64 {
        let mut constant = self.constant(c);
        let mut row = [0.0; N];
        for (j, [lo, hi]) in self.hidden(l, u).into_iter().enumerate() {
            let v = self.row(c, j);
            let (slope, intercept) = match (lo, hi) {
                _ if hi <= 0.0 => (0.0, 0.0),
                _ if lo >= 0.0 => (1.0, 0.0),
                _ if v > 0.0 => (f64::from(u8::from(hi > -lo)), 0.0),
                _ => (hi / (hi - lo), -lo * hi / (hi - lo)),
            };
            constant += v * intercept + v * slope * f64::from(self.b[0][j]);
            (0..N).for_each(|i| row[i] += v * slope * f64::from(self.w[0][i * HIDDEN + j]));
        }
        constant
            + row
                .iter()
                .enumerate()
                .map(|(i, a)| a * f64::from(if *a > 0.0 { l[i] } else { u[i] }))
                .sum::<f64>()
    }

    fn row(&self, c: &[f64], j: usize) -> f64 {
        (0..CLASSES).map(|k| c[k] * f64::from(self.w[1][j * CLASSES + k])).sum()
    }

    fn constant(&self, c: &[f64]) -> f64 {
        (0..CLASSES).map(|k| c[k] * f64::from(self.b[1][k])).sum()
    }
}

#[test]
fn one_hidden_layer_is_as_by_hand() {
    for seed in 0..20 {
        let net = Net::new(seed);
        let mut rng = random(100 + seed);
        let lower: Vec<f32> = (0..N).map(|_| rng.random_range(-1.0..1.0)).collect();
        let upper: Vec<f32> = lower.iter().map(|l| l + rng.random_range(0.0..1.0f32)).collect();
        let spec: Vec<f32> = (0..4 * CLASSES).map(|_| rng.random_range(-1.0..1.0)).collect();
        for method in [Method::Intervals, Method::CrownOverIntervals, Method::Crown] {
            let bounds = Bounds::new(&net.graph(), method, Region::Box, 4);
            let [below, above] = bounds.run([&lower, &upper], &spec, None);
            for (row, c) in spec.chunks(CLASSES).enumerate() {
                let c: Vec<f64> = c.iter().map(|v| f64::from(*v)).collect();
                let minus: Vec<f64> = c.iter().map(|v| -v).collect();
                let by_hand = |c: &[f64]| match method {
                    Method::Intervals => net.intervals(c, &lower, &upper),
                    _ => net.crown(c, &lower, &upper).max(net.intervals(c, &lower, &upper)),
                };
                let (low, high) = (by_hand(&c), -by_hand(&minus));
                let (below, above) = (f64::from(below[row]), f64::from(above[row]));
                assert!(below <= low && low - below < 2e-4, "{method:?}: {below} and {low}");
                assert!(above >= high && above - high < 2e-4, "{method:?}: {above} and {high}");
            }
        }
    }
}

/// Of a linear model the l2 and l1 bounds are the dual norms, where the box does not matter.
#[test]
fn balls_of_linear_models_are_dual_norms() {
    let w = [0.5f32, -2.0, 1.0, 0.25, 3.0];
    let graph = model(&[N], |x| x.with("MatMul", x.builder().constant(tensor(&[N, 1], w.to_vec()))));
    let centre = [0.1f32, 0.2, -0.3, 0.4, 0.5];
    let at: f64 = w.iter().zip(&centre).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
    let radius = 0.125f32;
    let l2 = w.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
    for (region, dual) in [(Region::L2, l2), (Region::L1, 3.0)] {
        let bounds = Bounds::new(&graph, Method::Crown, region, 1);
        let wide = [[-10.0f32; N], [10.0; N]];
        let [below, above] = bounds.run([&wide[0], &wide[1]], &[1.0], Some((&centre, &[radius])));
        let reach = dual * f64::from(radius);
        for (found, expected) in [(below[0], at - reach), (above[0], at + reach)] {
            assert!((f64::from(found) - expected).abs() < 5e-5, "{region:?}: {found} and {expected}");
        }
        // A narrow box counts where it is narrower.
        let narrow = centre.map(|c| c - 1e-3);
        let [below, _] = bounds.run([&narrow, &centre.map(|c| c + 1e-3)], &[1.0], Some((&centre, &[radius])));
        let sum: f64 = w.iter().map(|w| f64::from(w.abs())).sum();
        assert!((f64::from(below[0]) - (at - 1e-3 * sum)).abs() < 5e-5);
    }
}
