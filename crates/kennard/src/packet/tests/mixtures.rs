//! The packets on data: the mixture of windows, and the data points themselves.

use super::*;
use crate::packet::{DataFigures, DataPacket, Effort, Empirical};

fn measure_data<F: Fn(&[f32], &mut [f64]) -> f64>(
    packet: DataPacket,
    centres: &[Vec<f32>],
    oracle: &mut Analytic<F>,
) -> DataFigures {
    let centres: Vec<&[f32]> = centres.iter().map(Vec::as_slice).collect();
    packet.measure_until(&Effort::exactly(packet.samples), &centres, 0, oracle).unwrap()
}

/// In one dimension, by the trapezoid rule on ψ and differences of it.
fn truth(f: impl Fn(f64) -> f64, centres: &[f64], scale: f64) -> (f64, f64) {
    const STEP: f64 = 1e-3;
    let psi = |x: f64| {
        let density: f64 = centres.iter().map(|c| (-((x - c) / scale).powi(2) / 2.0).exp()).sum();
        f(x).exp() * density.sqrt()
    };
    let nodes: Vec<(f64, f64)> =
        (-20_000..=20_000).map(|i| f64::from(i) * STEP).map(|x| (x, psi(x))).collect();
    let norm: f64 = nodes.iter().map(|(_, psi)| psi * psi).sum();
    let mean = |of: &dyn Fn(f64) -> f64| nodes.iter().map(|(x, psi)| of(*x) * psi * psi).sum::<f64>() / norm;
    let centre = mean(&|x| x);
    let momentum: f64 = nodes.windows(2).map(|pair| (pair[1].1 - pair[0].1).powi(2)).sum();
    (mean(&|x| (x - centre).powi(2)).sqrt(), (momentum / (STEP * STEP * norm)).sqrt())
}

#[test]
fn a_mixture_agrees_with_quadrature() {
    let bend = bend(1.0);
    let spread: Vec<f64> = (0..40).map(|j| 8.0 * (f64::from(j) * 0.618).fract() - 4.0).collect();
    // The second has more components than are kept, and some is lost.
    for (case, centres, scale) in
        [("five", vec![-1.5, -1.0, 0.2, 0.3, 2.0], 0.5), ("forty", spread, 0.1), ("one", vec![0.7], 1.0)]
    {
        let (sigma_x, sigma_p) = truth(|x| bend(0, x).0, &centres, scale);
        let points: Vec<Vec<f32>> = centres.iter().map(|c| vec![*c as f32]).collect();
        let packet = DataPacket { scale, samples: 40_000, seed: 1 };
        let found = measure_data(packet, &points, &mut separable(bend));
        let spreads = &found.spreads;
        assert_agrees(&format!("{case}, σ_x"), spreads.sigma_x, sigma_x);
        assert_agrees(&format!("{case}, σ_p"), spreads.sigma_p, sigma_p);
        let product = sigma_x * sigma_p;
        assert_agrees(&format!("{case}, product"), spreads.product, product);
        assert!(product >= 0.5 - 1e-6, "{case}: {product}");
        assert!(found.valid(), "{case}: {found:?}");
        assert_eq!((found.components, found.kept), (centres.len(), centres.len().min(16)), "{case}");
        assert!(found.lost < 1e-4, "{case}: {}", found.lost);
    }
}

/// What is left out is noticed: 100 components within one width.
#[test]
fn what_is_lost_is_said() {
    let points: Vec<Vec<f32>> = (0..100).map(|j| vec![j as f32 / 100.0]).collect();
    let packet = DataPacket { scale: 1.0, samples: 4000, seed: 1 };
    let found = measure_data(packet, &points, &mut separable(bend(1.0)));
    assert!(found.lost > 0.5 && !found.valid(), "{}", found.lost);
    assert_eq!((found.components, found.kept), (100, 16));
    // Of several labels both are summed: of a few components none are said to be left out.
    let few = measure_data(packet, &points[..5], &mut separable(bend(1.0)));
    let counted = |packets: &[DataFigures]| {
        let mean = DataFigures::average(packets).unwrap();
        (mean.components, mean.kept)
    };
    assert_eq!(counted(&[few.clone(), few.clone()]), (10, 10));
    assert_eq!(counted(&[few, found]), (105, 21));
}

#[test]
fn a_wrong_gradient_is_seen() {
    let points: Vec<Vec<f32>> = (0..50).map(|j| vec![(j as f32 * 0.37).sin(); 30]).collect();
    let packet = DataPacket { scale: 0.3, samples: 20_000, seed: 1 };
    let found = |factor: f64| {
        let right = bend(0.5);
        let wrong = move |i: usize, x: f64| (right(i, x).0, factor * right(i, x).1);
        measure_data(packet, &points, &mut separable(wrong))
    };
    assert!(found(1.0).valid(), "{:?}", found(1.0));
    for factor in [-1.0, 0.0, 0.5, 2.0] {
        assert!(!found(factor).valid(), "{factor}");
    }
}

/// `J_j = l_j/√(mean l²)`, `Δ_j = ∇J(x_j)`: `σ_p² = mean Δ² − (mean J Δ)²`, from their definitions.
#[test]
fn the_empirical_packet_is_the_papers() {
    let f = bend(1.0);
    let points: Vec<f64> = (0..400).map(|j| 3.0 * (f64::from(j) * 1.7).sin()).collect();
    let mut packet = Empirical::new(1);
    for chunk in points.chunks(64) {
        let chunk: Vec<f32> = chunk.iter().map(|x| *x as f32).collect();
        packet.push(&chunk, 0, &mut separable(f)).unwrap();
    }
    let found = packet.finish::<Infallible>().unwrap();

    let n = points.len() as f64;
    let losses: Vec<f64> = points.iter().map(|x| f(0, *x).0.exp()).collect();
    let norm = (losses.iter().map(|l| l * l).sum::<f64>() / n).sqrt();
    let j: Vec<f64> = losses.iter().map(|l| l / norm).collect();
    let delta: Vec<f64> = points.iter().zip(&j).map(|(x, j)| j * f(0, *x).1).collect();
    let mean = |of: &dyn Fn(usize) -> f64| (0..points.len()).map(of).sum::<f64>() / n;
    let variance_p = mean(&|i| delta[i] * delta[i]) - mean(&|i| j[i] * delta[i]).powi(2);
    let variance_x =
        mean(&|i| j[i] * j[i] * points[i] * points[i]) - mean(&|i| j[i] * j[i] * points[i]).powi(2);
    // All points are here: nothing is corrected. Points and gradients are of single precision.
    let spreads = &found.spreads;
    for (name, value, exact) in [
        ("σ_p", spreads.sigma_p.value, variance_p.sqrt()),
        ("σ_x", spreads.sigma_x.value, variance_x.sqrt()),
        ("product", spreads.product.value, (variance_x * variance_p).sqrt()),
        ("σ_p map", spreads.sigma_p_map[0], variance_p.sqrt()),
        ("σ_x map", spreads.sigma_x_map[0], variance_x.sqrt()),
        ("mean product", spreads.product_mean, (variance_x * variance_p).sqrt()),
    ] {
        assert!((value / exact - 1.0).abs() < 1e-6, "{name}: {value}, not {exact}");
    }
    assert_eq!(spreads.sigma_p.interval, [spreads.sigma_p.value; 2]);
}

/// By hand: `l = 1, 2` at `x = 0, 1` with `∂l = 3, 1`. Weights ⅕, ⅘; `Var(x) = 4/25`; `g = 3, ½`, so
/// `E[g] = 1`, `E[g²] = 2`, `Var(g) = 1`.
#[test]
fn two_points_are_a_population() {
    let losses = |point: &[f32], slope: &mut [f64]| {
        slope[0] = if point[0] == 0.0 { 3.0 } else { 0.5 };
        if point[0] == 0.0 { 0.0 } else { 2f64.ln() }
    };
    let mut packet = Empirical::new(1);
    packet.push(&[0.0, 1.0], 0, &mut analytic(losses)).unwrap();
    let spreads = packet.finish::<Infallible>().unwrap().spreads;
    assert!((spreads.sigma_x.value - 0.4).abs() < 1e-6, "{}", spreads.sigma_x.value);
    assert!((spreads.sigma_p.value - 1.0).abs() < 1e-6, "{}", spreads.sigma_p.value);
    assert!((spreads.product.value - 0.4).abs() < 1e-6 && (spreads.ess - 25.0 / 17.0).abs() < 1e-6);
    assert!(!spreads.enough_samples);

    let none = Empirical::new(1).finish::<Infallible>();
    assert!(none.unwrap_err().to_string().contains("no data point"));
}

/// A point where the network is not finite is left out, counted, and the packet is not to be trusted.
#[test]
fn points_that_are_not_finite_are_left_out() {
    let log = |point: &[f32], slope: &mut [f64]| {
        slope[0] = 1.0 / f64::from(point[0]);
        f64::from(point[0]).ln()
    };
    let points: Vec<f32> = (1..=2000).map(|j| 1.0 + (j as f32).sin() / 2.0).collect();
    let whole = |points: &[f32]| {
        let mut packet = Empirical::new(1);
        points.chunks(64).for_each(|chunk| packet.push(chunk, 0, &mut analytic(log)).unwrap());
        packet.finish::<Infallible>().unwrap()
    };
    let without = whole(&points);
    assert!(without.valid() && without.left_out == 0);
    let mut spoilt = points;
    spoilt.insert(700, -1.0);
    spoilt.push(f32::NAN);
    let with = whole(&spoilt);
    assert_eq!((with.left_out, with.valid()), (2, false));
    assert_eq!(with.spreads, without.spreads);
}

/// A far lobe of the components, behind a region where the loss is flat: `ln l` rises from −60 at 0.4 with a slope of 100.
#[test]
fn a_missed_lobe_is_said() {
    let lobe = |i: usize, x: f64| {
        if i == 0 && x > 0.4 {
            ((100.0 * x - 40.0).min(61.0) - 60.0, if x < 1.01 { 100.0 } else { 0.0 })
        } else {
            (-60.0 * f64::from(u8::from(i == 0)), 0.0)
        }
    };
    for dimension in [2, 30] {
        let points = vec![vec![0.0; dimension], vec![0.01; dimension]];
        let packet = DataPacket { scale: 0.1, samples: 2000, seed: 1 };
        let found = measure_data(packet, &points, &mut separable(lobe));
        assert!(!found.reached && !found.valid(), "d = {dimension}: {found:?}");
    }
    let points = vec![vec![0.0], vec![0.5]];
    let found =
        measure_data(DataPacket { scale: 0.3, samples: 4000, seed: 1 }, &points, &mut separable(bend(1.0)));
    assert!(found.reached && found.valid(), "{found:?}");
}
