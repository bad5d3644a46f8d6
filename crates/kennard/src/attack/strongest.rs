use serde::{Deserialize, Serialize};

use super::apgd::Ascent;
use super::direction::Direction;
use super::malt::nearest_classes;
use super::{Apgd, AttackLoss, BuiltIn, Loss, Square, Subject};

/// A contest of losses and target classes on each sample, which spends passes where they pay (successive halving, Jamieson
/// and Talwalkar 2016, arXiv 1502.07943).
///
/// The contestants are Auto-PGD away from the label, on the cross-entropy, the probability margin and the difference of
/// logits ratio, and towards the classes whose boundary seems nearest ([`Malt`](super::Malt)). In the first round each
/// takes a few steps from a random point. The half that came to the smaller margins goes on to the next round, with twice as many
/// steps from new points, until one is left. What is left of the passes goes to [`Square`], and all of
/// them where most gradients of the first round are zero.
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
}

impl Default for Strongest {
    fn default() -> Strongest {
        Strongest { passes: 2000, steps: 20, targets: 9, candidates: 20 }
    }
}

/// Rounds have random numbers of their own, each for at most this many contestants.
const STREAMS: u64 = 1 << 20;

impl Strongest {
    /// Its name.
    pub(crate) const NAME: &str = "strongest";
}

impl BuiltIn for Strongest {
    fn name(&self) -> &str {
        Strongest::NAME
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        let mut contestants = untargeted(subject);
        let mut steps = self.steps;
        for round in 0.. {
            let mut ranked = Vec::new();
            let mut place = 0;
            while let Some(&direction) = contestants.get(place) {
                let steps = steps.min(usize::try_from(self.left(subject)).unwrap_or(usize::MAX));
                if steps == 0 {
                    return;
                }
                let apgd = Apgd { steps, ..Apgd::default() };
                let mut ascent = Ascent { attack: &apgd, subject, direction, eps: subject.threat().eps };
                let mut random = subject.random(round * STREAMS + place as u64);
                subject.forget_lowest();
                ascent.run_from(ascent.random_start(&mut random)).await;
                ranked.push((subject.lowest(), direction));
                place += 1;
                // Which classes are near is asked only once the cheapest have failed.
                if round == 0 && place == contestants.len() && place == untargeted(subject).len() {
                    contestants.extend(self.targeted(subject).await);
                }
            }
            let tally = subject.tally();
            if contestants.len() == 1 || tally.zero_gradients * 2 > tally.backwards {
                break;
            }
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
            ranked.truncate(ranked.len().div_ceil(2));
            contestants = ranked.into_iter().map(|(_, direction)| direction).collect();
            steps *= 2;
        }
        let queries = usize::try_from(self.left(subject)).unwrap_or(usize::MAX);
        if queries > 0 {
            let square = Square { queries, ..Square::default() };
            square.restart(subject, subject.random(u64::MAX)).await;
        }
    }
}

/// The losses that go away from the label, each once.
fn untargeted(subject: &Subject) -> Vec<Direction> {
    let all = [AttackLoss::CrossEntropy, AttackLoss::ProbabilityMargin, AttackLoss::Dlr];
    all.into_iter().flat_map(|loss| loss.directions(subject, 0)).collect()
}

impl Strongest {
    /// How many passes are left.
    fn left(&self, subject: &Subject) -> u64 {
        self.passes.saturating_sub(subject.tally().evaluations())
    }

    async fn targeted(&self, subject: &Subject<'_>) -> impl Iterator<Item = Direction> + use<> {
        let loss = Loss::TargetedDlr.for_classes(subject.classes());
        let classes = nearest_classes(subject, self.candidates).await;
        let nearest = classes.into_iter().take(self.targets).zip(1..);
        nearest.map(move |(class, n)| Direction::Towards(loss, class, n))
    }
}
