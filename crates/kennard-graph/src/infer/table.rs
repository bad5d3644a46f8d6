//! Operators of tables (`ai.onnx.ml`).

use super::{Context, Inferred, ShapeRule};
use crate::machine::{MACHINE, extents};
use crate::{DType, Dim, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[(MACHINE, machine)];

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
