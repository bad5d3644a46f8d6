//! What bounds assume of runtimes' elementary functions, on all runtimes there are: `crates/kennard-graph/src/bound/relax/functions.rs`
//! has the numbers, ARCHITECTURE.md says what rests on them.

use crate::common::runtimes;
use kennard::Graph;
use kennard::runtime::{Input, Runtime};
use kennard_graph::{Builder, DType, Dim, TensorType};
use statrs::function::erf::erf;

/// By how much a function may be off: by this share of the result and this much. Results below the normal range are charged
/// for besides.
struct Assumed {
    op: &'static str,
    exact: fn(f64) -> f64,
    share: f64,
    much: f64,
    /// Where it is looked at.
    range: [f64; 2],
}

const SHARE: f64 = 4e-6;
const MUCH: f64 = 1e-6;
const ROUNDED: f64 = 2.0 / (1u64 << 24) as f64;
const TINY: f64 = 1e-37;

#[rustfmt::skip]
const ASSUMED: [Assumed; 14] = [
    Assumed { op: "Exp", exact: f64::exp, share: SHARE, much: 0.0, range: [-100.0, 69.0] },
    Assumed { op: "Tanh", exact: f64::tanh, share: 0.0, much: MUCH, range: [-20.0, 20.0] },
    Assumed { op: "Erf", exact: erf, share: 0.0, much: MUCH, range: [-8.0, 8.0] },
    Assumed { op: "Atan", exact: f64::atan, share: SHARE, much: MUCH, range: [-1e3, 1e3] },
    Assumed { op: "Log", exact: f64::ln, share: SHARE, much: MUCH, range: [1e-6, 1e4] },
    Assumed { op: "Sin", exact: f64::sin, share: SHARE, much: MUCH, range: [-1e2, 1e2] },
    Assumed { op: "Cos", exact: f64::cos, share: SHARE, much: MUCH, range: [-1e2, 1e2] },
    Assumed { op: "Sqrt", exact: f64::sqrt, share: ROUNDED, much: 0.0, range: [0.0, 1e4] },
    Assumed { op: "Reciprocal", exact: f64::recip, share: ROUNDED, much: 0.0, range: [1e-3, 1e3] },
    // To a constant power; 64 is the largest that bounds take.
    Assumed { op: "Pow 64", exact: |x| x.powf(64.0), share: 1e-5, much: 0.0, range: [0.5, 2.0] },
    Assumed { op: "Pow 2.5", exact: |x| x.powf(2.5), share: 1e-5, much: 0.0, range: [1e-3, 1e3] },
    Assumed { op: "Pow -1.25", exact: |x| x.powf(-1.25), share: 1e-5, much: 0.0, range: [1e-3, 1e3] },
    // The slope of Softplus, as bounds compute it. `Sigmoid` itself is not as exact far below 0.
    Assumed { op: "Logistic", exact: |x| 1.0 / (1.0 + (-x).exp()), share: 1e-4, much: 0.0, range: [-60.0, 60.0] },
    Assumed { op: "Softplus", exact: |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), share: SHARE, much: 5.0 * MUCH, range: [-60.0, 60.0] },
];

const POINTS: usize = 100_000;

fn graph(op: &str) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(POINTS)]));
    let y = match op {
        // As bounds compute it.
        "Softplus" => x.apply("Relu") + (1.0 + (-x.apply("Abs")).apply("Exp")).apply("Log"),
        "Logistic" => {
            let e = (-x.apply("Abs")).apply("Exp");
            let one = x.number(1.0).expand_like(x);
            let above = x.with("Greater", x.number(0.0));
            builder.op("Where", &[Some(above), Some(one), Some(e)], &[]) / (1.0 + e)
        }
        op => match op.strip_prefix("Pow ") {
            Some(power) => x.with("Pow", x.number(power.parse().unwrap())),
            None => x.apply(op),
        },
    };
    builder.output("y", y);
    builder.finish().unwrap().with_batch(1)
}

/// Points evenly over a range, and as many that come close to the number in it that is nearest to 0, factor by factor.
fn points([low, high]: [f64; 2]) -> Vec<f32> {
    let half = POINTS / 2;
    let even = (0..half).map(|i| low + (high - low) * i as f64 / (half - 1) as f64);
    let near = (0..half).map(|i| {
        let size = high * (1e-6f64).powf(i as f64 / (half - 1) as f64);
        if low < 0.0 && i % 2 == 1 { (-size).max(low) } else { size.max(low) }
    });
    even.chain(near).map(|x| x as f32).collect()
}

/// The largest error of a function, in units of what is assumed.
fn worst(assumed: &Assumed, runtime: &Runtime) -> (f64, f32) {
    let mut session = runtime.compile_as_given(&graph(assumed.op), &runtime.threads(1)).unwrap();
    let (points, mut outputs) = (points(assumed.range), Vec::new());
    session.run(&[Input::F32(&points)], &mut outputs).unwrap();
    let errors = points.iter().zip(&outputs[0]).map(|(&x, &y)| {
        let exact = (assumed.exact)(f64::from(x));
        let allowed = assumed.share * exact.abs() + assumed.much + TINY;
        ((f64::from(y) - exact).abs() / allowed, x)
    });
    errors.fold((0.0, 0.0), |most, next| if next.0 > most.0 { next } else { most })
}

#[test]
fn runtimes_are_as_exact_as_bounds_assume() {
    for runtime in runtimes() {
        for assumed in &ASSUMED {
            let (error, at) = worst(assumed, &runtime);
            println!("{} on {}: {error:.3} of what is assumed, at {at}", assumed.op, runtime.name());
            assert!(
                error <= 1.0,
                "{} on {}: {error} of what is assumed, at {at}",
                assumed.op,
                runtime.name()
            );
        }
    }
}
