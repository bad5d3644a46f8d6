//! Convolutions. All three adjoints of a convolution are convolutions again: of the input, the
//! transposed one; of the weights, one over the batch. `ConvTranspose` is the adjoint of `Conv`, so it
//! shares them.

mod products;
mod tuning;

use super::{Backward, Rule};
use crate::window::{self, Axis};
use crate::{Attribute, Dim, Result, Shape, Var};

pub(super) const RULES: &[(&str, Rule)] = &[("Conv", conv), ("ConvTranspose", conv_transpose)];

/// `y[n, m, o] = Σ w[m, c, q] · x[n, c, o·stride + q·dilation − before] + bias[m]`, the sum over the
/// channels c of m's group and the taps q.
fn conv(b: &Backward) -> Result<()> {
    let (x, w, g) = (b.x(0), b.x(1), b.g());
    let c = Convolution::new(b, &x.shape()?, &g.shape()?)?;
    if b.wants(0) {
        b.give(0, c.adjoint_of_input(g, w)?)?;
    }
    if b.wants(1) {
        b.give(1, c.adjoint_of_weights(x, g)?)?;
    }
    bias(b)
}

/// The adjoint of the convolution that takes tensors like `y` to tensors like `x` with the same
/// weights: `⟨ȳ, convᵀ(x, w)⟩ = ⟨conv(ȳ, w), x⟩`.
fn conv_transpose(b: &Backward) -> Result<()> {
    let (x, w, g) = (b.x(0), b.x(1), b.g());
    let c = Convolution::new(b, &g.shape()?, &x.shape()?)?;
    if b.wants(0) {
        b.give(0, c.apply(g, w)?)?;
    }
    if b.wants(1) {
        b.give(1, c.adjoint_of_weights(g, x)?)?;
    }
    bias(b)
}

/// The bias is added to every sample and position.
fn bias(b: &Backward) -> Result<()> {
    if !b.wants(2) {
        return Ok(());
    }
    let rank = b.g().shape()?.rank();
    let axes: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    b.give(2, b.g().reduce("ReduceSum", &axes, false))
}

/// A convolution without bias, `x [N, C, …]` with `w [M, C/groups, …]` to `y [N, M, …]`.
struct Convolution {
    axes: Vec<Axis>,
    groups: usize,
    batch: Dim,
    /// C and M per group. In second derivatives the batch may stand here.
    inputs: Dim,
    outputs: Dim,
}

impl Convolution {
    fn new(b: &Backward, x: &Shape, y: &Shape) -> Result<Convolution> {
        let groups = b.node.int("group", 1).max(1) as usize;
        Ok(Convolution {
            axes: window::axes(b, x, y, &window::kernel(b, &b.x(1).shape()?)?)?,
            groups,
            batch: x.0[0],
            inputs: scaled(x.0[1], |channels| channels / groups),
            outputs: scaled(y.0[1], |channels| channels / groups),
        })
    }

    /// The convolution itself.
    fn apply<'b>(&self, x: Var<'b>, w: Var<'b>) -> Result<Var<'b>> {
        let y = node("Conv", x, w, self.groups, &self.axes, Taps::of);
        self.cut(y, |axis| axis.output)
    }

    /// `x̄[n, c, i] = Σ w[m, c, q] · ȳ[n, m, o]` over all m, o, q with `o·stride + q·dilation − before = i`.
    ///
    /// This is a `ConvTranspose`. With stride 1 it is also a `Conv` with the kernel reversed and its
    /// channels exchanged (folded away when the weights are constant).
    fn adjoint_of_input<'b>(&self, g: Var<'b>, w: Var<'b>) -> Result<Var<'b>> {
        let fits = |axis: &Axis| {
            let after = axis.span() as i64 - 1 + axis.rest();
            axis.stride == 1 && axis.before < axis.span() && after >= 0
        };
        if tuning::reverses(self.inputs, self.groups) && self.axes.iter().all(fits) {
            return Ok(node("Conv", g, self.reversed(w), self.groups, &self.axes, |axis| Taps {
                extent: axis.taps,
                stride: 1,
                dilation: axis.dilation,
                pads: ((axis.span() - 1 - axis.before) as i64, axis.span() as i64 - 1 + axis.rest()),
            }));
        }
        Ok(node("ConvTranspose", g, w, self.groups, &self.axes, Taps::of))
    }

    /// The weights `[M, C/groups, …]` as those of the adjoint convolution, `[C, M/groups, …]`, every
    /// spatial axis reversed.
    fn reversed<'b>(&self, w: Var<'b>) -> Var<'b> {
        let n = self.axes.len();
        let (ones, axes) = (vec![-1; n], (2..2 + n as i64).collect::<Vec<_>>());
        let all = scaled(self.inputs, |made| made * self.groups);
        let grouped =
            w.reshape(&self.spatial(&[Dim::Known(self.groups), self.outputs, self.inputs], |a| a.taps));
        let order: Vec<usize> = [0, 2, 1].into_iter().chain(3..3 + n).collect();
        let exchanged = grouped.transpose(&order).reshape(&self.spatial(&[all, self.outputs], |a| a.taps));
        exchanged.slice(&axes, &ones, &vec![i64::MIN; n], &ones)
    }

    /// These extents and one for each spatial axis.
    fn spatial(&self, lead: &[Dim], extent: fn(&Axis) -> usize) -> Shape {
        Shape(lead.iter().copied().chain(self.axes.iter().map(|axis| Dim::Known(extent(axis)))).collect())
    }

    /// `w̄[m, c, q] = Σ ȳ[n, m, o] · x[n, c, o·stride + q·dilation − before]` over n and o.
    ///
    /// As matrix products, or as a convolution over the batch.
    fn adjoint_of_weights<'b>(&self, x: Var<'b>, g: Var<'b>) -> Result<Var<'b>> {
        match (self.inputs, self.outputs, self.axes.split_last()) {
            (Dim::Known(inputs), Dim::Known(outputs), Some(axes))
                if tuning::multiplies(inputs, &self.axes) =>
            {
                Ok(self.as_products(x, g, [inputs, outputs], axes))
            }
            _ => self.over_the_batch(x, g),
        }
    }

    /// The same as a convolution in which the batch takes the place of the channels, a channel that of a
    /// sample, and stride and dilation change places: for large kernels, and for second derivatives of
    /// what stands here.
    fn over_the_batch<'b>(&self, x: Var<'b>, g: Var<'b>) -> Result<Var<'b>> {
        let n = self.axes.len();
        let samples = scaled(self.batch, |batch| batch * self.groups);
        // [N, groups, C/groups, …] to [C/groups, groups·N, …]
        let apart = self.spatial(&[self.batch, Dim::Known(self.groups), self.inputs], |a| a.input);
        let order: Vec<usize> = [2, 1, 0].into_iter().chain(3..3 + n).collect();
        let swapped = self.spatial(&[self.inputs, samples], |a| a.input);
        let x = x.reshape(&apart).transpose(&order).reshape(&swapped);

        let exchange: Vec<usize> = [1, 0].into_iter().chain(2..2 + n).collect();
        let w = node("Conv", x, g.transpose(&exchange), self.groups, &self.axes, |axis| Taps {
            extent: axis.output,
            stride: axis.dilation,
            dilation: axis.stride,
            pads: (axis.before as i64, -axis.rest()),
        });
        Ok(self.cut(w, |axis| axis.taps)?.transpose(&exchange))
    }

    /// What is too much at the ends of the spatial axes cut off.
    fn cut<'b>(&self, x: Var<'b>, extent: fn(&Axis) -> usize) -> Result<Var<'b>> {
        let shape = x.shape()?;
        let long = |&i: &usize| shape.0[i + 2] != Dim::Known(extent(&self.axes[i]));
        let long: Vec<usize> = (0..self.axes.len()).filter(long).collect();
        if long.is_empty() {
            return Ok(x);
        }
        let axes: Vec<i64> = long.iter().map(|&i| i as i64 + 2).collect();
        let ends: Vec<i64> = long.iter().map(|&i| extent(&self.axes[i]) as i64).collect();
        Ok(x.slice(&axes, &vec![0; axes.len()], &ends, &vec![1; axes.len()]))
    }
}

fn scaled(dim: Dim, scale: impl Fn(usize) -> usize) -> Dim {
    match dim {
        Dim::Known(n) => Dim::Known(scale(n)),
        Dim::Batch(n) => Dim::Batch(scale(n)),
    }
}

/// The kernel of a new node along one axis.
struct Taps {
    extent: usize,
    stride: usize,
    dilation: usize,
    /// Before and after. Below 0: nothing for `Conv`, `output_padding` for `ConvTranspose`.
    pads: (i64, i64),
}

impl Taps {
    /// The convolution's own.
    fn of(axis: &Axis) -> Taps {
        let pads = (axis.before as i64, -axis.rest());
        Taps { extent: axis.taps, stride: axis.stride, dilation: axis.dilation, pads }
    }
}

fn node<'b>(
    op: &str,
    x: Var<'b>,
    w: Var<'b>,
    groups: usize,
    axes: &[Axis],
    taps: impl Fn(&Axis) -> Taps,
) -> Var<'b> {
    let list = |of: fn(&Taps) -> i64| -> Vec<i64> { axes.iter().map(|axis| of(&taps(axis))).collect() };
    let pads = [list(|t| t.pads.0), list(|t| t.pads.1.max(0))].concat();
    // All are written out, as rten needs them.
    let mut attributes: Vec<(&str, Attribute)> = vec![
        ("kernel_shape", list(|t| t.extent as i64).into()),
        ("strides", list(|t| t.stride as i64).into()),
        ("dilations", list(|t| t.dilation as i64).into()),
        ("pads", pads.into()),
        ("group", (groups as i64).into()),
    ];
    let lacking = list(|t| (-t.pads.1).max(0));
    if op == "ConvTranspose" && lacking.iter().any(|&v| v > 0) {
        attributes.push(("output_padding", lacking.into()));
    }
    x.builder().op(op, &[Some(x), Some(w)], &attributes)
}
