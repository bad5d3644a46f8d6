//! What the nodes of a file take: elements of their tensors, and steps.

use crate::infer::{Types, allocation};
use crate::onnx::format::format_error;
use crate::{Dim, Graph, Node, Result, Shape};

/// Elements of a tensor, per sample.
const TENSOR: u128 = 1 << 26;
/// Elements of all tensors together, per sample.
const TENSORS: u128 = 1 << 31;
/// Multiplications and additions of a node, per sample.
const WORK: u128 = 1 << 37;
/// Multiplications and additions of all nodes together that depend on no input.
const CONSTANT_WORK: u128 = 1 << 34;
/// Elements that may be computed from constants, beyond four times those that the file has.
const CONSTANTS: u128 = 1 << 26;
/// A pool whose window is mostly outside of its data may take this many steps.
const WASTED_WORK: u128 = 1 << 26;
/// The reach over channels of a local response normalisation.
const REACH: i64 = 1024;

/// What the nodes take together.
pub(super) struct Sums {
    tensors: u128,
    constants: u128,
    most_constants: u128,
    constant_work: u128,
}

impl Sums {
    pub(super) fn new(graph: &Graph) -> Sums {
        let size: u128 = graph.constants.values().map(|tensor| tensor.len() as u128).sum();
        Sums { tensors: 0, constants: 0, most_constants: CONSTANTS + 4 * size, constant_work: 0 }
    }

    pub(super) fn add(&mut self, node: &Node, types: &Types, fed: bool) -> Result<()> {
        let outputs = node.outputs.iter().filter_map(|name| types.get(name));
        let size: u128 = outputs.map(|ty| per_sample(&ty.shape)).sum();
        if size > TENSOR {
            return Err(node.error(format!("its result has {size} elements per sample, more than {TENSOR}")));
        }
        let work = work(node, types);
        if work > WORK {
            return Err(node.error(format!("it takes {work:e} steps per sample")));
        }
        check_window(node, types)?;
        if fed {
            self.tensors += size;
            if self.tensors > TENSORS {
                return Err(format_error("its tensors together are too large to be kept"));
            }
            return Ok(());
        }
        self.constants += size;
        self.constant_work += work;
        if self.constants > self.most_constants || self.constant_work > CONSTANT_WORK {
            return Err(node.error(
                "what the model computes from constants alone is too large; export it with constants folded",
            ));
        }
        Ok(())
    }
}

/// The elements for a batch of 1.
fn per_sample(shape: &Shape) -> u128 {
    allocation(&shape.with_batch(1)).map_or(u128::MAX / 4, |n| n as u128)
}

/// Multiplications and additions for one sample of the operators that take more than their data's size.
fn work(node: &Node, types: &Types) -> u128 {
    let shape = |name: Option<&str>| name.and_then(|name| types.get(name)).map(|ty| &ty.shape);
    let (Some(y), Some(x)) = (shape(node.outputs.first().map(String::as_str)), shape(node.input(0))) else {
        return 0;
    };
    let last = |shape: &Shape| shape.0.last().and_then(|d| d.known()).unwrap_or(1) as u128;
    let taps = match node.op.as_str() {
        "Conv" | "ConvInteger" => shape(node.input(1)).map_or(1, |w| volume(w.0.get(1..))),
        "QLinearConv" => shape(node.input(3)).map_or(1, |w| volume(w.0.get(1..))),
        "ConvTranspose" => {
            let taps = shape(node.input(1)).map_or(1, |w| volume(w.0.get(1..)));
            return per_sample(x).saturating_mul(taps);
        }
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => last(x),
        "Gemm" => {
            let inner = if node.int("transA", 0) == 0 { 1 } else { 0 };
            volume(x.0.get(inner..=inner))
        }
        "AveragePool" | "MaxPool" | "LpPool" => kernel(node),
        _ => 1,
    };
    per_sample(y).saturating_mul(taps)
}

/// The product of extents for a batch of 1.
fn volume(dims: Option<&[Dim]>) -> u128 {
    per_sample(&Shape(dims.unwrap_or_default().to_vec()))
}

/// The elements of a pool's window.
fn kernel(node: &Node) -> u128 {
    let extents = node.ints("kernel_shape").unwrap_or_default();
    extents.iter().fold(1u128, |n, &k| n.saturating_mul(u128::from(k.unsigned_abs())))
}

fn check_window(node: &Node, types: &Types) -> Result<()> {
    let Some(x) = node.input(0).and_then(|name| types.get(name)) else { return Ok(()) };
    if node.op == "LRN" {
        let channels = x.shape.0.get(1).and_then(|d| d.known()).unwrap_or(0) as i64;
        let size = node.int("size", 0);
        if size > REACH.max(channels.saturating_mul(2).saturating_add(1)) {
            return Err(
                node.error(format!("its size {size} is far beyond the {channels} channels of its data"))
            );
        }
    }
    if matches!(node.op.as_str(), "AveragePool" | "MaxPool" | "LpPool") {
        let window = kernel(node);
        if work(node, types) > WASTED_WORK && window > 4 * volume(x.shape.0.get(2..)) {
            return Err(
                node.error(format!("its window of {window} elements is far beyond its data {}", x.shape))
            );
        }
    }
    Ok(())
}
