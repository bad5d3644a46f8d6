use super::super::{Predicted, SlopeDistances};
use super::{ball, linear};

const WEIGHTS: [[f64; 3]; 3] = [[3.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, -1.0]];

fn measured(factor: f64) -> Predicted {
    let weights = WEIGHTS.map(Vec::from).to_vec();
    let mut oracle = linear(weights, vec![1.0, 0.0, 0.5], factor);
    let distances = SlopeDistances { scale: 0.3, samples: 64, seed: 1 };
    distances.measure(&[0.2, 0.1, 0.0], 0, 0, &mut oracle).unwrap()
}

/// On a linear classifier both distances are the exact one, in every norm, whatever the factor on the logits.
#[test]
fn linear_classifiers_are_exact() {
    // m = 1.2 with the slope (3, −4, 0), and 1.1 with (3, 0, 1).
    let exact = [1.2 / 7.0, 0.24, 1.2 / 4.0];
    for factor in [1e-3, 1.0, 1e3] {
        let found = measured(factor);
        assert!((found.margin / (1.1 * factor) - 1.0).abs() < 1e-6);
        assert!(found.classes == 2 && found.all_classes);
        for ((first, packet), exact) in found.first_order.iter().zip(&found.packet).zip(exact) {
            assert!((first / exact - 1.0).abs() < 1e-6, "{found:?}");
            assert!((packet.value / exact - 1.0).abs() < 1e-6, "{found:?}");
        }
    }
}

/// The mean slope of `‖x‖` under a window around a point at distance r is known by its series for small s:
/// `∂E‖x‖ = 1 − (d − 1) s²/(2r²) + O(s⁴)`; here d = 9, so the distance 1.5 becomes `1.5/(1 − 4 s²/r²)`. The interval
/// misses the truth with probability 5 % by design; widened to three times its width, with less than 1e-5.
#[test]
fn curved_boundaries_have_the_mean_slope() {
    let mut middle = vec![0.0; 9];
    middle[0] = 2.0;
    let mut oracle = ball(middle, 0.5, false);
    let distances = SlopeDistances { scale: 0.1, samples: 256, seed: 3 };
    let found = distances.measure(&[0.0; 9], 0, 7, &mut oracle).unwrap();
    assert!((found.first_order[1] - 1.5).abs() < 1e-6);
    let (packet, exact) = (found.packet[1], 1.5 / (1.0 - 4.0 * 0.01 / 4.0));
    assert!(packet.error() < 2e-3, "{packet:?}");
    // The series' next term is below 1e-4.
    assert!((packet.value - exact).abs() < 3.0 * packet.error() + 1e-3, "{packet:?} {exact}");
    // The other side of the boundary.
    let inside = distances.measure(&[0.0; 9], 1, 7, &mut oracle).unwrap();
    assert!((inside.first_order[1] + 1.5).abs() < 1e-6 && inside.packet[1].value < -1.4);
}
