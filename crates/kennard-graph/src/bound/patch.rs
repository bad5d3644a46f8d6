//! What one unit of a chain of convolutions sees.

use super::stages::Stages;
use crate::builder::Call;
use crate::window::{self, Axis};
use crate::{Attribute, Builder, Dim, Graph, Node, Result, Shape, Value};

/// The walk back from single units of a hidden tensor that convolutions made, each over the windows of earlier tensors that it
/// sees, and so in a fraction of the work.
///
/// The units of a batch may be anywhere, and of different samples. What lies outside of a tensor is zero: convolutions pad with
/// zeros, and a hidden tensor known to be zero hands on nothing.
#[derive(Clone, Debug)]
pub struct Patch {
    /// As [`Stages::walk`] with one row, every input that belongs to a sample being cut to the unit's window: the region's ends
    /// and centre to the first of `windows`, the earlier hidden tensors to the others, and `spec` to the unit's channels.
    pub graph: Graph,
    /// The windows of the model's input and of the hidden tensors before, in order.
    pub windows: Vec<Window>,
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

    /// Appends what a unit at a row and column sees of a tensor, zeros where that is outside.
    pub fn cut(&self, tensor: &[f32], unit: [usize; 2], window: &mut Vec<f32>) {
        let [channels, rows, columns] = self.tensor;
        let at = |axis: usize, i: usize| (unit[axis] * self.stride[axis] + i).checked_sub(self.before[axis]);
        for channel in 0..channels {
            for i in 0..self.extent[0] {
                let row = at(0, i).filter(|&row| row < rows);
                let value = |j: usize| {
                    let column = at(1, j).filter(|&column| column < columns)?;
                    tensor.get((channel * rows + row?) * columns + column).copied()
                };
                window.extend((0..self.extent[1]).map(|j| value(j).unwrap_or(0.0)));
            }
        }
    }
}

/// A convolution of the chain, from the last to the first.
struct Link<'g> {
    node: &'g Node,
    axes: [Axis; 2],
    input: [usize; 3],
}

impl Stages {
    /// The patch of hidden tensor `i`: none unless convolutions in two dimensions with ReLUs between them lead from the input to
    /// it, past all hidden tensors before, and its units see less than everything.
    ///
    /// # Errors
    /// When there is no such tensor.
    pub fn patch(&self, i: usize) -> Result<Option<Patch>> {
        self.tensor(i)?;
        patch(self, i)
    }
}

fn patch(stages: &Stages, i: usize) -> Result<Option<Patch>> {
    let model = &stages.model;
    let builder = model.builder()?;
    let tensors = &stages.tensors[..=i];
    let producers = model.graph.producers();
    let made = |name: &str| producers.get(name).map(|&node| &model.graph.nodes[node]);

    let mut links = Vec::new();
    for (j, tensor) in tensors.iter().enumerate().rev() {
        let Some(node) = made(&tensor.name).filter(|node| node.op == "Conv") else { return Ok(None) };
        let before = match j.checked_sub(1) {
            None => (node.inputs[0] == model.input.name).then_some(&model.input.ty.shape),
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
    let cut = cut(&model.graph, &links, &windows[0], &model.input)?;
    let graph = Stages::new(&cut, stages.region)?.walk(i, 1)?;
    Ok(Some(Patch { graph, windows, unit }))
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
fn cut(model: &Graph, links: &[Link], window: &Window, input: &Value) -> Result<Graph> {
    let mut ty = input.ty.clone();
    let [channels, ..] = window.tensor;
    let [rows, columns] = window.extent;
    ty.shape = Shape(vec![Dim::BATCH, Dim::Known(channels), Dim::Known(rows), Dim::Known(columns)]);
    let mut graph = Graph {
        inputs: vec![Value { ty, ..input.clone() }],
        outputs: Vec::new(),
        nodes: Vec::new(),
        ..model.clone()
    };
    let mut last = input.name.clone();
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
