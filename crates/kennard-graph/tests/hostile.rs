//! Inference, folding and simplification of nonsense: errors are fine, panics and floods of memory are
//! not. Nodes are drawn at random, with extents and attributes from the edges of what a file can hold.

use kennard_graph::{
    Attribute, DType, Dim, Graph, Node, Shape, Tensor, TensorType, Value, fold, infer, simplify,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

const OPS: &str = "Conv ConvInteger QLinearConv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool \
    MatMul MatMulInteger QLinearMatMul Gemm BatchNormalization InstanceNormalization LayerNormalization \
    GroupNormalization ReduceSum ReduceMax ReduceMean ReduceProd ArgMax TopK Reshape Flatten Squeeze \
    Unsqueeze Transpose Concat Split Slice Pad Expand Tile DepthToSpace SpaceToDepth Shape Size \
    ConstantOfShape Range EyeLike Gather GatherElements GatherND ScatterElements ScatterND OneHot Resize \
    GridSample Einsum QuantizeLinear DequantizeLinear DynamicQuantizeLinear Add Sub Mul Div Mod Pow Min Max \
    Equal Less And Or Where Cast CastLike Not Neg Abs Floor Sqrt Clip Identity Dropout Trilu CumSum Relu";

const INT_ATTRIBUTES: &str = "group axis keepdims noop_with_empty_axes allowzero num_outputs blocksize start \
    end ceil_mode transA transB to dtype batch_dims block_size upper k fmod training_mode count_include_pad";

const LIST_ATTRIBUTES: &str =
    "pads strides dilations kernel_shape output_padding output_shape perm axes shape sizes";

const TEXT_ATTRIBUTES: [(&str, &[&str]); 5] = [
    ("auto_pad", &["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "?"]),
    ("mode", &["constant", "reflect", "edge", "wrap", "CRD", "DCR", "?"]),
    ("keep_aspect_ratio_policy", &["stretch", "not_larger", "not_smaller"]),
    ("equation", &["ij,jk->ik", "...i,i...->...", "ii", "->", "i,,", "ab...", "é"]),
    ("reduction", &["none", "add"]),
];

const EDGES: [i64; 18] = [
    0,
    1,
    1,
    2,
    3,
    4,
    -1,
    -2,
    5,
    7,
    64,
    100,
    i32::MAX as i64,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
    1 << 31,
    1 << 62,
];

type Random = Xoshiro256PlusPlus;

fn edge(rng: &mut Random) -> i64 {
    if rng.random_bool(0.6) { rng.random_range(-3..8) } else { *EDGES.choose(rng).unwrap() }
}

fn extent(rng: &mut Random) -> Dim {
    let size = usize::try_from(edge(rng)).unwrap_or(2);
    if rng.random_bool(0.15) { Dim::Batch(size.clamp(1, 100)) } else { Dim::Known(size) }
}

const DTYPES: [DType; 10] = [
    DType::F32,
    DType::F64,
    DType::F16,
    DType::I64,
    DType::I32,
    DType::I8,
    DType::U8,
    DType::I16,
    DType::U16,
    DType::Bool,
];

fn tensor(rng: &mut Random) -> Tensor {
    let rank = rng.random_range(0..4);
    let dims: Vec<usize> = (0..rank).map(|_| rng.random_range(0..5)).collect();
    match rng.random_range(0..3) {
        0 => Tensor::full(&dims, edge(rng) as f64, *DTYPES.choose(rng).unwrap()),
        _ => Tensor::ints(&(0..rng.random_range(0..7)).map(|_| edge(rng)).collect::<Vec<_>>()),
    }
}

fn attributes(rng: &mut Random, node: &mut Node) {
    let ints: Vec<&str> = INT_ATTRIBUTES.split_whitespace().collect();
    let lists: Vec<&str> = LIST_ATTRIBUTES.split_whitespace().collect();
    for _ in 0..rng.random_range(0..4) {
        let name = *ints.choose(rng).unwrap();
        node.attributes.insert(name.into(), Attribute::Int(edge(rng)));
        let list = (0..rng.random_range(0..7)).map(|_| edge(rng)).collect();
        node.attributes.insert(lists.choose(rng).unwrap().to_string(), Attribute::Ints(list));
    }
    let (name, texts) = TEXT_ATTRIBUTES.choose(rng).unwrap();
    node.attributes.insert(name.to_string(), Attribute::Text(texts.choose(rng).unwrap().to_string()));
    if rng.random_bool(0.2) {
        node.attributes.insert("value".into(), Attribute::Tensor(tensor(rng)));
    }
}

/// A few inputs and constants, and nodes that read them and each other.
fn graph(rng: &mut Random) -> Graph {
    let ops: Vec<&str> = OPS.split_whitespace().collect();
    let mut graph = Graph::default();
    let mut names = vec![String::new()];
    for i in 0..rng.random_range(1..4) {
        let rank = rng.random_range(0..6);
        let shape = Shape((0..rank).map(|_| extent(rng)).collect());
        graph
            .inputs
            .push(Value { name: format!("x{i}"), ty: TensorType::new(*DTYPES.choose(rng).unwrap(), shape) });
        names.push(format!("x{i}"));
    }
    for i in 0..rng.random_range(1..6) {
        graph.constants.insert(format!("c{i}"), tensor(rng));
        names.push(format!("c{i}"));
    }
    for i in 0..rng.random_range(1..6) {
        let mut node = Node {
            op: ops.choose(rng).unwrap().to_string(),
            inputs: (0..rng.random_range(0..6)).map(|_| names.choose(rng).unwrap().clone()).collect(),
            outputs: (0..rng.random_range(1..4)).map(|k| format!("y{i}.{k}")).collect(),
            ..Node::default()
        };
        attributes(rng, &mut node);
        names.extend(node.outputs.iter().cloned());
        graph.nodes.push(node);
    }
    let ty = TensorType::new(DType::F32, Shape::default());
    graph.outputs =
        names[1..].iter().rev().take(4).map(|name| Value { name: name.clone(), ty: ty.clone() }).collect();
    graph
}

#[test]
fn nonsense_is_an_error_at_worst() {
    let rounds = std::env::var("KENNARD_HOSTILE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let mut rng = Random::seed_from_u64(1927);
    let mut understood = 0;
    for _ in 0..rounds {
        let graph = graph(&mut rng);
        understood += usize::from(infer(&graph).is_ok());
        if let Ok(folded) = fold(&graph) {
            // Each fold may make 64 Mi elements; these inputs do not add up to that.
            let size: usize = folded.constants.values().map(Tensor::len).sum();
            assert!(size <= 64 << 20);
        }
        let _ = simplify(&graph);
        let _ = simplify(&graph.with_batch(3));
    }
    assert!(understood > rounds / 50, "only {understood} of {rounds} graphs make sense");
}
