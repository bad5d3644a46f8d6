//! Whether a model's own label is that of its largest score.

use kennard_runtime::{Input, Session};

use super::evaluator::{Evaluator, Query};
use super::plan::Engine;
use super::program::Program;
use crate::answer::{is_answer, predict};
use crate::warning::Warning;
use crate::{OwnLabel, Result};

impl Engine {
    /// The same engine, with a warning where the file's own label of some of these samples (each `d` elements) is another than that
    /// of the largest score, by which figures and attacks go. Nothing is said of a model whose samples are not judged one by
    /// one, nor where the runtime does not compute the label.
    ///
    /// # Errors
    /// When a sample cannot be read, or the runtime fails on the scores.
    pub fn comparing(
        mut self,
        label: &OwnLabel,
        samples: impl Iterator<Item = Result<Vec<f32>>> + Send,
    ) -> Result<Engine> {
        let batch = self.batch(Program::Untouched);
        let threads = self.runtime.threads(self.plan.threads_per_session);
        let compiled = self.runtime.compile_as_given(&label.graph().with_batch(batch), &threads);
        let Some(session) = compiled.ok().filter(|_| !self.classifier.mixes_samples()) else {
            return Ok(self);
        };
        let [other, all] =
            Evaluator::lend(&self, |evaluator| differing(evaluator, session, batch, label, samples))?;
        if other > 0 {
            let message = format!(
                "the file's own label is not that of its largest score for {other} of {all} samples: accuracy and attacks go by \
                 the scores, and not by the label"
            );
            self.warnings.push(Warning::new("own-label", message));
        }
        Ok(self)
    }
}

/// For how many samples the label is another, of how many; none where it cannot be computed.
fn differing(
    mut evaluator: Evaluator,
    mut session: Session,
    batch: usize,
    label: &OwnLabel,
    mut samples: impl Iterator<Item = Result<Vec<f32>>>,
) -> Result<[usize; 2]> {
    let (mut other, mut all, mut outputs) = (0, 0, Vec::new());
    loop {
        let taken: Vec<Vec<f32>> = samples.by_ref().take(batch).collect::<Result<_>>()?;
        let Some(last) = taken.last() else { return Ok([other, all]) };
        let points = taken.concat();
        let rest = last.repeat(batch - taken.len());
        if session.run(&[Input::F32(&[points.as_slice(), &rest].concat())], &mut outputs).is_err() {
            return Ok([0, 0]);
        }
        let scores = evaluator.evaluate(&Query::untouched(points))?.logits;
        let own = outputs[0].iter().take(taken.len()).map(|&own| label.class(own));
        for (own, scores) in own.zip(scores.chunks_exact((scores.len() / taken.len()).max(1))) {
            all += 1;
            other += usize::from(own.is_some_and(|own| is_answer(scores) && own != predict(scores)));
        }
    }
}
