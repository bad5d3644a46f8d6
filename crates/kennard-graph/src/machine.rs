//! Support vector machines of `ai.onnx.ml`, as the attributes of their nodes have them.
//!
//! For each pair of classes i < j, `s_ij = Σ_m c_m·k(x, v_m) + ρ_ij` over the support vectors v of both; positive, it is a vote
//! for i, else for j. The label is the class with most votes, the first of several.

use ndarray::Array2;

use crate::{Attribute, Node, Result};

/// The operator.
pub(crate) const MACHINE: &str = "ai.onnx.ml::SVMClassifier";

/// The largest degree of a polynomial kernel that is spelled out.
const HIGHEST: f32 = 16.0;

/// The most coefficients of pairs, and votes of classes, most of which are zeros.
const MOST: usize = 1 << 26;

/// A machine as its attributes say.
pub(crate) struct Machine {
    /// (V, d).
    pub vectors: Array2<f32>,
    /// The coefficients of each pair's score, (V, P).
    pub coefficients: Array2<f32>,
    /// (P).
    pub offsets: Vec<f32>,
    /// The votes that a pair's score moves (P, K).
    pub sides: Array2<f32>,
    pub classes: usize,
    pub kernel: Kernel,
    /// `a` and `b` of the probability `1 / (1 + exp(a·s + b))` of the first of two classes (Platt 1999).
    pub likely: Option<[f32; 2]>,
}

/// How alike two vectors are.
#[derive(Clone, Copy)]
pub(crate) enum Kernel {
    /// `x·v`.
    Linear,
    /// `(γ x·v + c)^n`.
    Power { gamma: f32, origin: f32, degree: u32 },
    /// `exp(−γ |x − v|²)`.
    Radial { gamma: f32 },
    /// `tanh(γ x·v + c)`.
    Tanh { gamma: f32, origin: f32 },
}

/// Whether plain operators compute what a machine does as ONNX Runtime has it. They do not compute probabilities of three or more
/// classes, which are the end of an iteration (Wu, Lin and Weng 2004), transformed scores, linear ones without vectors, and
/// very large ones.
pub(crate) fn is_plain(node: &Node) -> bool {
    let counted = node.ints("vectors_per_class").is_some_and(|counts| !counts.is_empty());
    let (_, count) = classes(node);
    let sides = pairs(count).saturating_mul(count);
    let size = sides.max(floats(node, "coefficients").len().saturating_mul(count) / 2);
    let transformed = node.text("post_transform", "NONE") != "NONE";
    let is_likely = !floats(node, "prob_a").is_empty();
    counted && !(is_likely && count > 2) && !transformed && size <= MOST && Kernel::of(node).is_some()
}

/// The columns of its scores, and how many features a machine with vectors takes: the classes' probabilities, or one score for
/// each pair of classes, or two of two classes.
pub(crate) fn extents(node: &Node) -> Option<[usize; 2]> {
    let (_, count) = classes(node);
    let counts = node.ints("vectors_per_class").unwrap_or_default();
    let all = counts.iter().try_fold(0usize, |sum, n| sum.checked_add(usize::try_from(*n).ok()?))?;
    let likely = !floats(node, "prob_a").is_empty();
    let columns = if count == 2 || likely { count } else { pairs(count) };
    let width = floats(node, "support_vectors").len().checked_div(all)?;
    (count >= 2).then_some([columns, width])
}

fn pairs(classes: usize) -> usize {
    classes.saturating_mul(classes.saturating_sub(1)) / 2
}

/// The votes that a pair's score moves, 1 for its first class and −1 for the second (P, K).
pub(crate) fn sides(classes: usize) -> Array2<f32> {
    let mut sides = Array2::zeros((pairs(classes), classes));
    let all = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| [i, j]));
    for (pair, [i, j]) in all.enumerate() {
        (sides[[pair, i]], sides[[pair, j]]) = (1.0, -1.0);
    }
    sides
}

impl Machine {
    /// The machine of a node that is [plain](is_plain).
    ///
    /// # Errors
    /// When its attributes do not fit together.
    pub fn of(node: &Node) -> Result<Machine> {
        let wrong = || node.error("its vectors, coefficients and classes do not fit together");
        let (_, classes) = classes(node);
        let counts = node.ints("vectors_per_class").unwrap_or_default();
        let counts: Vec<usize> =
            counts.iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let [vectors, coefficients, offsets] =
            ["support_vectors", "coefficients", "rho"].map(|name| floats(node, name));
        let all = counts
            .iter()
            .try_fold(0usize, |sum, n| sum.checked_add(*n))
            .filter(|all| *all > 0)
            .ok_or_else(wrong)?;
        let fits = classes >= 2
            && counts.len() == classes
            && vectors.len().is_multiple_of(all)
            && !vectors.is_empty()
            && all.checked_mul(classes - 1) == Some(coefficients.len())
            && offsets.len() == pairs(classes);
        if !fits {
            return Err(wrong());
        }
        let likely = match (floats(node, "prob_a").as_slice(), floats(node, "prob_b").as_slice()) {
            ([], _) => None,
            ([a], [b]) => Some([*a, *b]),
            _ => return Err(node.error("its prob_a and prob_b should have one number each for two classes")),
        };
        let first: Vec<usize> =
            counts.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
        let mut of_pairs = Array2::zeros((all, pairs(classes)));
        let mut pair = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                // A class's vectors have one row of coefficients for each other class, in order.
                for (class, row) in [(i, j - 1), (j, i)] {
                    for v in first[class]..first[class] + counts[class] {
                        of_pairs[[v, pair]] = coefficients[row * all + v];
                    }
                }
                pair += 1;
            }
        }
        let width = vectors.len() / all;
        let vectors = Array2::from_shape_vec((all, width), vectors).map_err(|_| wrong())?;
        let kernel = Kernel::of(node).ok_or_else(wrong)?;
        let sides = sides(classes);
        Ok(Machine { vectors, coefficients: of_pairs, offsets, sides, classes, kernel, likely })
    }
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
}

/// The labels of the classes, if they are numbers, and how many classes there are.
pub(crate) fn classes(node: &Node) -> (Option<Vec<i64>>, usize) {
    match (node.attributes.get("classlabels_ints"), node.attributes.get("classlabels_strings")) {
        (Some(Attribute::Ints(labels)), _) => (Some(labels.clone()), labels.len()),
        (_, Some(Attribute::Texts(labels))) => (None, labels.len()),
        _ => (None, 0),
    }
}

/// The numbers of an attribute; none where it is absent.
pub(crate) fn floats(node: &Node, name: &str) -> Vec<f32> {
    match node.attributes.get(name) {
        Some(Attribute::Floats(values)) => values.clone(),
        _ => Vec::new(),
    }
}
