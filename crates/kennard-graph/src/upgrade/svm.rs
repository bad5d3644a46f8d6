//! Support vector machines of `ai.onnx.ml` whose scores are a classifier's answer, a score for each class in the place of one for
//! each pair. The machines themselves stay as they are: their own operator has the last word.

use ndarray::{Array1, Array2};

use super::{ANSWER, UpgradeStep};
use crate::machine::{MACHINE, Machine, classes, is_plain, sides};
use crate::{Builder, Node, Result, Tensor, Var};

pub(super) const FORMS: &[(&str, UpgradeStep)] = &[(MACHINE, svm_classifier)];

fn svm_classifier(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let is_answer = node.attributes.remove(ANSWER).is_some();
    if !is_plain(&node) {
        return Ok(Some(node));
    }
    let likely = Machine::of(&node)?.likely.is_some();
    if node.outputs[0].is_empty() {
        // ONNX Runtime writes the label in any case.
        node.outputs[0] = b.unused("label");
    }
    let scores = node.outputs.get(1).filter(|name| is_answer && !likely && !name.is_empty()).cloned();
    let Some(scores) = scores else { return Ok(Some(node)) };
    let (_, count) = classes(&node);
    let own = b.unused(&format!("{scores}/of pairs"));
    node.outputs[1].clone_from(&own);
    b.push(node);
    let own = b.var(&own)?;
    // Of two classes ONNX Runtime's columns contradict its label.
    b.name(&scores, if count == 2 { -own } else { votes(own, count) });
    Ok(None)
}

/// A score for each class of those for each pair: the votes, and less than half a vote more for the sum of the class's own scores. The
/// first of those with most votes is the label, whatever the sums are.
fn votes<'b>(scores: Var<'b>, classes: usize) -> Var<'b> {
    let constant = |array: Tensor| scores.builder().constant(array).cast_like(scores);
    let sides = constant(sides(classes).into_dyn().into());
    // A class j is the second of j pairs: without a positive score it has j votes.
    let behind = Array1::from_iter((0..classes).map(|j| j as f32)).into_dyn().into();
    let votes = scores.above(0.0).with("MatMul", sides) + constant(behind);
    let sums = scores.with("MatMul", sides);
    let before = Array2::from_shape_fn((classes, classes), |(j, i)| f32::from(u8::from(i < j)));
    let alike = votes.unsqueeze(&[2]).with("Equal", votes.unsqueeze(&[1])).cast_like(votes);
    let tied = (alike * constant(before.into_dyn().into())).reduce("ReduceMax", &[2], false);
    votes + sums / ((sums.apply("Abs") + 1.0) * 3.0) - tied * 0.75
}
