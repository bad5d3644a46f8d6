//! Matrix products.

use kennard_graph::Node;

use super::array::Array;
use super::{Element, Sum};

/// `Σ (a − a₀)(b − b₀)` over the last axis of `a` and the last but one of `b`.
pub fn matmul(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    let (a, b) = (input(0)?, input(1)?);
    // Vectors gain an axis and lose it.
    if a.shape.len() < 2 || b.shape.len() < 2 {
        return None;
    }
    let (stack, place) = at.split_at(at.len().checked_sub(2)?);
    let zero = |i: usize| if node.op == "MatMulInteger" { input(i).map(|z| z.data) } else { None };
    let (a0, b0) = match (zero(2), zero(3)) {
        (a0, b0) if [a0, b0].iter().flatten().all(|z| z.len() == 1) => {
            (a0.map_or(0.0, |z| z[0]), b0.map_or(0.0, |z| z[0]))
        }
        _ => return None,
    };
    let mut sum = Sum::default();
    for k in 0..*a.shape.last()? {
        let left = a.broadcast(&[stack, &[place[0], k]].concat());
        let right = b.broadcast(&[stack, &[k, place[1]]].concat());
        sum.add((left - a0) * (right - b0));
    }
    Some(sum.element())
}

/// `α·Σ a·b + β·c`, each factor stored transposed or not.
pub fn gemm(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    let (a, b) = (input(0)?, input(1)?);
    let &[row, column] = at else { return None };
    let (ta, tb) = (node.int("transA", 0) != 0, node.int("transB", 0) != 0);
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let mut sum = Sum::default();
    sum.add(input(2).map_or(0.0, |c| beta * c.broadcast(at)));
    for k in 0..a.shape[usize::from(!ta)] {
        let left = a.at(&if ta { [k, row] } else { [row, k] });
        let right = b.at(&if tb { [column, k] } else { [k, column] });
        sum.add(alpha * left * right);
    }
    Some(sum.element())
}
