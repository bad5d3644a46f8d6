use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use kennard_graph::{Loss, Trees};
use rand_chacha::ChaCha8Rng;

use crate::ThreatModel;
use crate::answer::{Answer, is_answer};
use crate::engine::{Oracle, Program, Query, Reply};
use crate::random::stream;
use crate::threat::{Frame, Valid};

/// What is asked of an attack; the same for all samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub threat: ThreatModel,
    pub criterion: Criterion,
    pub seed: u64,
    /// The most passes that an attack may spend on a sample.
    pub budget: Option<u64>,
    /// Whether the search is computed in less than single precision.
    pub rough: bool,
}

impl Conditions {
    /// Until the first adversarial point, in single precision, however long it takes.
    pub fn first(threat: ThreatModel, seed: u64) -> Conditions {
        Conditions { threat, criterion: Criterion::First, seed, budget: None, rough: false }
    }
}

/// Which point an attack is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Criterion {
    /// Any that is adversarial; the attack ends there.
    First,
    /// The one of smallest margin.
    Worst,
    /// The adversarial one that is closest to the sample.
    Closest,
}

/// A sample under attack: what the attack may look at, and whom it asks.
///
/// Gradients come with finite entries: in place of an infinite one stands the largest number of its sign, in place
/// of NaN zero. Where the model's answer itself is NaN, an attack is told of a point that it has no reason to
/// like: the label certain, the loss as bad as can be, no slope; such a point never counts as adversarial.
pub struct Subject<'a> {
    attacked: AttackedSample<'a>,
    conditions: Conditions,
    attack: &'a str,
    oracle: Oracle,
    account: usize,
    /// Whether the surrogate answers in the model's place.
    surrogate: bool,
    tally: Cell<Tally>,
    /// The best allowed points so far, the best last.
    candidates: RefCell<Vec<Candidate>>,
    pause: Cell<Option<Pause>>,
    /// Decides between valid points that are equally near.
    ties: RefCell<ChaCha8Rng>,
    /// Whether answers may be of less than single precision.
    rough: Cell<bool>,
    /// Points that were asked about again, in single precision.
    checks: Cell<u64>,
    /// The smallest margin at an allowed point since it was last forgotten.
    lowest: Cell<f32>,
    /// What the attack has proved: whether there is an adversarial point, and if so, that none is closer than the closest it met.
    proved: Cell<Option<bool>>,
}

/// What an attack has asked, and how often the answer was of no use to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
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

/// A correctly classified sample that is attacked.
#[derive(Clone, Copy)]
pub(crate) struct AttackedSample<'a> {
    pub origin: &'a [f32],
    pub shape: &'a [usize],
    pub label: usize,
    pub index: usize,
    /// The logits at the origin.
    pub clean: &'a [f32],
    /// The sample's own box, of which attacks see the unit cube: `origin` is a place there.
    pub frame: Option<Frame<'a>>,
    /// The points that the model is asked about, where not all are valid.
    pub valid: Option<&'a Valid<'a>>,
    /// The trees that the model's answer follows from, where it is an ensemble of them.
    pub trees: Option<&'a Trees>,
}

impl<'a> AttackedSample<'a> {
    /// One without a box of its own, all of whose points are valid.
    pub fn new(
        origin: &'a [f32],
        shape: &'a [usize],
        label: usize,
        index: usize,
        clean: &'a [f32],
    ) -> AttackedSample<'a> {
        AttackedSample { origin, shape, label, index, clean, frame: None, valid: None, trees: None }
    }
}

/// An allowed point that is the best so far by the [`Criterion`].
#[derive(Clone)]
pub(super) struct Candidate {
    pub point: Vec<f32>,
    pub margin: f32,
    pub misclassified: bool,
    /// Whether both are of single precision.
    pub exact: bool,
    /// How many points were evaluated until then, itself included.
    pub evaluation: u64,
    distance: f64,
}

/// Why an attack is kept waiting.
#[derive(Clone, Copy)]
pub(super) enum Pause {
    /// It may have found what it seeks.
    Candidate,
    /// Its budget is spent.
    BudgetSpent,
}

/// How many of the closest points are kept, in case the untouched model disagrees about the last.
const KEPT: usize = 4;

impl<'a> Subject<'a> {
    pub(super) fn new(
        attack: &'a str,
        attacked: AttackedSample<'a>,
        conditions: Conditions,
        account: usize,
        oracle: Oracle,
    ) -> Subject<'a> {
        Subject {
            attacked,
            conditions,
            attack,
            oracle,
            account,
            surrogate: false,
            tally: Cell::default(),
            candidates: RefCell::default(),
            pause: Cell::default(),
            ties: RefCell::new(stream(conditions.seed, &[attacked.index as u64], &format!("{attack}, ties"))),
            rough: Cell::new(conditions.rough),
            checks: Cell::default(),
            lowest: Cell::new(f32::INFINITY),
            proved: Cell::default(),
        }
    }

    /// The surrogate's logits at the origin.
    pub(super) async fn surrogate_logits(&self) -> Vec<f32> {
        let AttackedSample { origin, label, .. } = self.attacked;
        let query = Query::new(Program::SurrogateLogits, origin.to_vec(), label);
        self.oracle.ask(query.on_account(self.account)).await.logits
    }

    /// The same sample as another attack sees it on the surrogate, whose logits at the origin are `clean`.
    /// Nothing that is found there counts; the point of the surrogate's smallest margin is kept.
    pub(super) fn on_surrogate<'s>(&'s self, attack: &'s str, clean: &'s [f32]) -> Subject<'s> {
        let attacked = AttackedSample { clean, ..self.attacked };
        let conditions = Conditions { criterion: Criterion::Worst, ..self.conditions };
        let subject = Subject::new(attack, attacked, conditions, self.account, self.oracle.clone());
        Subject { surrogate: true, ..subject }
    }

    /// The sample itself, in the input space of the user.
    pub fn origin(&self) -> &'a [f32] {
        self.attacked.origin
    }

    /// Its shape: channels, height, width for images.
    pub fn shape(&self) -> &'a [usize] {
        self.attacked.shape
    }

    /// Its label.
    pub fn label(&self) -> usize {
        self.attacked.label
    }

    /// What the attacker may do. For a minimum-norm attack epsilon is infinite.
    pub fn threat(&self) -> &ThreatModel {
        &self.conditions.threat
    }

    /// The trees that the model's answer follows from, if it is an ensemble of trees.
    pub fn trees(&self) -> Option<&'a Trees> {
        self.attacked.trees
    }

    /// Says that nothing is left to look for, where [`Attack::proves`](super::Attack::proves): there is no adversarial point, or, if
    /// `broken`, none that is closer than the closest that the model was asked about.
    pub fn prove(&self, broken: bool) {
        self.proved.set(Some(broken));
    }

    /// What the attack said by [`Subject::prove`].
    pub(super) fn proved(&self) -> Option<bool> {
        self.proved.get()
    }

    /// All that is known of the sample.
    pub(super) fn sample(&self) -> AttackedSample<'a> {
        self.attacked
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.attacked.clean.len()
    }

    /// The logits at the origin.
    pub fn clean(&self) -> &'a [f32] {
        self.attacked.clean
    }

    /// The classes other than the label, the likeliest at the origin first (at equal logits, the
    /// first class).
    pub fn rivals(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.classes()).filter(|&class| class != self.label()).collect();
        classes.sort_by(|&a, &b| self.attacked.clean[b].total_cmp(&self.attacked.clean[a]));
        classes
    }

    /// A stream of random numbers of its own for each (seed, sample, attack, restart): it does not
    /// depend on what else is computed, or when.
    pub fn random(&self, restart: u64) -> ChaCha8Rng {
        stream(self.conditions.seed, &[self.attacked.index as u64, restart], self.attack)
    }

    /// Brings a point into the threat model.
    pub fn project(&self, x: &mut [f32]) {
        self.conditions.threat.project(self.origin(), x);
        // A box of its own has its valid points drawn in.
        if let Some(valid) = self.attacked.valid.filter(|_| self.attacked.frame.is_none()) {
            valid.clip(x);
        }
    }

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

    /// The same at points in the units of the sample, all valid, where the others are in those of its frame.
    pub(super) async fn logits_inside(&self, points: &[Vec<f32>]) -> Vec<Answer> {
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
        if let Some(budget) = self.conditions.budget {
            let left = budget.saturating_sub(self.tally().evaluations()).max(1);
            query.points.truncate(d.saturating_mul(usize::try_from(left).unwrap_or(usize::MAX)));
        }
        query.program = match self.surrogate {
            true => query.program.of_surrogate(),
            false if self.rough.get() => query.program.of_search(),
            false => query.program,
        };
        let mut reply = self.oracle.ask_each(query.on_account(self.account));
        let mut answers = self.heard(&mut reply).await;
        for (x, answer) in reply.points().chunks_exact(d).zip(&mut answers) {
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
            if self.conditions.budget.is_some_and(|budget| self.tally().evaluations() >= budget) {
                self.pause.set(Some(Pause::BudgetSpent));
            }
            poll_fn(|_| if self.is_paused() { Poll::Pending } else { Poll::Ready(()) }).await;
        }
        answers
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
    pub(super) fn search_in_full(&self) {
        self.rough.set(false);
    }

    /// Puts the logits of single precision in place of those of an answer. False where they are NaN.
    async fn correct(&self, x: &[f32], answer: &mut Answer, label: usize) -> bool {
        self.checks.set(self.checks.get() + 1);
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

    /// Keeps the point if it is allowed and better than those before, and pauses the attack where that
    /// may end it.
    fn watch(&self, x: &[f32], answer: &Answer, exact: bool, evaluation: u64) {
        let label = self.label();
        let margin = answer.margin(label);
        let misclassified = answer.prediction() != label;
        if margin < self.lowest.get() && self.admits(x) {
            self.lowest.set(margin);
        }
        let Some(distance) = self.betters(x, answer) else { return };
        let mut candidates = self.candidates.borrow_mut();
        let kept = if self.conditions.criterion == Criterion::Closest { KEPT - 1 } else { 0 };
        let surplus = candidates.len().saturating_sub(kept);
        candidates.drain(..surplus);
        candidates.push(Candidate { point: x.to_vec(), margin, misclassified, exact, evaluation, distance });
        if misclassified && self.conditions.criterion == Criterion::First {
            self.pause.set(Some(Pause::Candidate));
        }
    }

    /// Whether a point looks like an adversarial one that is better than those before.
    fn looks_adversarial(&self, x: &[f32], answer: &Answer) -> bool {
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

    /// Whether a point, as the model is asked about it, is allowed.
    fn admits(&self, x: &[f32]) -> bool {
        let within = match self.attacked.frame {
            Some(frame) => frame.contains(x),
            None => self.conditions.threat.admits(self.attacked.origin, x),
        };
        within && self.attacked.valid.is_none_or(|valid| valid.holds(x))
    }

    /// Where a point that the model was asked about lies for the attack.
    pub(super) fn seen(&self, x: Vec<f32>) -> Vec<f32> {
        self.attacked.frame.map(|frame| frame.to_unit(&x)).unwrap_or(x)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.get().is_some()
    }

    /// Why the attack was halted, if it was; it may go on.
    pub(super) fn resume(&self) -> Option<Pause> {
        self.pause.take()
    }

    pub(super) fn best(&self) -> Option<Candidate> {
        self.candidates.borrow().last().cloned()
    }

    /// The smallest margin at an allowed point since [`Subject::forget_lowest`]; infinite where there was none.
    pub(super) fn lowest(&self) -> f32 {
        self.lowest.get()
    }

    pub(super) fn forget_lowest(&self) {
        self.lowest.set(f32::INFINITY);
    }

    /// The closest adversarial point so far, if there is one.
    pub(super) fn adversarial(&self) -> Option<Vec<f32>> {
        self.best().filter(|candidate| candidate.misclassified).map(|candidate| self.seen(candidate.point))
    }

    /// The best point was adversarial by rounding alone: it counts as classified correctly, or, where
    /// the closest is sought, not at all.
    pub(super) fn reject_best(&self) {
        let mut candidates = self.candidates.borrow_mut();
        match self.conditions.criterion {
            Criterion::Closest => drop(candidates.pop()),
            Criterion::First | Criterion::Worst => {
                candidates.iter_mut().for_each(|candidate| candidate.misclassified = false)
            }
        }
    }

    /// The best point with the margin of single precision, where a rough one alone is known; none where that is NaN.
    pub(super) async fn settle_best(&self) {
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

    /// How many points were asked about again, in single precision.
    pub(super) fn checks(&self) -> u64 {
        self.checks.get()
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.get()
    }

    /// Adds the useless answers that an attack on the surrogate got in this one's name.
    pub(super) fn add_faults(&self, of: Tally) {
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
