//! Normalisations, by given statistics or by those of the data.

use kennard_graph::Node;

use super::Element;
use super::array::{Array, indices};

/// `exp(x) / Σ exp` along an axis, or its logarithm.
pub fn softmax(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let x = inputs.first().copied().flatten()?;
    let axis = axis(node.int("axis", -1), at.len())?;
    let line = |i: usize| {
        let mut index = at.to_vec();
        index[axis] = i;
        x.at(&index)
    };
    let values: Vec<f64> = (0..x.shape[axis]).map(line).collect();
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = values.iter().map(|v| (v - most).exp()).sum();
    let own = x.at(at) - most;
    // Single precision rounds the exponent, whose size counts.
    Some(match node.op.as_str() {
        "Softmax" => {
            let value = own.exp() / total;
            Element { value, size: value * (1.0 + own.abs().min(100.0)) }
        }
        _ => Element { value: own - total.ln(), size: 1.0 + own.abs() + x.at(at).abs() },
    })
}

/// `γ·(x − mean)/√(variance + ε) + β` per channel, by given statistics.
pub fn batch(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    if node.int("training_mode", 0) != 0 {
        return None;
    }
    let channel = *at.get(1)?;
    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|i| input(i).map(|v| v.data[channel]));
    let factor = scale? / (variance? + node.float("epsilon", 1e-5)).sqrt();
    let (x, mean, shift) = (input(0)?.at(at), mean?, shift?);
    Some(Element {
        value: factor * (x - mean) + shift,
        size: factor.abs() * (x.abs() + mean.abs()) + shift.abs(),
    })
}

/// The same over the axes from `axis` on, by their own statistics; γ and β per element.
pub fn layer(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    let (x, axis) = (input(0)?, axis(node.int("axis", -1), at.len())?);
    let inner = &at[axis..];
    let scale = input(1)?.broadcast(inner);
    let shift = input(2).map_or(0.0, |shift| shift.broadcast(inner));
    Some(standardized(node, x, at, axis, scale, shift))
}

/// The same over the positions of each channel; γ and β per channel.
pub fn instance(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    let channel = *at.get(1)?;
    Some(standardized(node, input(0)?, at, 2, input(1)?.data[channel], input(2)?.data[channel]))
}

fn standardized(node: &Node, x: Array, at: &[usize], from: usize, scale: f64, shift: f64) -> Element {
    let values: Vec<f64> =
        indices(&x.shape[from..]).map(|inner| x.at(&[&at[..from], &inner[..]].concat())).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let factor = scale / (variance + node.float("epsilon", 1e-5)).sqrt();
    let most = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let own = x.at(at);
    // Where all are nearly equal, the rounding of their mean is what remains.
    Element { value: factor * (own - mean) + shift, size: factor.abs() * (own.abs() + most) + shift.abs() }
}

fn axis(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}
