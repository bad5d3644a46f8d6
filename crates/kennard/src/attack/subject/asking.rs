//! What an attack asks, what is counted of it, and answers that it can go on with.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use kennard_graph::Loss;

use super::{Pause, Subject};
use crate::answer::{Answer, is_answer};
use crate::engine::{Query, Reply};

/// What an attack has asked, and how often the answer was of no use to it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::attack) struct Tally {
    /// Points evaluated without their gradient.
    pub forwards: u64,
    /// Points evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// Gradients that were exactly zero.
    pub zero_gradients: u64,
    /// Gradients with an entry that was not finite.
    pub non_finite_gradients: u64,
    /// Points where the answer was NaN.
    pub unanswered: u64,
}

impl Tally {
    pub fn evaluations(self) -> u64 {
        self.forwards + self.backwards
    }
}

impl Subject<'_> {
    /// The logits at `x` (`d` elements, as the sample has).
    ///
    /// # Panics
    /// When `x` has another number of elements; so do all questions.
    pub async fn logits(&self, x: &[f32]) -> Answer {
        self.ask(Query::logits(self.joined(&[x]))).await
    }

    /// The logits at each of many points: one query, whose points fill micro-batches together. Points count one by
    /// one, in order: the first that ends the run is the last that counts, and a budget is not exceeded. The others were
    /// then evaluated for nothing; some dozens at a time are enough to fill micro-batches.
    pub async fn logits_of_each(&self, points: &[Vec<f32>]) -> Vec<Answer> {
        self.ask_each(Query::logits(self.joined(points))).await
    }

    /// The logits at each of many points in the units of the sample, all valid; [`logits_of_each`](Self::logits_of_each) takes them in those
    /// of its frame.
    pub(in crate::attack) async fn logits_inside(&self, points: &[Vec<f32>]) -> Vec<Answer> {
        self.ask_each(Query::logits(points.concat())).await
    }

    /// Logits, `loss` for the class `label`, and its gradient at `x`. (The class is usually the
    /// sample's own label; a targeted attack descends the loss of its target.)
    pub async fn gradient(&self, x: &[f32], loss: Loss, label: usize) -> Answer {
        self.ask(Query::gradient(loss, self.joined(&[x]), label)).await
    }

    /// Logits, a targeted `loss`, and its gradient at `x`.
    pub async fn gradient_towards(&self, x: &[f32], loss: Loss, target: usize) -> Answer {
        self.ask(Query::gradient(loss, self.joined(&[x]), self.label()).targeting(target)).await
    }

    /// The same as [`Subject::gradient`] at each of many points; see [`Subject::logits_of_each`].
    pub async fn gradient_of_each(&self, points: &[Vec<f32>], loss: Loss, label: usize) -> Vec<Answer> {
        self.ask_each(Query::gradient(loss, self.joined(points), label)).await
    }

    /// Points row by row, as the model is asked about them: in the units of the sample, and valid.
    fn joined(&self, points: &[impl AsRef<[f32]>]) -> Vec<f32> {
        let d = self.origin().len();
        let mut rows = Vec::with_capacity(points.len() * d);
        for x in points {
            let n = x.as_ref().len();
            assert!(n == d, "the attack {} asks about a point of {n} elements, not {d}", self.attack);
            let start = rows.len();
            match self.attacked.frame {
                Some(frame) => rows.extend(frame.point(x.as_ref())),
                None => rows.extend_from_slice(x.as_ref()),
            }
            if let Some(valid) = self.attacked.valid {
                valid.snap(&mut rows[start..], &mut *self.ties.borrow_mut());
            }
        }
        rows
    }

    async fn ask(&self, query: Query) -> Answer {
        self.ask_each(query).await.pop().unwrap_or_default()
    }

    async fn ask_each(&self, mut query: Query) -> Vec<Answer> {
        let (d, label) = (self.origin().len(), query.label);
        if query.points.is_empty() {
            return Vec::new();
        }
        if let Some(left) = self.left() {
            query.points.truncate(d.saturating_mul(usize::try_from(left.max(1)).unwrap_or(usize::MAX)));
        }
        query.program = match self.surrogate {
            true => query.program.of_surrogate(),
            false if self.rough.get() => query.program.of_search(),
            false => query.program,
        };
        let mut reply = self.oracle.ask_each(query.on_account(self.account));
        let mut answers = self.heard(&mut reply).await;
        for (x, answer) in reply.points().chunks_exact(d).zip(&mut answers) {
            // Another question of the same attack may have spent what was left.
            self.go_on().await;
            if let Some(frame) = self.attacked.frame {
                frame.scale(&mut answer.gradient);
            }
            let mut answered = self.receive(answer, label);
            let evaluation = self.tally().evaluations();
            // What a rough answer takes for adversarial, the attack goes by only where it is so in single precision.
            let exact = !self.is_rough() || answered && self.looks_adversarial(x, answer);
            if exact && self.is_rough() {
                answered = self.correct(x, answer, label).await;
            }
            if answered {
                self.watch(x, answer, exact, evaluation);
            }
            self.go_on().await;
        }
        answers
    }

    /// Waits where the run may be over.
    async fn go_on(&self) {
        if self.is_spent() {
            self.pause.set(Some(Pause::BudgetSpent));
        }
        poll_fn(|_| if self.is_paused() { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    /// Waits for answers. Where the run may be over, until the attack is told to go on, or is dropped.
    async fn heard(&self, reply: &mut Reply) -> Vec<Answer> {
        poll_fn(|context| if self.is_paused() { Poll::Pending } else { Pin::new(&mut *reply).poll(context) })
            .await
    }

    /// Whether answers are of less than single precision, and matter.
    fn is_rough(&self) -> bool {
        self.rough.get() && !self.surrogate
    }

    /// From here on answers are of single precision.
    pub(in crate::attack) fn search_in_full(&self) {
        self.rough.set(false);
    }

    /// Puts the logits of single precision in place of those of an answer. False where they are NaN.
    pub(super) async fn correct(&self, x: &[f32], answer: &mut Answer, label: usize) -> bool {
        self.count_check();
        let mut reply = self.oracle.ask_each(Query::logits(x.to_vec()).on_account(self.account));
        answer.logits = self.heard(&mut reply).await.pop().unwrap_or_default().logits;
        let answered = is_answer(&answer.logits);
        if !answered {
            self.disown(answer, label);
        }
        answered
    }

    /// Counts an answer, and makes it one that an attack can go on with. False where it was NaN.
    fn receive(&self, answer: &mut Answer, label: usize) -> bool {
        let mut tally = self.tally();
        let asks_gradient = !answer.gradient.is_empty();
        tally.forwards += u64::from(!asks_gradient);
        tally.backwards += u64::from(asks_gradient);
        // A sum of finite numbers may overflow, but one that is finite is of nothing else.
        let sum: f32 = answer.logits.iter().chain([&answer.loss]).chain(&answer.gradient).sum();
        let answered = sum.is_finite() || is_answer(&answer.logits);
        if answered && asks_gradient {
            if answer.loss.is_nan() {
                answer.loss = self.worst(label);
            }
            if !sum.is_finite() && mend(&mut answer.gradient) {
                tally.non_finite_gradients += 1;
            } else if answer.gradient.iter().all(|g| *g == 0.0) {
                tally.zero_gradients += 1;
            }
        }
        self.tally.set(tally);
        if !answered {
            self.disown(answer, label);
        }
        answered
    }

    /// The loss that no attack likes: that of the sample's label and targeted ones are ascended, that of another label is
    /// descended.
    fn worst(&self, label: usize) -> f32 {
        if label == self.label() { f32::NEG_INFINITY } else { f32::INFINITY }
    }

    /// Makes an answer that is NaN one that an attack has no reason to like.
    fn disown(&self, answer: &mut Answer, label: usize) {
        let mut tally = self.tally();
        tally.unanswered += 1;
        self.tally.set(tally);
        answer.logits.fill(f32::NEG_INFINITY);
        if let Some(z) = answer.logits.get_mut(self.label()) {
            *z = f32::INFINITY;
        }
        answer.loss = if answer.gradient.is_empty() { 0.0 } else { self.worst(label) };
        answer.gradient.fill(0.0);
    }

    /// How many points were asked about again, in single precision or by the untouched model.
    pub(in crate::attack) fn checks(&self) -> u64 {
        self.checks.get()
    }

    /// Counts a point that was asked about again.
    pub(in crate::attack) fn count_check(&self) {
        self.checks.set(self.checks.get() + 1);
    }

    /// How many passes of the budget are left, where there is one.
    pub(in crate::attack) fn unspent(&self) -> Option<u64> {
        let spent = self.tally().evaluations() + self.checks();
        self.conditions.budget.map(|budget| budget.saturating_sub(spent))
    }

    /// How many of them are left to search with: some are kept back to judge what is found.
    fn left(&self) -> Option<u64> {
        let kept_back = || if self.surrogate { 0 } else { self.kept_back() };
        self.unspent().map(|unspent| unspent.saturating_sub(kept_back()))
    }

    /// Whether no pass is left to search with.
    pub(in crate::attack) fn is_spent(&self) -> bool {
        self.left() == Some(0)
    }

    pub(in crate::attack) fn tally(&self) -> Tally {
        self.tally.get()
    }

    /// Adds the useless answers that an attack on the surrogate got in this one's name.
    pub(in crate::attack) fn add_faults(&self, of: Tally) {
        let mut tally = self.tally();
        tally.non_finite_gradients += of.non_finite_gradients;
        tally.unanswered += of.unanswered;
        self.tally.set(tally);
    }
}

/// Makes the entries of a gradient finite: an infinite one becomes the largest number of its sign, beside which
/// the others vanish as they do in the limit; NaN, which says nothing, becomes zero. Returns whether there was
/// one.
pub(crate) fn mend(gradient: &mut [f32]) -> bool {
    let mut mended = false;
    for g in gradient.iter_mut().filter(|g| !g.is_finite()) {
        *g = if g.is_nan() { 0.0 } else { g.clamp(f32::MIN, f32::MAX) };
        mended = true;
    }
    mended
}
