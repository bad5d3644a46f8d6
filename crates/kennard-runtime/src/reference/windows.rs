//! Windows that slide over `[N, C, D1, …]`.

use kennard_graph::Node;

use super::array::{Array, indices};
use super::{Element, Sum};

/// Strides, gaps and margins of a window; nothing where they are named otherwise than by numbers.
struct Window {
    kernel: Vec<usize>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    pads: Vec<i64>,
}

impl Window {
    fn new(node: &Node, kernel: Vec<usize>) -> Option<Window> {
        if !matches!(node.text("auto_pad", "NOTSET"), "NOTSET" | "VALID" | "") {
            return None;
        }
        let n = kernel.len();
        let list = |name: &str, length: usize, default: i64| -> Option<Vec<i64>> {
            let values = node.ints(name).map_or_else(|| vec![default; length], <[i64]>::to_vec);
            (values.len() == length).then_some(values)
        };
        Some(Window {
            strides: list("strides", n, 1)?,
            dilations: list("dilations", n, 1)?,
            pads: list("pads", 2 * n, 0)?,
            kernel,
        })
    }

    /// Where tap `q` of the window at `o` is; nothing beyond the data.
    fn at(&self, o: &[usize], q: &[usize], extents: &[usize]) -> Option<Vec<usize>> {
        let place = |i: usize| {
            let place = o[i] as i64 * self.strides[i] + q[i] as i64 * self.dilations[i] - self.pads[i];
            usize::try_from(place).ok().filter(|&place| place < extents[i])
        };
        (0..o.len()).map(place).collect()
    }
}

/// `b + Σ (x − x₀)(w − w₀)`; beyond its edges `x` is `x₀`, so that nothing is added.
pub fn conv(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    let (x, w) = (input(0)?, input(1)?);
    let whole = node.op == "ConvInteger";
    let bias = if whole { None } else { input(2) };
    let zero =
        |i: usize, channel: usize| if whole { input(i).map_or(0.0, |z| z.channel(channel)) } else { 0.0 };
    let window = Window::new(node, w.shape.get(2..)?.to_vec())?;
    let groups = usize::try_from(node.int("group", 1)).ok()?;
    let (channel, of_group) = (*at.get(1)?, w.shape[1]);
    let first = channel / (w.shape[0] / groups) * of_group;
    let mut sum = Sum::default();
    sum.add(bias.map_or(0.0, |bias| bias.data[channel]));
    let (x0, w0) = (zero(2, 0), zero(3, channel));
    for q in indices(&window.kernel) {
        let Some(place) = window.at(&at[2..], &q, &x.shape[2..]) else { continue };
        for c in 0..of_group {
            let from = [&[at[0], first + c], &place[..]].concat();
            let weight = [&[channel, c], &q[..]].concat();
            sum.add((x.at(&from) - x0) * (w.at(&weight) - w0));
        }
    }
    Some(sum.element())
}

/// The maximum or the mean of what a window sees of the data.
pub fn pool(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let x = inputs.first().copied().flatten()?;
    let kernel: Option<Vec<usize>> =
        node.ints("kernel_shape")?.iter().map(|&k| usize::try_from(k).ok()).collect();
    let window = Window::new(node, kernel?)?;
    let counts_margin = node.int("count_include_pad", 0) != 0;
    if node.int("ceil_mode", 0) != 0 && counts_margin {
        return None;
    }
    let places = indices(&window.kernel).filter_map(|q| window.at(&at[2..], &q, &x.shape[2..]));
    let values: Vec<f64> = places.map(|place| x.at(&[&at[..2], &place[..]].concat())).collect();
    let count = if counts_margin { window.kernel.iter().product() } else { values.len() };
    Some(reduced(node.op == "MaxPool", &values, count))
}

pub fn global_pool(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    let x = inputs.first().copied().flatten()?;
    let places = indices(x.shape.get(2..)?);
    let values: Vec<f64> = places.map(|place| x.at(&[&at[..2], &place[..]].concat())).collect();
    Some(reduced(node.op == "GlobalMaxPool", &values, values.len()))
}

fn reduced(maximum: bool, values: &[f64], count: usize) -> Element {
    if maximum {
        return Element::exact(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    }
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(value / count as f64));
    sum.element()
}
