use kennard_graph::Var;

use super::layers::{Layers, Size, extent};
use crate::Result;

/// Three stages of `n` blocks each.
pub fn resnet<'b>(
    layers: &Layers<'b>,
    image: Var<'b>,
    n: usize,
    width: usize,
    classes: usize,
) -> Result<Var<'b>> {
    let mut x = layers.bare_conv("conv1", image, width, 3, 1)?;
    x = layers.normalized("norm1", x)?.apply("Relu");
    for stage in 0..3 {
        for block in 0..n {
            let name = format!("stage{}.block{}", stage + 1, block + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = basic(layers, &name, x, width << stage, stride)?;
        }
    }
    head(layers, x, classes)
}

/// `relu(x + norm(conv(relu(norm(conv(x))))))`
fn basic<'b>(layers: &Layers<'b>, name: &str, x: Var<'b>, channels: usize, stride: usize) -> Result<Var<'b>> {
    let y = layers.bare_conv(&format!("{name}.conv1"), x, channels, 3, stride)?;
    let y = layers.normalized(&format!("{name}.norm1"), y)?.apply("Relu");
    let y = layers.bare_conv(&format!("{name}.conv2"), y, channels, 3, 1)?;
    let y = layers.normalized(&format!("{name}.norm2"), y)?;
    let x = if stride == 1 && extent(x, 1)? == channels {
        x
    } else {
        let x = layers.bare_conv(&format!("{name}.shortcut.conv"), x, channels, 1, stride)?;
        layers.normalized(&format!("{name}.shortcut.norm"), x)?
    };
    Ok((y + x).apply("Relu"))
}

/// A residual network with wide stages, each block of which normalises what comes in.
pub fn wide<'b>(
    layers: &Layers<'b>,
    image: Var<'b>,
    n: usize,
    factor: usize,
    classes: usize,
) -> Result<Var<'b>> {
    let mut x = layers.bare_conv("conv1", image, 16, 3, 1)?;
    for stage in 0..3 {
        let channels = (16 << stage) * factor;
        for block in 0..n {
            let name = format!("stage{}.block{}", stage + 1, block + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let ready = layers.normalized(&format!("{name}.norm1"), x)?.apply("Relu");
            let y = layers.bare_conv(&format!("{name}.conv1"), ready, channels, 3, stride)?;
            let y = layers.normalized(&format!("{name}.norm2"), y)?.apply("Relu");
            let y = layers.bare_conv(&format!("{name}.conv2"), y, channels, 3, 1)?;
            let kept = extent(x, 1)? == channels && stride == 1;
            let shortcut = format!("{name}.shortcut");
            x = y + if kept { x } else { layers.bare_conv(&shortcut, ready, channels, 1, stride)? };
        }
    }
    head(layers, layers.normalized("norm", x)?.apply("Relu"), classes)
}

/// The mean over the positions, classified.
fn head<'b>(layers: &Layers<'b>, x: Var<'b>, classes: usize) -> Result<Var<'b>> {
    layers.dense("logits", layers.flat(x.apply("GlobalAveragePool"))?, classes, Size::Xavier)
}
