//! Bounds by one graph for each hidden tensor are those of the one graph of all.

use kennard_graph::{
    Attribute, Builder, DType, Dim, Graph, Method, Region, Stages, Tensor, TensorType, Var, bound,
};
use kennard_runtime::Input;
use ndarray::{Array3, ArrayD, IxDyn};
use rand::RngExt;

use crate::certify::crown::Last;
use crate::certify::hidden::{Walker, Where};
use crate::certify::program::together;
use crate::certify::{Ascent, Crown};
use crate::random::stream;
use crate::{Norm, Runtime, runtime::Choice};

/// Numbers for weights of these extents, as large as keeps signals alive.
fn numbers(name: &str, dims: &[usize]) -> Vec<f32> {
    let mut random = stream(3, &[], name);
    let fan: usize = dims[1..].iter().product();
    let size = (2.0 / fan as f32).sqrt();
    (0..dims.iter().product::<usize>()).map(|_| size * random.random_range(-1.0f32..1.0)).collect()
}

fn weights<'b>(builder: &'b Builder, name: &str, dims: &[usize]) -> Option<Var<'b>> {
    let values = numbers(name, dims);
    Some(builder.named(name, Tensor::from(ArrayD::from_shape_vec(IxDyn(dims), values).unwrap())))
}

/// The input's extent, and the network: two convolutions, a residual connection and two layers, or a chain of convolutions
/// with strides, gaps, groups and margins that differ, `op` being what is not linear; the chain may begin with a normalisation.
fn network(chain: bool, op: &str, normalized: bool) -> (usize, Graph) {
    let builder = Builder::new(&Graph::default()).unwrap();
    let w = |name: &str, dims: &[usize]| weights(&builder, name, dims);
    let extent = if chain { 11 } else { 5 };
    let dims = [Dim::BATCH, Dim::Known(2), Dim::Known(extent), Dim::Known(extent)];
    let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
    let conv = |x: Var<'_>, weights, bias, attributes: &[(&str, Attribute)]| {
        builder.op("Conv", &[Some(x), weights, bias], attributes)
    };
    let pads = |pads: [i64; 4]| ("pads", Attribute::from(pads.to_vec()));
    let strides = |strides: [i64; 2]| ("strides", Attribute::from(strides.to_vec()));
    let transposed = [("transB", 1i64.into())];
    let features = if chain {
        let groups = ("group", 2i64.into());
        let gaps = ("dilations", Attribute::from(vec![2i64, 1]));
        let bias = w("b0", &[4]);
        let channels = |values: [f32; 2]| {
            builder.constant(Tensor::from(
                ArrayD::from_shape_vec(IxDyn(&[1, 2, 1, 1]), values.to_vec()).unwrap(),
            ))
        };
        let x = if normalized { (x - channels([0.3, 0.6])) / channels([0.7, 1.3]) } else { x };
        let a =
            conv(x, w("c0", &[4, 1, 3, 2]), bias, &[pads([1, 0, 2, 1]), strides([2, 1]), groups]).apply(op);
        let b = conv(a, w("c1", &[3, 4, 2, 3]), None, &[pads([1, 1, 0, 1]), gaps]).apply(op);
        conv(b, w("c2", &[2, 3, 2, 2]), None, &[strides([1, 3])]).apply(op).apply("Flatten")
    } else {
        let ones = [pads([1; 4])];
        let a = conv(x, w("w0", &[3, 2, 3, 3]), w("b0", &[3]), &ones).apply(op);
        (conv(a, w("w1", &[3, 3, 3, 3]), None, &ones) + a).apply(op).apply("Flatten")
    };
    let n = features.shape().unwrap().0[1].known().unwrap();
    let c = builder.op("Gemm", &[Some(features), w("w2", &[8, n])], &transposed).apply(op);
    builder.output("logits", builder.op("Gemm", &[Some(c), w("w3", &[4, 8])], &transposed));
    (2 * extent * extent, builder.finish().unwrap())
}

#[test]
fn stage_by_stage_is_as_good_as_at_once() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let threads = runtime.threads(1);
    let mut random = stream(4, &[], "points");
    for (chain, op, normalized) in [
        (false, "Relu", false),
        (false, "Sigmoid", false),
        (true, "Relu", false),
        (true, "Relu", true),
        (true, "Sigmoid", false),
    ] {
        let (elements, model) = network(chain, op, normalized);
        let patches = Stages::new(&model, Region::Box).unwrap();
        let windows = |i| patches.patch(i, 1).unwrap().map(|patch| patch.windows.len());
        let seen = if chain && op == "Relu" { [Some(2), Some(3)] } else { [None, None] };
        assert_eq!([windows(1), windows(2)], seen, "{op}");
        if let Some(patch) = patches.patch(2, 9).unwrap() {
            // As many rows as there are channels.
            assert_eq!(patch.graph.inputs.last().unwrap().ty.shape.0[1..], [Dim::Known(2); 2]);
        }
        let mut plain = runtime.compile(&model.with_batch(1), &threads).unwrap();
        for region in [Region::Box, Region::L2, Region::L1] {
            let whole = bound(&model, Method::Crown, region, 4).unwrap().with_batch(1);
            let mut whole = runtime.compile_as_given(&whole, &threads).unwrap();
            let mut stages = Crown::new(&model, region, 4, None, &runtime, &threads).unwrap();
            let mut chosen = (op == "Relu")
                .then(|| Crown::new(&model, region, 4, Some(Ascent::default()), &runtime, &threads).unwrap());
            for radius in [0.02f32, 0.3] {
                let centre: Vec<f32> = (0..elements).map(|_| random.random_range(0.3f32..0.7)).collect();
                let lower: Vec<f32> = centre.iter().map(|x| x - radius).collect();
                let upper: Vec<f32> = centre.iter().map(|x| x + radius).collect();
                let spec: Vec<f32> = (0..16).map(|_| random.random_range(-1.0f32..1.0)).collect();
                let radius = [radius];
                let mut inputs: Vec<&[f32]> = vec![&lower, &upper];
                if region != Region::Box {
                    inputs.extend([&centre[..], &radius]);
                }
                let mut outputs = Vec::new();
                let all: Vec<Input> = inputs.iter().copied().chain([&spec[..]]).map(Input::F32).collect();
                whole.run(&all, &mut outputs).unwrap();
                let at_once = outputs[0].clone();
                plain.run(&[Input::F32(&centre)], &mut outputs).unwrap();
                let logits = outputs[0].clone();
                let found = stages.bounds(&inputs, &spec).unwrap();
                let better = chosen.as_mut().map(|chosen| chosen.bounds(&inputs, &spec).unwrap());
                for row in 0..4 {
                    let value: f32 = (0..4).map(|k| spec[4 * row + k] * logits[k]).sum();
                    let off = (found[row] - at_once[row]).abs();
                    assert!(
                        off <= 1e-4 * (1.0 + at_once[row].abs()),
                        "{op} {region:?}: {found:?} {at_once:?}"
                    );
                    assert!(found[row] <= value, "{op} {region:?}: {} of {value}", found[row]);
                    if let Some(better) = &better {
                        assert!(
                            found[row] <= better[row] + 1e-4 && better[row] <= value,
                            "{better:?} {found:?}"
                        );
                    }
                }
            }
        }
    }
}

/// What is said of a sample does not depend, to the last bit, on which others are bounded with it, nor on its place among them.
#[test]
fn company_changes_nothing() {
    let mut random = stream(5, &[], "points");
    let mut together_somewhere = 0;
    for runtime in
        [Choice::Rten, Choice::OnnxRuntime].into_iter().filter_map(|choice| Runtime::open(choice).ok())
    {
        let threads = runtime.threads(1);
        for (chain, op) in [(false, "Relu"), (true, "Relu"), (true, "Tanh")] {
            let (elements, model) = network(chain, op, false);
            let stages = Stages::new(&model, Region::Box).unwrap();
            if together(&stages, 4, &runtime).unwrap() == 1 {
                continue;
            }
            together_somewhere += 1;
            let mut end = |below: f32| -> Vec<f32> {
                (0..elements).map(|_| random.random_range(below..below + 0.4)).collect()
            };
            let ends: Vec<[Vec<f32>; 2]> = (0..3).map(|_| [end(0.0), end(0.4)]).collect();
            let specs = vec![(0..16).map(|i| ((i * 7) % 5) as f32 - 2.0).collect::<Vec<f32>>(); 3];
            let mut walker = Walker::new(&stages, 3, &runtime, &threads).unwrap();
            let ascent = (op == "Relu").then_some(Ascent { steps: 3, ..Ascent::default() });
            let mut last = Last::new(&stages, [3, 4], ascent, &runtime, &threads).unwrap();
            let mut bounds = |samples: &[usize]| -> Vec<Vec<u32>> {
                let places: Vec<Where> =
                    samples.iter().map(|&i| ends[i].iter().map(Vec::as_slice).collect()).collect();
                let hidden = walker.bounds(&places).unwrap();
                let found =
                    last.bounds(&places, &hidden.iter().collect::<Vec<_>>(), &specs[..places.len()]).unwrap();
                found.chunks(4).map(|row| row.iter().map(|bound| bound.to_bits()).collect()).collect()
            };
            let all = bounds(&[0, 1, 2]);
            assert_eq!(bounds(&[2, 0]), [all[2].clone(), all[0].clone()], "{op} on {}", runtime.name());
            assert_eq!(bounds(&[1]), [all[1].clone()], "{op} on {}", runtime.name());
        }
    }
    assert!(together_somewhere > 0);
}

/// Where numbers overflow nothing is known.
#[test]
fn overflow_is_no_bound() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let (elements, model) = network(true, "Relu", false);
    let mut stages = Crown::new(&model, Region::Box, 1, None, &runtime, &runtime.threads(1)).unwrap();
    let (lower, upper) = (vec![-3e38f32; elements], vec![3e38f32; elements]);
    assert_eq!(stages.bounds(&[&lower, &upper], &[1.0, 0.0, 0.0, 0.0]).unwrap(), [f32::NEG_INFINITY]);
    // Nor is anything in an empty box.
    let (lower, upper) = (vec![0.6f32; elements], vec![0.4f32; elements]);
    assert_eq!(stages.bounds(&[&lower, &upper], &[1.0, 0.0, 0.0, 0.0]).unwrap(), [f32::NEG_INFINITY]);
}

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
                    // The row is of the first logit less so much of the second that it vanishes there.
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
