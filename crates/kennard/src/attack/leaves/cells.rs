//! The cells of an ensemble, the nearest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use kennard_graph::{Tree, TreeNode};

use super::space::{ElementRanges, Space};

/// Walks through all trees, towards the sample at every branch that a region leaves open, so that each walk ends in the nearest
/// cell of what it began with; the other sides of those branches wait, in the order of how far they are.
pub(super) struct Cells<'a> {
    trees: &'a [Tree],
    space: &'a Space<'a>,
    waiting: BinaryHeap<Waiting>,
    /// Cells as far as this are of no interest.
    bound: f64,
    /// How many more cells may be handed out, and how many more turns be remembered.
    left: usize,
    turns: usize,
    pushed: u64,
    cut_short: bool,
}

struct Waiting {
    size: f64,
    order: u64,
    what: What,
}

enum What {
    /// What is left of the space by some turns.
    Part(Rc<Turn>),
    /// A point that is as far as that.
    Point(Vec<f32>),
}

/// A choice at a branch, where both sides were of interest.
struct Turn {
    before: Option<Rc<Turn>>,
    element: usize,
    last: f32,
    below: bool,
}

/// The most turns that are remembered: some megabytes of them.
const TURNS: usize = 1 << 17;

impl<'a> Cells<'a> {
    /// Up to `most` cells within the limit of `space`, and nearer than `bound`.
    pub fn new(trees: &'a [Tree], space: &'a Space<'a>, bound: f64, most: usize) -> Cells<'a> {
        let waiting = BinaryHeap::new();
        let mut cells =
            Cells { trees, space, waiting, bound, left: most, turns: TURNS, pushed: 0, cut_short: false };
        if let Some(point) = cells.walk(None, space.region.clone(), space.size(&space.region)) {
            cells.wait(space.far(&point)[0], What::Point(point));
        }
        cells
    }

    /// Whether no more cells of interest are left.
    pub fn is_exhausted(&self) -> bool {
        self.waiting.is_empty() && !self.cut_short
    }

    fn is_of_interest(&self, size: f64) -> bool {
        size <= self.space.limit && size < self.bound
    }

    fn wait(&mut self, size: f64, what: What) {
        if !self.is_of_interest(size) {
            return;
        }
        self.pushed += 1;
        self.waiting.push(Waiting { size, order: self.pushed, what });
        // No more of them than are left will ever have their turn.
        let most = self.left.saturating_add(1);
        if self.waiting.len() >= most.saturating_mul(4).max(1024) {
            let mut all = std::mem::take(&mut self.waiting).into_vec();
            all.select_nth_unstable_by(most, |a, b| b.cmp(a));
            all.truncate(most);
            self.cut_short = true;
            self.waiting = all.into();
        }
    }

    /// Walks through the trees within what some turns have left of the space; the nearest valid point of the cell where that
    /// ends, if there is one. Where the other side of a branch is of no interest, no point of interest lies there, and the
    /// choice need not be remembered.
    fn walk(
        &mut self,
        mut turns: Option<Rc<Turn>>,
        mut region: ElementRanges,
        size: f64,
    ) -> Option<Vec<f32>> {
        let space = self.space;
        for tree in self.trees {
            let mut at = 0;
            while let TreeNode::Branch { element, last, below: under, above: over } = tree.0[at] {
                let ends = region[element];
                let below = match side(ends, last) {
                    Some(below) => below,
                    None => {
                        let sides = [true, false].map(|below| space.part(element, ends, last, below));
                        let [low, high] = sides.map(|side| space.grown(size, element, ends, side));
                        let below = low <= high;
                        if self.is_of_interest(low.max(high)) {
                            let turn = |below| Rc::new(Turn { before: turns.clone(), element, last, below });
                            let (near, far) = (turn(below), turn(!below));
                            self.wait(low.max(high), What::Part(far));
                            turns = Some(near);
                            self.turns = self.turns.saturating_sub(1);
                        }
                        region[element] = sides[usize::from(!below)];
                        below
                    }
                };
                at = if below { under } else { over };
            }
        }
        space.nearest(&region)
    }
}

impl Iterator for Cells<'_> {
    type Item = Vec<f32>;

    /// The nearest point of the next cell.
    fn next(&mut self) -> Option<Vec<f32>> {
        while let Some(Waiting { size, what, .. }) = self.waiting.pop() {
            let turn = match what {
                What::Part(turn) => turn,
                What::Point(point) => return Some(point),
            };
            if self.left == 0 || self.turns == 0 {
                self.cut_short = true;
                return None;
            }
            self.left -= 1;
            let mut region = self.space.region.clone();
            let mut at = Some(&turn);
            while let Some(taken) = at {
                let element = taken.element;
                region[element] = self.space.part(element, region[element], taken.last, taken.below);
                at = taken.before.as_ref();
            }
            let Some(point) = self.walk(Some(turn), region, size) else { continue };
            if !self.space.has_groups() {
                return Some(point);
            }
            self.wait(self.space.far(&point)[0].max(size), What::Point(point));
        }
        None
    }
}

/// On which side of a number all values between two ends lie.
pub(super) fn side([lo, hi]: [f32; 2], last: f32) -> Option<bool> {
    match (hi <= last, lo > last) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

impl Ord for Waiting {
    /// The nearest, and of several the first, is the largest.
    fn cmp(&self, other: &Waiting) -> Ordering {
        other.size.total_cmp(&self.size).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl Drop for Turn {
    /// One after the other, for chains may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(mut turn) = before.and_then(Rc::into_inner) {
            before = turn.before.take();
        }
    }
}
