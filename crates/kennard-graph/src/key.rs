//! Bytes that tell equal things from others, so that nothing is computed twice.

use crate::{Attribute, Node, Tensor, with_array};

/// What a node computes: equal only where operator, inputs, attributes and the number of outputs are.
pub(crate) fn node_key(node: &Node) -> Vec<u8> {
    let mut key = Vec::new();
    text(&node.op, &mut key);
    number(node.outputs.len(), &mut key);
    number(node.inputs.len(), &mut key);
    node.inputs.iter().for_each(|input| text(input, &mut key));
    for (name, value) in &node.attributes {
        text(name, &mut key);
        attribute(value, &mut key);
    }
    key
}

/// A tensor's type, shape and elements.
pub(crate) fn tensor_key(tensor: &Tensor) -> Vec<u8> {
    let mut key = vec![tensor.dtype().code() as u8];
    let shape = with_array!(tensor, a => a.shape().to_vec());
    number(shape.len(), &mut key);
    shape.into_iter().for_each(|extent| number(extent, &mut key));
    key.extend(tensor.to_bytes());
    key
}

fn number(value: usize, key: &mut Vec<u8>) {
    key.extend((value as u64).to_le_bytes());
}

/// Appends a text after its length, so that no text runs into the next.
fn text(value: &str, key: &mut Vec<u8>) {
    number(value.len(), key);
    key.extend(value.bytes());
}

fn attribute(value: &Attribute, key: &mut Vec<u8>) {
    match value {
        Attribute::Int(v) => {
            key.push(0);
            key.extend(v.to_le_bytes());
        }
        Attribute::Float(v) => {
            key.push(1);
            key.extend(v.to_le_bytes());
        }
        Attribute::Text(v) => {
            key.push(2);
            text(v, key);
        }
        Attribute::Tensor(v) => {
            key.push(3);
            let inner = tensor_key(v);
            number(inner.len(), key);
            key.extend(inner);
        }
        Attribute::Ints(v) => {
            key.push(4);
            number(v.len(), key);
            v.iter().for_each(|v| key.extend(v.to_le_bytes()));
        }
        Attribute::Floats(v) => {
            key.push(5);
            number(v.len(), key);
            v.iter().for_each(|v| key.extend(v.to_le_bytes()));
        }
        Attribute::Texts(v) => {
            key.push(6);
            number(v.len(), key);
            v.iter().for_each(|v| text(v, key));
        }
    }
}
