//! Product Gauss–Legendre rules.

use std::num::NonZeroUsize;

use gauss_quad::GaussLegendre;

/// This many points are evaluated at once.
const CHUNK: usize = 4096;

/// The nodes and weights of one coordinate.
#[derive(Clone)]
pub(super) struct Axis {
    nodes: Vec<f64>,
    weights: Vec<f64>,
}

impl Axis {
    /// The rule of `order` points on every side of a box.
    pub fn all(sides: &[[f64; 2]], order: usize) -> Vec<Axis> {
        let rule = GaussLegendre::new(NonZeroUsize::new(order).unwrap_or(NonZeroUsize::MIN));
        let axis = |[low, high]: &[f64; 2]| {
            let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
            let nodes = rule.nodes().map(|t| middle + half * t).collect();
            let weights = rule.weights().map(|w| half * w).collect();
            Axis { nodes, weights }
        };
        sides.iter().map(axis).collect()
    }

    /// One point of weight 1, for the face of a box.
    pub fn point(x: f64) -> Axis {
        Axis { nodes: vec![x], weights: vec![1.0] }
    }
}

/// All points of the product rule (n×d, the first coordinate fastest) with their weights (n), in
/// pieces.
pub(super) fn chunks(axes: &[Axis]) -> impl Iterator<Item = (Vec<f64>, Vec<f64>)> {
    let total: usize = axes.iter().map(|axis| axis.nodes.len()).product();
    (0..total).step_by(CHUNK).map(move |start| {
        let count = CHUNK.min(total - start);
        let (mut points, mut weights) = (Vec::with_capacity(count * axes.len()), Vec::with_capacity(count));
        for place in start..start + count {
            let (mut rest, mut weight) = (place, 1.0);
            for axis in axes {
                let i = rest % axis.nodes.len();
                rest /= axis.nodes.len();
                points.push(axis.nodes[i]);
                weight *= axis.weights[i];
            }
            weights.push(weight);
        }
        (points, weights)
    })
}
