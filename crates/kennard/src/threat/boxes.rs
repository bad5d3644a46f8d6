//! A box of its own for each sample.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::lattice::Lattice;
use super::model::ThreatModel;
use super::norm::Norm;
use crate::data::{DataSet, Sample};
use crate::{Error, Mismatch, Result, SampleError, ThreatError};

/// Where an attacker may move each sample: within a box of its own, `lower ≤ x ≤ upper`, element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct Boxes(Ends);

#[derive(Clone, Debug, PartialEq)]
enum Ends {
    /// The ends for each sample, one after the other, `d` elements each.
    Given { lower: Vec<f32>, upper: Vec<f32>, d: usize },
    /// The sample less and plus a radius of each element's own, within the bounds of the input.
    Around { radii: Vec<f64>, bounds: [f32; 2] },
}

/// The ends of one sample's box.
pub(crate) struct SampleBox<'a> {
    lower: Cow<'a, [f32]>,
    upper: Cow<'a, [f32]>,
}

/// The box of one sample. Attacks see it as the unit cube.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    lower: &'a [f32],
    upper: &'a [f32],
}

impl Boxes {
    /// Boxes in the order of the samples, `d` elements each.
    ///
    /// # Errors
    /// When there are not as many lower as upper ends, or a lower one is larger.
    pub fn new(lower: Vec<f32>, upper: Vec<f32>, d: usize) -> Result<Boxes> {
        if lower.len() != upper.len() || d == 0 || !lower.len().is_multiple_of(d) {
            let (n, m) = (lower.len(), upper.len());
            return Err(ThreatError::BoxCount { lower: n, upper: m, elements: d }.into());
        }
        let pairs = lower.iter().zip(&upper);
        if let Some(place) = pairs.clone().position(|(lo, hi)| !(lo <= hi && (hi - lo).is_finite())) {
            let (sample, element) = (place / d, place % d);
            let (low, high) = (lower[place], upper[place]);
            return Err(ThreatError::Box { sample, element, low, high }.into());
        }
        Ok(Boxes(Ends::Given { lower, upper, d }))
    }

    /// Boxes around the samples: element `i` may move by at most `radii[i]`, in its own units, within the bounds of the input.
    /// An element whose radius is 0 does not change. The ends are rounded to single precision.
    ///
    /// # Errors
    /// When a radius is negative or no number, all are 0, or the bounds are no range.
    pub fn around(radii: Vec<f64>, bounds: [f32; 2]) -> Result<Boxes> {
        if let Some((i, radius)) = radii.iter().enumerate().find(|(_, r)| !(**r >= 0.0 && r.is_finite())) {
            return Err(Error::OutOfRange {
                setting: format!("the epsilon of element {i}"),
                value: *radius,
                allowed: "it must be zero or a positive number".into(),
            });
        }
        if radii.iter().all(|radius| *radius == 0.0) {
            return Err(ThreatError::NothingMoves.into());
        }
        ThreatModel::within(Norm::Linf, 0.0, bounds)?;
        Ok(Boxes(Ends::Around { radii, bounds }))
    }

    /// Refuses boxes that are not of `samples` samples of `d` elements.
    pub(crate) fn check(&self, samples: usize, d: usize) -> Result<()> {
        let (what, found, other, wanted) = match &self.0 {
            Ends::Given { lower, d, .. } => ("boxes", lower.len() / d, "samples", samples),
            Ends::Around { radii, .. } => ("epsilons", radii.len(), "features", d),
        };
        if found == wanted { Ok(()) } else { Err(Mismatch::Counts { what, found, other, wanted }.into()) }
    }

    /// How far each element may move, where boxes are around the samples; nothing where each has its own.
    pub(crate) fn radii(&self) -> &[f64] {
        match &self.0 {
            Ends::Given { .. } => &[],
            Ends::Around { radii, .. } => radii,
        }
    }

    /// Refuses a sample, `x` at a place of the data set, that lies outside its own box.
    pub(crate) fn check_inside(&self, index: usize, x: &[f32]) -> Result<()> {
        self.outside(index, x).map_or(Ok(()), |problem| Err(Error::Sample { index, problem }))
    }

    /// What is wrong with a sample that lies outside its own box; nothing where it does not.
    fn outside(&self, index: usize, x: &[f32]) -> Option<SampleError> {
        let own = self.whole(index, x);
        let frame = own.frame();
        let mut elements = x.iter().zip(frame.ends()).enumerate();
        let (element, (&value, (lo, hi))) = elements.find(|(_, (x, (lo, hi)))| !(*lo..=*hi).contains(*x))?;
        let cure = match &self.0 {
            Ends::Given { .. } => "repair lower and upper, or x",
            Ends::Around { .. } => "give the bounds of the data",
        };
        Some(SampleError::OutsideBox { element, value, ends: [lo, hi], cure })
    }

    /// What is said of the boxes where one threat model for all samples is wanted: linf, as epsilon the farthest that any box
    /// reaches from its sample (the largest radius), and the bounds of all.
    ///
    /// # Errors
    /// When there are not as many boxes as samples, or of another size; when a sample lies outside its own box, or the data cannot
    /// be read; when no box has any width.
    pub fn threat(&self, data: &DataSet) -> Result<ThreatModel> {
        self.check(data.len(), data.shape().iter().product())?;
        match &self.0 {
            Ends::Given { lower, upper, .. } => {
                let mut farthest = 0.0f64;
                for sample in data.samples()? {
                    let Sample { index, input, .. } = sample?;
                    if let Some(problem) = self.outside(index, &input) {
                        let data = data.spec();
                        return Err(Mismatch::InData { data: data.into(), index, problem }.into());
                    }
                    farthest = farthest.max(self.whole(index, &input).reach(&input));
                }
                let lo = lower.iter().copied().fold(f32::INFINITY, f32::min);
                let hi = upper.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                // Rounded it may be more than there is.
                let radius = six_digits(farthest).min(f64::from(hi) - f64::from(lo));
                ThreatModel::within(Norm::Linf, radius, [lo, hi])
            }
            Ends::Around { radii, bounds } => {
                let largest = radii.iter().copied().fold(0.0, f64::max);
                ThreatModel::within(Norm::Linf, largest, *bounds)
            }
        }
    }

    /// What a reader of results should know, where this is said to be the epsilon.
    pub(crate) fn note(&self, eps: f64) -> String {
        let radii = match &self.0 {
            Ends::Given { lower, upper, .. } => {
                let widths = lower.iter().zip(upper).map(|(lo, hi)| f64::from(*hi) - f64::from(*lo));
                let half = six_digits(widths.fold(0.0, f64::max) / 2.0);
                let is = match eps == half {
                    true => "half of the widest element",
                    false => "the farthest that one reaches from its sample",
                };
                return format!("attacks stay within a box of its own for each sample; epsilon is {is}");
            }
            Ends::Around { radii, .. } => radii,
        };
        let moving = radii.iter().copied().filter(|radius| *radius > 0.0);
        let least = moving.clone().fold(f64::INFINITY, f64::min);
        let (most, frozen) = (moving.clone().fold(0.0, f64::max), radii.len() - moving.count());
        let frozen = match frozen {
            0 => String::new(),
            some => format!("; {some} of {} may not change", radii.len()),
        };
        let size = if least == most { format!("{most}") } else { format!("{least} to {most}") };
        format!("each feature has its own epsilon: {size}{frozen}")
    }

    /// The box of the sample at a place of the data set, which is `x` (d); the smallest one around the valid points, where not all
    /// are.
    pub(crate) fn of(&self, index: usize, x: &[f32], lattice: Option<&Lattice>) -> SampleBox<'_> {
        let mut own = self.whole(index, x);
        if let Some(lattice) = lattice {
            lattice.draw_in(x, own.lower.to_mut(), own.upper.to_mut());
        }
        own
    }

    fn whole(&self, index: usize, x: &[f32]) -> SampleBox<'_> {
        match &self.0 {
            Ends::Given { lower, upper, d } => {
                let part = index * d..(index + 1) * d;
                SampleBox { lower: Cow::from(&lower[part.clone()]), upper: Cow::from(&upper[part]) }
            }
            Ends::Around { radii, bounds: [lo, hi] } => {
                let end = |sign: f64| -> Cow<'_, [f32]> {
                    let at = |(x, r): (&f32, &f64)| (f64::from(*x) + sign * r) as f32;
                    x.iter().zip(radii).map(at).map(|end| end.max(*lo).min(*hi)).collect()
                };
                SampleBox { lower: end(-1.0), upper: end(1.0) }
            }
        }
    }
}

/// A number to six digits: ends are of single precision.
fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or_default()
}

impl SampleBox<'_> {
    /// How far it reaches from a point inside, in the element where that is most.
    fn reach(&self, x: &[f32]) -> f64 {
        let ends = self.lower.iter().zip(self.upper.iter());
        let of = |(x, (lo, hi)): (&f32, (&f32, &f32))| {
            (f64::from(*x) - f64::from(*lo)).max(f64::from(*hi) - f64::from(*x))
        };
        x.iter().zip(ends).map(of).fold(0.0, f64::max)
    }

    pub fn frame(&self) -> Frame<'_> {
        Frame { lower: &self.lower, upper: &self.upper }
    }

    /// The smallest and the largest value of each element.
    pub fn ends(&self) -> (&[f32], &[f32]) {
        (&self.lower, &self.upper)
    }
}

impl Frame<'_> {
    /// The smallest and the largest value of each element (d).
    pub fn region(self) -> [Vec<f32>; 2] {
        [self.lower.to_vec(), self.upper.to_vec()]
    }

    fn ends(&self) -> impl Iterator<Item = (f32, f32)> {
        self.lower.iter().copied().zip(self.upper.iter().copied())
    }

    /// Where a point of the box lies in the unit cube; at 0 where the box has no width.
    pub fn to_unit(self, x: &[f32]) -> Vec<f32> {
        let place = |(&x, (lo, hi)): (&f32, (f32, f32))| {
            if hi > lo { ((x - lo) / (hi - lo)).clamp(0.0, 1.0) } else { 0.0 }
        };
        x.iter().zip(self.ends()).map(place).collect()
    }

    /// The point of the box at a place of the unit cube.
    pub fn point(self, unit: &[f32]) -> impl Iterator<Item = f32> {
        // In double precision, so that 0 and 1 are the ends themselves.
        let at = |(&t, (lo, hi)): (&f32, (f32, f32))| {
            let value = f64::from(lo) + f64::from(t) * (f64::from(hi) - f64::from(lo));
            value as f32
        };
        unit.iter().zip(self.lower.iter().copied().zip(self.upper.iter().copied())).map(at)
    }

    /// Makes a gradient at a point of the box one at its place in the unit cube.
    pub fn scale(self, gradient: &mut [f32]) {
        gradient.iter_mut().zip(self.ends()).for_each(|(g, (lo, hi))| *g *= hi - lo);
    }

    pub fn contains(self, x: &[f32]) -> bool {
        self.is_near(x, 0.0)
    }

    /// Whether no element of a point is further from the box than a share of its width there.
    pub fn is_near(self, x: &[f32], share: f64) -> bool {
        let near = |(&x, (lo, hi)): (&f32, (f32, f32))| {
            let (lo, hi) = (f64::from(lo), f64::from(hi));
            let off = share * (hi - lo);
            (lo - off..=hi + off).contains(&f64::from(x))
        };
        x.len() == self.lower.len() && x.iter().zip(self.ends()).all(near)
    }
}
