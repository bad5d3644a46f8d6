use half::f16;
use ndarray::{ArcArray, ArrayD, IxDyn};

/// The element types that a graph may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// IEEE half precision.
    F16,
    /// 64-bit integers: shapes, indices, labels.
    I64,
    /// 32-bit integers.
    I32,
    /// Signed bytes: quantised weights.
    I8,
    /// Unsigned bytes: quantised activations.
    U8,
    /// Signed 16-bit integers: quantised activations.
    I16,
    /// Unsigned 16-bit integers.
    U16,
    /// Truth values.
    Bool,
}

impl DType {
    /// Whether gradients flow through tensors of this type.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16)
    }

    /// The smallest and the largest number of a type that real numbers are quantised to; none of any other.
    pub fn levels(self) -> Option<[f64; 2]> {
        match self {
            DType::I8 => Some([i8::MIN.into(), i8::MAX.into()]),
            DType::U8 => Some([u8::MIN.into(), u8::MAX.into()]),
            DType::I16 => Some([i16::MIN.into(), i16::MAX.into()]),
            DType::U16 => Some([u16::MIN.into(), u16::MAX.into()]),
            _ => None,
        }
    }
}

/// A constant tensor. Cloning shares the data.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Single precision.
    F32(ArcArray<f32, IxDyn>),
    /// Double precision.
    F64(ArcArray<f64, IxDyn>),
    /// Half precision.
    F16(ArcArray<f16, IxDyn>),
    /// 64-bit integers.
    I64(ArcArray<i64, IxDyn>),
    /// 32-bit integers.
    I32(ArcArray<i32, IxDyn>),
    /// Signed bytes.
    I8(ArcArray<i8, IxDyn>),
    /// Unsigned bytes.
    U8(ArcArray<u8, IxDyn>),
    /// Signed 16-bit integers.
    I16(ArcArray<i16, IxDyn>),
    /// Unsigned 16-bit integers.
    U16(ArcArray<u16, IxDyn>),
    /// Truth values.
    Bool(ArcArray<bool, IxDyn>),
}

/// Runs an expression with `$a` bound to the array inside, whatever its element type.
#[macro_export]
#[doc(hidden)]
macro_rules! with_array {
    ($tensor:expr, $a:ident => $body:expr) => {
        match $tensor {
            $crate::Tensor::F32($a) => $body,
            $crate::Tensor::F64($a) => $body,
            $crate::Tensor::F16($a) => $body,
            $crate::Tensor::I64($a) => $body,
            $crate::Tensor::I32($a) => $body,
            $crate::Tensor::I8($a) => $body,
            $crate::Tensor::U8($a) => $body,
            $crate::Tensor::I16($a) => $body,
            $crate::Tensor::U16($a) => $body,
            $crate::Tensor::Bool($a) => $body,
        }
    };
}

macro_rules! from_array {
    ($($element:ty => $variant:ident),*) => {$(
        impl From<ArrayD<$element>> for Tensor {
            fn from(array: ArrayD<$element>) -> Tensor {
                Tensor::$variant(array.into_shared())
            }
        }
        impl From<ArcArray<$element, IxDyn>> for Tensor {
            fn from(array: ArcArray<$element, IxDyn>) -> Tensor {
                Tensor::$variant(array)
            }
        }
    )*};
}
from_array!(f32 => F32, f64 => F64, f16 => F16, i64 => I64, i32 => I32, i8 => I8, u8 => U8, i16 => I16, u16 => U16, bool => Bool);

impl Tensor {
    /// The elements as ONNX stores them: row-major, little-endian.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        fn collect<const N: usize, T: Copy>(
            array: &ndarray::ArcArray<T, IxDyn>,
            bytes: impl Fn(T) -> [u8; N],
        ) -> Vec<u8> {
            let mut raw = Vec::with_capacity(array.len() * N);
            array.iter().for_each(|&v| raw.extend_from_slice(&bytes(v)));
            raw
        }
        match self {
            Tensor::Bool(a) => collect(a, |v| [u8::from(v)]),
            Tensor::F32(a) => collect(a, f32::to_le_bytes),
            Tensor::F64(a) => collect(a, f64::to_le_bytes),
            Tensor::F16(a) => collect(a, f16::to_le_bytes),
            Tensor::I64(a) => collect(a, i64::to_le_bytes),
            Tensor::I32(a) => collect(a, i32::to_le_bytes),
            Tensor::I8(a) => collect(a, i8::to_le_bytes),
            Tensor::U8(a) => collect(a, u8::to_le_bytes),
            Tensor::I16(a) => collect(a, i16::to_le_bytes),
            Tensor::U16(a) => collect(a, u16::to_le_bytes),
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Tensor::F32(_) => DType::F32,
            Tensor::F64(_) => DType::F64,
            Tensor::F16(_) => DType::F16,
            Tensor::I64(_) => DType::I64,
            Tensor::I32(_) => DType::I32,
            Tensor::I8(_) => DType::I8,
            Tensor::U8(_) => DType::U8,
            Tensor::I16(_) => DType::I16,
            Tensor::U16(_) => DType::U16,
            Tensor::Bool(_) => DType::Bool,
        }
    }

    /// The extents, one per axis.
    pub fn shape(&self) -> &[usize] {
        with_array!(self, a => a.shape())
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        with_array!(self, a => a.len())
    }

    /// The bytes that the elements take.
    pub fn bytes(&self) -> usize {
        let of_one = match self.dtype() {
            DType::I8 | DType::U8 | DType::Bool => 1,
            DType::F16 | DType::I16 | DType::U16 => 2,
            DType::F32 | DType::I32 => 4,
            DType::F64 | DType::I64 => 8,
        };
        self.len().saturating_mul(of_one)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A scalar (rank 0) of a numeric type; integers are truncated towards zero.
    pub fn scalar(value: f64, dtype: DType) -> Tensor {
        Tensor::full(&[], value, dtype)
    }

    /// A tensor with one value everywhere; integers are truncated towards zero.
    pub fn full(shape: &[usize], value: f64, dtype: DType) -> Tensor {
        let shape = IxDyn(shape);
        match dtype {
            DType::F32 => ArrayD::from_elem(shape, value as f32).into(),
            DType::F64 => ArrayD::from_elem(shape, value).into(),
            DType::F16 => ArrayD::from_elem(shape, f16::from_f64(value)).into(),
            DType::I64 => ArrayD::from_elem(shape, value as i64).into(),
            DType::I32 => ArrayD::from_elem(shape, value as i32).into(),
            DType::I8 => ArrayD::from_elem(shape, value as i8).into(),
            DType::U8 => ArrayD::from_elem(shape, value as u8).into(),
            DType::I16 => ArrayD::from_elem(shape, value as i16).into(),
            DType::U16 => ArrayD::from_elem(shape, value as u16).into(),
            DType::Bool => ArrayD::from_elem(shape, value != 0.0).into(),
        }
    }

    /// A vector of 64-bit integers, as shapes and axes are given in ONNX.
    pub fn ints(values: &[i64]) -> Tensor {
        ndarray::Array1::from(values.to_vec()).into_dyn().into()
    }

    /// The elements in row-major order as 64-bit integers, if the type is an integer or truth value.
    pub fn to_ints(&self) -> Option<Vec<i64>> {
        Some(match self {
            Tensor::I64(a) => a.iter().copied().collect(),
            Tensor::I32(a) => a.iter().map(|&v| v.into()).collect(),
            Tensor::I8(a) => a.iter().map(|&v| v.into()).collect(),
            Tensor::U8(a) => a.iter().map(|&v| v.into()).collect(),
            Tensor::I16(a) => a.iter().map(|&v| v.into()).collect(),
            Tensor::U16(a) => a.iter().map(|&v| v.into()).collect(),
            Tensor::Bool(a) => a.iter().map(|&v| v.into()).collect(),
            _ => return None,
        })
    }

    /// Integers of 16 bits as such of 32; all else as it is.
    pub fn to_i32(&self) -> Tensor {
        match self {
            Tensor::I16(a) => a.mapv(i32::from).into(),
            Tensor::U16(a) => a.mapv(i32::from).into(),
            _ => self.clone(),
        }
    }

    /// The elements in row-major order as doubles, if the type is a float.
    pub fn to_floats(&self) -> Option<Vec<f64>> {
        Some(match self {
            Tensor::F32(a) => a.iter().map(|&v| v.into()).collect(),
            Tensor::F64(a) => a.iter().copied().collect(),
            Tensor::F16(a) => a.iter().map(|&v| v.into()).collect(),
            _ => return None,
        })
    }

    /// The single element as a double, if there is exactly one and it is a number.
    pub fn item(&self) -> Option<f64> {
        if self.len() != 1 {
            return None;
        }
        match self.to_floats() {
            Some(v) => Some(v[0]),
            None => self.to_ints().map(|v| v[0] as f64),
        }
    }

    /// Floats brought to another float type; all else as it is.
    pub fn to_float_type(&self, dtype: DType) -> Tensor {
        if !self.dtype().is_float() || self.dtype() == dtype {
            return self.clone();
        }
        macro_rules! to {
            ($convert:expr) => {
                match self {
                    Tensor::F32(a) => a.mapv(|v| $convert(f64::from(v))).into(),
                    Tensor::F64(a) => a.mapv($convert).into(),
                    Tensor::F16(a) => a.mapv(|v| $convert(f64::from(v))).into(),
                    other => other.clone(),
                }
            };
        }
        match dtype {
            DType::F32 => to!(|v: f64| v as f32),
            DType::F64 => to!(|v: f64| v),
            _ => to!(f16::from_f64),
        }
    }
}
