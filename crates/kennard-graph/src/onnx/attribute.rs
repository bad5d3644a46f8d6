//! `AttributeProto` → [`Attribute`].

use prost::bytes::Bytes;

use super::external::Files;
use super::proto::*;
use super::tensor::read_tensor;
use crate::Attribute;

/// Reads an attribute.
///
/// # Errors
/// A message that names the attribute.
pub(super) fn read_attribute(proto: &AttributeProto, files: &Files) -> Result<Attribute, String> {
    let name = proto.name.as_deref().unwrap_or("");
    let text = |bytes: &Bytes| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| format!("its attribute `{name}` is no valid UTF-8 text"))
    };
    if let Some(field) = stray(proto) {
        return Err(format!(
            "its attribute `{name}` says that it is of another type than its value, {field}"
        ));
    }
    let missing = || format!("its attribute `{name}` has no value");
    Ok(match kind(proto) {
        ATTRIBUTE_FLOAT => Attribute::Float(proto.f.unwrap_or_default()),
        ATTRIBUTE_INT => Attribute::Int(proto.i.unwrap_or_default()),
        ATTRIBUTE_STRING => Attribute::Text(text(proto.s.as_ref().unwrap_or(&Bytes::new()))?),
        ATTRIBUTE_TENSOR => {
            let tensor = read_tensor(proto.t.as_ref().ok_or_else(missing)?, files);
            Attribute::Tensor(tensor.map_err(|e| format!("its attribute `{name}`: {e}"))?)
        }
        ATTRIBUTE_FLOATS => Attribute::Floats(proto.floats.clone()),
        ATTRIBUTE_INTS => Attribute::Ints(proto.ints.clone()),
        ATTRIBUTE_STRINGS => Attribute::Texts(proto.strings.iter().map(text).collect::<Result<_, _>>()?),
        ATTRIBUTE_GRAPH => {
            return Err(
                "it contains a subgraph; export the model without loops and data-dependent branches".into()
            );
        }
        _ => return Err(format!("its attribute `{name}` is of a kind that Kennard does not support")),
    })
}

/// The attribute's type code. The oldest files leave it out; then the field that is filled tells.
pub(super) fn kind(proto: &AttributeProto) -> i32 {
    match proto.r#type {
        Some(code) if code != 0 => code,
        _ if proto.f.is_some() => ATTRIBUTE_FLOAT,
        _ if proto.i.is_some() => ATTRIBUTE_INT,
        _ if proto.s.is_some() => ATTRIBUTE_STRING,
        _ if proto.t.is_some() => ATTRIBUTE_TENSOR,
        _ if proto.g.is_some() => ATTRIBUTE_GRAPH,
        _ if !proto.floats.is_empty() => ATTRIBUTE_FLOATS,
        _ if !proto.strings.is_empty() => ATTRIBUTE_STRINGS,
        _ => ATTRIBUTE_INTS,
    }
}

/// A value beside, or in place of, the one that the attribute's type says.
fn stray(proto: &AttributeProto) -> Option<&'static str> {
    let kind = kind(proto);
    let fields = [
        (ATTRIBUTE_FLOAT, proto.f.is_some(), "a float"),
        (ATTRIBUTE_INT, proto.i.is_some(), "an integer"),
        (ATTRIBUTE_STRING, proto.s.is_some(), "a text"),
        (ATTRIBUTE_TENSOR, proto.t.is_some(), "a tensor"),
        (ATTRIBUTE_GRAPH, proto.g.is_some(), "a graph"),
        (ATTRIBUTE_FLOATS, !proto.floats.is_empty(), "a list of floats"),
        (ATTRIBUTE_INTS, !proto.ints.is_empty(), "a list of integers"),
        (ATTRIBUTE_STRINGS, !proto.strings.is_empty(), "a list of texts"),
    ];
    fields.into_iter().find(|(code, there, _)| *there && *code != kind).map(|(.., name)| name)
}
