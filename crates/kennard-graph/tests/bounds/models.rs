//! Whole models with every kind of node, at points of the region: the corners, the centre, and others. What the model returns there
//! is computed in single precision, so it may be outside by its own rounding.

use kennard_graph::{Attribute, Graph, Method, Region, Tensor, Var};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::subject::{Bounds, evaluate, model, random, shape_of, tensor};

type Attributes = Vec<(&'static str, Attribute)>;

const METHODS: [Method; 3] = [Method::Intervals, Method::CrownOverIntervals, Method::Crown];
const SAMPLES: usize = 3;
const POINTS: usize = 64;

fn weights(rng: &mut Xoshiro256PlusPlus, shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let fan: usize = shape.iter().skip(1).product::<usize>().max(1);
    tensor(shape, (0..n).map(|_| rng.random_range(-1.5..1.5) / (fan as f32).sqrt()).collect())
}

/// A constant of a model under construction; the seed says which.
fn constant<'b>(x: Var<'b>, seed: u64, shape: &[usize]) -> Var<'b> {
    x.builder().constant(weights(&mut random(seed), shape))
}

fn dense<'b>(x: Var<'b>, seed: u64, inputs: usize, outputs: usize) -> Var<'b> {
    let inputs =
        [Some(x), Some(constant(x, seed, &[inputs, outputs])), Some(constant(x, seed + 1, &[outputs]))];
    x.builder().op("Gemm", &inputs, &[])
}

fn conv<'b>(x: Var<'b>, seed: u64, shape: &[usize], attributes: &[(&str, Attribute)]) -> Var<'b> {
    let inputs = [Some(x), Some(constant(x, seed, shape)), Some(constant(x, seed + 1, &shape[..1]))];
    x.builder().op("Conv", &inputs, attributes)
}

fn reshape<'b>(x: Var<'b>, dims: &[i64]) -> Var<'b> {
    x.with("Reshape", x.builder().ints(dims))
}

fn flat(x: Var) -> Var {
    x.apply_with("Flatten", &[("axis", 1i64.into())])
}

/// A point in every sample's region, where the choice is `t` of every side.
fn points(
    region: Region,
    centre: &[f32],
    radius: f32,
    n: usize,
    rng: &mut Xoshiro256PlusPlus,
    k: usize,
) -> Vec<f32> {
    let mut x = Vec::new();
    for sample in centre.chunks(n) {
        let mut step: Vec<f32> = (0..n)
            .map(|_| match k % 3 {
                0 => rng.random_range(-1.0..=1.0),
                1 => {
                    if rng.random_bool(0.5) {
                        1.0
                    } else {
                        -1.0
                    }
                }
                _ => rng.random_range(-1.0f32..=1.0).powi(9),
            })
            .collect();
        let size = match region {
            Region::L2 => step.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32,
            Region::L1 => step.iter().map(|v| v.abs()).sum(),
            _ => 1.0,
        };
        // A little less than the radius, as the step is rounded.
        step.iter_mut().for_each(|v| *v *= radius * 0.999_99 / size.max(1.0));
        x.extend(sample.iter().zip(&step).map(|(c, s)| (c + s).clamp(0.0, 1.0)));
    }
    x
}

/// The model's bounds hold at all points, for single outputs and differences of two. Returns the mean width by each method.
fn holds(name: &str, graph: &Graph) -> [f64; 3] {
    let mut rng = random(7);
    let outputs = shape_of(graph).0.iter().skip(1).map(|d| d.known().unwrap()).product::<usize>();
    let n: usize = graph.inputs[0].ty.shape.0.iter().skip(1).map(|d| d.known().unwrap()).product();
    let rows = 2 * outputs;
    let mut widths = [0.0; 3];
    for region in [Region::Box, Region::L2, Region::L1] {
        for (m, method) in METHODS.into_iter().enumerate() {
            let bounds = Bounds::simplified(graph, method, region, rows);
            for radius in [0.0f32, 0.02, 0.3] {
                let centre: Vec<f32> = (0..SAMPLES * n).map(|_| rng.random_range(0.0..1.0)).collect();
                let lower: Vec<f32> = centre.iter().map(|x| (x - radius).max(0.0)).collect();
                let upper: Vec<f32> = centre.iter().map(|x| (x + radius).min(1.0)).collect();
                let mut spec = vec![0.0; SAMPLES * rows * outputs];
                for (i, spec) in spec.chunks_mut(outputs).enumerate() {
                    spec[i % outputs] = 1.0;
                    if (i / outputs) % 2 == 1 && outputs > 1 {
                        spec[(i + 1) % outputs] -= 1.0;
                    }
                }
                let radii = vec![radius * 1.000_01; SAMPLES];
                let ball = (region != Region::Box).then_some((centre.as_slice(), radii.as_slice()));
                let [below, above] = bounds.run([&lower, &upper], &spec, ball);
                for k in 0..POINTS {
                    let x = points(region, &centre, radius, n, &mut rng, k);
                    let y = evaluate_each(graph, &x, outputs);
                    for (row, (low, high)) in below.iter().zip(&above).enumerate() {
                        let y = &y[row / rows * outputs..][..outputs];
                        let spec = &spec[row * outputs..][..outputs];
                        let value: f64 = spec.iter().zip(y).map(|(c, y)| f64::from(*c) * f64::from(*y)).sum();
                        let size: f64 = 1.0 + y.iter().map(|y| f64::from(y.abs())).sum::<f64>();
                        let off = 2e-5 * size;
                        assert!(
                            f64::from(*low) <= value + off && value - off <= f64::from(*high),
                            "{name}, {method:?}, {region:?}, radius {radius}, row {row}: {value} is outside of {low} and {high}"
                        );
                    }
                }
                if region == Region::Box && radius == 0.02 {
                    let width: f64 = below.iter().zip(&above).map(|(l, u)| f64::from(u - l)).sum();
                    widths[m] = width / below.len() as f64;
                }
            }
        }
    }
    println!("{name}: mean widths {widths:?}");
    assert!(widths.iter().all(|w| w.is_finite()), "{name}: no bounds, {widths:?}");
    widths
}

fn evaluate_each(graph: &Graph, x: &[f32], outputs: usize) -> Vec<f32> {
    let y = evaluate(graph, x);
    assert_eq!(y.len(), SAMPLES * outputs);
    y
}

fn ints(values: &[i64]) -> Attribute {
    values.into()
}

#[test]
fn of_perceptrons() {
    let net = model(&[4], |x| dense(dense(dense(x, 1, 4, 8).apply("Relu"), 3, 8, 8).apply("Relu"), 5, 8, 3));
    let [intervals, mixed, crown] = holds("perceptron", &net);
    assert!(crown <= mixed && mixed <= intervals, "{crown} {mixed} {intervals}");
    for op in ["Tanh", "Sigmoid", "Gelu", "Softplus", "Elu", "LeakyRelu", "HardSwish", "Mish", "Selu", "Abs"]
    {
        holds(op, &model(&[4], |x| dense(dense(dense(x, 1, 4, 6).apply(op), 3, 6, 6).apply(op), 5, 6, 3)));
    }
}

#[test]
fn of_convolutions() {
    let images = [2, 6, 6];
    let cases: [(&str, Vec<usize>, Attributes); 4] = [
        ("plain", vec![3, 2, 3, 3], vec![]),
        ("strided", vec![3, 2, 3, 3], vec![("strides", ints(&[2, 2])), ("pads", ints(&[1, 1, 1, 1]))]),
        ("grouped", vec![4, 1, 3, 3], vec![("group", 2i64.into()), ("pads", ints(&[0, 1, 1, 0]))]),
        ("dilated", vec![3, 2, 2, 2], vec![("dilations", ints(&[2, 2]))]),
    ];
    for (name, shape, attributes) in cases {
        let graph = model(&images, |x| {
            let y = conv(x, 1, &shape, &attributes).apply("Relu");
            let n = y.shape().unwrap().0.iter().skip(1).map(|d| d.known().unwrap()).product();
            dense(flat(y), 3, n, 3)
        });
        holds(name, &graph);
    }
    holds(
        "transposed, normalised, scaled",
        &model(&images, |x| {
            let x = (x - 0.3) / constant(x, 9, &[2, 1, 1]);
            let y = x.builder().op(
                "ConvTranspose",
                &[Some(x), Some(constant(x, 1, &[2, 3, 3, 3]))],
                &[("strides", ints(&[2, 2]))],
            );
            let statistics = [constant(x, 2, &[3]), constant(x, 3, &[3]), constant(x, 4, &[3])];
            let variance = x.builder().constant(tensor(&[3], vec![0.5, 1.0, 2.0]));
            let inputs = [y, statistics[0], statistics[1], statistics[2], variance].map(Some);
            let y = x.builder().op("BatchNormalization", &inputs, &[]).apply("Relu");
            let y = y.apply("GlobalAveragePool");
            dense(flat(y), 5, 3, 3)
        }),
    );
}

#[test]
fn of_pools() {
    let pools: [(&str, &str, Attributes); 5] = [
        ("disjoint", "MaxPool", vec![("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))]),
        (
            "overlapping",
            "MaxPool",
            vec![("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("pads", ints(&[1, 1, 1, 1]))],
        ),
        (
            "rounded up",
            "MaxPool",
            vec![("kernel_shape", ints(&[3, 2])), ("strides", ints(&[2, 3])), ("ceil_mode", 1i64.into())],
        ),
        (
            "means",
            "AveragePool",
            vec![("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 1])), ("pads", ints(&[1, 1, 0, 1]))],
        ),
        ("global", "GlobalMaxPool", vec![]),
    ];
    for (name, op, attributes) in pools {
        let graph = model(&[1, 5, 6], |x| {
            let y = conv(x, 1, &[2, 1, 2, 2], &[("pads", ints(&[0, 0, 1, 1]))])
                .apply_with(op, &attributes)
                .apply("Relu");
            let n = y.shape().unwrap().0.iter().skip(1).map(|d| d.known().unwrap()).product();
            dense(flat(y), 3, n, 3)
        });
        holds(name, &graph);
    }
}

/// A margin around a volume is none of its maxima.
#[test]
fn of_pools_over_three_axes() {
    let pools: [(&str, Attributes); 3] = [
        (
            "volumes with a margin",
            vec![
                ("kernel_shape", ints(&[2, 3, 2])),
                ("strides", ints(&[1, 2, 2])),
                ("pads", ints(&[1, 1, 0, 0, 1, 1])),
            ],
        ),
        (
            "volumes rounded up",
            vec![
                ("kernel_shape", ints(&[2, 2, 2])),
                ("strides", ints(&[2, 2, 2])),
                ("ceil_mode", 1i64.into()),
            ],
        ),
        (
            "volumes with gaps",
            vec![
                ("kernel_shape", ints(&[1, 2, 2])),
                ("dilations", ints(&[1, 2, 1])),
                ("pads", ints(&[0, 1, 0, 0, 1, 1])),
            ],
        ),
    ];
    for (name, attributes) in pools {
        let graph = model(&[1, 3, 4, 3], |x| {
            let y = (x * 2.0 - 0.5).apply("Relu").apply_with("MaxPool", &attributes);
            let n = y.shape().unwrap().0.iter().skip(1).map(|d| d.known().unwrap()).product();
            dense(flat(y), 3, n, 3)
        });
        holds(name, &graph);
    }
}

#[test]
fn of_layouts() {
    holds(
        "residual",
        &model(&[3, 4, 4], |x| {
            let y = conv(x, 1, &[3, 3, 3, 3], &[("pads", ints(&[1, 1, 1, 1]))]).apply("Relu");
            let y = (x + y * 0.5 - conv(y, 3, &[3, 3, 1, 1], &[])).apply("Relu");
            let y = y.reduce("ReduceMean", &[2, 3], false);
            dense(y, 5, 3, 3)
        }),
    );
    holds(
        "parts",
        &model(&[4, 6], |x| {
            let b = x.builder();
            let y = x.slice(&[1, 2], &[3, 5], &[i64::MIN, 0], &[-2, -1]); // [N, 2, 5]
            let joined =
                b.op("Concat", &[Some(y), Some(y * 2.0), Some(y.apply("Relu"))], &[("axis", 1i64.into())]);
            let taken =
                b.op("Gather", &[Some(joined), Some(b.ints(&[0, 5, 5, 2]))], &[("axis", 1i64.into())]);
            let padded =
                b.op("Pad", &[Some(taken), Some(b.ints(&[0, 0, 1, 0, 1, 0])), Some(x.number(0.75))], &[]);
            let turned = padded.transpose(&[0, 2, 1]).apply("Relu");
            let parts = b.op_n("Split", &[Some(turned), Some(b.ints(&[2, 4]))], &[("axis", 1i64.into())], 2);
            let spread = parts[0].reduce("ReduceSum", &[1], true).with("Tile", b.ints(&[1, 4, 1]));
            dense(flat(spread - parts[1]), 1, 20, 3)
        }),
    );
    holds(
        "resized",
        &model(&[1, 3, 3], |x| {
            let scales = x.builder().constant(tensor(&[4], vec![1.0, 1.0, 2.0, 2.0]));
            let y = x.builder().op("Resize", &[Some(x), None, Some(scales)], &[("mode", "linear".into())]);
            dense(flat(y.apply("Tanh")), 1, 36, 2)
        }),
    );
    holds(
        "depth to space",
        &model(&[4, 2, 2], |x| {
            let y = x.apply_with("DepthToSpace", &[("blocksize", 2i64.into())]).apply("Relu");
            let z = conv(y, 1, &[1, 1, 3, 3], &[]);
            dense(flat(z.apply("Relu")), 3, 4, 2)
        }),
    );
    holds(
        "extremes",
        &model(&[6], |x| {
            let y = dense(x, 1, 6, 6);
            let m = y.reduce("ReduceMax", &[1], true) - y.reduce("ReduceMin", &[1], true);
            x.builder().op("Max", &[Some(m * y), Some(y), Some(x.number(0.25))], &[])
        }),
    );
}

#[test]
fn of_transformers() {
    // Four tokens of six features, two heads.
    holds(
        "attention",
        &model(&[4, 6], |x| {
            let b = x.builder();
            let heads = |seed| {
                let y = x.with("MatMul", constant(x, seed, &[6, 6])) + constant(x, seed + 1, &[6]);
                reshape(y, &[-1, 4, 2, 3]).transpose(&[0, 2, 1, 3])
            };
            let scores = heads(1).with("MatMul", heads(3).transpose(&[0, 1, 3, 2])) * 0.577;
            let shares = scores.apply_with("Softmax", &[("axis", (-1i64).into())]);
            let mixed = reshape(shares.with("MatMul", heads(5)).transpose(&[0, 2, 1, 3]), &[-1, 4, 6]);
            let y = x + mixed;
            let y = b.op(
                "LayerNormalization",
                &[Some(y), Some(constant(x, 7, &[6])), Some(constant(x, 8, &[6]))],
                &[("epsilon", 0.01f32.into())],
            );
            let y = y + y.with("MatMul", constant(x, 9, &[6, 6])).apply("Gelu");
            dense(y.reduce("ReduceMean", &[1], false), 11, 6, 3)
        }),
    );
    // The batch behind the tokens, as in PyTorch's own layout.
    holds(
        "batch second",
        &model(&[3, 4], |x| {
            let y = x.transpose(&[1, 0, 2]); // [3, N, 4]
            let y = (y.with("MatMul", constant(x, 1, &[4, 4])) + constant(x, 2, &[4])).apply("Relu");
            let y = (y * y.apply("Tanh")).transpose(&[1, 2, 0]);
            dense(flat(y), 3, 12, 3)
        }),
    );
}

#[test]
fn of_normalisations() {
    for op in ["InstanceNormalization", "GroupNormalization"] {
        holds(
            op,
            &model(&[4, 3, 3], |x| {
                let y = conv(x, 1, &[4, 4, 1, 1], &[]);
                let attributes: Vec<(&str, Attribute)> = match op {
                    "GroupNormalization" => vec![("num_groups", 2i64.into()), ("epsilon", 0.1f32.into())],
                    _ => vec![("epsilon", 0.1f32.into())],
                };
                let y = x.builder().op(
                    op,
                    &[Some(y), Some(constant(x, 3, &[4])), Some(constant(x, 4, &[4]))],
                    &attributes,
                );
                dense(flat(y), 5, 36, 2)
            }),
        );
    }
    holds(
        "MeanVarianceNormalization",
        &model(&[4, 3, 3], |x| {
            let y = conv(x, 1, &[4, 4, 1, 1], &[]);
            let y = y.apply_with("MeanVarianceNormalization", &[("axes", ints(&[1, 2, 3]))]);
            dense(flat(y), 5, 36, 2)
        }),
    );
    holds(
        "LRN",
        &model(&[4, 2, 2], |x| dense(flat(x.apply_with("LRN", &[("size", 3i64.into())])), 1, 16, 2)),
    );
}

/// Layers unrolled, from zero and from a state that every sample of the batch is given.
#[test]
fn of_recurrent_layers() {
    let (steps, inputs, hidden) = (3, 2, 3);
    for (kind, gates) in [("LSTM", 4), ("GRU", 3), ("RNN", 1)] {
        for given in [false, true] {
            let graph = model(&[steps, inputs], |x| {
                let b = x.builder();
                let mut operands = vec![
                    Some(x.transpose(&[1, 0, 2])),
                    Some(constant(x, 1, &[1, gates * hidden, inputs])),
                    Some(constant(x, 2, &[1, gates * hidden, hidden])),
                    Some(constant(x, 3, &[1, 2 * gates * hidden])),
                ];
                if given {
                    let batch = x.apply("Shape").slice(&[0], &[0], &[1], &[1]);
                    let extents = [Some(b.ints(&[1])), Some(batch), Some(b.ints(&[hidden as i64]))];
                    let extents = b.op("Concat", &extents, &[("axis", 0i64.into())]);
                    let state = x.number(0.25).with("Expand", extents);
                    operands.extend([None, Some(state)]);
                    operands.extend((kind == "LSTM").then_some(Some(state)));
                }
                let outputs = b.op_n(kind, &operands, &[("hidden_size", (hidden as i64).into())], 2);
                dense(outputs[1].squeeze(&[0]), 5, hidden, 3)
            });
            holds(&format!("{kind}, given a state: {given}"), &graph);
        }
    }
}
