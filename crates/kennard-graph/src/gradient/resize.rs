use super::linear::along;
use super::{Backward, Rule};
use crate::{Attribute, Dim, Result};

pub(super) const RULES: &[(&str, Rule)] = &[("Resize", resize)];

/// Every mode but `tf_crop_and_resize` interpolates along each axis by itself, with weights that depend
/// on the extents alone.
fn resize(b: &Backward) -> Result<()> {
    let (x, y) = (b.x(0).shape()?, b.g().shape()?);
    if b.node.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" {
        return Err(b.node.error("tf_crop_and_resize has no gradient rule"));
    }
    if b.node.text("keep_aspect_ratio_policy", "stretch") != "stretch" {
        return Err(b.node.error("only the keep_aspect_ratio_policy stretch has a gradient rule"));
    }
    let axes = match b.node.ints("axes") {
        Some(axes) => axes.iter().map(|&axis| b.axis(axis, x.rank())).collect::<Result<_>>()?,
        None => (0..x.rank()).collect::<Vec<_>>(),
    };
    let scales = b.optional(2).filter(|scales| scales.shape().is_ok_and(|s| s.0 != [Dim::Known(0)]));
    let scales = match scales {
        Some(scales) => {
            let constant = scales.as_constant().and_then(|scales| scales.to_floats());
            Some(constant.ok_or_else(|| b.node.error("the scales must be constant"))?)
        }
        None => None,
    };
    let kept = |name: &str| !matches!(name, "axes" | "keep_aspect_ratio_policy");
    let attributes = b.node.attributes.iter().filter(|(name, _)| kept(name));
    let attributes: Vec<(&str, Attribute)> =
        attributes.map(|(name, value)| (name.as_str(), value.clone())).collect();

    let mut g = b.g();
    for (i, axis) in axes.into_iter().enumerate().rev() {
        let scale = scales.as_ref().and_then(|scales| scales.get(i)).copied();
        let (Dim::Known(from), Dim::Known(to)) = (x.0[axis], y.0[axis]) else { continue };
        if scale.unwrap_or(1.0) == 1.0 && from == to {
            continue;
        }
        let target = match scale {
            Some(scale) => {
                let scales = [1.0, 1.0, 1.0, scale as f32];
                [None, Some(b.builder.constant(ndarray::arr1(&scales).into_dyn().into())), None]
            }
            None => [None, None, Some(b.builder.ints(&[1, from as i64, 1, to as i64]))],
        };
        let inputs = if scale.is_some() { &target[..2] } else { &target[..] };
        g = along(b, g, axis, from, inputs, &attributes)?;
    }
    b.give(0, g)
}
