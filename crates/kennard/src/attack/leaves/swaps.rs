//! From adversarial cells to closer ones that differ in one leaf or one element.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use kennard_graph::{Tree, TreeNode};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::cells::side;
use super::space::{ElementRanges, Space};
use super::{BLOCK, first_broken};
use crate::attack::Subject;

/// The way down from adversarial cells.
pub(super) struct Swaps<'s, 'a> {
    subject: &'s Subject<'a>,
    trees: &'s [Tree],
    space: &'s Space<'a>,
    /// Points that the model takes for the label's class.
    known: RefCell<HashSet<u64>>,
}

/// The most neighbours of a cell, and the most leaves of single trees, that are looked at, and the most elements that these
/// have in all.
const MOST: usize = 1 << 12;
const ELEMENTS: usize = 1 << 20;
/// How many blocks of random points are asked about, to find those to begin at.
const BLOCKS: usize = 8;
/// How often a way is halved.
const HALVINGS: usize = 12;

impl<'s, 'a> Swaps<'s, 'a> {
    pub fn new(subject: &'s Subject<'a>, trees: &'s [Tree], space: &'s Space<'a>) -> Swaps<'s, 'a> {
        let known = RefCell::new(HashSet::from([key(&space.origin)]));
        Swaps { subject, trees, space, known }
    }

    /// Goes down from the nearest adversarial leaf of a single tree, and says how far that led, if there is one.
    pub async fn begin_at_leaves(&self) -> Option<f64> {
        let mut leaves = Vec::new();
        for tree in self.trees {
            self.leaves(tree, &self.space.region, f64::INFINITY, &mut leaves);
        }
        let start = self.first_adversarial(leaves).await?;
        let end = self.down(start).await;
        Some(self.space.far(&end)[0])
    }

    /// Goes down from random adversarial points.
    pub async fn begin_anywhere(&self, starts: usize) {
        let (cuts, mut random) = (self.cuts(), self.subject.random(0));
        let mut left = starts;
        for _ in 0..BLOCKS {
            let block: Vec<_> = (0..BLOCK).filter_map(|_| self.scattered(&cuts, &mut random)).collect();
            for start in self.adversarial(block).await.into_iter().take(left) {
                left -= 1;
                let near = self.drawn_near(start).await;
                self.down(near).await;
            }
        }
    }

    /// Goes from an adversarial point to the nearest adversarial one of its neighbours, for as long as one is nearer.
    async fn down(&self, mut here: Vec<f32>) -> Vec<f32> {
        while let Some(nearer) = self.first_adversarial(self.neighbours(&here)).await {
            here = nearer;
        }
        here
    }

    /// The nearest points of cells beside that of `x`, as far as they are nearer: of those that differ in the leaf of one tree, and
    /// of those where one element is put back, to the next cell or whole.
    fn neighbours(&self, x: &[f32]) -> Vec<Vec<f32>> {
        let far = self.space.far(x);
        let cell = Cell::of(self.trees, self.space, x);
        let mut found = Vec::new();
        for (place, tree) in self.trees.iter().enumerate() {
            self.leaves(tree, &cell.without(place), far[0], &mut found);
        }
        for (element, (&at, &origin)) in x.iter().zip(&self.space.origin).enumerate() {
            if at == origin {
                continue;
            }
            let mut moved = x.to_vec();
            if let Some(group) = self.space.together(element) {
                group.iter().for_each(|&element| moved[element] = self.space.origin[element]);
            } else {
                moved[element] = cell.beyond(self.space, element, at > origin);
                found.extend(self.nearest_in_cell(&moved));
                moved[element] = origin;
            }
            found.extend(self.nearest_in_cell(&moved));
        }
        found.retain(|x| self.space.far(x) < far);
        found
    }

    fn nearest_in_cell(&self, x: &[f32]) -> Option<Vec<f32>> {
        self.space.nearest(&Cell::of(self.trees, self.space, x).region())
    }

    /// The nearest points of the leaves of a tree within a region, as far as they are no farther than `size`.
    fn leaves(&self, tree: &Tree, region: &ElementRanges, size: f64, found: &mut Vec<Vec<f32>>) {
        let most = (ELEMENTS / region.len().max(1)).clamp(BLOCK, MOST);
        let mut open = vec![(0, region.clone(), self.space.size(region))];
        // A tree has no more ways than nodes, unless several branches lead to the same one.
        let mut left = tree.0.len().saturating_add(most);
        while let Some((mut at, mut region, mut reached)) = open.pop() {
            if left == 0 {
                return;
            }
            left -= 1;
            while let TreeNode::Branch { element, last, below, above } = tree.0[at] {
                let ends = region[element];
                at = match side(ends, last) {
                    Some(true) => below,
                    Some(false) => above,
                    None => {
                        let [low, high] =
                            [true, false].map(|below| self.space.part(element, ends, last, below));
                        let mut other = region.clone();
                        other[element] = high;
                        open.push((above, other, self.space.grown(reached, element, ends, high)));
                        region[element] = low;
                        reached = self.space.grown(reached, element, ends, low);
                        below
                    }
                };
                if reached > size {
                    break;
                }
            }
            if found.len() >= most || open.len() >= most {
                return;
            }
            if reached <= size {
                found.extend(self.space.nearest(&region));
            }
        }
    }

    /// Where the ways part, of each element (d), in order.
    fn cuts(&self) -> Vec<Vec<f32>> {
        let mut cuts = vec![Vec::new(); self.space.origin.len()];
        for node in self.trees.iter().flat_map(|tree| &tree.0) {
            if let TreeNode::Branch { element, last, .. } = *node
                && side(self.space.region[element], last).is_none()
            {
                cuts[element].push(last);
            }
        }
        for cuts in &mut cuts {
            cuts.sort_by(f32::total_cmp);
            cuts.dedup();
        }
        cuts
    }

    /// A point with a random share of the elements between random thresholds.
    fn scattered(&self, cuts: &[Vec<f32>], random: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        let share = random.random::<f64>();
        let mut x = self.space.origin.clone();
        for (element, cuts) in cuts.iter().enumerate().filter(|(_, cuts)| !cuts.is_empty()) {
            let (moves, place) = (random.random::<f64>() < share, random.random_range(0..=cuts.len()));
            if moves {
                let mut ends = self.space.region[element];
                if place > 0 {
                    ends = self.space.part(element, ends, cuts[place - 1], false);
                }
                if let Some(last) = cuts.get(place) {
                    ends = self.space.part(element, ends, *last, true);
                }
                x[element] = x[element].max(ends[0]).min(ends[1]);
            }
        }
        self.nearest_in_cell(&x)
    }

    /// An adversarial point nearer on the straight line to the sample, and the nearest of its cell.
    async fn drawn_near(&self, far: Vec<f32>) -> Vec<f32> {
        let origin = &self.space.origin;
        let (mut near, mut beyond) = (0.0, 1.0);
        let mut best = far.clone();
        for _ in 0..HALVINGS {
            let share: f32 = (near + beyond) / 2.0;
            let x: Vec<f32> = far.iter().zip(origin).map(|(far, o)| o + share * (far - o)).collect();
            let point = self.nearest_in_cell(&x);
            match self.adversarial(point.into_iter().collect()).await.pop() {
                Some(point) => (beyond, best) = (share, point),
                None => near = share,
            }
        }
        best
    }

    /// The nearest of some points that is adversarial.
    async fn first_adversarial(&self, points: Vec<Vec<f32>>) -> Option<Vec<f32>> {
        let mut all: Vec<([f64; 2], Vec<f32>)> =
            points.into_iter().map(|point| (self.space.far(&point), point)).collect();
        all.retain(|(_, point)| !self.known.borrow().contains(&key(point)));
        all.sort_by(|(a, _), (b, _)| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        let mut points: Vec<Vec<f32>> = all.into_iter().map(|(_, point)| point).collect();
        points.dedup();
        // Where one is found early, few are asked about for nothing.
        let mut wanted = BLOCK / 8;
        let mut rest = points.as_slice();
        while !rest.is_empty() {
            let (block, others) = rest.split_at(wanted.min(rest.len()));
            let broken = first_broken(self.subject, block).await;
            let correct = &block[..broken.unwrap_or(block.len())];
            self.known.borrow_mut().extend(correct.iter().map(|point| key(point)));
            if let Some(place) = broken {
                return Some(block[place].clone());
            }
            (rest, wanted) = (others, (2 * wanted).min(BLOCK));
        }
        None
    }

    /// Those of some points that are adversarial.
    async fn adversarial(&self, points: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let answers = self.subject.logits_inside(&points).await;
        let label = self.subject.label();
        let both = points.into_iter().zip(answers);
        both.filter(|(_, answer)| answer.prediction() != label).map(|(point, _)| point).collect()
    }
}

fn key(x: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    x.iter().for_each(|x| x.to_bits().hash(&mut hasher));
    hasher.finish()
}

/// The ends of each element in a cell.
struct Cell(Vec<[End; 2]>);

/// One end of the values of an element in a cell: the tightest that a tree asks for, which tree that is, and the tightest of
/// all other trees.
#[derive(Clone, Copy)]
struct End {
    first: f32,
    owner: Option<usize>,
    second: f32,
}

impl Cell {
    /// The cell of a point.
    fn of(trees: &[Tree], space: &Space, x: &[f32]) -> Cell {
        let whole = |end: &f32| End { first: *end, owner: None, second: *end };
        let mut ends: Vec<[End; 2]> = space.region.iter().map(|ends| ends.each_ref().map(whole)).collect();
        for (place, tree) in trees.iter().enumerate() {
            let mut at = 0;
            while let TreeNode::Branch { element, last, below, above } = tree.0[at] {
                let is_below = x[element] <= last;
                let end = space.end(element, last, is_below);
                let [low, high] = &mut ends[element];
                match is_below {
                    true => high.tighten(end, place, |a, b| a < b),
                    false => low.tighten(end, place, |a, b| a > b),
                }
                at = if is_below { below } else { above };
            }
        }
        Cell(ends)
    }

    fn region(&self) -> ElementRanges {
        self.0.iter().map(|ends| ends.map(|end| end.first)).collect()
    }

    /// The region as far as trees other than this one ask for it.
    fn without(&self, tree: usize) -> ElementRanges {
        let others = |end: End| if end.owner == Some(tree) { end.second } else { end.first };
        self.0.iter().map(|ends| ends.map(others)).collect()
    }

    /// The value of an element next to the cell's, on the side of smaller ones or of larger.
    fn beyond(&self, space: &Space, element: usize, smaller: bool) -> f32 {
        let [low, high] = self.0[element].map(|end| end.first);
        space.beside(element, if smaller { low } else { high }, smaller)
    }
}

impl End {
    fn tighten(&mut self, end: f32, tree: usize, tighter: fn(f32, f32) -> bool) {
        let own = self.owner == Some(tree);
        if tighter(end, self.first) {
            if !own {
                (self.owner, self.second) = (Some(tree), self.first);
            }
            self.first = end;
        } else if !own && tighter(end, self.second) {
            self.second = end;
        }
    }
}
