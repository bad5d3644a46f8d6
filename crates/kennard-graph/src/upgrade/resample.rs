//! Changes of resolution, and grids.

use super::{UpgradeStep, set_input};
use crate::builder::Call;
use crate::{Attribute, Builder, Node, Result, Shape};

#[rustfmt::skip]
pub(super) const OLDER: &[(&str, i64, UpgradeStep)] = &[
    ("GridSample", 20, grid_modes),
    ("Resize", 11, resize_10),
    ("RoiAlign", 16, roi_align),
    ("Scatter", 11, scatter),
    ("Upsample", 9, upsample_7),
    ("Upsample", 11, upsample_9),
];

#[rustfmt::skip]
pub(super) const FORMS: &[(&str, UpgradeStep)] = &[
    ("Conv", kernel_shape), ("ConvTranspose", kernel_shape),
    ("Resize", resize),
];

/// The name changed, the meaning did not.
fn scatter(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    node.op = "ScatterElements".into();
    Ok(Some(node))
}

fn upsample_7(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let Some(Attribute::Floats(scales)) = node.attributes.remove("scales") else {
        return Err(node.error("its attribute `scales` is missing"));
    };
    set_input(&mut node, 1, b.constant(ndarray::Array1::from(scales).into_dyn().into()));
    Ok(Some(node))
}

/// `Upsample` is `Resize` with the sample at `floor(i / scale)`.
fn upsample_9(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    node.op = "Resize".into();
    node.inputs.insert(1.min(node.inputs.len()), String::new());
    resized(node, "floor")
}

/// The first `Resize` took, for a coarser grid, the sample at `ceil(i / scale)`, as its own example
/// shows, and for a finer one that at `floor(i / scale)`.
fn resize_10(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let scales = Call { node: &node, builder: b }.x(1).as_constant().and_then(|t| t.to_floats());
    node.inputs.insert(1.min(node.inputs.len()), String::new());
    let nearest = match scales {
        _ if node.text("mode", "nearest") != "nearest" => "floor",
        Some(scales) if scales.iter().all(|&s| s >= 1.0) => "floor",
        Some(scales) if scales.iter().all(|&s| s <= 1.0) => "ceil",
        _ => {
            return Err(
                node.error("the meaning of its scales is not fixed; export the model with opset 11 or newer")
            );
        }
    };
    resized(node, nearest)
}

fn resized(mut node: Node, nearest: &str) -> Result<Option<Node>> {
    if node.text("mode", "nearest") == "nearest" {
        node.attributes.insert("nearest_mode".into(), nearest.into());
    } else {
        node.attributes.insert("mode".into(), "linear".into());
    }
    node.attributes.insert("coordinate_transformation_mode".into(), "asymmetric".into());
    Ok(Some(node))
}

/// Until 13, inputs of `Resize` that are not used were given as tensors without elements.
fn resize(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    for i in 1..node.inputs.len() {
        let Some(name) = node.input(i) else { continue };
        if b.var(name)?.shape().is_ok_and(|s| s == Shape::fixed(&[0])) {
            node.inputs[i].clear();
        }
    }
    while node.inputs.last().is_some_and(String::is_empty) {
        node.inputs.pop();
    }
    Ok(Some(node))
}

fn grid_modes(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    let mode = match node.text("mode", "bilinear") {
        "bilinear" => "linear",
        "bicubic" => "cubic",
        other => other,
    };
    let mode = Attribute::from(mode);
    node.attributes.insert("mode".into(), mode);
    Ok(Some(node))
}

/// Until 16, no half pixel was taken off.
fn roi_align(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    node.attributes.insert("coordinate_transformation_mode".into(), "output_half_pixel".into());
    Ok(Some(node))
}

/// Writes down the kernel's extents, which may be left to the weight.
fn kernel_shape(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let shape = Call { node: &node, builder: b }.x(1).shape();
    if let Ok(Some(dims)) = shape.map(|s| s.known())
        && dims.len() > 2
    {
        let kernel: Vec<i64> = dims[2..].iter().map(|&n| n as i64).collect();
        match node.ints("kernel_shape") {
            Some(given) if given != kernel => {
                return Err(
                    node.error(format!("its kernel_shape {given:?} is not that of its weight, {kernel:?}"))
                );
            }
            _ => node.attributes.insert("kernel_shape".into(), kernel.into()),
        };
    }
    Ok(Some(node))
}
