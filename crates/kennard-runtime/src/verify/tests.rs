use kennard_graph::{Builder, Dim, Var};

use super::*;

/// `x [1, 2, 6, 5] → y`.
fn model(f: impl for<'b> Fn(Var<'b>) -> Var<'b>) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = [1, 2, 6, 5].map(Dim::Known);
    let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
    builder.output("y", f(x));
    builder.finish().unwrap()
}

/// A runtime whose kernels make numbers of NaN is refused by the node that gives it, and asked only where there is NaN.
#[test]
fn numbers_in_place_of_nan_are_refused() {
    let graph = model(|x| x.apply("Log"));
    let right = RtenProgram::node_by_node(&graph, &image(), &all(&graph)).unwrap();
    let right: Vec<f32> = right[&graph.outputs[0].name].iter().map(|v| *v as f32).collect();
    assert!(right.iter().any(|v| v.is_nan()));
    keeps_nan(&graph, &image(), "other", || Ok(vec![right.clone()])).unwrap();
    let numbers = || Ok(vec![right.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect()]);
    let message = keeps_nan(&graph, &image(), "other", numbers).unwrap_err().to_string();
    assert!(message.contains("(Log)") && message.contains("is 0 where NaN"), "{message}");
    let finite = model(|x| x.apply("Relu"));
    keeps_nan(&finite, &image(), "other", || panic!("not asked")).unwrap();
    // Nor is it where NaN comes to what may take it for a number.
    let hidden = model(|x| x.apply("Log").apply("Relu"));
    let message = keeps_nan(&hidden, &image(), "other", || panic!("not asked")).unwrap_err().to_string();
    assert!(message.contains("(Relu) is given NaN"), "{message}");
}

/// All attributes are written out, as rten needs them.
fn window(
    kernel: [i64; 2],
    strides: [i64; 2],
    pads: [i64; 4],
) -> [(&'static str, kennard_graph::Attribute); 5] {
    [
        ("kernel_shape", kernel[..].into()),
        ("strides", strides[..].into()),
        ("dilations", vec![1, 1].into()),
        ("pads", pads[..].into()),
        ("group", 1.into()),
    ]
}

fn image() -> Vec<f32> {
    (0..60).map(|i| ((i * 37) % 23) as f32 / 23.0 - 0.3).collect()
}

/// `y = cast(ConvInteger(quantised x))`, with margins, whose zero point is not 0.
fn integer(pad: i64) -> Graph {
    model(|x| {
        let parts = x.builder().op_n("DynamicQuantizeLinear", &[Some(x)], &[], 3);
        let w = Tensor::full(&[3, 2, 3, 3], 5.0, DType::U8);
        let inputs = [Some(parts[0]), Some(x.builder().constant(w)), Some(parts[2])];
        x.builder().op("ConvInteger", &inputs, &window([3, 3], [1, 1], [pad; 4])).cast(DType::F32)
    })
}

fn all(graph: &Graph) -> HashSet<&str> {
    graph.nodes.iter().flat_map(tensors).collect()
}

fn compared(graph: &Graph, kept: &Kept) -> Result<usize> {
    each(graph, &infer(graph).unwrap(), &graph.nodes.iter().collect::<Vec<_>>(), kept)
}

/// A long chain is not kept, nor compared link by link.
#[test]
fn nodes_that_are_alike_are_compared_once() {
    let chain = model(|x| (0..200).fold(x, |x, _| x.apply("Tanh")));
    assert_eq!(verify(&chain, &image()).unwrap(), ALIKE + 1);
}

/// rten pads with 0, and not with the zero point. Its own kernel is noticed, what it is replaced with is right.
#[test]
fn a_wrong_kernel_is_named() {
    let kept = RtenProgram::every_node(&integer(1), &image(), &all(&integer(1))).unwrap();
    let message = compared(&integer(1), &kept).unwrap_err().to_string();
    assert!(message.contains("(ConvInteger) gives") && message.contains("onnxruntime"), "{message}");
    let kept = RtenProgram::every_node(&integer(0), &image(), &all(&integer(0))).unwrap();
    compared(&integer(0), &kept).unwrap();
    for pad in [0, 1] {
        verify(&integer(pad), &image()).unwrap();
    }
}

/// Every operator that is compared: changed by a hundredth, it is noticed.
#[test]
fn what_is_changed_is_noticed() {
    let weights = |shape: &[usize]| {
        let n: usize = shape.iter().product();
        tensor(shape, &(0..n).map(|i| (i % 7) as f64 / 7.0 - 0.4).collect::<Vec<_>>(), DType::F32).unwrap()
    };
    let graphs: Vec<Graph> = vec![
        model(|x| {
            x.builder().op(
                "Conv",
                &[Some(x), Some(x.builder().constant(weights(&[3, 2, 3, 2])))],
                &window([3, 2], [2, 1], [1, 0, 2, 1]),
            )
        }),
        model(|x| {
            x.apply_with("MaxPool", &[("kernel_shape", vec![2, 3].into()), ("strides", vec![1, 2].into())])
        }),
        model(|x| {
            x.apply_with(
                "AveragePool",
                &[
                    ("kernel_shape", vec![3, 3].into()),
                    ("strides", vec![2, 2].into()),
                    ("pads", vec![1; 4].into()),
                ],
            )
        }),
        model(|x| x.apply("GlobalAveragePool")),
        model(|x| x.with("MatMul", x.builder().constant(weights(&[5, 4])))),
        model(|x| x.apply_with("Softmax", &[("axis", 1.into())])),
        model(|x| x.apply("Tanh")),
        model(|x| x.reduce("ReduceSum", &[1, 3], true)),
        model(|x| x.transpose(&[0, 2, 3, 1])),
    ];
    for graph in graphs {
        verify(&graph, &image()).unwrap();
        let mut kept = RtenProgram::node_by_node(&graph, &image(), &all(&graph)).unwrap();
        let name = &graph.nodes[0].outputs[0];
        let last = kept.get_mut(name).unwrap().last_mut().unwrap();
        *last = *last * 1.01 + 0.01;
        let message = compared(&graph, &kept).unwrap_err().to_string();
        assert!(message.contains(&format!("`{}`", graph.nodes[0].label())), "{message}");
    }
}
