//! Packets whose spreads are known in closed form, and the inequality on networks.

mod networks;

use std::convert::Infallible;
use std::f64::consts::PI;

use super::{Coordinate, Domain, Integral, Quadrature, QuadratureError, Wave};

const EXACT: Quadrature = Quadrature { tolerance: 1e-12, max_order: 256 };
/// What known answers must be met to.
const TOLERANCE: f64 = 1e-10;

/// `f` by its exponent, value and gradient at a point.
fn measure(domain: &Domain, f: impl Fn(&[f64]) -> (f64, f64, Vec<f64>)) -> Integral {
    let d = match domain {
        Domain::Box(sides) => sides.len(),
        Domain::Window { centre, .. } => centre.len(),
    };
    let wave = |points: &[f64]| {
        let mut wave = Wave::default();
        for point in points.chunks_exact(d) {
            let (exponent, value, gradient) = f(point);
            wave.exponent.push(exponent);
            wave.value.push(value);
            wave.gradient.extend(gradient);
        }
        Ok::<_, Infallible>(wave)
    };
    EXACT.measure(domain, wave).unwrap()
}

fn unit_box(d: usize) -> Domain {
    Domain::Box(vec![[0.0, 1.0]; d])
}

fn window(centre: &[f64], scale: f64) -> Domain {
    Domain::Window { centre: centre.to_vec(), scale }
}

fn near(what: &str, found: f64, expected: f64) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error < TOLERANCE, "{what}: {found} instead of {expected}, off by {error:.1e}");
}

/// Integral as expected, Stein's identity, the bound, and an error estimate that covers the error.
fn check(spreads: &Integral, i: usize, sigma_x: f64, sigma_p: f64, boundary: f64) {
    let c = &spreads.coordinates[i];
    near("σ_x", c.sigma_x, sigma_x);
    near("σ_p", c.sigma_p, sigma_p);
    near("product", c.product(), sigma_x * sigma_p);
    near("B", c.boundary, boundary);
    near("bound", c.bound(), 0.5 * (1.0 - boundary).abs());
    near("Stein's identity", c.discrepancy(), 0.0);
    assert!(c.product() >= c.bound() - TOLERANCE, "{c:?}");
    let within = |figure: fn(&Coordinate) -> f64, truth: f64| {
        let found = spreads.figure(i, figure);
        let (value, error) = (found.value, found.error());
        assert!(
            (value - truth).abs() <= error + 1e-12 * truth.abs().max(1.0),
            "{value} ± {error}, not {truth}"
        );
    };
    within(|c| c.sigma_x, sigma_x);
    within(|c| c.sigma_p, sigma_p);
    within(|c| c.boundary, boundary);
}

/// ψ = √N(0, s²): ψ² has standard deviation s, and g = −x/(2s²) has s/(2s²) = 1/(2s).
#[test]
fn a_gaussian_meets_its_bound() {
    for (d, s) in [(1, 1.0), (1, 0.01), (2, 3.0), (3, 0.5)] {
        let spreads = measure(&window(&vec![0.7; d], s), |x| (0.0, 1.0, vec![0.0; x.len()]));
        for i in 0..d {
            check(&spreads, i, s, 0.5 / s, 0.0);
            near("mean", spreads.coordinates[i].mean, 0.7);
            near("Var(h)", spreads.coordinates[i].roughness * s * s, 0.0);
        }
    }
}

/// ψ_n = H_n(x) exp(−x²/2), which is H_n under the window of s = 1/√2. By the ladder operators
/// x = (a + a†)/√2 and p = (a − a†)/(i√2), ⟨x⟩ = ⟨p⟩ = 0 and ⟨x²⟩ = ⟨p²⟩ = n + ½. H_n changes its
/// sign n times; H_n' = 2n H_{n−1}.
#[test]
fn oscillator_states_have_products_of_n_and_a_half() {
    fn hermite(n: usize, x: f64) -> f64 {
        match n {
            0 => 1.0,
            1 => 2.0 * x,
            n => 2.0 * x * hermite(n - 1, x) - 2.0 * (n - 1) as f64 * hermite(n - 2, x),
        }
    }
    for n in 0..7 {
        let slope = |x| if n == 0 { 0.0 } else { 2.0 * n as f64 * hermite(n - 1, x) };
        let spreads = measure(&window(&[0.0], 0.5f64.sqrt()), |x| (0.0, hermite(n, x[0]), vec![slope(x[0])]));
        let spread = (n as f64 + 0.5).sqrt();
        check(&spreads, 0, spread, spread, 0.0);
    }
}

/// ψ_n = √2 sin(nπx): E[x] = ½ by symmetry, E[x²] = ∫ x² (1 − cos 2nπx) dx = 1/3 − 1/(2n²π²),
/// so Var(x) = 1/12 − 1/(2n²π²). E[g] = ∫ ψψ' = 0, E[g²] = ∫ ψ'² = n²π². The product's square is
/// n²π²/12 − ½ = ¼ (n²π²/3 − 2), and 0.5679 for n = 1. ψ vanishes at the faces: B = 0.
#[test]
fn box_states_have_no_boundary_term() {
    let state = |n: f64, x: f64| ((n * PI * x).sin(), n * PI * (n * PI * x).cos());
    let sigma_x = |n: f64| (1.0 / 12.0 - 0.5 / (n * PI).powi(2)).sqrt();
    for n in [1.0, 2.0, 3.0, 7.0] {
        let spreads = measure(&unit_box(1), |x| {
            let (value, slope) = state(n, x[0]);
            (0.0, value, vec![slope])
        });
        check(&spreads, 0, sigma_x(n), n * PI, 0.0);
        near("table", spreads.coordinates[0].product(), 0.5 * (n * n * PI * PI / 3.0 - 2.0).sqrt());
    }
    let spreads = measure(&unit_box(2), |x| {
        let ((u, du), (v, dv)) = (state(1.0, x[0]), state(2.0, x[1]));
        (0.0, u * v, vec![du * v, u * dv])
    });
    check(&spreads, 0, sigma_x(1.0), PI, 0.0);
    check(&spreads, 1, sigma_x(2.0), 2.0 * PI, 0.0);
    assert!((spreads.coordinates[0].product() - 0.5679).abs() < 5e-5);
}

/// ψ² ∝ exp(2aᵀx − ‖x − x₀‖²/(2s²)): completing the square, a Gaussian of width s around
/// x₀ + 2s²a. h = a, so drift is 2s‖a‖ and Var(h) = 0. The largest displacement here is 12 widths.
#[test]
fn an_exponential_loss_displaces_the_packet() {
    for (centre, a, s) in [
        (vec![0.3], vec![5.0], 0.1),
        (vec![0.0], vec![60.0], 0.1),
        (vec![0.3, -1.0], vec![2.0, -3.0], 0.5),
        (vec![0.0, 0.5, 1.0], vec![1.0, -2.0, 0.5], 0.25),
    ] {
        let dot = |x: &[f64]| x.iter().zip(&a).map(|(x, a)| a * x).sum();
        let spreads = measure(&window(&centre, s), |x| (dot(x), 1.0, a.clone()));
        for i in 0..centre.len() {
            check(&spreads, i, s, 0.5 / s, 0.0);
            let c = spreads.coordinates[i];
            near("mean", c.mean, centre[i] + 2.0 * s * s * a[i]);
            near("slope", c.slope, a[i]);
            near("s² Var(h)", s * s * c.roughness, 0.0);
        }
    }
}

/// ψ² ∝ exp(−Σ A_i x_i² − ‖x‖²/(2s²)): a Gaussian of variance (1/s² + 2A_i)⁻¹ in coordinate i, and
/// g = −(A_i + 1/(2s²)) x. h = −A_i x.
#[test]
fn a_quadratic_loss_squeezes_the_packet() {
    let (a, s) = ([4.0, -0.2], 0.7);
    let spreads = measure(&window(&[0.0, 0.0], s), |x| {
        (-0.5 * (a[0] * x[0] * x[0] + a[1] * x[1] * x[1]), 1.0, vec![-a[0] * x[0], -a[1] * x[1]])
    });
    for (i, a) in a.into_iter().enumerate() {
        let precision = 1.0 / (s * s) + 2.0 * a;
        check(&spreads, i, precision.powf(-0.5), 0.5 * precision.sqrt(), 0.0);
        near("Var(h)", spreads.coordinates[i].roughness, a * a / precision);
    }
}

/// ψ² ∝ exp(−2b x y − (x² + y²)/(2s²)): a Gaussian of precision P = [[1/s², 2b], [2b, 1/s²]].
/// Var(x_i) = (P⁻¹)_ii = s⁻²/(s⁻⁴ − 4b²), g = −½ P x, Var(g_i) = ¼ P_ii = 1/(4s²). Per coordinate
/// the correlation lifts the product over ½, by 1/√(1 − 4b²s⁴).
#[test]
fn a_correlated_packet_exceeds_its_bound_per_coordinate() {
    let (b, s) = (0.8f64, 0.7f64);
    let spreads = measure(&window(&[0.0, 0.0], s), |x| (-b * x[0] * x[1], 1.0, vec![-b * x[1], -b * x[0]]));
    let lift = 1.0 / (1.0 - 4.0 * b * b * s.powi(4)).sqrt();
    for i in 0..2 {
        check(&spreads, i, s * lift, 0.5 / s, 0.0);
    }
}

/// ψ = 1 on [0,1]: Var(x) = 1/12, g = 0, B = ½·1 + ½·1 = 1: the bound is 0, and ½ would be wrong.
#[test]
fn a_constant_has_bound_zero() {
    for d in 1..=3 {
        let spreads = measure(&unit_box(d), |x| (-700.0, 1.0, vec![0.0; x.len()]));
        for i in 0..d {
            check(&spreads, i, (1.0f64 / 12.0).sqrt(), 0.0, 1.0);
        }
        near("ln ∫ f²", spreads.log_norm, -1400.0);
    }
}

/// ψ² = 3x² on [0,1]: E[x] = ¾, E[x²] = 3/5, Var(x) = 3/5 − 9/16 = 3/80. g = 1/x: E[g] = 3/2,
/// E[g²] = 3, Var(g) = ¾. E[x g] = 1, Cov = 1 − 9/8 = −⅛. Only the face x = 1 counts:
/// B = (1 − ¾)·3 = ¾, and −½ (1 − B) = −⅛. The product is √(9/320) = 0.16771. On the logarithm, as
/// networks come, g is singular at the corner that has no weight.
#[test]
fn a_linear_loss_has_its_own_bound() {
    let (sigma_x, sigma_p) = ((3.0f64 / 80.0).sqrt(), 0.75f64.sqrt());
    for spreads in [
        measure(&unit_box(1), |x| (0.0, x[0], vec![1.0])),
        measure(&unit_box(1), |x| (x[0].ln(), 1.0, vec![1.0 / x[0]])),
    ] {
        check(&spreads, 0, sigma_x, sigma_p, 0.75);
        near("table", spreads.coordinates[0].product(), (9.0f64 / 320.0).sqrt());
        near("mean", spreads.coordinates[0].mean, 0.75);
        near("covariance", spreads.coordinates[0].covariance, -0.125);
        near("ln ∫ f²", spreads.log_norm, -(3.0f64.ln()));
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    let flat = |points: &[f64]| {
        let n = points.len();
        Ok::<_, Infallible>(Wave { exponent: vec![0.0; n], value: vec![1.0; n], gradient: vec![0.0; n] })
    };
    let refused = |domain: &Domain, says: &str| {
        let message = EXACT.measure(domain, flat).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    };
    refused(&Domain::Box(vec![]), "1 to 3 dimensions");
    refused(&Domain::Box(vec![[0.0, 1.0]; 4]), "sample it");
    refused(&Domain::Box(vec![[1.0, 0.0]]), "the lower first");
    refused(&window(&[0.0], 0.0), "positive");
    refused(&window(&[0.0], f64::NAN), "positive");
    refused(&window(&[f64::INFINITY], 1.0), "finite");
    let with = |exponent: f64, value: f64| {
        move |points: &[f64]| {
            let n = points.len();
            let wave = Wave { exponent: vec![exponent; n], value: vec![value; n], gradient: vec![0.0; n] };
            Ok::<_, Infallible>(wave)
        }
    };
    let none = EXACT.measure(&unit_box(1), with(f64::NEG_INFINITY, 1.0));
    assert!(matches!(none, Err(QuadratureError::NoWeight)));
    let zero = EXACT.measure(&unit_box(1), with(0.0, 0.0));
    assert!(matches!(zero, Err(QuadratureError::NoWeight)));
    let nan = EXACT.measure(&unit_box(1), with(0.0, f64::NAN));
    assert!(matches!(nan, Err(QuadratureError::NotFinite(_))));
    // exp(x²) beats the window: no packet.
    let growing = |points: &[f64]| {
        let gradient = points.iter().map(|x| 2.0 * x).collect();
        let wave = Wave {
            exponent: points.iter().map(|x| x * x).collect(),
            value: vec![1.0; points.len()],
            gradient,
        };
        Ok::<_, Infallible>(wave)
    };
    let wide = EXACT.measure(&window(&[0.0], 1.0), growing);
    assert!(matches!(wide, Err(QuadratureError::TooWide(_))), "{wide:?}");
}

/// `l = softplus(−60 + relu(100 x − 40))` under a window of width 0.1: nearly all of the packet is ten widths from the centre,
/// behind a region where it is nothing. Its mean by the trapezoid rule.
#[test]
fn a_far_part_of_a_window_is_found() {
    let log = |x: f64| {
        let u: f64 = -60.0 + (100.0 * x - 40.0).max(0.0);
        let loss = u.exp().ln_1p().max(u);
        (loss.ln(), if x > 0.4 { 100.0 / (1.0 + (-u).exp()) / loss } else { 0.0 })
    };
    let nodes: Vec<f64> = (0..40_000).map(|i| f64::from(i) * 1e-4 - 1.0).collect();
    let weight = |x: f64| (2.0 * log(x).0 - x * x / 0.02).exp();
    let norm: f64 = nodes.iter().map(|x| weight(*x)).sum();
    let mean = nodes.iter().map(|x| x * weight(*x)).sum::<f64>() / norm;
    assert!((mean / 0.1 - 10.16).abs() < 0.01, "{mean}");
    let domain = Domain::Window { centre: vec![0.0], scale: 0.1 };
    let found = Quadrature { tolerance: 1e-5, max_order: 4096 }
        .measure(&domain, |points| -> Result<Wave, std::convert::Infallible> {
            let logs: Vec<(f64, f64)> = points.iter().map(|x| log(*x)).collect();
            let exponent = logs.iter().map(|(log, _)| *log).collect();
            let gradient = logs.iter().map(|(_, slope)| *slope).collect();
            Ok(Wave { exponent, value: vec![1.0; points.len()], gradient })
        })
        .unwrap();
    assert!((found.coordinates[0].mean - mean).abs() < 1e-4, "{} {mean}", found.coordinates[0].mean);
}
