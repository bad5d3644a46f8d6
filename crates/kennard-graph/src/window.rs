//! The geometry that convolutions and pools share, and what their windows see of a tensor.

use ndarray::ArrayD;

use crate::builder::Call;
use crate::infer::{AutoPad, KernelWindow, list};
use crate::{Attribute, Dim, GraphError, Result, Shape, Tensor, Var};

/// A window that slides along one axis: output `o` sees, through tap `q` of the window, the input
/// `o·stride + q·dilation − before`, and zero or nothing where there is no such input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub input: usize,
    pub output: usize,
    pub taps: usize,
    pub stride: usize,
    pub dilation: usize,
    pub before: usize,
}

impl Axis {
    /// From the first to the last tap.
    pub fn span(self) -> usize {
        (self.taps - 1) * self.dilation + 1
    }

    /// Whether output and input are the same.
    pub fn trivial(self) -> bool {
        self.taps == 1 && self.stride == 1 && self.before == 0 && self.rest() == 0
    }

    /// Whether tap `q` sees the input as it is: output `o` the input `o`, for all.
    pub fn stays(self, q: usize) -> bool {
        self.stride == 1 && self.input == self.output && q * self.dilation == self.before
    }

    /// How far the input, with the margin before it, goes on after the last window; below 0 where the
    /// last window goes beyond the input.
    pub fn rest(self) -> i64 {
        (self.input + self.before) as i64 - ((self.output - 1) * self.stride + self.span()) as i64
    }

    /// How far the last window goes beyond the input.
    pub fn after(self) -> usize {
        usize::try_from(-self.rest()).unwrap_or(0)
    }
}

/// Wider windows, taken tap by tap, would make graphs of more nodes than anyone wants.
pub(crate) const WIDEST: usize = 256;

/// The spatial axes of a pool's window. An error about one that is empty or too wide ends with what it `lacks`.
pub(crate) fn of_pool(c: &Call, output: &Shape, lacks: &str) -> Result<Vec<Axis>> {
    let kernel = c.node.ints("kernel_shape").unwrap_or_default();
    let taps: Option<Vec<usize>> =
        kernel.iter().map(|&k| usize::try_from(k).ok().filter(|k| (1..=WIDEST).contains(k))).collect();
    let taps = taps.ok_or_else(|| c.node.error(format!("a window of {kernel:?} {lacks}")))?;
    axes(c, &c.x(0).shape()?, output, &taps)
}

/// The spatial axes of the node's window, which slides over `input [N, C, …]` and gives
/// `output [N, M, …]`.
pub(crate) fn axes(b: &Call, input: &Shape, output: &Shape, kernel: &[usize]) -> Result<Vec<Axis>> {
    let n = kernel.len();
    let known = |shape: &Shape, i: usize| {
        let extent = shape.0.get(i + 2).copied().and_then(Dim::known).filter(|&extent| extent > 0);
        extent.ok_or_else(|| b.node.error(format!("takes {n} fixed spatial axes, not {input} to {output}")))
    };
    let size = |value: i64| {
        let size = i32::try_from(value).ok().and_then(|value| value.try_into().ok());
        size.ok_or_else(|| b.node.error(format!("{value} is no size")))
    };
    let window = KernelWindow::new(b.node, kernel)?;
    let output_padding = list(b.node, "output_padding", n, 0, 0)?;
    let axis = |i: usize| {
        let mut axis = Axis {
            input: known(input, i)?,
            output: known(output, i)?,
            taps: kernel[i],
            stride: size(window.strides[i])?,
            dilation: size(window.dilations[i])?,
            before: 0,
        };
        // `ConvTranspose` may name its extent instead of the margin.
        let named = b.node.ints("output_shape").is_some();
        let margin = size(output_padding[i])? as i64 - axis.rest();
        let margin = usize::try_from(margin).unwrap_or(0);
        axis.before = match window.auto_pad {
            AutoPad::SameUpper => margin / 2,
            AutoPad::SameLower => margin - margin / 2,
            AutoPad::Valid => 0,
            AutoPad::Explicit if named => margin - margin / 2,
            AutoPad::Explicit => size(window.pads[i])?,
        };
        Ok(axis)
    };
    (0..n).map(axis).collect()
}

/// Fixed extents from axis 2 on: the kernel of weights `[M, C, …]`.
pub(crate) fn kernel(b: &Call, weights: &Shape) -> Result<Vec<usize>> {
    let extents = weights.0.iter().skip(2).map(|d| d.known().filter(|&extent| extent > 0));
    extents
        .collect::<Option<_>>()
        .ok_or_else(|| b.node.error(format!("the kernel of {weights} is empty or not fixed")))
}

/// Padded along axis `at` so that every tap of every window sees something.
pub(crate) fn padded<'b>(x: Var<'b>, at: usize, axis: &Axis, fill: f64) -> Result<Var<'b>> {
    let (rank, after) = (x.shape()?.rank(), axis.after());
    if axis.before == 0 && after == 0 {
        return Ok(x);
    }
    let mut pads = vec![0; 2 * rank];
    (pads[at], pads[rank + at]) = (axis.before as i64, after as i64);
    Ok(x.builder().op("Pad", &[Some(x), Some(x.builder().ints(&pads)), Some(x.number(fill))], &[]))
}

/// What all windows see through one tap, along axis `at`.
pub(crate) fn seen<'b>(padded: Var<'b>, at: usize, axis: &Axis, tap: usize) -> Var<'b> {
    let first = tap * axis.dilation;
    let end = first + (axis.output - 1) * axis.stride + 1;
    padded.slice(&[at as i64], &[first as i64], &[end as i64], &[axis.stride as i64])
}

/// `x[o·stride + q·dilation − before] = Σ parts[q][o]` along axis `at`, x being of this shape, by a
/// `ConvTranspose` with a kernel for each tap that is 1 there and 0 elsewhere. (For 4·64 images of 32×32 and
/// windows of 2×2, ONNX Runtime takes 138 µs for it, 530 µs for a `DepthToSpace`, 975 µs for a `Transpose`;
/// rten takes 366, 876 and 172 µs.)
pub(crate) fn put_back<'b>(parts: &[Var<'b>], shape: &Shape, at: usize, axis: &Axis) -> Result<Var<'b>> {
    let builder = parts[0].builder();
    let flat = |dims: &[Dim]| {
        let flat = Shape(dims.to_vec()).flat();
        flat.ok_or_else(|| GraphError::Shape(format!("{shape} has several batch axes")))
    };
    let (ahead, behind) = (flat(&shape.0[..at])?, flat(&shape.0[at + 1..])?);
    let image = Shape(vec![ahead, Dim::Known(1), Dim::Known(axis.output), behind]);
    let taps: Vec<Option<Var>> = parts.iter().map(|part| Some(part.reshape(&image))).collect();
    let stacked = builder.op("Concat", &taps, &[("axis", 1i64.into())]);

    let n = axis.taps;
    let units: Tensor = ArrayD::from_shape_fn(vec![n, 1, n, 1], |i| f64::from(u8::from(i[0] == i[2]))).into();
    let units = builder.constant(units.to_float_type(stacked.ty()?.dtype));
    let attributes: [(&str, Attribute); 5] = [
        ("kernel_shape", vec![n as i64, 1].into()),
        ("strides", vec![axis.stride as i64, 1].into()),
        ("dilations", vec![axis.dilation as i64, 1].into()),
        ("pads", vec![axis.before as i64, 0, axis.after() as i64, 0].into()),
        ("output_padding", vec![axis.rest().max(0), 0].into()),
    ];
    Ok(builder.op("ConvTranspose", &[Some(stacked), Some(units)], &attributes).reshape(shape))
}
