//! Weights that sessions of ONNX Runtime read where the graph has them.
//!
//! A session copies its constants, and packs those of matrix products besides. In a transformer these are nearly all of
//! the model, once more in every session of every thread. Where they are much, they are inputs of the session instead, and every
//! run is given them from the graph's own memory. The price is that every run packs them: some per cent of a product of as many rows as
//! transformers have. A transposed matrix is lent as it lies in memory, and ONNX Runtime's products read it in that order.

use std::collections::BTreeMap;

use kennard_graph::{Attribute, DType, Graph, Names, Node, Shape, Tensor, TensorType, Value};

/// Matrices of this many elements on are lent: 1 MiB.
const LARGE: usize = 1 << 18;
/// If they have this many in all: 64 MiB. What smaller models need is little, and time matters more there.
const MUCH: usize = 1 << 24;

/// A graph with weights that it is given.
pub struct Lent {
    /// Its last inputs are the weights.
    pub graph: Graph,
    /// In row-major order.
    pub weights: Vec<Tensor>,
}

/// The graph, its large matrices lent.
pub fn lent(graph: &Graph) -> Lent {
    lent_from(graph, LARGE, MUCH)
}

/// The bytes of a graph's constants that every session copies.
pub fn copied(graph: &Graph) -> usize {
    let bytes = |graph: &Graph| graph.constants.values().map(Tensor::bytes).fold(0, usize::saturating_add);
    bytes(&lent(graph).graph)
}

fn lent_from(graph: &Graph, large: usize, much: usize) -> Lent {
    let mut graph = graph.clone();
    let found = matrices(&graph, large);
    if found.values().map(|(weight, _)| weight.len()).sum::<usize>() < much {
        return Lent { graph, weights: Vec::new() };
    }
    let mut names = Names::of(&graph);
    let (mut nodes, mut weights) = (Vec::new(), Vec::new());
    for (name, (weight, transposed)) in found {
        graph.constants.remove(&name);
        let input = if transposed { names.fresh(&format!("{name}/as it lies")) } else { name.clone() };
        let ty = TensorType::new(DType::F32, Shape::fixed(weight.shape()));
        graph.inputs.push(Value { name: input.clone(), ty });
        weights.push(weight);
        if transposed {
            nodes.push(Node {
                name: name.clone(),
                op: "Transpose".into(),
                inputs: vec![input],
                outputs: vec![name],
                attributes: [("perm".into(), Attribute::Ints(vec![1, 0]))].into(),
            });
        }
    }
    nodes.append(&mut graph.nodes);
    Lent { graph: Graph { nodes, ..graph }, weights }
}

/// The large matrices that nothing but products reads, by name: as they lie in memory, and whether that is transposed.
fn matrices(graph: &Graph, large: usize) -> BTreeMap<String, (Tensor, bool)> {
    let large = |tensor: &Tensor| tensor.shape().len() == 2 && tensor.len() >= large;
    let found = graph.constants.iter().filter(|(_, tensor)| large(tensor));
    let mut found: BTreeMap<String, (Tensor, bool)> =
        found.filter_map(|(name, tensor)| Some((name.clone(), as_it_lies(tensor)?))).collect();
    let transposes =
        |node: &Node| node.op == "Transpose" && node.ints("perm").is_none_or(|order| order == [1, 0]);
    let mut readers: BTreeMap<&str, Vec<(&Node, usize)>> = BTreeMap::new();
    for node in &graph.nodes {
        for (i, name) in node.inputs.iter().enumerate() {
            readers.entry(name).or_default().push((node, i));
        }
    }
    let of = |name: &str| readers.get(name).map_or(&[][..], Vec::as_slice);
    let multiplies = |(node, i): &(&Node, usize)| node.op == "MatMul" || (node.op == "Gemm" && *i < 2);
    let is_output = |name: &str| graph.outputs.iter().any(|output| output.name == name);
    found.retain(|name, _| {
        let through = |(node, _): &(&Node, usize)| {
            let y = node.outputs.first().map_or("", String::as_str);
            transposes(node) && !is_output(y) && of(y).iter().all(|(node, _)| node.op == "MatMul")
        };
        !is_output(name) && of(name).iter().all(|reader| multiplies(reader) || through(reader))
    });
    found
}

/// The matrix in row-major order without a copy, and whether that is its transpose.
fn as_it_lies(tensor: &Tensor) -> Option<(Tensor, bool)> {
    let Tensor::F32(array) = tensor else { return None };
    if array.is_standard_layout() {
        return Some((tensor.clone(), false));
    }
    let other = array.clone().reversed_axes();
    other.is_standard_layout().then(|| (other.into(), true))
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, Dim, fold};

    use super::*;

    /// `x·W`, `y·Wᵀ` and a bias of the same size as nothing that is lent.
    fn graph() -> Graph {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::Known(2), Dim::Known(512)]));
        let weight = builder.constant(Tensor::full(&[512, 512], 0.5, DType::F32));
        let bias = builder.constant(Tensor::full(&[512, 512], 1.0, DType::F32));
        let back = x.with("MatMul", weight).with("MatMul", weight.apply("Transpose"));
        builder.output("y", back.with("MatMul", bias));
        builder.output("z", bias + x.reduce("ReduceSum", &[0, 1], false));
        fold(&builder.finish().unwrap()).unwrap()
    }

    #[test]
    fn matrices_of_products_are_lent_from_one_place() {
        let graph = graph();
        let Lent { graph: made, weights } = lent_from(&graph, LARGE, 2 * LARGE);
        let at = |tensor: &Tensor| match tensor {
            Tensor::F32(array) => array.as_ptr(),
            other => panic!("{other:?}"),
        };
        let [one, other] = &weights[..] else { panic!("{} weights", weights.len()) };
        assert_eq!(at(one), at(other), "the transpose is a copy");
        assert_eq!(made.inputs.len(), 3);
        assert_eq!(made.nodes.iter().filter(|node| node.op == "Transpose").count(), 1);
        assert!(made.constants.values().any(|tensor| tensor.len() == LARGE), "the bias stays");
        assert_eq!(made.outputs, graph.outputs);
    }

    #[test]
    fn small_models_keep_their_constants() {
        let graph = graph();
        let Lent { graph: made, weights } = lent(&graph);
        assert!(weights.is_empty() && made == graph);
        assert!(copied(&graph) >= 3 * 4 * LARGE);
    }
}
