use super::infer;
use crate::{Attribute, Builder, DType, Dim, Graph, Node, Shape, Tensor, TensorType, Value, Var};

fn n(k: usize) -> Dim {
    Dim::Batch(k)
}

fn k(extent: usize) -> Dim {
    Dim::Known(extent)
}

/// The shape of what `build` makes of an input of this shape.
fn shape_of(x: &[Dim], build: impl for<'b> Fn(&'b Builder, Var<'b>) -> Var<'b>) -> Option<Shape> {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, x.to_vec()));
    let shape = build(&builder, x).shape().ok();
    builder.finish().unwrap();
    shape
}

fn assert_shape(x: &[Dim], expected: &[Dim], build: impl for<'b> Fn(&'b Builder, Var<'b>) -> Var<'b>) {
    assert_eq!(shape_of(x, build), Some(Shape(expected.to_vec())));
}

fn concat<'b>(b: &'b Builder, parts: &[Var<'b>]) -> Var<'b> {
    let parts: Vec<Option<Var>> = parts.iter().copied().map(Some).collect();
    b.op("Concat", &parts, &[("axis", 0.into())])
}

/// One extent, as a vector.
fn extent<'b>(b: &'b Builder, x: Var<'b>, axis: i64) -> Var<'b> {
    x.apply("Shape").with("Gather", b.ints(&[axis]))
}

#[test]
fn flattening_as_exported() {
    assert_shape(&[n(1), k(3), k(4)], &[n(1), k(12)], |b, x| {
        x.with("Reshape", concat(b, &[extent(b, x, 0), b.ints(&[-1])]))
    });
    assert_shape(&[n(1), k(3), k(4)], &[n(1), k(12)], |b, x| {
        let scalar = x.apply("Shape").with("Gather", b.constant(Tensor::scalar(0.0, DType::I64)));
        x.with("Reshape", concat(b, &[scalar.unsqueeze(&[0]), b.ints(&[-1])]))
    });
    assert_shape(&[n(1), k(3), k(4)], &[n(1), k(12)], |b, x| {
        let rest = x.apply("Shape").slice(&[0], &[1], &[i64::MAX], &[1]);
        let count = b.op("ReduceProd", &[Some(rest), Some(b.ints(&[0]))], &[("keepdims", 1.into())]);
        x.with("Reshape", concat(b, &[b.ints(&[-1]), count]))
    });
}

#[test]
fn channel_shuffle() {
    assert_shape(&[n(1), k(6), k(4), k(5)], &[n(1), k(2), k(3), k(4), k(5)], |b, x| {
        let half = extent(b, x, 1).with("Div", b.ints(&[2]));
        x.with("Reshape", concat(b, &[extent(b, x, 0), b.ints(&[2]), half, extent(b, x, 2), extent(b, x, 3)]))
    });
}

/// As `unflatten` of an axis counted from the end is written; the remainder has the divisor's sign, or the dividend's.
#[test]
fn axes_counted_from_the_end() {
    for (axis, divisor, fmod, added) in [(-1, 3, 0, 0), (7, -5, 0, 5), (-1, 3, 1, 3), (7, -5, 1, 0)] {
        assert_shape(&[n(1), k(4), k(6)], &[n(1), k(4), k(3), k(2)], |b, x| {
            let rest =
                b.op("Mod", &[axis, divisor].map(|n| Some(b.ints(&[n]))), &[("fmod", i64::into(fmod))]);
            let end = rest.with("Add", b.ints(&[added]));
            let before = b.op("Slice", &[Some(x.apply("Shape")), Some(b.ints(&[0])), Some(end)], &[]);
            x.with("Reshape", concat(b, &[before, b.ints(&[3, 2])]))
        });
    }
}

#[test]
fn a_token_expanded_over_the_batch() {
    assert_shape(&[n(1), k(16), k(8)], &[n(1), k(1), k(8)], |b, x| {
        let target = concat(b, &[extent(b, x, 0), b.ints(&[-1, -1])]);
        let ones = b.op("ConstantOfShape", &[Some(b.ints(&[3]))], &[("value", Tensor::ints(&[1]).into())]);
        let kept = target.with("Equal", ones.with("Mul", b.ints(&[-1])));
        let target = b.op("Where", &[Some(kept), Some(ones), Some(target)], &[]);
        b.constant(Tensor::full(&[1, 1, 8], 0.5, DType::F32)).with("Expand", target)
    });
}

#[test]
fn padding_as_pytorch_writes_it() {
    // [left, right, top, bottom] filled up with zeros, then pairs reversed and turned.
    assert_shape(&[n(1), k(3), k(8), k(8)], &[n(1), k(3), k(15), k(11)], |b, x| {
        let zeros = b.op("ConstantOfShape", &[Some(b.ints(&[4]))], &[("value", Tensor::ints(&[0]).into())]);
        let pairs = concat(b, &[b.ints(&[1, 2, 3, 4]), zeros]).with("Reshape", b.ints(&[-1, 2]));
        let turned = pairs.slice(&[0], &[-1], &[i64::MIN], &[-1]).transpose(&[1, 0]);
        x.with("Pad", turned.with("Reshape", b.ints(&[-1])).cast(DType::I64))
    });
}

#[test]
fn resizing_through_floats() {
    assert_shape(&[n(1), k(3), k(5), k(7)], &[n(1), k(3), k(7), k(10)], |b, x| {
        let shape = x.apply("Shape");
        let space = shape.slice(&[0], &[2], &[4], &[1]).cast(DType::F32);
        let sizes = (space * 1.5).apply("Floor").cast(DType::I64);
        let sizes = concat(b, &[shape.slice(&[0], &[0], &[2], &[1]), sizes]);
        b.op("Resize", &[Some(x), None, None, Some(sizes)], &[])
    });
}

#[test]
fn the_batch_is_merged_and_split() {
    assert_shape(&[n(1), k(4), k(6)], &[n(4), k(6)], |b, x| x.with("Reshape", b.ints(&[-1, 6])));
    assert_shape(&[n(1), k(4), k(6)], &[n(1), k(4), k(6)], |b, x| {
        let merged = x.with("Reshape", b.ints(&[-1, 6]));
        let batch = extent(b, merged, 0).with("Div", b.ints(&[4]));
        merged.with("Reshape", concat(b, &[batch, b.ints(&[4, 6])]))
    });
    assert_shape(&[n(1), k(4)], &[n(3), k(4)], |b, x| {
        b.op("Concat", &[Some(x), Some(x), Some(x)], &[("axis", 0.into())])
    });
    assert_shape(&[n(2), k(4)], &[n(1), k(4)], |b, x| {
        let half = extent(b, x, 0).with("Div", b.ints(&[2]));
        b.op("Slice", &[Some(x), Some(half), Some(b.ints(&[i64::MAX])), Some(b.ints(&[0]))], &[])
    });
    // For an odd batch there is no such shape, and a part of the batch has no known extent.
    assert_eq!(shape_of(&[n(1), k(3)], |b, x| x.with("Reshape", b.ints(&[-1, 2]))), None);
    assert_eq!(shape_of(&[n(1), k(3)], |_, x| x.slice(&[0], &[0], &[5], &[1])), None);
}

#[test]
fn the_batch_counts() {
    let vector = |b: &Builder, x: Var| {
        let batch = extent(b, x, 0).squeeze(&[0]);
        let (zero, one) = (batch.number(0.0), batch.number(1.0));
        b.op("Range", &[Some(zero), Some(batch), Some(one)], &[]).shape().unwrap()
    };
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![n(1), k(3)]));
    assert_eq!(vector(&builder, x), Shape(vec![n(1)]));
    // N is at least 1: max(N, 1) = N, min(N, 1) = 1, and N ≠ −1.
    assert_shape(&[n(1), k(3)], &[n(1), k(3)], |b, x| {
        x.with("Reshape", concat(b, &[extent(b, x, 0).with("Max", b.ints(&[1])), b.ints(&[3])]))
    });
    assert_shape(&[n(1), k(3)], &[k(1), n(1), k(3)], |b, x| {
        let one = extent(b, x, 0).with("Min", b.ints(&[1]));
        x.with("Reshape", concat(b, &[one, b.ints(&[-1, 3])]))
    });
    assert_shape(&[n(1), k(3)], &[k(3), k(3)], |b, x| {
        let never = extent(b, x, 0).with("Equal", b.ints(&[-1]));
        let dims = b.op("Where", &[Some(never), Some(extent(b, x, 0)), Some(b.ints(&[3]))], &[]);
        b.constant(Tensor::full(&[1, 3], 1.0, DType::F32)).with("Expand", concat(b, &[dims, b.ints(&[3])]))
    });
}

/// The message for one node on inputs of these shapes.
fn message(op: &str, shapes: &[&[Dim]], attributes: &[(&str, Attribute)]) -> String {
    let names: Vec<String> = (0..shapes.len()).map(|i| format!("x{i}")).collect();
    let ty = |dims: &[Dim]| TensorType::new(DType::F32, dims.to_vec());
    let inputs = names.iter().zip(shapes).map(|(name, dims)| Value { name: name.clone(), ty: ty(dims) });
    let node = Node {
        name: "stem".into(),
        op: op.into(),
        inputs: names.clone(),
        outputs: vec!["y".into()],
        attributes: attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
    };
    let graph = Graph { inputs: inputs.collect(), nodes: vec![node], ..Graph::default() };
    infer(&graph).unwrap_err().to_string()
}

#[test]
fn contradictions_name_the_node_and_both_shapes() {
    let image: &[Dim] = &[n(1), k(3), k(8), k(8)];
    let says = |text: String, parts: &[&str]| {
        for part in ["node `stem`"].iter().chain(parts) {
            assert!(text.contains(part), "`{text}` does not say `{part}`");
        }
    };
    let weights: &[Dim] = &[k(4), k(2), k(3), k(3)];
    says(message("Conv", &[image, weights], &[]), &["(Conv)", "[N, 3, 8, 8]", "[4, 2, 3, 3]"]);
    let kernel = [("kernel_shape", Attribute::Ints(vec![9, 1]))];
    says(message("MaxPool", &[image], &kernel), &["[9, 1]", "[N, 3, 8, 8]"]);
    says(message("MatMul", &[&[n(1), k(3)], &[k(4), k(5)]], &[]), &["[N, 3]", "[4, 5]"]);
    says(message("Gemm", &[&[n(1), k(3)], &[k(4), k(5)]], &[]), &["[N, 3]", "[4, 5]"]);
    says(message("Add", &[&[n(1), k(3)], &[k(4)]], &[]), &["[N, 3]", "[4]"]);
    says(message("Concat", &[&[n(1), k(3)], &[k(4)]], &[]), &["[N, 3]", "[4]"]);
    says(
        message("BatchNormalization", &[image, &[k(4)], &[k(4)], &[k(4)], &[k(4)]], &[]),
        &["[N, 3, 8, 8]", "[4]"],
    );
    says(message("Transpose", &[&[n(1), k(3)]], &[("perm", Attribute::Ints(vec![0, 0]))]), &["[0, 0]"]);
    says(message("Softmax", &[], &[]), &["input 0 is missing"]);
}

#[test]
fn a_model_for_one_batch_size_says_so() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![n(1), k(3)]));
    x.with("Reshape", builder.ints(&[1, 3]));
    let message = builder.finish().unwrap_err().to_string();
    assert!(
        message.contains("[N, 3] cannot be reshaped to [1, 3]; if the model was exported for one batch"),
        "{message}"
    );
}
