//! What attacks see of valid points: the way from any point to one of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use rand::{Rng, RngExt};

use super::super::model::beyond_rounding;
use super::{Lattice, Steps, is_one_hot};
use crate::Norm;

/// The valid points of one sample's threat model.
pub(crate) struct Valid<'a> {
    pub(super) lattice: &'a Lattice,
    pub(super) origin: &'a [f32],
    /// The elements that hold whole numbers or levels alone, and which these are.
    pub(super) stepped: Cow<'a, [usize]>,
    pub(super) steps: Steps,
    /// The smallest box around them.
    pub(super) lower: Cow<'a, [f32]>,
    pub(super) upper: Cow<'a, [f32]>,
    /// The norm's ball and its radius, beyond rounding, where that is no box.
    pub(super) ball: Option<(Norm, f64)>,
}

/// A step from the valid value, or a group's valid values, on the sample's side of a point to those on the other.
struct Move {
    /// The elements that change, and their new values.
    to: Vec<(usize, f32)>,
    /// Which part of the way the point has gone.
    along: f32,
}

impl Valid<'_> {
    /// The elements of whole numbers or levels, and the groups of which one element is 1.
    pub fn elements(&self) -> (&[usize], &[Vec<usize>]) {
        (&self.stepped, &self.lattice.one_hot)
    }

    /// The numbers that those elements hold.
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// Whether a point is valid.
    pub fn holds(&self, x: &[f32]) -> bool {
        self.stepped.iter().all(|&element| self.steps.hold(x[element]))
            && self.lattice.one_hot.iter().all(|group| is_one_hot(group, x))
    }

    /// Brings what is to become valid into the box around the valid points, which holds the sample.
    pub fn clip(&self, x: &mut [f32]) {
        for &element in self.stepped.iter().chain(self.lattice.one_hot.iter().flatten()) {
            x[element] = x[element].max(self.lower[element]).min(self.upper[element]);
        }
    }

    /// Moves a point to a valid one. In a box that is the one next to it: whole numbers are rounded, and in each group the
    /// largest element is 1 of those that may be, one of them at random where several are equal. In a ball the point is between
    /// valid ones in each number and group, of which that on the sample's side is taken first, and the others as long
    /// as there is room, in the order of how near the point is to them.
    pub fn snap(&self, x: &mut [f32], random: &mut impl Rng) {
        self.clip(x);
        match self.ball {
            Some((norm, reach)) => self.snap_within(x, norm, reach, random),
            None => {
                for &element in self.stepped.iter() {
                    let level = self.steps.level(x[element]).round();
                    x[element] = self.steps.value_from(self.origin[element], level);
                }
                for group in &self.lattice.one_hot {
                    let open = group.iter().copied().filter(|&element| self.upper[element] == 1.0);
                    if let Some(chosen) = largest(open, x, random) {
                        group.iter().for_each(|&element| x[element] = f32::from(u8::from(element == chosen)));
                    }
                }
            }
        }
    }

    fn snap_within(&self, x: &mut [f32], norm: Norm, reach: f64, random: &mut impl Rng) {
        let mut moves = Vec::new();
        for &element in self.stepped.iter() {
            let origin = self.origin[element];
            let (at, from) = (self.steps.level(x[element]), self.steps.level(origin));
            let level = from + (at - from).trunc();
            x[element] = self.steps.value_from(origin, level);
            let along = (at - level).abs();
            if along > 0.0 {
                let next = self.steps.value_from(origin, level + (at - from).signum());
                moves.push(Move { to: vec![(element, next)], along });
            }
        }
        for group in &self.lattice.one_hot {
            let Some(own) = group.iter().copied().find(|&element| self.origin[element] == 1.0) else {
                continue;
            };
            let open = group.iter().copied().filter(|&element| element != own && x[element] > 0.0);
            if let Some(chosen) = largest(open, x, random) {
                moves.push(Move { to: vec![(own, 0.0), (chosen, 1.0)], along: x[chosen] });
            }
            group.iter().for_each(|&element| x[element] = self.origin[element]);
        }
        let power = |element: usize, value: f32| {
            let by = beyond_rounding(self.origin[element], value);
            if norm == Norm::L2 { by * by } else { by }
        };
        let limit = if norm == Norm::L2 { reach * reach } else { reach };
        let mut size: f64 = x.iter().enumerate().map(|(element, &value)| power(element, value)).sum();
        moves.sort_by(|a, b| b.along.total_cmp(&a.along));
        for Move { to, .. } in moves {
            let change =
                |&(element, value): &(usize, f32)| power(element, value) - power(element, x[element]);
            let by: f64 = to.iter().map(change).sum();
            if size + by <= limit {
                size += by;
                to.into_iter().for_each(|(element, value)| x[element] = value);
            }
        }
    }
}

/// The element of the largest value, one at random where several have it.
fn largest(elements: impl Iterator<Item = usize>, x: &[f32], random: &mut impl Rng) -> Option<usize> {
    let (mut chosen, mut equal) = (None, 0);
    for element in elements {
        match chosen.map(|chosen: usize| x[element].total_cmp(&x[chosen])) {
            None | Some(Ordering::Greater) => (chosen, equal) = (Some(element), 1),
            Some(Ordering::Equal) => {
                equal += 1;
                if random.random_range(0..equal) == 0 {
                    chosen = Some(element);
                }
            }
            Some(Ordering::Less) => {}
        }
    }
    chosen
}
