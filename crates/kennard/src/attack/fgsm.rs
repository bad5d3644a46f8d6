use serde::{Deserialize, Serialize};

use super::steps::ascend;
use super::{Attack, Loss, Run, Subject};

/// One step of length ε along the gradient of the cross-entropy, from the sample itself
/// (Goodfellow et al. 2015, arXiv 1412.6572).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fgsm {
    /// How many target classes to step towards, the likeliest first; 0 steps away from the label.
    pub targets: usize,
}

impl Attack for Fgsm {
    fn name(&self) -> &str {
        if self.targets == 0 { "fgsm" } else { "fgsm-t" }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Run<'a> {
        Box::pin(async move {
            let threat = subject.threat();
            for goal in Goal::all(subject, self.targets) {
                let mut x = subject.origin().to_vec();
                let gradient = goal.gradient(subject, &x).await;
                ascend(threat.norm, &mut x, &gradient, threat.eps);
                subject.project(&mut x);
                subject.logits(&x).await;
            }
        })
    }
}

/// What a gradient attack climbs: away from the label, or towards a target.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// The cross-entropy of the label grows.
    Away,
    /// The cross-entropy of this class falls.
    Towards(usize),
}

impl Goal {
    /// Away from the label where no targets are asked for, else towards so many, likeliest first.
    pub fn all(subject: &Subject, targets: usize) -> Vec<Goal> {
        match targets {
            0 => vec![Goal::Away],
            n => subject.rivals().into_iter().take(n).map(Goal::Towards).collect(),
        }
    }

    /// The direction to climb at `x`: the gradient of the log-odds, whose direction is that of the
    /// cross-entropy's and which does not vanish where the classifier is confident.
    pub async fn gradient(self, subject: &Subject<'_>, x: &[f32]) -> Vec<f32> {
        match self {
            Goal::Away => subject.gradient(x, Loss::LogOdds, subject.label()).await.gradient,
            Goal::Towards(class) => {
                let mut gradient = subject.gradient(x, Loss::LogOdds, class).await.gradient;
                gradient.iter_mut().for_each(|g| *g = -*g);
                gradient
            }
        }
    }
}
