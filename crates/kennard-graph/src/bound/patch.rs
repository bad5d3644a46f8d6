//! What one unit of a chain of convolutions sees.

use super::Model;
use super::stages::Stages;
use crate::builder::Call;
use crate::window::{self, Axis};
use crate::{Attribute, Builder, Dim, Graph, Node, Result, Shape, Tensor, Value};

/// The walk back from single units of a hidden tensor that convolutions made, each over the windows of earlier tensors that it
/// sees, and so in a fraction of the work.
///
/// The units of a batch may be anywhere, and of different samples. What lies outside of a tensor is zero: convolutions pad with
/// zeros, and a hidden tensor known to be zero hands on nothing. Outside of the input lies what its normalisation makes zero.
#[derive(Clone, Debug)]
pub struct Patch {
    /// As [`Stages::walk`], every input that belongs to a sample being cut to the window of a row and column: the region's ends and
    /// centre to the first of `windows`, the earlier hidden tensors to the others, and `spec` to the channels there.
    pub graph: Graph,
    /// The windows of the model's input and of the hidden tensors before, in order.
    pub windows: Vec<Window>,
    /// What the model's input counts as outside of the image, for each channel.
    pub outside: Vec<f32>,
    /// The channels, rows and columns of the hidden tensor itself.
    pub unit: [usize; 3],
}

/// The window of a tensor that a unit sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The tensor's channels, rows and columns.
    pub tensor: [usize; 3],
    /// The window's rows and columns.
    pub extent: [usize; 2],
    /// How far it moves when the unit moves by one.
    pub stride: [usize; 2],
    /// How far it begins before the tensor, for the first unit.
    pub before: [usize; 2],
}

impl Window {
    /// The elements of a window.
    pub fn volume(&self) -> usize {
        self.tensor[0] * self.extent[0] * self.extent[1]
    }

    /// Appends what a unit at a row and column sees of a tensor, and where that is outside a value for each channel, 0 without
    /// one.
    pub fn cut(&self, tensor: &[f32], unit: [usize; 2], outside: &[f32], window: &mut Vec<f32>) {
        let [_, rows, columns] = self.tensor;
        // How many rows and columns of the window lie before the tensor, and which of the tensor's it has.
        let [(above, down), (left, across)] = [(0, rows), (1, columns)].map(|(axis, length)| {
            let (from, extent) = (unit[axis] * self.stride[axis], self.extent[axis]);
            let before = self.before[axis].saturating_sub(from).min(extent);
            let first = (from + before).saturating_sub(self.before[axis]).min(length);
            (before, first..(first + extent - before).min(length))
        });
        let end = window.len() + self.volume();
        window.reserve(self.volume());
        for (channel, image) in tensor.chunks_exact((rows * columns).max(1)).enumerate() {
            let value = outside.get(channel).copied().unwrap_or(0.0);
            let fill = |window: &mut Vec<f32>, n: usize| window.extend(std::iter::repeat_n(value, n));
            fill(window, above * self.extent[1]);
            for row in down.clone() {
                fill(window, left);
                window.extend_from_slice(&image[row * columns..][across.clone()]);
                fill(window, self.extent[1] - left - across.len());
            }
            fill(window, (self.extent[0] - above - down.len()) * self.extent[1]);
        }
        window.resize(end, 0.0);
    }
}

/// A convolution of the chain, from the last to the first.
struct Link<'g> {
    node: &'g Node,
    axes: [Axis; 2],
    input: [usize; 3],
}

impl Stages {
    /// The patch of hidden tensor `i`, for `rows` units at a row and column, or for all channels there if these are fewer: none
    /// unless convolutions in two dimensions with ReLUs between them lead from the input, which may be normalised by channels, to it,
    /// past all hidden tensors before, and its units see less than everything.
    ///
    /// # Errors
    /// When there is no such tensor.
    pub fn patch(&self, i: usize, rows: usize) -> Result<Option<Patch>> {
        self.tensor(i)?;
        patch(self, i, rows)
    }
}

fn patch(stages: &Stages, i: usize, rows: usize) -> Result<Option<Patch>> {
    let model = &stages.model;
    let builder = model.builder()?;
    let tensors = &stages.tensors[..=i];
    let producers = model.graph.producers();
    let made = |name: &str| producers.get(name).map(|&node| &model.graph.nodes[node]);

    let (mut links, mut front) = (Vec::new(), Front::default());
    for (j, tensor) in tensors.iter().enumerate().rev() {
        let Some(node) = made(&tensor.name).filter(|node| node.op == "Conv") else { return Ok(None) };
        let before = match j.checked_sub(1) {
            None => {
                let Some(found) = front_of(model, &builder, &node.inputs[0], &made)? else { return Ok(None) };
                front = found;
                Some(&model.input.ty.shape)
            }
            Some(j) => {
                let relu = made(&node.inputs[0]).filter(|relu| relu.op == "Relu");
                relu.filter(|relu| relu.inputs[0] == tensors[j].name).map(|_| &tensors[j].shape)
            }
        };
        let Some(input) = before else { return Ok(None) };
        let Some(link) = link(node, &builder, input, &tensor.shape)? else { return Ok(None) };
        links.push(link);
    }

    let Some(unit) = image(&tensors[i].shape) else { return Ok(None) };
    let mut window = Window { tensor: unit, extent: [1; 2], stride: [1; 2], before: [0; 2] };
    let mut windows = Vec::new();
    for link in &links {
        let [rows, columns] = [0, 1].map(|axis| {
            let Axis { stride, before, .. } = link.axes[axis];
            let extent = (window.extent[axis] - 1) * stride + link.axes[axis].span();
            (extent, window.stride[axis] * stride, window.before[axis] * stride + before)
        });
        window = Window {
            tensor: link.input,
            extent: [rows.0, columns.0],
            stride: [rows.1, columns.1],
            before: [rows.2, columns.2],
        };
        windows.push(window);
    }
    windows.reverse();
    let whole: usize = windows.iter().map(|window| window.tensor.iter().product::<usize>()).sum();
    if windows.iter().map(Window::volume).sum::<usize>() >= whole {
        return Ok(None);
    }

    links.reverse();
    let cut = cut(&model.graph, &front.nodes, &links, &windows[0], &model.input)?;
    let graph = Stages::new(&cut, stages.region)?.walk(i, rows.min(unit[0].max(1)))?;
    Ok(Some(Patch { graph, windows, outside: front.outside, unit }))
}

/// How a model normalises its input before the first convolution.
#[derive(Default)]
struct Front<'g> {
    nodes: Vec<&'g Node>,
    /// What it makes exactly zero, for each channel.
    outside: Vec<f32>,
}

/// The nodes from the input to a tensor: a difference from constants of the channels at most, then factors.
fn front_of<'g>(
    model: &'g Model,
    builder: &Builder,
    tensor: &'g str,
    made: &impl Fn(&str) -> Option<&'g Node>,
) -> Result<Option<Front<'g>>> {
    let Some([channels, ..]) = image(&model.input.ty.shape) else { return Ok(None) };
    let mut front = Front { nodes: Vec::new(), outside: vec![0.0; channels] };
    let mut name = tensor;
    while name != model.input.name {
        let Some(node) = made(name).filter(|node| matches!(node.op.as_str(), "Sub" | "Div" | "Mul")) else {
            return Ok(None);
        };
        let constant = Call { node, builder }.optional(1).and_then(|given| given.as_constant());
        let Some(values) = constant.and_then(|constant| by_channel(&constant, channels)) else {
            return Ok(None);
        };
        if node.op == "Sub" {
            if node.inputs[0] != model.input.name {
                return Ok(None);
            }
            front.outside = values;
        }
        front.nodes.push(node);
        name = &node.inputs[0];
    }
    front.nodes.reverse();
    Ok(Some(front))
}

/// What is broadcast against `[N, C, H, W]` as a number for each channel, if it is the same for all samples and places.
fn by_channel(constant: &Tensor, channels: usize) -> Option<Vec<f32>> {
    let values: Vec<f32> = constant.to_floats()?.into_iter().map(|value| value as f32).collect();
    match (constant.shape(), values.as_slice()) {
        (shape, [one]) if shape.len() <= 4 => Some(vec![*one; channels]),
        ([c, 1, 1] | [1, c, 1, 1], _) if *c == channels => Some(values),
        _ => None,
    }
}

/// The channels, rows and columns of a sample.
fn image(shape: &Shape) -> Option<[usize; 3]> {
    match shape.0.as_slice() {
        [Dim::Batch(1), Dim::Known(c), Dim::Known(h), Dim::Known(w)] => Some([*c, *h, *w]),
        _ => None,
    }
}

fn link<'g>(node: &'g Node, builder: &Builder, input: &Shape, output: &Shape) -> Result<Option<Link<'g>>> {
    let call = Call { node, builder };
    let Some(weights) = call.optional(1).filter(|w| w.as_constant().is_some()) else { return Ok(None) };
    if call.optional(2).is_some_and(|bias| bias.as_constant().is_none()) {
        return Ok(None);
    }
    let taps: Vec<usize> = weights.shape()?.0.iter().skip(2).filter_map(|dim| dim.known()).collect();
    let (Some(image), 2) = (image(input), taps.len()) else { return Ok(None) };
    let axes = window::axes(&call, input, output, &taps)?;
    Ok(<[Axis; 2]>::try_from(axes).ok().map(|axes| Link { node, axes, input: image }))
}

/// The chain without its paddings, for an input of a window's size.
fn cut(model: &Graph, front: &[&Node], links: &[Link], window: &Window, input: &Value) -> Result<Graph> {
    let mut ty = input.ty.clone();
    let [channels, ..] = window.tensor;
    let [rows, columns] = window.extent;
    ty.shape = Shape(vec![Dim::BATCH, Dim::Known(channels), Dim::Known(rows), Dim::Known(columns)]);
    let mut graph = Graph {
        inputs: vec![Value { ty, ..input.clone() }],
        outputs: Vec::new(),
        nodes: front.iter().copied().cloned().collect(),
        ..model.clone()
    };
    let mut last = front.last().map_or(&input.name, |node| &node.outputs[0]).clone();
    for link in links {
        let mut conv = link.node.clone();
        conv.inputs[0] = last;
        conv.attributes.remove("auto_pad");
        conv.attributes.insert("pads".into(), Attribute::Ints(vec![0; 4]));
        let between = format!("{} (relu)", conv.outputs[0]);
        let relu = Node {
            name: String::new(),
            op: "Relu".into(),
            inputs: vec![conv.outputs[0].clone()],
            outputs: vec![between.clone()],
            attributes: Default::default(),
        };
        graph.nodes.extend([conv, relu]);
        last = between;
    }
    let builder = Builder::new(&graph)?;
    let end = builder.var(&last)?;
    builder.output("patch", end);
    builder.finish()
}
