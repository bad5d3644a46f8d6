//! Functions of one number against dense sampling in double precision: `±f(x) + c·x` for many c, so that the lines are met
//! everywhere and not at their ends alone.

use kennard_graph::{Attribute, Method, Region, Var};
use rand::RngExt;

use crate::subject::{Bounds, beside, hostile, model, random};

const ELEMENTS: usize = 32;
const SAMPLES: usize = 64;
const ROWS: usize = if cfg!(debug_assertions) { 32 } else { 256 };
const ROUNDS: usize = if cfg!(debug_assertions) { 1 } else { 4 };
const POINTS: usize = 24;

/// Erf by its series and continued fraction (Abramowitz & Stegun 7.1.6 and 7.1.14).
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..200 {
            term *= 2.0 * a * a / (2 * n + 1) as f64;
            sum += term;
        }
        return (2.0 / std::f64::consts::PI.sqrt() * (-a * a).exp() * sum).copysign(x);
    }
    let mut fraction = 0.0;
    for n in (1..60).rev() {
        fraction = n as f64 / 2.0 / (a + fraction);
    }
    (1.0 - (-a * a).exp() / std::f64::consts::PI.sqrt() / (a + fraction)).copysign(x)
}

/// No bound may be inside what is sampled. Intervals are of all sizes, within `[low, high]`.
fn never_violated(
    seed: u64,
    [low, high]: [f64; 2],
    op: impl for<'b> Fn(Var<'b>) -> Var<'b>,
    f: impl Fn(f64) -> f64,
) {
    let graph = model(&[ELEMENTS], |x| beside(op(x), x));
    let mut rng = random(seed);
    let mut finite = 0;
    let mut cases = 0;
    for method in [Method::Intervals, Method::CrownOverIntervals] {
        let bounds = Bounds::new(&graph, method, Region::Box, ROWS);
        for _ in 0..ROUNDS {
            let (mut lower, mut upper) = (Vec::new(), Vec::new());
            for _ in 0..SAMPLES * ELEMENTS {
                let decades = 6.0;
                let centre = match rng.random_range(0..4) {
                    0 => f64::from(hostile(&mut rng, decades)),
                    1 => rng.random_range(-1.0..1.0),
                    _ => rng.random_range(-6.0..6.0),
                };
                let width = match rng.random_range(0..8) {
                    0 => 0.0,
                    1 => f64::from(hostile(&mut rng, decades)).abs(),
                    _ => rng.random_range(0.0..4.0),
                };
                let l = (centre - width).clamp(low, high) as f32;
                lower.push(l);
                upper.push(((centre + width).clamp(low, high) as f32).max(l));
            }
            let mut spec = vec![0.0f32; SAMPLES * ROWS * 2 * ELEMENTS];
            let mut chosen = Vec::new();
            for (row, spec) in spec.chunks_mut(2 * ELEMENTS).enumerate() {
                let (sample, i) = (row / ROWS, rng.random_range(0..ELEMENTS));
                let (l, u) =
                    (f64::from(lower[sample * ELEMENTS + i]), f64::from(upper[sample * ELEMENTS + i]));
                let at = rng.random_range(0.0..=1.0);
                let x = l + at * (u - l);
                let slope = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
                let chord = if u > l { (f(u) - f(l)) / (u - l) } else { 0.0 };
                let c = match rng.random_range(0..4) {
                    0 => 0.0,
                    1 => -slope,
                    2 => -chord,
                    _ => -slope * rng.random_range(0.0..2.0),
                };
                let c = if c.is_finite() && c.abs() < 1e6 { c as f32 } else { 0.0 };
                let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
                (spec[i], spec[ELEMENTS + i]) = (sign, c * sign);
                chosen.push((i, f64::from(sign), f64::from(c * sign)));
            }
            let [below, above] = bounds.run([&lower, &upper], &spec, None);
            for (row, (i, sign, c)) in chosen.into_iter().enumerate() {
                let at = row / ROWS * ELEMENTS + i;
                let (l, u) = (f64::from(lower[at]), f64::from(upper[at]));
                finite += usize::from(below[row].is_finite());
                cases += 1;
                for k in 0..=POINTS {
                    let x = if k == POINTS {
                        0f64.clamp(l, u)
                    } else {
                        l + (u - l) * k as f64 / (POINTS - 1) as f64
                    };
                    let y = sign * f(x) + c * x;
                    let (low, high) = (f64::from(below[row]), f64::from(above[row]));
                    assert!(
                        low <= y && y <= high,
                        "{method:?}: {sign}·f(x) + {c}·x is {y} at {x} in [{l}, {u}], bounds {low} and {high}"
                    );
                }
            }
        }
    }
    println!("{cases} cases, none violated, {finite} with bounds");
    assert!(finite * 2 > cases, "{finite} of {cases} have bounds");
}

fn apply(op: &'static str) -> impl for<'b> Fn(Var<'b>) -> Var<'b> {
    move |x| x.apply(op)
}

fn with(op: &'static str, attributes: Vec<(&'static str, Attribute)>) -> impl for<'b> Fn(Var<'b>) -> Var<'b> {
    move |x| x.apply_with(op, &attributes)
}

const ALL: [f64; 2] = [-1e6, 1e6];

#[test]
fn of_piecewise_linear_functions() {
    never_violated(1, ALL, apply("Relu"), |x| x.max(0.0));
    never_violated(2, ALL, apply("Abs"), f64::abs);
    let alpha = 0.3f32;
    never_violated(3, ALL, with("LeakyRelu", vec![("alpha", alpha.into())]), move |x| {
        if x > 0.0 { x } else { f64::from(alpha) * x }
    });
    never_violated(
        4,
        ALL,
        |x| x.builder().op("Clip", &[Some(x), Some(x.number(-0.5)), Some(x.number(2.0))], &[]),
        |x| x.clamp(-0.5, 2.0),
    );
    never_violated(5, ALL, apply("HardSigmoid"), |x| (f64::from(0.2f32) * x + 0.5).clamp(0.0, 1.0));
    never_violated(6, ALL, |x| x.with("Max", x * 2.0 - 1.0), |x| x.max(2.0 * x - 1.0));
}

#[test]
fn of_steps() {
    let step = |holds: bool| f64::from(u8::from(holds));
    never_violated(51, ALL, |x| x.above(0.5), move |x| step(x > 0.5));
    never_violated(52, ALL, |x| x.below(-1.0), move |x| step(x < -1.0));
    never_violated(
        53,
        ALL,
        |x| x.with("GreaterOrEqual", x.number(0.25)).cast_like(x) * x,
        move |x| step(x >= 0.25) * x,
    );
    never_violated(
        54,
        ALL,
        |x| x.with("LessOrEqual", x * 2.0 + 1.0).cast_like(x),
        move |x| step(x <= 2.0 * x + 1.0),
    );
    never_violated(55, ALL, |x| x.with("Equal", x.number(0.0)).cast_like(x), move |x| step(x == 0.0));
    let (alpha, lambd, bias) = (0.3f32, 0.75f32, 0.5f32);
    never_violated(56, ALL, with("ThresholdedRelu", vec![("alpha", alpha.into())]), move |x| {
        step(x > f64::from(alpha)) * x
    });
    never_violated(57, ALL, with("ThresholdedRelu", vec![("alpha", (-1.0f32).into())]), move |x| {
        step(x > -1.0) * x
    });
    never_violated(58, ALL, with("Shrink", vec![("lambd", lambd.into()), ("bias", bias.into())]), move |x| {
        if x.abs() > f64::from(lambd) { x - f64::from(bias).copysign(x) } else { 0.0 }
    });
    never_violated(
        59,
        ALL,
        |x| {
            let condition = x.with("Greater", x.number(1.0));
            x.builder().op("Where", &[Some(condition), Some(x * 0.5), Some(x.number(-0.25))], &[])
        },
        |x| if x > 1.0 { 0.5 * x } else { -0.25 },
    );
}

/// What lies between finite numbers is one.
#[test]
fn of_tests_for_numbers() {
    fn imputed(x: Var<'_>) -> Var<'_> {
        let missing = x.apply("IsNaN");
        x.builder().op("Where", &[Some(missing), Some(x.number(7.0)), Some(x)], &[])
    }
    never_violated(46, ALL, imputed, |x| x);
    never_violated(47, ALL, |x| x.apply("IsInf").cast_like(x) + x * 2.0, |x| 2.0 * x);
}

#[test]
fn of_s_shaped_functions() {
    never_violated(11, ALL, apply("Sigmoid"), |x| 1.0 / (1.0 + (-x).exp()));
    never_violated(12, ALL, apply("Tanh"), f64::tanh);
    never_violated(13, ALL, apply("Erf"), erf);
    never_violated(14, ALL, apply("Softsign"), |x| x / (1.0 + x.abs()));
    never_violated(15, ALL, apply("Atan"), f64::atan);
}

#[test]
fn of_convex_and_concave_functions() {
    never_violated(21, [-80.0, 60.0], apply("Exp"), f64::exp);
    never_violated(22, ALL, apply("Softplus"), |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
    never_violated(23, ALL, apply("Elu"), |x| if x > 0.0 { x } else { x.exp_m1() });
    never_violated(24, [1e-4, 1e6], apply("Log"), f64::ln);
    never_violated(25, [0.0, 1e6], apply("Sqrt"), f64::sqrt);
    never_violated(26, [1e-3, 1e6], apply("Reciprocal"), f64::recip);
    never_violated(27, [-1e6, -1e-3], apply("Reciprocal"), f64::recip);
    never_violated(28, [-1e6, 1e6], |x| x * x, |x| x * x);
    for (seed, p, from) in [
        (29, 2.0, -1e3),
        (30, 4.0, -1e2),
        (31, 3.0, 1e-2),
        (32, -0.5, 1e-2),
        (33, 0.75, 1e-2),
        (34, 3.0, -1e3),
        (35, 5.0, -1e2),
    ] {
        never_violated(seed, [from, 1e3], move |x| x.with("Pow", x.number(p)), move |x| x.powf(p));
    }
}

#[test]
fn of_other_functions() {
    never_violated(41, ALL, apply("Gelu"), |x| x * (1.0 + erf(x / 2f64.sqrt())) / 2.0);
    let root = (2.0 / std::f64::consts::PI).sqrt();
    never_violated(42, ALL, with("Gelu", vec![("approximate", "tanh".into())]), move |x| {
        x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh()) / 2.0
    });
    never_violated(43, [-1e3, 1e3], apply("Sin"), f64::sin);
    never_violated(44, [-1e3, 1e3], apply("Cos"), f64::cos);
    never_violated(45, ALL, apply("HardSwish"), |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0));
    never_violated(46, [-50.0, 50.0], apply("Mish"), |x| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh());
}
