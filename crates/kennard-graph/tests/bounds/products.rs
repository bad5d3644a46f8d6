//! Products and quotients of two tensors that vary, and softmax, against sampling in double precision.

use kennard_graph::{Method, Region, Var};
use rand::RngExt;

use crate::subject::{Bounds, beside, hostile, model, random};

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
