//! Products and quotients of two tensors that vary, softmax, and sums with constants, against sampling in double precision.

use kennard_graph::{Attribute, DType, Method, Region, Tensor, Var};
use rand::RngExt;

use crate::subject::{Bounds, beside, hostile, model, random, tensor};

const SAMPLES: usize = 64;
const ROWS: usize = if cfg!(debug_assertions) { 16 } else { 128 };
const ROUNDS: usize = if cfg!(debug_assertions) { 1 } else { 6 };
const POINTS: usize = 24;

/// `f` of a vector `[N, n]`, bounded with terms linear in the vector beside it.
fn never_violated(
    seed: u64,
    n: usize,
    outputs: usize,
    decades: f64,
    positive: bool,
    op: impl for<'b> Fn(Var<'b>) -> Var<'b>,
    f: impl Fn(&[f64]) -> Vec<f64>,
) {
    let graph = model(&[n], |x| beside(op(x), x));
    let mut rng = random(seed);
    let (mut cases, mut finite) = (0, 0);
    for method in [Method::Intervals, Method::CrownOverIntervals, Method::Crown] {
        let bounds = Bounds::new(&graph, method, Region::Box, ROWS);
        for _ in 0..ROUNDS {
            let (mut lower, mut upper) = (Vec::new(), Vec::new());
            for _ in 0..SAMPLES * n {
                let centre = if rng.random_bool(0.3) {
                    hostile(&mut rng, decades)
                } else {
                    rng.random_range(-2.0..2.0)
                };
                let width: f32 = if rng.random_bool(0.2) { 0.0 } else { rng.random_range(0.0..1.5) };
                let (l, u) = (centre - width, centre + width);
                let (l, u) =
                    if positive { (l.abs().min(u.abs()) + 0.1, l.abs().max(u.abs()) + 0.1) } else { (l, u) };
                lower.push(l);
                upper.push(u);
            }
            let mut spec = vec![0.0f32; SAMPLES * ROWS * (outputs + n)];
            for spec in spec.chunks_mut(outputs + n) {
                spec[rng.random_range(0..outputs)] = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
                if rng.random_bool(0.7) {
                    spec[outputs..].iter_mut().for_each(|c| *c = rng.random_range(-2.0..2.0));
                }
            }
            let [below, above] = bounds.run([&lower, &upper], &spec, None);
            for sample in 0..SAMPLES {
                let ends = |i: usize| (f64::from(lower[sample * n + i]), f64::from(upper[sample * n + i]));
                for k in 0..POINTS {
                    // Half of the points are corners.
                    let x: Vec<f64> = (0..n)
                        .map(|i| {
                            let (l, u) = ends(i);
                            let t = if k % 2 == 0 {
                                f64::from(u8::from(rng.random_bool(0.5)))
                            } else {
                                rng.random_range(0.0..=1.0)
                            };
                            if t == 1.0 { u } else { l + t * (u - l) }
                        })
                        .collect();
                    let y: Vec<f64> = f(&x).into_iter().chain(x).collect();
                    for row in sample * ROWS..(sample + 1) * ROWS {
                        let value: f64 =
                            spec[row * (outputs + n)..].iter().zip(&y).map(|(c, y)| f64::from(*c) * y).sum();
                        let size: f64 = spec[row * (outputs + n)..]
                            .iter()
                            .zip(&y)
                            .map(|(c, y)| (f64::from(*c) * y).abs())
                            .sum();
                        let (low, high) = (f64::from(below[row]), f64::from(above[row]));
                        let rounding = 1e-13 * size;
                        assert!(
                            low <= value + rounding && value - rounding <= high,
                            "{method:?}: {value} is outside of {low} and {high}"
                        );
                    }
                }
            }
            cases += below.len();
            finite += below.iter().filter(|bound| bound.is_finite()).count();
        }
    }
    println!("{cases} cases, none violated, {finite} with bounds");
    assert!(finite * 10 > cases * 9, "{finite} of {cases} have bounds");
}

fn matrix(x: Var, from: i64, rows: i64, columns: i64) -> Var {
    let shape = x.builder().ints(&[-1, rows, columns]);
    part(x, from, from + rows * columns).with("Reshape", shape)
}

fn part(x: Var, from: i64, to: i64) -> Var {
    x.slice(&[1], &[from], &[to], &[1])
}

#[test]
fn of_elements() {
    never_violated(
        1,
        8,
        4,
        4.0,
        false,
        |x| part(x, 0, 4) * part(x, 4, 8),
        |x| (0..4).map(|i| x[i] * x[i + 4]).collect(),
    );
    // Of a tensor with a part of itself, which is broadcast.
    never_violated(2, 4, 4, 4.0, false, |x| x * part(x, 1, 2), |x| x.iter().map(|v| v * x[1]).collect());
    never_violated(
        3,
        8,
        4,
        1.0,
        true,
        |x| part(x, 0, 4) / part(x, 4, 8),
        |x| (0..4).map(|i| x[i] / x[i + 4]).collect(),
    );
}

#[test]
fn of_matrices() {
    never_violated(
        11,
        12,
        4,
        3.0,
        false,
        |x| matrix(x, 0, 2, 3).with("MatMul", matrix(x, 6, 3, 2)),
        |x| {
            let entry = |i: usize, j: usize| (0..3).map(|k| x[3 * i + k] * x[6 + 2 * k + j]).sum();
            (0..4).map(|e| entry(e / 2, e % 2)).collect()
        },
    );
}

#[test]
fn of_softmax() {
    let softmax = |x: &[f64]| -> Vec<f64> {
        let most = x.iter().copied().fold(f64::MIN, f64::max);
        let e: Vec<f64> = x.iter().map(|v| (v - most).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|e| e / sum).collect()
    };
    never_violated(21, 5, 5, 1.0, false, |x| x.apply_with("Softmax", &[("axis", (-1i64).into())]), softmax);
    never_violated(
        22,
        5,
        5,
        1.0,
        false,
        |x| x.apply_with("LogSoftmax", &[("axis", 1i64.into())]),
        move |x| softmax(x).into_iter().map(f64::ln).collect(),
    );
    never_violated(23, 40, 40, 0.5, false, |x| x.apply_with("Softmax", &[("axis", 1i64.into())]), softmax);
}

/// The first and the third of four elements.
fn odd(x: Var<'_>) -> Var<'_> {
    x.builder().constant(tensor(&[4], vec![1.0, 0.0, 1.0, 0.0])).with("Greater", x.number(0.5))
}

/// By a condition that is the same for all samples: of a tensor and numbers, and of a tensor and a part of it.
#[test]
fn of_choices() {
    never_violated(
        31,
        4,
        4,
        4.0,
        false,
        |x| {
            let b = x.builder();
            let numbers = b.constant(tensor(&[4], vec![0.25, -3.0, 1e3, 0.5]));
            b.op("Where", &[Some(odd(x)), Some(x), Some(numbers)], &[])
        },
        |x| vec![x[0], -3.0, x[2], 0.5],
    );
    never_violated(
        32,
        4,
        4,
        4.0,
        false,
        |x| x.builder().op("Where", &[Some(odd(x)), Some(part(x, 1, 2)), Some(x)], &[]),
        |x| vec![x[1], x[1], x[1], x[3]],
    );
    // By one that varies.
    never_violated(
        33,
        6,
        3,
        2.0,
        false,
        |x| {
            let (a, b) = (part(x, 0, 3), part(x, 3, 6));
            x.builder().op("Where", &[Some(a.with("Less", b)), Some(a), Some(b * 2.0)], &[])
        },
        |x| (0..3).map(|i| if x[i] < x[i + 3] { x[i] } else { 2.0 * x[i + 3] }).collect(),
    );
}

/// Along the axis behind the batch.
fn running<'b>(x: Var<'b>, attributes: &[(&str, Attribute)]) -> Var<'b> {
    let axis = x.builder().constant(Tensor::scalar(1.0, DType::I64));
    x.builder().op("CumSum", &[Some(x), Some(axis)], attributes)
}

#[test]
fn of_running_sums() {
    never_violated(
        41,
        5,
        5,
        4.0,
        false,
        |x| running(x, &[]),
        |x| (0..5).map(|i| x[..=i].iter().sum()).collect(),
    );
    never_violated(
        42,
        5,
        5,
        4.0,
        false,
        |x| running(x, &[("exclusive", 1i64.into()), ("reverse", 1i64.into())]),
        |x| (0..5).map(|i| x[i + 1..].iter().sum()).collect(),
    );
}

/// The places are of the first axis; the batch is behind it.
#[test]
fn of_elements_at_places() {
    never_violated(
        51,
        6,
        3,
        4.0,
        false,
        |x| {
            let places = x.builder().ints(&[4, 0, -2]).unsqueeze(&[1]);
            x.transpose(&[1, 0]).with("GatherND", places).transpose(&[1, 0])
        },
        |x| vec![x[4], x[0], x[4]],
    );
}

/// 3 × 2
const W: [f32; 6] = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5];
const V: [f32; 2] = [3.0, -0.125];

/// Of x as 2 × 3 and constants.
fn einsum<'b>(x: Var<'b>, equation: &str, constants: &[Tensor]) -> Var<'b> {
    let mut operands = vec![Some(matrix(x, 0, 2, 3))];
    operands.extend(constants.iter().map(|constant| Some(x.builder().constant(constant.clone()))));
    x.builder().op("Einsum", &operands, &[("equation", equation.into())])
}

#[test]
fn of_named_sums() {
    let (w, v) = (tensor(&[3, 2], W.to_vec()), tensor(&[2], V.to_vec()));
    let entry = |x: &[f64], i: usize, k: usize| -> f64 {
        (0..3).map(|j| x[3 * i + j] * f64::from(W[2 * j + k])).sum()
    };
    never_violated(
        61,
        6,
        4,
        3.0,
        false,
        |x| einsum(x, "nij,jk->nik", std::slice::from_ref(&w)),
        |x| (0..4).map(|e| entry(x, e / 2, e % 2)).collect(),
    );
    // The constant has an axis of its own, along which it is summed.
    never_violated(
        62,
        6,
        2,
        3.0,
        false,
        |x| einsum(x, "nij,l->ni", std::slice::from_ref(&v)),
        |x| {
            let sum: f64 = V.iter().map(|v| f64::from(*v)).sum();
            (0..2).map(|i| (0..3).map(|j| x[3 * i + j]).sum::<f64>() * sum).collect()
        },
    );
    // Without a constant.
    never_violated(
        63,
        6,
        3,
        3.0,
        false,
        |x| einsum(x, "nij->nj", &[]),
        |x| (0..3).map(|j| x[j] + x[3 + j]).collect(),
    );
}

#[test]
fn of_norms() {
    for (seed, p) in [(71, 1i64), (72, 2)] {
        never_violated(
            seed,
            4,
            4,
            1.0,
            true,
            move |x| x.apply_with("LpNormalization", &[("axis", 1i64.into()), ("p", p.into())]),
            move |x| {
                let size: f64 = match p {
                    1 => x.iter().sum(),
                    _ => x.iter().map(|v| v * v).sum::<f64>().sqrt(),
                };
                x.iter().map(|v| v / size).collect()
            },
        );
    }
}
