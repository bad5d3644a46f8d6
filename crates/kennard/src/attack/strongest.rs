use serde::{Deserialize, Serialize};

use super::apgd::{ApgdRun, STRIDE};
use super::direction::Aim;
use super::malt::nearest_classes;
use super::{Apgd, AttackLoss, BuiltIn, Fab, Fmn, Loss, Square, Subject};

/// A contest of losses and target classes on each sample, which spends passes where they pay (successive halving, Jamieson
/// and Talwalkar 2016, arXiv 1502.07943).
///
/// The contestants are Auto-PGD away from the label, on the cross-entropy, the probability margin and the difference of
/// logits ratio, and towards the classes whose boundary seems nearest ([`Malt`](super::Malt)). In the first round each
/// takes a few steps from a random point. The half that came to the smaller margins goes on to the next round, with twice as many
/// steps from new points, until two are left. [`Fmn`] follows, whose steps go along the gradient itself: on samples that stand by a
/// hair it finds points that signs of it step over. Then [`Fab`] walks from the sample towards each of the few likeliest other classes.
///
/// Where most gradients of the first round are zero, [`Square`] gets what is left of the passes. Where they mislead, as on networks
/// that were trained to be certified, better starts are found without them: Square searches from the beginning, and Auto-PGD goes on
/// from where that ends, in small steps. That is done again while it comes to smaller margins than the contest did.
///
/// What a sample gets depends on its own course alone, so that order, threads and shards change nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strongest {
    /// The most passes on a sample, with and without a gradient.
    pub passes: u64,
    /// Steps of each contestant in the first round.
    pub steps: usize,
    /// How many target classes there are.
    pub targets: usize,
    /// Of how many classes these are chosen, the likeliest at the sample.
    pub candidates: usize,
    /// Points that [`Square`] evaluates, each time.
    pub queries: usize,
    /// How often that is done at most.
    pub turns: u64,
}

impl Default for Strongest {
    fn default() -> Strongest {
        Strongest { passes: 6000, steps: 20, targets: 9, candidates: 20, queries: 1000, turns: 4 }
    }
}

/// Rounds have random numbers of their own, each for at most this many contestants.
const STREAMS: u64 = 1 << 20;
/// How many classes FAB walks to, and its steps towards each, of two passes.
const CLASSES: usize = 3;
const WALK: usize = 60;
/// Steps of the fast minimum-norm attack, and of Auto-PGD from where Square ends; the first of these in radii.
const STEPS: usize = 100;
const SMALL: f64 = 0.25;

impl Strongest {
    /// Its name.
    pub(crate) const NAME: &str = "strongest";

    /// What it spends on a sample that stands, in passes with a gradient, where gradients do not mislead.
    pub(crate) const USUAL: u64 = 2000;
}

impl BuiltIn for Strongest {
    fn name(&self) -> &str {
        Strongest::NAME
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let mut contestants = untargeted(subject);
        let (mut steps, mut lowest) = (self.steps, f32::INFINITY);
        for round in 0.. {
            let mut ranked = Vec::new();
            let mut place = 0;
            while let Some(&direction) = contestants.get(place) {
                let apgd = Apgd { steps: steps.min(self.left(subject)), ..Apgd::default() };
                if apgd.steps == 0 {
                    return;
                }
                let eps = subject.threat().eps;
                let mut ascent = ApgdRun { attack: &apgd, subject, direction, eps, stride: STRIDE };
                let mut random = subject.random(round * STREAMS + place as u64);
                subject.forget_lowest();
                ascent.run_from(ascent.random_start(&mut random)).await;
                lowest = lowest.min(subject.lowest());
                ranked.push((subject.lowest(), direction));
                place += 1;
                // Which classes are near is asked only once the cheapest have failed.
                if round == 0 && place == contestants.len() && place == untargeted(subject).len() {
                    contestants.extend(self.targeted(subject).await);
                }
            }
            let tally = subject.tally();
            if tally.zero_gradients * 2 > tally.backwards {
                subject.search_in_full();
                self.square(subject, self.left(subject), 0).await;
                return;
            }
            if contestants.len() <= 2 {
                break;
            }
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
            ranked.truncate(ranked.len().div_ceil(2));
            contestants = ranked.into_iter().map(|(_, direction)| direction).collect();
            steps *= 2;
        }
        subject.search_in_full();
        Fmn { steps: STEPS.min(self.left(subject)), ..Fmn::default() }.search(subject).await;
        self.walk(subject).await;
        for turn in 0..self.turns {
            subject.forget_lowest();
            let start = self.square(subject, self.queries.min(self.left(subject)), turn).await;
            self.go_on(subject, start).await;
            if subject.lowest() >= lowest {
                return;
            }
        }
    }
}

/// The losses that go away from the label, each once.
fn untargeted(subject: &Subject) -> Vec<Aim> {
    let all = [AttackLoss::CrossEntropy, AttackLoss::ProbabilityMargin, AttackLoss::Dlr];
    all.into_iter().flat_map(|loss| loss.directions(subject, 0)).collect()
}

impl Strongest {
    /// How many passes are left.
    fn left(&self, subject: &Subject) -> usize {
        let left = self.passes.saturating_sub(subject.tally().evaluations());
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// FAB's walks from the sample towards each of the likeliest other classes.
    async fn walk(&self, subject: &Subject<'_>) {
        for class in subject.rivals().into_iter().take(CLASSES) {
            let fab = Fab { steps: WALK.min(self.left(subject) / 2), ..Fab::default() };
            fab.walk(subject, &[class], subject.origin().to_vec(), f64::INFINITY).await;
        }
    }

    /// A search without gradients from the beginning; returns where it ends, if there are passes for it.
    async fn square(&self, subject: &Subject<'_>, queries: usize, turn: u64) -> Option<Vec<f32>> {
        let square = Square { queries, ..Square::default() };
        let random = subject.random(u64::MAX - turn);
        if queries > 0 { Some(square.restart(subject, random).await) } else { None }
    }

    /// An ascent in small steps.
    async fn go_on(&self, subject: &Subject<'_>, start: Option<Vec<f32>>) {
        let (eps, steps) = (subject.threat().eps, STEPS.min(self.left(subject)));
        let (Some(start), true) = (start, steps > 0) else { return };
        let apgd = Apgd { steps, ..Apgd::default() };
        for direction in AttackLoss::ProbabilityMargin.directions(subject, 0) {
            let mut ascent = ApgdRun { attack: &apgd, subject, direction, eps, stride: SMALL };
            ascent.run_from(start.clone()).await;
        }
    }

    async fn targeted(&self, subject: &Subject<'_>) -> impl Iterator<Item = Aim> + use<> {
        let loss = Loss::TargetedDlr.for_classes(subject.classes());
        let classes = nearest_classes(subject, self.candidates).await;
        let nearest = classes.into_iter().take(self.targets).zip(1..);
        nearest.map(move |(class, n)| Aim::Towards(loss, class, n))
    }
}
