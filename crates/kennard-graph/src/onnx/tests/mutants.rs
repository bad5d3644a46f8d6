//! Damaged models: whatever a file says, reading and transforming it gives a graph or an error, soon.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::{
    Loss, Objective, cut, define, fold, gradient, infer, log_probabilities, simplify, strip_softmax,
    training_step, with_loss,
};

type Random = Xoshiro256PlusPlus;

const MODELS: &[&str] = &["plane_xor", "plane_moons", "fashion_pool"];
const NUMBERS: [i64; 14] =
    [0, 1, 2, 3, -1, -2, 7, 64, 1 << 20, 1 << 31, 1 << 40, i64::MAX, i64::MIN, -(1 << 31)];
const OPERATORS: &[&str] = &[
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "CumSum",
    "Div",
    "Einsum",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GridSample",
    "LRN",
    "LSTM",
    "LayerNormalization",
    "Log",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "Mod",
    "OneHot",
    "Pad",
    "Pow",
    "Range",
    "ReduceLogSumExp",
    "ReduceMax",
    "Relu",
    "Reshape",
    "Resize",
    "ScatterND",
    "Shape",
    "Slice",
    "Softmax",
    "Split",
    "Squeeze",
    "Tile",
    "TopK",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
]; // not a list of what is supported
const WAIT: Duration = Duration::from_secs(20);

fn of_bytes(rng: &mut Random, file: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    match rng.random_range(0..3) {
        0 => bytes.truncate(rng.random_range(0..file.len())),
        1 => {
            let from = rng.random_range(0..file.len());
            let length = rng.random_range(1..200);
            bytes.drain(from..(from + length).min(file.len()));
        }
        _ => {
            for _ in 0..rng.random_range(1..5) {
                // Weights are most of the file; what is said of them stands at the ends.
                let edge = file.len().min(1500);
                let at = match rng.random_range(0..3) {
                    0 => rng.random_range(0..edge),
                    1 => file.len() - 1 - rng.random_range(0..edge),
                    _ => rng.random_range(0..file.len()),
                };
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
        }
    }
    bytes
}

fn number(rng: &mut Random) -> i64 {
    *NUMBERS.choose(rng).unwrap()
}

fn of_messages(rng: &mut Random, model: &ModelProto) -> ModelProto {
    let mut model = model.clone();
    for _ in 0..rng.random_range(1..3) {
        mutate(rng, model.graph.as_mut().unwrap());
    }
    model
}

fn mutate(rng: &mut Random, graph: &mut GraphProto) {
    let tensors = graph.node.iter().flat_map(|n| n.input.iter().chain(&n.output));
    let names: Vec<String> = tensors.cloned().chain([String::new()]).collect();
    let name = names.choose(rng).unwrap().clone();
    let at = rng.random_range(0..graph.node.len());
    let count = graph.node.len();
    let node = &mut graph.node[at];
    match rng.random_range(0..10) {
        0 => node.op_type = some(OPERATORS.choose(rng).unwrap()),
        1 if !node.input.is_empty() => {
            let i = rng.random_range(0..node.input.len());
            node.input[i] = name;
        }
        2 => node.input.push(name),
        3 => {
            node.output.pop();
            node.output.push(name);
        }
        4 if !node.attribute.is_empty() => {
            let i = rng.random_range(0..node.attribute.len());
            let value = number(rng);
            let attribute = &mut node.attribute[i];
            match rng.random_range(0..4) {
                0 => attribute.r#type = Some(rng.random_range(0..16)),
                1 => attribute.f = Some(value as f32),
                _ if !attribute.ints.is_empty() => {
                    let k = rng.random_range(0..attribute.ints.len());
                    attribute.ints[k] = value;
                }
                _ => attribute.i = Some(value),
            }
        }
        5 if !node.attribute.is_empty() => {
            node.attribute.remove(rng.random_range(0..node.attribute.len()));
        }
        6 if !graph.initializer.is_empty() => {
            let i = rng.random_range(0..graph.initializer.len());
            let tensor = &mut graph.initializer[i];
            match rng.random_range(0..3) {
                0 => tensor.data_type = Some(rng.random_range(0..24)),
                1 => tensor.dims.push(number(rng)),
                _ if !tensor.dims.is_empty() => {
                    let k = rng.random_range(0..tensor.dims.len());
                    tensor.dims[k] = number(rng);
                }
                _ => {}
            }
        }
        7 => {
            let ends = if rng.random_bool(0.7) { &mut graph.input } else { &mut graph.output };
            let i = rng.random_range(0..ends.len());
            let ty = ends[i].r#type.as_mut().and_then(|ty| ty.tensor_type.as_mut());
            let Some(ty) = ty else { return };
            if rng.random_bool(0.2) {
                ty.elem_type = Some(rng.random_range(0..24));
            }
            if let Some(dim) = ty.shape.as_mut().and_then(|shape| shape.dim.choose_mut_or_none(rng)) {
                dim.extent = Some(Extent::Value(number(rng)));
            }
        }
        8 => {
            let node = graph.node[at].clone();
            graph.node.insert(rng.random_range(0..=count), node);
        }
        _ => {
            graph.node.remove(at);
            if graph.node.is_empty() {
                graph.node.push(NodeProto::default());
            }
        }
    }
}

trait Chosen<T> {
    fn choose_mut_or_none(&mut self, rng: &mut Random) -> Option<&mut T>;
}

impl<T> Chosen<T> for Vec<T> {
    fn choose_mut_or_none(&mut self, rng: &mut Random) -> Option<&mut T> {
        let i = (!self.is_empty()).then(|| rng.random_range(0..self.len()))?;
        self.get_mut(i)
    }
}

/// All that Kennard makes of a model. Errors are fine; what was made is consistent and can be written and read.
fn transform(rng: &mut Random, bytes: &[u8]) -> bool {
    let Ok(graph) = Graph::from_bytes(bytes) else { return false };
    infer(&graph).expect("a graph that was read has consistent types");
    let _ = (fold(&graph), define(&graph, |_| true), log_probabilities(&graph));
    let graph = strip_softmax(&graph).unwrap_or(graph);
    let losses = [Loss::CrossEntropy, Loss::Dlr, Loss::TargetedDlr, Loss::Margin];
    let loss = *losses.choose(rng).unwrap();
    for model in [graph.clone(), graph.with_batch(2)] {
        let Ok(simple) = simplify(&model) else { continue };
        let Ok(input) = simple.single_input() else { continue };
        if let Ok(full) = with_loss(&simple, loss).and_then(|g| gradient(&g, Graph::LOSS, &[&input.name])) {
            let written = simplify(&full).expect("a gradient graph can be simplified").to_bytes();
            Graph::from_bytes(&written).expect("a gradient graph can be read again");
        }
    }
    if let Some(node) = graph.nodes.choose(rng) {
        let _ = cut(&graph, &node.outputs[0]);
    }
    let _ = training_step(&graph, 2, &Objective::CrossEntropy { smoothing: 0.1 });
    true
}

/// 300 mutants, or as many as `KENNARD_MUTANTS` says.
#[test]
fn damaged_models_give_graphs_or_errors() {
    let rounds: u64 = std::env::var("KENNARD_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    if !directory.is_dir() {
        println!("skipped: the repository's models are not in the package");
        return;
    }
    let files: Vec<Vec<u8>> =
        MODELS.iter().map(|name| std::fs::read(directory.join(format!("{name}.onnx"))).unwrap()).collect();
    let models: Vec<ModelProto> =
        files.iter().map(|file| ModelProto::decode(file.as_slice()).unwrap()).collect();
    let mut read = 0;
    for seed in 0..rounds {
        let mut rng = Random::seed_from_u64(seed);
        let which = rng.random_range(0..files.len());
        let bytes = match rng.random_bool(0.3) {
            true => of_bytes(&mut rng, &files[which]),
            false => of_messages(&mut rng, &models[which]).encode_to_vec(),
        };
        let begin = Instant::now();
        let outcome = std::panic::catch_unwind(move || transform(&mut rng, &bytes));
        match outcome {
            Ok(understood) => read += u64::from(understood),
            Err(_) => panic!("mutant {seed} of {} panics", MODELS[which]),
        }
        assert!(begin.elapsed() < WAIT, "mutant {seed} of {} takes {:?}", MODELS[which], begin.elapsed());
    }
    assert!(read > rounds / 10, "only {read} of {rounds} mutants are models");
}
