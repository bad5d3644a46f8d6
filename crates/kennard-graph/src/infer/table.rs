//! Operators of other domains that stay in a graph.

use super::{Context, Inferred, ShapeRule, one};
use crate::blocks::BLOCKS;
use crate::machine::{MACHINE, extents};
use crate::{DType, Dim, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[(BLOCKS, product_of_blocks), (MACHINE, machine)];

/// `A·Wᵀ` with N rows in W.
fn product_of_blocks(c: &Context) -> Inferred {
    let (x, rows) = (c.input(0)?, usize::try_from(c.node.int("N", 0)));
    let (Some((_, others)), Ok(rows)) = (x.shape.0.split_last(), rows) else { return Ok(None) };
    one(x.dtype, Shape(others.iter().copied().chain([Dim::Known(rows)]).collect()))
}

/// The label and the scores of a machine with vectors; of others they are not known. (Labels that are texts count
/// as numbers: no tensor holds texts, and nothing reads them.)
fn machine(c: &Context) -> Inferred {
    let (x, Some([columns, width])) = (c.shape(0)?, extents(c.node)) else { return Ok(None) };
    let &[samples, features] = x.0.as_slice() else { return Ok(None) };
    if features.known().is_some_and(|features| features != width) {
        return c.fail(format!("its vectors have {width} features, and its data {x} others"));
    }
    Ok(Some(vec![
        TensorType::new(DType::I64, Shape(vec![samples])),
        TensorType::new(DType::F32, Shape(vec![samples, Dim::Known(columns)])),
    ]))
}
