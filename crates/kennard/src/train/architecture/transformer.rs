use kennard_graph::{Dim, Shape, Var};

use super::layers::{Layers, Size, extent};
use crate::Result;

/// The side of a patch, in pixels.
pub const PATCH: usize = 4;
/// Heads of attention in each layer.
pub const HEADS: usize = 4;
/// The deviation of all weights but the first layer's.
const SMALL: Size = Size::Fixed(0.02);

pub fn transformer<'b>(
    layers: &Layers<'b>,
    image: Var<'b>,
    depth: usize,
    width: usize,
    classes: usize,
) -> Result<Var<'b>> {
    let patches = layers.conv("patches", image, width, PATCH, PATCH, 0)?;
    let length = extent(patches, 2)? * extent(patches, 3)?;
    let flat = patches.reshape(&shape(&[width, length]));
    let mut x = flat.transpose(&[0, 2, 1]) + layers.normal("positions", &[length, width], 0.02);
    for layer in 1..=depth {
        let name = format!("layer{layer}");
        x = x + attention(layers, &name, normalized(layers, &format!("{name}.norm1"), x)?, length, width)?;
        let y = normalized(layers, &format!("{name}.norm2"), x)?;
        let y = layers.project(&format!("{name}.widen"), y, 2 * width, SMALL)?.apply("Gelu");
        x = x + layers.project(&format!("{name}.narrow"), y, width, SMALL)?;
    }
    let mean = normalized(layers, "norm", x)?.reduce("ReduceMean", &[1], false);
    layers.dense("logits", mean, classes, SMALL)
}

/// `softmax(Q·Kᵀ/√h)·V` in each head, of dimension h, and projected.
fn attention<'b>(
    layers: &Layers<'b>,
    name: &str,
    x: Var<'b>,
    length: usize,
    width: usize,
) -> Result<Var<'b>> {
    let each = width / HEADS;
    let heads = |part: &str, order: &[usize]| -> Result<Var<'b>> {
        let y = layers.project(&format!("{name}.{part}"), x, width, SMALL)?;
        Ok(y.reshape(&shape(&[length, HEADS, each])).transpose(order))
    };
    let (q, k, v) =
        (heads("query", &[0, 2, 1, 3])?, heads("key", &[0, 2, 3, 1])?, heads("value", &[0, 2, 1, 3])?);
    let weights = (q.with("MatMul", k) * (each as f64).sqrt().recip())
        .apply_with("Softmax", &[("axis", (-1i64).into())]);
    let mixed = weights.with("MatMul", v).transpose(&[0, 2, 1, 3]).reshape(&shape(&[length, width]));
    layers.project(&format!("{name}.mix"), mixed, width, SMALL)
}

fn normalized<'b>(layers: &Layers<'b>, name: &str, x: Var<'b>) -> Result<Var<'b>> {
    let width = [extent(x, 2)?];
    let scale = layers.constant(&format!("{name}.weight"), &width, 1.0);
    let bias = layers.constant(&format!("{name}.bias"), &width, 0.0);
    let attributes = [("axis", (-1i64).into()), ("epsilon", 1e-5f32.into())];
    Ok(layers.builder().op("LayerNormalization", &[Some(x), Some(scale), Some(bias)], &attributes))
}

fn shape(dims: &[usize]) -> Shape {
    Shape([Dim::BATCH].into_iter().chain(dims.iter().map(|&n| Dim::Known(n))).collect())
}
