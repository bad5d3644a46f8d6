//! Products and sums with constants, per channel, in the weights of the linear operator next to them.
//! Computed in double precision and rounded once.

use ndarray::{Array1, ArrayD, Axis, IxDyn};

use crate::fold::{Pass, Rewritten};
use crate::{Node, Shape, Tensor};

/// `y = factor · x + term`, one number a channel.
pub(super) struct Affine {
    /// `None` for ones.
    pub factor: Option<Vec<f64>>,
    /// `None` for zeros.
    pub term: Option<Vec<f64>>,
}

/// `Mul`, `Div`, `Add` or `Sub` with a constant behind a linear operator.
pub(super) fn behind(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let (x, constant) = operands(pass, node)?;
    let linear = pass.producer(x)?;
    let shape = pass.shape(x)?;
    let axis = match linear.op.as_str() {
        "Conv" | "ConvTranspose" => 1,
        "Gemm" | "MatMul" => shape.rank().checked_sub(1)?,
        _ => return None,
    };
    let affine = affine(pass, node, constant, shape, axis)?;
    Some(Rewritten::Nodes(vec![applied(pass, x, axis, &affine, &node.outputs[0])?]))
}

/// `Mul` or `Div` with a constant in front of a linear operator.
pub(super) fn before(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let name = node.input(0)?;
    let scaling = pass.sole_producer(name, "Mul").or_else(|| pass.sole_producer(name, "Div"))?;
    let (x, constant) = operands(pass, scaling)?;
    let weights = pass.constant(node.input(1)?)?;
    let shape = pass.shape(x)?;
    let last = shape.rank().checked_sub(1)?;
    // The axis of the data whose positions the factors belong to, and the same of the weights.
    let (axis, weight_axis) = match node.op.as_str() {
        "Conv" if node.int("group", 1) == 1 => (1, 1),
        "ConvTranspose" if node.int("group", 1) == 1 => (1, 0),
        "Gemm" if node.int("transA", 0) == 0 => (last, if node.int("transB", 0) == 0 { 0 } else { 1 }),
        "MatMul" if weights.shape().len() == 2 => (last, 0),
        _ => return None,
    };
    let factor = affine(pass, scaling, constant, shape, axis)?.factor?;
    let scaled = scaled(weights, weight_axis, &factor)?;
    let x = x.to_string();
    let mut node = node.clone();
    node.inputs[0] = x;
    node.inputs[1] = pass.add_constant(&node.inputs[1], scaled);
    Some(Rewritten::Nodes(vec![node]))
}

/// The variable and the constant operand. The constant is the second of `Sub` and `Div`.
fn operands<'a>(pass: &Pass, node: &'a Node) -> Option<(&'a str, &'a str)> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    match node.op.as_str() {
        "Add" | "Mul" if pass.constant(a).is_some() => Some((b, a)),
        "Add" | "Mul" | "Sub" | "Div" if pass.constant(b).is_some() => Some((a, b)),
        _ => None,
    }
}

/// What the node does to each position along `axis` of a tensor of this shape, which it must keep.
fn affine(pass: &Pass, node: &Node, constant: &str, shape: &Shape, axis: usize) -> Option<Affine> {
    if pass.shape(&node.outputs[0]) != Some(shape) {
        return None;
    }
    let channels = shape.0.get(axis)?.known()?;
    let tensor = pass.constant(constant)?;
    let lead = shape.rank().checked_sub(tensor.shape().len())?;
    let per_channel =
        tensor.shape().iter().enumerate().all(|(i, &n)| n == 1 || i + lead == axis && n == channels);
    let values = tensor.to_floats().filter(|_| per_channel)?;
    let values = if values.len() == 1 { vec![values[0]; channels] } else { values };
    Some(match node.op.as_str() {
        "Mul" => Affine { factor: Some(values), term: None },
        "Div" => Affine { factor: Some(values.iter().map(|v| 1.0 / v).collect()), term: None },
        "Add" => Affine { factor: None, term: Some(values) },
        _ => Affine { factor: None, term: Some(values.iter().map(|v| -v).collect()) },
    })
}

/// The linear operator that makes `x` and that nothing else reads, with `affine` along `axis` of its
/// output in its weights, making `output`.
pub(super) fn applied(pass: &mut Pass, x: &str, axis: usize, affine: &Affine, output: &str) -> Option<Node> {
    let op = pass.producer(x)?.op.clone();
    let mut node = pass.sole_producer(x, &op)?.clone();
    let shape = pass.shape(x)?;
    let channels = shape.0.get(axis)?.known()?;
    let rank = shape.rank();
    let weights = pass.constant(node.input(1)?)?;
    let bias = match node.input(2) {
        None => None,
        Some(name) => Some(pass.constant(name)?.clone()),
    };
    let ones = || vec![1.0; channels];
    let factor = affine.factor.clone().unwrap_or_else(ones);
    let new_weights = match op.as_str() {
        _ if affine.factor.is_none() => None,
        "Conv" => Some(scaled(weights, 0, &factor)?),
        "ConvTranspose" => Some(scaled_transposed(weights, &factor)?),
        "Gemm" => Some(scaled(weights, if node.int("transB", 0) == 0 { 1 } else { 0 }, &factor)?),
        "MatMul" if weights.shape().len() == 2 && axis + 1 == rank => Some(scaled(weights, 1, &factor)?),
        _ => return None,
    };
    let dtype = weights.dtype();
    let old_bias = match bias {
        None => vec![0.0; channels],
        Some(bias) => {
            // A Gemm's may be a scalar or a row of one.
            let row = bias.shape().iter().rev().skip(1).all(|&n| n == 1);
            let values = bias.to_floats().filter(|_| row)?;
            let values = if values.len() == 1 { vec![values[0]; channels] } else { values };
            let beta = if op == "Gemm" { node.float("beta", 1.0) } else { 1.0 };
            values.iter().map(|v| v * beta).collect()
        }
    };
    let zeros = vec![0.0; channels];
    let term = affine.term.as_ref().unwrap_or(&zeros);
    let new_bias: Vec<f64> = (0..channels)
        .map(|i| Some(old_bias.get(i)? * factor.get(i)? + term.get(i)?))
        .collect::<Option<_>>()?;
    let needs_bias = node.input(2).is_some() || new_bias.iter().any(|&v| v != 0.0);
    if op == "MatMul" && needs_bias {
        if rank != 2 {
            return None;
        }
        node.op = "Gemm".into();
    }
    if let Some(tensor) = new_weights {
        node.inputs[1] = pass.add_constant(&node.inputs[1], tensor);
    }
    if needs_bias {
        let tensor = rounded(ArrayD::from_shape_vec(IxDyn(&[channels]), new_bias).ok()?, dtype)?;
        let stem = node.input(2).map_or_else(|| format!("{output}/bias"), str::to_string);
        node.inputs.resize(3, String::new());
        node.inputs[2] = pass.add_constant(&stem, tensor);
        // The bias holds it already; the product keeps its α.
        node.attributes.remove("beta");
    }
    node.outputs = vec![output.into()];
    Some(node)
}

fn doubles(tensor: &Tensor) -> Option<ArrayD<f64>> {
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.to_floats()?).ok()
}

/// In the original precision; `None` if a number does not fit it.
fn rounded(array: ArrayD<f64>, dtype: crate::DType) -> Option<Tensor> {
    let tensor = Tensor::from(array).to_float_type(dtype);
    tensor.to_floats()?.iter().all(|v| v.is_finite()).then_some(tensor)
}

/// The weights with each position along `axis` multiplied by its factor.
fn scaled(weights: &Tensor, axis: usize, factor: &[f64]) -> Option<Tensor> {
    let mut array = doubles(weights)?;
    if *array.shape().get(axis)? != factor.len() {
        return None;
    }
    for (mut part, &f) in array.axis_iter_mut(Axis(axis)).zip(factor) {
        part *= f;
    }
    rounded(array, weights.dtype())
}

/// The same for the output channels of a `ConvTranspose`, whose weights are
/// `[groups · C, channels per group, …]`.
fn scaled_transposed(weights: &Tensor, factor: &[f64]) -> Option<Tensor> {
    let mut array = doubles(weights)?;
    let (&[inputs, per_group], _) = array.shape().split_first_chunk()?;
    let groups = factor.len().checked_div(per_group)?;
    let inputs_per_group = inputs.checked_div(groups)?;
    if groups * per_group != factor.len() || groups * inputs_per_group != inputs {
        return None;
    }
    for (i, mut filters) in array.outer_iter_mut().enumerate() {
        let from = i / inputs_per_group * per_group;
        let factors = Array1::from(factor[from..from + per_group].to_vec());
        for (mut filter, &f) in filters.outer_iter_mut().zip(&factors) {
            filter *= f;
        }
    }
    rounded(array, weights.dtype())
}
