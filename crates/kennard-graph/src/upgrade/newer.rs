//! What came after [`OPSET`](crate::OPSET), written in what there was before.

use super::{UpgradeStep, replace, set_input};
use crate::builder::Call;
use crate::types::stored_type;
use crate::{Builder, DType, Node, Result, Shape};

#[rustfmt::skip]
pub(super) const NEWER: &[(&str, i64, UpgradeStep)] = &[
    ("BitCast", 26, unknown),
    ("CausalConvWithState", 27, unknown),
    ("Celu", 28, celu),
    ("CumProd", 26, unknown),
    ("DequantizeLinear", 23, dequantize),
    ("LinearAttention", 27, unknown),
    ("QuantizeLinear", 23, quantize),
    ("RMSNormalization", 23, rms_normalization),
    ("Range", 27, range),
    ("RotaryEmbedding", 23, unknown),
    ("SpaceToDepth", 28, space_to_depth),
    ("SwiGLU", 28, swiglu),
    ("Swish", 24, swish),
    ("TensorScatter", 24, unknown),
];

fn unknown(node: Node, _: &Builder) -> Result<Option<Node>> {
    Err(node.error(
        "Kennard does not know this operator; export the model with opset 21 or older, which spells it out",
    ))
}

/// Since 28, the elements may be of any float type.
fn celu(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    if c.x(0).ty()?.dtype == DType::F32 {
        return Ok(Some(node));
    }
    let alpha = node.float("alpha", 1.0);
    replace(&node, (c.x(0) / alpha).apply("Elu") * alpha)
}

/// `x · sigmoid(α x)`
fn swish(node: Node, b: &Builder) -> Result<Option<Node>> {
    let x = Call { node: &node, builder: b }.x(0);
    replace(&node, x * (x * node.float("alpha", 1.0)).apply("Sigmoid"))
}

/// `a · sigmoid(α a) · b`
fn swiglu(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let (gate, value) = (c.x(0), c.x(1));
    replace(&node, gate * (gate * node.float("alpha", 1.0)).apply("Sigmoid") * value)
}

/// `x / √(mean(x²) + ε) · scale`, the mean over all axes from `axis` on (Zhang & Sennrich 2019, arXiv
/// 1910.07467). `stash_type = 1` asks for single precision up to the product.
fn rms_normalization(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let x = c.x(0);
    let ty = x.ty()?;
    let axis = c.axis(node.int("axis", -1), ty.shape.rank())?;
    let single = node.int("stash_type", 1) == 1 && ty.dtype == DType::F16;
    let wide = if single { x.cast(DType::F32) } else { x };
    let axes: Vec<usize> = (axis..ty.shape.rank()).collect();
    let square = (wide * wide).reduce("ReduceMean", &axes, true) + node.float("epsilon", 1e-5);
    let normalized = wide / square.apply("Sqrt");
    replace(&node, if single { normalized.cast(ty.dtype) } else { normalized } * c.x(1))
}

/// Since 27, sums in half precision may be accumulated in single precision; Kennard holds no type
/// for which that matters.
fn range(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    node.attributes.remove("stash_type");
    Ok(Some(node))
}

/// Since 28, the channels of a block may come before the block's positions.
fn space_to_depth(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    if node.text("mode", "DCR") == "DCR" {
        node.attributes.remove("mode");
        return Ok(Some(node));
    }
    let x = Call { node: &node, builder: b }.x(0);
    let shape = x.shape()?;
    let block = usize::try_from(node.int("blocksize", 0)).unwrap_or(0);
    let [n, c, h, w] = shape.0[..] else { return Err(node.error("its input should have four axes")) };
    let (Some(c), Some(h), Some(w)) = (c.known(), h.known(), w.known()) else {
        return Err(node.error("the extents of its input are not known"));
    };
    if block == 0 || h % block != 0 || w % block != 0 {
        return Err(node.error(format!("an image of {h} × {w} cannot be cut into blocks of {block}")));
    }
    let fixed = |dims: &[usize]| Shape([vec![n], Shape::fixed(dims).0].concat());
    let blocks = x.reshape(&fixed(&[c, h / block, block, w / block, block])).transpose(&[0, 1, 3, 5, 2, 4]);
    replace(&node, blocks.reshape(&fixed(&[c * block * block, h / block, w / block])))
}

/// Since 23, the result may have another type than the scale.
fn dequantize(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let code = node.int("output_dtype", 0);
    node.attributes.remove("output_dtype");
    if code == 0 {
        return Ok(Some(node));
    }
    let to = stored_type(code).ok_or_else(|| node.error("its output_dtype is no type that Kennard holds"))?;
    let wide = b.unused(&node.outputs[0]);
    let result = std::mem::replace(&mut node.outputs[0], wide.clone());
    b.push(node);
    b.push(Node {
        op: "Cast".into(),
        inputs: vec![wide],
        outputs: vec![result],
        attributes: [("to".to_string(), to.code().into())].into(),
        ..Node::default()
    });
    Ok(None)
}

/// Since 23, input and scale may differ in type, and `precision` names the type of the division.
fn quantize(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let (x, scale) = (c.x(0), c.x(1));
    let precision = match node.int("precision", 0) {
        0 => scale.ty()?.dtype,
        code => {
            stored_type(code).ok_or_else(|| node.error("its precision is of no type that Kennard holds"))?
        }
    };
    node.attributes.remove("precision");
    for (i, var) in [x, scale].into_iter().enumerate() {
        if var.ty()?.dtype != precision {
            set_input(&mut node, i, var.cast(precision));
        }
    }
    Ok(Some(node))
}
