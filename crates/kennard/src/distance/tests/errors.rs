use super::super::{DistanceError, ErrorPacket, LinePacket, Sampled};
use super::{ball, linear};
use std::convert::Infallible;

/// τ = r/s, then ⟨x⟩/s, σ_x/s, s σ_p and the product along the normal of a plane boundary: exact integrals, with 40
/// digits by mpmath 1.3.
const HALF_SPACE: [[f64; 5]; 8] = [
    [0.0, 1.59576912160573, 0.673439611642851, 0.866025403784439, 0.583215811597436],
    [1.0, 2.2117257812522, 0.565680872751198, 1.14146022502453, 0.645702216302655],
    [2.0, 2.94370076344871, 0.47119777394308, 1.49058726068766, 0.70236139910394],
    [3.0, 3.75701492715056, 0.394820995667116, 1.88885181932382, 0.745758355973075],
    [5.0, 5.52766783735267, 0.288491709863921, 2.76759549007633, 0.798428355143796],
    [8.0, 8.35434078132199, 0.199289638757723, 4.17835871636747, 0.832703599185055],
    [12.0, 12.243455861056, 0.13877647871739, 6.12212116697865, 0.849606417834497],
    [30.0, 30.0995599400872, 0.0573551716491272, 15.0498072928079, 0.863184280565283],
];

#[test]
fn lines_have_the_exact_figures() {
    for [tau, mean, sigma_x, sigma_p, product] in HALF_SPACE {
        let s = 0.25;
        let lead = |t: &[f64]| -> Result<_, Infallible> {
            Ok((t.iter().map(|t| 7.0 * (t - tau * s)).collect(), vec![7.0; t.len()]))
        };
        let found = LinePacket::of(tau * s, s, lead).unwrap();
        let pairs = [
            (found.mean.value / s, mean),
            (found.sigma_x.value / s, sigma_x),
            (found.sigma_p.value * s, sigma_p),
            (found.product.value, product),
        ];
        assert!(found.converged);
        for (value, exact) in pairs {
            assert!((value / exact - 1.0).abs() < 1e-10, "{tau}: {value} {exact}");
        }
    }
}

/// In full dimension by weighted samples. 32 figures, each farther than twice its interval's half-width from the truth
/// with probability 1e-4.
#[test]
fn planes_have_the_exact_figures_in_many_dimensions() {
    for [tau, mean, sigma_x, sigma_p, product] in HALF_SPACE {
        let mut weights = vec![vec![0.0; 100]; 2];
        (weights[1][0], weights[1][7]) = (30.0, 40.0);
        let s = 0.1;
        // A little off the boundary where τ is zero, so that there is a direction.
        let mut oracle = linear(weights, vec![50.0 * s * tau.max(1e-4), 0.0], 1.0);
        let packet = ErrorPacket { scale: s, samples: 4000, seed: 1 };
        let found = packet.measure(&[0.0; 100], 0, 3, None, &mut oracle).unwrap();
        assert!(found.enough && found.sampled == Sampled::Weighted, "{tau}: {found:?}");
        let figures = [
            (found.mean.scaled(1.0 / s), mean),
            (found.sigma_x.scaled(1.0 / s), sigma_x),
            (found.sigma_p.unwrap().scaled(s), sigma_p),
            (found.product.unwrap(), product),
        ];
        for (figure, exact) in figures {
            assert!((figure.value - exact).abs() < 2.0 * figure.error() + 2e-4, "{tau}: {figure:?} {exact}");
        }
        assert!((found.share() - 1.0).abs() < 1e-9, "{found:?}");
        let line = found.line.unwrap();
        assert!((line.mean.value / s - mean).abs() < 1e-3, "{tau}: {line:?}");
    }
}

/// Inside a ball of radius R, whose outside is the other class's, at the distance r from its surface, all curvatures
/// of the boundary are −1/R; outside, +1/R. As s vanishes, `σ_x → (s²/r) √(3 + ½ (d − 1)(κr/(1 + κr))²)` and
/// `σ_p → r/(2s²)`: with κ = 1/2, r = 1, d = 9 the root is √(3 + 4/9). At s = r/30 the next order is about 1 %.
#[test]
fn spheres_have_the_figures_of_their_curvature() {
    let mut middle = vec![0.0; 9];
    middle[0] = 3.0;
    let mut oracle = ball(middle, 2.0, false);
    let s = 1.0 / 30.0;
    let packet = ErrorPacket { scale: s, samples: 20_000, seed: 2 };
    let found = packet.measure(&[0.0; 9], 0, 0, None, &mut oracle).unwrap();
    let expected = s * s * (3.0 + 0.5 * 8.0 * (0.5f64 / 1.5).powi(2)).sqrt();
    assert!(found.enough);
    let near = |figure: crate::Figure, value: f64| {
        (figure.value / value - 1.0).abs() < 0.02 + 2.0 * figure.error() / value
    };
    assert!(near(found.sigma_x, expected), "{found:?} {expected}");
    assert!(near(found.sigma_p.unwrap(), 1.0 / (2.0 * s * s)), "{found:?}");
    assert!(near(found.mean, 1.0), "{found:?}");
}

/// Chains alone have the figures of a plane as well: ⟨x⟩ and σ_x within twice their intervals, with probability 1e-4
/// each of missing.
#[test]
fn chains_have_the_exact_figures() {
    use super::super::chains::Chains;
    use super::super::margins::Asked;
    use super::super::proposal::{Part, Proposal};
    let [tau, mean, sigma_x, ..] = HALF_SPACE[5];
    let mut weights = vec![vec![0.0; 60]; 2];
    weights[1][4] = 1.0;
    let mut oracle = linear(weights, vec![tau, 0.0], 1.0);
    let centre = vec![0.0; 60];
    let mut asked = Asked::new(&mut oracle, &centre, 0).unwrap();
    let mut axis = vec![0.0; 60];
    axis[4] = 1.0;
    let design: Vec<f64> = axis.iter().map(|x| x * (tau + 0.5)).collect();
    let mut proposal = Proposal::new(vec![Part::at(&design).unwrap()]);
    proposal.parts[0].width = 0.5;
    let mut random = crate::random::stream(3, &[], "test");
    let chains = Chains::start(&mut asked, 1.0, &proposal, &mut random).unwrap().unwrap();
    let found = chains.sample(&mut asked, 1.0, &axis, 300, &mut random).unwrap();
    assert!(found.r_hat < 1.05 && found.ess > 100.0, "{} {}", found.r_hat, found.ess);
    assert!((found.mean.value - mean).abs() < 2.0 * found.mean.error(), "{:?}", found.mean);
    assert!((found.sigma_x.value - sigma_x).abs() < 2.0 * found.sigma_x.error(), "{:?}", found.sigma_x);
    assert_eq!(found.ends, [(1, 64)]);
}

#[test]
fn without_errors_there_is_no_packet() {
    let mut flat = linear(vec![vec![0.0; 3], vec![0.0; 3]], vec![1.0, 0.0], 1.0);
    let packet = ErrorPacket { scale: 0.5, samples: 1000, seed: 0 };
    let error = packet.measure(&[0.0; 3], 0, 0, None, &mut flat).unwrap_err();
    assert!(matches!(error, DistanceError::NoErrors(_)));
    assert!(error.to_string().contains("no error packet"));
}
