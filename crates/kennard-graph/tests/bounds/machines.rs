//! What is bounded of a support vector machine is the file's own, in exact rationals.

use std::collections::BTreeMap;

use dashu_ratio::RBig;
use kennard_graph::{Attribute, DType, Dim, Graph, Node, Tensor, TensorType, Value, define};
use ndarray::{ArrayD, Axis, IxDyn};
use rand::RngExt;

use crate::subject::{SHARE, hostile, random};

type Q = RBig;

fn q(x: f64) -> Q {
    Q::try_from(x).unwrap()
}

const GAMMA: f32 = 0.3;

/// One coefficient for each vector, half of them of each class.
fn machine(vectors: &[Vec<f32>]) -> Graph {
    let half = (vectors.len() / 2) as i64;
    let attributes = [
        ("classlabels_ints", Attribute::Ints(vec![0, 1])),
        ("coefficients", Attribute::Floats(vec![1.0; vectors.len()])),
        ("kernel_params", Attribute::Floats(vec![GAMMA, 0.0, 3.0])),
        ("kernel_type", Attribute::Text("RBF".into())),
        ("rho", Attribute::Floats(vec![0.1])),
        ("support_vectors", Attribute::Floats(vectors.concat())),
        ("vectors_per_class", Attribute::Ints(vec![half, vectors.len() as i64 - half])),
    ];
    let value = |name: &str, width: usize| Value {
        name: name.into(),
        ty: TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(width)]),
    };
    let node = Node {
        name: "machine".into(),
        op: "ai.onnx.ml::SVMClassifier".into(),
        inputs: vec!["x".into()],
        outputs: vec!["label".into(), "scores".into()],
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    Graph {
        inputs: vec![value("x", vectors[0].len())],
        outputs: vec![value("scores", 2)],
        nodes: vec![node],
        ..Graph::default()
    }
}

/// An element of what `array` becomes where it is stretched to a shape.
fn stretched<'a>(array: &'a ArrayD<Q>, place: &[usize]) -> &'a Q {
    let skipped = place.len() - array.ndim();
    let own: Vec<usize> =
        array.shape().iter().zip(&place[skipped..]).map(|(&n, &i)| if n == 1 { 0 } else { i }).collect();
    &array[IxDyn(&own)]
}

fn each(a: &ArrayD<Q>, b: &ArrayD<Q>, f: impl Fn(&Q, &Q) -> Q) -> ArrayD<Q> {
    let rank = a.ndim().max(b.ndim());
    let extent = |array: &ArrayD<Q>, axis: usize| {
        (axis + array.ndim()).checked_sub(rank).map_or(1, |axis| array.shape()[axis])
    };
    let shape: Vec<usize> = (0..rank).map(|axis| extent(a, axis).max(extent(b, axis))).collect();
    ArrayD::from_shape_fn(IxDyn(&shape), |i| {
        let place: Vec<usize> = (0..rank).map(|axis| i[axis]).collect();
        f(stretched(a, &place), stretched(b, &place))
    })
}

/// What a graph of sums and products gives to its first `Exp`, without rounding.
fn exponents(graph: &Graph, x: &[f32]) -> Vec<Q> {
    let exact = |tensor: &Tensor| {
        let values = tensor.to_floats()?.into_iter().map(q).collect();
        Some(ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).unwrap())
    };
    let mut known: BTreeMap<String, ArrayD<Q>> = BTreeMap::new();
    known.extend(graph.constants.iter().filter_map(|(name, tensor)| Some((name.clone(), exact(tensor)?))));
    let given = x.iter().map(|&x| q(x.into())).collect();
    known.insert("x".into(), ArrayD::from_shape_vec(IxDyn(&[1, x.len()]), given).unwrap());
    for node in &graph.nodes {
        let input = |i: usize| &known[&node.inputs[i]];
        let found = match node.op.as_str() {
            "Exp" => return input(0).iter().cloned().collect(),
            "Identity" | "Cast" | "CastLike" => input(0).clone(),
            "Neg" => input(0).mapv(|v| -v),
            "Add" => each(input(0), input(1), |a, b| a + b),
            "Sub" => each(input(0), input(1), |a, b| a - b),
            "Mul" => each(input(0), input(1), |a, b| a * b),
            "Unsqueeze" => input(0).clone().insert_axis(Axis(1)),
            "ReduceSum" => {
                // The last axis.
                let last = Axis(input(0).ndim() - 1);
                let sum = input(0).map_axis(last, |row| row.iter().fold(q(0.0), |sum, v| sum + v));
                if node.int("keepdims", 1) == 1 { sum.insert_axis(last) } else { sum }
            }
            "MatMul" => {
                let (x, w) = (input(0), input(1));
                let columns = w.shape()[1];
                ArrayD::from_shape_fn(IxDyn(&[1, columns]), |i| {
                    (0..x.len()).fold(q(0.0), |sum, k| sum + &x[[0, k]] * &w[[k, i[1]]])
                })
            }
            op => panic!("{op}"),
        };
        known.insert(node.outputs[0].clone(), found);
    }
    panic!("no Exp")
}

/// Of vectors of all kinds: about nought, far from it, of features of many sizes, and with one so small that its square is no number
/// of single precision.
#[test]
fn distances_are_those_of_the_files_own_vectors() {
    let mut rng = random(71);
    for round in 0..200 / SHARE.min(4) {
        let [features, pairs] = [rng.random_range(1..5), rng.random_range(1..4)];
        let far = if round % 4 == 1 { 1000.0 } else { 0.0 };
        let mut some = || match round % 4 {
            2 => hostile(&mut rng, 6.0),
            _ => far + rng.random_range(-2.0f32..2.0),
        };
        let mut vectors: Vec<Vec<f32>> =
            (0..2 * pairs).map(|_| (0..features).map(|_| some()).collect()).collect();
        let x: Vec<f32> = (0..features).map(|_| some()).collect();
        if round % 4 == 3 {
            vectors[0][0] = 1.2e-30;
        }
        let graph = define(&machine(&vectors), |node| node.op.contains("::")).unwrap();
        let wanted: Vec<Q> = vectors
            .iter()
            .map(|v| {
                let apart = v.iter().zip(&x).map(|(&v, &x)| q(x.into()) - q(v.into()));
                -q(GAMMA.into()) * apart.fold(q(0.0), |sum, d| sum + &d * &d)
            })
            .collect();
        assert!(exponents(&graph, &x) == wanted, "{vectors:?} and {x:?}");
    }
}
