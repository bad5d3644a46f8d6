use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;

use kennard_graph::Loss;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::{margin, predict};
use crate::engine::{Answer, Oracle, Program, Query};
use crate::{Error, ThreatModel};

/// What is the same for all samples of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub threat: ThreatModel,
    pub aim: Aim,
    pub seed: u64,
    /// The most passes that an attack may spend on a sample.
    pub budget: Option<u64>,
}

/// Which points an attack is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Any that is adversarial; the attack ends there.
    First,
    /// The one of smallest margin.
    Worst,
    /// The adversarial one that is closest to the sample.
    Closest,
}

/// A sample under attack: what the attack may look at, and whom it asks.
pub struct Subject<'a> {
    prey: Prey<'a>,
    situation: Situation,
    attack: &'a str,
    oracle: Oracle,
    account: usize,
    /// Whether the surrogate answers in the model's place.
    surrogate: bool,
    forwards: Cell<u64>,
    backwards: Cell<u64>,
    zero_gradients: Cell<u64>,
    /// The best allowed points so far, the best last.
    finds: RefCell<Vec<Find>>,
    halt: RefCell<Option<Halt>>,
}

/// A correctly classified sample, as a hunt begins.
#[derive(Clone, Copy)]
pub(crate) struct Prey<'a> {
    pub origin: &'a [f32],
    pub shape: &'a [usize],
    pub label: usize,
    pub index: usize,
    /// The logits at the origin.
    pub clean: &'a [f32],
}

/// An allowed point worth keeping.
#[derive(Clone)]
pub(super) struct Find {
    pub point: Vec<f32>,
    pub margin: f32,
    pub misclassified: bool,
    /// How many points were evaluated until then, itself included.
    pub evaluation: u64,
    distance: f64,
}

/// Why an attack is kept waiting.
pub(super) enum Halt {
    /// It may have reached its aim.
    Found,
    /// Its budget is spent.
    Spent,
    /// The model's answer was no number.
    Failed(Error),
}

/// So many of the closest points are kept, in case the untouched model disagrees about the last.
const KEPT: usize = 4;

impl<'a> Subject<'a> {
    pub(super) fn new(
        attack: &'a str,
        prey: Prey<'a>,
        situation: Situation,
        account: usize,
        oracle: Oracle,
    ) -> Subject<'a> {
        Subject {
            prey,
            situation,
            attack,
            oracle,
            account,
            surrogate: false,
            forwards: Cell::new(0),
            backwards: Cell::new(0),
            zero_gradients: Cell::new(0),
            finds: RefCell::default(),
            halt: RefCell::default(),
        }
    }

    /// The surrogate's logits at the origin.
    pub(super) async fn surrogate_logits(&self) -> Vec<f32> {
        let Prey { origin, label, .. } = self.prey;
        let (program, account) = (Program::SurrogateLogits, self.account);
        let query = Query { program, points: origin.to_vec(), label, target: label, account };
        self.oracle.ask(query).await.logits
    }

    /// The same sample as another attack sees it on the surrogate, whose logits at the origin are `clean`.
    /// Nothing that is found there counts; the point of the surrogate's smallest margin is kept.
    pub(super) fn on_surrogate<'s>(&'s self, attack: &'s str, clean: &'s [f32]) -> Subject<'s> {
        let prey = Prey { clean, ..self.prey };
        let situation = Situation { aim: Aim::Worst, ..self.situation };
        let subject = Subject::new(attack, prey, situation, self.account, self.oracle.clone());
        Subject { surrogate: true, ..subject }
    }

    /// Ends the run with an error.
    pub(super) async fn fail(&self, error: Error) {
        *self.halt.borrow_mut() = Some(Halt::Failed(error));
        poll_fn(|_| Poll::<()>::Pending).await;
    }

    /// The sample itself, in the input space of the user.
    pub fn origin(&self) -> &'a [f32] {
        self.prey.origin
    }

    /// Its shape: channels, height, width for images.
    pub fn shape(&self) -> &'a [usize] {
        self.prey.shape
    }

    /// Its label.
    pub fn label(&self) -> usize {
        self.prey.label
    }

    /// What the attacker may do. For a minimum-norm attack epsilon is infinite.
    pub fn threat(&self) -> &ThreatModel {
        &self.situation.threat
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.prey.clean.len()
    }

    /// The logits at the origin.
    pub fn clean(&self) -> &'a [f32] {
        self.prey.clean
    }

    /// The classes other than the label, the likeliest at the origin first (at equal logits, the
    /// first class).
    pub fn rivals(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.classes()).filter(|&class| class != self.label()).collect();
        classes.sort_by(|&a, &b| self.prey.clean[b].total_cmp(&self.prey.clean[a]));
        classes
    }

    /// A stream of random numbers of its own for each (seed, sample, attack, restart): it does not
    /// depend on what else is computed, or when.
    pub fn random(&self, restart: u64) -> ChaCha8Rng {
        let mut hash = Sha256::new();
        for number in [self.situation.seed, self.prey.index as u64, restart] {
            hash.update(number.to_le_bytes());
        }
        hash.update(self.attack.as_bytes());
        ChaCha8Rng::from_seed(hash.finalize().into())
    }

    /// Brings a point into the threat model.
    pub fn project(&self, x: &mut [f32]) {
        self.situation.threat.project(self.origin(), x);
    }

    /// The logits at `x`.
    pub async fn logits(&self, x: &[f32]) -> Answer {
        self.ask(Program::Logits, x, self.label(), self.label()).await
    }

    /// Logits, `loss` for the class `label`, and its gradient at `x`. (The class is usually the
    /// sample's own label; a targeted attack descends the loss of its target.)
    pub async fn gradient(&self, x: &[f32], loss: Loss, label: usize) -> Answer {
        self.ask(Program::Gradient(loss), x, label, label).await
    }

    /// Logits, a targeted `loss`, and its gradient at `x`.
    pub async fn gradient_towards(&self, x: &[f32], loss: Loss, target: usize) -> Answer {
        self.ask(Program::Gradient(loss), x, self.label(), target).await
    }

    async fn ask(&self, program: Program, x: &[f32], label: usize, target: usize) -> Answer {
        let account = self.account;
        let program = if self.surrogate { program.of_surrogate() } else { program };
        let answer = self.oracle.ask(Query { program, points: x.to_vec(), label, target, account }).await;
        let count = if answer.gradient.is_empty() { &self.forwards } else { &self.backwards };
        count.set(count.get() + 1);
        self.watch(x, &answer);
        // Where the hunt may be over, the attack waits until it is told to go on, or is dropped.
        poll_fn(|_| if self.halt.borrow().is_some() { Poll::Pending } else { Poll::Ready(()) }).await;
        answer
    }

    /// Keeps the point if it is allowed and better than those before, and halts the attack where that
    /// may end it.
    fn watch(&self, x: &[f32], answer: &Answer) {
        let Prey { origin, label, index, .. } = self.prey;
        // A NaN anywhere makes the sum NaN; so do infinities of both signs, which are looked at closer.
        let sum: f32 = answer.logits.iter().chain(&answer.gradient).sum();
        if sum.is_nan() && answer.logits.iter().chain(&answer.gradient).any(|v| v.is_nan()) {
            let message = format!(
                "the model's answer at a point near sample {index} is NaN; check the model for divisions by zero or \
                 overflows on inputs within the bounds"
            );
            *self.halt.borrow_mut() = Some(Halt::Failed(Error::NotANumber(message)));
            return;
        }
        if !answer.gradient.is_empty() && answer.gradient.iter().all(|g| *g == 0.0) {
            self.zero_gradients.set(self.zero_gradients.get() + 1);
        }
        if self.situation.budget.is_some_and(|budget| self.evaluations() >= budget) {
            *self.halt.borrow_mut() = Some(Halt::Spent);
        }
        let margin = margin(&answer.logits, label);
        let misclassified = predict(&answer.logits) != label;
        let threat = &self.situation.threat;
        let mut finds = self.finds.borrow_mut();
        let distance = match self.situation.aim {
            Aim::First | Aim::Worst if finds.last().is_some_and(|best| margin >= best.margin) => return,
            Aim::First | Aim::Worst => 0.0,
            Aim::Closest if !misclassified => return,
            Aim::Closest => {
                let distance = threat.norm.distance(origin, x);
                if finds.last().is_some_and(|best| distance >= best.distance) {
                    return;
                }
                distance
            }
        };
        if !threat.admits(origin, x) {
            return;
        }
        let kept = if self.situation.aim == Aim::Closest { KEPT - 1 } else { 0 };
        let surplus = finds.len().saturating_sub(kept);
        finds.drain(..surplus);
        let evaluation = self.evaluations();
        finds.push(Find { point: x.to_vec(), margin, misclassified, evaluation, distance });
        if misclassified && self.situation.aim == Aim::First {
            *self.halt.borrow_mut() = Some(Halt::Found);
        }
    }

    fn evaluations(&self) -> u64 {
        self.forwards.get() + self.backwards.get()
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halt.borrow().is_some()
    }

    /// Why the attack was halted, if it was; it may go on.
    pub(super) fn resume(&self) -> Option<Halt> {
        self.halt.borrow_mut().take()
    }

    pub(super) fn best(&self) -> Option<Find> {
        self.finds.borrow().last().cloned()
    }

    /// The adversarial point to beat, if there is one.
    pub(super) fn adversarial(&self) -> Option<Vec<f32>> {
        self.best().filter(|find| find.misclassified).map(|find| find.point)
    }

    /// The best point was adversarial by rounding alone: it counts as classified correctly, or, where
    /// the closest is sought, not at all.
    pub(super) fn reject_best(&self) {
        let mut finds = self.finds.borrow_mut();
        match self.situation.aim {
            Aim::Closest => drop(finds.pop()),
            Aim::First | Aim::Worst => finds.iter_mut().for_each(|find| find.misclassified = false),
        }
    }

    /// Forwards, backwards (a forward and a backward pass each), and how many gradients were zero.
    pub(super) fn spent(&self) -> (u64, u64, u64) {
        (self.forwards.get(), self.backwards.get(), self.zero_gradients.get())
    }
}
