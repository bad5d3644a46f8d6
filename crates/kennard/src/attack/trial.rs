use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use kennard_graph::Trees;

use super::runner::{Verdict, run_attack};
use super::subject::{AttackConditions, AttackedSample, Criterion};
use super::{Answer, Attack, Loss};
use crate::engine::Oracle;
use crate::{Error, Mismatch, Result, ThreatModel};

/// One sample on which an attack is tried with a function in place of a model, for tests of attacks.
///
/// ```
/// use kennard::attack::{Answer, Pgd, Trial};
/// use kennard::{Norm, ThreatModel};
///
/// // Logits (z, −z) with z = 0.6 − x₀: class 0 left of 0.6. The log-odds loss of class 0 is −2z.
/// let sample = [0.5, 0.5];
/// let pgd = Pgd::default();
/// let broken = |eps| -> kennard::Result<bool> {
///     let trial = Trial::new(&sample, 0, ThreatModel::new(Norm::Linf, eps)?);
///     let verdict = trial.run(&pgd, |asked| {
///         let z = 0.6 - asked.point[0];
///         Answer::new(vec![z, -z]).with_gradient(-2.0 * z, vec![2.0, 0.0])
///     })?;
///     Ok(verdict.broken)
/// };
/// assert!(!broken(0.05)?);
/// assert!(broken(0.2)?);
/// # Ok::<(), kennard::Error>(())
/// ```
pub struct Trial<'a> {
    origin: &'a [f32],
    shape: Vec<usize>,
    label: usize,
    threat: ThreatModel,
    seed: u64,
    trees: Option<&'a Trees>,
}

/// What an attack asks the function about. Where no loss is asked for, a gradient in the answer is ignored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asked<'q> {
    /// The point, `d` elements.
    pub point: &'q [f32],
    /// The loss whose value and gradient are asked for; none where only logits are.
    pub loss: Option<Loss>,
    /// The class whose loss it is.
    pub label: usize,
    /// The target class of a targeted loss.
    pub target: usize,
}

impl<'a> Trial<'a> {
    /// A sample (`d` elements, one axis) of class `label`. Where the threat model's epsilon is infinite, the closest
    /// adversarial point is sought, else any.
    pub fn new(origin: &'a [f32], label: usize, threat: ThreatModel) -> Trial<'a> {
        Trial { origin, shape: vec![origin.len()], label, threat, seed: 0, trees: None }
    }

    /// The same, the sample's elements in this shape.
    pub fn with_shape(self, shape: &[usize]) -> Trial<'a> {
        Trial { shape: shape.to_vec(), ..self }
    }

    /// The same, with another seed of the random numbers than 0.
    pub fn with_seed(self, seed: u64) -> Trial<'a> {
        Trial { seed, ..self }
    }

    /// The same, the function being one of the leaves that an input leads to in these trees.
    pub fn with_trees(self, trees: &'a Trees) -> Trial<'a> {
        Trial { trees: Some(trees), ..self }
    }

    /// Runs an attack; `model` answers about one point at a time.
    ///
    /// # Errors
    /// When `model` classifies the sample itself as something else than its label, or gives no gradient where one is
    /// asked for; and when the attack returns an error or awaits something that is no answer.
    pub fn run(&self, attack: &dyn Attack, mut model: impl FnMut(&Asked) -> Answer) -> Result<Verdict> {
        let &Trial { origin, label, threat, seed, .. } = self;
        let clean = model(&Asked { point: origin, loss: None, label, target: label });
        if clean.prediction() != label {
            let class = clean.prediction();
            return Err(Mismatch::Prediction { label, class }.into());
        }
        let attacked = AttackedSample::new(origin, &self.shape, label, 0, &clean.logits);
        let attacked = AttackedSample { trees: self.trees, ..attacked };
        let criterion = if threat.eps.is_finite() { Criterion::First } else { Criterion::Closest };
        let conditions = AttackConditions { threat, criterion, seed, budget: None, rough: false };
        let oracle = Oracle::default();
        let mut run = pin!(run_attack(attack, attacked, conditions, 0, oracle.clone()));
        loop {
            if let Poll::Ready(verdict) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return verdict;
            }
            let questions = oracle.take();
            if questions.is_empty() {
                return Err(Error::IdleTask);
            }
            for question in questions {
                let query = &question.query;
                let (loss, label, target) = (query.program.loss(), query.label, query.target);
                let answers = query.points.chunks_exact(origin.len()).map(|point| {
                    let answer = model(&Asked { point, loss, label, target });
                    let n = answer.gradient.len();
                    match loss {
                        None => Ok(Answer::new(answer.logits)),
                        Some(_) if n == origin.len() => Ok(answer),
                        Some(loss) => Err(Error::from(Mismatch::Gradient {
                            loss: format!("{loss:?}"),
                            elements: origin.len(),
                            found: n,
                        })),
                    }
                });
                question.answer(answers.collect::<Result<_>>()?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;
    use crate::attack::{Search, Square, Subject, join};

    /// An attack that is a closure.
    struct Own<F>(F);

    impl<F: for<'a> Fn(&'a Subject<'a>) -> Search<'a> + Send + Sync> Attack for Own<F> {
        fn name(&self) -> &str {
            "own"
        }

        fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
            (self.0)(subject)
        }
    }

    fn attempt(
        attack: impl for<'a> Fn(&'a Subject<'a>) -> Search<'a> + Send + Sync,
    ) -> (Result<Verdict>, usize) {
        let trial = Trial::new(&[0.5], 0, ThreatModel::new(Norm::Linf, 0.3).unwrap());
        let mut asked = 0;
        let verdict = trial.run(&Own(attack), |at| {
            asked += 1;
            let z = 0.6 - at.point[0];
            Answer::new(vec![z, -z]).with_gradient(-2.0 * z, vec![2.0])
        });
        (verdict, asked)
    }

    /// Of many points at once, those up to the first adversarial one count; points outside the ball do not.
    #[test]
    fn many_points_count_one_by_one() {
        let (verdict, asked) = attempt(|subject| {
            Box::pin(async move {
                let points = [0.9, 0.4, 0.55, 0.7, 0.75].map(|v| vec![v]);
                subject.logits_of_each(&points).await;
                panic!("the run is over");
            })
        });
        let verdict = verdict.unwrap();
        assert!(verdict.broken);
        assert_eq!(verdict.adversarial.unwrap().point, [0.7]);
        assert_eq!((verdict.found_after, verdict.forwards), (4, 5));
        // The sample, five points, and the untouched model's word.
        assert_eq!(asked, 7);
    }

    /// Two questions side by side; the second is not heard once the first has ended the run.
    #[test]
    fn questions_side_by_side() {
        let (verdict, _) = attempt(|subject| {
            Box::pin(async move {
                let points = [vec![0.55], vec![0.45]];
                let many = subject.gradient_of_each(&points, Loss::Margin, 0);
                let (one, many) = join(subject.logits(&[0.5]), many).await;
                assert!(one.prediction() == 0 && many.len() == 2 && many[1].gradient == [2.0]);
                join(subject.logits(&[0.7]), subject.logits(&[0.8])).await;
                Ok(())
            })
        });
        let verdict = verdict.unwrap();
        assert_eq!((verdict.forwards, verdict.backwards), (3, 2));
        assert_eq!(verdict.adversarial.unwrap().point, [0.7]);
    }

    /// Square begins with vertical stripes of an image. The signs of 16 elements in a row are four equal fours by chance once in 4096.
    #[test]
    fn attacks_see_the_shape() {
        let threat = ThreatModel::new(Norm::Linf, 0.25).unwrap();
        let trial = Trial::new(&[0.5; 16], 0, threat).with_shape(&[1, 4, 4]);
        let mut points: Vec<Vec<f32>> = Vec::new();
        let square = Square { queries: 1, ..Square::default() };
        let verdict = trial.run(&square, |asked| {
            points.push(asked.point.to_vec());
            Answer::new(vec![1.0, 0.0])
        });
        assert!(!verdict.unwrap().broken);
        let [_, stripes] = &points[..] else { panic!("{points:?}") };
        assert!(stripes.iter().all(|x| [0.25, 0.75].contains(x)), "{stripes:?}");
        assert!(stripes.chunks_exact(4).all(|row| row == &stripes[..4]), "{stripes:?}");
    }

    /// An attack's own error ends the run, and says whose it is.
    #[test]
    fn errors_of_attacks_are_said() {
        let (verdict, _) = attempt(|_| Box::pin(async { Err("out of ideas".into()) }));
        let error = verdict.unwrap_err();
        assert_eq!(error.to_string(), "the attack own failed at sample 0");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "out of ideas");
        let (verdict, _) = attempt(|_| Box::pin(std::future::pending()));
        assert!(matches!(verdict, Err(Error::IdleTask)));
    }
}
