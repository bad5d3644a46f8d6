//! Support vector machines of `ai.onnx.ml`, as converters of scikit-learn write them, in plain operators.
//!
//! For each pair of classes i < j, `s_ij = Σ_m c_m·k(x, v_m) + ρ_ij` over the support vectors v of both; positive, it is a vote
//! for i, else for j. The label is the class with most votes, the first of several.

use ndarray::{Array1, Array2};

use super::ml::{both, classes, floats, label};
use super::{ANSWER, Step};
use crate::builder::Call;
use crate::{Attribute, Builder, DType, Node, Result, Tensor, Var};

pub(super) const FORMS: &[(&str, Step)] = &[("ai.onnx.ml::SVMClassifier", svm_classifier)];

/// The largest degree of a polynomial kernel that is spelled out.
const HIGHEST: f32 = 16.0;

/// The most coefficients of pairs, most of which are zeros.
const MOST: usize = 1 << 26;

/// A machine as its attributes say.
struct Machine {
    /// (V, d).
    vectors: Array2<f32>,
    /// The coefficients of each pair's score, (V, P).
    coefficients: Array2<f32>,
    /// (P).
    offsets: Vec<f32>,
    /// The votes that a pair's score moves: 1 for class i, −1 for class j (P, K).
    sides: Array2<f32>,
    classes: usize,
}

/// Leaves a machine as it is that no graph of plain operators computes as ONNX Runtime does: probabilities of three or more
/// classes, which are the end of an iteration (Wu, Lin and Weng 2004), transformed scores, linear ones without vectors, and
/// very large ones.
fn svm_classifier(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let is_answer = node.attributes.remove(ANSWER).is_some();
    let counts = match node.attributes.get("vectors_per_class") {
        Some(Attribute::Ints(counts)) => counts.clone(),
        _ => Vec::new(),
    };
    let [slopes, offsets] = ["prob_a", "prob_b"].map(|name| floats(&node, name));
    let likely = !slopes.is_empty();
    let (labels, count) = classes(&node);
    let size = floats(&node, "coefficients").len().saturating_mul(count) / 2;
    let transformed = node.text("post_transform", "NONE") != "NONE";
    let left = counts.is_empty() || likely && count > 2 || transformed || size > MOST;
    let Some(kernel) = Kernel::of(&node).filter(|_| !left) else {
        return Ok(Some(node));
    };
    let machine = Machine::of(&node, &counts, count)?;
    if likely && (slopes.len(), offsets.len()) != (1, 1) {
        return Err(node.error("its prob_a and prob_b should have one number each for two classes"));
    }
    let x = Call { node: &node, builder: b }.x(0).cast(DType::F32);
    let constant = |array: Tensor| b.constant(array).cast_like(x);
    let scores = kernel
        .of_vectors(x, &machine.vectors)
        .with("MatMul", constant(machine.coefficients.into_dyn().into()))
        + constant(Array1::from(machine.offsets).into_dyn().into());
    let sides = constant(machine.sides.clone().into_dyn().into());
    // A class j is the second of j pairs: without a positive score it has j votes.
    let behind = Array1::from_iter((0..machine.classes).map(|j| j as f32)).into_dyn().into();
    let votes = scores.above(0.0).with("MatMul", sides) + constant(behind);
    if let Some(labels) = labels.filter(|_| !node.outputs[0].is_empty()) {
        label(&node, b, votes, &labels);
    }
    let Some(output) = node.outputs.get(1).filter(|name| !name.is_empty()) else { return Ok(None) };
    let result = if likely {
        // `1 / (1 + exp(a·s + b))` for the first class (Platt 1999).
        let odds = -(scores * f64::from(slopes[0]) + f64::from(offsets[0]));
        both(b, odds, odds * 0.0).apply_with("Softmax", &[("axis", Attribute::Int(1))])
    } else {
        match (is_answer, count) {
            // ONNX Runtime's columns, which contradict its label.
            (false, 2) => both(b, -scores, scores),
            (false, _) => scores,
            (true, 2) => both(b, scores, -scores),
            (true, _) => {
                let sums = scores.with("MatMul", sides);
                // The first of those with most votes is the label, whatever the sums are.
                let before = Array2::from_shape_fn((count, count), |(j, i)| f32::from(u8::from(i < j)));
                let alike = votes.unsqueeze(&[2]).with("Equal", votes.unsqueeze(&[1])).cast_like(votes);
                let tied = (alike * constant(before.into_dyn().into())).reduce("ReduceMax", &[2], false);
                votes + sums / ((sums.apply("Abs") + 1.0) * 3.0) - tied * 0.75
            }
        }
    };
    b.name(output, result);
    Ok(None)
}

impl Machine {
    fn of(node: &Node, counts: &[i64], classes: usize) -> Result<Machine> {
        let wrong = || node.error("its vectors, coefficients and classes do not fit together");
        let counts: Vec<usize> =
            counts.iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let [vectors, coefficients, offsets] =
            ["support_vectors", "coefficients", "rho"].map(|name| floats(node, name));
        let all = counts
            .iter()
            .try_fold(0usize, |sum, n| sum.checked_add(*n))
            .filter(|all| *all > 0)
            .ok_or_else(wrong)?;
        let pairs = classes * classes.saturating_sub(1) / 2;
        let fits = classes >= 2
            && counts.len() == classes
            && vectors.len().is_multiple_of(all)
            && !vectors.is_empty()
            && all.checked_mul(classes - 1) == Some(coefficients.len())
            && offsets.len() == pairs;
        if !fits {
            return Err(wrong());
        }
        let first: Vec<usize> =
            counts.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
        let mut of_pairs = Array2::zeros((all, pairs));
        let mut sides = Array2::zeros((pairs, classes));
        let mut pair = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                // A class's vectors have one row of coefficients for each other class, in order.
                for (class, row) in [(i, j - 1), (j, i)] {
                    for v in first[class]..first[class] + counts[class] {
                        of_pairs[[v, pair]] = coefficients[row * all + v];
                    }
                }
                (sides[[pair, i]], sides[[pair, j]]) = (1.0, -1.0);
                pair += 1;
            }
        }
        let width = vectors.len() / all;
        let vectors = Array2::from_shape_vec((all, width), vectors).map_err(|_| wrong())?;
        Ok(Machine { vectors, coefficients: of_pairs, offsets, sides, classes })
    }
}

/// How alike two vectors are.
enum Kernel {
    /// `x·v`.
    Linear,
    /// `(γ x·v + c)^n`.
    Power { gamma: f32, origin: f32, degree: u32 },
    /// `exp(−γ |x − v|²)`.
    Radial { gamma: f32 },
    /// `tanh(γ x·v + c)`.
    Tanh { gamma: f32, origin: f32 },
}

impl Kernel {
    fn of(node: &Node) -> Option<Kernel> {
        let parameters = floats(node, "kernel_params");
        let [gamma, origin, degree] = <[f32; 3]>::try_from(parameters).unwrap_or_default();
        match node.text("kernel_type", "LINEAR") {
            "LINEAR" => Some(Kernel::Linear),
            "POLY" if degree.fract() == 0.0 && (1.0..=HIGHEST).contains(&degree) => {
                Some(Kernel::Power { gamma, origin, degree: degree as u32 })
            }
            "RBF" => Some(Kernel::Radial { gamma }),
            "SIGMOID" => Some(Kernel::Tanh { gamma, origin }),
            _ => None,
        }
    }

    /// The kernel of inputs (N, d) and vectors (V, d): (N, V).
    fn of_vectors<'b>(&self, x: Var<'b>, vectors: &Array2<f32>) -> Var<'b> {
        let b = x.builder();
        let constant = |array: Tensor| b.constant(array).cast_like(x);
        let columns =
            |vectors: &Array2<f32>| constant(vectors.t().as_standard_layout().to_owned().into_dyn().into());
        let affine = |gamma: f32, origin: f32| {
            x.with("MatMul", columns(vectors)) * f64::from(gamma) + f64::from(origin)
        };
        match *self {
            Kernel::Linear => x.with("MatMul", columns(vectors)),
            Kernel::Tanh { gamma, origin } => affine(gamma, origin).apply("Tanh"),
            Kernel::Power { gamma, origin, degree } => {
                let base = affine(gamma, origin);
                (1..degree).fold(base, |power, _| power * base)
            }
            Kernel::Radial { gamma } => {
                // `|x|² − 2 x·v + |v|²` about the mean of the vectors, where little is lost by the difference.
                let centre = vectors
                    .mapv(f64::from)
                    .mean_axis(ndarray::Axis(0))
                    .unwrap_or_default()
                    .mapv(|c| c as f32);
                let about = vectors - &centre;
                let norms = about.mapv(|v| v * v).sum_axis(ndarray::Axis(1));
                let x = x - constant(centre.into_dyn().into());
                let square = (x * x).reduce("ReduceSum", &[1], true);
                let distance =
                    square - x.with("MatMul", columns(&about)) * 2.0 + constant(norms.into_dyn().into());
                (distance * f64::from(-gamma)).apply("Exp")
            }
        }
    }
}
