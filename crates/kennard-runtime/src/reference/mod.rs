//! Slow, plain kernels of our own, to compare a runtime's with: one element of a result at a time, in double precision.
//!
//! [`element`] has the sums (convolutions, products, pools, normalisations, softmax). What is computed element by element,
//! reduced or rearranged is left to `kennard_graph::fold`.

mod array;
mod normal;
mod sums;
mod windows;

pub use array::{Array, unravelled};
use kennard_graph::Node;

/// What an element should be, and the sum of the sizes of the terms that it is made of: rounding is relative to that.
pub struct Element {
    pub value: f64,
    pub size: f64,
}

impl Element {
    fn exact(value: f64) -> Element {
        Element { value, size: value.abs() }
    }
}

/// A sum, and the sizes of its terms.
#[derive(Default)]
struct Sum {
    value: f64,
    size: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
    }

    fn element(self) -> Element {
        Element { value: self.value, size: self.size }
    }
}

/// The element at `at` of a node's first output; nothing of operators, attributes or types that are not known here.
pub fn element(node: &Node, inputs: &[Option<Array>], at: &[usize]) -> Option<Element> {
    match node.op.as_str() {
        "Conv" | "ConvInteger" => windows::conv(node, inputs, at),
        "MaxPool" | "AveragePool" => windows::pool(node, inputs, at),
        "GlobalAveragePool" | "GlobalMaxPool" => windows::global_pool(node, inputs, at),
        "MatMul" | "MatMulInteger" => sums::matmul(node, inputs, at),
        "Gemm" => sums::gemm(node, inputs, at),
        "Softmax" | "LogSoftmax" => normal::softmax(node, inputs, at),
        "BatchNormalization" => normal::batch(node, inputs, at),
        "LayerNormalization" => normal::layer(node, inputs, at),
        "InstanceNormalization" => normal::instance(node, inputs, at),
        _ => None,
    }
}

/// Whether [`element`] may know the operator.
pub fn knows(op: &str) -> bool {
    const KNOWN: [&str; 14] = [
        "Conv",
        "ConvInteger",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "MatMul",
        "MatMulInteger",
        "Gemm",
        "Softmax",
        "LogSoftmax",
        "BatchNormalization",
        "LayerNormalization",
        "InstanceNormalization",
    ];
    KNOWN.contains(&op)
}
