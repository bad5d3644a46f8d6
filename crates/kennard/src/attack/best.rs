use serde::{Deserialize, Serialize};

use super::put_back::put_back;
use super::{Alma, BuiltIn, Ddn, DeepFool, Fab, Fmn, MinimalApgd, MinimumNorm, Pdpgd, SigmaZero, Subject};
use crate::Norm;

/// The smallest perturbation over all minimum-norm attacks that use gradients and work in the norm, each begun at the sample;
/// then rounds of walks from the closest adversarial point so far, as long as they come closer. In l0 changed elements
/// are put back in the end where the point stays adversarial, as σ-zero does by itself.
///
/// Carlini and Wagner's attack and HopSkipJump are left out: each takes more passes than all others together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Best {
    /// The most rounds of walks from the closest point.
    pub rounds: usize,
}

impl Default for Best {
    fn default() -> Best {
        Best { rounds: 3 }
    }
}

/// Rounds go on as long as one comes closer by this share.
const WORTH: f64 = 1e-3;

impl BuiltIn for Best {
    const NORMS: &'static [Norm] = &[Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

    fn name(&self) -> &str {
        "best"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let norm = subject.threat().norm;
        match norm {
            Norm::L0 => SigmaZero::default().search(subject).await,
            _ => {
                // From random points, as long as no other is known.
                MinimalApgd::default().search(subject).await;
                DeepFool::default().search(subject).await;
                Pdpgd::default().search(subject).await;
                towards_each(subject).await;
            }
        }
        Fmn::default().search(subject).await;
        if norm == Norm::L2 {
            Ddn::default().search(subject).await;
        }
        if Alma::NORMS.contains(&norm) {
            Alma::default().search(subject).await;
        }
        for _ in 0..self.rounds {
            let Some(closest) = subject.adversarial() else { return };
            let before = norm.distance(subject.origin(), &closest);
            from(subject, closest, before).await;
            let after = subject.adversarial().map_or(before, |x| norm.distance(subject.origin(), &x));
            if after > (1.0 - WORTH) * before {
                break;
            }
        }
        match norm {
            Norm::L0 => put_back(subject).await,
            // It begins at the closest point by itself now.
            _ => MinimalApgd::default().search(subject).await,
        }
    }
}

impl MinimumNorm for Best {}

/// How many classes are gone to.
const CLASSES: usize = 9;

/// FAB's and FMN's walks from the sample: towards the nearest of the likeliest classes, and towards each of them.
async fn towards_each(subject: &Subject<'_>) {
    let (fab, fmn) = (Fab::default(), Fmn::default());
    let mut rivals = subject.rivals();
    rivals.truncate(CLASSES);
    fab.walk(subject, &rivals, subject.origin().to_vec(), f64::INFINITY).await;
    for class in rivals {
        let start = || subject.origin().to_vec();
        fab.walk(subject, &[class], start(), f64::INFINITY).await;
        fmn.walk(subject, Some(class), start(), f64::INFINITY).await;
    }
}

/// Walks from an adversarial point this far away.
async fn from(subject: &Subject<'_>, start: Vec<f32>, distance: f64) {
    let fmn = Fmn::default();
    let class = subject.logits(&start).await.prediction();
    for target in [None, Some(class)] {
        fmn.walk(subject, target, start.clone(), distance).await;
    }
    let norm = subject.threat().norm;
    if norm != Norm::L0 {
        Fab::default().walk(subject, &[class], start.clone(), distance).await;
    }
    if norm == Norm::L2 {
        let random = subject.random(1);
        Ddn::default().walk(subject, Some(class), start, distance, random).await;
    }
}
