use kennard_graph::DType;

/// The elements of one input, in row-major order.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Floats: images and the like.
    F32(&'a [f32]),
    /// Integers: labels.
    I64(&'a [i64]),
}

impl Input<'_> {
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Input::F32(_) => DType::F32,
            Input::I64(_) => DType::I64,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Input::F32(data) => data.len(),
            Input::I64(data) => data.len(),
        }
    }
}
