use serde::{Deserialize, Serialize};

use super::descent::{Adam, lead, range, targets};
use super::{Answer, BuiltIn, MinimumNorm, Subject};
use crate::Norm;
use crate::threat::clip;

/// Carlini and Wagner's l2 attack: Adam descends `‖δ‖² + c · max(z_y − max_{j≠y} z_j, 0)`, the bounds kept
/// by a tanh, and c is sought by bisection (Carlini & Wagner 2017, arXiv 1608.04644, section VI.A).
/// Perturbations are in units of the input's range. The constants are in units of the logits: where those are much
/// smaller than 1, `initial_const` must be larger by as much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CarliniWagner {
    /// The most steps for each c; it ends where the loss no longer falls within a tenth of them.
    pub steps: usize,
    /// How many target classes have a search of their own, the likeliest first; 0 goes after any other class.
    pub targets: usize,
    /// Adam's learning rate, in tanh space.
    pub learning_rate: f64,
    /// The first c.
    pub initial_const: f64,
    /// How many c are tried: ten times the last one until an adversarial point is found, then by bisection.
    pub search_steps: usize,
}

impl Default for CarliniWagner {
    fn default() -> CarliniWagner {
        CarliniWagner {
            steps: 10_000,
            targets: 0,
            learning_rate: 0.01,
            initial_const: 0.001,
            search_steps: 9,
        }
    }
}

impl BuiltIn for CarliniWagner {
    const NORMS: &'static [Norm] = &[Norm::L2];

    fn name(&self) -> &str {
        if self.targets == 0 { "carlini-wagner" } else { "carlini-wagner-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        for target in targets(subject, self.targets) {
            let space = Tanh { bounds: subject.threat().bounds, target };
            let start: Vec<f64> = subject.origin().iter().map(|&o| space.enter(o)).collect();
            // Every descent begins here, so that this is asked once.
            let first = space.look(subject, &start).await;
            let (mut low, mut high) = (0.0, f64::INFINITY);
            let mut c = self.initial_const;
            for _ in 0..self.search_steps {
                if self.descend(subject, &space, c, start.clone(), first.clone()).await {
                    high = c;
                } else {
                    low = c;
                }
                c = if high.is_finite() { (low + high) / 2.0 } else { 10.0 * c };
            }
        }
    }
}

impl MinimumNorm for CarliniWagner {}

/// An answer, and the point it is about.
type AnsweredPoint = (Vec<f32>, Answer);

impl CarliniWagner {
    /// Whether an adversarial point is met.
    async fn descend(
        &self,
        subject: &Subject<'_>,
        space: &Tanh,
        c: f64,
        mut w: Vec<f64>,
        first: AnsweredPoint,
    ) -> bool {
        let unit = range(subject);
        let mut adam = Adam::new(w.len());
        let (mut x, mut answer) = first;
        let mut met = false;
        let mut before = f64::INFINITY;
        for k in 0..self.steps {
            let short = -f64::from(answer.loss);
            if k % (self.steps / 10).max(1) == 0 {
                let distance = Norm::L2.distance(subject.origin(), &x) / unit;
                let loss = distance * distance + c * short.max(0.0);
                if loss > 0.9999 * before {
                    break;
                }
                before = loss;
            }
            let pull = if short > 0.0 { c } else { 0.0 };
            let places = w.iter().zip(&x).zip(subject.origin()).zip(&answer.gradient);
            let gradient: Vec<f64> = places
                .map(|(((&w, &x), &o), &g)| {
                    let delta = (f64::from(x) - f64::from(o)) / unit;
                    (2.0 * delta / unit - pull * f64::from(g)) * space.slope(w)
                })
                .collect();
            w.iter_mut().zip(adam.step(&gradient, self.learning_rate)).for_each(|(w, step)| *w += step);
            (x, answer) = space.look(subject, &w).await;
            met |= answer.prediction() != subject.label();
        }
        met
    }
}

/// The input's bounds as the image of a tanh.
struct Tanh {
    bounds: [f32; 2],
    /// The class that is to lead; any but the label by default.
    target: Option<usize>,
}

impl Tanh {
    fn middle(&self) -> f64 {
        (f64::from(self.bounds[0]) + f64::from(self.bounds[1])) / 2.0
    }

    fn half(&self) -> f64 {
        (f64::from(self.bounds[1]) - f64::from(self.bounds[0])) / 2.0
    }

    /// What the tanh takes to `x`, a little within the bounds.
    fn enter(&self, x: f32) -> f64 {
        ((1.0 - 1e-6) * (f64::from(x) - self.middle()) / self.half()).atanh()
    }

    /// `dx/dw`.
    fn slope(&self, w: f64) -> f64 {
        let tanh = w.tanh();
        self.half() * (1.0 - tanh * tanh)
    }

    async fn look(&self, subject: &Subject<'_>, w: &[f64]) -> AnsweredPoint {
        let mut x: Vec<f32> = w.iter().map(|w| (self.middle() + self.half() * w.tanh()) as f32).collect();
        clip(&mut x, self.bounds);
        let answer = lead(subject, &x, self.target).await;
        (x, answer)
    }
}
