use serde::{Deserialize, Serialize};

use super::apgd::{ApgdRun, STRIDE};
use super::direction::Aim;
use super::{Apgd, AttackLoss, BuiltIn, Loss, Subject};

/// MALT: Auto-PGD on the targeted difference of logits ratio, towards the classes whose boundary would be nearest if the
/// network were linear (Melamed et al. 2024, arXiv 2407.02240). Logits alone, as in `apgd-t`, do not tell how
/// steep they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Malt {
    /// Steps per target and restart.
    pub steps: usize,
    /// How often to begin anew, per target.
    pub restarts: u64,
    /// How many target classes there are, a.
    pub targets: usize,
    /// Of how many classes these are chosen, the likeliest at the sample, c.
    pub candidates: usize,
}

impl Default for Malt {
    fn default() -> Malt {
        Malt { steps: 100, restarts: 1, targets: 9, candidates: 100 }
    }
}

impl BuiltIn for Malt {
    fn name(&self) -> &str {
        "malt"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let targets = nearest_classes(subject, self.candidates).await;
        let apgd = Apgd { loss: AttackLoss::TargetedDlr, steps: self.steps, ..Apgd::default() };
        let loss = Loss::TargetedDlr.for_classes(subject.classes());
        for (class, n) in targets.into_iter().take(self.targets).zip(1..) {
            for restart in 0..self.restarts {
                let mut random = subject.random(restart * subject.classes() as u64 + n);
                let direction = Aim::Towards(loss, class, n);
                let mut ascent =
                    ApgdRun { attack: &apgd, subject, direction, eps: subject.threat().eps, stride: STRIDE };
                ascent.run_from(ascent.random_start(&mut random)).await;
            }
        }
    }
}

/// Of this many classes, the likeliest at the sample, all in the order of how far their boundary seems to be by first
/// order: the difference of logits over the dual norm of its gradient.
pub(super) async fn nearest_classes(subject: &Subject<'_>, candidates: usize) -> Vec<usize> {
    let mut classes = Vec::new();
    for class in subject.rivals().into_iter().take(candidates) {
        let answer = subject.gradient_towards(subject.origin(), Loss::LogitDifference, class).await;
        let slope = subject.threat().norm.dual_size(&answer.gradient);
        // A class whose logit does not move with the label's is out of reach.
        let distance = if slope > 0.0 { f64::from(-answer.loss) / slope } else { f64::INFINITY };
        classes.push((distance, class));
    }
    classes.sort_by(|a, b| a.0.total_cmp(&b.0));
    classes.into_iter().map(|(_, class)| class).collect()
}
