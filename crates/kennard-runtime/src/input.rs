use kennard_graph::DType;

/// The elements of one input, in row-major order.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Floats: images and the like.
    F32(&'a [f32]),
    /// Integers: labels.
    I64(&'a [i64]),
}

/// A number in 32 bits, for runtimes that have no more.
pub(crate) fn narrowed(value: i64) -> Result<i32, String> {
    i32::try_from(value).map_err(|_| format!("{value} is beyond 32 bits"))
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
