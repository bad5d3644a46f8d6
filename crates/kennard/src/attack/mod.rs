//! Attacks, each written for one sample as if it were alone.
//!
//! An attack is an asynchronous function: it asks its [`Subject`] for logits and gradients at points
//! of its choice and awaits the answers; the engine puts the questions of many samples into one
//! micro-batch. An attack returns no verdict. Every point it asks about is watched: a point counts as
//! adversarial if it is misclassified, lies within the threat model, and the untouched model agrees.
//! The attack is dropped at that moment.
//!
//! The gradients that an attack sees are finite, and its answers are numbers: what the model gives otherwise is
//! [mended](Subject) and counted.
//!
//! Independent points are best asked about together ([`Subject::logits_of_each`]), and independent questions side by side
//! ([`join`]). Random numbers come from [`Subject::random`] alone, so that a result is the same with any number of threads. An
//! error ends the whole audit, and names the attack and the sample.
//!
//! ```
//! use kennard::attack::{Answer, Attack, Loss, Search, Subject, Trial};
//! use kennard::{Norm, ThreatModel};
//!
//! /// Steps along the gradient once, in input units of its length.
//! struct Steepest;
//!
//! impl Attack for Steepest {
//!     fn name(&self) -> &str {
//!         "steepest"
//!     }
//!
//!     fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
//!         Box::pin(async move {
//!             let mut x = subject.origin().to_vec();
//!             let answer = subject.gradient(&x, Loss::Margin, subject.label()).await;
//!             for (x, g) in x.iter_mut().zip(&answer.gradient) {
//!                 *x += g;
//!             }
//!             subject.project(&mut x);
//!             subject.logits(&x).await;
//!             Ok(())
//!         })
//!     }
//! }
//!
//! // A function in place of a model: class 0 where the first element is below 0.6. The margin loss of class 0 is −2z.
//! let trial = Trial::new(&[0.5, 0.5], 0, ThreatModel::new(Norm::L2, 0.2)?);
//! let verdict = trial.run(&Steepest, |asked| {
//!     let z = 0.6 - asked.point[0];
//!     Answer::new(vec![z, -z]).with_gradient(-2.0 * z, vec![2.0, 0.0])
//! })?;
//! assert!(verdict.broken);
//! assert_eq!((verdict.backwards, verdict.forwards), (1, 2));
//! # Ok::<(), kennard::Error>(())
//! ```

mod alma;
mod apgd;
mod best;
mod carlini_wagner;
mod ddn;
mod deep_fool;
mod descent;
mod direction;
mod fab;
mod fgsm;
mod fmn;
mod hop_skip_jump;
mod image;
mod join;
mod leaves;
mod malt;
mod minimal_apgd;
mod named;
mod pdpgd;
mod pgd;
mod put_back;
mod runner;
mod sigma_zero;
mod square;
mod steps;
mod strongest;
mod subject;
mod transfer;
mod trial;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;

use crate::Norm;
pub use crate::answer::Answer;
pub use alma::Alma;
pub use apgd::Apgd;
pub use best::Best;
pub use carlini_wagner::CarliniWagner;
pub use ddn::Ddn;
pub use deep_fool::DeepFool;
pub(crate) use direction::Aim;
pub use direction::AttackLoss;
pub use fab::Fab;
pub use fgsm::Fgsm;
pub use fmn::Fmn;
pub use hop_skip_jump::HopSkipJump;
pub use join::join;
pub use kennard_graph::Loss;
pub use leaves::Leaves;
pub use malt::Malt;
pub use minimal_apgd::MinimalApgd;
pub use named::{Parameters, Version, attack, minimum_norm};
pub use pdpgd::Pdpgd;
pub use pgd::Pgd;
pub use rand_chacha::ChaCha8Rng;
pub use runner::{Adversarial, Verdict};
pub(crate) use runner::{run_attack, stays_correct};
pub use sigma_zero::SigmaZero;
pub use square::Square;
pub(crate) use steps::{ascend_within, largest, start_in_ball};
pub use strongest::Strongest;
pub use subject::Subject;
pub(crate) use subject::{AttackConditions, AttackedSample, Criterion, mend};
pub use transfer::Transfer;
pub use trial::{Asked, Trial};

/// An attack's search, under way. An error ends the whole audit, with the names of attack and sample.
pub type Search<'a> = Pin<Box<dyn Future<Output = Result<(), AttackError>> + 'a>>;

/// An attack's own error, of any kind.
pub type AttackError = Box<dyn std::error::Error + Send + Sync>;

/// A search for adversarial points around one sample.
pub trait Attack: Send + Sync {
    /// The name in reports and files; with the seed and the sample it keys the random numbers.
    fn name(&self) -> &str;

    /// The settings, for the record of a run.
    fn settings(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// The norms that it is made for.
    fn norms(&self) -> &[Norm] {
        &[Norm::Linf, Norm::L2, Norm::L1]
    }

    /// Whether it asks for the gradient of the attacked model.
    fn needs_gradient(&self) -> bool {
        true
    }

    /// Whether it goes by the [trees](Subject::trees) of the model, and so works on tree ensembles alone.
    fn needs_trees(&self) -> bool {
        false
    }

    /// Whether it can [prove](Subject::prove) its answer: that there is no adversarial point, or none that is closer.
    fn proves(&self) -> bool {
        false
    }

    /// Whether it searches as well in bfloat16, where it may: an attack that climbs a loss does; one that goes by small differences
    /// of margins, or by how far the boundary is, had better not.
    fn searches_roughly(&self) -> bool {
        self.needs_gradient()
    }

    /// Searches around one sample, by asking `subject`. Await nothing else.
    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a>;
}

/// An attack of this crate: its fields are its settings, and it has no errors of its own.
trait BuiltIn: Serialize + Send + Sync {
    const NORMS: &'static [Norm] = &[Norm::Linf, Norm::L2, Norm::L1];
    const NEEDS_GRADIENT: bool = true;
    const SEARCHES_ROUGHLY: bool = Self::NEEDS_GRADIENT;

    fn name(&self) -> &str;

    async fn search<'a>(&'a self, subject: &'a Subject<'a>);
}

impl<A: BuiltIn> Attack for A {
    fn name(&self) -> &str {
        BuiltIn::name(self)
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn norms(&self) -> &[Norm] {
        A::NORMS
    }

    fn needs_gradient(&self) -> bool {
        A::NEEDS_GRADIENT
    }

    fn searches_roughly(&self) -> bool {
        A::SEARCHES_ROUGHLY
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            self.search(subject).await;
            Ok(())
        })
    }
}

/// An attack that seeks the adversarial point closest to the sample, and needs no epsilon to do so: the
/// [threat model](Subject::threat) may say that it is infinite. It gives each sample's distance to the
/// decision boundary (from above), and so robust accuracy at every epsilon. Under a finite epsilon it
/// ends at the first adversarial point within, like any attack.
pub trait MinimumNorm: Attack {}
