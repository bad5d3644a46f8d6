//! Factors that a runtime may put into weights beforehand (those of a normalisation, say).
//!
//! A product of weights and factors is off by a share of itself, and below the normal range by half of the smallest subnormal
//! number, 2⁻¹⁵⁰, beside that. Where there may be such products, sums of weights times factors and the sizes of tensors are
//! held to [`MODERATE`]: they cost a result less than 10⁻²⁷ each then, and [`TINY`](super::rounding::TINY) stands for more.

use std::collections::HashMap;

use super::rounding::{HUGE, MODERATE};
use crate::{Graph, Node, Tensor};

/// Nodes that no factor is taken past.
const BETWEEN: &[&str] = &[
    "Clip",
    "Erf",
    "GlobalMaxPool",
    "HardSigmoid",
    "LeakyRelu",
    "Max",
    "MaxPool",
    "Min",
    "ReduceMax",
    "ReduceMin",
    "Relu",
    "Tanh",
];

/// How large and how small the products at a tensor can be: of the factors behind the last weights, and of these, the last
/// weights' sums, and the factors before them.
#[derive(Clone, Copy)]
struct Chain {
    factors: Span,
    all: Span,
}

/// Not 0: the smallest, at most 1, and the largest, at least 1.
#[derive(Clone, Copy)]
struct Span {
    least: f64,
    most: f64,
}

impl Span {
    const ONE: Span = Span { least: 1.0, most: 1.0 };

    /// The sizes of numbers.
    fn of(sizes: impl Iterator<Item = f64>) -> Span {
        sizes
            .filter(|&size| size != 0.0)
            .fold(Span::ONE, |span, size| span.or(Span { least: size, most: size }))
    }

    fn or(self, other: Span) -> Span {
        Span { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    fn times(self, other: Span) -> Span {
        Span { least: self.least * other.least, most: self.most * other.most }
    }
}

impl Chain {
    const START: Chain = Chain { factors: Span::ONE, all: Span::ONE };

    fn or(self, other: Chain) -> Chain {
        Chain { factors: self.factors.or(other.factors), all: self.all.or(other.all) }
    }

    fn times(self, factor: Span) -> Chain {
        Chain { factors: self.factors.times(factor), all: self.all.times(factor) }
    }

    fn summed(self, weights: Span) -> Chain {
        Chain { factors: Span::ONE, all: self.factors.times(weights) }
    }
}

/// How large the numbers of a folded graph may be where factors may be put into its weights; none where such products are too large
/// themselves.
pub(super) fn most(graph: &Graph) -> Option<f64> {
    let mut chains: HashMap<&str, Chain> =
        graph.inputs.iter().map(|input| (input.name.as_str(), Chain::START)).collect();
    let mut all = Span::ONE;
    for node in &graph.nodes {
        let given = node.inputs.iter().filter_map(|name| chains.get(name.as_str()).copied());
        let Some(given) = given.reduce(Chain::or) else { continue };
        let chain = behind(graph, node, given)?;
        all = all.or(chain.all);
        chains.extend(node.outputs.iter().map(|name| (name.as_str(), chain)));
    }
    let most = if all.least < f64::from(f32::MIN_POSITIVE) { MODERATE } else { HUGE };
    (all.most <= most).then_some(most)
}

/// Behind a node; none where a factor of it is not known.
fn behind(graph: &Graph, node: &Node, given: Chain) -> Option<Chain> {
    let constant = |i: usize| graph.constants.get(node.input(i)?);
    let sizes = |i: usize| sizes(constant(i)?);
    let constants = || (0..2).filter_map(constant);
    Some(match node.op.as_str() {
        op if BETWEEN.contains(&op) => Chain::START,
        "Mul" => given.times(constants().filter_map(span).fold(Span::ONE, Span::or)),
        "Div" => given.times(Span::of(sizes(1)?.into_iter().map(f64::recip))),
        "BatchNormalization" => {
            let epsilon = node.float("epsilon", f64::from(1e-5f32));
            let both = sizes(1)?.into_iter().zip(sizes(4)?);
            given.times(Span::of(both.map(|(scale, variance)| scale / (variance + epsilon).sqrt())))
        }
        op @ ("Conv" | "ConvTranspose" | "Einsum" | "Gemm" | "MatMul") => {
            let sums = |weights: &Tensor| {
                let Span { least, most } = span(weights)?;
                Some(Span { least, most: most * terms(op, weights.shape()) as f64 })
            };
            let scale = Span::of([node.float("alpha", 1.0).abs()].into_iter());
            given.summed(constants().filter_map(sums).fold(Span::ONE, Span::or)).times(scale)
        }
        _ => given,
    })
}

fn sizes(tensor: &Tensor) -> Option<Vec<f64>> {
    Some(tensor.to_floats()?.into_iter().map(f64::abs).collect())
}

fn span(tensor: &Tensor) -> Option<Span> {
    Some(Span::of(sizes(tensor)?.into_iter()))
}

/// An upper bound of the number of products in a sum.
fn terms(op: &str, weights: &[usize]) -> usize {
    let all: usize = weights.iter().product();
    match op {
        "Conv" => all / weights.first().copied().unwrap_or(1).max(1),
        "ConvTranspose" => all / weights.get(1).copied().unwrap_or(1).max(1),
        "Einsum" => all,
        _ => weights.iter().copied().max().unwrap_or(1),
    }
}
