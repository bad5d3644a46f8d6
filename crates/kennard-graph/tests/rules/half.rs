//! Gradients keep the precision of the model: no node mixes two float types.

use kennard_graph::{DType, Graph, gradient, gradient_name, infer};

/// The nodes of a graph that read two float types. (The scales of `Resize` are always in single precision.)
fn mixed(graph: &Graph) -> Vec<String> {
    let types = infer(graph).unwrap();
    let floats = |names: &[String]| -> Vec<DType> {
        names.iter().filter_map(|name| types.get(name)).map(|ty| ty.dtype).filter(|d| d.is_float()).collect()
    };
    let mixes = |read: Vec<DType>| read.iter().any(|&dtype| dtype != read[0]);
    let nodes = graph.nodes.iter().filter(|node| node.op != "Resize" && mixes(floats(&node.inputs)));
    nodes.map(|node| format!("{} ({})", node.name, node.op)).collect()
}

#[test]
fn precision_stays() {
    for case in crate::all() {
        let graph = case.graph.with_floats(DType::F16);
        let wrt: Vec<&str> = case.wrt.iter().map(String::as_str).collect();
        let before = mixed(&graph);
        let graph =
            gradient(&graph, &graph.outputs[0].name, &wrt).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let after: Vec<String> = mixed(&graph).into_iter().filter(|node| !before.contains(node)).collect();
        assert!(after.is_empty(), "{}: {after:?} mix two float types", case.name);
        for output in graph.outputs.iter().filter(|o| wrt.iter().any(|w| gradient_name(w) == o.name)) {
            assert_eq!(output.ty.dtype, DType::F16, "{}: {}", case.name, output.name);
        }
    }
}
