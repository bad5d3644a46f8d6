//! Matrix products, in double precision.

use ndarray::{ArrayD, ArrayView2, ArrayViewD, Axis, Dimension, Ix2, IxDyn};

use crate::Tensor;
use crate::infer::Context;

/// Products of more multiplications are left to the runtime.
const LARGEST: usize = 1 << 28;

fn doubles(x: &Tensor) -> Option<ArrayD<f64>> {
    ArrayD::from_shape_vec(IxDyn(x.shape()), x.to_floats()?).ok()
}

pub(super) fn matmul(a: &Tensor, b: &Tensor, shape: &[usize]) -> Option<Tensor> {
    let dtype = a.dtype();
    let inner = *a.shape().last()?;
    if shape.iter().try_fold(inner, |n, &d| n.checked_mul(d))? > LARGEST {
        return None;
    }
    let (mut a, mut b) = (doubles(a)?, doubles(b)?);
    // Vectors become matrices for the product.
    let mut full = shape.to_vec();
    if b.ndim() == 1 {
        b = b.insert_axis(Axis(1));
        full.push(1);
    }
    if a.ndim() == 1 {
        a = a.insert_axis(Axis(0));
        full.insert(full.len().checked_sub(1)?, 1);
    }
    let lead = &full[..full.len().checked_sub(2)?];
    let ends = |m: &ArrayD<f64>| [lead, &m.shape()[m.ndim() - 2..]].concat();
    let (a_shape, b_shape) = (ends(&a), ends(&b));
    let (a, b) = (a.broadcast(IxDyn(&a_shape))?, b.broadcast(IxDyn(&b_shape))?);
    let mut elements = Vec::new();
    for at in ndarray::indices(IxDyn(lead)) {
        elements.extend(matrix(a.view(), &at)?.dot(&matrix(b.view(), &at)?));
    }
    let y = ArrayD::from_shape_vec(IxDyn(shape), elements).ok()?;
    Some(Tensor::from(y).to_float_type(dtype))
}

/// The matrix at this index of the leading axes.
fn matrix<'a>(stack: ArrayViewD<'a, f64>, at: &IxDyn) -> Option<ArrayView2<'a, f64>> {
    let matrix = at.slice().iter().fold(stack, |stack, &i| stack.index_axis_move(Axis(0), i));
    matrix.into_dimensionality().ok()
}

pub(super) fn gemm(
    c: &Context,
    a: &Tensor,
    b: &Tensor,
    bias: Option<&Tensor>,
    shape: &[usize],
) -> Option<Tensor> {
    let dtype = a.dtype();
    if shape.iter().try_fold(*a.shape().iter().max()?, |n, &d| n.checked_mul(d))? > LARGEST {
        return None;
    }
    let (a, b) = (doubles(a)?, doubles(b)?);
    let (a, b) = (a.view().into_dimensionality::<Ix2>().ok()?, b.view().into_dimensionality::<Ix2>().ok()?);
    let turned = |m: ArrayView2<'_, f64>, name: &str| {
        if c.node.int(name, 0) != 0 { m.reversed_axes().to_owned() } else { m.to_owned() }
    };
    let mut y = turned(a, "transA").dot(&turned(b, "transB")) * c.node.float("alpha", 1.0);
    if let Some(bias) = bias {
        let bias = doubles(bias)? * c.node.float("beta", 1.0);
        y += &bias.broadcast(y.raw_dim())?;
    }
    Some(Tensor::from(y.into_dyn()).to_float_type(dtype))
}
