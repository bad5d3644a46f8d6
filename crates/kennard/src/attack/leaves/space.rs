//! Where valid points lie, and how far from the sample.

use crate::Norm;
use crate::attack::Subject;
use crate::threat::{Steps, beyond_rounding};

/// The ends of each element (d), both included; those of whole numbers and levels are such.
pub(super) type ElementRanges = Vec<[f32; 2]>;

/// The points around a sample that the model may be asked about, in the input's own units.
pub(super) struct Space<'a> {
    pub origin: Vec<f32>,
    norm: Norm,
    /// Whether sizes are beyond rounding, as those are that epsilon limits.
    limited: bool,
    /// Where a point may lie at all.
    pub region: ElementRanges,
    /// The numbers that elements hold, where not all are valid.
    steps: Vec<Option<Steps>>,
    /// Groups of elements of which one is 1, the others 0.
    groups: &'a [Vec<usize>],
    /// The group of an element that is in one.
    group_of: Vec<Option<usize>>,
    /// The largest [size](Space::size) that is of interest.
    pub limit: f64,
}

impl<'a> Space<'a> {
    pub fn of(subject: &Subject<'a>) -> Space<'a> {
        let sample = subject.sample();
        let threat = subject.threat();
        let origin: Vec<f32> = match sample.frame {
            Some(frame) => frame.point(sample.origin).collect(),
            None => sample.origin.to_vec(),
        };
        let d = origin.len();
        let mut region = match sample.frame.map(|frame| frame.region()) {
            Some([lower, upper]) => lower.into_iter().zip(upper).map(|(lo, hi)| [lo, hi]).collect(),
            None => vec![threat.bounds; d],
        };
        let (integer, groups) = sample.valid.map_or((&[][..], &[][..]), |valid| valid.elements());
        let (mut steps, mut group_of) = (vec![None; d], vec![None; d]);
        integer.iter().for_each(|&element| steps[element] = sample.valid.map(|valid| valid.steps()));
        for (group, elements) in groups.iter().enumerate() {
            for &element in elements {
                (steps[element], group_of[element]) = (Some(Steps::WHOLE), Some(group));
                region[element] = [region[element][0].max(0.0), region[element][1].min(1.0)];
            }
        }
        for (([lo, hi], steps), &own) in region.iter_mut().zip(&steps).zip(&origin) {
            if let Some(steps) = steps {
                (*lo, *hi) = (steps.at_least(own, *lo), steps.at_most(own, *hi));
            }
        }
        let reach = match sample.frame {
            // A box is as large as its region.
            Some(_) => f64::INFINITY,
            None => threat.allowed(),
        };
        let limited = reach.is_finite() && threat.norm != Norm::L0;
        let limit = if threat.norm == Norm::L2 { reach * reach } else { reach };
        Space { origin, norm: threat.norm, limited, region, steps, groups, group_of, limit }
    }

    /// The end of an element's values that a branch makes: the largest value up to `last`, or the smallest beyond it.
    pub fn end(&self, element: usize, last: f32, below: bool) -> f32 {
        let own = self.origin[element];
        match (below, self.steps[element]) {
            (true, None) => last,
            (true, Some(steps)) => steps.at_most(own, last),
            (false, None) => last.next_up(),
            (false, Some(steps)) => steps.at_least(own, last.next_up()),
        }
    }

    /// The value of an element next to another, on the side of smaller ones or of larger.
    pub fn beside(&self, element: usize, value: f32, smaller: bool) -> f32 {
        let own = self.origin[element];
        match (smaller, self.steps[element]) {
            (true, Some(steps)) => steps.beyond(own, value, -1.0),
            (true, None) => value.next_down(),
            (false, Some(steps)) => steps.beyond(own, value, 1.0),
            (false, None) => value.next_up(),
        }
    }

    /// The part of an element's values up to `last`, or beyond it.
    pub fn part(&self, element: usize, [lo, hi]: [f32; 2], last: f32, below: bool) -> [f32; 2] {
        let end = self.end(element, last, below);
        if below { [lo, hi.min(end)] } else { [lo.max(end), hi] }
    }

    /// What an element between these ends adds to a region's size.
    fn gap(&self, element: usize, [lo, hi]: [f32; 2]) -> f64 {
        let origin = self.origin[element];
        let nearest = origin.max(lo).min(hi);
        let gap = match self.limited {
            true => beyond_rounding(origin, nearest),
            false => (f64::from(nearest) - f64::from(origin)).abs(),
        };
        match self.norm {
            Norm::Linf | Norm::L1 => gap,
            Norm::L2 => gap * gap,
            Norm::L0 => f64::from(u8::from(gap > 0.0)),
        }
    }

    /// The norm of the way to the nearest point of a region, squared in l2. Of a group it sees the elements one by one.
    pub fn size(&self, region: &ElementRanges) -> f64 {
        let gaps = region.iter().enumerate().map(|(element, ends)| self.gap(element, *ends));
        if self.norm == Norm::Linf { gaps.fold(0.0, f64::max) } else { gaps.sum() }
    }

    /// The size of a region that had `size` before an element's ends were brought closer to each other.
    pub fn grown(&self, size: f64, element: usize, before: [f32; 2], after: [f32; 2]) -> f64 {
        let after = self.gap(element, after);
        if self.norm == Norm::Linf { size.max(after) } else { size - self.gap(element, before) + after }
    }

    /// How far a point is: its size as a region, and between points of one size the sum of changes.
    pub fn far(&self, x: &[f32]) -> [f64; 2] {
        let size = self.size(&x.iter().map(|x| [*x; 2]).collect());
        [size, Norm::L1.distance(&self.origin, x)]
    }

    /// The nearest valid point of a region, if it has one.
    pub fn nearest(&self, region: &ElementRanges) -> Option<Vec<f32>> {
        if region.iter().any(|[lo, hi]| lo > hi) {
            return None;
        }
        let mut x: Vec<f32> =
            self.origin.iter().zip(region).map(|(origin, [lo, hi])| origin.max(*lo).min(*hi)).collect();
        for group in self.groups {
            let may_be = |chosen: usize| {
                let fits = |element: usize| {
                    let [lo, hi] = region[element];
                    (lo..=hi).contains(&f32::from(u8::from(element == chosen)))
                };
                group.iter().all(|&element| fits(element))
            };
            let own = group.iter().filter(|&&element| self.origin[element] == 1.0);
            let chosen = own.chain(group).copied().find(|&element| may_be(element))?;
            group.iter().for_each(|&element| x[element] = f32::from(u8::from(element == chosen)));
        }
        Some(x)
    }

    /// Whether groups may make a nearest point farther than its region's size says.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The elements that change together with one.
    pub fn together(&self, element: usize) -> Option<&[usize]> {
        self.group_of[element].map(|group| self.groups[group].as_slice())
    }
}
