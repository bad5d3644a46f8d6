//! What graphs cost, counted from their shapes: a choice that rests on it is the same on every machine.

use kennard_graph::{Graph, Node, infer};

use crate::Result;

/// This many products inside convolutions and matrix products take the time of one element of any other tensor. (Measured
/// on the networks of the tests: 2 ns for an element that bounds are made of.)
const PRODUCTS: u64 = 4;
/// A pass with a gradient costs this many without.
const GRADIENT: u64 = 3;

/// The nodes whose results depend on an input. What the others make, such as the sizes of weights, is made once, when the graph
/// is compiled.
pub(super) fn varying(graph: &Graph) -> impl Iterator<Item = &Node> {
    let varying = graph.reached(graph.inputs.iter().map(|input| input.name.as_str()), |_| true);
    graph.nodes.iter().filter(move |node| node.reads(&varying))
}

/// What a run of a graph costs, in elements of tensors.
pub(super) fn cost(graph: &Graph) -> Result<u64> {
    let types = infer(graph)?;
    let shape = |name: &str| types.get(name).and_then(|ty| ty.shape.known()).unwrap_or_default();
    let products = |node: &Node, output: u64| -> u64 {
        let extents = |i: usize| node.input(i).map(shape).unwrap_or_default();
        let inner = |extents: &[usize]| extents.iter().map(|&n| n as u64).product::<u64>();
        match node.op.as_str() {
            "MatMul" | "Gemm" => output.saturating_mul(inner(extents(0).last_chunk::<1>().unwrap_or(&[1]))),
            "Conv" => output.saturating_mul(inner(extents(1).get(1..).unwrap_or(&[]))),
            "ConvTranspose" => inner(&extents(0)).saturating_mul(inner(extents(1).get(1..).unwrap_or(&[]))),
            _ => 0,
        }
    };
    let of = |node: &Node| -> u64 {
        let volume = |name: &String| shape(name).iter().fold(1u64, |v, &n| v.saturating_mul(n as u64));
        let elements = node.outputs.iter().map(volume).fold(0, u64::saturating_add);
        elements.saturating_add(products(node, elements) / PRODUCTS)
    };
    Ok(varying(graph).map(of).fold(0, u64::saturating_add))
}

/// The most that a method of bounds may cost a sample: this many passes with a gradient of the model; all that it takes
/// without a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    most: u64,
}

impl Allowance {
    pub fn of(model: &Graph, passes: Option<u64>) -> Result<Allowance> {
        let alone = model.with_batch(1);
        let pass = cost(&alone)?.saturating_mul(GRADIENT);
        Ok(Allowance { most: passes.map_or(u64::MAX, |passes| passes.saturating_mul(pass)) })
    }

    pub fn covers(&self, cost: u64) -> bool {
        cost <= self.most
    }
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};

    use super::*;

    /// A convolution of 2 by 3 channels with 3×3 taps onto 6×6 pixels, a sum to 3, and a product to 5, counted by hand.
    #[test]
    fn products_and_elements_are_counted() {
        let builder = Builder::new(&Graph::default()).unwrap();
        let extents = [2, 8, 8].map(Dim::Known);
        let x = builder.input("x", TensorType::new(DType::F32, [&[Dim::BATCH], &extents[..]].concat()));
        let taps = builder.constant(Tensor::full(&[3, 2, 3, 3], 1.0, DType::F32));
        let y = builder.op("Conv", &[Some(x), Some(taps)], &[("kernel_shape", vec![3i64, 3].into())]);
        let w = builder.constant(Tensor::full(&[3, 5], -1.0, DType::F32));
        // What is made of weights alone costs nothing.
        builder.output("z", y.reduce("ReduceSum", &[2, 3], false).with("MatMul", w.apply("Abs")));
        let graph = builder.finish().unwrap().with_batch(1);
        let (conv, product) = (108 + 108 * 18 / PRODUCTS, 5 + 15 / PRODUCTS);
        // The output itself is one more node.
        assert_eq!(cost(&graph).unwrap(), conv + 3 + product + 5);
        let allowance = Allowance::of(&graph, Some(2)).unwrap();
        assert_eq!(allowance.most, 6 * (conv + 3 + product + 5));
        assert!(allowance.covers(allowance.most) && !allowance.covers(allowance.most + 1));
    }
}
