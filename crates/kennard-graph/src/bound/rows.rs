//! Functionals: several rows for each sample, folded into the batch. A functional of a tensor `[N, …]` with R rows is
//! `[N·R, …]`, the rows of a sample side by side, so that the rules of gradients take it for the adjoint of a batch of N·R samples.

use crate::{Dim, GraphError, Result, Shape, Tensor, Var};

/// The number of rows.
#[derive(Clone, Copy)]
pub(super) struct Rows(pub usize);

/// The axis that the batch is on.
///
/// # Errors
/// When none or several are.
pub(super) fn batch_axis(shape: &Shape) -> Result<usize> {
    let mut axes = (0..shape.rank()).filter(|&axis| matches!(shape.0[axis], Dim::Batch(_)));
    match (axes.next(), axes.next()) {
        (Some(axis), None) => Ok(axis),
        (None, _) => Err(GraphError::Shape(format!(
            "a hidden tensor {shape} has no free batch axis; export the model with a free batch"
        ))),
        _ => Err(GraphError::Shape(format!(
            "a hidden tensor {shape} has several batch axes: its samples are mixed, and bounds are of one sample"
        ))),
    }
}

/// The shape of one sample, the batch axis being how many extents of it belong to a sample.
pub(super) fn sample(shape: &Shape) -> Result<Vec<usize>> {
    batch_axis(shape)?;
    Ok(shape
        .0
        .iter()
        .map(|&dim| match dim {
            Dim::Known(n) | Dim::Batch(n) => n,
        })
        .collect())
}

/// How many elements a sample has.
pub(super) fn volume(shape: &Shape) -> Result<usize> {
    Ok(sample(shape)?.iter().product())
}

impl Rows {
    /// The shape of a functional.
    pub fn of(self, shape: &Shape) -> Shape {
        let scaled = |&dim: &Dim| match dim {
            Dim::Batch(k) => Dim::Batch(k * self.0),
            known => known,
        };
        Shape(shape.0.iter().map(scaled).collect())
    }

    /// `[…, k·N, …]` as `[…, N, rows, k, …]`.
    fn apart(shape: &Shape, rows: usize) -> Result<Shape> {
        let axis = batch_axis(shape)?;
        let Dim::Batch(k) = shape.0[axis] else { return Ok(shape.clone()) };
        let inner = [Dim::BATCH, Dim::Known(rows), Dim::Known(k)];
        Ok(Shape([&shape.0[..axis], &inner, &shape.0[axis + 1..]].concat()))
    }

    /// A functional of a tensor of this shape, the rows on an axis of their own behind the samples'.
    pub fn split<'b>(self, functional: Var<'b>, shape: &Shape) -> Result<Var<'b>> {
        Ok(functional.reshape(&Rows::apart(shape, self.0)?))
    }

    /// A tensor, ready to broadcast against what [`Rows::split`] returns.
    pub fn lift<'b>(self, tensor: Var<'b>) -> Result<Var<'b>> {
        Ok(tensor.reshape(&Rows::apart(&tensor.shape()?, 1)?))
    }

    /// The reverse of [`Rows::split`].
    pub fn join<'b>(self, apart: Var<'b>, shape: &Shape) -> Var<'b> {
        apart.reshape(&self.of(shape))
    }

    /// A tensor repeated for every row.
    pub fn repeat<'b>(self, tensor: Var<'b>) -> Result<Var<'b>> {
        let shape = tensor.shape()?;
        let axis = batch_axis(&shape)?;
        let mut ones = vec![1; shape.rank() + 2];
        ones[axis + 1] = self.0;
        let zeros = Tensor::full(&ones, 0.0, tensor.ty()?.dtype);
        Ok(self.join(self.lift(tensor)? + tensor.builder().constant(zeros), &shape))
    }

    /// A functional of a tensor of this shape as `[N, R, n]`, n being the elements of a sample.
    pub fn flat<'b>(self, functional: Var<'b>, shape: &Shape) -> Result<Var<'b>> {
        let dims = [Dim::BATCH, Dim::Known(self.0), Dim::Known(volume(shape)?)];
        if batch_axis(shape)? == 0 && shape.0[0] == Dim::BATCH && functional.counts_rounding() {
            return Ok(functional.reshape(&Shape(dims.to_vec())));
        }
        Ok(batch_first(self.split(functional, shape)?, batch_axis(shape)?, 2)?.reshape(&Shape(dims.to_vec())))
    }
}

impl Rows {
    /// The reverse of [`Rows::flat`].
    pub fn unflat<'b>(self, flat: Var<'b>, shape: &Shape) -> Result<Var<'b>> {
        let axis = batch_axis(shape)?;
        if axis == 0 {
            return Ok(flat.reshape(&self.of(shape)));
        }
        let apart = Rows::apart(shape, self.0)?;
        let order: Vec<usize> =
            (axis..axis + 3).chain((0..apart.rank()).filter(|i| !(axis..axis + 3).contains(i))).collect();
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        let front = Shape(order.iter().map(|&i| apart.0[i]).collect());
        Ok(self.join(flat.reshape(&front).transpose(&back), shape))
    }
}

/// A tensor as columns: `[N, n, 1]`; what is the same for all samples, of shape `like` but for the batch, as `[n, 1]`.
pub(super) fn column<'b>(tensor: Var<'b>, like: &Shape) -> Result<Var<'b>> {
    let n = Dim::Known(volume(like)?);
    let (axis, one) = (batch_axis(like)?, Dim::Known(1));
    let shape = tensor.shape()?;
    if shape.known().is_none() {
        return Ok(batch_first(tensor, axis, 0)?.reshape(&Shape(vec![Dim::BATCH, n, one])));
    }
    let sample: Vec<i64> = sample(like)?.iter().map(|&n| n as i64).collect();
    let all = tensor.with("Expand", tensor.builder().ints(&sample));
    let dims = all.shape()?;
    let order = |axis: usize| [axis].into_iter().chain((0..dims.rank()).filter(move |&i| i != axis));
    let all = if axis == 0 { all } else { all.transpose(&order(axis).collect::<Vec<_>>()) };
    Ok(all.reshape(&Shape(vec![n, one])))
}

/// The sum over the last axis, which becomes 1, as a product: what is summed that way is rounded alike wherever it is in memory, and
/// so for every place in a batch.
pub(super) fn sum_of_last(tensor: Var) -> Result<Var> {
    let shape = tensor.shape()?;
    let n = shape.0.last().and_then(|dim| dim.known()).unwrap_or(1);
    let ones = tensor.builder().constant(Tensor::full(&[n, 1], 1.0, tensor.ty()?.dtype));
    Ok(tensor.with("MatMul", ones))
}

/// The batch axis, and `with` axes behind it, brought to the front.
fn batch_first(tensor: Var, axis: usize, with: usize) -> Result<Var> {
    if axis == 0 {
        return Ok(tensor);
    }
    let rank = tensor.shape()?.rank();
    let front = axis..=axis + with;
    let order: Vec<usize> = front.clone().chain((0..rank).filter(|i| !front.contains(i))).collect();
    Ok(tensor.transpose(&order))
}
