#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::task::Poll;

use super::Attack;
use super::subject::{AttackConditions, AttackedSample, Candidate, Criterion, Pause, Subject};
use crate::answer::{is_answer, margin, predict};
use crate::data::Sample;
use crate::engine::{Oracle, Query};
use crate::{Error, Result, ThreatModel};

/// What an attack achieved on a sample.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether an adversarial point was found.
    pub broken: bool,
    /// The smallest margin `z_y − max_{j≠y} z_j` at an allowed point, found where that is smallest in what the search was
    /// computed in; of a minimum-norm attack, the margin at the closest adversarial point.
    pub margin: f32,
    /// The adversarial point, if one was found.
    pub adversarial: Option<Adversarial>,
    /// How many points were evaluated before the one that counts, itself included.
    pub found_after: u64,
    /// How many points were evaluated without their gradient, checks in single precision and by the untouched model included.
    pub forwards: u64,
    /// How many points were evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// How many gradients were exactly zero.
    pub zero_gradients: u64,
    /// How many gradients had an entry that was not finite; of a transfer, on the surrogate.
    pub non_finite_gradients: u64,
    /// At how many points the model's answer was NaN; they count as nothing.
    pub unanswered: u64,
    /// Whether a point was misclassified in the attacked graph and not by the untouched model.
    pub disputed: bool,
    /// Whether the attack proved that there is no adversarial point, or, of a minimum-norm attack, none that is closer than this
    /// one; none where it is not one that [proves](Attack::proves).
    pub proved: Option<bool>,
}

/// An adversarial point.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adversarial {
    /// Where it is, in the input space of the user.
    pub point: Vec<f32>,
    /// What the untouched model returns there.
    pub outputs: Vec<f32>,
}

impl Adversarial {
    /// The class that the model takes it for.
    pub fn prediction(&self) -> usize {
        predict(&self.outputs)
    }
}

/// Runs an attack on a sample until it ends or has found what the conditions ask for. The untouched model has the last word
/// on what counts as adversarial.
pub(crate) async fn run_attack(
    attack: &dyn Attack,
    attacked: AttackedSample<'_>,
    conditions: AttackConditions,
    account: usize,
    oracle: Oracle,
) -> Result<Verdict> {
    let label = attacked.label;
    let conditions = AttackConditions { rough: conditions.rough && attack.searches_roughly(), ..conditions };
    let subject = Subject::new(attack.name(), attacked, conditions, account, oracle.clone());
    let mut run = attack.run(&subject);
    let mut rejections = Rejections::default();
    loop {
        let ended = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| true)),
            Poll::Pending if subject.is_paused() => Poll::Ready(Ok(false)),
            Poll::Pending => Poll::Pending,
        })
        .await
        .map_err(|source| Error::Attack {
            attack: attack.name().into(),
            sample: attacked.index,
            source,
        })?;
        let ended = match subject.resume() {
            Some(Pause::BudgetSpent) => true,
            Some(Pause::Candidate) | None => ended,
        };
        if ended && conditions.rough {
            subject.settle_best().await;
        }
        let (mut best, mut adversarial) = judge(&subject, &oracle, account, &mut rejections).await;
        if conditions.criterion == Criterion::Closest {
            let beaten = best.as_ref().filter(|_| adversarial.is_some());
            let beaten = beaten.map_or(f64::INFINITY, |candidate| candidate.distance);
            if let Some((candidate, outputs)) =
                outward(&subject, &oracle, account, &rejections.rejected, beaten).await
            {
                adversarial = Some(Adversarial { point: candidate.point.clone(), outputs });
                best = Some(candidate);
            }
        }
        if ended || adversarial.is_some() || subject.is_spent() {
            let tally = subject.tally();
            let broken = adversarial.is_some();
            let unanswered = tally.unanswered + rejections.unanswered;
            // What was rejected, or had no answer, is not what the attack went by.
            let sound = !rejections.disputed && unanswered == 0;
            return Ok(Verdict {
                broken,
                margin: best
                    .as_ref()
                    .map_or_else(|| margin(attacked.clean, label), |candidate| candidate.margin),
                adversarial,
                found_after: best.map_or(0, |candidate| candidate.evaluation),
                forwards: tally.forwards + subject.checks(),
                backwards: tally.backwards,
                zero_gradients: tally.zero_gradients,
                non_finite_gradients: tally.non_finite_gradients,
                unanswered,
                disputed: rejections.disputed,
                proved: attack.proves().then(|| sound && subject.proved() == Some(broken)),
            });
        }
    }
}

/// The points of an attack that the untouched model rejected, over all of its judgements.
#[derive(Default)]
struct Rejections {
    /// Whether the model classified one correctly that is misclassified in the attacked graph.
    disputed: bool,
    /// At how many its answer was NaN.
    unanswered: u64,
    /// The closest that it classified correctly, at most [`REJECTED`].
    rejected: Vec<Candidate>,
}

/// Has the untouched model judge the best point that was found, then the next, until it misclassifies one: the best candidate that is
/// left, and the adversarial point, if there is one.
async fn judge(
    subject: &Subject<'_>,
    oracle: &Oracle,
    account: usize,
    rejections: &mut Rejections,
) -> (Option<Candidate>, Option<Adversarial>) {
    let mut best = subject.to_judge();
    while let Some(candidate) = best.as_ref().filter(|candidate| candidate.misclassified) {
        let answer = oracle.ask(Query::untouched(candidate.point.clone()).on_account(account)).await;
        subject.count_check();
        let answered = is_answer(&answer.logits);
        if answered && answer.prediction() != subject.label() {
            let adversarial = Adversarial { point: candidate.point.clone(), outputs: answer.logits };
            return (best, Some(adversarial));
        }
        // Rounding alone made this point adversarial, or the model has no answer; there may be another, or a
        // better one may come.
        rejections.disputed |= answered;
        rejections.unanswered += u64::from(!answered);
        if answered && rejections.rejected.len() < REJECTED {
            rejections.rejected.push(candidate.clone());
        }
        subject.reject_best();
        best = subject.to_judge();
    }
    (best, None)
}

/// Whether a sample of this shape is classified correctly, and whether it still is under an attack within a threat model, one try with
/// seed 0; the latter is none without a threat model.
pub(crate) async fn stays_correct(
    oracle: Oracle,
    sample: &Sample,
    shape: &[usize],
    attack: &dyn Attack,
    threat: Option<ThreatModel>,
) -> Result<(bool, Option<bool>)> {
    let clean = oracle.ask(Query::untouched(sample.input.clone())).await.logits;
    let correct = predict(&clean) == sample.label;
    let Some(threat) = threat else { return Ok((correct, None)) };
    if !correct {
        return Ok((false, Some(false)));
    }
    let attacked = AttackedSample::new(&sample.input, shape, sample.label, sample.index, &clean);
    let verdict = run_attack(attack, attacked, AttackConditions::first(threat, 0), 0, oracle).await?;
    Ok((true, Some(!verdict.broken)))
}

/// From how many of the closest points that the untouched model rejected steps outward are taken.
const REJECTED: usize = 2;
/// By which shares of its distance a step leads outward: the first, the ratio of one to the last, and how many there are. The last
/// doubles the distance.
const SHARE: f64 = 1e-6;
const RATIO: f64 = 4.0;
const STEPS: i32 = 11;

/// An adversarial point farther out than one that the untouched model rejected, and what that model returns there. An attack may end on the
/// boundary itself, where rounding decides what is adversarial. Only what is closer than `beaten` counts.
async fn outward(
    subject: &Subject<'_>,
    oracle: &Oracle,
    account: usize,
    rejected: &[Candidate],
    beaten: f64,
) -> Option<(Candidate, Vec<f32>)> {
    let (norm, label) = (subject.threat().norm, subject.label());
    let ask = |query: Query| {
        subject.count_check();
        oracle.ask(query.on_account(account))
    };
    for from in rejected.iter().take(REJECTED) {
        let mut last: Vec<f32> = Vec::new();
        for step in 0..STEPS {
            let Some(point) = subject.outward(&from.point, SHARE * RATIO.powi(step)) else { continue };
            let distance = norm.distance(subject.origin(), &point);
            if distance >= beaten {
                break;
            }
            if point == last {
                continue;
            }
            // The untouched model's word, and the margin.
            if subject.unspent().is_some_and(|unspent| unspent < 2) {
                return None;
            }
            let outputs = ask(Query::untouched(point.clone())).await.logits;
            if is_answer(&outputs) && predict(&outputs) != label {
                let logits = ask(Query::logits(point.clone())).await.logits;
                if is_answer(&logits) && predict(&logits) != label {
                    let margin = margin(&logits, label);
                    return Some((Candidate { point, margin, exact: true, distance, ..*from }, outputs));
                }
            }
            last = point;
        }
    }
    None
}
