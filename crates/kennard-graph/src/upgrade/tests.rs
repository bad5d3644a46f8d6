//! What each upgrade makes, on graphs of one node.

mod newer;
mod tables;

use ndarray::Array1;

use super::{OLDEST, upgrade};
use crate::{Attribute, Builder, DType, Dim, Graph, Node, Result, Shape, Tensor, TensorType, Value};

/// A graph under test: one node of an older or newer operator set.
struct Case {
    base: Graph,
    node: Node,
    version: i64,
}

fn case(op: &str, version: i64) -> Case {
    let y = Value { name: "y".into(), ty: TensorType::new(DType::F32, Shape::default()) };
    let node = Node { op: op.into(), outputs: vec!["y".into()], ..Node::default() };
    Case { base: Graph { outputs: vec![y], ..Graph::default() }, node, version }
}

impl Case {
    /// A float input; -1 is the batch.
    fn input(self, dims: &[i64]) -> Case {
        self.typed_input(dims, DType::F32)
    }

    fn typed_input(mut self, dims: &[i64], dtype: DType) -> Case {
        let dims: Vec<Dim> =
            dims.iter().map(|&d| usize::try_from(d).map_or(Dim::BATCH, Dim::Known)).collect();
        let name = format!("x{}", self.node.inputs.len());
        self.base.inputs.push(Value { name: name.clone(), ty: TensorType::new(dtype, dims) });
        self.node.inputs.push(name);
        self
    }

    fn constant(mut self, tensor: Tensor) -> Case {
        let name = format!("k{}", self.node.inputs.len());
        self.base.constants.insert(name.clone(), tensor);
        self.node.inputs.push(name);
        self
    }

    fn set(mut self, name: &str, value: impl Into<Attribute>) -> Case {
        self.node.attributes.insert(name.into(), value.into());
        self
    }

    fn outputs(mut self, names: &[&str]) -> Case {
        self.node.outputs = names.iter().map(|n| n.to_string()).collect();
        self.base.outputs = names
            .iter()
            .map(|n| Value { name: n.to_string(), ty: TensorType::new(DType::F32, Shape::default()) })
            .collect();
        self
    }

    fn run(self) -> Result<Graph> {
        let builder = Builder::without_nodes(&self.base)?;
        upgrade(self.node, self.version, &builder)?;
        builder.finish()
    }

    fn graph(self) -> Graph {
        self.run().unwrap()
    }

    fn error(self) -> String {
        self.run().unwrap_err().to_string()
    }
}

fn ops(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|n| n.op.as_str()).collect()
}

/// The constant that node `i` reads as input `j`.
fn constant(graph: &Graph, i: usize, j: usize) -> Tensor {
    graph.constants[&graph.nodes[i].inputs[j]].clone()
}

fn floats(values: &[f32]) -> Tensor {
    Array1::from(values.to_vec()).into_dyn().into()
}

#[test]
fn axes_become_an_input() {
    for (op, version) in [("ReduceMean", 17), ("ReduceSum", 12), ("Squeeze", 12), ("Unsqueeze", OLDEST)] {
        let graph = case(op, version).input(&[2, 1, 3]).set("axes", vec![1]).graph();
        assert_eq!(ops(&graph), [op]);
        assert_eq!(constant(&graph, 0, 1), Tensor::ints(&[1]), "{op}");
        assert!(graph.nodes[0].attributes.is_empty());
    }
    // All axes.
    let graph = case("ReduceMax", 11).input(&[2, 3]).set("keepdims", 0).graph();
    assert_eq!(graph.nodes[0].inputs, ["x0"]);
    assert_eq!(graph.nodes[0].int("keepdims", 1), 0);
    assert!(case("ReduceMax", 11).input(&[2, 3]).set("axes", 1).error().contains("list of integers"));
}

#[test]
fn parts_of_a_split() {
    let graph =
        case("Split", 11).input(&[-1, 5]).set("axis", 1).set("split", vec![2, 3]).outputs(&["y", "z"]);
    assert_eq!(constant(&graph.graph(), 0, 1), Tensor::ints(&[2, 3]));
    for version in [11, 13, 17] {
        let graph = case("Split", version).input(&[-1, 6]).set("axis", 1).outputs(&["y", "z"]).graph();
        assert_eq!(graph.nodes[0].int("num_outputs", 0), 2);
    }
}

#[test]
fn slices() {
    let graph = case("Slice", 9)
        .input(&[4, 5])
        .set("starts", vec![1])
        .set("ends", vec![-1])
        .set("axes", vec![1])
        .graph();
    assert_eq!([1, 2, 3].map(|j| constant(&graph, 0, j)), [1, -1, 1].map(|v| Tensor::ints(&[v])));
    assert!(case("Slice", 9).input(&[4, 5]).set("starts", vec![1]).error().contains("`ends`"));
}

#[test]
fn numbers_that_became_inputs_keep_the_element_type() {
    let graph = case("Clip", 6 + 1).typed_input(&[3], DType::F64).set("max", 6.0).graph();
    assert_eq!(graph.nodes[0].inputs[1], "");
    assert_eq!(constant(&graph, 0, 2), Tensor::scalar(6.0, DType::F64));

    let graph = case("Pad", 10).input(&[2, 2]).set("pads", vec![0, 1, 0, 1]).set("value", 1.5).graph();
    assert_eq!(constant(&graph, 0, 1), Tensor::ints(&[0, 1, 0, 1]));
    assert_eq!(constant(&graph, 0, 2), Tensor::scalar(1.5, DType::F32));

    let graph = case("TopK", 9).input(&[2, 4]).set("k", 3).outputs(&["y", "z"]).graph();
    assert_eq!(constant(&graph, 0, 1), Tensor::ints(&[3]));

    let graph = case("DFT", 17).input(&[1, 4, 4, 1]).graph();
    assert_eq!((graph.nodes[0].inputs[1].as_str(), constant(&graph, 0, 2).item()), ("", Some(1.0)));
}

#[test]
fn softmax_saw_a_matrix() {
    // The last axis is the same in both definitions, and so is one before extents of 1.
    let graph = case("Softmax", 12).input(&[-1, 10]).graph();
    assert_eq!((ops(&graph), graph.nodes[0].int("axis", 9)), (vec!["Softmax"], -1));
    let graph = case("LogSoftmax", 7).input(&[-1, 10, 1, 1]).graph();
    assert_eq!((ops(&graph), graph.nodes[0].int("axis", 9)), (vec!["LogSoftmax"], 1));
    // Otherwise all later axes count as one.
    let graph = case("Hardmax", 11).input(&[-1, 3, 4]).set("axis", -2).graph();
    assert_eq!(ops(&graph), ["Flatten", "Hardmax", "Reshape", "Identity"]);
    assert_eq!(graph.nodes[0].int("axis", 9), 1);
    assert_eq!(graph.nodes[1].int("axis", 9), -1);
    assert_eq!(constant(&graph, 2, 1), Tensor::ints(&[-1, 3, 4]));
    // The new default is the last axis.
    assert!(case("Softmax", 13).input(&[-1, 3, 4]).graph().nodes[0].attributes.is_empty());
}

#[test]
fn softmax_of_an_unknown_shape() {
    let mut case = case("Softmax", 11).input(&[-1, 3]);
    case.base.inputs.clear();
    case.base.constants.insert("unrelated".into(), floats(&[1.0]));
    let builder = Builder::without_nodes(&case.base).unwrap();
    builder.push(Node { op: "Mystery".into(), outputs: vec!["x0".into()], ..Node::default() });
    builder.reserve([&"x0".to_string()]);
    upgrade(case.node, 11, &builder).unwrap();
    let graph = builder.finish().unwrap();
    assert_eq!(ops(&graph), ["Mystery", "Flatten", "Softmax", "Shape", "Reshape", "Identity"]);
}

#[test]
fn batch_normalization() {
    let stats = |case: Case, dims: &[i64]| (0..4).fold(case, |case, _| case.input(dims));
    let graph = stats(case("BatchNormalization", 7).input(&[-1, 3, 2, 2]), &[3]).set("spatial", 1).graph();
    assert_eq!((ops(&graph), graph.nodes[0].attributes.len()), (vec!["BatchNormalization"], 0));
    // (x − mean) / √(variance + ε) · scale + bias, for each position.
    let graph = stats(case("BatchNormalization", 8).input(&[-1, 3, 2]), &[3, 2]).set("spatial", 0).graph();
    let mut sorted = ops(&graph);
    sorted.sort_unstable();
    assert_eq!(sorted, ["Add", "Add", "Div", "Identity", "Mul", "Sqrt", "Sub"]);

    let training = stats(case("BatchNormalization", 15).input(&[-1, 3]), &[3]).set("training_mode", 1);
    assert!(training.error().contains("evaluation mode"));
    let training = stats(case("BatchNormalization", 9).input(&[-1, 3]), &[3]).outputs(&["y", "mean"]);
    assert!(training.error().contains("evaluation mode"));
}

#[test]
fn dropout_does_nothing() {
    let graph = case("Dropout", 7).input(&[-1, 3]).set("ratio", 0.5).graph();
    assert_eq!((ops(&graph), graph.nodes[0].inputs[0].as_str()), (vec!["Identity"], "x0"));
    let training = |on: f64| {
        case("Dropout", 13)
            .input(&[-1, 3])
            .constant(Tensor::scalar(0.5, DType::F32))
            .constant(Tensor::scalar(on, DType::Bool))
    };
    assert_eq!(ops(&training(0.0).graph()), ["Identity"]);
    assert!(training(1.0).error().contains("evaluation mode"));
    // The mask says that all is kept.
    let graph = case("Dropout", 10).input(&[2, 3]).outputs(&["y", "mask"]).graph();
    assert_eq!(ops(&graph), ["Shape", "ConstantOfShape", "Identity"]);
    assert_eq!(graph.nodes[1].attributes["value"], Attribute::Tensor(Tensor::full(&[1], 1.0, DType::Bool)));
}

#[test]
fn group_normalization_by_channel() {
    let scales = |version| {
        case("GroupNormalization", version)
            .input(&[-1, 6, 2, 2])
            .constant(floats(&[1.0, 2.0]))
            .constant(floats(&[3.0, 4.0]))
    };
    let graph = scales(18).set("num_groups", 2).graph();
    assert_eq!(ops(&graph).last(), Some(&"GroupNormalization"));
    assert_eq!(ops(&graph).iter().filter(|op| **op == "Expand").count(), 2);
    let last = graph.nodes.last().unwrap();
    let types = crate::infer(&graph).unwrap();
    assert_eq!(types.get(&last.inputs[1]).unwrap().shape, Shape::fixed(&[6]));
    assert!(scales(18).set("num_groups", 4).error().contains("groups"));
}

#[test]
fn changes_of_resolution() {
    let resized = |graph: &Graph| {
        assert_eq!(ops(graph), ["Resize"]);
        let node = &graph.nodes[0];
        assert_eq!(
            (node.inputs[1].as_str(), node.text("coordinate_transformation_mode", "")),
            ("", "asymmetric")
        );
        (
            constant(graph, 0, 2),
            node.text("mode", "nearest").to_string(),
            node.text("nearest_mode", "").to_string(),
        )
    };
    let twice = floats(&[1.0, 1.0, 2.0, 2.0]);
    let half = floats(&[1.0, 1.0, 0.5, 0.5]);
    let mixed = floats(&[1.0, 1.0, 0.5, 2.0]);
    let graph = case("Upsample", 7).input(&[1, 1, 2, 2]).set("scales", vec![1.0f32, 1.0, 2.0, 2.0]).graph();
    assert_eq!(resized(&graph), (twice.clone(), "nearest".into(), "floor".into()));
    let graph =
        case("Upsample", 9).input(&[1, 1, 2, 2]).constant(twice.clone()).set("mode", "linear").graph();
    assert_eq!(resized(&graph), (twice.clone(), "linear".into(), "".into()));
    let graph = case("Resize", 10).input(&[1, 1, 2, 2]).constant(twice.clone()).graph();
    assert_eq!(resized(&graph), (twice, "nearest".into(), "floor".into()));
    let graph = case("Resize", 10).input(&[1, 1, 2, 2]).constant(half.clone()).graph();
    assert_eq!(resized(&graph), (half, "nearest".into(), "ceil".into()));
    assert!(case("Resize", 10).input(&[1, 1, 2, 2]).constant(mixed).error().contains("opset 11"));
    // Inputs that are not used had to be there.
    let sizes = case("Resize", 11).input(&[1, 1, 2, 2]).constant(floats(&[])).constant(floats(&[]));
    let graph = sizes.constant(Tensor::ints(&[1, 1, 4, 4])).graph();
    assert_eq!(graph.nodes[0].inputs[..3], ["x0", "", ""]);
}

#[test]
fn names_that_changed() {
    let graph =
        case("Scatter", 9).input(&[3]).constant(Tensor::ints(&[1])).input(&[1]).set("axis", 0).graph();
    assert_eq!((ops(&graph), graph.nodes[0].int("axis", 9)), (vec!["ScatterElements"], 0));
    let graph =
        case("GridSample", 16).input(&[1, 1, 2, 2]).input(&[1, 2, 2, 2]).set("mode", "bicubic").graph();
    assert_eq!(graph.nodes[0].text("mode", ""), "cubic");
    let graph = case("RoiAlign", 10).input(&[1, 1, 4, 4]).input(&[1, 4]).constant(Tensor::ints(&[0])).graph();
    assert_eq!(graph.nodes[0].text("coordinate_transformation_mode", ""), "output_half_pixel");
}

#[test]
fn one_form_for_what_means_the_same() {
    let graph =
        case("Conv", 11).input(&[-1, 3, 8, 8]).constant(Tensor::full(&[4, 3, 5, 3], 1.0, DType::F32)).graph();
    assert_eq!(graph.nodes[0].ints("kernel_shape"), Some(&[5, 3][..]));
    let wrong = case("Conv", 11).input(&[-1, 3, 8, 8]).constant(Tensor::full(&[4, 3, 5, 3], 1.0, DType::F32));
    assert!(wrong.set("kernel_shape", vec![3, 3]).error().contains("[5, 3]"));

    let graph = case("CastLike", 15).input(&[2]).typed_input(&[1], DType::F16).graph();
    assert_eq!((ops(&graph), graph.nodes[0].inputs.len()), (vec!["Cast"], 1));
    assert_eq!(graph.nodes[0].int("to", 0), DType::F16.code());

    // bfloat16 is kept in single precision; how to round to 8 bits does not matter.
    let graph = case("Cast", 19).input(&[2]).set("to", 16).set("saturate", 0).graph();
    assert_eq!(graph.nodes[0].attributes, [("to".to_string(), Attribute::Int(1))].into());
    assert!(case("Cast", 13).input(&[2]).set("to", 8).error().contains("string"));
    assert!(case("Cast", 13).input(&[2]).set("to", 12).error().contains("unsigned integer"));
    assert!(case("Cast", 13).input(&[2]).set("to", 17).error().contains("8-bit float"));

    let mut trailing = case("Clip", 13).input(&[2]);
    trailing.node.inputs.extend([String::new(), String::new()]);
    assert_eq!(trailing.graph().nodes[0].inputs, ["x0"]);
}
