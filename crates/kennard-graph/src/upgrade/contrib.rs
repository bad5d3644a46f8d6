//! Operators of ONNX Runtime's own (`com.microsoft`), into which its optimiser fuses those of the standard: apart again.

use super::{UpgradeStep, replace, types};
use crate::builder::Call;
use crate::{Attribute, Builder, DType, Node, Result, Tensor, Var, blocks};

pub(super) const FORMS: &[(&str, UpgradeStep)] = &[
    ("com.microsoft::BiasGelu", |n, b| made(n, b, |c| Ok((c.x(0) + c.x(1)).apply("Gelu")))),
    ("com.microsoft::DequantizeLinear", |n, b| types::quantized_input(of_standard(n), b)),
    ("com.microsoft::DynamicQuantizeMatMul", |n, b| made(n, b, dynamic_matmul)),
    ("com.microsoft::FastGelu", |n, b| made(n, b, fast_gelu)),
    ("com.microsoft::FusedConv", |n, b| made(n, b, fused_conv)),
    ("com.microsoft::FusedGemm", |n, b| made(n, b, fused_gemm)),
    ("com.microsoft::FusedMatMul", |n, b| made(n, b, fused_matmul)),
    ("com.microsoft::Gelu", |n, b| made(n, b, |c| Ok(c.x(0).apply("Gelu")))),
    ("com.microsoft::MatMulIntegerToFloat", |n, b| made(n, b, matmul_to_float)),
    (blocks::BLOCKS, matmul_of_blocks),
    ("com.microsoft::QGemm", |n, b| made(n, b, qgemm)),
    ("com.microsoft::QLinearAdd", |n, b| made(n, b, |c| qlinear(c, "Add"))),
    ("com.microsoft::QLinearAveragePool", |n, b| made(n, b, |c| qlinear_pool(c, "AveragePool"))),
    ("com.microsoft::QLinearConcat", |n, b| made(n, b, qlinear_concat)),
    ("com.microsoft::QLinearGlobalAveragePool", |n, b| made(n, b, |c| qlinear_pool(c, "GlobalAveragePool"))),
    ("com.microsoft::QLinearLeakyRelu", |n, b| made(n, b, |c| qlinear_unary(c, "LeakyRelu", &kept(c, &[])))),
    ("com.microsoft::QLinearMul", |n, b| made(n, b, |c| qlinear(c, "Mul"))),
    ("com.microsoft::QLinearSigmoid", |n, b| made(n, b, |c| qlinear_unary(c, "Sigmoid", &[]))),
    ("com.microsoft::QLinearSoftmax", |n, b| made(n, b, qlinear_softmax)),
    ("com.microsoft::QLinearWhere", |n, b| made(n, b, qlinear_where)),
    ("com.microsoft::QuantizeLinear", |n, b| types::quantized_output(of_standard(n), b)),
    ("com.microsoft::QuickGelu", |n, b| made(n, b, quick_gelu)),
    ("com.microsoft::SkipLayerNormalization", skip_layer_normalization),
];

/// The node in the place of which stands what `f` makes of its inputs.
fn made(
    node: Node,
    builder: &Builder,
    f: for<'a, 'b> fn(&Call<'a, 'b>) -> Result<Var<'b>>,
) -> Result<Option<Node>> {
    let result = f(&Call { node: &node, builder })?;
    replace(&node, result)
}

/// The standard's operator of the same name, which means the same: its types and blocks came with operator set 21 only.
fn of_standard(node: Node) -> Node {
    let op = node.op.rsplit("::").next().unwrap_or(&node.op).to_string();
    Node { op, ..node }
}

/// `act(conv(x, w) + b + z)`
fn fused_conv<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let attributes: Vec<(&str, Attribute)> = kept(c, &["activation", "activation_params"]);
    let y = c.builder.op("Conv", &[Some(c.x(0)), Some(c.x(1)), c.optional(2)], &attributes);
    activated(c, c.optional(3).map_or(y, |z| y + z))
}

fn fused_gemm<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let attributes: Vec<(&str, Attribute)> = ["alpha", "beta", "transA", "transB"]
        .into_iter()
        .filter_map(|name| Some((name, c.node.attributes.get(name)?.clone())))
        .collect();
    activated(c, c.builder.op("Gemm", &[Some(c.x(0)), Some(c.x(1)), c.optional(2)], &attributes))
}

/// The node's attributes but these.
fn kept<'n>(c: &Call<'n, '_>, without: &[&str]) -> Vec<(&'n str, Attribute)> {
    let all = c.node.attributes.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    all.map(|(name, value)| (name.as_str(), value.clone())).collect()
}

/// The activation that the node names, with its parameters in order.
fn activated<'b>(c: &Call<'_, 'b>, y: Var<'b>) -> Result<Var<'b>> {
    let parameters = match c.node.attributes.get("activation_params") {
        Some(Attribute::Floats(values)) => values.clone(),
        _ => ["activation_alpha", "activation_beta"]
            .iter()
            .filter(|name| c.node.attributes.contains_key(**name))
            .map(|name| c.node.float(name, 0.0) as f32)
            .collect(),
    };
    let with = |op: &str, names: &[&str]| {
        let attributes: Vec<(&str, Attribute)> =
            names.iter().zip(&parameters).map(|(name, value)| (*name, (*value).into())).collect();
        y.apply_with(op, &attributes)
    };
    Ok(match c.node.text("activation", "") {
        "" => y,
        op @ ("Relu" | "Sigmoid" | "Tanh") => y.apply(op),
        op @ ("LeakyRelu" | "Elu") => with(op, &["alpha"]),
        op @ "HardSigmoid" => with(op, &["alpha", "beta"]),
        "Clip" if parameters.len() == 2 => {
            let [low, high] = [0, 1].map(|i| Some(y.number(parameters[i].into())));
            c.builder.op("Clip", &[Some(y), low, high], &[])
        }
        other => return Err(c.node.error(format!("its activation `{other}` is unknown"))),
    })
}

/// `α·A·B`, each stored transposed or not.
fn fused_matmul<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    if ["transBatchA", "transBatchB"].iter().any(|name| c.node.int(name, 0) != 0) {
        return Err(c.node.error("its batches are transposed; export the model without optimisation"));
    }
    let side = |i: usize, name: &str| -> Result<Var<'b>> {
        let v = c.x(i);
        let rank = v.shape()?.rank();
        if c.node.int(name, 0) == 0 || rank < 2 {
            return Ok(v);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        Ok(v.transpose(&order))
    };
    let y = side(0, "transA")?.with("MatMul", side(1, "transB")?);
    let alpha = c.node.float("alpha", 1.0);
    Ok(if alpha == 1.0 { y } else { y * alpha })
}

fn fast_gelu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.optional(1).map_or(c.x(0), |bias| c.x(0) + bias);
    Ok(x.apply_with("Gelu", &[("approximate", "tanh".into())]))
}

/// `x·σ(α·x)`
fn quick_gelu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    Ok(x * (x * c.node.float("alpha", 1.702)).apply("Sigmoid"))
}

/// `A·Wᵀ + b`, W of blocks of few bits. Stays as it is in other forms, and where A is rounded too: there its own operator has the
/// last word.
fn matmul_of_blocks(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let weights = match blocks::rounds(&node) {
        true => None,
        false => blocks::weights(&node, |i| c.optional(i)?.as_constant()),
    };
    let Some(weights) = weights else { return Ok(Some(node)) };
    let x = c.x(0);
    let y = x.with("MatMul", b.constant(weights).cast_like(x));
    replace(&node, c.optional(5).map_or(y, |bias| y + bias))
}

/// `LayerNormalization(s)` of the sum `s = x + skip + bias`, which is the fourth output.
fn skip_layer_normalization(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let wanted = |i: usize| node.outputs.get(i).is_some_and(|name| !name.is_empty());
    if wanted(1) || wanted(2) || !wanted(0) {
        return Err(node.error("its mean and deviation are read; export the model without optimisation"));
    }
    let sum = c.x(0) + c.x(1);
    let sum = c.optional(4).map_or(sum, |bias| sum + bias);
    let epsilon = node.float("epsilon", f64::from(1e-12f32));
    let attributes = [("axis", Attribute::Int(-1)), ("epsilon", (epsilon as f32).into())];
    let y = b.op("LayerNormalization", &[Some(sum), Some(c.x(2)), c.optional(3)], &attributes);
    b.name(&node.outputs[0], y);
    if wanted(3) {
        b.name(&node.outputs[3], sum);
    }
    Ok(None)
}

/// `s·(x − z)`; given are the places of the three.
fn dequantized<'b>(c: &Call<'_, 'b>, [x, scale, zero]: [usize; 3], axis: i64) -> Var<'b> {
    let inputs = [Some(c.x(x)), Some(c.x(scale)), c.optional(zero)];
    c.builder.op("DequantizeLinear", &inputs, &[("axis", axis.into())])
}

/// The zero point; where it is left out, 0 of the type of input `x`.
fn quantized<'b>(c: &Call<'_, 'b>, y: Var<'b>, x: usize, [scale, zero]: [usize; 2]) -> Var<'b> {
    let none = || {
        let (dtype, shape) = (c.x(x).ty().ok()?.dtype, c.x(scale).shape().ok()?.known()?);
        dtype.levels().map(|_| c.builder.constant(Tensor::full(&shape, 0.0, dtype)))
    };
    let zero = c.optional(zero).or_else(none);
    c.builder.op("QuantizeLinear", &[Some(y), Some(c.x(scale)), zero], &[])
}

/// `α·A·B + s_a·s_b·C`, quantised where there is a scale for that.
fn qgemm<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let transposed = c.node.int("transB", 0) != 0;
    let (a, b) = (dequantized(c, [0, 1, 2], 1), dequantized(c, [3, 4, 5], if transposed { 0 } else { 1 }));
    let bias = c.optional(6).map(|bias| bias.cast(DType::F32) * (c.x(1) * c.x(4)));
    let attributes: Vec<(&str, Attribute)> = kept(c, &[]);
    let y = c.builder.op("Gemm", &[Some(a), Some(b), bias], &attributes);
    Ok(if c.optional(7).is_some() { quantized(c, y, 0, [7, 8]) } else { y })
}

fn qlinear<'b>(c: &Call<'_, 'b>, op: &str) -> Result<Var<'b>> {
    let y = dequantized(c, [0, 1, 2], 1).with(op, dequantized(c, [3, 4, 5], 1));
    Ok(quantized(c, y, 0, [6, 7]))
}

fn qlinear_pool<'b>(c: &Call<'_, 'b>, op: &str) -> Result<Var<'b>> {
    if c.node.int("channels_last", 0) != 0 {
        return Err(c.node.error("its channels are last; export the model without optimisation"));
    }
    qlinear_unary(c, op, &kept(c, &["channels_last"]))
}

/// One quantised tensor in, one out.
fn qlinear_unary<'b>(c: &Call<'_, 'b>, op: &str, attributes: &[(&str, Attribute)]) -> Result<Var<'b>> {
    Ok(quantized(c, dequantized(c, [0, 1, 2], 1).apply_with(op, attributes), 0, [3, 4]))
}

/// Tensors side by side, each with a scale and a zero point of its own; those of the result come first.
fn qlinear_concat<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let part = |i: usize| Some(dequantized(c, [i, i + 1, i + 2], 1));
    let parts: Vec<Option<Var>> = (2..c.node.inputs.len()).step_by(3).map(part).collect();
    if parts.is_empty() {
        return Err(c.node.error("it has nothing to join"));
    }
    Ok(quantized(c, c.builder.op("Concat", &parts, &kept(c, &[])), 2, [0, 1]))
}

/// Up to operator set 12 a softmax is over all axes from its own on.
fn qlinear_softmax<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let rank = c.x(0).shape()?.rank();
    let axis = c.axis(c.node.int("axis", -1), rank)?;
    if c.node.int("opset", 13) < 13 && axis + 1 != rank {
        return Err(c.node.error("it is over several axes; export the model with opset 13 or newer"));
    }
    qlinear_unary(c, "Softmax", &[("axis", (axis as i64).into())])
}

fn qlinear_where<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let choices = [dequantized(c, [1, 2, 3], 1), dequantized(c, [4, 5, 6], 1)];
    let y = c.builder.op("Where", &[Some(c.x(0)), Some(choices[0]), Some(choices[1])], &[]);
    Ok(quantized(c, y, 1, [7, 8]))
}

/// `A·B + C`, A quantised by its range.
fn dynamic_matmul<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let a = c.builder.op_n("DynamicQuantizeLinear", &[Some(c.x(0))], &[], 3);
    let sums = c.builder.op("MatMulInteger", &[Some(a[0]), Some(c.x(1)), Some(a[2]), c.optional(3)], &[]);
    Ok(scaled(sums, a[1] * c.x(2), c.optional(4)))
}

/// `s_a·s_b·(A − a₀)·(B − b₀) + C`
fn matmul_to_float<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let inputs = [Some(c.x(0)), Some(c.x(1)), c.optional(4), c.optional(5)];
    let sums = c.builder.op("MatMulInteger", &inputs, &[]);
    Ok(scaled(sums, c.x(2) * c.x(3), c.optional(6)))
}

fn scaled<'b>(sums: Var<'b>, scale: Var<'b>, bias: Option<Var<'b>>) -> Var<'b> {
    let y = sums.cast_like(scale) * scale;
    bias.map_or(y, |bias| y + bias)
}
