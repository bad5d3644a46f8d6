//! With one thread, a sample's figures are the same to the last bit whatever else is in its batch.

mod common;

use kennard_graph::{
    Builder, DType, Graph, Loss, Shape, Tensor, TensorType, Var, gradient, simplify, with_loss,
};
use kennard_runtime::{Input, Result, Runtime, Session, Threads};
use ndarray::ArrayD;

/// Logits, losses and input gradients of one sample at every place of a batch, in changing company
/// and in two sessions.
#[test]
fn a_sample_does_not_depend_on_its_company() {
    let mut differing = Vec::new();
    let mut checked = 0;
    for path in common::models() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let model = Graph::load(&path).unwrap();
        if model.inputs[0].ty.shape.known().is_some() {
            continue; // its batch is one
        }
        for batch in [3, 8] {
            let model = simplify(&model.with_batch(batch)).unwrap();
            let input = &model.inputs[0].name;
            let loss = with_loss(&model, Loss::LogOdds).unwrap();
            let gradient = simplify(&gradient(&loss, Graph::LOSS, &[input]).unwrap()).unwrap();
            for runtime in common::runtimes() {
                for (kind, graph) in [("logits", &model), ("gradient", &gradient)] {
                    let label = format!("{} {name} {kind} × {batch}", runtime.name());
                    differing.extend(check(&runtime, graph, batch, &label));
                    checked += 1;
                }
            }
        }
    }
    println!("{checked} graphs");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// So too where sessions are lent their weights.
#[test]
fn a_sample_does_not_depend_on_its_company_in_a_large_model() {
    for runtime in common::runtimes().iter().filter(|runtime| runtime.name() == "onnxruntime") {
        for batch in [3, 16] {
            let model = common::wide().with_batch(batch);
            let loss = with_loss(&model, Loss::LogOdds).unwrap();
            let gradient = simplify(&gradient(&loss, Graph::LOSS, &["x"]).unwrap()).unwrap();
            for (kind, graph) in [("logits", &model), ("gradient", &gradient)] {
                assert!(runtime.copied(graph) < 1 << 20, "{kind}: nothing is lent");
                let differing = check(runtime, graph, batch, &format!("{kind} × {batch}"));
                assert!(differing.is_empty(), "{}", differing.join("\n"));
            }
        }
    }
}

/// Where the figures of the sample differ.
fn check(runtime: &Runtime, graph: &Graph, batch: usize, label: &str) -> Vec<String> {
    let mut differing = check_sessions(runtime, Runtime::compile, graph, batch, label);
    if !runtime.rounds_by_place(graph).unwrap() {
        let label = format!("{label}, as given");
        differing.extend(check_sessions(runtime, Runtime::compile_as_given, graph, batch, &label));
    }
    differing
}

type Compile = fn(&Runtime, &Graph, &Threads) -> Result<Session>;

fn check_sessions(
    runtime: &Runtime,
    compile: Compile,
    graph: &Graph,
    batch: usize,
    label: &str,
) -> Vec<String> {
    let threads = runtime.threads(1);
    let compile = || compile(runtime, graph, &threads).unwrap_or_else(|e| panic!("{label}: {e}"));
    let mut sessions = [compile(), compile()];
    let size = sessions[0].inputs()[0].ty.shape.volume().unwrap().0 / batch;
    let sample = common::pixels(size, 1);
    let mut expected: Option<Vec<Vec<u32>>> = None;
    let mut differing = Vec::new();
    for place in 0..batch {
        // Some company is far from any image.
        let scale = [1.0, 100.0, 0.0][place % 3];
        let others = common::pixels(size * batch, 2 + place as u64);
        let mut images: Vec<f32> = others.iter().map(|v| v * scale).collect();
        images[place * size..][..size].copy_from_slice(&sample);
        let mut labels: Vec<i64> = (0..batch as i64).collect();
        labels[place] = 7;
        for session in &mut sessions {
            let inputs = [Input::F32(&images), Input::I64(&labels)];
            let outputs = common::run(session, &inputs[..session.inputs().len()]).unwrap();
            let own = outputs.iter().map(|output| {
                let size = output.len() / batch;
                output[place * size..][..size].iter().map(|v| v.to_bits()).collect()
            });
            let own: Vec<Vec<u32>> = own.collect();
            if *expected.get_or_insert_with(|| own.clone()) != own {
                differing.push(format!("{label}: differs at place {place}"));
            }
        }
    }
    differing
}

/// Every operator that works within samples, at sizes that leave rows unaligned in memory.
#[test]
fn no_operator_mixes_samples() {
    let mut differing = Vec::new();
    for shape in [&[10][..], &[7], &[33], &[6, 7, 7], &[3, 9, 11], &[16, 8, 8]] {
        for batch in [3, 8] {
            let dims: Vec<usize> = [&[batch], shape].concat();
            let results = operators(&dims);
            for runtime in common::runtimes() {
                for (operator, graph) in &results {
                    let label = format!("{} {operator} {dims:?}", runtime.name());
                    differing.extend(check(&runtime, graph, batch, &label));
                }
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// One graph for each operator.
fn operators(dims: &[usize]) -> Vec<(String, Graph)> {
    let mut graphs = Vec::new();
    let mut add = |label: &str, build: &dyn for<'b> Fn(&'b Builder, Var<'b>) -> Var<'b>| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(dims)));
        let y = build(&builder, (x - 0.5) * 6.0);
        builder.output("y", y);
        graphs
            .push((label.to_string(), builder.finish().unwrap_or_else(|e| panic!("{label} {dims:?}: {e}"))));
    };
    let weights = |shape: &[usize]| -> Tensor {
        let values = common::pixels(shape.iter().product(), 5).into_iter().map(|v| v - 0.5).collect();
        ArrayD::from_shape_vec(shape.to_vec(), values).unwrap().into()
    };
    let smooth = [
        "Abs",
        "Asinh",
        "Atan",
        "Celu",
        "Cos",
        "Elu",
        "Erf",
        "Exp",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Mish",
        "Relu",
        "Selu",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Softplus",
        "Softsign",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
    ];
    for op in smooth {
        add(op, &|_, x| x.apply(op));
    }
    for op in ["Acos", "Asin", "Atanh"] {
        add(op, &|_, x| (x / 7.0).apply(op));
    }
    add("Gelu by tanh", &|_, x| x.apply_with("Gelu", &[("approximate", "tanh".into())]));
    add("Reciprocal", &|_, x| x.apply("Reciprocal"));
    add("Log", &|_, x| (x.apply("Abs") + 0.1).apply("Log"));
    add("Sqrt", &|_, x| x.apply("Abs").apply("Sqrt"));
    add("Pow", &|_, x| (x.apply("Abs") + 0.1).with("Pow", x.number(2.5)));
    add("Div", &|_, x| x / 2.7);
    let rank = dims.len();
    for op in ["Softmax", "LogSoftmax", "LpNormalization"] {
        for axis in 1..rank {
            add(&format!("{op} over {axis}"), &|_, x| x.apply_with(op, &[("axis", (axis as i64).into())]));
        }
    }
    let sets: &[&[usize]] =
        if rank == 2 { &[&[1]] } else { &[&[1], &[2], &[3], &[1, 3], &[2, 3], &[1, 2, 3]] };
    let reductions = [
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
    ];
    for op in reductions {
        for axes in sets {
            add(&format!("{op} over {axes:?}"), &|_, x| x.reduce(op, axes, axes.len() % 2 == 0));
        }
    }
    let last = dims[rank - 1];
    for outputs in [1, 13] {
        add(&format!("MatMul to {outputs}"), &|b, x| x.with("MatMul", b.constant(weights(&[last, outputs]))));
    }
    add("LayerNormalization", &|b, x| {
        let scale = b.constant(weights(&[last]));
        b.op("LayerNormalization", &[Some(x), Some(scale)], &[("axis", (-1).into())])
    });
    if rank == 2 {
        return graphs;
    }
    let channels = dims[1];
    for outputs in [3, 16] {
        for (stride, pad) in [(1, 1), (2, 0)] {
            let attributes = [("strides", vec![stride; 2].into()), ("pads", vec![pad; 4].into())];
            add(&format!("Conv to {outputs}, stride {stride}"), &|b, x| {
                let w = b.constant(weights(&[outputs, channels, 3, 3]));
                b.op("Conv", &[Some(x), Some(w)], &attributes)
            });
            add(&format!("ConvTranspose to {outputs}, stride {stride}"), &|b, x| {
                let w = b.constant(weights(&[channels, outputs, 3, 3]));
                b.op("ConvTranspose", &[Some(x), Some(w)], &attributes)
            });
        }
    }
    add("depthwise Conv", &|b, x| {
        let w = b.constant(weights(&[channels, 1, 3, 3]));
        b.op("Conv", &[Some(x), Some(w)], &[("group", (channels as i64).into())])
    });
    for op in ["GlobalAveragePool", "GlobalMaxPool"] {
        add(op, &|_, x| x.apply(op));
    }
    for op in ["AveragePool", "MaxPool"] {
        let attributes = [("kernel_shape", vec![3, 3].into()), ("strides", vec![2, 2].into())];
        add(op, &|_, x| x.apply_with(op, &attributes));
    }
    add("BatchNormalization", &|b, x| {
        let v = b.constant(weights(&[channels]));
        b.op("BatchNormalization", &[Some(x), Some(v), Some(v), Some(v), Some(v.apply("Abs"))], &[])
    });
    add("InstanceNormalization", &|b, x| {
        let v = Some(b.constant(weights(&[channels])));
        b.op("InstanceNormalization", &[Some(x), v, v], &[])
    });
    let groups = if channels.is_multiple_of(2) { channels / 2 } else { channels };
    add("GroupNormalization", &|b, x| {
        let v = Some(b.constant(weights(&[channels])));
        b.op("GroupNormalization", &[Some(x), v, v], &[("num_groups", (groups as i64).into())])
    });
    add("MeanVarianceNormalization", &|_, x| {
        x.apply_with("MeanVarianceNormalization", &[("axes", vec![1, 2, 3].into())])
    });
    add("LRN", &|_, x| x.apply_with("LRN", &[("size", 3.into())]));
    add("MatMul of samples", &|_, x| x.with("MatMul", x.transpose(&[0, 1, 3, 2])));
    add("Resize", &|b, x| {
        let scales = b.constant(ArrayD::from_shape_vec(vec![4], vec![1.0f32, 1.0, 1.7, 1.3]).unwrap().into());
        b.op("Resize", &[Some(x), None, Some(scales)], &[("mode", "linear".into())])
    });
    graphs
}
