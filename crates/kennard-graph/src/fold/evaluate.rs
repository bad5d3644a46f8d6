//! One node on constant inputs.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::element::{Element, with_element};
use super::{elementwise, matmul, quantize, reduce};
use crate::infer::{Context, gather, pad, permutation, rearrange};
use crate::{Attribute, DType, Tensor, with_array};

/// A matrix of this many elements stays where it is when it is transposed.
const LARGE: usize = 1 << 18;

/// Whether [`evaluate`] knows the operator.
pub(super) fn supports(op: &str) -> bool {
    const KNOWN: &[&str] = &[
        "Identity",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Concat",
        "Split",
        "Slice",
        "Expand",
        "Tile",
        "DepthToSpace",
        "SpaceToDepth",
        "Gather",
        "Pad",
        "ConstantOfShape",
        "Cast",
        "CastLike",
        "Where",
        "Range",
        "MatMul",
        "Gemm",
        "DequantizeLinear",
        "QuantizeLinear",
        "Trilu",
    ];
    KNOWN.contains(&op) || elementwise::supports(op) || reduce::supports(op)
}

/// The outputs, of these shapes; `None` where the node cannot be evaluated.
pub(super) fn evaluate(
    c: &Context,
    inputs: &[Option<&Tensor>],
    shapes: &[Vec<usize>],
) -> Option<Vec<Tensor>> {
    let shape = shapes.first()?;
    let input = |i: usize| inputs.get(i).copied().flatten();
    let op = c.node.op.as_str();
    let y = match op {
        "ConstantOfShape" => match c.node.attributes.get("value") {
            Some(Attribute::Tensor(value)) => with_element!(value, T => {
                let &fill = T::view(value)?.first()?;
                Tensor::from(ArrayD::from_elem(IxDyn(shape), fill))
            }),
            _ => Tensor::full(shape, 0.0, DType::F32),
        },
        "Gather" => gathered(c, input(0)?, input(1)?, shape)?,
        "Pad" => padded(c, input(0)?, input(2), shape)?,
        "Range" => range(input(0)?, input(2)?, shape)?,
        "Where" => choose(input(0)?, input(1)?, input(2)?, shape)?,
        "Trilu" => triangle(c, input(0)?, input(1))?,
        "Transpose" if input(0)?.shape().len() == 2 && input(0)?.len() >= LARGE => {
            let order = permutation(c, 2).ok()?;
            with_array!(input(0)?, a => a.clone().permuted_axes(order).into())
        }
        "Cast" => elementwise::cast(input(0)?, DType::from_code(c.node.int("to", 0))?)?,
        "CastLike" => elementwise::cast(input(0)?, input(1)?.dtype())?,
        "MatMul" => matmul::matmul(input(0)?, input(1)?, shape)?,
        "Gemm" => matmul::gemm(c, input(0)?, input(1)?, input(2), shape)?,
        "DequantizeLinear" => quantize::dequantize(c, input(0)?, input(1)?, input(2))?,
        "QuantizeLinear" => quantize::quantize(c, input(0)?, input(1)?, input(2))?,
        _ if elementwise::supports(op) => elementwise::evaluate(c, inputs, shape)?,
        _ if reduce::supports(op) => reduce::reduce(c, input(0)?, shape)?,
        _ => return rearranged(c, inputs, shapes),
    };
    Some(vec![y])
}

fn rearranged(c: &Context, inputs: &[Option<&Tensor>], shapes: &[Vec<usize>]) -> Option<Vec<Tensor>> {
    // All inputs of a Concat are data; of the others the first.
    let count = if c.node.op == "Concat" { inputs.len() } else { 1 };
    with_element!(inputs.first().copied().flatten()?, T => {
        let views: Vec<ArrayViewD<T>> =
            inputs[..count].iter().map(|t| (*t).and_then(T::view)).collect::<Option<_>>()?;
        Some(rearrange(c, &views, shapes)?.into_iter().map(Tensor::from).collect())
    })
}

fn gathered(c: &Context, data: &Tensor, indices: &Tensor, shape: &[usize]) -> Option<Tensor> {
    let indices = ArrayD::from_shape_vec(IxDyn(indices.shape()), indices.to_ints()?).ok()?;
    with_element!(data, T => Some(gather(c, &T::view(data)?, &indices.view(), shape)?.into()))
}

fn padded(c: &Context, data: &Tensor, fill: Option<&Tensor>, shape: &[usize]) -> Option<Tensor> {
    with_element!(data, T => {
        let fill = match fill {
            Some(fill) => *T::view(fill)?.first()?,
            None => T::default(),
        };
        Some(pad(c, &T::view(data)?, &fill, shape)?.into())
    })
}

fn range(start: &Tensor, step: &Tensor, shape: &[usize]) -> Option<Tensor> {
    if let (Some(start), Some(step)) = (start.to_ints(), step.to_ints()) {
        let (&start_at, &step) = (start.first()?, step.first()?);
        let number = |i: usize| start_at.checked_add(step.checked_mul(i64::try_from(i).ok()?)?);
        let all: Option<Vec<i64>> = (0..*shape.first()?).map(number).collect();
        return Some(Tensor::ints(&all?));
    }
    let (start_at, by) = (start.item()?, step.item()?);
    let all = (0..*shape.first()?).map(|i| start_at + i as f64 * by);
    Some(Tensor::from(ArrayD::from_shape_vec(IxDyn(shape), all.collect()).ok()?).to_float_type(start.dtype()))
}

fn choose(condition: &Tensor, a: &Tensor, b: &Tensor, shape: &[usize]) -> Option<Tensor> {
    let shape = IxDyn(shape);
    let condition = bool::view(condition)?;
    let condition = condition.broadcast(shape.clone())?;
    with_element!(a, T => {
        let (a, b) = (T::view(a)?, T::view(b)?);
        let (a, b) = (a.broadcast(shape.clone())?, b.broadcast(shape.clone())?);
        Some(ndarray::Zip::from(&condition).and(&a).and(&b).map_collect(|&c, &a, &b| if c { a } else { b }).into())
    })
}

/// The upper or lower triangle of each matrix, the rest zeros.
fn triangle(c: &Context, x: &Tensor, k: Option<&Tensor>) -> Option<Tensor> {
    let k = i128::from(k.map_or(Some(0), |k| k.to_ints()?.first().copied())?);
    let upper = c.node.int("upper", 1) != 0;
    let rank = x.shape().len();
    let row = rank.checked_sub(2)?;
    with_element!(x, T => {
        let mut y = T::view(x)?.to_owned();
        for (at, v) in y.indexed_iter_mut() {
            let over = at[rank - 1] as i128 - at[row] as i128;
            if (upper && over < k) || (!upper && over > k) {
                *v = T::default();
            }
        }
        Some(y.into())
    })
}
