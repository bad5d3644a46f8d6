//! Bounds by one graph for each hidden tensor are those of the one graph of all.

mod planted;

use kennard_graph::{
    Attribute, Builder, DType, Dim, Graph, Method, Region, Stages, Tensor, TensorType, Var, bound,
};
use kennard_runtime::Input;
use ndarray::{ArrayD, IxDyn};
use rand::RngExt;

use crate::certify::crown::Last;
use crate::certify::hidden::{Walker, Where};
use crate::certify::program::together;
use crate::certify::{Ascent, Crown};
use crate::random::stream;
use crate::{Runtime, runtime::Choice};

/// Numbers for weights of these extents, as large as keeps signals alive.
fn numbers(name: &str, dims: &[usize]) -> Vec<f32> {
    let mut random = stream(3, &[], name);
    let fan: usize = dims[1..].iter().product();
    let size = (2.0 / fan as f32).sqrt();
    (0..dims.iter().product::<usize>()).map(|_| size * random.random_range(-1.0f32..1.0)).collect()
}

fn weights<'b>(builder: &'b Builder, name: &str, dims: &[usize]) -> Option<Var<'b>> {
    let values = numbers(name, dims);
    Some(builder.named(name, Tensor::from(ArrayD::from_shape_vec(IxDyn(dims), values).unwrap())))
}

/// The input's extent, and the network: two convolutions, a residual connection and two layers, or a chain of convolutions
/// with strides, gaps, groups and margins that differ, `op` being what is not linear; the chain may begin with a normalisation.
fn network(chain: bool, op: &str, normalized: bool) -> (usize, Graph) {
    let builder = Builder::new(&Graph::default()).unwrap();
    let w = |name: &str, dims: &[usize]| weights(&builder, name, dims);
    let extent = if chain { 11 } else { 5 };
    let dims = [Dim::BATCH, Dim::Known(2), Dim::Known(extent), Dim::Known(extent)];
    let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
    let conv = |x: Var<'_>, weights, bias, attributes: &[(&str, Attribute)]| {
        builder.op("Conv", &[Some(x), weights, bias], attributes)
    };
    let pads = |pads: [i64; 4]| ("pads", Attribute::from(pads.to_vec()));
    let strides = |strides: [i64; 2]| ("strides", Attribute::from(strides.to_vec()));
    let transposed = [("transB", 1i64.into())];
    let features = if chain {
        let groups = ("group", 2i64.into());
        let gaps = ("dilations", Attribute::from(vec![2i64, 1]));
        let bias = w("b0", &[4]);
        let channels = |values: [f32; 2]| {
            builder.constant(Tensor::from(
                ArrayD::from_shape_vec(IxDyn(&[1, 2, 1, 1]), values.to_vec()).unwrap(),
            ))
        };
        let x = if normalized { (x - channels([0.3, 0.6])) / channels([0.7, 1.3]) } else { x };
        let a =
            conv(x, w("c0", &[4, 1, 3, 2]), bias, &[pads([1, 0, 2, 1]), strides([2, 1]), groups]).apply(op);
        let b = conv(a, w("c1", &[3, 4, 2, 3]), None, &[pads([1, 1, 0, 1]), gaps]).apply(op);
        conv(b, w("c2", &[2, 3, 2, 2]), None, &[strides([1, 3])]).apply(op).apply("Flatten")
    } else {
        let ones = [pads([1; 4])];
        let a = conv(x, w("w0", &[3, 2, 3, 3]), w("b0", &[3]), &ones).apply(op);
        (conv(a, w("w1", &[3, 3, 3, 3]), None, &ones) + a).apply(op).apply("Flatten")
    };
    let n = features.shape().unwrap().0[1].known().unwrap();
    let c = builder.op("Gemm", &[Some(features), w("w2", &[8, n])], &transposed).apply(op);
    builder.output("logits", builder.op("Gemm", &[Some(c), w("w3", &[4, 8])], &transposed));
    (2 * extent * extent, builder.finish().unwrap())
}

#[test]
fn stage_by_stage_is_as_good_as_at_once() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let threads = runtime.threads(1);
    let mut random = stream(4, &[], "points");
    for (chain, op, normalized) in [
        (false, "Relu", false),
        (false, "Sigmoid", false),
        (true, "Relu", false),
        (true, "Relu", true),
        (true, "Sigmoid", false),
    ] {
        let (elements, model) = network(chain, op, normalized);
        let patches = Stages::new(&model, Region::Box).unwrap();
        let windows = |i| patches.patch(i, 1).unwrap().map(|patch| patch.windows.len());
        let seen = if chain && op == "Relu" { [Some(2), Some(3)] } else { [None, None] };
        assert_eq!([windows(1), windows(2)], seen, "{op}");
        if let Some(patch) = patches.patch(2, 9).unwrap() {
            // As many rows as there are channels.
            assert_eq!(patch.graph.inputs.last().unwrap().ty.shape.0[1..], [Dim::Known(2); 2]);
        }
        let mut plain = runtime.compile(&model.with_batch(1), &threads).unwrap();
        for region in [Region::Box, Region::L2, Region::L1] {
            let whole = bound(&model, Method::Crown, region, 4).unwrap().with_batch(1);
            let mut whole = runtime.compile_as_given(&whole, &threads).unwrap();
            let mut stages = Crown::new(&model, region, 4, None, &runtime, &threads).unwrap();
            let mut chosen = (op == "Relu")
                .then(|| Crown::new(&model, region, 4, Some(Ascent::default()), &runtime, &threads).unwrap());
            for radius in [0.02f32, 0.3] {
                let centre: Vec<f32> = (0..elements).map(|_| random.random_range(0.3f32..0.7)).collect();
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

/// What is said of a sample does not depend, to the last bit, on which others are bounded with it, nor on its place among them.
#[test]
fn company_changes_nothing() {
    let mut random = stream(5, &[], "points");
    let mut together_somewhere = 0;
    for runtime in
        [Choice::Rten, Choice::OnnxRuntime].into_iter().filter_map(|choice| Runtime::open(choice).ok())
    {
        let threads = runtime.threads(1);
        for (chain, op) in [(false, "Relu"), (true, "Relu"), (true, "Tanh")] {
            let (elements, model) = network(chain, op, false);
            let stages = Stages::new(&model, Region::Box).unwrap();
            if together(&stages, 4, &runtime, &|_, _| true).unwrap() == 1 {
                continue;
            }
            together_somewhere += 1;
            let mut end = |below: f32| -> Vec<f32> {
                (0..elements).map(|_| random.random_range(below..below + 0.4)).collect()
            };
            let ends: Vec<[Vec<f32>; 2]> = (0..3).map(|_| [end(0.0), end(0.4)]).collect();
            let specs = vec![(0..16).map(|i| ((i * 7) % 5) as f32 - 2.0).collect::<Vec<f32>>(); 3];
            let mut walker = Walker::new(&stages, 3, &runtime, &threads).unwrap();
            let ascent = (op == "Relu").then_some(Ascent { steps: 3, ..Ascent::default() });
            let mut last = Last::new(&stages, [3, 4], ascent, &runtime, &threads).unwrap();
            let mut bounds = |samples: &[usize]| -> Vec<Vec<u32>> {
                let places: Vec<Where> =
                    samples.iter().map(|&i| ends[i].iter().map(Vec::as_slice).collect()).collect();
                let hidden = walker.bounds(&places).unwrap();
                let found =
                    last.bounds(&places, &hidden.iter().collect::<Vec<_>>(), &specs[..places.len()]).unwrap();
                found.chunks(4).map(|row| row.iter().map(|bound| bound.to_bits()).collect()).collect()
            };
            let all = bounds(&[0, 1, 2]);
            assert_eq!(bounds(&[2, 0]), [all[2].clone(), all[0].clone()], "{op} on {}", runtime.name());
            assert_eq!(bounds(&[1]), [all[1].clone()], "{op} on {}", runtime.name());
        }
    }
    assert!(together_somewhere > 0);
}

/// Where numbers overflow nothing is known.
#[test]
fn overflow_is_no_bound() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let (elements, model) = network(true, "Relu", false);
    let mut stages = Crown::new(&model, Region::Box, 1, None, &runtime, &runtime.threads(1)).unwrap();
    let (lower, upper) = (vec![-3e38f32; elements], vec![3e38f32; elements]);
    assert_eq!(stages.bounds(&[&lower, &upper], &[1.0, 0.0, 0.0, 0.0]).unwrap(), [f32::NEG_INFINITY]);
    // Nor is anything in an empty box.
    let (lower, upper) = (vec![0.6f32; elements], vec![0.4f32; elements]);
    assert_eq!(stages.bounds(&[&lower, &upper], &[1.0, 0.0, 0.0, 0.0]).unwrap(), [f32::NEG_INFINITY]);
}
