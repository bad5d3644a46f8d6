//! Strided shortcuts without weights, as one convolution.

use ndarray::ArrayD;

use super::layout::cuts;
use crate::fold::{Pass, Rewritten};
use crate::{Attribute, Node, Tensor};

/// Larger weights than these cost more than they save.
const LARGEST: usize = 1 << 18;

/// Every s-th pixel, between channels of zeros: `Slice` and `Pad`, the shortcut of a residual network
/// that doubles its channels (He et al. 2015, arXiv 1512.03385, option A). As a `Conv` of one tap per
/// channel, weight 1, it stays in the runtimes' layout for convolutions, and its adjoint is one
/// `ConvTranspose` instead of eight rearrangements. Finite elements come out as they are.
pub(super) fn shortcut(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let slice = pass.sole_producer(node.input(0)?, "Slice").filter(|_| node.op == "Pad")?.clone();
    let x = pass.ty(slice.input(0)?).filter(|ty| ty.dtype.is_float())?.clone();
    let spatial = x.shape.rank().checked_sub(2).filter(|n| (1..=2).contains(n))?;
    let (cut, padded) = (pass.shape(&slice.outputs[0])?.clone(), pass.shape(&node.outputs[0])?.clone());

    let mut strides = vec![1; spatial];
    for [start, _, axis, step] in cuts(pass, &slice, x.shape.rank())? {
        let axis = usize::try_from(axis).ok()?;
        let (from, to) = (x.shape.0.get(axis)?.known()?, cut.0.get(axis)?.known()?);
        // From the first pixel to the last.
        if axis < 2 || start != 0 || step < 1 || from.div_ceil(step as usize) != to {
            return None;
        }
        strides[axis - 2] = step;
    }
    if strides.iter().all(|&step| step == 1) {
        return None;
    }

    let zero = match node.input(2) {
        None => 0.0,
        Some(name) => pass.constant(name)?.item()?,
    };
    if zero != 0.0 || node.text("mode", "constant") != "constant" {
        return None;
    }
    let padding = crate::infer::padding(&pass.types().context(node)?, x.shape.rank()).ok()??;
    let before = usize::try_from(padding[1].0).ok().filter(|_| padding[1].1 >= 0)?;
    if padding.iter().enumerate().any(|(axis, &pads)| axis != 1 && pads != (0, 0)) {
        return None;
    }

    let (inputs, outputs) = (x.shape.0[1].known()?, padded.0[1].known()?);
    if inputs.checked_mul(outputs)? > LARGEST {
        return None;
    }
    let dims: Vec<usize> = [outputs, inputs].into_iter().chain(vec![1; spatial]).collect();
    let weights = ArrayD::from_shape_fn(dims, |i| if i[0] == i[1] + before { 1.0 } else { 0.0 });
    let weights = Tensor::from(weights).to_float_type(x.dtype);
    let weights = pass.add_constant(&format!("{}/weights", node.outputs[0]), weights);
    let attributes: [(&str, Attribute); 5] = [
        ("kernel_shape", vec![1; spatial].into()),
        ("strides", strides.into()),
        ("dilations", vec![1; spatial].into()),
        ("pads", vec![0; 2 * spatial].into()),
        ("group", 1.into()),
    ];
    Some(Rewritten::Nodes(vec![Node {
        name: node.name.clone(),
        op: "Conv".into(),
        inputs: vec![slice.inputs[0].clone(), weights],
        outputs: node.outputs.clone(),
        attributes: attributes.into_iter().map(|(name, value)| (name.into(), value)).collect(),
    }]))
}
