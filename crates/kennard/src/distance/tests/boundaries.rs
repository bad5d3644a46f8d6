use super::super::{DistanceError, crossings, crossings_in};
use super::{ball, linear};
use crate::Norm;

/// The boundary of a linear classifier is as far as `m_j/‖w_y − w_j‖` says, and both points are on its two sides.
#[test]
fn planes_are_crossed_at_their_distance() {
    let weights = vec![vec![3.0, 0.0, 0.0], vec![0.0, 4.0, 0.0], vec![0.0, 0.0, -1.0]];
    let mut oracle = linear(weights, vec![1.0, 0.0, 0.5], 1.0);
    let found = crossings(&[0.2, 0.1, 0.0], 0, &mut oracle).unwrap();
    // m_1 = 1.6 − 0.4 over 5; m_2 = 1.6 − 0.5 over √10.
    let expected = [(1, 0.24), (2, 1.1 / 10f64.sqrt())];
    assert_eq!(found.len(), 2);
    for (crossing, (class, distance)) in found.iter().zip(expected) {
        assert_eq!(crossing.class, class);
        assert!((crossing.distance / distance - 1.0).abs() < 1e-4, "{crossing:?}");
    }
}

/// In the other norms the dual norm of the weights divides.
#[test]
fn planes_are_crossed_in_every_norm() {
    let mut oracle = linear(vec![vec![3.0, 0.0, 0.0], vec![0.0, 4.0, 0.0]], vec![1.0, 0.0], 1.0);
    for (norm, distance) in [(Norm::Linf, 1.2 / 7.0), (Norm::L2, 0.24), (Norm::L1, 0.3)] {
        let found = crossings_in(norm, &[0.2, 0.1, 0.0], 0, &mut oracle).unwrap();
        assert!((found[0].distance / distance - 1.0).abs() < 1e-4, "{norm}: {found:?}");
    }
}

/// A ball that is the other class's is nearest along the line to its middle; from inside it, the label's side is.
#[test]
fn balls_are_crossed_from_outside_and_from_inside() {
    let mut middle = vec![0.0; 20];
    middle[3] = 2.0;
    for (inside, r, expected) in [(false, 0.5, 1.5), (true, 2.5, 0.5)] {
        let mut oracle = ball(middle.clone(), r, inside);
        let found = crossings(&[0.0; 20], 0, &mut oracle).unwrap();
        assert!((found[0].distance / expected - 1.0).abs() < 1e-4, "{:?}", found[0].distance);
        // Misclassified from the start: the same boundary from the other side.
        let from_inside = crossings(&[0.0; 20], 1, &mut oracle).unwrap();
        assert!((from_inside[0].distance / expected - 1.0).abs() < 1e-4);
        assert!(from_inside[0].near.iter().zip(&found[0].across).all(|(a, b)| (a - b).abs() < 2e-4));
    }
}

#[test]
fn what_has_no_boundary_is_told() {
    let mut one = linear(vec![vec![1.0]], vec![0.0], 1.0);
    assert!(matches!(crossings(&[0.0], 0, &mut one), Err(DistanceError::OneClass(1))));
    let mut two = linear(vec![vec![1.0], vec![2.0]], vec![0.0, 0.0], 1.0);
    assert!(matches!(crossings(&[0.0], 2, &mut two), Err(DistanceError::Label { .. })));
    assert!(matches!(crossings(&[f32::NAN], 0, &mut two), Err(DistanceError::Centre)));
    // Without a slope there is nothing to follow.
    let mut flat = linear(vec![vec![0.0], vec![0.0]], vec![1.0, 0.0], 1.0);
    assert_eq!(crossings(&[0.0], 0, &mut flat).unwrap(), []);
    let mut broken = linear(vec![vec![1.0], vec![f64::NAN]], vec![0.0, 0.0], 1.0);
    assert!(matches!(crossings(&[0.0], 0, &mut broken), Err(DistanceError::NotANumber)));
}
