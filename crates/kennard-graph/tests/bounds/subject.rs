use std::collections::BTreeMap;

use kennard_graph::{
    Builder, DType, Dim, Graph, Method, Node, Region, Shape, Tensor, TensorType, Var, bound, define, infer,
    simplify,
};
use ndarray::{ArrayD, IxDyn};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::rten::Runner;

/// Fewer where nothing is optimised.
pub const SHARE: usize = if cfg!(debug_assertions) { 10 } else { 1 };

pub fn random(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Sizes from 10⁻ⁿ to 10ⁿ, of both signs.
pub fn hostile(rng: &mut Xoshiro256PlusPlus, decades: f64) -> f32 {
    let size = 10f64.powf(rng.random_range(-decades..decades));
    (if rng.random_bool(0.5) { size } else { -size }) as f32
}

pub fn tensor(shape: &[usize], values: Vec<f32>) -> Tensor {
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().into()
}

/// A model of `x [N, …]`.
pub fn model(shape: &[usize], f: impl for<'b> Fn(Var<'b>) -> Var<'b>) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = [Dim::BATCH].into_iter().chain(shape.iter().map(|&n| Dim::Known(n))).collect::<Vec<_>>();
    builder.output("y", f(builder.input("x", TensorType::new(DType::F32, dims))));
    builder.finish().unwrap()
}

/// What makes a model's output and its input one vector: `[N, …]` and `[N, …]` to `[N, K + n]`.
pub fn beside<'b>(y: Var<'b>, x: Var<'b>) -> Var<'b> {
    let flat = |v: Var<'b>| v.apply_with("Flatten", &[("axis", 1i64.into())]);
    y.builder().op("Concat", &[Some(flat(y)), Some(flat(x))], &[("axis", 1i64.into())])
}

/// The graph of bounds of a model, ready to run.
pub struct Bounds {
    runner: Runner,
    shape: Vec<usize>,
    pub rows: usize,
    pub outputs: usize,
}

impl Bounds {
    pub fn new(model: &Graph, method: Method, region: Region, rows: usize) -> Bounds {
        Bounds::of(bound(model, method, region, rows).unwrap(), model, rows)
    }

    /// The same, simplified: rten wants the attributes of windows written out.
    pub fn simplified(model: &Graph, method: Method, region: Region, rows: usize) -> Bounds {
        Bounds::of(simplify(&bound(model, method, region, rows).unwrap()).unwrap(), model, rows)
    }

    fn of(graph: Graph, model: &Graph, rows: usize) -> Bounds {
        let shape: Vec<usize> =
            model.inputs[0].ty.shape.0.iter().skip(1).map(|d| d.known().unwrap()).collect();
        let spec = graph.inputs.iter().find(|v| v.name == "spec").unwrap();
        let outputs = spec.ty.shape.0[2].known().unwrap();
        Bounds { runner: Runner::new(&runnable(&graph)).unwrap(), shape, rows, outputs }
    }

    /// Lower and upper bounds `[N, rows]` for boxes and specifications, sample by sample.
    pub fn run(&self, boxes: [&[f32]; 2], spec: &[f32], ball: Option<(&[f32], &[f32])>) -> [Vec<f32>; 2] {
        let n = spec.len() / (self.rows * self.outputs);
        let shape: Vec<usize> = [n].into_iter().chain(self.shape.iter().copied()).collect();
        let mut values = BTreeMap::from([
            ("lower".to_string(), tensor(&shape, boxes[0].to_vec())),
            ("upper".to_string(), tensor(&shape, boxes[1].to_vec())),
            ("spec".to_string(), tensor(&[n, self.rows, self.outputs], spec.to_vec())),
        ]);
        if let Some((centre, radius)) = ball {
            values.insert("centre".into(), tensor(&shape, centre.to_vec()));
            values.insert("radius".into(), tensor(&[n], radius.to_vec()));
        }
        let outputs = self.runner.run(&values).unwrap();
        ["bound/lower", "bound/upper"].map(|name| outputs[name].iter().copied().collect())
    }
}

/// rten has no pools over three axes, and not all recurrent layers.
fn runnable(graph: &Graph) -> Graph {
    let types = infer(graph).unwrap();
    let over_three = |node: &Node| types.get(&node.inputs[0]).is_some_and(|ty| ty.shape.rank() == 5);
    let lacking = |node: &Node| match node.op.as_str() {
        "GRU" | "LSTM" | "RNN" => true,
        op => op == "MaxPool" && over_three(node),
    };
    define(graph, lacking).unwrap()
}

/// What a model returns.
pub fn evaluate(model: &Graph, x: &[f32]) -> Vec<f32> {
    let shape: Vec<usize> = model.inputs[0].ty.shape.0.iter().skip(1).map(|d| d.known().unwrap()).collect();
    let n = x.len() / shape.iter().product::<usize>();
    let shape: Vec<usize> = [n].into_iter().chain(shape).collect();
    let values = BTreeMap::from([(model.inputs[0].name.clone(), tensor(&shape, x.to_vec()))]);
    let outputs = Runner::new(&runnable(&simplify(model).unwrap())).unwrap().run(&values).unwrap();
    outputs[&model.outputs[0].name].iter().copied().collect()
}

pub fn shape_of(graph: &Graph) -> Shape {
    graph.outputs[0].ty.shape.clone()
}
