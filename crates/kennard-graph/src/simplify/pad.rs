//! `Pad` in front of a convolution or pool, as the padding of that.

use crate::fold::{Pass, Rewritten};
use crate::{Attribute, Node};

/// Zeros in front of `Conv` and `AveragePool` (which then counts them, as it did before), the lowest
/// number in front of `MaxPool`, or zeros where nothing is negative.
pub(super) fn pad(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let padded = node.input(0)?;
    if !matches!(node.op.as_str(), "Conv" | "AveragePool" | "MaxPool")
        || !matches!(node.text("auto_pad", "NOTSET"), "NOTSET" | "" | "VALID")
    {
        return None;
    }
    let pad = pass.sole_producer(padded, "Pad").filter(|pad| pad.text("mode", "constant") == "constant")?;
    let input = pad.input(0)?;
    let rank = pass.shape(input)?.rank();
    let spatial = rank.checked_sub(2)?;
    let added = spatial_padding(pass, pad, rank)?;
    let fill = match pad.input(2) {
        None => 0.0,
        Some(name) => pass.constant(name)?.item()?,
    };

    let old = match (node.text("auto_pad", "NOTSET"), node.ints("pads")) {
        ("VALID", _) | (_, None) => vec![0; 2 * spatial],
        (_, Some(pads)) => pads.to_vec(),
    };
    let mut fused = node.clone();
    match node.op.as_str() {
        "Conv" if fill == 0.0 => {}
        // Zeros of its own are not counted unless asked for, and rounding up counts otherwise.
        "AveragePool" if fill == 0.0 && node.int("ceil_mode", 0) == 0 => {
            if node.int("count_include_pad", 0) == 0 && old.iter().any(|&n| n != 0) {
                return None;
            }
            fused.attributes.insert("count_include_pad".into(), Attribute::Int(1));
        }
        "MaxPool" if node.outputs.len() == 1 && node.int("ceil_mode", 0) == 0 => {
            let no_negative =
                pass.producer(input).is_some_and(|p| matches!(p.op.as_str(), "Relu" | "Sigmoid"));
            if !(fill <= f32::MIN.into() || fill == 0.0 && no_negative) {
                return None;
            }
        }
        _ => return None,
    }
    let pads: Vec<i64> = added.iter().zip(&old).map(|(a, b)| a.checked_add(*b)).collect::<Option<_>>()?;
    // The runtimes demand of pools that every window holds an element.
    if node.op != "Conv" {
        let kernel = node.ints("kernel_shape")?;
        if pads.iter().enumerate().any(|(i, n)| *n >= kernel[i % spatial]) {
            return None;
        }
    }
    fused.inputs[0] = input.into();
    fused.attributes.remove("auto_pad");
    fused.attributes.insert("pads".into(), pads.into());
    Some(Rewritten::Nodes(vec![fused]))
}

/// The padding of the spatial axes, all beginnings and then all ends, if no other axis is padded and
/// nothing is cut off.
fn spatial_padding(pass: &Pass, pad: &Node, rank: usize) -> Option<Vec<i64>> {
    let context = pass.types().context(pad)?;
    let padding = crate::infer::padding(&context, rank).ok()??;
    let (other, spatial) = padding.split_at(2);
    let fits = other.iter().all(|&p| p == (0, 0)) && spatial.iter().all(|&(a, b)| a >= 0 && b >= 0);
    fits.then(|| spatial.iter().map(|p| p.0).chain(spatial.iter().map(|p| p.1)).collect())
}
