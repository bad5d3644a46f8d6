//! Bounds by one graph for each hidden tensor are those of the one graph of all.

use kennard_graph::{Builder, DType, Dim, Graph, Method, Region, Tensor, TensorType, bound};
use kennard_runtime::Input;
use ndarray::{ArrayD, IxDyn};
use rand::RngExt;

use crate::certify::{Ascent, Crown};
use crate::random::stream;
use crate::{Runtime, runtime::Choice};

const IN: usize = 2 * 5 * 5;

/// Two convolutions, a residual connection and two layers, `op` being what is not linear.
fn network(op: &str) -> Graph {
    let mut random = stream(3, &[], "network");
    let builder = Builder::new(&Graph::default()).unwrap();
    let mut weights = |dims: &[usize], name: &str| {
        let fan: usize = dims[1..].iter().product();
        let size = (2.0 / fan as f32).sqrt();
        let values = (0..dims.iter().product()).map(|_| size * random.random_range(-1.0f32..1.0)).collect();
        builder.named(name, Tensor::from(ArrayD::from_shape_vec(IxDyn(dims), values).unwrap()))
    };
    let (w0, b0) = (weights(&[3, 2, 3, 3], "w0"), weights(&[3], "b0"));
    let w1 = weights(&[3, 3, 3, 3], "w1");
    let (w2, w3) = (weights(&[8, 75], "w2"), weights(&[4, 8], "w3"));
    let dims = [Dim::BATCH, Dim::Known(2), Dim::Known(5), Dim::Known(5)];
    let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
    let pads = [("pads", vec![1i64, 1, 1, 1].into())];
    let a = builder.op("Conv", &[Some(x), Some(w0), Some(b0)], &pads).apply(op);
    let b = (builder.op("Conv", &[Some(a), Some(w1)], &pads) + a).apply(op).apply("Flatten");
    let transposed = [("transB", 1i64.into())];
    let c = builder.op("Gemm", &[Some(b), Some(w2)], &transposed).apply(op);
    builder.output("logits", builder.op("Gemm", &[Some(c), Some(w3)], &transposed));
    builder.finish().unwrap()
}

#[test]
fn stage_by_stage_is_as_good_as_at_once() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let threads = runtime.threads(1);
    let mut random = stream(4, &[], "points");
    for op in ["Relu", "Sigmoid"] {
        let model = network(op);
        let mut plain = runtime.compile(&model.with_batch(1), &threads).unwrap();
        for region in [Region::Box, Region::L2, Region::L1] {
            let whole = bound(&model, Method::Crown, region, 4).unwrap().with_batch(1);
            let mut whole = runtime.compile_as_given(&whole, &threads).unwrap();
            let mut stages = Crown::new(&model, region, 4, None, &runtime, &threads).unwrap();
            let mut chosen = (op == "Relu")
                .then(|| Crown::new(&model, region, 4, Some(Ascent::default()), &runtime, &threads).unwrap());
            for radius in [0.02f32, 0.3] {
                let centre: Vec<f32> = (0..IN).map(|_| random.random_range(0.3f32..0.7)).collect();
                let lower: Vec<f32> = centre.iter().map(|x| x - radius).collect();
                let upper: Vec<f32> = centre.iter().map(|x| x + radius).collect();
                let spec: Vec<f32> = (0..16).map(|_| random.random_range(-1.0f32..1.0)).collect();
                let radius = [radius];
                let mut inputs: Vec<&[f32]> = vec![&lower, &upper];
                if region != Region::Box {
                    inputs.extend([&centre[..], &radius]);
                }
                let mut outputs = Vec::new();
                let all: Vec<Input> = inputs.iter().copied().chain([&spec[..]]).map(Input::F32).collect();
                whole.run(&all, &mut outputs).unwrap();
                let at_once = outputs[0].clone();
                plain.run(&[Input::F32(&centre)], &mut outputs).unwrap();
                let logits = outputs[0].clone();
                let found = stages.bounds(&inputs, &spec).unwrap();
                let better = chosen.as_mut().map(|chosen| chosen.bounds(&inputs, &spec).unwrap());
                for row in 0..4 {
                    let value: f32 = (0..4).map(|k| spec[4 * row + k] * logits[k]).sum();
                    let off = (found[row] - at_once[row]).abs();
                    assert!(
                        off <= 1e-4 * (1.0 + at_once[row].abs()),
                        "{op} {region:?}: {found:?} {at_once:?}"
                    );
                    assert!(found[row] <= value, "{op} {region:?}: {} of {value}", found[row]);
                    if let Some(better) = &better {
                        assert!(
                            found[row] <= better[row] + 1e-4 && better[row] <= value,
                            "{better:?} {found:?}"
                        );
                    }
                }
            }
        }
    }
}

/// Where numbers overflow nothing is known.
#[test]
fn overflow_is_no_bound() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let mut stages =
        Crown::new(&network("Relu"), Region::Box, 1, None, &runtime, &runtime.threads(1)).unwrap();
    let (lower, upper) = ([-3e38f32; IN], [3e38f32; IN]);
    assert_eq!(stages.bounds(&[&lower, &upper], &[1.0, 0.0, 0.0, 0.0]).unwrap(), [f32::NEG_INFINITY]);
    // Nor is anything in an empty box.
    let (lower, upper) = ([0.6f32; IN], [0.4f32; IN]);
    assert_eq!(stages.bounds(&[&lower, &upper], &[1.0, 0.0, 0.0, 0.0]).unwrap(), [f32::NEG_INFINITY]);
}
