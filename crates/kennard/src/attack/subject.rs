use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;

use kennard_graph::Loss;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::{Attack, margin, predict};
use crate::engine::{Answer, Oracle, Program, Query};
use crate::{Error, Result, ThreatModel};

/// What is the same for all samples of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub threat: ThreatModel,
    pub seed: u64,
    /// Go on after the first adversarial point, for the worst one.
    pub full: bool,
}

/// A sample under attack: what the attack may look at, and whom it asks.
pub struct Subject<'a> {
    origin: &'a [f32],
    label: usize,
    index: usize,
    clean: &'a [f32],
    situation: Situation,
    attack: &'a str,
    account: usize,
    oracle: Oracle,
    evaluations: Cell<u64>,
    zero_gradients: Cell<u64>,
    worst: RefCell<Option<Worst>>,
    halted: Cell<bool>,
    failure: RefCell<Option<Error>>,
}

/// The allowed point with the smallest margin so far.
#[derive(Clone)]
struct Worst {
    point: Vec<f32>,
    margin: f32,
    misclassified: bool,
    evaluation: u64,
}

/// What an attack achieved on a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether an adversarial point was found.
    pub broken: bool,
    /// The smallest margin `z_y − max_{j≠y} z_j` at an allowed point.
    pub margin: f32,
    /// The adversarial point, if one was found.
    pub adversarial: Option<Vec<f32>>,
    /// How many points were evaluated before that of smallest margin, itself included.
    pub found_after: u64,
    /// How many points were evaluated.
    pub evaluations: u64,
    /// How many gradients were exactly zero.
    pub zero_gradients: u64,
    /// Whether a point was misclassified in the attacked graph and not by the untouched model.
    pub disputed: bool,
}

impl<'a> Subject<'a> {
    /// The sample itself, in the input space of the user.
    pub fn origin(&self) -> &'a [f32] {
        self.origin
    }

    /// Its label.
    pub fn label(&self) -> usize {
        self.label
    }

    /// What the attacker may do.
    pub fn threat(&self) -> &ThreatModel {
        &self.situation.threat
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.clean.len()
    }

    /// The classes other than the label, the likeliest at the origin first (at equal logits, the
    /// first class).
    pub fn rivals(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.classes()).filter(|&class| class != self.label).collect();
        classes.sort_by(|&a, &b| self.clean[b].total_cmp(&self.clean[a]));
        classes
    }

    /// A stream of random numbers of its own for each (seed, sample, attack, restart): it does not
    /// depend on what else is computed, or when.
    pub fn random(&self, restart: u64) -> ChaCha8Rng {
        let mut hash = Sha256::new();
        for number in [self.situation.seed, self.index as u64, restart] {
            hash.update(number.to_le_bytes());
        }
        hash.update(self.attack.as_bytes());
        ChaCha8Rng::from_seed(hash.finalize().into())
    }

    /// Brings a point into the threat model.
    pub fn project(&self, x: &mut [f32]) {
        self.situation.threat.project(self.origin, x);
    }

    /// The logits at `x`.
    pub async fn logits(&self, x: &[f32]) -> Answer {
        self.ask(Program::Logits, x, self.label, self.label).await
    }

    /// Logits, `loss` for the class `label`, and its gradient at `x`. (The class is usually the
    /// sample's own label; a targeted attack descends the loss of its target.)
    pub async fn gradient(&self, x: &[f32], loss: Loss, label: usize) -> Answer {
        self.ask(Program::Gradient(loss), x, label, label).await
    }

    /// Logits, a targeted `loss`, and its gradient at `x`.
    pub async fn gradient_towards(&self, x: &[f32], loss: Loss, target: usize) -> Answer {
        self.ask(Program::Gradient(loss), x, self.label, target).await
    }

    async fn ask(&self, program: Program, x: &[f32], label: usize, target: usize) -> Answer {
        let account = self.account;
        let answer = self.oracle.ask(Query { program, points: x.to_vec(), label, target, account }).await;
        self.evaluations.set(self.evaluations.get() + 1);
        self.watch(x, &answer);
        // Where the hunt may be over, the attack waits until it is told to go on, or is dropped.
        poll_fn(|_| if self.halted.get() { Poll::Pending } else { Poll::Ready(()) }).await;
        answer
    }

    /// Keeps the allowed point of smallest margin, and halts the attack when it is misclassified.
    fn watch(&self, x: &[f32], answer: &Answer) {
        if answer.logits.iter().chain(&answer.gradient).any(|v| v.is_nan()) {
            let message = format!(
                "the model's answer at a point near sample {} is NaN; check the model for divisions by zero or \
                 overflows on inputs within the bounds",
                self.index
            );
            *self.failure.borrow_mut() = Some(Error::NotANumber(message));
            self.halted.set(true);
            return;
        }
        if !answer.gradient.is_empty() && answer.gradient.iter().all(|g| *g == 0.0) {
            self.zero_gradients.set(self.zero_gradients.get() + 1);
        }
        let margin = margin(&answer.logits, self.label);
        let mut worst = self.worst.borrow_mut();
        if worst.as_ref().is_some_and(|worst| margin >= worst.margin) {
            return;
        }
        if !self.situation.threat.admits(self.origin, x) {
            return;
        }
        let misclassified = predict(&answer.logits) != self.label;
        let evaluation = self.evaluations.get();
        *worst = Some(Worst { point: x.to_vec(), margin, misclassified, evaluation });
        self.halted.set(misclassified && !self.situation.full);
    }
}

/// A correctly classified sample, as a hunt begins.
pub(crate) struct Prey<'a> {
    pub origin: &'a [f32],
    pub label: usize,
    pub index: usize,
    /// The logits at the origin.
    pub clean: &'a [f32],
}

/// Runs an attack on a sample until it ends or breaks it.
pub(crate) async fn hunt(
    attack: &dyn Attack,
    prey: Prey<'_>,
    situation: Situation,
    account: usize,
    oracle: Oracle,
) -> Result<Verdict> {
    let Prey { origin, label, index, clean } = prey;
    let subject = Subject {
        origin,
        label,
        index,
        clean,
        situation,
        attack: attack.name(),
        account,
        oracle: oracle.clone(),
        evaluations: Cell::new(0),
        zero_gradients: Cell::new(0),
        worst: RefCell::default(),
        halted: Cell::new(false),
        failure: RefCell::default(),
    };
    let mut run = attack.run(&subject);
    let mut disputed = false;
    loop {
        let ended = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if subject.halted.get() => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        })
        .await;
        if let Some(error) = subject.failure.take() {
            return Err(error);
        }
        let worst = subject.worst.borrow().clone();
        let mut verdict = Verdict {
            broken: false,
            margin: worst.as_ref().map_or_else(|| margin(clean, label), |worst| worst.margin),
            adversarial: None,
            found_after: worst.as_ref().map_or(0, |worst| worst.evaluation),
            evaluations: subject.evaluations.get(),
            zero_gradients: subject.zero_gradients.get(),
            disputed,
        };
        if let Some(worst) = worst.filter(|worst| worst.misclassified) {
            let points = worst.point.clone();
            let query = Query { program: Program::Untouched, points, label, target: label, account };
            let answer = oracle.ask(query).await;
            if predict(&answer.logits) != label {
                verdict.broken = true;
                verdict.adversarial = Some(worst.point);
                return Ok(verdict);
            }
            // Rounding alone made this point adversarial; a better one may come.
            disputed = true;
            if let Some(kept) = subject.worst.borrow_mut().as_mut() {
                kept.misclassified = false;
            }
        }
        if ended {
            verdict.disputed = disputed;
            return Ok(verdict);
        }
        subject.halted.set(false);
    }
}
