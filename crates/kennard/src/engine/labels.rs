//! Whether a model's own label is that of its largest score.

use std::sync::atomic::{AtomicBool, Ordering};

use kennard_runtime::{Input, Session};

use super::evaluator::{Evaluator, Query};
use super::plan::Engine;
use super::program::Program;
use crate::answer::{is_answer, predict};
use crate::warning::Warning;
use crate::{OwnLabel, Result};

/// For how many samples the file's own label is another than that of the largest score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OtherLabels {
    pub other: u64,
    /// How many samples were compared.
    pub all: u64,
}

impl OtherLabels {
    /// The code of the warning.
    pub const CODE: &str = "own-label";
    /// The code of the note that labels are not compared.
    pub const NOT_COMPARED: &str = "label-not-compared";
    /// What its message begins with.
    const BEGIN: &str = "the file's own label is not that of its largest score for ";

    /// What a reader should know; nothing where all labels are the same.
    pub fn warning(self) -> Option<Warning> {
        let OtherLabels { other, all } = self;
        let begin = OtherLabels::BEGIN;
        (other > 0).then(|| {
            let message = format!(
                "{begin}{other} of {all} samples: accuracy and attacks go by the scores, and not by the label"
            );
            Warning::new(OtherLabels::CODE, message)
        })
    }

    /// The warning that labels are not compared, and why.
    pub fn not_compared(why: impl std::fmt::Display) -> Warning {
        let message = format!(
            "the label that the file returns is not compared with its scores, by which accuracy and attacks go: {why}"
        );
        Warning::note(OtherLabels::NOT_COMPARED, message)
    }

    /// The counts that a warning tells.
    pub fn told(warning: &Warning) -> Option<OtherLabels> {
        let (other, rest) = warning.message.strip_prefix(OtherLabels::BEGIN)?.split_once(" of ")?;
        let (all, _) = rest.split_once(" samples")?;
        Some(OtherLabels { other: other.parse().ok()?, all: all.parse().ok()? })
    }
}

impl Engine {
    /// The same engine, of a file that returns this label beside its scores, if any: [audits](crate::audit::Audit) warn where it is
    /// another than that of the largest score, by which figures and attacks go, and say so where it cannot be compared. Nothing is
    /// said of a model whose samples are not judged one by one.
    #[must_use]
    pub fn comparing(mut self, label: Result<Option<OwnLabel>>) -> Engine {
        match label {
            Ok(label) => self.own_label = label,
            Err(why) if !self.classifier.mixes_samples() => {
                self.warnings.push(OtherLabels::not_compared(why));
            }
            Err(_) => (),
        }
        self
    }

    /// Whether the file's own label can be compared.
    pub(crate) fn compares(&self) -> bool {
        self.own_label.is_some() && !self.classifier.mixes_samples()
    }

    /// For how many of these samples (each `d` elements) the file's own label is another; nothing where the runtime does not compute
    /// it. `stop` ends it early, with the samples so far.
    ///
    /// # Errors
    /// When a sample cannot be read, or the runtime fails on the scores.
    pub(crate) fn other_labels(
        &self,
        samples: impl Iterator<Item = Result<Vec<f32>>> + Send,
        stop: &AtomicBool,
    ) -> Result<Option<OtherLabels>> {
        let Some(label) = self.own_label.as_ref().filter(|_| self.compares()) else {
            return Ok(Some(OtherLabels::default()));
        };
        let batch = self.batch(Program::Untouched);
        let threads = self.runtime.threads(self.plan.threads_per_session);
        let Ok(session) = self.runtime.compile_as_given(&label.graph().with_batch(batch), &threads) else {
            return Ok(None);
        };
        Evaluator::lend(self, |evaluator| differing(evaluator, session, batch, label, samples, stop))
    }
}

fn differing(
    mut evaluator: Evaluator,
    mut session: Session,
    batch: usize,
    label: &OwnLabel,
    mut samples: impl Iterator<Item = Result<Vec<f32>>>,
    stop: &AtomicBool,
) -> Result<Option<OtherLabels>> {
    let (mut found, mut outputs) = (OtherLabels::default(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let taken: Vec<Vec<f32>> = samples.by_ref().take(batch).collect::<Result<_>>()?;
        let Some(last) = taken.last() else { break };
        let points = taken.concat();
        let rest = last.repeat(batch - taken.len());
        if session.run(&[Input::F32(&[points.as_slice(), &rest].concat())], &mut outputs).is_err() {
            return Ok(None);
        }
        if outputs[0].len() != batch {
            return Ok(None);
        }
        let scores = evaluator.evaluate(&Query::untouched(points))?.logits;
        let own = outputs[0].iter().take(taken.len()).map(|&own| label.class(own));
        for (own, scores) in own.zip(scores.chunks_exact((scores.len() / taken.len()).max(1))) {
            found.all += 1;
            found.other += u64::from(own.is_some_and(|own| is_answer(scores) && own != predict(scores)));
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, DType, Dim, Graph, ModelFile, TensorType};

    use super::super::tests::linear;
    use super::*;
    use crate::{Error, Preprocessing};

    /// A file that returns the place of the smallest of its two scores beside them.
    fn smallest() -> OwnLabel {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
        builder.output("z", x * 1.0);
        let best = [("axis", 1i64.into()), ("keepdims", 0i64.into())];
        builder.output("label", (-x).apply_with("ArgMax", &best));
        let file = ModelFile::from_bytes(&builder.finish().unwrap().to_bytes()).unwrap();
        OwnLabel::of(&file, &[2], &Preprocessing::default(), 2, &[]).unwrap().unwrap()
    }

    /// Labels are compared one sample after another until the work is stopped; what is stopped before it begins reads no sample.
    #[test]
    fn comparing_can_be_stopped() {
        let engine = linear(2).comparing(Ok(Some(smallest())));
        let samples = || [[0.2f32, 0.7], [0.7, 0.2], [0.5, 0.1]].map(|x| Ok(x.to_vec())).into_iter();
        let found = engine.other_labels(samples(), &AtomicBool::new(false)).unwrap();
        assert_eq!(found, Some(OtherLabels { other: 3, all: 3 }));
        let unread = std::iter::once_with(|| Err(Error::Setting("read".into())));
        assert!(engine.other_labels(unread.clone(), &AtomicBool::new(false)).is_err());
        let found = engine.other_labels(unread, &AtomicBool::new(true)).unwrap();
        assert_eq!(found, Some(OtherLabels::default()));
    }

    /// What is written is read.
    #[test]
    fn counts_are_told_and_read() {
        let found = OtherLabels { other: 3, all: 40 };
        let warning = found.warning().unwrap();
        assert!(warning.message.contains(" 3 of 40 samples: "), "{}", warning.message);
        assert_eq!(OtherLabels::told(&warning), Some(found));
        assert_eq!(OtherLabels { other: 0, all: 40 }.warning(), None);
        assert_eq!(OtherLabels::told(&Warning::new("shard", "3 of 40 samples")), None);
    }
}
