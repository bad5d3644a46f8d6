//! Simplified graphs compute the same, with less: each rewrite on a small graph, and whole models.

#[path = "rules/rten.rs"]
mod rten;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kennard_graph::{
    Attribute, Builder, DType, Dim, Graph, GraphError, Loss, Shape, Tensor, TensorType, Var, fold, gradient,
    infer, simplify, with_loss,
};
use ndarray::{ArrayD, IxDyn};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

type Values = BTreeMap<String, Tensor>;

fn random(rng: &mut Xoshiro256PlusPlus, shape: &[usize], low: f32, high: f32) -> Tensor {
    ArrayD::from_shape_fn(IxDyn(shape), |_| rng.random_range(low..high)).into()
}

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(1927)
}

/// Random values for the graph's inputs; integers are labels below 10.
fn inputs(graph: &Graph, batch: usize, rng: &mut Xoshiro256PlusPlus) -> Values {
    let value = |ty: &TensorType, rng: &mut Xoshiro256PlusPlus| {
        let shape = ty.shape.with_batch(batch).known().unwrap();
        match ty.dtype.is_float() {
            true => random(rng, &shape, -1.0, 1.0),
            false => ArrayD::from_shape_fn(IxDyn(&shape), |_| rng.random_range(0..10i64)).into(),
        }
    };
    graph.inputs.iter().map(|v| (v.name.clone(), value(&v.ty, rng))).collect()
}

/// Every output of the two graphs agrees to 1e-5 of its largest element, or of 1.
fn assert_equal(name: &str, a: &Graph, b: &Graph, values: &Values) {
    let run = |graph: &Graph| rten::Runner::new(graph).and_then(|r| r.run(values)).unwrap();
    let (a, b) = (run(a), run(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{name}");
    for (output, a) in &a {
        let b = &b[output];
        assert_eq!(a.shape(), b.shape(), "{name}: {output}");
        let scale = a.iter().fold(1.0, |m: f32, v| m.max(v.abs()));
        let error = a.iter().zip(b).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
        assert!(error <= 1e-5 * scale, "{name}: {output} differs by {error} at a scale of {scale}");
    }
}

fn operators(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for node in &graph.nodes {
        *counts.entry(node.op.as_str()).or_default() += 1;
    }
    counts
}

/// A graph with the input `x` of the shape `[N, …]`.
fn graph_of(rest: &[usize], build: impl Fn(&B, Var<'_>)) -> Graph {
    let dims = [Dim::BATCH].into_iter().chain(rest.iter().map(|&n| Dim::Known(n)));
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape(dims.collect())));
    build(&B { builder: &builder }, x);
    builder.finish().unwrap()
}

/// Simplifies such a graph, and compares the operators that are left and the results for 3 images.
fn check(name: &str, rest: &[usize], build: impl Fn(&B, Var<'_>), left: &[(&str, usize)]) {
    let graph = graph_of(rest, build);
    let simple = simplify(&graph).unwrap();
    assert_eq!(operators(&simple), left.iter().copied().collect(), "{name}");
    assert_eq!((&simple.inputs, &simple.outputs), (&graph.inputs, &graph.outputs), "{name}");
    infer(&simple).unwrap();
    assert_equal(name, &graph, &simple, &inputs(&graph, 3, &mut rng()));
    let fixed = simplify(&graph.with_batch(3)).unwrap();
    assert_equal(name, &graph, &fixed, &inputs(&graph, 3, &mut rng()));
}

/// A builder with the constants that the cases need.
struct B<'b> {
    builder: &'b Builder,
}

impl<'b> B<'b> {
    /// Random weights between 0.5 and 1.5.
    fn weights(&self, shape: &[usize]) -> Var<'b> {
        self.builder.constant(random(&mut rng(), shape, 0.5, 1.5))
    }

    fn full(&self, shape: &[usize], value: f64) -> Var<'b> {
        self.builder.constant(Tensor::full(shape, value, DType::F32))
    }

    fn op(&self, op: &str, inputs: &[Var<'b>], attributes: &[(&str, Attribute)]) -> Var<'b> {
        let inputs: Vec<Option<Var>> = inputs.iter().copied().map(Some).collect();
        self.builder.op(op, &inputs, attributes)
    }

    fn conv(&self, x: Var<'b>, weights: &[usize], attributes: &[(&str, Attribute)]) -> Var<'b> {
        let stated = [kernel(3)];
        let inputs = [x, self.weights(weights), self.weights(&weights[..1])];
        self.op("Conv", &inputs, &[&stated, attributes].concat())
    }

    fn batch_norm(&self, x: Var<'b>, channels: usize) -> Var<'b> {
        let w = || self.weights(&[channels]);
        let (mean, variance) = (self.full(&[channels], 0.25), w() + w());
        self.op("BatchNormalization", &[x, w(), w(), mean, variance], &[("epsilon", Attribute::Float(1e-3))])
    }

    fn pad(&self, x: Var<'b>, pads: &[i64], value: f64) -> Var<'b> {
        self.op("Pad", &[x, self.builder.ints(pads), self.full(&[], value)], &[])
    }
}

/// rten finds the number of spatial axes here.
fn kernel(extent: i64) -> (&'static str, Attribute) {
    ("kernel_shape", ints(&[extent, extent]))
}

fn ints(values: &[i64]) -> Attribute {
    values.into()
}

#[test]
fn batch_normalization_goes_into_weights() {
    let y = |b: &B, v: Var| b.builder.output("y", v);
    check("conv", &[2, 5, 5], |b, x| y(b, b.batch_norm(b.conv(x, &[4, 2, 3, 3], &[]), 4)), &[("Conv", 1)]);
    let grouped = |b: &B, x: Var| y(b, b.batch_norm(b.conv(x, &[6, 1, 3, 3], &[("group", 2.into())]), 6));
    check("grouped", &[2, 5, 5], grouped, &[("Conv", 1)]);
    let transposed = |b: &B, x: Var| {
        let w = b.weights(&[4, 3, 2, 2]);
        y(b, b.batch_norm(b.op("ConvTranspose", &[x, w], &[("group", 2.into()), kernel(2)]), 6));
    };
    check("transposed", &[4, 3, 3], transposed, &[("ConvTranspose", 1)]);
    let gemm = |b: &B, x: Var| {
        let attributes =
            [("transB", 1.into()), ("alpha", Attribute::Float(0.5)), ("beta", Attribute::Float(2.0))];
        y(b, b.batch_norm(b.op("Gemm", &[x, b.weights(&[4, 3]), b.weights(&[1, 4])], &attributes), 4));
    };
    check("gemm", &[3], gemm, &[("Gemm", 1)]);
    let matmul = |b: &B, x: Var| y(b, b.batch_norm(x.with("MatMul", b.weights(&[3, 4])), 4));
    check("matmul", &[3], matmul, &[("Gemm", 1)]);
    check("alone", &[3, 4], |b, x| y(b, b.batch_norm(x, 3)), &[("BatchNormalization", 1)]);
    let shared = |b: &B, x: Var| {
        let conv = b.conv(x, &[4, 2, 3, 3], &[]);
        y(b, b.batch_norm(conv, 4) + conv);
    };
    check("shared", &[2, 5, 5], shared, &[("Add", 1), ("BatchNormalization", 1), ("Conv", 1)]);
    let output = |b: &B, x: Var| {
        let conv = b.conv(x, &[4, 2, 3, 3], &[]);
        b.builder.output("hidden", conv);
        y(b, b.batch_norm(conv, 4));
    };
    check("output", &[2, 5, 5], output, &[("BatchNormalization", 1), ("Conv", 1)]);
}

#[test]
fn products_and_sums_go_into_weights() {
    let y = |b: &B, v: Var| b.builder.output("y", v);
    let behind_conv = |b: &B, x: Var| {
        let v = b.op("Conv", &[x, b.weights(&[4, 2, 3, 3])], &[kernel(3)]);
        let channel = b.weights(&[1, 4, 1, 1]);
        y(b, (v * channel + channel) / b.weights(&[4, 1, 1]) - b.full(&[], 0.5));
    };
    check("behind conv", &[2, 5, 5], behind_conv, &[("Conv", 1)]);
    let behind_matmul = |b: &B, x: Var| {
        let v = x.with("MatMul", b.weights(&[3, 4])) * b.weights(&[4]);
        y(b, v + b.weights(&[4]));
    };
    check("behind matmul", &[3], behind_matmul, &[("Gemm", 1)]);
    // Of rank 3 there is no Gemm.
    check("behind products", &[2, 3], behind_matmul, &[("Add", 1), ("MatMul", 1)]);
    let before_conv = |b: &B, x: Var| {
        let v = x / b.weights(&[1, 2, 1, 1]) * b.full(&[], 3.0);
        y(b, b.conv(v, &[4, 2, 3, 3], &[("pads", ints(&[1, 1, 1, 1]))]));
    };
    check("before conv", &[2, 5, 5], before_conv, &[("Conv", 1)]);
    let before_transposed = |b: &B, x: Var| {
        y(b, b.op("ConvTranspose", &[x * b.weights(&[2, 1, 1]), b.weights(&[2, 3, 2, 2])], &[kernel(2)]));
    };
    check("before transposed", &[2, 3, 3], before_transposed, &[("ConvTranspose", 1)]);
    let before_gemm = |b: &B, x: Var| {
        y(b, b.op("Gemm", &[x * b.weights(&[3]), b.weights(&[4, 3])], &[("transB", 1.into())]));
    };
    check("before gemm", &[3], before_gemm, &[("Gemm", 1)]);
    let before_matmul = |b: &B, x: Var| y(b, (x / b.weights(&[3])).with("MatMul", b.weights(&[3, 4])));
    check("before matmul", &[2, 3], before_matmul, &[("MatMul", 1)]);
    // A factor that broadcasts the product, or is not of the channels, has no place in the weights.
    let broadcast = |b: &B, x: Var| y(b, x.with("MatMul", b.weights(&[3, 4])) * b.weights(&[5, 1, 4]));
    check("broadcast", &[3], broadcast, &[("MatMul", 1), ("Mul", 1)]);
    let columns = |b: &B, x: Var| y(b, b.conv(x, &[3, 2, 3, 3], &[]) * b.weights(&[3]));
    check("columns", &[2, 5, 5], columns, &[("Conv", 1), ("Mul", 1)]);
    let too_large = |b: &B, x: Var| y(b, x.with("MatMul", b.full(&[3, 4], 1e30)) * b.full(&[4], 1e30));
    let graph = graph_of(&[3], too_large);
    assert_eq!(simplify(&graph).unwrap().nodes.len(), 2, "weights that overflow");
}

#[test]
fn padding_goes_where_it_pads_for() {
    let y = |b: &B, v: Var| b.builder.output("y", v);
    let pool = |b: &B, op: &str, v: Var, attributes: &[(&str, Attribute)]| {
        let stated = [kernel(3), ("strides", ints(&[1, 1]))];
        y(b, b.builder.op(op, &[b.builder.var(&v.name()).ok()], &[&stated, attributes].concat()))
    };
    let ones = [0, 0, 1, 2, 0, 0, 1, 0];
    let conv = |b: &B, x: Var| {
        y(b, b.conv(b.pad(x, &ones, 0.0), &[3, 2, 3, 3], &[("pads", ints(&[1, 0, 0, 1]))]));
    };
    check("conv", &[2, 5, 5], conv, &[("Conv", 1)]);
    let with_ones = |b: &B, x: Var| y(b, b.conv(b.pad(x, &ones, 1.0), &[3, 2, 3, 3], &[]));
    check("ones", &[2, 5, 5], with_ones, &[("Conv", 1), ("Pad", 1)]);
    let channels = |b: &B, x: Var| y(b, b.conv(b.pad(x, &[0, 1, 0, 0, 0, 0, 0, 0], 0.0), &[3, 3, 3, 3], &[]));
    check("channels", &[2, 5, 5], channels, &[("Conv", 1), ("Pad", 1)]);
    let cut = |b: &B, x: Var| y(b, b.conv(b.pad(x, &[0, 0, -1, 1, 0, 0, 0, 0], 0.0), &[3, 2, 3, 3], &[]));
    check("cut", &[2, 5, 5], cut, &[("Conv", 1), ("Pad", 1)]);
    check(
        "average",
        &[2, 5, 5],
        |b, x| pool(b, "AveragePool", b.pad(x, &ones, 0.0), &[]),
        &[("AveragePool", 1)],
    );
    let own = [("pads", ints(&[1, 1, 1, 1]))];
    check(
        "average with its own",
        &[2, 5, 5],
        |b, x| pool(b, "AveragePool", b.pad(x, &ones, 0.0), &own),
        &[("AveragePool", 1), ("Pad", 1)],
    );
    check("max", &[2, 5, 5], |b, x| pool(b, "MaxPool", b.pad(x, &ones, f64::MIN), &[]), &[("MaxPool", 1)]);
    let lowest = f32::MIN.into();
    check("lowest", &[2, 5, 5], |b, x| pool(b, "MaxPool", b.pad(x, &ones, lowest), &[]), &[("MaxPool", 1)]);
    check(
        "zeros",
        &[2, 5, 5],
        |b, x| pool(b, "MaxPool", b.pad(x, &ones, 0.0), &[]),
        &[("MaxPool", 1), ("Pad", 1)],
    );
    check(
        "relu",
        &[2, 5, 5],
        |b, x| pool(b, "MaxPool", b.pad(x.apply("Relu"), &ones, 0.0), &[]),
        &[("MaxPool", 1), ("Relu", 1)],
    );
}

#[test]
fn shortcuts_become_convolutions() {
    let y = |b: &B, v: Var| b.builder.output("y", v);
    let end = i64::MAX;
    let channels = [0, 1, 0, 0, 0, 2, 0, 0];
    let both = |b: &B, x: Var| y(b, b.pad(x.slice(&[2, 3], &[0, 0], &[end, end], &[2, 3]), &channels, 0.0));
    check("strides 2 and 3", &[2, 5, 8], both, &[("Conv", 1)]);
    let line = |b: &B, x: Var| y(b, b.pad(x.slice(&[2], &[0], &[end], &[2]), &[0, 1, 0, 0, 1, 0], 0.0));
    check("one axis", &[2, 7], line, &[("Conv", 1)]);

    let left = [("Pad", 1), ("Slice", 1)];
    let ones = |b: &B, x: Var| y(b, b.pad(x.slice(&[2, 3], &[0, 0], &[end, end], &[2, 2]), &channels, 1.0));
    check("ones", &[2, 5, 8], ones, &left);
    let later = |b: &B, x: Var| y(b, b.pad(x.slice(&[2, 3], &[1, 1], &[end, end], &[2, 2]), &channels, 0.0));
    check("from the second pixel", &[2, 5, 8], later, &left);
    let part = |b: &B, x: Var| y(b, b.pad(x.slice(&[2, 3], &[0, 0], &[4, 4], &[2, 2]), &channels, 0.0));
    check("a part", &[2, 5, 8], part, &left);
    let dense = |b: &B, x: Var| y(b, b.pad(x.slice(&[2, 3], &[0, 0], &[4, 4], &[1, 1]), &channels, 0.0));
    check("dense", &[2, 5, 8], dense, &left);
    let chosen = |b: &B, x: Var| y(b, b.pad(x.slice(&[1, 3], &[0, 0], &[end, end], &[2, 2]), &channels, 0.0));
    check("of channels", &[3, 5, 8], chosen, &left);
    let around =
        |b: &B, x: Var| y(b, b.pad(x.slice(&[2], &[0], &[end], &[2]), &[0, 1, 1, 0, 0, 0, 0, 0], 0.0));
    check("around", &[2, 5, 8], around, &left);
    let fewer = |b: &B, x: Var| {
        y(b, b.pad(x.slice(&[2], &[0], &[end], &[2]), &[0, 1, 0, 0, 0, -1, 0, 0], 0.0));
    };
    check("fewer", &[2, 5, 8], fewer, &left);
    let shared = |b: &B, x: Var| {
        let cut = x.slice(&[2], &[0], &[end], &[2]);
        b.builder.output("cut", cut);
        y(b, b.pad(cut, &channels, 0.0));
    };
    check("shared", &[2, 5, 8], shared, &left);
}

#[test]
fn nodes_without_effect_go() {
    let nothing = |b: &B, x: Var| {
        let v = x.apply("Identity").cast(DType::F32).transpose(&[0, 1, 2]);
        let v = b.pad(v, &[0; 6], 0.0).slice(&[2], &[0], &[i64::MAX], &[1]);
        let v =
            v.reshape(&Shape(vec![Dim::BATCH, Dim::Known(6)])).with("Reshape", b.builder.ints(&[0, 2, 3]));
        let v = v.with("Expand", b.builder.ints(&[1, 2, 1])).with("Tile", b.builder.ints(&[1, 1, 1]));
        let v = v.transpose(&[0, 2, 1]).transpose(&[0, 2, 1]).with("CastLike", x).apply("Max");
        let v = b.op("Concat", &[v], &[("axis", 1.into())]);
        b.builder.output("y", (v * 1.0 + 0.0 - 0.0) / 1.0);
    };
    check("nothing", &[2, 3], nothing, &[("Identity", 1)]);
    let broadcasting = |b: &B, x: Var| b.builder.output("y", x * b.full(&[4], 1.0));
    check("broadcasting", &[1], broadcasting, &[("Mul", 1)]);
    let expanded = |b: &B, x: Var| {
        let ones = b.full(&[], 1.0).with("Expand", x.apply("Shape"));
        let zeros = b.op("ConstantOfShape", &[x.apply("Shape")], &[]);
        b.builder.output("y", (x * ones).with("Max", zeros) * ones);
    };
    check("expanded", &[2, 3], expanded, &[("ConstantOfShape", 1), ("Max", 1), ("Shape", 1)]);
    let flipped = |b: &B, x: Var| b.builder.output("y", x.slice(&[2], &[-1], &[i64::MIN], &[-1]));
    check("flipped", &[2, 3], flipped, &[("Slice", 1)]);
    let trained = graph_of(&[2], |b, x| {
        let ratio = [b.full(&[], 0.5), b.builder.constant(Tensor::scalar(0.0, DType::Bool))];
        b.builder.output("y", b.op("Dropout", &[x, ratio[0], ratio[1]], &[]));
        let training = b.builder.constant(Tensor::scalar(1.0, DType::Bool));
        b.builder.output("z", b.op("Dropout", &[x, ratio[0], training], &[]));
    });
    assert_eq!(operators(&simplify(&trained).unwrap()), [("Dropout", 1), ("Identity", 1)].into());
    let indices = |b: &B, x: Var| {
        let all = b.builder.op_n(
            "MaxPool",
            &[Some(b.builder.var(&x.name()).unwrap())],
            &[("kernel_shape", ints(&[2])), ("strides", ints(&[2]))],
            2,
        );
        b.builder.output("y", all[0]);
    };
    check("indices", &[2, 4], indices, &[("MaxPool", 1)]);
}

#[test]
fn rearrangements_and_repetitions_are_joined() {
    let turned = |b: &B, x: Var| {
        b.builder.output("y", x.transpose(&[0, 2, 3, 1]).transpose(&[0, 2, 3, 1]));
    };
    check("transposes", &[2, 3, 4], turned, &[("Transpose", 1)]);
    let reshaped = |b: &B, x: Var| {
        let v = x.apply("Flatten").with("Reshape", b.builder.ints(&[0, 4, -1]));
        b.builder.output("y", v.unsqueeze(&[2]));
    };
    check("reshapes", &[2, 3, 4], reshaped, &[("Reshape", 1)]);
    let cut = |b: &B, x: Var| {
        let v = x.slice(&[-1], &[0], &[i64::MAX], &[2]).slice(&[2, 1], &[-1, 0], &[i64::MIN, 1], &[-2, 1]);
        b.builder.output("y", v.slice(&[2], &[0], &[1], &[1]));
    };
    check("slices", &[2, 3, 4], cut, &[("Slice", 2)]);
    let shapes = |b: &B, x: Var| {
        let batch = b.op("Gather", &[x.apply("Shape"), b.builder.ints(&[0])], &[]);
        let target = b.op("Concat", &[batch, b.builder.ints(&[-1])], &[("axis", 0.into())]);
        b.builder.output("y", x.with("Reshape", target));
    };
    check("shape arithmetic", &[2, 3], shapes, &[("Reshape", 1)]);
    let twice = |b: &B, x: Var| {
        // The builder shares equal nodes too: other names hide them from it.
        let (a, c) = (x.apply("Identity").apply("Relu"), x.cast(DType::F32).apply("Relu"));
        b.builder.output("y", a.apply("Exp") + c.apply("Exp"));
        b.builder.output("z", a);
        b.builder.output("w", c);
        b.builder.output("v", x);
    };
    check("twice", &[2], twice, &[("Add", 1), ("Exp", 1), ("Identity", 2), ("Relu", 1)]);
    let constant = |b: &B, x: Var| {
        let w = b.weights(&[2, 3]).transpose(&[1, 0]).slice(&[1], &[-1], &[i64::MIN], &[-1]) * 2.0;
        b.builder.output("y", x.with("MatMul", w) + b.weights(&[2]));
        b.builder.output("w", w);
    };
    check("constants", &[3], constant, &[("Gemm", 1), ("Identity", 1)]);
}

/// The models in the repository, and those in `$KENNARD_SHARED/models` (default `../shared`) if there.
fn models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("KENNARD_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folders = [root.join("fixtures"), shared.join("models")];
    if !folders[1].is_dir() {
        eprintln!("skipped: no models in {} (set KENNARD_SHARED)", shared.display());
    }
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    paths
}

#[test]
fn models_compute_the_same() {
    for path in models() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let graph = Graph::load(&path).unwrap();
        let values = inputs(&graph, 3, &mut rng());
        let simple = simplify(&graph).unwrap();
        assert!(simple.nodes.len() <= graph.nodes.len(), "{name}");
        assert_eq!(simplify(&simple).unwrap().nodes, simple.nodes, "{name} is not simplified at once");
        assert_equal(&name, &graph, &simple, &values);
        if graph.inputs[0].ty.shape.0[0] == Dim::BATCH {
            assert_equal(&name, &graph, &simplify(&graph.with_batch(3)).unwrap(), &values);
        }
    }
}

#[test]
fn gradients_compute_the_same() {
    for path in models() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let graph = Graph::load(&path).unwrap();
        let input = graph.single_input().unwrap().name.clone();
        let loss = with_loss(&graph, Loss::CrossEntropy).unwrap();
        let gradient = match gradient(&loss, Graph::LOSS, &[&input]) {
            Err(GraphError::NoRule { op, .. }) => {
                eprintln!("skipped: {name} has no gradient for {op}");
                continue;
            }
            gradient => gradient.unwrap(),
        };
        let values = inputs(&gradient, 3, &mut rng());
        let simple = simplify(&gradient).unwrap();
        assert!(simple.nodes.len() < gradient.nodes.len(), "{name}");
        assert_eq!(simplify(&simple).unwrap().nodes, simple.nodes, "{name} is not simplified at once");
        assert_equal(&name, &gradient, &simple, &values);
        if graph.inputs[0].ty.shape.0[0] == Dim::BATCH {
            assert_equal(&name, &gradient, &simplify(&gradient.with_batch(3)).unwrap(), &values);
        }
    }
}

#[test]
fn folding_leaves_no_shape_arithmetic() {
    for path in models() {
        let folded = fold(&Graph::load(&path).unwrap()).unwrap();
        let left = operators(&folded);
        for op in ["Shape", "Gather", "Concat", "Unsqueeze", "ConstantOfShape"] {
            assert!(!left.contains_key(op), "{}: {left:?}", path.display());
        }
    }
}
