//! Interpolation as a product with a matrix along each axis.

use ndarray::{Array2, ArrayD};

use super::Definition;
use crate::builder::Call;
use crate::{Dim, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[("Resize", resize)];

/// Matrices above 32 MB are refused.
const LARGEST: usize = 1 << 23;

/// Along every axis of extents L → O, output `o` lies at the input coordinate x(o), and is the mean of
/// the inputs with weights `k(i − x(o))`; inputs beyond the edge are the one at the edge.
fn resize<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let inputs: Vec<Option<Var>> = (0..4).map(|i| c.optional(i)).collect();
    let attributes: Vec<_> =
        c.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    // For its shape only: nobody reads it.
    let (from, to) = (x.shape()?, c.builder.op("Resize", &inputs, &attributes).shape()?);
    let axes = match c.node.ints("axes") {
        Some(axes) => axes.iter().map(|&axis| c.axis(axis, from.rank())).collect::<Result<_>>()?,
        None => (0..from.rank()).collect::<Vec<_>>(),
    };
    let constant = |i: usize| inputs[i].and_then(Var::as_constant).filter(|tensor| !tensor.is_empty());
    let scales = constant(2).and_then(|scales| scales.to_floats());
    let mut y = x;
    for (i, &axis) in axes.iter().enumerate() {
        let (Dim::Known(length), Dim::Known(outputs)) = (from.0[axis], to.0[axis]) else { continue };
        let scale = match &scales {
            Some(scales) => scales.get(i).copied().unwrap_or(1.0),
            None => kept_ratio(c, &from, &axes)?.unwrap_or(outputs as f64 / length as f64),
        };
        if scale == 1.0 && length == outputs {
            continue;
        }
        if length == 0 || outputs == 0 || length.saturating_mul(outputs) > LARGEST {
            return Err(c
                .node
                .error(format!("cannot be spelled out for an axis from {length} to {outputs}")));
        }
        let matrix = matrix(c, length, outputs, scale)?;
        y = along(c, y, axis, matrix)?;
    }
    Ok(y)
}

/// The one scale of all axes, if the aspect ratio is kept.
fn kept_ratio(c: &Call, from: &Shape, axes: &[usize]) -> Result<Option<f64>> {
    let policy = c.node.text("keep_aspect_ratio_policy", "stretch");
    if policy == "stretch" {
        return Ok(None);
    }
    let sizes = c.optional(3).and_then(Var::as_ints).unwrap_or_default();
    let scales =
        axes.iter().zip(&sizes).map(|(&axis, &size)| Some(size as f64 / from.0[axis].known()? as f64));
    let scales: Option<Vec<f64>> = scales.collect();
    let scales = scales.ok_or_else(|| c.node.error("the extents of its input are not fixed"))?;
    Ok(Some(match policy {
        "not_larger" => scales.into_iter().fold(f64::INFINITY, f64::min),
        _ => scales.into_iter().fold(0.0, f64::max),
    }))
}

/// `M [O, L]`: the weight of every input in every output.
fn matrix(c: &Call, length: usize, outputs: usize, scale: f64) -> Result<Array2<f32>> {
    let flag = |name: &str| c.node.int(name, 0) != 0;
    let mode = c.node.text("mode", "nearest");
    let a = c.node.float("cubic_coeff_a", -0.75);
    let weight = |t: f64| match t.abs() {
        t if mode == "linear" => (1.0 - t).max(0.0),
        t if t <= 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
        t if t < 2.0 => ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a,
        _ => 0.0,
    };
    // Antialiasing widens the kernel by as much as it shrinks the image.
    let narrow = if flag("antialias") { scale.min(1.0) } else { 1.0 };
    let reach = if mode == "linear" { 1.0 } else { 2.0 } / narrow;
    let last = length as i64 - 1;
    let mut matrix = Array2::<f64>::zeros((outputs, length));
    for (o, mut row) in matrix.outer_iter_mut().enumerate() {
        let x = coordinate(c, o, length, outputs, scale)?;
        if mode == "nearest" {
            row[nearest(c, x)?.clamp(0, last) as usize] = 1.0;
            continue;
        }
        for i in (x - reach).floor() as i64..=(x + reach).ceil() as i64 {
            if (0..=last).contains(&i) || !flag("exclude_outside") {
                row[i.clamp(0, last) as usize] += weight((i as f64 - x) * narrow);
            }
        }
        let sum = row.sum();
        row /= sum;
    }
    Ok(matrix.mapv(|v| v as f32))
}

/// Where output `o` lies among the inputs.
fn coordinate(c: &Call, o: usize, length: usize, outputs: usize, scale: f64) -> Result<f64> {
    let (o, length, outputs) = (o as f64, length as f64, outputs as f64);
    let half_pixel = (o + 0.5) / scale - 0.5;
    Ok(match c.node.text("coordinate_transformation_mode", "half_pixel") {
        "half_pixel" => half_pixel,
        "half_pixel_symmetric" => length / 2.0 * (1.0 - outputs / (scale * length)) + half_pixel,
        "pytorch_half_pixel" if outputs == 1.0 => 0.0,
        "pytorch_half_pixel" => half_pixel,
        "align_corners" if outputs == 1.0 => 0.0,
        "align_corners" => o * (length - 1.0) / (outputs - 1.0),
        "asymmetric" => o / scale,
        other => {
            return Err(c
                .node
                .error(format!("the coordinate_transformation_mode {other} cannot be spelled out")));
        }
    })
}

fn nearest(c: &Call, x: f64) -> Result<i64> {
    Ok(match c.node.text("nearest_mode", "round_prefer_floor") {
        "round_prefer_floor" => (x - 0.5).ceil(),
        "round_prefer_ceil" => (x + 0.5).floor(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        other => return Err(c.node.error(format!("the nearest_mode {other} is not in the ONNX standard"))),
    } as i64)
}

/// `M · x` along one axis.
fn along<'b>(c: &Call<'_, 'b>, x: Var<'b>, axis: usize, matrix: Array2<f32>) -> Result<Var<'b>> {
    let ty = x.ty()?;
    let outputs = Dim::Known(matrix.nrows());
    let constant = |matrix: Array2<f32>| {
        let tensor: Tensor = ArrayD::from(matrix.into_dyn()).into();
        c.builder.constant(tensor.to_float_type(ty.dtype))
    };
    let (before, behind) = (&ty.shape.0[..axis], &ty.shape.0[axis + 1..]);
    if behind.is_empty() {
        return Ok(x.with("MatMul", constant(matrix.reversed_axes().as_standard_layout().to_owned())));
    }
    let flat = Shape(behind.to_vec()).flat();
    let flat = flat.ok_or_else(|| c.node.error(format!("{} has several batch axes", ty.shape)))?;
    let columns = x.reshape(&Shape([before, &[ty.shape.0[axis], flat]].concat()));
    let product = constant(matrix).with("MatMul", columns);
    Ok(product.reshape(&Shape([before, &[outputs], behind].concat())))
}
