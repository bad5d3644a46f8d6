use super::*;

#[test]
fn halves_are_disjoint_and_all() {
    let (fitted, others) = halves(Selection::First(11), 3, 100);
    assert_eq!((fitted.len(), others.len()), (5, 6));
    let mut all = [fitted.clone(), others].concat();
    all.sort_unstable();
    assert_eq!(all, (0..11).collect::<Vec<_>>());
    assert_ne!(fitted, halves(Selection::First(11), 4, 100).0);
}

/// By hand: logits (ln 3, 0) give ¾ and ¼; at T = ½ nine tenths and one.
#[test]
fn probabilities_by_hand() {
    let logits = [3f32.ln(), 0.0];
    let p = |t: f64| log_probabilities(&logits, 0, t).unwrap()[0].exp();
    assert!((p(1.0) - 0.75).abs() < 1e-7 && (p(0.5) - 0.9).abs() < 1e-7);
    let infinite = [f32::INFINITY, 0.0];
    assert!(log_probabilities(&infinite, 1, 1.0).is_none());
    let masked = [f32::NEG_INFINITY, 0.0];
    assert!(log_probabilities(&masked, 0, 1.0).is_none());
    assert_eq!(log_probabilities(&masked, 1, 1.0).unwrap()[1], 0.0);
    assert!(log_probabilities(&[f32::NAN, 0.0], 1, 1.0).is_none());
}
