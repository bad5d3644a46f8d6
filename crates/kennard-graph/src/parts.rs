//! A graph in two parts: what is computed once, and what is computed for one value after another of some inputs.

use std::collections::HashSet;

use crate::{DType, Dim, Graph, Node, Result, Value, infer};

/// A graph in two parts, of which the first does not depend on some of its inputs, the late ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// From all inputs but the late ones to what the second part needs of them, each `[N, …]`.
    pub first: Graph,
    /// The inputs that the second part takes as they are, by their places among the graph's.
    pub kept: Vec<usize>,
    /// From those, the first part's outputs and the late inputs, in this order, to the graph's outputs.
    pub second: Graph,
}

impl Parts {
    /// Parts a graph; none where there is nothing to compute beforehand, or where that does not belong to one sample each, in
    /// single precision.
    ///
    /// # Errors
    /// When the graph is not well formed.
    pub fn of(graph: &Graph, late: &[&str]) -> Result<Option<Parts>> {
        let types = infer(graph)?;
        let names = || graph.inputs.iter().map(|input| input.name.as_str());
        let early = graph.reached(names().filter(|name| !late.contains(name)), |_| true);
        let behind = graph.reached(names().filter(|name| late.contains(name)), |_| true);
        let producers = graph.producers();

        // From the ends back to what the first part can hand over.
        let mut on_way: Vec<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
        let (mut needed, mut handed) = (HashSet::new(), HashSet::new());
        while let Some(name) = on_way.pop() {
            let Some(&producer) = producers.get(name) else { continue };
            if !behind.contains(name)
                && early.contains(name)
                && types.get(name).is_some_and(|ty| ty.dtype == DType::F32)
            {
                handed.insert(name);
            } else if needed.insert(name) {
                on_way.extend(graph.nodes[producer].inputs.iter().map(String::as_str));
            }
        }
        // In the order of their nodes, so that it is the same every time.
        let of_sample = |name: &str| {
            let ty = types.get(name)?;
            let rest = ty.shape.0.get(1..)?;
            (ty.shape.0[0] == Dim::BATCH && rest.iter().all(|dim| dim.known().is_some())).then(|| ty.clone())
        };
        let made =
            graph.nodes.iter().flat_map(|node| &node.outputs).filter(|name| handed.contains(name.as_str()));
        let outputs: Option<Vec<Value>> =
            made.map(|name| Some(Value { name: name.clone(), ty: of_sample(name)? })).collect();
        let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else { return Ok(None) };

        let inputs = graph.inputs.iter().filter(|input| !late.contains(&input.name.as_str())).cloned();
        let mut first = Graph { inputs: inputs.collect(), outputs: outputs.clone(), ..graph.clone() };
        first.prune();
        let nodes =
            graph.nodes.iter().filter(|node| node.outputs.iter().any(|name| needed.contains(name.as_str())));
        let nodes: Vec<Node> = nodes.cloned().collect();
        let read: HashSet<&str> = nodes.iter().flat_map(|node| &node.inputs).map(String::as_str).collect();
        let (mut kept, mut inputs, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (i, input) in graph.inputs.iter().enumerate() {
            if late.contains(&input.name.as_str()) {
                ends.push(input.clone());
            } else if read.contains(input.name.as_str()) {
                kept.push(i);
                inputs.push(input.clone());
            }
        }
        inputs.extend(outputs);
        inputs.extend(ends);
        let mut second = Graph { inputs, nodes: nodes.clone(), ..graph.clone() };
        second.prune();
        Ok(Some(Parts { first, kept, second }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Tensor, TensorType};

    /// `y = (2a + 1)·late + a`: the first part hands over `2a + 1`, the second takes `a` as it is.
    #[test]
    fn what_late_inputs_do_not_touch_comes_first() {
        let builder = Builder::new(&Graph::default()).unwrap();
        let input =
            |name: &str| builder.input(name, TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
        let (a, late) = (input("a"), input("late"));
        builder.output("y", (a * 2.0 + 1.0) * late + a);
        let graph = builder.finish().unwrap();
        let Parts { first, kept, second } = Parts::of(&graph, &["late"]).unwrap().unwrap();
        let names = |values: &[Value]| values.iter().map(|value| value.name.clone()).collect::<Vec<_>>();
        assert_eq!((kept, names(&first.inputs)), (vec![0], vec!["a".to_string()]));
        let handed = names(&first.outputs);
        assert_eq!(names(&second.inputs), ["a", &handed[0], "late"]);
        let ops = |graph: &Graph| graph.nodes.iter().map(|node| node.op.clone()).collect::<Vec<_>>();
        assert_eq!([&ops(&first)[..2], &ops(&second)[..2]], [["Mul", "Add"]; 2]);
        assert_eq!((infer(&first).is_ok(), infer(&second).is_ok()), (true, true));
        // Nothing is left for a first part.
        assert_eq!(Parts::of(&graph, &["a", "late"]).unwrap(), None);
    }

    /// `y = min(a, 1) + dropout(late)`: the lower limit that `Clip` leaves out is not the mask that `Dropout` leaves out.
    #[test]
    fn what_is_left_out_connects_nothing() {
        let builder = Builder::new(&Graph::default()).unwrap();
        let input =
            |name: &str| builder.input(name, TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
        let (a, late) = (input("a"), input("late"));
        let most = builder.constant(Tensor::scalar(1.0, DType::F32));
        let clipped = builder.op("Clip", &[Some(a), None, Some(most)], &[]);
        builder.output("y", clipped + late.apply("Dropout"));
        let mut graph = builder.finish().unwrap();
        let dropout = graph.nodes.iter_mut().find(|node| node.op == "Dropout").unwrap();
        dropout.outputs.push(String::new());
        let Parts { first, kept, second } = Parts::of(&graph, &["late"]).unwrap().unwrap();
        assert_eq!((first.nodes.len(), first.nodes[0].op.as_str(), kept), (1, "Clip", Vec::new()));
        assert!(second.nodes.iter().all(|node| node.op != "Clip"));
    }
}
