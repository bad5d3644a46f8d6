//! Objectives of training, appended to the logits.

use super::certified;
use crate::loss::{OneClass, bound, bounded, log_odds};
use crate::{
    Builder, DType, Dim, Graph, GraphError, Result, Shape, TensorType, Var, gradient, gradient_name,
};

/// What training makes small, one number per sample. `x` is an image, `x'` the changed one, `y` the label, `p`
/// the class probabilities, `z` the logits, `l` the cross-entropy `−ln p_y`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Objective {
    /// `−Σ q_k ln p_k` with `q = (1 − s)·[k = y] + s/K` (Szegedy et al. 2016, arXiv 1512.00567).
    CrossEntropy {
        /// s, the share of the label that is spread over all classes.
        smoothing: f64,
    },
    /// `l(x) + β·KL(p(x)‖p(x'))` (Zhang et al. 2019, arXiv 1901.08573, eq. 3).
    Trades {
        /// β
        beta: f64,
    },
    /// `−ln p_y(x') − ln(1 − max_{k≠y} p_k(x')) + β·KL(p(x)‖p(x'))·(1 − p_y(x))` (Wang et al. 2020,
    /// *Improving adversarial robustness requires revisiting misclassified examples*, eq. 11).
    Mart {
        /// β, the paper's λ.
        beta: f64,
    },
    /// `l(x) + λ·‖∇ₓ ln l(x)‖²`: the mean square of the log-gradient, which is what σ_p² measures, held down.
    Conjugate {
        /// λ, in units of the square of the input's.
        lambda: f64,
    },
    /// `κ·l(x) + (1 − κ)·l(m)`, m being the worst that bounds leave of the logits' differences to the label's anywhere within ε of x
    /// in linf and within `limits`: by intervals (Gowal et al. 2018, arXiv 1810.12715, eq. 12), for `crown` mixed of those
    /// and, with share β, of CROWN over intervals (Zhang et al. 2020, arXiv 1906.06316, eq. 13). After the labels a step is told
    /// ε, for `clean` κ, and for `crown` β, each `[1]`.
    Certified {
        /// The smallest and the largest value of an input element.
        limits: [f32; 2],
        /// Whether CROWN's bounds are mixed in.
        crown: bool,
        /// Whether the loss of the images as they are counts; else κ is 0, and nothing is differentiated for it.
        clean: bool,
    },
    /// `l(x) + λ·‖z(x)‖²/K`
    LogitPenalty {
        /// λ
        lambda: f64,
    },
}

impl Objective {
    /// Whether the objective looks at changed images beside the images.
    pub fn is_paired(&self) -> bool {
        matches!(self, Objective::Trades { .. } | Objective::Mart { .. })
    }

    /// The graph with the objective as output [`Graph::LOSS`], and labels as input [`Graph::LABEL`].
    pub(super) fn append(&self, model: &Graph, input: &str, batch: usize) -> Result<Graph> {
        let logits = model.outputs.first().ok_or_else(|| GraphError::Shape("there is no output".into()))?;
        let name = logits.name.clone();
        let &[_, Dim::Known(classes)] = logits.ty.shape.0.as_slice() else {
            let found = &logits.ty;
            return Err(GraphError::Shape(format!(
                "training needs logits [N, classes], `{name}` is {found}"
            )));
        };
        let begin = Builder::new(model)?;
        let ints = TensorType::new(DType::I64, vec![Dim::Known(batch)]);
        begin.input(Graph::LABEL, ints);
        let mut graph = begin.finish()?;
        if matches!(self, Objective::Conjugate { .. }) {
            graph = with_log_gradient(&graph, &name, input, classes)?;
        }
        let builder = Builder::new(&graph)?;
        let z = builder.var(&name)?;
        let labels = builder.var(Graph::LABEL)?;
        let label = |z| OneClass::new(z, labels, classes);
        let half = |i: i64| {
            let batch = batch as i64;
            z.slice(&[0], &[i * batch], &[(i + 1) * batch], &[1])
        };
        let value = match *self {
            Objective::CrossEntropy { smoothing } => {
                let log_p = log_softmax(z);
                let own = label(z).logit(log_p) * (smoothing - 1.0);
                if smoothing == 0.0 { own } else { own - log_p.reduce("ReduceMean", &[1], false) * smoothing }
            }
            Objective::Trades { beta } => {
                let (log_p, log_q) = (log_softmax(half(0)), log_softmax(half(1)));
                divergence(log_p, log_q) * beta - label(log_p).logit(log_p)
            }
            Objective::Mart { beta } => {
                let (log_p, log_q) = (log_softmax(half(0)), log_softmax(half(1)));
                let label = label(log_q);
                let (p, q) = (log_p.apply("Exp"), log_q.apply("Exp"));
                // The margins keep the logarithms finite, as in the authors' program.
                let other = (q - label.mask() * 2.0).reduce("ReduceMax", &[1], false);
                let boosted = -label.logit(log_q) - (1.0001 - other).apply("Log");
                boosted + divergence(log_p, log_q) * (1.000_000_1 - label.logit(p)) * beta
            }
            Objective::Conjugate { lambda } => {
                let g = builder.var(&gradient_name(input))?;
                let axes: Vec<usize> = (1..g.shape()?.rank()).collect();
                let square = (g * g).reduce("ReduceSum", &axes, false);
                square * lambda - label(z).logit(log_softmax(z))
            }
            Objective::Certified { limits, crown, clean } => {
                return Ok(certified::append(model, limits, crown, clean)?.with_batch(batch));
            }
            Objective::LogitPenalty { lambda } => {
                // A masked class has no logit to be held down.
                let all = bounded(z);
                let held = all * all.apply("Abs").below(bound(z));
                (held * held).reduce("ReduceMean", &[1], false) * lambda - label(z).logit(log_softmax(z))
            }
        };
        builder.output(Graph::LOSS, value.reshape(&Shape::fixed(&[batch])));
        let mut graph = builder.finish()?;
        graph.outputs.retain(|output| output.name != gradient_name(input) && output.name != LOG_LOSS);
        Ok(graph)
    }
}

const LOG_LOSS: &str = "kennard/log loss";
/// Below this, `ln ln(1 + eᵘ)` is taken from a series: runtimes compute `ln(1 + eᵘ)` from the rounded `1 + eᵘ`.
const CONFIDENT: f64 = -4.0;

/// The graph with `∇ₓ ln l` as an output. With the log-odds u, `ln l = ln ln(1 + eᵘ)`, which for low u is
/// `u + ln(1 − w/2 + w²/3 − w³/4 + w⁴/5)` with `w = eᵘ`, to less than 10⁻⁹.
fn with_log_gradient(graph: &Graph, logits: &str, input: &str, classes: usize) -> Result<Graph> {
    let builder = Builder::new(graph)?;
    let z = builder.var(logits)?;
    let z = bounded(z);
    let u = log_odds(z, &OneClass::new(z, builder.var(Graph::LABEL)?, classes));
    let limit = u.number(CONFIDENT);
    let low = u.with("Min", limit);
    let w = low.apply("Exp");
    let series = 1.0 - w * (0.5 - w * (1.0 / 3.0 - w * (0.25 - w * 0.2)));
    let confident = low + series.apply("Log");
    let other = u.with("Max", limit).apply("Softplus").apply("Log");
    let choice = [Some(u.with("Less", limit)), Some(confident), Some(other)];
    builder.output(LOG_LOSS, builder.op("Where", &choice, &[]));
    gradient(&builder.finish()?, LOG_LOSS, &[input])
}

/// The graph with `KL(p‖p(x))` as output [`Graph::LOSS`], p being the probabilities of other logits, which
/// are an input.
pub(super) fn divergence_from(graph: &Graph) -> Result<Graph> {
    let logits = graph.single_output()?;
    let builder = Builder::new(graph)?;
    let given = builder.input("kennard/logits", logits.ty.clone());
    let z = builder.var(&logits.name)?;
    builder.output(Graph::LOSS, divergence(log_softmax(given), log_softmax(z)));
    builder.finish()
}

/// `Σ p·(ln p − ln q)` over the classes.
fn divergence<'b>(log_p: Var<'b>, log_q: Var<'b>) -> Var<'b> {
    (log_p.apply("Exp") * (log_p - log_q)).reduce("ReduceSum", &[1], false)
}

fn log_softmax(z: Var) -> Var {
    let z = bounded(z);
    z - z.reduce("ReduceLogSumExp", &[1], true)
}
