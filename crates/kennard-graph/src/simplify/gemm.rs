//! `MatMul` and a bias as `Gemm`.

use crate::Node;
use crate::fold::{Pass, Rewritten};

/// `Add(MatMul(A, B), c)` with matrices `A`, `B` and a constant row `c`.
pub(super) fn bias(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    if node.op != "Add" {
        return None;
    }
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (product, bias) = match (pass.sole_producer(a, "MatMul"), pass.sole_producer(b, "MatMul")) {
        (Some(product), _) if pass.constant(b).is_some() => (product, b),
        (_, Some(product)) if pass.constant(a).is_some() => (product, a),
        _ => return None,
    };
    let matrix = |name: &String| pass.shape(name).is_some_and(|shape| shape.rank() == 2);
    let columns = pass.shape(product.outputs.first()?)?.0.last()?.known()?;
    let row = pass.constant(bias)?.shape() == [columns];
    if !row || !product.inputs.iter().all(matrix) {
        return None;
    }
    Some(Rewritten::Nodes(vec![Node {
        name: product.name.clone(),
        op: "Gemm".into(),
        inputs: vec![product.inputs[0].clone(), product.inputs[1].clone(), bias.into()],
        outputs: node.outputs.clone(),
        ..Node::default()
    }]))
}
