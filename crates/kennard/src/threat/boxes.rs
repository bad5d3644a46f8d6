//! A box of its own for each sample.

use super::model::ThreatModel;
use super::norm::Norm;
use crate::{Error, Result};

/// Where an attacker may move each sample: within a box of its own, `lower ≤ x ≤ upper`, element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct Boxes {
    lower: Vec<f32>,
    upper: Vec<f32>,
    d: usize,
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
            return Err(Error::Threat(format!("{n} lower and {m} upper ends are no boxes of {d} elements")));
        }
        let pairs = lower.iter().zip(&upper);
        if let Some(place) = pairs.clone().position(|(lo, hi)| !(lo <= hi && (hi - lo).is_finite())) {
            let (row, element) = (place / d, place % d);
            return Err(Error::Threat(format!(
                "the box of sample {row} reaches from {} to {} in element {element}: the lower end must not be larger",
                lower[place], upper[place]
            )));
        }
        Ok(Boxes { lower, upper, d })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lower.len() / self.d
    }

    /// The smallest lower and the largest upper end.
    fn bounds(&self) -> [f32; 2] {
        let lo = self.lower.iter().copied().fold(f32::INFINITY, f32::min);
        [lo, self.upper.iter().copied().fold(f32::NEG_INFINITY, f32::max)]
    }

    /// What is said of the boxes where one threat model for all samples is wanted: linf, half of the widest element as
    /// epsilon, and the bounds of all.
    ///
    /// # Errors
    /// When no box has any width.
    pub fn threat(&self) -> Result<ThreatModel> {
        let widths = self.lower.iter().zip(&self.upper).map(|(lo, hi)| f64::from(*hi) - f64::from(*lo));
        // Six digits: the ends are of single precision.
        let radius = format!("{:.5e}", widths.fold(0.0, f64::max) / 2.0).parse().unwrap_or_default();
        ThreatModel::within(Norm::Linf, radius, self.bounds())
    }

    /// The box of a sample.
    pub(crate) fn around(&self, index: usize) -> Frame<'_> {
        let part = index * self.d..(index + 1) * self.d;
        Frame { lower: &self.lower[part.clone()], upper: &self.upper[part] }
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
        x.len() == self.lower.len() && x.iter().zip(self.ends()).all(|(x, (lo, hi))| (lo..=hi).contains(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_seen_as_the_unit_cube() {
        let boxes = Boxes::new(vec![0.0, -1.0, 0.5, 0.1], vec![0.0, 3.0, 0.5, 0.2], 2).unwrap();
        assert_eq!((boxes.count(), boxes.bounds(), boxes.threat().unwrap().eps), (2, [-1.0, 3.0], 2.0));
        let first = boxes.around(0);
        assert_eq!(first.to_unit(&[0.0, 0.0]), [0.0, 0.25]);
        assert_eq!(first.point(&[1.0, 0.25]).collect::<Vec<_>>(), [0.0, 0.0]);
        let mut gradient = [5.0, 2.0];
        first.scale(&mut gradient);
        assert_eq!(gradient, [0.0, 8.0]);
        let second = boxes.around(1);
        for t in [0.0, 0.3, 1.0] {
            let x: Vec<f32> = second.point(&[t, t]).collect();
            assert!(second.contains(&x) && !first.contains(&x), "{x:?}");
        }
    }

    #[test]
    fn what_is_no_box_is_refused() {
        assert!(Boxes::new(vec![0.0; 4], vec![1.0; 2], 2).is_err());
        let message = Boxes::new(vec![0.0, 2.0], vec![1.0, 1.0], 1).unwrap_err().to_string();
        assert!(message.contains("sample 1") && message.contains("from 2 to 1"), "{message}");
    }
}
