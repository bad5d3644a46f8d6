//! What rounding can do to a network in single precision, against what it does when sums are taken in several orders.

use std::collections::BTreeMap;

use kennard_graph::{DType, Graph, Region, Var, forward_error, simplify};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::rten::Runner;
use crate::subject::{SHARE, hostile, model, random, tensor};

/// A step of a network on vectors.
enum Layer {
    /// Sums of products, `(from, weight)`, with biases: dense layers and convolutions.
    Sums(Vec<Vec<(usize, f32)>>, Vec<f32>),
    Relu,
    /// The largest of some elements.
    Largest(Vec<Vec<usize>>),
    /// The input is added.
    Input,
}

/// How a sum is taken.
#[derive(Clone, Copy)]
enum Order {
    Forwards,
    Backwards,
    Shuffled,
    Pairs,
    SmallFirst,
    Fused,
}

const ORDERS: [Order; 6] =
    [Order::Forwards, Order::Backwards, Order::Shuffled, Order::Pairs, Order::SmallFirst, Order::Fused];

fn pairs(terms: &[f32]) -> f32 {
    match terms {
        [] => 0.0,
        [one] => *one,
        _ => {
            let (a, b) = terms.split_at(terms.len() / 2);
            pairs(a) + pairs(b)
        }
    }
}

/// A sum of products and a bias in single precision.
fn sum(products: &[(f32, f32)], bias: f32, order: Order, rng: &mut Xoshiro256PlusPlus) -> f32 {
    let mut terms: Vec<f32> = products.iter().map(|(x, w)| x * w).chain([bias]).collect();
    match order {
        Order::Fused => return products.iter().fold(bias, |sum, (x, w)| x.mul_add(*w, sum)),
        Order::Pairs => return pairs(&terms),
        Order::Forwards => {}
        Order::Backwards => terms.reverse(),
        Order::Shuffled => (1..terms.len()).rev().for_each(|i| terms.swap(i, rng.random_range(0..=i))),
        Order::SmallFirst => terms.sort_by(|a, b| a.abs().total_cmp(&b.abs())),
    }
    terms.iter().sum()
}

/// In single precision.
fn rounded(layers: &[Layer], input: &[f32], order: Order, rng: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    layers.iter().fold(input.to_vec(), |x, layer| match layer {
        Layer::Sums(rows, bias) => rows
            .iter()
            .zip(bias)
            .map(|(row, b)| {
                let products: Vec<(f32, f32)> = row.iter().map(|&(i, w)| (x[i], w)).collect();
                sum(&products, *b, order, rng)
            })
            .collect(),
        Layer::Relu => x.iter().map(|v| v.max(0.0)).collect(),
        Layer::Largest(windows) => {
            windows.iter().map(|w| w.iter().map(|&i| x[i]).fold(f32::NEG_INFINITY, f32::max)).collect()
        }
        Layer::Input => x.iter().zip(input).map(|(a, b)| a + b).collect(),
    })
}

/// In double precision, whose own rounding, below 10⁻¹³ of the second number, is nothing here: the sizes of all terms.
fn exact(layers: &[Layer], input: &[f32]) -> (Vec<f64>, f64) {
    let input: Vec<f64> = input.iter().map(|&v| f64::from(v)).collect();
    let mut sizes: Vec<f64> = input.iter().map(|v| v.abs()).collect();
    let values = layers.iter().fold(input.clone(), |x, layer| {
        let (values, next): (Vec<f64>, Vec<f64>) = match layer {
            Layer::Sums(rows, bias) => {
                let of = |x: &[f64], f: fn(f64) -> f64| -> Vec<f64> {
                    let sum = |(row, b): (&Vec<(usize, f32)>, &f32)| {
                        row.iter().fold(f(f64::from(*b)), |sum, &(i, w)| sum + x[i] * f(f64::from(w)))
                    };
                    rows.iter().zip(bias).map(sum).collect()
                };
                (of(&x, |w| w), of(&sizes, f64::abs))
            }
            Layer::Relu => (x.iter().map(|v| v.max(0.0)).collect(), sizes.clone()),
            Layer::Largest(windows) => {
                let of = |x: &[f64]| -> Vec<f64> {
                    windows
                        .iter()
                        .map(|w| w.iter().map(|&i| x[i]).fold(f64::NEG_INFINITY, f64::max))
                        .collect()
                };
                (of(&x), of(&sizes))
            }
            Layer::Input => (
                x.iter().zip(&input).map(|(a, b)| a + b).collect(),
                sizes.iter().zip(&input).map(|(a, b)| a + b.abs()).collect(),
            ),
        };
        sizes = next;
        values
    });
    let size = sizes.iter().fold(0.0, |a: f64, b| a.max(*b));
    (values, size)
}

fn dense(rng: &mut Xoshiro256PlusPlus, [from, to]: [usize; 2], decades: f64) -> (Layer, [Vec<f32>; 2]) {
    let w: Vec<f32> = (0..from * to).map(|_| hostile(rng, decades)).collect();
    let bias: Vec<f32> = (0..to).map(|_| hostile(rng, decades)).collect();
    let rows = (0..to).map(|o| (0..from).map(|i| (i, w[i * to + o])).collect()).collect();
    (Layer::Sums(rows, bias.clone()), [w, bias])
}

fn gemm<'b>(x: Var<'b>, shape: [usize; 2], [w, bias]: &[Vec<f32>; 2]) -> Var<'b> {
    let b = x.builder();
    let [w, bias] =
        [tensor(&shape, w.clone()), tensor(&shape[1..], bias.clone())].map(|t| Some(b.constant(t)));
    b.op("Gemm", &[Some(x), w, bias], &[])
}

/// Dense layers with ReLUs between them, the input added at the end.
fn dense_network(rng: &mut Xoshiro256PlusPlus, decades: f64) -> (Vec<Layer>, Graph, usize) {
    let width = rng.random_range(2..6);
    let hidden = rng.random_range(2..40);
    let (first, a) = dense(rng, [width, hidden], decades);
    let (last, b) = dense(rng, [hidden, width], decades);
    let graph =
        model(&[width], |x| gemm(gemm(x, [width, hidden], &a).apply("Relu"), [hidden, width], &b) + x);
    (vec![first, Layer::Relu, last, Layer::Input], graph, width)
}

/// A convolution of 6×6 pixels to three channels of 4×4, a ReLU, the largest of 2×2, and a dense layer.
fn convolution(rng: &mut Xoshiro256PlusPlus, decades: f64) -> (Vec<Layer>, Graph, usize) {
    let taps: Vec<f32> = (0..27).map(|_| hostile(rng, decades)).collect();
    let bias: Vec<f32> = (0..3).map(|_| hostile(rng, decades)).collect();
    let places = || (0..48).map(|i| (i / 16, i / 4 % 4, i % 4));
    let row = |(c, y, x): (usize, usize, usize)| -> Vec<(usize, f32)> {
        (0..9).map(|k| ((y + k / 3) * 6 + x + k % 3, taps[c * 9 + k])).collect()
    };
    let sums = Layer::Sums(places().map(row).collect(), places().map(|(c, ..)| bias[c]).collect());
    let window = |i: usize| {
        let (c, y, x) = (i / 4, i / 2 % 2, i % 2);
        (0..4).map(|k| c * 16 + (2 * y + k / 2) * 4 + 2 * x + k % 2).collect()
    };
    let (last, of_last) = dense(rng, [12, 3], decades);
    let graph = model(&[1, 6, 6], |x| {
        let b = x.builder();
        let [w, bias] =
            [tensor(&[3, 1, 3, 3], taps.clone()), tensor(&[3], bias.clone())].map(|t| Some(b.constant(t)));
        let window = [("kernel_shape", vec![3i64, 3].into())];
        let y = b.op("Conv", &[Some(x), w, bias], &window).apply("Relu");
        let window = [("kernel_shape", vec![2i64, 2].into()), ("strides", vec![2i64, 2].into())];
        gemm(y.apply_with("MaxPool", &window).apply("Flatten"), [12, 3], &of_last)
    });
    (vec![sums, Layer::Relu, Layer::Largest((0..12).map(window).collect()), last], graph, 36)
}

/// The errors `[N, outputs]` over boxes, of each output alone.
fn errors(graph: &Graph, boxes: [&[f32]; 2], outputs: usize) -> Vec<f32> {
    let shape: Vec<usize> = graph.inputs[0].ty.shape.0.iter().skip(1).map(|d| d.known().unwrap()).collect();
    let n = boxes[0].len() / shape.iter().product::<usize>();
    let shape: Vec<usize> = [n].into_iter().chain(shape).collect();
    let bounded = forward_error(graph, Region::Box, outputs).unwrap().unwrap();
    let unit: Vec<f32> = (0..n * outputs * outputs)
        .map(|i| if i / outputs % outputs == i % outputs { -1.0 } else { 0.0 })
        .collect();
    let values = BTreeMap::from([
        ("lower".to_string(), tensor(&shape, boxes[0].to_vec())),
        ("upper".to_string(), tensor(&shape, boxes[1].to_vec())),
        ("spec".to_string(), tensor(&[n, outputs, outputs], unit)),
    ]);
    // rten wants the attributes of windows written out.
    let runner = Runner::new(&simplify(&bounded).unwrap()).unwrap();
    runner.run(&values).unwrap()["bound/error"].iter().copied().collect()
}

/// In every order of summation, anywhere in a box, what single precision makes of a network is as near to it as was said.
#[test]
fn no_order_of_summation_goes_further() {
    const BOXES: usize = 4;
    let mut rng = random(41);
    let (mut cases, mut finite, mut closest) = (0, 0, 0.0f64);
    for net in 0..400 / SHARE {
        let decades = [0.3, 1.0, 3.0, 6.0][net / 2 % 4];
        let made = if net % 2 == 0 { dense_network } else { convolution };
        let (layers, graph, width) = made(&mut rng, decades);
        let lower: Vec<f32> = (0..BOXES * width).map(|_| hostile(&mut rng, decades)).collect();
        let wide = 10f32.powf(rng.random_range(-7.0..0.5));
        let upper: Vec<f32> = lower.iter().map(|l| l + l.abs() * wide).collect();
        let outputs = exact(&layers, &lower[..width]).0.len();
        let errors = errors(&graph, [&lower, &upper], outputs);
        for (b, errors) in errors.chunks(outputs).enumerate() {
            for _ in 0..5 {
                let x: Vec<f32> = (b * width..(b + 1) * width)
                    .map(|i| match rng.random_range(0..3) {
                        0 => lower[i],
                        1 => upper[i],
                        _ => (lower[i] + (upper[i] - lower[i]) * rng.random_range(0.0f32..1.0))
                            .clamp(lower[i], upper[i]),
                    })
                    .collect();
                let (real, size) = exact(&layers, &x);
                for order in ORDERS {
                    let computed = rounded(&layers, &x, order, &mut rng);
                    for ((real, computed), error) in real.iter().zip(computed).zip(errors) {
                        let off = (f64::from(computed) - real).abs();
                        cases += 1;
                        finite += usize::from(error.is_finite());
                        let error = f64::from(*error);
                        assert!(off <= error + 1e-13 * size, "{off} is more than {error}");
                        closest = closest.max(off / error);
                    }
                }
            }
        }
    }
    println!("{cases} cases, {finite} with bounds; none beyond, the nearest at {closest:.3} of its bound");
    assert!(cases > 10_000 && finite * 10 > cases * 9);
}

/// A sum each of whose additions rounds by half a unit: the bound is no more than a tenth above what happens.
#[test]
fn the_bound_of_one_sum_is_nearly_reached() {
    const TERMS: usize = 1024;
    let half = f32::EPSILON / 2.0;
    let weights: Vec<f32> = (0..TERMS).map(|i| if i == 0 { 1.0 } else { half }).collect();
    let graph =
        model(&[TERMS], |x| x.with("MatMul", x.builder().constant(tensor(&[TERMS, 1], weights.clone()))));
    let ones = [1.0f32; TERMS];
    let computed = weights.iter().fold(0.0, |sum: f32, w| sum + w);
    let real: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let off = (f64::from(computed) - real).abs();
    let error = f64::from(errors(&graph, [&ones, &ones], 1)[0]);
    assert!(off <= error && error < 1.1 * off, "{error} for {off}");
}

/// What has no rule is not spoken of, nor is what is not computed in single precision.
#[test]
fn nothing_is_claimed_without_a_rule() {
    let claimed =
        |f: for<'b> fn(Var<'b>) -> Var<'b>| forward_error(&model(&[3], f), Region::Box, 1).unwrap().is_some();
    assert!(
        claimed(|x| x.apply("Relu"))
            && claimed(|x| (x * x).apply("Tanh"))
            && claimed(|x| x.apply("Erf") * 2.0)
    );
    assert!(claimed(|x| x.apply("LeakyRelu") + x.with("Max", -x)));
    let others: [for<'b> fn(Var<'b>) -> Var<'b>; 5] = [
        |x| x.apply("Sigmoid"),
        |x| x.apply("Exp"),
        |x| x.apply("Softmax").apply("Relu"),
        |x| x / (x.apply("Abs") + 1.0),
        |x| x.cast(DType::F16).cast(DType::F32),
    ];
    assert!(others.into_iter().all(|other| !claimed(other)));
    // `σ² + ε` with another sign is off by any share of itself.
    assert!(claimed(|x| normalized(x, 1.0)) && !claimed(|x| normalized(x, -5e-6)));
}

fn normalized(x: Var<'_>, variance: f32) -> Var<'_> {
    let row = |value: f32| Some(x.builder().constant(tensor(&[3], vec![value; 3])));
    x.builder().op("BatchNormalization", &[Some(x), row(1.0), row(0.0), row(0.0), row(variance)], &[])
}

/// A share of an input below the normal range is no number, and its weight may be large.
#[test]
fn what_falls_below_the_normal_range_is_counted() {
    let (weight, x) = (9.1e29f32, 1e-44f32);
    let graph = model(&[1], |x| x.with("MatMul", x.builder().constant(tensor(&[1, 1], vec![weight]))));
    let off = (f64::from(weight * x) - f64::from(weight) * f64::from(x)).abs();
    let error = f64::from(errors(&graph, [&[x], &[x]], 1)[0]);
    assert!(0.0 < off && off <= error, "{error} for {off}");
}

/// Infinite where numbers overflow or the box is empty.
#[test]
fn nothing_is_claimed_of_no_numbers() {
    let graph = model(&[2], |x| x.with("MatMul", x.builder().constant(tensor(&[2, 1], vec![1.0, 2.0]))));
    assert_eq!(errors(&graph, [&[3e38, 0.0], &[3e38, 1.0]], 1), [f32::INFINITY]);
    assert_eq!(errors(&graph, [&[1.0, 0.0], &[0.0, 1.0]], 1), [f32::INFINITY]);
}
