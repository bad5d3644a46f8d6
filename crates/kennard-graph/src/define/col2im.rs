//! Columns of blocks added up to an image.

use ndarray::{ArrayD, IxDyn};

use super::Definition;
use crate::builder::Call;
use crate::infer::list;
use crate::{Dim, Result, Shape, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[("Col2Im", image)];

/// The most elements of the blocks of a transposed convolution.
const LARGEST: usize = 1 << 24;

/// A transposed convolution of one channel after another: element p of a column goes to place p of its block.
fn image<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, wanted) = (c.x(0), c.inferred()?.shape);
    let (Some(extents), Some(block)) = (c.x(1).as_ints(), c.x(2).as_ints()) else {
        return Err(c.node.error("the extents of its image and blocks are not known"));
    };
    let rank = extents.len();
    let strides = list(c.node, "strides", rank, 1, 1)?;
    let dilations = list(c.node, "dilations", rank, 1, 1)?;
    let mut pads = list(c.node, "pads", 2 * rank, 0, 0)?;
    let volume: usize = block.iter().map(|&k| k as usize).product();
    if volume.saturating_mul(volume) > LARGEST {
        return Err(c.node.error(format!("blocks of {volume} elements are too large")));
    }
    let images = match (x.shape()?.0.first(), wanted.0.get(1)) {
        (Some(Dim::Known(n)), Some(Dim::Known(channels))) => Dim::Known(n * channels),
        (Some(Dim::Batch(n)), Some(Dim::Known(channels))) => Dim::Batch(n * channels),
        _ => return Err(c.node.error("its channels are not known")),
    };
    let mut stacked = vec![images, Dim::Known(volume)];
    let mut margin = vec![0; 2 * (rank + 2)];
    for i in 0..rank {
        let span = (block[i] - 1).saturating_mul(dilations[i]);
        let whole = extents[i].saturating_add(pads[i]).saturating_add(pads[i + rank]);
        let Some(room) = whole.checked_sub(span.saturating_add(1)).filter(|room| *room >= 0) else {
            return Err(c.node.error("its blocks are larger than the image"));
        };
        stacked.push(Dim::Known((room / strides[i] + 1) as usize));
        // What no block reaches is 0.
        let rest = room % strides[i];
        margin[rank + 4 + i] = (rest - pads[i + rank]).max(0);
        pads[i + rank] = (pads[i + rank] - rest).max(0);
    }
    let blocks: Option<usize> = stacked[2..].iter().map(|dim| dim.known()).product();
    let columns = x.shape()?.0.get(2).and_then(|dim| dim.known());
    if let (Some(columns), Some(blocks)) = (columns, blocks)
        && columns != blocks
    {
        return Err(c.node.error(format!("it has {columns} columns for the {blocks} blocks of its image")));
    }
    let places: Vec<usize> = [volume, 1].into_iter().chain(block.iter().map(|&k| k as usize)).collect();
    let units = (0..volume * volume).map(|i| if i / volume == i % volume { 1.0f32 } else { 0.0 }).collect();
    let units = ArrayD::from_shape_vec(IxDyn(&places), units).map_err(|e| c.node.error(e.to_string()))?;
    let attributes = [
        ("dilations", dilations.into()),
        ("kernel_shape", block.into()),
        ("pads", pads.into()),
        ("strides", strides.into()),
    ];
    let units = c.builder.constant(units.into()).cast_like(x);
    let y = c.builder.op("ConvTranspose", &[Some(x.reshape(&Shape(stacked))), Some(units)], &attributes);
    let whole = match margin.iter().any(|&rest| rest > 0) {
        true => y.with("Pad", c.builder.ints(&margin)),
        false => y,
    };
    Ok(whole.reshape(&wanted))
}
