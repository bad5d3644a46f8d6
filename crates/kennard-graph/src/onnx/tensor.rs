//! `TensorProto` ↔ [`Tensor`].

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use prost::bytes::Bytes;

use super::external::Files;
use super::proto::TensorProto;
use crate::types::type_name;
use crate::{DType, GraphError, Result, Shape, Tensor, with_array};

/// Reads a tensor; `files` gives the data of one that is kept outside the model file.
pub(super) fn read_tensor(proto: &TensorProto, files: &Files) -> Result<Tensor> {
    let name = proto.name.as_deref().unwrap_or("");
    let error = |message: String| GraphError::Format(format!("the tensor `{name}` {message}"));
    let (shape, len) = extents(&proto.dims).map_err(error)?;
    let code = proto.data_type.unwrap_or(0);
    let element = element_size(code).ok_or_else(|| {
        error(format!(
            "has elements of {}, which Kennard does not hold; export the model in float32",
            type_name(code.into())
        ))
    })?;
    if is_outside(proto) && code == DType::F32.code() as i32 {
        let floats = files.floats(&proto.external_data, len).map_err(error)?;
        let array = ArrayD::from_shape_vec(IxDyn(&shape), floats);
        return Ok(array.map_err(|e| error(e.to_string()))?.into());
    }
    let raw = bytes(proto, files, len * element).map_err(error)?;
    if let Some(raw) = &raw
        && raw.len() != len * element
    {
        return Err(error(format!(
            "has {} bytes of data, not the {len} × {element} of its shape",
            raw.len()
        )));
    }
    let source = Source { proto, raw, len };
    source.read(code, &shape).map_err(error)
}

/// Whether a tensor's data are kept outside the model file.
fn is_outside(proto: &TensorProto) -> bool {
    proto.data_location == Some(1)
}

/// A tensor's data as bytes, `size` of them where they are kept outside; none where they are in a field of their type.
fn bytes(proto: &TensorProto, files: &Files, size: usize) -> Result<Option<Bytes>, String> {
    match is_outside(proto) {
        true => files.read(&proto.external_data, size).map(Some),
        false => Ok(proto.raw_data.clone().filter(|raw| !raw.is_empty())),
    }
}

/// Signed and unsigned integers of 4 bits.
const NIBBLES: [i32; 2] = [22, 21];

/// Whether a tensor is of 4-bit integers.
pub(super) fn is_of_4_bits(proto: &TensorProto) -> bool {
    proto.data_type.is_some_and(|code| NIBBLES.contains(&code))
}

/// Reads a tensor of 4-bit integers, which lie two to a byte, the lower half first, as one of 8-bit ones.
pub(super) fn read_4_bits(proto: &TensorProto, files: &Files) -> Result<Tensor> {
    let name = proto.name.as_deref().unwrap_or("");
    let error = |message: String| GraphError::Format(format!("the tensor `{name}` {message}"));
    let (shape, len) = extents(&proto.dims).map_err(error)?;
    let lowest = || proto.int32_data.iter().map(|v| v.to_le_bytes()[0]).collect::<Vec<u8>>();
    let packed = bytes(proto, files, len.div_ceil(2)).map_err(error)?.unwrap_or_else(|| lowest().into());
    if packed.len() != len.div_ceil(2) {
        return Err(error(format!("has {} bytes of data for {len} integers of 4 bits", packed.len())));
    }
    let half = |i: usize| (packed[i / 2] >> (4 * (i % 2))) & 15;
    let failed = |e: ndarray::ShapeError| error(e.to_string());
    Ok(if proto.data_type == Some(NIBBLES[0]) {
        let values = (0..len).map(|i| ((half(i) << 4) as i8) >> 4).collect();
        ArrayD::<i8>::from_shape_vec(IxDyn(&shape), values).map_err(failed)?.into()
    } else {
        let values = (0..len).map(half).collect();
        ArrayD::<u8>::from_shape_vec(IxDyn(&shape), values).map_err(failed)?.into()
    })
}

/// The data of a tensor: bytes, or one of the typed fields.
struct Source<'a> {
    proto: &'a TensorProto,
    raw: Option<Bytes>,
    len: usize,
}

impl Source<'_> {
    fn read(&self, code: i32, shape: &[usize]) -> Result<Tensor, String> {
        macro_rules! elements {
            ($element:ty, $field:ident, $convert:expr) => {{
                let values: Result<Vec<_>, String> = match &self.raw {
                    Some(raw) => {
                        let (chunks, _) = raw.as_chunks();
                        chunks.iter().map(|&bytes| $convert(<$element>::from_le_bytes(bytes))).collect()
                    }
                    None => {
                        let field = &self.proto.$field;
                        if field.len() != self.len {
                            return Err(count_error(field.len(), self.len));
                        }
                        field.iter().map(|&v| narrow::<_, $element>(v).and_then($convert)).collect()
                    }
                };
                let array = ArrayD::from_shape_vec(IxDyn(shape), values?);
                Ok(array.map_err(|e| e.to_string())?.into())
            }};
        }
        match code {
            1 => elements!(f32, float_data, Ok),
            11 => elements!(f64, double_data, Ok),
            7 => elements!(i64, int64_data, Ok),
            6 => elements!(i32, int32_data, Ok),
            3 => elements!(i8, int32_data, Ok),
            2 => elements!(u8, int32_data, Ok),
            9 => elements!(u8, int32_data, |v| Ok(v != 0)),
            10 => elements!(u16, int32_data, |v| Ok(f16::from_bits(v))),
            16 => elements!(u16, int32_data, |v| Ok(bf16::from_bits(v).to_f32())),
            4 => elements!(u16, int32_data, Ok),
            5 => elements!(i16, int32_data, Ok),
            12 => elements!(u32, uint64_data, |v| Ok(i64::from(v))),
            13 => elements!(u64, uint64_data, |v: u64| narrow::<_, i64>(v)),
            _ => Err(format!("has elements of {}", type_name(code.into()))),
        }
    }
}

fn narrow<A: Copy + std::fmt::Display, B: TryFrom<A>>(value: A) -> Result<B, String> {
    B::try_from(value).map_err(|_| format!("holds {value}, which its element type cannot"))
}

fn count_error(found: usize, wanted: usize) -> String {
    format!("has {found} elements of data, its shape wants {wanted}")
}

/// The bytes an element takes in `raw_data`.
fn element_size(code: i32) -> Option<usize> {
    Some(match code {
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        1 | 6 | 12 => 4,
        7 | 11 | 13 => 8,
        _ => return None,
    })
}

/// The extents of a tensor and the number of its elements.
fn extents(dims: &[i64]) -> Result<(Vec<usize>, usize), String> {
    let shape: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.filter(|shape| Shape::fixed(shape).is_possible()).ok_or_else(|| {
        let shown = &dims[..dims.len().min(8)];
        format!("has an impossible shape of {} axes, {shown:?} …", dims.len())
    })?;
    let len = shape.iter().product();
    Ok((shape, len))
}

/// The message without its data.
pub(super) fn header(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: with_array!(tensor, a => a.shape().iter().map(|&n| n as i64).collect()),
        data_type: Some(tensor.dtype().code() as i32),
        ..TensorProto::default()
    }
}

/// The message with its data inside.
pub(super) fn write_tensor(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto { raw_data: Some(tensor.to_bytes().into()), ..header(name, tensor) }
}
