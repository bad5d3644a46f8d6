use super::super::{DistanceError, ErrorPacket, LinePacket, Sampled};
use super::{Analytic, ball, linear};
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
        let found = packet.measure(&[0.0; 100], 0, 3, &[], &mut oracle).unwrap();
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
    let found = packet.measure(&[0.0; 9], 0, 0, &[], &mut oracle).unwrap();
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
    use super::super::chains::ErrorChains;
    use super::super::margins::CountedOracle;
    use super::super::proposal::{Proposal, ProposalPart};
    let [tau, mean, sigma_x, ..] = HALF_SPACE[5];
    let mut weights = vec![vec![0.0; 60]; 2];
    weights[1][4] = 1.0;
    let mut oracle = linear(weights, vec![tau, 0.0], 1.0);
    let centre = vec![0.0; 60];
    let mut asked = CountedOracle::new(&mut oracle, &centre, 0).unwrap();
    let mut axis = vec![0.0; 60];
    axis[4] = 1.0;
    let design: Vec<f64> = axis.iter().map(|x| x * (tau + 0.5)).collect();
    let mut proposal = Proposal::new(vec![ProposalPart::at(&design).unwrap()]);
    proposal.parts[0].width = 0.5;
    let mut random = crate::random::stream(3, &[], "test");
    let chains = ErrorChains::start(&mut asked, 1.0, &proposal, &mut random).unwrap().unwrap();
    let found = chains.sample(&mut asked, 1.0, &axis, 300, &mut random).unwrap();
    assert!(found.r_hat < 1.05 && found.ess > 100.0, "{} {}", found.r_hat, found.ess);
    assert!((found.mean.value - mean).abs() < 2.0 * found.mean.error(), "{:?}", found.mean);
    assert!((found.sigma_x.value - sigma_x).abs() < 2.0 * found.sigma_x.error(), "{:?}", found.sigma_x);
    assert_eq!(found.ends, [(1, 64)]);
}

/// Two plane boundaries at right angles, at the distances 6 and 6.2: the nearer holds nearly four times as much of the packet, and
/// no chain of small steps gets from one to the other. Though half of the chains start in each, they end up with the shares that
/// quadrature gives; by chance these are off by more than 0.1 in fewer than one of 10⁴ runs.
#[test]
fn chains_share_themselves_out_over_parts() {
    use super::super::chains::ErrorChains;
    use super::super::facets::facets;
    use super::super::margins::CountedOracle;
    use super::super::proposal::{Proposal, ProposalPart};
    let (near, far) = (6.0, 6.2);
    // ∫ (t − τ)² exp(−t²/2) dt from τ on, as the parts hardly overlap.
    let mass = |tau: f64| {
        let step = 1e-4;
        (0..60_000)
            .map(|i| {
                let t = tau + (f64::from(i) + 0.5) * step;
                (t - tau).powi(2) * (-t * t / 2.0).exp() * step
            })
            .sum::<f64>()
    };
    let expected = mass(near) / (mass(near) + mass(far));
    assert!(expected > 0.75, "{expected}");
    let mut weights = vec![vec![0.0; 40]; 3];
    (weights[1][4], weights[2][9]) = (1.0, 1.0);
    let mut oracle = linear(weights, vec![0.0, -near, -far], 1.0);
    let centre = vec![0.0; 40];
    let mut asked = CountedOracle::new(&mut oracle, &centre, 0).unwrap();
    let part = |place: usize, along: f64| {
        let mut design = vec![0.0; 40];
        design[place] = along;
        ProposalPart { width: 0.5, ..ProposalPart::at(&design).unwrap() }
    };
    let proposal = Proposal::new(vec![part(4, near + 0.5), part(9, far + 0.5)]);
    let mut random = crate::random::stream(5, &[], "test");
    let chains = ErrorChains::start(&mut asked, 1.0, &proposal, &mut random).unwrap().unwrap();
    let axis = proposal.parts[0].axis.clone();
    let found = chains.sample(&mut asked, 1.0, &axis, 400, &mut random).unwrap();
    let facets = facets(&proposal, &found.parts, &axis, 1.0);
    assert!((facets[0].share - expected).abs() < 0.1, "{facets:?} {expected}");
    assert!(facets[0].is_attacked() && !facets[1].is_attacked(), "{facets:?}");
    assert!((facets[0].distance - near).abs() < 0.6 && found.r_hat < 1.1, "{facets:?} {}", found.r_hat);
}

/// A design point that two searches find is one facet, of the weight of both.
#[test]
fn parts_in_one_direction_are_one_facet() {
    use super::super::facets::facets;
    use super::super::proposal::{Proposal, ProposalPart};
    let at = |design: &[f64]| ProposalPart::at(design).unwrap();
    let proposal = Proposal::new(vec![at(&[2.0, 0.0]), at(&[0.0, 3.0]), at(&[2.0, 0.1])]);
    let found = facets(&proposal, &[[1.0, 2.0], [1.0, 3.0], [2.0, 7.0]], &[1.0, 0.0], 0.5);
    let figures: Vec<[f64; 3]> = found.iter().map(|f| [f.share, f.distance, f.cosine]).collect();
    assert_eq!(figures, [[0.75, 1.5, 1.0], [0.25, 1.5, 0.0]]);
}

/// A point that is carried to another part lies there as it lay in its own, as far from the centre across both axes, and the way
/// back leads to where it was.
#[test]
fn points_are_carried_there_and_back() {
    use super::super::proposal::ProposalPart;
    let one = ProposalPart { width: 0.4, ..ProposalPart::at(&[3.0, 0.0, 1.0, 2.0]).unwrap() };
    let other = ProposalPart { width: 0.1, ..ProposalPart::at(&[-1.0, 5.0, 0.5, 0.0]).unwrap() };
    let z = [2.0, -0.7, 1.1, 2.5];
    let there = one.carried(&other, &z);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [from, to] = [dot(&one.axis, &z), dot(&other.axis, &there)];
    assert!(((from - one.along) / one.width - (to - other.along) / other.width).abs() < 1e-12);
    let across = |square: f64, along: f64| square - along * along;
    assert!((across(dot(&z, &z), from) - across(dot(&there, &there), to)).abs() < 1e-12);
    let back = other.carried(&one, &there);
    assert!(z.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-12), "{back:?}");
}

/// A point that a caller hands in is where the packet is sought, though no slope at the sample leads there: a dead unit hides a second
/// boundary, nearer than the one that the search finds.
#[test]
fn points_that_are_handed_in_are_starts() {
    let logits = |x: &[f32], gradients: &mut [Vec<f64>]| {
        let hidden = 40.0 * (f64::from(x[1]) - 0.9);
        gradients[1][0] = 1.0;
        gradients[2][1] = if hidden > 0.0 { 40.0 } else { 0.0 };
        vec![0.0, f64::from(x[0]) - 2.0, hidden.max(0.0) - 1.0]
    };
    let mut oracle = (30, Analytic { classes: 3, function: logits });
    let packet = ErrorPacket { scale: 0.1, samples: 2000, seed: 0 };
    let mut handed = vec![0.0f32; 30];
    handed[1] = 1.1;
    let without = packet.measure(&[0.0; 30], 0, 0, &[], &mut oracle).unwrap();
    let with = packet.measure(&[0.0; 30], 0, 0, &[handed], &mut oracle).unwrap();
    assert!((without.attack - 2.0).abs() < 1e-3 && without.class == 1, "{without:?}");
    assert!((with.attack - 0.925).abs() < 1e-3 && with.class == 2, "{with:?}");
    // A plane boundary at 9.25 s, about 0.32 s beyond which the mean lies.
    assert!((with.mean.value - 0.957).abs() < 0.01 && with.attacked() > 0.99, "{with:?}");
}

#[test]
fn without_errors_there_is_no_packet() {
    let mut flat = linear(vec![vec![0.0; 3], vec![0.0; 3]], vec![1.0, 0.0], 1.0);
    let packet = ErrorPacket { scale: 0.5, samples: 1000, seed: 0 };
    let error = packet.measure(&[0.0; 3], 0, 0, &[], &mut flat).unwrap_err();
    assert!(matches!(error, DistanceError::NoErrors(_)));
    assert!(error.to_string().contains("no error packet"));
}
