//! When counts are looked at, so that looking often does not make certificates fail more often.
//!
//! A certificate may be given after any look, so the lower limit of a class's probability must hold at all of them. Look j
//! takes the limit of Clopper & Pearson that fails with probability α_j, and `Σ α_j = α`: that one of them fails has at most
//! the probability α (Boole), whatever the rule by which looking ends. With several radii this is so for all of them at once,
//! for they are read off the same limit.

use crate::stats::lower_limit;

/// No look comes before this many draws.
const FIRST: u64 = 64;

/// A look at the counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Draws by then, n_j.
    pub draws: u64,
    /// The probability that its limit fails, α_j.
    pub failure: f64,
}

/// The one look after all draws, of failure α (Cohen et al. 2019, CERTIFY).
pub(super) fn once(draws: u64, failure: f64) -> Vec<Look> {
    vec![Look { draws, failure }]
}

/// Looks after n, n/2, n/4, … draws, in ascending order. The last has half of the failure, so that little is lost against
/// one look after all draws; the others share the rest.
pub(super) fn doubling(draws: u64, failure: f64) -> Vec<Look> {
    let halvings = (0..).map(|times| draws >> times).take_while(|n| *n >= FIRST.min(draws));
    let mut places: Vec<u64> = halvings.collect();
    places.reverse();
    match places.len() {
        0 | 1 => once(draws, failure),
        count => {
            let early = failure / 2.0 / (count - 1) as f64;
            let share = |n: u64| if n == draws { failure / 2.0 } else { early };
            places.into_iter().map(|n| Look { draws: n, failure: share(n) }).collect()
        }
    }
}

/// What looks say of a class's probability p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// p is larger, but for the probability α.
    pub low: f64,
    /// Where looking on is in vain: p is smaller, but for the probability α. No certificate rests on it.
    pub high: f64,
}

impl Limits {
    /// Before any look.
    pub const NONE: Limits = Limits { low: 0.0, high: 1.0 };

    /// After a look at `count` successes. What an earlier look said still holds.
    pub fn seen(self, look: Look, count: u64) -> Limits {
        let of = |successes: u64| lower_limit(successes, look.draws, look.failure);
        Limits { low: self.low.max(of(count)), high: self.high.min(1.0 - of(look.draws - count)) }
    }

    /// Whether it is known of each of these probabilities which side of it p is on, or that it cannot be known.
    pub fn decide(self, thresholds: &[f64]) -> bool {
        thresholds.iter().all(|&threshold| self.low > threshold || self.high <= threshold)
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Binomial, Distribution};

    use super::*;
    use crate::random::stream;

    #[test]
    fn failures_add_up() {
        for draws in [1, 63, 64, 100, 1000, 100_000] {
            let looks = doubling(draws, 0.001);
            assert!((looks.iter().map(|look| look.failure).sum::<f64>() - 0.001).abs() < 1e-15);
            assert_eq!(looks.last().unwrap().draws, draws);
            assert!(looks.is_sorted_by(|a, b| a.draws < b.draws) && looks[0].draws >= FIRST.min(draws));
        }
        assert_eq!(doubling(100_000, 0.001).len(), 11);
    }

    /// Looks at classes of probability p until all thresholds are decided: the limits, and the draws that it took.
    fn simulate(p: f64, looks: &[Look], thresholds: &[f64], run: u64) -> (Limits, u64) {
        let mut random = stream(3, &[run], "looks");
        let (mut limits, mut draws, mut count) = (Limits::NONE, 0, 0);
        for look in looks {
            count += Binomial::new(look.draws - draws, p).unwrap().sample(&mut random);
            draws = look.draws;
            limits = limits.seen(*look, count);
            if limits.decide(thresholds) {
                break;
            }
        }
        (limits, draws)
    }

    /// Where a certificate is false, or all but true, it is given with at most the probability α: at p on a threshold, where
    /// failures are most frequent, of 20 000 samples at α = 0.05 at most 1 000 are expected and 1 126 are four standard
    /// deviations more (a false alarm in 30 000 sets of streams, if α were reached); at α = 0.001, 20 and 38. At 0.05 more
    /// than a fifth of α is found: the test would see failures.
    #[test]
    fn certificates_of_many_looks_fail_as_seldom_as_they_say() {
        for (failure, samples, most) in [(0.05, 20_000, 1126), (0.001, 20_000, 38)] {
            for thresholds in [&[0.7][..], &[0.5, 0.8, 0.95]] {
                let looks = doubling(4000, failure);
                let p = thresholds[thresholds.len() / 2];
                let fails = |run: &u64| {
                    let (limits, _) = simulate(p, &looks, thresholds, *run);
                    limits.low > p
                };
                let failed = (0..samples).filter(fails).count();
                assert!(failed <= most, "{failed} of {samples} at {failure}");
                assert!(
                    failure < 0.05 || failed > samples as usize / 100,
                    "{failed} of {samples} at {failure}"
                );
            }
        }
    }

    /// Away from the thresholds most samples are decided early, and as one look after all draws decides them: of 2 000 classes
    /// with p uniform on (½, 1), at most 1 in 100 otherwise (those within some 0.002 of a threshold, 0.8 % of them, of which
    /// about half), with a fifth of the draws.
    #[test]
    fn looking_often_saves_draws_and_loses_little() {
        let (draws, failure, thresholds) = (100_000, 0.001, [0.841_344_746_068_542_9]);
        let looks = doubling(draws, failure);
        let (mut spent, mut apart) = (0, 0);
        for run in 0..2000 {
            let p = 0.5 + (run as f64 + 0.5) / 4000.0;
            let (limits, took) = simulate(p, &looks, &thresholds, run);
            spent += took;
            let (whole, _) = simulate(p, &once(draws, failure), &thresholds, run);
            apart += usize::from((limits.low > thresholds[0]) != (whole.low > thresholds[0]));
        }
        assert!(apart <= 20, "{apart}");
        assert!(5 * spent < 2000 * draws, "{spent}");
    }
}
