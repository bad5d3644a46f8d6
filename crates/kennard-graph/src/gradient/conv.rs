//! Convolutions. All three adjoints of a convolution are convolutions again: of the input, the
//! transposed one; of the weights, one over the batch. `ConvTranspose` is the adjoint of `Conv`, so it
//! shares them.

use super::window::{self, Axis};
use super::{Backward, Rule};
use crate::{Attribute, Dim, Result, Shape, Tensor, Var};

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

/// Kernels of more taps would make graphs of more nodes than anyone wants.
const MANY_TAPS: usize = 64;

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
    /// channels exchanged (folded away when the weights are constant). ONNX Runtime and rten run that
    /// faster where it makes many channels, and up to 17 times slower where it makes few, as in the
    /// adjoint of the image: with 4 images of 28×28 and a 5×5 kernel, 20 channels to 1, ONNX Runtime
    /// takes 807 µs for `Conv` and 45 µs for `ConvTranspose`; 3×3 from 32 channels to 3 or 32 at 32×32,
    /// 340 and 81 µs, 471 and 685 µs. (For strides, one `Conv` that makes all stride² phases and a
    /// `DepthToSpace` was 1.1 to 6 times slower than `ConvTranspose` for all shapes tried.)
    fn adjoint_of_input<'b>(&self, g: Var<'b>, w: Var<'b>) -> Result<Var<'b>> {
        let many = match self.inputs {
            Dim::Known(made) => made >= 16 || made == 1 && self.groups > 1,
            Dim::Batch(_) => false,
        };
        let fits = |axis: &Axis| {
            let after = axis.span() as i64 - 1 + axis.rest();
            axis.stride == 1 && axis.before < axis.span() && after >= 0
        };
        if many && self.axes.iter().all(fits) {
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
    /// These are matrix products, a sample at a time, of moved images and ȳ; the samples are added afterwards.
    /// The taps of the last axis move ȳ, those of the others x: three times three products of 3×3 taps become
    /// three, of images with three times the channels. ONNX Runtime takes 1.5 ms for 32 images of 16 channels
    /// at 32×32, 16 channels out, 3×3 taps; 2.0 ms with a product for each tap, 3 to 5 ms with all nine images
    /// together, as they leave the cache, and 7.0 ms for one convolution over the batch. Many taps on few
    /// channels, or strides between them, make the convolution faster: 0.43 ms instead of 0.68 ms for 4×4 taps
    /// of stride 2 from 16 channels at 14×14 to 32.
    fn adjoint_of_weights<'b>(&self, x: Var<'b>, g: Var<'b>) -> Result<Var<'b>> {
        let taps: usize = self.axes.iter().map(|axis| axis.taps).product();
        let few = taps <= 9;
        let deep =
            |inputs| inputs >= 16 && taps <= MANY_TAPS && self.axes.iter().all(|axis| axis.stride == 1);
        match (self.inputs, self.outputs, self.axes.split_last()) {
            (Dim::Known(inputs), Dim::Known(outputs), Some(axes)) if few || deep(inputs) => {
                Ok(self.as_products(x, g, [inputs, outputs], axes))
            }
            _ => self.over_the_batch(x, g),
        }
    }

    /// See [`Convolution::adjoint_of_weights`]. The taps of `last` move ȳ where it has no stride, and x where
    /// it has.
    fn as_products<'b>(
        &self,
        x: Var<'b>,
        g: Var<'b>,
        [inputs, outputs]: [usize; 2],
        (last, others): (&Axis, &[Axis]),
    ) -> Var<'b> {
        let end = others.len() + 2;
        let (of_x, long) =
            if last.stride == 1 { (others, last.input) } else { (&self.axes[..], last.output) };
        let lines: usize = others.iter().map(|axis| axis.output).product();
        let rows = |channels: usize| {
            let extents = [self.groups, channels, lines * long].map(Dim::Known);
            Shape(std::iter::once(self.batch).chain(extents).collect())
        };
        let whole = padded(x, of_x);
        let product = |q: usize| {
            let image = |tap: &Vec<usize>| {
                let tap: Vec<usize> = tap.iter().copied().chain([q]).take(of_x.len()).collect();
                let still = tap.iter().zip(of_x).all(|(q, axis)| axis.stays(*q));
                if still { x } else { seen(whole, of_x, &tap) }.reshape(&rows(inputs))
            };
            let images = joined(&every_tap(others).iter().map(image).collect::<Vec<_>>(), 2);
            let start = last.before as i64 - (q * last.dilation) as i64;
            let y = if last.stride == 1 { moved(g, end, start, long) } else { g }.reshape(&rows(outputs));
            images.with("MatMul", y.transpose(&[0, 1, 3, 2])).reduce("ReduceSum", &[0], true)
        };
        let taps: usize = others.iter().map(|axis| axis.taps).product();
        let products = joined(&(0..last.taps).map(product).collect::<Vec<_>>(), 0);
        let apart = products.reshape(&Shape::fixed(&[last.taps, self.groups, taps, inputs, outputs]));
        let shape = self.spatial(&[Dim::Known(self.groups * outputs), Dim::Known(inputs)], |axis| axis.taps);
        apart.transpose(&[1, 4, 3, 2, 0]).reshape(&shape)
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

/// With zeros where windows go beyond the ends.
fn padded<'b>(x: Var<'b>, axes: &[Axis]) -> Var<'b> {
    let Ok(shape) = x.shape() else { return x };
    let before = axes.iter().map(|axis| axis.before as i64);
    let after = axes.iter().map(|axis| (-axis.rest()).max(0));
    let mut pads = vec![0; 2 * shape.rank()];
    for (i, (before, after)) in (2..).zip(before.zip(after)) {
        (pads[i], pads[shape.rank() + i]) = (before, after);
    }
    if pads.iter().all(|&pad| pad == 0) { x } else { x.with("Pad", x.builder().ints(&pads)) }
}

/// What all windows see of a padded image through one tap.
fn seen<'b>(x: Var<'b>, axes: &[Axis], tap: &[usize]) -> Var<'b> {
    let along: Vec<i64> = (2..2 + axes.len() as i64).collect();
    let starts: Vec<i64> = tap.iter().zip(axes).map(|(q, axis)| (q * axis.dilation) as i64).collect();
    let extents = axes.iter().map(|axis| ((axis.output - 1) * axis.stride + 1) as i64);
    let ends: Vec<i64> = starts.iter().zip(extents).map(|(start, extent)| start + extent).collect();
    let steps: Vec<i64> = axes.iter().map(|axis| axis.stride as i64).collect();
    x.slice(&along, &starts, &ends, &steps)
}

/// The elements from `start` on along an axis, `count` of them; zero where there are none.
///
/// Zeros put beside a part are faster in ONNX Runtime than `Pad` (0.10 and 0.19 ms for 32 images of 32
/// channels at 16×16, moved by a column), but need a known batch.
fn moved<'b>(x: Var<'b>, axis: usize, start: i64, count: usize) -> Var<'b> {
    let Ok(ty) = x.ty() else { return x };
    let Dim::Known(extent) = ty.shape.0[axis] else { return x };
    let (extent, end) = (extent as i64, start + count as i64);
    let (before, after) = ((-start).max(0), (end - extent).max(0));
    let slice = |x: Var<'b>, from, to| x.slice(&[axis as i64], &[from], &[to], &[1]);
    let Some(mut dims) = ty.shape.known() else {
        let mut pads = vec![0; 2 * ty.shape.rank()];
        (pads[axis], pads[ty.shape.rank() + axis]) = (before, after);
        return slice(x.with("Pad", x.builder().ints(&pads)), start + before, end + before);
    };
    let mut zeros = |wanted: i64| {
        dims[axis] = count.min(wanted as usize);
        (wanted > 0).then(|| x.builder().constant(Tensor::full(&dims, 0.0, ty.dtype)))
    };
    let (front, back) = (zeros(before), zeros(after));
    let (from, to) = (start.clamp(0, extent), end.clamp(0, extent));
    let inside = if (from, to) == (0, extent) { Some(x) } else { (from < to).then(|| slice(x, from, to)) };
    joined(&[front, inside, back].into_iter().flatten().collect::<Vec<_>>(), axis as i64)
}

/// All taps of a kernel with these axes, those along the last axis side by side.
fn every_tap(axes: &[Axis]) -> Vec<Vec<usize>> {
    axes.iter().fold(vec![Vec::new()], |taps, axis| {
        let longer = |tap: &Vec<usize>| (0..axis.taps).map(|q| [&tap[..], &[q]].concat()).collect::<Vec<_>>();
        taps.iter().flat_map(longer).collect()
    })
}

/// One tensor of several, at least one.
fn joined<'b>(parts: &[Var<'b>], axis: i64) -> Var<'b> {
    if parts.len() == 1 {
        return parts[0];
    }
    let inputs: Vec<Option<Var>> = parts.iter().copied().map(Some).collect();
    parts[0].builder().op("Concat", &inputs, &[("axis", axis.into())])
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
