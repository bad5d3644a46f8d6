//! The best points that an attack met, and when it is halted for them.

use super::{AttackConditions, AttackedSample, Criterion, Subject};
use crate::answer::Answer;
use crate::threat::clip;

/// An allowed point that is the best so far by the [`Criterion`].
#[derive(Clone)]
pub(in crate::attack) struct Candidate {
    pub point: Vec<f32>,
    pub margin: f32,
    pub misclassified: bool,
    /// Whether both are of single precision.
    pub exact: bool,
    /// How many points were evaluated until then, itself included.
    pub evaluation: u64,
    /// Its distance from the sample, where the closest is sought.
    pub distance: f64,
}

/// Why an attack is kept waiting.
#[derive(Clone, Copy)]
pub(in crate::attack) enum Pause {
    /// It may have found what it seeks.
    Candidate,
    /// Its budget is spent.
    BudgetSpent,
}

/// How many adversarial points are kept where the closest is sought, in case the untouched model disagrees about it: those that were the
/// closest in turn, and farther ones that are adversarial by more.
const KEPT: usize = 12;

/// Drops the candidate whose neighbours are nearest to each other, the first and the last left aside: an attack that closes in
/// on the boundary meets many points within rounding of it, none of which may be adversarial.
fn thin(candidates: &mut Vec<Candidate>) {
    let gap = |i: usize| candidates[i - 1].distance / candidates[i + 1].distance.max(f64::MIN_POSITIVE);
    if let Some(least) = (1..candidates.len().saturating_sub(1)).min_by(|&i, &j| gap(i).total_cmp(&gap(j))) {
        candidates.remove(least);
    }
}

impl Subject<'_> {
    /// Keeps the point if it is allowed and better than those before, and pauses the attack where that
    /// may end it.
    pub(super) fn watch(&self, x: &[f32], answer: &Answer, exact: bool, evaluation: u64) {
        let label = self.label();
        let margin = answer.margin(label);
        let misclassified = answer.prediction() != label;
        if margin < self.lowest.get() && self.admits(x) {
            self.lowest.set(margin);
        }
        let better = self.betters(x, answer).or_else(|| if exact { self.deepens(x, answer) } else { None });
        let Some(distance) = better else { return };
        let mut candidates = self.candidates.borrow_mut();
        if self.conditions.criterion != Criterion::Closest {
            candidates.clear();
        }
        let place = candidates.partition_point(|other| other.distance > distance);
        // Of two equally far, the one that was met first is judged first.
        let candidate = Candidate { point: x.to_vec(), margin, misclassified, exact, evaluation, distance };
        candidates.insert(place, candidate);
        if candidates.len() > KEPT {
            thin(&mut candidates);
        }
        if misclassified && self.conditions.criterion == Criterion::First {
            self.pause.set(Some(Pause::Candidate));
        }
    }

    /// Whether a point looks like an adversarial one that is better than those before.
    pub(super) fn looks_adversarial(&self, x: &[f32], answer: &Answer) -> bool {
        answer.prediction() != self.label() && self.betters(x, answer).is_some()
    }

    /// The distance of a point, where that matters, if it is allowed and better than those before.
    fn betters(&self, x: &[f32], answer: &Answer) -> Option<f64> {
        let AttackedSample { origin, label, .. } = self.attacked;
        let candidates = self.candidates.borrow();
        let best = candidates.last();
        let distance = match self.conditions.criterion {
            Criterion::First | Criterion::Worst => {
                let margin = answer.margin(label);
                (!best.is_some_and(|best| margin >= best.margin)).then_some(0.0)
            }
            Criterion::Closest if answer.prediction() == label => None,
            Criterion::Closest => {
                let distance = self.conditions.threat.norm.distance(origin, x);
                (!best.is_some_and(|best| distance >= best.distance)).then_some(distance)
            }
        };
        distance.filter(|_| self.admits(x))
    }

    /// The distance of an adversarial point that is no closer than those before, if it is allowed and its margin is below those of all
    /// that are as close: it may count where rounding alone made these adversarial.
    fn deepens(&self, x: &[f32], answer: &Answer) -> Option<f64> {
        let AttackedSample { origin, label, .. } = self.attacked;
        if self.conditions.criterion != Criterion::Closest || answer.prediction() == label {
            return None;
        }
        let (margin, distance) = (answer.margin(label), self.conditions.threat.norm.distance(origin, x));
        let candidates = self.candidates.borrow();
        let mut as_close = candidates.iter().filter(|candidate| candidate.distance <= distance);
        (as_close.all(|candidate| margin < candidate.margin) && self.admits(x)).then_some(distance)
    }

    /// The allowed point that lies farther from the sample than another, in the same direction, by a share of its distance; none where
    /// that is the same point, and in a box of its own.
    pub(in crate::attack) fn outward(&self, point: &[f32], share: f64) -> Option<Vec<f32>> {
        let AttackedSample { origin, frame, valid, .. } = self.attacked;
        if frame.is_some() {
            return None;
        }
        let step = |(&o, &x): (&f32, &f32)| {
            let (o, x) = (f64::from(o), f64::from(x));
            (x + share * (x - o)) as f32
        };
        let mut farther: Vec<f32> = origin.iter().zip(point).map(step).collect();
        clip(&mut farther, self.conditions.threat.bounds);
        if let Some(valid) = valid {
            valid.snap(&mut farther, &mut *self.ties.borrow_mut());
        }
        (farther != point && self.admits(&farther)).then_some(farther)
    }

    /// Whether a point, as the model is asked about it, is allowed.
    fn admits(&self, x: &[f32]) -> bool {
        let within = match self.attacked.frame {
            Some(frame) => frame.contains(x),
            None => self.conditions.threat.admits(self.attacked.origin, x),
        };
        within && self.attacked.valid.is_none_or(|valid| valid.holds(x))
    }

    /// Where a point that the model was asked about lies for the attack.
    pub(in crate::attack) fn seen(&self, x: Vec<f32>) -> Vec<f32> {
        self.attacked.frame.map(|frame| frame.to_unit(&x)).unwrap_or(x)
    }

    pub(in crate::attack) fn is_paused(&self) -> bool {
        self.pause.get().is_some()
    }

    /// Why the attack was halted, if it was; it may go on.
    pub(in crate::attack) fn resume(&self) -> Option<Pause> {
        self.pause.take()
    }

    pub(in crate::attack) fn best(&self) -> Option<Candidate> {
        self.candidates.borrow().last().cloned()
    }

    /// How many passes of a budget are kept back for judging: where the closest point is sought and one is known, one more, for the
    /// farthest of those that are kept.
    pub(super) fn kept_back(&self) -> u64 {
        let farther = self.conditions.criterion == Criterion::Closest && !self.candidates.borrow().is_empty();
        AttackConditions::judging(self.conditions.rough) + u64::from(farther)
    }

    /// The best point, to be judged by the untouched model. The last pass of a budget goes to the farthest of those that are kept,
    /// which hardly is adversarial by rounding alone; what no pass is left to judge does not count.
    pub(in crate::attack) fn to_judge(&self) -> Option<Candidate> {
        match self.unspent() {
            Some(0) => {
                while self.best().is_some_and(|best| best.misclassified) {
                    self.reject_best();
                }
            }
            Some(1) => self.candidates.borrow_mut().truncate(1),
            _ => {}
        }
        self.best()
    }

    /// The smallest margin at an allowed point since [`Subject::forget_lowest`]; infinite where there was none.
    pub(in crate::attack) fn lowest(&self) -> f32 {
        self.lowest.get()
    }

    pub(in crate::attack) fn forget_lowest(&self) {
        self.lowest.set(f32::INFINITY);
    }

    /// The closest adversarial point so far, if there is one.
    pub(in crate::attack) fn adversarial(&self) -> Option<Vec<f32>> {
        self.best().filter(|candidate| candidate.misclassified).map(|candidate| self.seen(candidate.point))
    }

    /// The best point was adversarial by rounding alone: it counts as classified correctly, or, where
    /// the closest is sought, not at all.
    pub(in crate::attack) fn reject_best(&self) {
        let mut candidates = self.candidates.borrow_mut();
        match self.conditions.criterion {
            Criterion::Closest => drop(candidates.pop()),
            Criterion::First | Criterion::Worst => {
                candidates.iter_mut().for_each(|candidate| candidate.misclassified = false)
            }
        }
    }

    /// The best point with the margin of single precision, where a rough one alone is known; none where that is NaN.
    pub(in crate::attack) async fn settle_best(&self) {
        let Some(best) = self.best().filter(|best| !best.exact) else { return };
        let mut answer = Answer::default();
        let answered = self.correct(&best.point, &mut answer, self.label()).await;
        let mut candidates = self.candidates.borrow_mut();
        candidates.pop();
        if answered {
            let (margin, misclassified) = (answer.margin(self.label()), answer.prediction() != self.label());
            candidates.push(Candidate { margin, misclassified, exact: true, ..best });
        }
    }
}
