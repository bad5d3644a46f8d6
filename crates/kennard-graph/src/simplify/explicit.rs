//! Windows written out: runtimes differ in what they take for an attribute that is not there, and in
//! what they make of `SAME_LOWER`.

use std::collections::BTreeMap;

use crate::fold::{Pass, Rewritten};
use crate::infer::{AutoPad, KernelWindow};
use crate::{Attribute, Node};

/// `kernel_shape`, `strides`, `dilations` and `pads` of a convolution or pool, all stated.
pub(super) fn explicit(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let pool = matches!(node.op.as_str(), "AveragePool" | "LpPool" | "MaxPool");
    let transposed = node.op == "ConvTranspose";
    if !pool && !transposed && !matches!(node.op.as_str(), "Conv" | "ConvInteger") {
        return None;
    }
    let fixed =
        |name: &str| pass.shape(name)?.0.get(2..)?.iter().map(|d| d.known()).collect::<Option<Vec<_>>>();
    let kernel = match pool {
        true => node.ints("kernel_shape")?.iter().map(|&k| usize::try_from(k).ok()).collect::<Option<_>>()?,
        false => fixed(node.input(1)?)?,
    };
    let window = KernelWindow::new(node, &kernel).ok()?;
    let mut attributes: BTreeMap<String, Attribute> = node.attributes.clone();
    let mut pads = window.pads.clone();
    if matches!(window.auto_pad, AutoPad::SameUpper | AutoPad::SameLower)
        || transposed && node.ints("output_shape").is_some()
    {
        let (input, output) = (fixed(node.input(0)?)?, fixed(&node.outputs[0])?);
        let (wide, narrow) = if transposed { (output, input) } else { (input, output) };
        let n = kernel.len();
        for i in 0..n {
            let over = node.ints("output_padding").map_or(Some(0), |p| p.get(i).copied())?;
            let reach =
                (narrow[i] as i128 - 1) * i128::from(window.strides[i]) + window.span(i) + i128::from(over);
            let total = i64::try_from(reach - wide[i] as i128).ok()?;
            // A convolution may leave elements over; a transposed one would have to invent them.
            if transposed && total < 0 {
                return None;
            }
            let half = total.max(0) / 2;
            let rest = total.max(0) - half;
            (pads[i], pads[i + n]) =
                if window.auto_pad == AutoPad::SameUpper { (half, rest) } else { (rest, half) };
        }
        // The extent was rounded up already.
        attributes.remove("ceil_mode");
    }
    if pool && node.int("ceil_mode", 0) != 0 {
        // A last window that would begin behind the data is left out; then nothing is rounded up. Readers of
        // the file disagree about it.
        let context = pass.types().context(node)?;
        let x = &context.input(0).ok()?.shape;
        let length = |ceil: bool| window.outputs(&context, x, ceil).ok().flatten();
        if length(true).is_some_and(|extents| length(false) == Some(extents)) {
            attributes.remove("ceil_mode");
        }
    }
    attributes.remove("auto_pad");
    attributes.remove("output_shape");
    let extents: Vec<i64> = kernel.iter().map(|&k| i64::try_from(k).ok()).collect::<Option<_>>()?;
    attributes.insert("kernel_shape".into(), extents.into());
    attributes.insert("strides".into(), window.strides.into());
    attributes.insert("dilations".into(), window.dilations.into());
    attributes.insert("pads".into(), pads.into());
    if attributes == node.attributes {
        return None;
    }
    Some(Rewritten::Nodes(vec![Node { attributes, ..node.clone() }]))
}
