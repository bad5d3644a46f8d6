use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use serde::{Deserialize, Serialize};

use super::apgd::{ApgdRun, STRIDE};
use super::descent::{lead, reach, seeming_distance};
use super::{Apgd, AttackLoss, BuiltIn, Loss, MinimumNorm, Subject};
use crate::threat::{clip, to_hyperplane};
use crate::{Norm, ThreatModel};

/// The smallest epsilon at which Auto-PGD (on the difference of logits ratio) succeeds: doubled until it
/// does, then bisected. A run ends at the first adversarial point; the next begins there. In l1, where
/// its steps spread over more elements than need to move, a search along lines ends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinimalApgd {
    /// Steps of a run of Auto-PGD.
    pub steps: usize,
    /// How many runs each epsilon is given: the first begins at the closest adversarial point so far, the
    /// others at random.
    pub restarts: u64,
    /// How many target classes are tried, the likeliest first; 0 goes away from the label.
    pub targets: usize,
    /// The bisection ends when the epsilon that succeeded and the one that failed differ by this share.
    pub tolerance: f64,
}

impl Default for MinimalApgd {
    fn default() -> MinimalApgd {
        MinimalApgd { steps: 100, restarts: 1, targets: 0, tolerance: 0.005 }
    }
}

impl BuiltIn for MinimalApgd {
    fn name(&self) -> &str {
        if self.targets == 0 { "minimal-apgd" } else { "minimal-apgd-t" }
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let norm = subject.threat().norm;
        let reach = reach(subject);
        let loss = if self.targets == 0 { AttackLoss::Dlr } else { AttackLoss::TargetedDlr };
        let apgd = Apgd { loss, steps: self.steps, targets: self.targets, ..Apgd::default() };
        let answer = subject.gradient(subject.origin(), Loss::Margin, subject.label()).await;
        let (mut low, mut high) = (0.0, f64::INFINITY);
        // Where two logits are equal the boundary seems to be here: doubling must lead somewhere.
        let mut eps = seeming_distance(norm, &answer).max(LEAST * reach).min(reach);
        let mut round = 0;
        while high - low > self.tolerance * high || high.is_infinite() {
            match self.succeed(subject, &apgd, eps, round).await {
                Some(distance) => high = distance.min(eps),
                None if eps >= reach => return,
                None => low = eps,
            }
            eps = if high.is_finite() { (low + high) / 2.0 } else { (2.0 * eps).min(reach) };
            round += 1;
        }
        if norm == Norm::L1 {
            finish(subject).await;
        }
    }
}

impl MinimumNorm for MinimalApgd {}

/// The first epsilon is at least this share of the farthest point's distance.
const LEAST: f64 = 1e-6;

/// Lines that are searched at the most, and the shares of each that are tried.
const LINES: usize = 10;
const SHARES: [f32; 4] = [1.0, 0.5, 0.25, 0.125];
/// How far beyond the boundary a line ends, as a share of the distance.
const BEYOND: f32 = 1e-3;

/// Lines from the closest adversarial point so far to that which would be closest if the decision boundary
/// were a plane as it looks from there; each ends at the first point that is adversarial and closer.
async fn finish(subject: &Subject<'_>) {
    let &ThreatModel { norm, bounds, .. } = subject.threat();
    let origin = subject.origin();
    for _ in 0..LINES {
        let Some(from) = subject.adversarial() else { return };
        let answer = lead(subject, &from, None).await;
        let moved: f64 = (answer.gradient.iter().zip(origin.iter().zip(&from)))
            .map(|(&g, (&o, &x))| f64::from(g) * (f64::from(o) - f64::from(x)))
            .sum();
        let value = f64::from(answer.loss) + moved;
        if value >= 0.0 {
            // A plane with the sample on its far side is not the boundary.
            return;
        }
        let delta = to_hyperplane(norm, origin, value, &answer.gradient, bounds);
        let end = |i: usize| origin[i] + (1.0 + BEYOND) * delta[i];
        let mut closer = false;
        for share in SHARES {
            let mut x: Vec<f32> = (0..from.len()).map(|i| from[i] + share * (end(i) - from[i])).collect();
            clip(&mut x, bounds);
            let adversarial = subject.logits(&x).await.prediction() != subject.label();
            closer = adversarial && norm.distance(origin, &x) < norm.distance(origin, &from);
            if closer {
                break;
            }
        }
        if !closer {
            return;
        }
    }
}

impl MinimalApgd {
    /// Ascends until there is an adversarial point within `eps`; returns its distance.
    async fn succeed(&self, subject: &Subject<'_>, apgd: &Apgd, eps: f64, round: u64) -> Option<f64> {
        let (norm, origin, ball) = (subject.threat().norm, subject.origin(), subject.threat().at(eps));
        for direction in apgd.loss.directions(subject, apgd.targets) {
            for restart in 0..self.restarts {
                let mut ascent = ApgdRun { attack: apgd, subject, direction, eps, stride: STRIDE };
                let start = match subject.adversarial() {
                    Some(closest) if restart == 0 => closest,
                    _ => ascent.random_start(&mut subject.random(round * self.restarts + restart)),
                };
                let mut running = pin!(ascent.run_from(start));
                let found = poll_fn(|context| {
                    let ended = running.as_mut().poll(context).is_ready();
                    let found = subject.adversarial().filter(|x| ball.admits(origin, x));
                    // A point that may end the attack is still to be judged.
                    let waits = subject.is_paused();
                    if ended || found.is_some() && !waits { Poll::Ready(found) } else { Poll::Pending }
                })
                .await;
                if let Some(found) = found {
                    return Some(norm.distance(origin, &found));
                }
            }
        }
        None
    }
}
