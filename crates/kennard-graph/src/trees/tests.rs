use super::*;
use crate::{Attribute, DType, Dim, Tensor, TensorType, Value};

fn texts(modes: &[&str]) -> Attribute {
    Attribute::Texts(modes.iter().map(|mode| mode.to_string()).collect())
}

/// A tree of one branch, about the `column` of a tensor.
fn stump(of: &str, mode: &str, column: i64, threshold: f32) -> Node {
    let attributes = [
        ("nodes_treeids", vec![0i64; 3].into()),
        ("nodes_nodeids", vec![0i64, 1, 2].into()),
        ("nodes_featureids", vec![column, 0, 0].into()),
        ("nodes_truenodeids", vec![1i64, 0, 0].into()),
        ("nodes_falsenodeids", vec![2i64, 0, 0].into()),
        ("nodes_modes", texts(&[mode, "LEAF", "LEAF"])),
        ("nodes_values", vec![threshold, 0.0, 0.0].into()),
    ];
    Node {
        op: "ai.onnx.ml::TreeEnsembleRegressor".into(),
        inputs: vec![of.into()],
        outputs: vec!["y".into()],
        attributes: attributes.map(|(name, value): (&str, Attribute)| (name.to_string(), value)).into(),
        ..Node::default()
    }
}

/// The same in the other form.
fn rooted(of: &str, mode: u8, column: i64, threshold: f32) -> Node {
    let tensor = |array: ndarray::ArrayD<f32>| Attribute::Tensor(Tensor::from(array));
    let attributes = [
        ("nodes_featureids", vec![column].into()),
        ("nodes_truenodeids", vec![0i64].into()),
        ("nodes_falsenodeids", vec![1i64].into()),
        ("nodes_trueleafs", vec![1i64].into()),
        ("nodes_falseleafs", vec![1i64].into()),
        ("tree_roots", vec![0i64].into()),
        ("leaf_targetids", vec![0i64, 0].into()),
        ("nodes_splits", tensor(ndarray::arr1(&[threshold]).into_dyn())),
        ("nodes_modes", Attribute::Tensor(Tensor::from(ndarray::arr1(&[mode]).into_dyn()))),
    ];
    let attributes = attributes.map(|(name, value): (&str, Attribute)| (name.to_string(), value)).into();
    Node { op: ROOTED.into(), attributes, ..stump(of, "BRANCH_LEQ", 0, 0.0) }
}

fn plain(op: &str, inputs: &[&str], output: &str) -> Node {
    let inputs = inputs.iter().map(|name| name.to_string()).collect();
    Node { op: op.into(), inputs, outputs: vec![output.into()], ..Node::default() }
}

/// A graph of samples of `d` elements.
fn graph(d: usize, nodes: Vec<Node>, constants: &[(&str, &[f32])]) -> Graph {
    let value = |name: &str, d: usize| Value {
        name: name.into(),
        ty: TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(d)]),
    };
    let tensor = |values: &[f32]| Tensor::from(ndarray::arr1(values).into_dyn());
    Graph {
        inputs: vec![value("x", d)],
        outputs: vec![value("y", 1)],
        nodes,
        constants: constants.iter().map(|(name, values)| (name.to_string(), tensor(values))).collect(),
        ..Graph::default()
    }
}

/// Numbers around another, the neighbours among them.
fn around(x: f32) -> Vec<f32> {
    vec![f32::MIN, x - 1.0, x.next_down().next_down(), x.next_down(), x, x.next_up(), x + 1.0, f32::MAX]
}

/// Whether an input goes where the test holds, in the first tree: in both forms that is the first child that was written.
fn holds(trees: &Trees, x: &[f32]) -> bool {
    assert_eq!(trees.trees[0].0[1], TreeNode::Leaf);
    trees.trees[0].leaf(x) == 1
}

#[test]
fn branches_ask_what_they_say() {
    type Mode = (&'static str, u8, fn(f32, f32) -> bool);
    let modes: [Mode; 6] = [
        ("BRANCH_LEQ", 0, |x, t| x <= t),
        ("BRANCH_LT", 1, |x, t| x < t),
        ("BRANCH_GTE", 2, |x, t| x >= t),
        ("BRANCH_GT", 3, |x, t| x > t),
        ("BRANCH_EQ", 4, |x, t| x == t),
        ("BRANCH_NEQ", 5, |x, t| x != t),
    ];
    for (name, number, test) in modes {
        for threshold in [0.0, -0.0, 0.1, -3.7e8, 1e-42, f32::MAX] {
            for node in [stump("x", name, 1, threshold), rooted("x", number, 1, threshold)] {
                let trees = Trees::of(&graph(2, vec![node], &[])).unwrap();
                for x in around(threshold).into_iter().chain([0.0, -0.0]).filter(|x| x.is_finite()) {
                    assert_eq!(
                        holds(&trees, &[7.0, x]),
                        test(x, threshold),
                        "{name}: {x:e} and {threshold:e}"
                    );
                }
            }
        }
    }
}

/// What is scaled, shifted and cast before the trees parts where single-precision arithmetic does, to the last digit.
#[test]
fn arithmetic_before_trees_is_followed_to_the_last_digit() {
    let (mean, scale) = ([3.3f32, -0.7, 120.5], [0.31f32, -7.7, 1e-3]);
    let nodes = |column| {
        vec![
            plain("Identity", &["x"], "same"),
            plain("Sub", &["same", "mean"], "centred"),
            plain("Mul", &["centred", "scale"], "scaled"),
            plain("Neg", &["scaled"], "mirrored"),
            stump("mirrored", "BRANCH_LEQ", column, 0.123),
        ]
    };
    let mut parted = 0;
    for column in 0..3 {
        let graph = graph(3, nodes(column as i64), &[("mean", &mean[..]), ("scale", &scale[..])]);
        let trees = Trees::of(&graph).unwrap();
        let TreeNode::Branch { element, last, .. } = trees.trees[0].0[0] else { panic!("a branch") };
        assert_eq!(element, column);
        for x in around(last) {
            let value = -((x - mean[column]) * scale[column]);
            let mut input = [0.5; 3];
            input[column] = x;
            assert_eq!(holds(&trees, &input), value <= 0.123, "{column}: {x}");
            parted += usize::from(value <= 0.123);
        }
    }
    assert!((6..18).contains(&parted), "both sides are met: {parted}");
}

#[test]
fn columns_are_chosen_and_joined() {
    let gather = |places: &str, output: &str| Node {
        attributes: [("axis".to_string(), Attribute::Int(1))].into(),
        ..plain("Gather", &["x", places], output)
    };
    let concat = Node {
        attributes: [("axis".to_string(), Attribute::Int(1))].into(),
        ..plain("Concat", &["first", "second"], "both")
    };
    let nodes =
        vec![gather("two", "first"), gather("one", "second"), concat, stump("both", "BRANCH_LEQ", 2, 0.5)];
    let mut model = graph(4, nodes, &[]);
    model.constants.insert("two".into(), Tensor::ints(&[3, 0]));
    model.constants.insert("one".into(), Tensor::ints(&[-2]));
    let trees = Trees::of(&model).unwrap();
    assert!(matches!(trees.trees[0].0[0], TreeNode::Branch { element: 2, .. }), "{trees:?}");
    assert_eq!(trees.elements, 4);
}

/// Whole numbers go to even ones in the middle.
#[test]
fn rounded_numbers_part_between_whole_ones() {
    let nodes = |column| {
        let cast = |from: &str, to: &str, dtype: DType| Node {
            attributes: [("to".to_string(), Attribute::Int(dtype.code()))].into(),
            ..plain("Cast", &[from], to)
        };
        let stump = stump("f", "BRANCH_LEQ", column, 2.2);
        vec![plain("Round", &["x"], "r"), cast("r", "i", DType::I64), cast("i", "f", DType::F32), stump]
    };
    let trees = Trees::of(&graph(2, nodes(1), &[])).unwrap();
    for x in around(2.5).into_iter().filter(|x| x.abs() < 1e9) {
        assert_eq!(holds(&trees, &[9.0, x]), x.round_ties_even() <= 2.2, "{x}");
    }
}

/// What stands for missing values is for no number.
#[test]
fn missing_values_are_filled_before_trees() {
    let filled = |test: Node| {
        graph(
            2,
            vec![test, plain("Where", &["m", "values", "x"], "f"), stump("f", "BRANCH_LEQ", 1, 0.5)],
            &[("values", &[7.0, 8.0][..]), ("minus", &[-1.0][..])],
        )
    };
    let trees = Trees::of(&filled(plain("IsNaN", &["x"], "m"))).unwrap();
    assert!(holds(&trees, &[7.0, 0.5]) && !holds(&trees, &[0.0, 0.75]));
    let error = Trees::of(&filled(plain("Equal", &["x", "minus"], "m"))).unwrap_err().to_string();
    assert!(error.contains("reads the input"), "{error}");
}

/// As LightGBM has a feature of several categories: what follows where it is one of them is written once.
#[test]
fn categories_lead_to_what_follows_them() {
    let category = |thens: Vec<i64>| {
        let attributes: [(&str, Attribute); 7] = [
            ("nodes_treeids", vec![0i64; 6].into()),
            ("nodes_nodeids", vec![0i64, 1, 2, 3, 4, 5].into()),
            ("nodes_featureids", vec![0i64, 0, 1, 0, 0, 0].into()),
            ("nodes_truenodeids", thens.into()),
            ("nodes_falsenodeids", vec![1i64, 5, 4, 0, 0, 0].into()),
            ("nodes_modes", texts(&["BRANCH_EQ", "BRANCH_EQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"])),
            ("nodes_values", vec![1.0f32, 3.0, 0.5, 0.0, 0.0, 0.0].into()),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_string(), value)).into();
        graph(2, vec![Node { attributes, ..stump("x", "BRANCH_LEQ", 0, 0.0) }], &[])
    };
    let trees = Trees::of(&category(vec![2, 2, 3, 0, 0, 0])).unwrap();
    // The leaves by what leads to them: one of the categories and at most ½, one of them and more, none.
    let leaf = |x: [f32; 2]| trees.trees[0].leaf(&x);
    let ends = [leaf([1.0, 0.5]), leaf([1.0, 0.75]), leaf([2.0, 0.5])];
    assert!(ends[0] != ends[1] && ends[1] != ends[2] && ends[0] != ends[2]);
    for x in (0..5).flat_map(|category| around(category as f32)) {
        for (y, end) in [(0.5, ends[0]), (0.75, ends[1])] {
            let wanted = if x == 1.0 || x == 3.0 { end } else { ends[2] };
            assert_eq!(leaf([x, y]), wanted, "{x:e}");
        }
    }
    for thens in [vec![2, 2, 0, 0, 0, 0], vec![2, 2, 1, 0, 0, 0], vec![2, 2, 2, 0, 0, 0]] {
        let error = Trees::of(&category(thens)).unwrap_err().to_string();
        assert!(error.contains("in a circle"), "{error}");
    }
}

/// What several ensembles say may go into one answer.
#[test]
fn several_ensembles_are_read() {
    let mut second = stump("x", "BRANCH_LT", 0, 0.25);
    second.outputs = vec!["z".into()];
    let sum = plain("Add", &["y0", "z"], "y");
    let mut first = stump("x", "BRANCH_LEQ", 1, 0.5);
    first.outputs = vec!["y0".into()];
    let trees = Trees::of(&graph(2, vec![first, second, sum], &[])).unwrap();
    assert_eq!(trees.trees.len(), 2);
}

#[test]
fn what_is_no_ensemble_is_refused() {
    let refused = |graph: &Graph, says: &str| {
        let error = Trees::of(graph).unwrap_err().to_string();
        assert!(error.contains(says), "does not say `{says}`: {error}");
    };
    let change = |name: &str, value: Attribute| {
        let mut node = stump("x", "BRANCH_LEQ", 0, 0.5);
        node.attributes.insert(name.into(), value);
        graph(2, vec![node], &[])
    };
    let behind = vec![plain("Relu", &["x"], "r"), stump("r", "BRANCH_LEQ", 0, 0.5)];
    refused(&graph(2, behind, &[]), "reads the input");
    refused(&graph(2, vec![], &[]), "no tree ensemble");
    refused(&change("nodes_featureids", vec![2i64, 0, 0].into()), "feature 2, and there are 2");
    refused(&change("nodes_featureids", vec![-1i64, 0, 0].into()), "feature -1");
    refused(&change("nodes_truenodeids", vec![7i64, 0, 0].into()), "no node 7");
    refused(&change("nodes_truenodeids", vec![0i64, 0, 0].into()), "no tree");
    refused(&change("nodes_nodeids", vec![0i64, 1, 1].into()), "two nodes 1");
    refused(&change("nodes_nodeids", vec![0i64, 1].into()), "one length");
    refused(&change("nodes_values", Attribute::Floats(vec![0.5])), "one length");
    refused(&change("nodes_treeids", vec![0i64, 1, 1].into()), "no node 1, to which");
    refused(&change("nodes_treeids", vec![0i64, 1, 0].into()), "one after the other");
    refused(&change("nodes_modes", texts(&["BRANCH_MEMBER", "LEAF", "LEAF"])), "BRANCH_MEMBER");
    refused(&change("nodes_modes", Attribute::Int(3)), "nodes_modes");

    let change = |name: &str, value: Attribute| {
        let mut node = rooted("x", 0, 0, 0.5);
        node.attributes.insert(name.into(), value);
        graph(2, vec![node], &[])
    };
    refused(&change("tree_roots", vec![1i64].into()), "root 1");
    refused(&change("tree_roots", Attribute::Ints(Vec::new())), "no tree");
    refused(&change("nodes_truenodeids", vec![2i64].into()), "leads to 2 of 2");
    refused(&change("nodes_trueleafs", vec![0i64].into()), "in a circle");
    refused(&change("nodes_featureids", vec![5i64].into()), "feature 5");

    // The input is read beside the trees, or past them.
    let mut trees = stump("x", "BRANCH_LEQ", 0, 0.5);
    trees.outputs = vec!["t".into()];
    let beside = plain("MatMul", &["x", "w"], "m");
    refused(&graph(2, vec![trees.clone(), beside, plain("Add", &["t", "m"], "y")], &[]), "MatMul");
    refused(&graph(2, vec![trees.clone(), plain("Add", &["t", "x"], "y")], &[]), "Add");
    refused(&graph(2, vec![trees, plain("Identity", &["x"], "y")], &[]), "past the trees");
}
