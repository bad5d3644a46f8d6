//! Losses as subgraphs, appended to a classifier and differentiated with it.

use crate::{Builder, DType, Dim, Graph, GraphError, Result, Shape, Tensor, TensorType, Var};

/// A loss of the logits `z` (shape `[N, K]`), one number per sample; larger is worse for the
/// classifier. `y` is the label, `t` a target class, `z₍ₖ₎` the k-th largest logit.
///
/// Logits of ±∞ (a masked class, the logarithm of an underflow) count as ±10³⁰, in half precision as ±3·10⁴,
/// and have no gradient; so losses are finite, and 0 times infinity does not arise. Where too few logits are
/// finite for one of the two ratios, it is its numerator, as where there are too few classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Loss {
    /// `u = ln((1 − p_y)/p_y) = ln Σ_{j≠y} exp(z_j) − z_y`, the log-odds of being wrong. It grows with
    /// the cross-entropy `ln(1 + eᵘ)` and its gradient has the same direction, but neither underflows
    /// where the classifier is confident.
    LogOdds,
    /// `−ln softmax(z)_y = ln(1 + eᵘ)`, accurate also where it is tiny.
    CrossEntropy,
    /// `max_{j≠y} z_j − z_y`: positive where the sample is misclassified.
    Margin,
    /// `max_{j≠y} p_j − p_y` with `p = softmax(z)` (Xie et al. 2024, arXiv 2411.15210).
    ProbabilityMargin,
    /// `z_t − z_y`.
    LogitDifference,
    /// Difference of logits ratio, `(max_{j≠y} z_j − z_y) / (z₍₁₎ − z₍₃₎)`
    /// (Croce & Hein 2020, arXiv 2003.01690, eq. 6). It has no scale; where the denominator is zero, 1 stands in
    /// its place.
    Dlr,
    /// `(z_t − z_y) / (z₍₁₎ − ½(z₍₃₎ + z₍₄₎))` (Croce & Hein 2020, eq. 7), its denominator likewise.
    TargetedDlr,
}

impl Loss {
    /// The loss to use in place of this one when there are only `classes` classes: the two DLR
    /// losses need three and four logits and fall back to their numerators.
    pub fn for_classes(self, classes: usize) -> Loss {
        match self {
            Loss::Dlr if classes < 3 => Loss::Margin,
            Loss::TargetedDlr if classes < 4 => Loss::LogitDifference,
            other => other,
        }
    }

    /// Whether the loss reads a target class beside the label.
    pub fn is_targeted(self) -> bool {
        matches!(self, Loss::LogitDifference | Loss::TargetedDlr)
    }
}

impl Graph {
    /// Name of the label input that [`with_loss`] adds: `I64[N]`.
    pub const LABEL: &str = "kennard/label";
    /// Name of the target input that [`with_loss`] adds for targeted losses: `I64[N]`.
    pub(crate) const TARGET: &str = "kennard/target";
    /// Name of the loss output that [`with_loss`] adds: a float `[N]`.
    pub const LOSS: &str = "kennard/loss";
    /// Losses take logits beyond this for infinite; there they have no gradient.
    pub const LARGEST_LOGIT: f32 = 1e30;
}

/// The classifier with a loss beside its logits: inputs [`Graph::LABEL`] and, for targeted losses, `kennard/target`
/// (`I64[N]`, too), and an output [`Graph::LOSS`] are added.
///
/// # Errors
/// When the graph's only output is no `[N, K]` float tensor, `K ≥ 2`, or `K` is too small for the
/// loss (see [`Loss::for_classes`]).
pub fn with_loss(graph: &Graph, loss: Loss) -> Result<Graph> {
    let graph = &graph.freeing(&[Graph::LOSS.into()]);
    let logits = graph.scores()?;
    let &[batch, Dim::Known(classes)] = logits.ty.shape.0.as_slice() else {
        return Err(GraphError::Shape(format!(
            "a loss needs logits of shape [N, classes], `{}` is {}",
            logits.name, logits.ty
        )));
    };
    if classes > MOST_CLASSES {
        return Err(GraphError::Shape(format!(
            "`{}` has {classes} classes; losses are made for up to {MOST_CLASSES}",
            logits.name
        )));
    }
    if classes < 2 || loss.for_classes(classes) != loss {
        let needed = (2..).find(|&n| loss.for_classes(n) == loss).unwrap_or(2);
        return Err(GraphError::Shape(format!(
            "`{}` has {classes} classes, this loss needs at least {needed}",
            logits.name
        )));
    }
    let builder = Builder::new(graph)?;
    let ints = || TensorType::new(DType::I64, vec![batch]);
    let z = bounded(builder.var(&logits.name)?);
    let label = OneClass::new(z, builder.input(Graph::LABEL, ints()), classes);
    let target = || OneClass::new(z, builder.input(Graph::TARGET, ints()), classes);
    let value = match loss {
        Loss::LogOdds => log_odds(z, &label),
        Loss::CrossEntropy => softplus(log_odds(z, &label)),
        Loss::Margin => margin(z, &label),
        Loss::ProbabilityMargin => {
            let p = z.apply_with("Softmax", &[("axis", 1i64.into())]);
            // Probabilities are at most 1, so that this takes the label out of the running.
            (p - label.mask() * 2.0).reduce("ReduceMax", &[1], false) - label.logit(p)
        }
        Loss::LogitDifference => target().logit(z) - label.logit(z),
        Loss::Dlr => {
            let top = largest(z, 3);
            ratio(margin(z, &label), top(0) - top(2), top(2))
        }
        Loss::TargetedDlr => {
            let top = largest(z, 4);
            ratio(target().logit(z) - label.logit(z), top(0) - 0.5 * (top(2) + top(3)), top(3))
        }
    };
    builder.output(Graph::LOSS, value.reshape(&Shape(vec![batch])));
    builder.finish()
}

/// `ln(1 + eᵘ)`. ONNX Runtime has the operator of single precision alone.
fn softplus(u: Var) -> Var {
    match u.ty() {
        Ok(ty) if ty.dtype == DType::F64 => {
            u.apply("Relu") + ((-u.apply("Abs")).apply("Exp") + 1.0).apply("Log")
        }
        _ => u.apply("Softplus"),
    }
}

/// More classes than any classifier has would fill the memory with their masks.
const MOST_CLASSES: usize = 1 << 20;

/// One class per sample, as a mask of ones `[N, K]`.
pub(crate) struct OneClass<'b> {
    mask: Var<'b>,
}

impl<'b> OneClass<'b> {
    pub fn new(z: Var<'b>, class: Var<'b>, classes: usize) -> OneClass<'b> {
        let builder = z.builder();
        let depth = builder.constant(Tensor::scalar(classes as f64, DType::I64));
        let dtype = z.ty().map_or(DType::F32, |ty| ty.dtype);
        // ONNX Runtime has it of single precision alone.
        let off_on = builder.constant(Tensor::from(ndarray::arr1(&[0.0f32, 1.0]).into_dyn()));
        let mask = builder.op("OneHot", &[Some(class), Some(depth), Some(off_on)], &[("axis", 1i64.into())]);
        OneClass { mask: mask.cast(dtype) }
    }

    /// 1 at this class, 0 elsewhere, `[N, K]`.
    pub fn mask(&self) -> Var<'b> {
        self.mask
    }

    /// The logit of this class, `[N]`.
    pub fn logit(&self, z: Var<'b>) -> Var<'b> {
        (z * self.mask).reduce("ReduceSum", &[1], false)
    }

    /// The logits with this class out of the running.
    fn without(&self, z: Var<'b>) -> Var<'b> {
        z + self.mask * (-2.0 * bound(z))
    }
}

/// What an infinite logit counts as.
pub(crate) fn bound(z: Var) -> f64 {
    if z.ty().is_ok_and(|ty| ty.dtype == DType::F16) { 3e4 } else { f64::from(Graph::LARGEST_LOGIT) }
}

/// The logits with those beyond [`bound`] brought there, without a gradient. NaN stays.
pub(crate) fn bounded(z: Var) -> Var {
    let end = bound(z);
    let beyond = z.apply("Abs").with("Greater", z.number(end));
    let limit = z.apply("Sign") * end;
    z.builder().op("Where", &[Some(beyond), Some(limit), Some(z)], &[])
}

/// `numerator / denominator`, the logits' differences, which has no scale. The numerator where the denominator is
/// zero, where the `last` logit that it reads is masked, as where there are too few classes, or where the numerator
/// is infinite.
fn ratio<'b>(numerator: Var<'b>, denominator: Var<'b>, last: Var<'b>) -> Var<'b> {
    let end = bound(numerator);
    let masked = last.with("LessOrEqual", last.number(-end));
    let infinite = numerator.apply("Abs").with("GreaterOrEqual", numerator.number(0.5 * end));
    let flat = denominator.with("LessOrEqual", denominator.number(0.0));
    let whole = masked.with("Or", infinite).with("Or", flat);
    let inputs = [Some(whole), Some(denominator.number(1.0)), Some(denominator)];
    numerator / numerator.builder().op("Where", &inputs, &[])
}

pub(crate) fn log_odds<'b>(z: Var<'b>, label: &OneClass<'b>) -> Var<'b> {
    label.without(z).reduce("ReduceLogSumExp", &[1], false) - label.logit(z)
}

fn margin<'b>(z: Var<'b>, label: &OneClass<'b>) -> Var<'b> {
    label.without(z).reduce("ReduceMax", &[1], false) - label.logit(z)
}

/// The `k` largest logits in descending order: the returned function gives the i-th, `[N]`.
fn largest<'b>(z: Var<'b>, k: i64) -> impl Fn(i64) -> Var<'b> {
    let builder = z.builder();
    let attributes = [("axis", 1i64.into()), ("largest", 1i64.into()), ("sorted", 1i64.into())];
    let top = builder.op_n("TopK", &[Some(z), Some(builder.ints(&[k]))], &attributes, 2)[0];
    move |i| top.slice(&[1], &[i], &[i + 1], &[1]).squeeze(&[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gradient, gradient_name};

    /// A model may have used the names of the results for tensors of its own.
    #[test]
    fn names_of_results_are_freed() {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
        builder.output("z", (x * 2.0).apply("Relu").apply("Tanh"));
        let mut graph = builder.finish().unwrap();
        for (i, name) in [Graph::LOSS.to_string(), gradient_name("x")].into_iter().enumerate() {
            let old = std::mem::replace(&mut graph.nodes[i].outputs[0], name.clone());
            let readers = graph.nodes.iter_mut().flat_map(|node| &mut node.inputs);
            readers.filter(|input| **input == old).for_each(|input| input.clone_from(&name));
        }
        let made = gradient(&with_loss(&graph, Loss::Margin).unwrap(), Graph::LOSS, &["x"]).unwrap();
        let outputs: Vec<&str> = made.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(outputs, ["z", Graph::LOSS, "gradient/x"]);
    }
}
