//! Models that return one number per sample: a logit or a probability of class 1.

use kennard_graph::{Attribute, Graph, Node, against, log_odds, second_of_two, strip_sigmoid};

use crate::warning::Warning;
use crate::{Error, Mismatch, RequestError, Result};

/// What the one number is that a model returns for a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OneNumber {
    /// The probability above which the class is 1.
    threshold: f64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A probability: the graph ends in a sigmoid.
    Sigmoid,
    /// A probability, as answers show, or the node that it comes from.
    Shown,
    /// Nothing says otherwise.
    Logit,
}

/// A model of one number as one of two classes: what the number is, the graph with two logits, and the untouched model with
/// two outputs, the threshold and the number itself.
///
/// # Errors
/// When the model is a regression, or the threshold no probability.
pub(super) fn two_classes(
    model: &Graph,
    graph: &Graph,
    untouched: &Graph,
    threshold: Option<f64>,
) -> Result<(OneNumber, Graph, Graph)> {
    let sigmoid = strip_sigmoid(graph);
    let regressor = model.nodes.iter().find(|node| node.op.ends_with("Regressor"));
    let logistic = |node: &Node| matches!(node.attributes.get("post_transform"), Some(Attribute::Text(name)) if name == "LOGISTIC");
    let logistic = regressor.is_some_and(logistic);
    // Scores of a boosted classifier may come from such a node too: with a sigmoid behind it, or where the caller says so.
    if let Some(node) = regressor.filter(|_| sigmoid.is_none() && !logistic && threshold.is_none()) {
        let (node, op) = (node.label().into(), node.op.clone());
        return Err(Error::Mismatch(Mismatch::Regression { node, op })
            .advise("; if the number is a score of class 1 all the same, say so: {threshold = 0.5}"));
    }
    let threshold = threshold.unwrap_or(0.5);
    if !(threshold > 0.0 && threshold < 1.0) {
        return Err(Error::OutOfRange {
            setting: "the threshold".into(),
            value: threshold,
            allowed: "it is the probability above which the class is 1, between 0 and 1".into(),
        });
    }
    let cut = logit(threshold);
    Ok(match sigmoid {
        None if logistic => {
            let number = OneNumber { threshold, kind: Kind::Shown };
            (number, against(&log_odds(graph)?, cut)?, against(untouched, threshold)?)
        }
        Some(logits) => {
            let number = OneNumber { threshold, kind: Kind::Sigmoid };
            (number, against(&logits, cut)?, against(untouched, threshold)?)
        }
        None => {
            let number = OneNumber { threshold, kind: Kind::Logit };
            (number, against(graph, cut)?, against(untouched, cut)?)
        }
    })
}

impl OneNumber {
    pub const CODE: &str = "one-number";

    /// Whether nothing says what the number is.
    pub fn is_open(self) -> bool {
        self.kind == Kind::Logit
    }

    /// Whether answers showed what it is.
    pub fn is_shown(self) -> bool {
        self.kind == Kind::Shown
    }

    /// The threshold, where the logits are not those of the model's own probability: they are less by the threshold's logit, so that
    /// the larger decides.
    pub fn moved(self) -> Option<f64> {
        (self.threshold != 0.5).then_some(self.threshold)
    }

    /// What a reader should know of how the number is taken.
    pub fn warning(self) -> Option<Warning> {
        self.is_open().then(|| {
            let message = "the model returns one number per sample, without a sigmoid at the end: it is treated as the logit \
                           of class 1. If the model is a regression, these figures mean nothing";
            Warning::new(OneNumber::CODE, message)
        })
    }

    /// Whether a number that was taken for a logit looks like a probability: all are within 0 and 1.
    pub fn may_be_probability(self, answers: &[[f32; 2]]) -> bool {
        self.is_open()
            && !answers.is_empty()
            && answers.iter().all(|[_, number]| (0.0..=1.0).contains(number))
    }

    /// The number as a probability after all.
    pub fn as_probability(self, graph: &Graph, untouched: &Graph) -> Result<(OneNumber, Graph, Graph)> {
        let number = OneNumber { kind: Kind::Shown, ..self };
        let logits = log_odds(&second_of_two(graph)?)?;
        let answer = second_of_two(untouched)?;
        Ok((number, against(&logits, logit(self.threshold))?, against(&answer, self.threshold)?))
    }
}

/// The logit of a probability.
fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// The error about a threshold for a model of several outputs.
pub(super) fn no_threshold(classes: usize) -> Error {
    RequestError::NoThreshold { classes }.into()
}
