//! Elements kept and rearranged: the adjoints go the same way back.

use super::{Backward, Rule};
use crate::{Dim, Result, Shape};

pub(super) const RULES: &[(&str, Rule)] = &[
    ("Reshape", same_elements),
    ("Flatten", same_elements),
    ("Squeeze", same_elements),
    ("Unsqueeze", same_elements),
    ("Transpose", transpose),
    ("Concat", concat),
    ("Split", split),
    ("Expand", |b| b.give(0, b.g())), // `give` sums over what was broadcast
    ("Tile", tile),
    ("Trilu", trilu),
    ("DepthToSpace", depth_to_space),
    ("SpaceToDepth", space_to_depth),
];

/// The same elements in the same order: the adjoint in the shape of the input.
fn same_elements(b: &Backward) -> Result<()> {
    b.give(0, b.g().reshape(&b.x(0).shape()?))
}

/// Axes permuted: the adjoint permuted back. The default permutation reverses the axes.
fn transpose(b: &Backward) -> Result<()> {
    let rank = b.x(0).shape()?.rank();
    let order: Vec<usize> = match b.node.ints("perm") {
        Some(perm) => perm.iter().map(|&i| b.axis(i, rank)).collect::<Result<_>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut back = vec![0; rank];
    for (to, &from) in order.iter().enumerate() {
        back[from] = to;
    }
    b.give(0, b.g().transpose(&back))
}

/// Tensors side by side along an axis: each gets its part of the adjoint.
fn concat(b: &Backward) -> Result<()> {
    let g = b.g();
    let axis = b.axis(b.node.int("axis", 0), g.shape()?.rank())?;
    let extent = |i: usize| -> Result<Dim> { Ok(b.x(i).shape()?.0[axis]) };
    let extents: Vec<Dim> = (0..b.node.inputs.len()).map(extent).collect::<Result<_>>()?;
    if matches!(extents.first(), Some(Dim::Batch(_))) && extents.iter().all(|extent| *extent == extents[0]) {
        return concat_batches(b, axis, extents[0]);
    }
    let mut start = 0;
    for (i, extent) in extents.into_iter().enumerate() {
        let Dim::Known(extent) = extent else {
            return Err(b.node.error(
                "different numbers of samples joined along the batch axis have no gradient rule with an open batch; audits \
                 fix it",
            ));
        };
        let end = start + extent as i64;
        b.give(i, g.slice(&[axis as i64], &[start], &[end], &[1]))?;
        start = end;
    }
    Ok(())
}

/// Parts of equally many batches: their adjoints lie on an axis of their own.
fn concat_batches(b: &Backward, axis: usize, extent: Dim) -> Result<()> {
    let mut apart = b.g().shape()?;
    apart.0.splice(axis..=axis, [Dim::Known(b.node.inputs.len()), extent]);
    let (apart, axis) = (b.g().reshape(&apart), [axis as i64]);
    for i in 0..b.node.inputs.len() {
        let at = i as i64;
        b.give(i, apart.slice(&axis, &[at], &[at + 1], &[1]).squeeze(&axis))?;
    }
    Ok(())
}

/// The reverse of `Concat`: the adjoints of the parts side by side.
fn split(b: &Backward) -> Result<()> {
    let axis = b.axis(b.node.int("axis", 0), b.x(0).shape()?.rank())?;
    let parts: Vec<_> = (0..b.node.outputs.len()).map(|i| Some(b.adjoint(i))).collect();
    b.give(0, b.builder.op("Concat", &parts, &[("axis", (axis as i64).into())]))
}

/// Copies side by side: the sum of their adjoints.
fn tile(b: &Backward) -> Result<()> {
    let (from, to) = (b.x(0).shape()?, b.g().shape()?);
    // Each axis that is repeated is split into the copies, to sum over, and the extent of one copy.
    let (mut apart, mut copies) = (Vec::new(), Vec::new());
    for (&one, &all) in from.0.iter().zip(&to.0) {
        if one != all {
            copies.push(apart.len());
            apart.push(match (one, all) {
                (Dim::Known(1), repeats) => repeats,
                (Dim::Known(one), Dim::Known(all)) | (Dim::Batch(one), Dim::Batch(all)) if one > 0 => {
                    Dim::Known(all / one)
                }
                _ => return Err(b.node.error(format!("{from} repeated to {to} has no gradient rule"))),
            });
        }
        apart.push(one);
    }
    b.give(0, b.g().reshape(&Shape(apart)).reduce("ReduceSum", &copies, false))
}

/// The upper or lower triangle of matrices: that of the adjoint.
fn trilu(b: &Backward) -> Result<()> {
    let upper = b.node.int("upper", 1);
    b.give(0, b.builder.op("Trilu", &[Some(b.g()), b.optional(1)], &[("upper", upper.into())]))
}

/// Channels moved into blocks of pixels: `[N, b, b, C, H, W]` (mode `DCR`) or `[N, C, b, b, H, W]`
/// (`CRD`) becomes `[N, C, H, b, W, b]`. The way back is spelled out, as `SpaceToDepth` has no modes.
fn depth_to_space(b: &Backward) -> Result<()> {
    let (x, block) = (b.x(0).shape()?, block(b)?);
    let [n, depth, h, w] = image(b, &x)?;
    let s = Dim::Known(block);
    let channels = Dim::Known(depth.known().unwrap_or(0) / (block * block));
    let apart = b.g().reshape(&Shape(vec![n, channels, h, s, w, s]));
    let column_first = b.node.text("mode", "DCR") == "CRD";
    let order = if column_first { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    b.give(0, apart.transpose(&order).reshape(&x))
}

/// The reverse of `DepthToSpace` in its mode `DCR`.
fn space_to_depth(b: &Backward) -> Result<()> {
    let block = block(b)? as i64;
    b.give(0, b.g().apply_with("DepthToSpace", &[("blocksize", block.into()), ("mode", "DCR".into())]))
}

fn block(b: &Backward) -> Result<usize> {
    let size = b.node.int("blocksize", 0);
    usize::try_from(size)
        .ok()
        .filter(|size| (1..1 << 16).contains(size))
        .ok_or_else(|| b.node.error(format!("{size} is no block size")))
}

fn image(b: &Backward, shape: &Shape) -> Result<[Dim; 4]> {
    let dims = shape.0.as_slice().try_into();
    dims.map_err(|_| b.node.error(format!("takes images [N, C, H, W], not {shape}")))
}
