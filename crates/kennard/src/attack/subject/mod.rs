//! A sample under attack.

mod asking;
mod found;

use std::cell::{Cell, RefCell};

use kennard_graph::Trees;
use rand_chacha::ChaCha8Rng;

use crate::ThreatModel;
use crate::engine::{Oracle, Program, Query};
use crate::random::stream;
use crate::threat::{Frame, Valid};
pub(super) use asking::Tally;
pub(crate) use asking::mend;
pub(super) use found::{Candidate, Pause};

/// What is asked of an attack; the same for all samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttackConditions {
    pub threat: ThreatModel,
    pub criterion: Criterion,
    pub seed: u64,
    /// The most passes that an attack may spend on a sample, those included that judge what it finds.
    pub budget: Option<u64>,
    /// Whether the search is computed in less than single precision.
    pub rough: bool,
}

impl AttackConditions {
    /// Until the first adversarial point, in single precision, however long it takes.
    pub fn first(threat: ThreatModel, seed: u64) -> AttackConditions {
        AttackConditions { threat, criterion: Criterion::First, seed, budget: None, rough: false }
    }

    /// How many passes it takes to judge a point: one by the untouched model, and where the search is `rough` two before in single
    /// precision, of the point and of the best one.
    pub fn judging(rough: bool) -> u64 {
        if rough { 3 } else { 1 }
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
    conditions: AttackConditions,
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
    /// Points that were asked about again, in single precision or by the untouched model.
    checks: Cell<u64>,
    /// The smallest margin at an allowed point since it was last forgotten.
    lowest: Cell<f32>,
    /// What the attack has proved: whether there is an adversarial point, and if so, that none is closer than the closest it met.
    proved: Cell<Option<bool>>,
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

impl<'a> Subject<'a> {
    pub(super) fn new(
        attack: &'a str,
        attacked: AttackedSample<'a>,
        conditions: AttackConditions,
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
        let conditions = AttackConditions { criterion: Criterion::Worst, ..self.conditions };
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
}
