//! The user's pixels brought to what a model takes.

use kennard_graph::{DType, Graph, Shape, nhwc, normalize, reshape_input, scale};

use super::Preprocessing;
use crate::warning::Warning;
use crate::{Error, Result};

/// How a model of integers rounds the elements of its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Levels {
    /// What they are multiplied by before.
    pub scale: f32,
    /// The smallest and the largest level.
    limits: Option<[f32; 2]>,
}

impl Levels {
    pub(super) fn of(dtype: DType, preprocessing: &Preprocessing) -> Levels {
        let limits = dtype.levels().map(|limits| limits.map(|limit| limit as f32));
        Levels { scale: preprocessing.scale.unwrap_or(1.0) as f32, limits }
    }

    /// The level of an element.
    pub fn round(&self, x: f32) -> f32 {
        let level = (x * self.scale).round_ties_even();
        self.limits.map_or(level, |[least, most]| level.clamp(least, most))
    }
}

/// How samples become the levels of a quantised type, where nothing is said of that.
pub(super) fn levels(dtype: DType, preprocessing: &Preprocessing) -> Option<(Preprocessing, Warning)> {
    if dtype.levels().is_none() || preprocessing.scale.is_some() {
        return None;
    }
    if dtype != DType::U8 {
        let message =
            "the model takes integers: samples are rounded without scaling, so data in 0..1 become 0 or 1";
        let warning = Warning::new("integer-input", message)
            .advise(". Give the right scale, for example {input_scale = 255}, or 1 if none is needed");
        return Some((preprocessing.clone(), warning));
    }
    let message = "the model takes 8-bit integers: samples are multiplied by 255, and rounded for its verdict. For data in \
                   0..255 give another scale";
    let warning = Warning::new("eight-bit-input", message).advise(": {input_scale = 1}");
    Some((Preprocessing { scale: Some(255.0), ..preprocessing.clone() }, warning))
}

/// The graph with the user's pixels in front.
pub(super) fn fitted(
    graph: &Graph,
    shape: &[usize],
    preprocessing: &Preprocessing,
) -> Result<(Graph, Vec<Warning>)> {
    let mut graph = graph.clone();
    // Next to the model: means and deviations are of the data's channels.
    if preprocessing.nhwc {
        let last = nhwc(&graph)?;
        check_channels_last(&graph, &last, shape)?;
        graph = last;
    }
    if let Some((mean, std)) = &preprocessing.normalize {
        graph = normalize(&graph, mean, std)?;
    }
    if let Some(factor) = preprocessing.scale {
        if factor == 0.0 || !factor.is_finite() {
            return Err(Error::OutOfRange {
                setting: "the input scale".into(),
                value: factor,
                allowed: "the model would see nothing of its input: 255 or 1/255 is usual".into(),
            });
        }
        graph = scale(&graph, factor)?;
    }
    fit(&graph, shape)
}

/// Refuses a model whose last axis are not the channels of the images, axis by axis: one of one channel or one row would do as well,
/// and see every image turned.
fn check_channels_last(given: &Graph, turned: &Graph, shape: &[usize]) -> Result<()> {
    let image = match *shape {
        [_, _, _] => shape.to_vec(),
        [h, w] => vec![1, h, w],
        _ => return Ok(()),
    };
    let takes = |graph: &Graph| -> Result<Vec<Option<usize>>> {
        Ok(graph.single_input()?.ty.shape.0.iter().skip(1).map(|d| d.known()).collect())
    };
    let is_image = |dims: &[Option<usize>]| {
        dims.len() == image.len() && dims.iter().zip(&image).all(|(dim, n)| dim.is_none_or(|dim| dim == *n))
    };
    if is_image(&takes(turned)?) {
        return Ok(());
    }
    let input = given.single_input()?;
    let cure = match is_image(&takes(given)?) {
        true => "; it takes channels first: leave out {nhwc}",
        false => "",
    };
    Err(Error::InputShape {
        samples: shape.to_vec(),
        turned: Some(vec![image[1], image[2], image[0]]),
        input: input.name.clone(),
        takes: input.ty.to_string(),
    }
    .advise(cure))
}

/// Gives the model samples of `shape`, if it takes as many elements in the same order.
fn fit(graph: &Graph, shape: &[usize]) -> Result<(Graph, Vec<Warning>)> {
    let input = graph.single_input()?;
    let wanted: Option<Vec<usize>> = input.ty.shape.0.iter().skip(1).map(|d| d.known()).collect();
    let wanted = wanted.unwrap_or_default();
    if wanted == shape {
        return Ok((graph.clone(), Vec::new()));
    }
    let squeezed = |dims: &[usize]| -> Vec<usize> { dims.iter().copied().filter(|&n| n != 1).collect() };
    let [takes, has] = [&wanted, shape].map(squeezed);
    if takes == has || takes == [shape.iter().product::<usize>()] {
        return Ok((reshape_input(graph, shape)?, Vec::new()));
    }
    if has == [wanted.iter().product::<usize>()] {
        let message = format!(
            "the data has samples of shape {}, which become {} for the model's input `{}`, their elements in the same \
             order",
            Shape::fixed(shape),
            Shape::fixed(&wanted),
            input.name
        );
        return Ok((reshape_input(graph, shape)?, vec![Warning::new("reshaped", message)]));
    }
    let cure = match (wanted.as_slice(), shape) {
        (&[h, w, c], &[c2, h2, w2]) if (h, w, c) == (h2, w2, c2) => {
            "; the model takes channels last: add {nhwc}"
        }
        (&[c, h, w], &[h2, w2, c2]) if (h, w, c) == (h2, w2, c2) => {
            "; the data has channels last: transpose it to [N, C, H, W]"
        }
        _ => "; give the model that was trained for this data, or the data this model was trained for",
    };
    Err(Error::InputShape {
        samples: shape.to_vec(),
        turned: None,
        input: input.name.clone(),
        takes: input.ty.to_string(),
    }
    .advise(cure))
}
