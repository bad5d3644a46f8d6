use serde::{Deserialize, Serialize};

use super::descent::range;
use super::fab::Hyperplane;
use super::{BuiltIn, MinimumNorm, Subject};
use crate::Norm;
use crate::threat::{clip, to_hyperplane};

/// DeepFool: steps to the nearest decision boundary, seen as a hyperplane, until the class changes
/// (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599, algorithm 2). In linf and l2 steps are clipped to the input's bounds; in l1,
/// where a step moves the steepest element alone, the hyperplane is reached within them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepFool {
    /// The most steps.
    pub steps: usize,
    /// How many classes are looked at in each step, the likeliest at the sample first.
    pub candidates: usize,
    /// By which share a step goes beyond the hyperplane, η.
    pub overshoot: f64,
}

impl Default for DeepFool {
    fn default() -> DeepFool {
        DeepFool { steps: 50, candidates: 9, overshoot: 0.02 }
    }
}

/// How much farther than the hyperplane a step goes at least, in units of the range, as in the authors' program: steps
/// that bounds cut short would come closer and closer and never cross.
const BEYOND: f64 = 1e-4;

impl BuiltIn for DeepFool {
    fn name(&self) -> &str {
        "deepfool"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let (norm, bounds) = (subject.threat().norm, subject.threat().bounds);
        let reach = if norm == Norm::L1 { bounds } else { [f32::NEG_INFINITY, f32::INFINITY] };
        let mut rivals = subject.rivals();
        rivals.truncate(self.candidates);
        let mut x = subject.origin().to_vec();
        for _ in 0..self.steps {
            let plane = Hyperplane::nearest(subject, &rivals, &x).await;
            let beyond = BEYOND * range(subject) * norm.dual_size(&plane.gradient);
            let step = to_hyperplane(norm, &x, plane.value - beyond, &plane.gradient, reach);
            let factor = 1.0 + self.overshoot as f32;
            x.iter_mut().zip(step).for_each(|(x, step)| *x += factor * step);
            clip(&mut x, bounds);
            if subject.logits(&x).await.prediction() != subject.label() {
                return;
            }
        }
    }
}

impl MinimumNorm for DeepFool {}
