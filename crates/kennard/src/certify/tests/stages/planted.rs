//! Counterexamples that are planted.

use kennard_graph::Region;
use kennard_runtime::Input;
use ndarray::Array3;

use super::*;
use crate::certify::{Ascent, Crown};
use crate::random::stream;
use crate::runtime::Choice;
use crate::{Norm, Runtime};

/// How a convolution's window moves.
struct Window {
    pads: [usize; 4],
    strides: [usize; 2],
    gaps: [usize; 2],
    groups: usize,
}

/// A convolution in double precision.
fn convolved(x: &Array3<f64>, name: &str, dims: [usize; 4], bias: &[f32], window: &Window) -> Array3<f64> {
    let [channels, inner, high, wide] = dims;
    let w = numbers(name, &dims);
    let (_, height, width) = x.dim();
    let [top, left, bottom, right] = window.pads;
    let [down, along] = window.strides;
    let rows = (height + top + bottom - window.gaps[0] * (high - 1) - 1) / down + 1;
    let columns = (width + left + right - window.gaps[1] * (wide - 1) - 1) / along + 1;
    Array3::from_shape_fn((channels, rows, columns), |(channel, i, j)| {
        let first = channel / (channels / window.groups) * inner;
        let mut sum = bias.get(channel).map_or(0.0, |bias| f64::from(*bias));
        for (c, a, b) in ndarray::indices((inner, high, wide)) {
            let (row, column) = (i * down + a * window.gaps[0], j * along + b * window.gaps[1]);
            if (top..top + height).contains(&row) && (left..left + width).contains(&column) {
                let weight = f64::from(w[((channel * inner + c) * high + a) * wide + b]);
                sum += weight * x[[first + c, row - top, column - left]];
            }
        }
        sum
    })
}

/// The logits of [`network`] with `Relu`, without a normalisation, in double precision.
fn logits(chain: bool, x: &[f64]) -> Vec<f64> {
    let relu = |x: Array3<f64>| x.mapv(|value| value.max(0.0));
    let extent = if chain { 11 } else { 5 };
    let x = Array3::from_shape_vec((2, extent, extent), x.to_vec()).unwrap();
    let plain = || Window { pads: [0; 4], strides: [1; 2], gaps: [1; 2], groups: 1 };
    let features = if chain {
        let first = Window { pads: [1, 0, 2, 1], strides: [2, 1], groups: 2, ..plain() };
        let second = Window { pads: [1, 1, 0, 1], gaps: [2, 1], ..plain() };
        let third = Window { strides: [1, 3], ..plain() };
        let a = relu(convolved(&x, "c0", [4, 1, 3, 2], &numbers("b0", &[4]), &first));
        let b = relu(convolved(&a, "c1", [3, 4, 2, 3], &[], &second));
        relu(convolved(&b, "c2", [2, 3, 2, 2], &[], &third))
    } else {
        let ones = Window { pads: [1; 4], ..plain() };
        let a = relu(convolved(&x, "w0", [3, 2, 3, 3], &numbers("b0", &[3]), &ones));
        relu(convolved(&a, "w1", [3, 3, 3, 3], &[], &ones) + &a)
    };
    let features: Vec<f64> = features.iter().copied().collect();
    let product = |name: &str, rows: usize, x: &[f64]| -> Vec<f64> {
        let w = numbers(name, &[rows, x.len()]);
        let row = |w: &[f32]| w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
        w.chunks(x.len()).map(row).collect()
    };
    let hidden: Vec<f64> = product("w2", 8, &features).into_iter().map(|value| value.max(0.0)).collect();
    product("w3", 4, &hidden)
}

/// A region around a centre, as its inputs are.
struct Around<'c> {
    region: Region,
    centre: &'c [f32],
    radius: f32,
    lower: Vec<f32>,
    upper: Vec<f32>,
}

impl Around<'_> {
    /// The point a hair within that is farthest against a slope; none where there is no slope.
    fn against(&self, slope: &[f64]) -> Option<Vec<f32>> {
        let norm = match self.region {
            Region::L2 => Norm::L2,
            Region::L1 => Norm::L1,
            _ => Norm::Linf,
        };
        let length = slope.iter().map(|g| g * g).sum::<f64>().sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return None;
        }
        let steepest = (0..slope.len()).max_by(|a, b| slope[*a].abs().total_cmp(&slope[*b].abs())).unwrap();
        let step = |i: usize| match norm {
            Norm::L2 => -slope[i] / length,
            Norm::L1 if i != steepest => 0.0,
            _ => -slope[i].signum(),
        };
        // As much less as rounding takes.
        (1..100_000).find_map(|hairs| {
            let share = 1.0 - 1e-7 * f64::from(hairs);
            let reach = share * f64::from(self.radius);
            let moved = |(i, x): (usize, &f32)| (f64::from(*x) + reach * step(i)) as f32;
            let point: Vec<f32> = self.centre.iter().enumerate().map(moved).collect();
            let ends = self.lower.iter().zip(&self.upper);
            let inside = point.iter().zip(ends).all(|(x, (low, high))| low <= x && x <= high);
            let within = norm.distance(self.centre, &point) < f64::from(self.radius) * (1.0 - 1e-12);
            (inside && within).then_some(point)
        })
    }
}

/// A hair within the region, as far as it goes along the dual direction, is a point at which a row is just not positive: no
/// bound of the row may be.
#[test]
fn planted_counterexamples_are_never_certified() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let threads = runtime.threads(1);
    let mut random = stream(6, &[], "planted");
    let doubles = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let (mut planted, mut close) = (0, 0);
    for chain in [false, true] {
        let (elements, model) = network(chain, "Relu", false);
        let mut plain = runtime.compile(&model.with_batch(1), &threads).unwrap();
        let mut methods = Vec::new();
        for region in [Region::Box, Region::L2, Region::L1] {
            for ascent in [None, Some(Ascent::default())] {
                methods.push((region, Crown::new(&model, region, 1, ascent, &runtime, &threads).unwrap()));
            }
        }
        for _ in 0..3 {
            let centre: Vec<f32> = (0..elements).map(|_| random.random_range(0.3f32..0.7)).collect();
            let at_centre = logits(chain, &doubles(&centre));
            let mut outputs = Vec::new();
            plain.run(&[Input::F32(&centre)], &mut outputs).unwrap();
            for (exact, found) in at_centre.iter().zip(&outputs[0]) {
                assert!((exact - f64::from(*found)).abs() < 1e-4, "{at_centre:?} {:?}", outputs[0]);
            }
            let slopes: Vec<[f64; 2]> = (0..elements)
                .map(|i| {
                    let mut moved = doubles(&centre);
                    moved[i] += 1e-7;
                    let there = logits(chain, &moved);
                    [0, 1].map(|k| (there[k] - at_centre[k]) / 1e-7)
                })
                .collect();
            for (region, crown) in &mut methods {
                for radius in [0.003f32, 0.03, 0.3] {
                    let around = Around {
                        region: *region,
                        centre: &centre,
                        radius,
                        lower: centre.iter().map(|x| (x - radius).next_down()).collect(),
                        upper: centre.iter().map(|x| (x + radius).next_up()).collect(),
                    };
                    // The row is of the first logit less the multiple of the second at which it vanishes there.
                    let mut share = at_centre[0] / at_centre[1];
                    let mut there = at_centre.clone();
                    for _ in 0..4 {
                        let slope: Vec<f64> = slopes.iter().map(|[a, b]| a - share * b).collect();
                        let Some(point) = around.against(&slope) else { break };
                        there = logits(chain, &doubles(&point));
                        share = there[0] / there[1];
                    }
                    if there[1].abs() < 1e-3 || !share.is_finite() {
                        continue;
                    }
                    let mut share = share as f32;
                    while there[0] - f64::from(share) * there[1] > -1e-12 * (1.0 + there[0].abs()) {
                        share = if there[1] > 0.0 { share.next_up() } else { share.next_down() };
                    }
                    let size = [radius];
                    let mut inputs: Vec<&[f32]> = vec![&around.lower, &around.upper];
                    if *region != Region::Box {
                        inputs.extend([&centre[..], &size]);
                    }
                    let below = crown.bounds(&inputs, &[1.0, -share, 0.0, 0.0]).unwrap()[0];
                    assert!(below <= 0.0, "{region:?} of {radius}: certified by {below}");
                    planted += 1;
                    let margin = at_centre[0] - f64::from(share) * at_centre[1];
                    close += usize::from(f64::from(below) > -0.1 * margin);
                }
            }
        }
    }
    println!("{planted} planted, none certified; {close} bounds within a tenth of the margin at the centre");
    assert!(planted > 50 && close > 10, "{planted} {close}");
}
