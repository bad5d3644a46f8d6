use std::collections::HashSet;

use crate::{Dim, Graph, GraphError, Result, Tensor, infer};

/// The graph with a free batch, where its file fixes the batch at 1. For a batch of 1 it is the same: the extent 1 in a target
/// shape becomes 0, which keeps the extent that is there.
///
/// # Errors
/// When the batch is fixed at another number, or cannot be opened.
pub(super) fn opened(graph: &Graph) -> Result<Graph> {
    let input = graph.single_input()?;
    let first = input.ty.shape.0.first().copied();
    if first == Some(Dim::BATCH) && input.ty.shape.0.iter().skip(1).all(|d| d.known().is_some()) {
        return Ok(graph.clone());
    }
    let refused = || {
        GraphError::Shape(format!(
            "the input `{}` {} has no free batch; export the model with a free batch to bound it",
            input.name, input.ty
        ))
    };
    if first != Some(Dim::Known(1)) || input.ty.shape.known().is_none() {
        return Err(refused());
    }
    let mut open = graph.clone();
    open.inputs[0].ty.shape.0[0] = Dim::BATCH;
    let mut shared: HashSet<String> = HashSet::new();
    for node in open.nodes.iter_mut().filter(|node| node.op == "Reshape" && node.int("allowzero", 0) == 0) {
        let Some(target) = node.input(1).and_then(|name| graph.constants.get(name)) else { continue };
        let Some(mut extents) = target.to_ints().filter(|v| v.first() == Some(&1)) else { continue };
        let of_sample = node.input(0).is_some_and(|name| !graph.constants.contains_key(name));
        if of_sample {
            extents[0] = 0;
            let name = format!("{}/open", node.inputs[1]);
            if shared.insert(name.clone()) && open.constants.contains_key(&name) {
                return Err(refused());
            }
            open.constants.insert(name.clone(), Tensor::ints(&extents));
            node.inputs[1] = name;
        }
    }
    // What the batch is must be known everywhere, the output included.
    let types = infer(&open).map_err(|_| refused())?;
    let output = types.get(&graph.single_output()?.name).ok_or_else(refused)?;
    if output.shape.0.first() != Some(&Dim::BATCH) {
        return Err(refused());
    }
    open.outputs[0].ty = output.clone();
    Ok(open)
}
