use super::constant::Budget;
use super::fold;
use crate::{Builder, DType, Dim, Graph, Tensor, TensorType};

fn with_input(build: impl FnOnce(&Builder)) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
    build(&builder);
    builder.finish().unwrap()
}

fn elements(graph: &Graph) -> usize {
    graph.constants.values().map(Tensor::len).sum()
}

#[test]
fn outputs_keep_their_names() {
    let graph = with_input(|b| b.output("y", b.ints(&[1, 2]).with("Add", b.ints(&[1]))));
    let folded = fold(&graph).unwrap();
    assert_eq!(folded.outputs, graph.outputs);
    let [identity] = &folded.nodes[..] else { panic!("{:?}", folded.nodes) };
    assert_eq!((identity.op.as_str(), identity.outputs[0].as_str()), ("Identity", "y"));
    assert_eq!(folded.constants[&identity.inputs[0]], Tensor::ints(&[2, 3]));
}

#[test]
fn a_computed_target_leaves_the_batch_free() {
    let graph = with_input(|b| {
        let x = b.var("x").unwrap();
        let batch = x.apply("Shape").slice(&[0], &[0], &[1], &[1]);
        let target = b.op("Concat", &[Some(b.ints(&[3])), Some(batch)], &[("axis", 0.into())]);
        b.output("y", x.with("Reshape", target));
    });
    let folded = fold(&graph).unwrap();
    assert_eq!(folded.constants.values().cloned().collect::<Vec<_>>(), [Tensor::ints(&[3, -1])]);
    let fixed = fold(&graph.with_batch(5)).unwrap();
    assert_eq!(fixed.constants.values().cloned().collect::<Vec<_>>(), [Tensor::ints(&[3, 5])]);
}

#[test]
fn constants_much_larger_than_their_inputs_are_left_to_the_runtime() {
    let of_size = |n: i64| {
        let graph = with_input(|b| {
            let large = b.ints(&[7]).with("Expand", b.ints(&[n]));
            b.output("y", large.apply("Neg"));
        });
        fold(&graph).unwrap()
    };
    assert_eq!(of_size(1 << 20).nodes.len(), 1);
    let left = of_size((1 << 20) + 1);
    assert_eq!((left.nodes.len(), elements(&left)), (3, 2));
}

#[test]
fn a_small_file_does_not_unfold_into_a_large_graph() {
    let graph = with_input(|b| b.output("y", b.ints(&[1, 2])));
    let mut budget = Budget::of(&graph);
    let made = std::iter::from_fn(|| budget.spend(1 << 20, 1 << 20).then_some(1 << 20)).take(1000);
    assert!(made.sum::<usize>() <= (64 << 20) + 2 * elements(&graph));
    assert!(!Budget::of(&graph).spend((64 << 20) + 1, usize::MAX));
}
