//! Graphs that ONNX Runtime keeps in its layout for convolutions.
//!
//! ONNX Runtime stores what its convolutions read and write in blocks of channels (NCHWc), as long as
//! operators that know this layout follow each other: `Conv`, pools, activations, and `Add` and `Mul`
//! of tensors of one shape that are all in blocks. Any other operator in between has its inputs
//! rearranged to the plain layout and its results back, at the price of an operator each. In a gradient
//! graph these are the masks of the ReLUs, and the residual path, which begins in the plain layout.
//!
//! Both changes compute the same numbers, but for the two cases that they name.

use std::collections::{BTreeMap, HashMap, HashSet};

use kennard_graph::{Attribute, DType, Graph, Names, Node, Tensor, Types, infer};

use crate::Result;

/// A multiple of every processor's block: 8 or 16 channels.
const BLOCK: usize = 16;
/// Images with more pixels than this are not broadcast by a convolution: its work grows with their square.
const FEW_PIXELS: usize = 64;

/// An equal graph that stays in blocks where it can.
pub fn blocked(graph: &Graph) -> Result<Graph> {
    entered(masked(graph))
}

/// `1[x > 0]`, a comparison and a cast, as `HardSigmoid` with the steepest slope there is:
/// `min(max(3.4·10³⁸·x, 0), 1)`. For subnormal `x` up to 2⁻¹²⁸ the result lies between 0 and 1, and so
/// between the slopes on both sides of the kink.
fn masked(graph: &Graph) -> Graph {
    let mut result = graph.clone();
    let producers = graph.producers();
    let is_zero = |name: &str| {
        let zero = graph.constants.get(name).filter(|tensor| tensor.shape().is_empty());
        zero.is_some_and(|tensor| tensor.dtype() == DType::F32 && tensor.item() == Some(0.0))
    };
    for node in result.nodes.iter_mut().filter(|node| node.op == "Cast") {
        let to_float = node.int("to", 0) == DType::F32.code();
        let test = node.input(0).and_then(|name| producers.get(name)).map(|&i| &graph.nodes[i]);
        if let Some([x, zero]) =
            test.filter(|test| to_float && test.op == "Greater").map(|test| &test.inputs[..])
            && is_zero(zero)
        {
            node.op = "HardSigmoid".into();
            node.inputs = vec![x.clone()];
            let slope = [("alpha", f32::MAX), ("beta", 0.0)];
            node.attributes = slope.map(|(name, value)| (name.into(), Attribute::Float(value))).into();
        }
    }
    result.prune();
    result
}

/// Where `Add` or `Mul` meets a tensor in blocks and a plain one on the way to a convolution, the plain
/// one is brought into blocks: by a convolution of each channel with the weight 1, of which ONNX
/// Runtime makes the sum as well. An image of one pixel is spread over all by a kernel of ones. Finite
/// numbers stay what they are (−0 may become 0).
fn entered(graph: Graph) -> Result<Graph> {
    let types = infer(&graph)?;
    let wanted = wanted(&graph, &types);
    let mut result = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph.clone() };
    let mut names = Names::of(&graph);
    let mut in_blocks: HashSet<String> = HashSet::new();
    let mut entries: HashMap<(String, Vec<usize>), String> = HashMap::new();
    for mut node in graph.nodes {
        let output = node.outputs[0].clone();
        let shape = image(&types, &output);
        let blocks = match node.op.as_str() {
            "Conv" => shape.is_some() && convolves_blocks(&types, &node),
            "Add" | "Mul" => shape.is_some_and(|shape| {
                let mut blocks = node.inputs.iter().filter(|name| in_blocks.contains(*name)).count();
                if blocks == 1 && wanted.contains(&output) {
                    for input in node.inputs.iter_mut().filter(|name| !in_blocks.contains(*name)) {
                        let Some(kernel) = entry_kernel(&types, input, shape) else { continue };
                        let key = (input.clone(), kernel.to_vec());
                        let entry = entries.entry(key).or_insert_with(|| {
                            let [name, weights] =
                                ["blocks", "ones"].map(|what| names.fresh(&format!("{input}/{what}")));
                            let ones = [shape[1], 1, kernel[0], kernel[1]];
                            result.constants.insert(weights.clone(), Tensor::full(&ones, 1.0, DType::F32));
                            result.nodes.push(depthwise(input, &weights, &name, shape[1], kernel));
                            name
                        });
                        *input = entry.clone();
                        blocks += 1;
                    }
                }
                blocks == 2
            }),
            op => ACTIVATIONS.contains(&op) && in_blocks.contains(&node.inputs[0]),
        };
        if blocks {
            in_blocks.insert(output);
        }
        result.nodes.push(node);
    }
    Ok(result)
}

/// Operators of one tensor that ONNX Runtime computes in either layout.
const ACTIVATIONS: &[&str] = &["HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh"];

/// The shape `[N, C, H, W]` of single-precision images whose channels fill blocks.
fn image(types: &Types, name: &str) -> Option<[usize; 4]> {
    let ty = types.get(name).filter(|ty| ty.dtype == DType::F32)?;
    let shape: [usize; 4] = ty.shape.known()?.try_into().ok()?;
    (shape[1] > 0 && shape[1].is_multiple_of(BLOCK)).then_some(shape)
}

/// Whether ONNX Runtime runs this `Conv`, whose output fills blocks, in blocks: on blocks, on the few
/// channels of an image, or on each channel by itself.
fn convolves_blocks(types: &Types, node: &Node) -> bool {
    let channels = |name: &str| types.get(name)?.shape.0.get(1)?.known();
    let Some(inputs) = node.input(0).and_then(channels) else { return false };
    let by_itself = channels(&node.outputs[0]) == Some(inputs) && node.int("group", 1) == inputs as i64;
    by_itself || node.int("group", 1) == 1 && (inputs < 8 || inputs.is_multiple_of(BLOCK))
}

/// The tensors that convolutions read in blocks, directly or through operators that know blocks.
fn wanted(graph: &Graph, types: &Types) -> HashSet<String> {
    let mut wanted = HashSet::new();
    for node in graph.nodes.iter().rev() {
        let op = node.op.as_str();
        if (matches!(op, "Add" | "Mul") || ACTIVATIONS.contains(&op)) && wanted.contains(&node.outputs[0]) {
            wanted.extend(node.inputs.iter().cloned());
        } else if op == "Conv" && image(types, &node.inputs[0]).is_some() && convolves_blocks(types, node) {
            wanted.insert(node.inputs[0].clone());
        }
    }
    wanted
}

/// The kernel that brings a tensor into blocks as images of `shape`.
fn entry_kernel(types: &Types, input: &str, shape: [usize; 4]) -> Option<[usize; 2]> {
    let [n, c, h, w] = shape;
    match image(types, input)? {
        own if own == shape => Some([1, 1]),
        own if own == [n, c, 1, 1] && h * w <= FEW_PIXELS => Some([h, w]),
        _ => None,
    }
}

/// A convolution of each channel by itself, padded so that every pixel meets every tap: it makes an
/// image of one pixel as large as the kernel, and keeps the size of any image with a kernel of one tap.
fn depthwise(x: &str, weights: &str, y: &str, channels: usize, [h, w]: [usize; 2]) -> Node {
    let pads = [h - 1, w - 1, h - 1, w - 1].map(|n| n as i64).to_vec();
    let attributes: [(&str, Attribute); 5] = [
        ("kernel_shape", vec![h as i64, w as i64].into()),
        ("strides", vec![1, 1].into()),
        ("dilations", vec![1, 1].into()),
        ("pads", pads.into()),
        ("group", (channels as i64).into()),
    ];
    Node {
        name: y.into(),
        op: "Conv".into(),
        inputs: vec![x.into(), weights.into()],
        outputs: vec![y.into()],
        attributes: BTreeMap::from(attributes.map(|(name, value)| (name.into(), value))),
    }
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, Shape, TensorType, Var, gradient, simplify};

    use super::*;

    const INPUT: [usize; 4] = [2, 3, 8, 8];

    fn conv<'b>(b: &'b Builder, x: Var<'b>, weights: [usize; 4]) -> Var<'b> {
        let w = b.constant(Tensor::full(&weights, 0.1, DType::F32));
        let attributes: [(&str, Attribute); 2] =
            [("kernel_shape", vec![3, 3].into()), ("pads", vec![1, 1, 1, 1].into())];
        b.op("Conv", &[Some(x), Some(w)], &attributes)
    }

    /// The gradient of a convolution, a residual block, and a mean over the pixels.
    fn residual(channels: usize) -> Graph {
        let b = Builder::new(&Graph::default()).unwrap();
        let x = b.input("x", TensorType::new(DType::F32, Shape::fixed(&INPUT)));
        let v = conv(&b, x, [channels, 3, 3, 3]).apply("Relu");
        let w = conv(&b, conv(&b, v, [channels, channels, 3, 3]).apply("Relu"), [channels, channels, 3, 3]);
        let mean = (v + w).apply("Relu").reduce("ReduceMean", &[2, 3], false);
        b.output("y", (mean * mean).reduce("ReduceSum", &[1], false));
        simplify(&gradient(&b.finish().unwrap(), "y", &["x"]).unwrap()).unwrap()
    }

    fn count(graph: &Graph, op: &str) -> usize {
        graph.nodes.iter().filter(|node| node.op == op).count()
    }

    #[test]
    fn a_residual_path_stays_in_blocks() {
        let plain = residual(32);
        let graph = blocked(&plain).unwrap();
        assert_eq!(
            (count(&graph, "Greater"), count(&graph, "Cast"), count(&graph, "HardSigmoid")),
            (0, 0, 3)
        );
        // The adjoint of the mean is spread over the pixels once, in blocks; nothing else was plain.
        let entries: Vec<&Node> = graph.nodes.iter().filter(|node| node.int("group", 1) == 32).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0].ints("kernel_shape"), Some(&[8, 8][..]));
        let types = infer(&graph).unwrap();
        assert_eq!(types.get(&entries[0].outputs[0]).unwrap().shape, Shape::fixed(&[2, 32, 8, 8]));
        assert_eq!(blocked(&graph).unwrap().nodes.len(), graph.nodes.len(), "it is done at once");
        assert_eq!((&graph.inputs, &graph.outputs), (&plain.inputs, &plain.outputs));
    }

    #[test]
    fn channels_that_fill_no_blocks_stay_plain() {
        let graph = blocked(&residual(12)).unwrap();
        assert_eq!(count(&graph, "Conv"), count(&residual(12), "Conv"));
    }
}
