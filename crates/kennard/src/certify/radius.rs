use serde::{Deserialize, Serialize};

use super::{BoundMethod, Bounded};
use crate::ThreatModel;
use crate::figure::double_bits;

/// How far around a sample is proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CertifiedRadius {
    /// No point at this distance or nearer, in the norm and the bounds of the threat model, is misclassified. 0 where nothing
    /// is proved; infinite where nothing that the bounds allow is.
    #[serde(with = "double_bits")]
    pub radius: f64,
    /// The method that proved it.
    pub method: BoundMethod,
}

/// Radii are tried on a grid of this many to an octave, 1.1 % apart,
const PER_OCTAVE: u32 = 64;
/// from the one that reaches every input down to a 16-millionth of it.
const RANKS: u32 = 24 * PER_OCTAVE;

/// The radii that are tried, by their ranks: 0 is none, the last reaches every input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// The radius that reaches every input.
    pub most: f64,
}

impl Grid {
    /// The last rank.
    pub const LAST: u32 = RANKS + 1;

    /// The radii in a threat model, for samples of `d` elements.
    pub fn of(threat: &ThreatModel, d: usize) -> Grid {
        let [lo, hi] = threat.bounds.map(f64::from);
        Grid { most: (hi - lo) * threat.norm.of_ones(d) }
    }

    /// The radius of a rank.
    pub fn radius(self, rank: u32) -> f64 {
        match rank {
            0 => 0.0,
            rank => self.most * (-f64::from(Grid::LAST.saturating_sub(rank)) / f64::from(PER_OCTAVE)).exp2(),
        }
    }

    /// The last rank whose radius is not above `eps`.
    fn up_to(self, eps: f64) -> u32 {
        let (mut low, mut high) = (0, Grid::LAST + 1);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.radius(middle) <= eps { low = middle } else { high = middle }
        }
        low
    }
}

/// A search for the largest radius of a sample: by bisection, for one method after another, each from where those before
/// ended. What was proved is kept, so that the end is sound whether or not bounds fall with the radius.
#[derive(Clone, Copy, Debug)]
pub(super) struct RadiusSearch {
    found: CertifiedRadius,
    /// The last rank that is proved.
    low: u32,
    /// The first rank above that the method at work failed at, or that none is to try.
    high: u32,
    /// The first rank that none is to try.
    end: u32,
}

impl RadiusSearch {
    /// The search of a sample of which this is known at the threat model's epsilon, if there is one: a radius of epsilon or
    /// more is proved if and only if the sample is certified.
    pub fn new(grid: Grid, eps: f64, known: Option<Bounded>) -> RadiusSearch {
        let found = CertifiedRadius::default();
        let (low, end, found) = match known {
            None => (0, Grid::LAST + 1, found),
            Some(bound) if bound.is_certified() => {
                (grid.up_to(eps), Grid::LAST + 1, CertifiedRadius { radius: eps, method: bound.method })
            }
            Some(_) => {
                let below = grid.up_to(eps);
                // Epsilon itself was tried.
                let end = if grid.radius(below) < eps { below + 1 } else { below };
                (0, end.max(1), found)
            }
        };
        RadiusSearch { found, low, high: end, end }
    }

    /// Begins with another method.
    pub fn begin(&mut self) {
        self.high = self.end;
    }

    /// The rank that the method at work tries next, if any.
    pub fn next(&self) -> Option<u32> {
        (self.high - self.low > 1).then(|| self.low.midpoint(self.high))
    }

    /// Takes what the method found at a rank.
    pub fn take(&mut self, grid: Grid, rank: u32, method: BoundMethod, certified: bool) {
        if !certified {
            self.high = rank;
            return;
        }
        self.low = rank;
        let radius = if rank == Grid::LAST { f64::INFINITY } else { grid.radius(rank) };
        if radius > self.found.radius {
            self.found = CertifiedRadius { radius, method };
        }
    }

    /// What was found.
    pub fn found(&self) -> CertifiedRadius {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;

    fn grid() -> Grid {
        Grid::of(&ThreatModel::new(Norm::Linf, 0.1).unwrap(), 4)
    }

    /// What a search finds where everything up to `truth` is proved.
    fn search(truth: f64, eps: f64, known: Option<Bounded>) -> f64 {
        let mut search = RadiusSearch::new(grid(), eps, known);
        for method in [BoundMethod::Intervals, BoundMethod::Crown] {
            search.begin();
            let mut tried = 0;
            while let Some(rank) = search.next() {
                search.take(grid(), rank, method, grid().radius(rank) <= truth);
                tried += 1;
            }
            assert!(tried <= 11, "{tried}");
        }
        search.found().radius
    }

    #[test]
    fn the_largest_radius_of_the_grid_is_found() {
        for truth in [1e-6, 0.003, 0.1, 0.5, 0.999] {
            let found = search(truth, f64::INFINITY, None);
            assert!(found <= truth && found > truth / 1.011, "{found} of {truth}");
        }
        assert_eq!([search(1.0, 0.1, None), search(1e-9, 0.1, None)], [f64::INFINITY, 0.0]);
        assert_eq!((grid().radius(Grid::LAST), grid().radius(0)), (1.0, 0.0));
    }

    /// A radius of epsilon or more is found if and only if the sample is certified there.
    #[test]
    fn epsilon_is_not_judged_twice() {
        let method = BoundMethod::AlphaCrown;
        let bound = |margin| Some(Bounded { margin, method, in_floats: None });
        for eps in [0.1, 0.25, 1e-9] {
            assert!(search(2.0, eps, bound(-1.0)) < eps);
            assert_eq!(search(0.0, eps, bound(1.0)), eps);
            assert!(search(0.5, eps, bound(1.0)) > 0.49);
        }
        assert!(search(0.2, 0.25, bound(-1.0)) > 0.197);
    }
}
