//! `y = (x − zero_point) · scale` and back, with one scale a tensor, an axis position, or a block.

use ndarray::{ArrayD, IxDyn};

use super::elementwise::cast;
use crate::infer::Context;
use crate::{DType, Tensor};

pub(super) fn dequantize(c: &Context, x: &Tensor, scale: &Tensor, zero: Option<&Tensor>) -> Option<Tensor> {
    let scales = Parameters::new(c, x, scale)?;
    let scale_of = scale.to_floats()?;
    let zeros = zero.map(|zero| zero.to_ints().filter(|z| z.len() == scale_of.len()));
    let zeros = match zeros {
        Some(zeros) => zeros?,
        None => vec![0; scale_of.len()],
    };
    let ints = ArrayD::from_shape_vec(IxDyn(x.shape()), x.to_ints()?).ok()?;
    let y = ArrayD::from_shape_fn(IxDyn(x.shape()), |at| {
        let i = scales.position(&at);
        (ints[at] - zeros[i]) as f64 * scale_of[i]
    });
    Some(Tensor::from(y).to_float_type(scale.dtype()))
}

/// Rounded to even, saturated.
pub(super) fn quantize(c: &Context, x: &Tensor, scale: &Tensor, zero: Option<&Tensor>) -> Option<Tensor> {
    let dtype = match (zero, c.node.int("output_dtype", 0)) {
        (Some(zero), _) => zero.dtype(),
        (None, 0) => DType::U8,
        (None, code) => DType::from_code(code)?,
    };
    let [least, most] = dtype.levels()?;
    let scales = Parameters::new(c, x, scale)?;
    let scale_of = scale.to_floats()?;
    let zeros = zero.map_or_else(|| Some(vec![0; scale_of.len()]), Tensor::to_ints)?;
    if zeros.len() != scale_of.len() {
        return None;
    }
    let floats = ArrayD::from_shape_vec(IxDyn(x.shape()), x.to_floats()?).ok()?;
    let y = ArrayD::from_shape_fn(IxDyn(x.shape()), |at| {
        let i = scales.position(&at);
        // The quotient in single precision decides ties as the runtimes do.
        let quotient = f64::from((floats[at] / scale_of[i]) as f32);
        (quotient.round_ties_even() + zeros[i] as f64).clamp(least, most)
    });
    cast(&Tensor::from(y), dtype)
}

/// Which scale belongs to which element.
struct Parameters {
    axis: usize,
    /// Elements along `axis` that share a scale.
    block: usize,
    /// The extents of the scales, ones where all share.
    shape: Vec<usize>,
}

impl Parameters {
    fn new(c: &Context, x: &Tensor, scale: &Tensor) -> Option<Parameters> {
        let rank = x.shape().len();
        if scale.len() == 1 {
            return Some(Parameters { axis: 0, block: 1, shape: vec![1; rank] });
        }
        let axis = c.axis(c.node.int("axis", 1), rank).ok()?;
        let block = usize::try_from(c.node.int("block_size", 0)).ok()?;
        let mut shape = vec![1; rank];
        if block == 0 {
            shape[axis] = x.shape()[axis];
            return (scale.shape() == [shape[axis]]).then_some(Parameters { axis, block: 1, shape });
        }
        shape.copy_from_slice(x.shape());
        shape[axis] = shape[axis].div_ceil(block);
        (scale.shape() == shape.as_slice()).then_some(Parameters { axis, block, shape })
    }

    /// The place of the scale of the element at this index.
    fn position(&self, at: &IxDyn) -> usize {
        let along = |i: usize| if i == self.axis { at[i] / self.block } else { at[i] };
        (0..self.shape.len())
            .fold(0, |place, i| if self.shape[i] == 1 { place } else { place * self.shape[i] + along(i) })
    }
}
