//! Points that a table or an image can hold: whole numbers or levels in some elements, and exactly one 1 in each group of others.

mod steps;
mod valid;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::model::{ThreatModel, beyond_rounding};
use super::norm::Norm;
use crate::error::positive;
use crate::{Error, Result, SampleError, ThreatError};

pub(crate) use steps::Steps;
pub(crate) use valid::Valid;

/// Which points are valid: in some elements there are whole numbers alone, and of each group of others one is 1 and the rest
/// are 0. Attacks move between them and the model is asked about the valid point next to theirs, so that only valid points
/// count as adversarial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lattice {
    /// Elements of whole numbers, in ascending order.
    integer: Vec<usize>,
    /// Groups of elements, of which one is 1.
    one_hot: Vec<Vec<usize>>,
    /// How many levels one unit has, where every element that is in no group is at one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    levels: Option<f64>,
}

impl Lattice {
    /// The points of `d` elements that have whole numbers in the elements `integer`, and one 1 in each group of `one_hot`.
    ///
    /// # Errors
    /// When there is no such element, one is named twice, or a group has fewer than two.
    pub fn new(mut integer: Vec<usize>, one_hot: Vec<Vec<usize>>, d: usize) -> Result<Lattice> {
        integer.sort_unstable();
        let mut met = vec![false; d];
        for &element in integer.iter().chain(one_hot.iter().flatten()) {
            match met.get_mut(element) {
                Some(met) if !*met => *met = true,
                Some(_) => {
                    return Err(ThreatError::ElementTwice { element }.into());
                }
                None => return Err(ThreatError::NoElement { element, elements: d }.into()),
            }
        }
        if let Some(group) = one_hot.iter().find(|group| group.len() < 2) {
            return Err(ThreatError::Group { elements: group.len() }.into());
        }
        Ok(Lattice { integer, one_hot, levels: None })
    }

    /// The points of `d` elements that have one 1 in each group of `one_hot`, and in every other element a multiple of
    /// `1/per_unit`: whole numbers for 1, the levels of 8-bit images in \[0, 1\] for 255.
    ///
    /// # Errors
    /// When `per_unit` is not positive and finite, or as [`Lattice::new`].
    pub fn of_levels(one_hot: Vec<Vec<usize>>, per_unit: f64, d: usize) -> Result<Lattice> {
        positive("the number of levels in one unit", per_unit, "it must be positive and finite")?;
        Ok(Lattice { levels: Some(per_unit), ..Lattice::new(Vec::new(), one_hot, d)? })
    }

    /// The numbers that elements hold.
    fn steps(&self) -> Steps {
        self.levels.map_or(Steps::WHOLE, Steps::per_unit)
    }

    /// Which of `d` elements hold such numbers alone.
    fn stepped(&self, d: usize) -> Cow<'_, [usize]> {
        if self.levels.is_none() {
            return Cow::from(&self.integer);
        }
        let mut free = vec![true; d];
        self.one_hot.iter().flatten().for_each(|&element| free[element] = false);
        (0..d).filter(|&element| free[element]).collect()
    }

    /// Refuses points of fewer elements than are named.
    pub(crate) fn check_elements(&self, d: usize) -> Result<()> {
        Lattice::new(self.integer.clone(), self.one_hot.clone(), d).map(drop)
    }

    /// What a reader of results should know.
    pub(crate) fn note(&self, threat: &ThreatModel) -> String {
        let count = |n: usize, one: &str, many: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let others = if self.one_hot.is_empty() { "" } else { "other " };
        let whole = match self.levels {
            None => count(self.integer.len(), "column of whole numbers", "columns of whole numbers"),
            Some(_) => Some(format!("{} in all {others}elements", self.steps())),
        };
        let kept =
            [whole, count(self.one_hot.len(), "group of columns with one 1", "groups of columns with one 1")];
        let kept: Vec<String> = kept.into_iter().flatten().collect();
        let steps = if self.one_hot.is_empty() { self.steps() } else { self.steps().finer(Steps::WHOLE) };
        let still = match threat.eps < steps.size() {
            true => format!(", none of which can change within an epsilon below {}", steps.size_text()),
            false => String::new(),
        };
        format!("attacks and certificates are about valid points: {}{still}", kept.join(", "))
    }

    /// Refuses a sample that is no valid point; `names` are those of its elements, if they have any.
    pub(crate) fn check(&self, index: usize, x: &[f32], names: &[String]) -> Result<()> {
        let name = |element: usize| match names.get(element) {
            Some(name) => format!("`{name}`"),
            None => format!("element {element}"),
        };
        let refused = |problem: SampleError| Err(Error::Sample { index, problem });
        let steps = self.steps();
        if let Some(&element) = self.stepped(x.len()).iter().find(|&&element| !steps.hold(x[element])) {
            let must = match self.levels {
                Some(per_unit) if per_unit != 1.0 => "the sample must lie on the levels",
                _ => "the value must be a whole number",
            };
            let (name, value, holds) = (name(element), x[element], steps.to_string());
            return refused(SampleError::OffLevels { element, name, value, holds, must });
        }
        if let Some(group) = self.one_hot.iter().find(|group| !is_one_hot(group, x)) {
            let wrong = group.iter().find(|&&element| x[element] != 0.0 && x[element] != 1.0);
            let found = match wrong {
                Some(&element) => format!("{} in {}", x[element], name(element)),
                None => format!("{} ones", group.iter().filter(|&&element| x[element] == 1.0).count()),
            };
            let elements = group.clone();
            let group: Vec<String> = group.iter().map(|&element| name(element)).collect();
            let group = match group.as_slice() {
                few @ ([_, _] | [_, _, _]) => few.join(", "),
                [first, second, .., last] => format!("{first}, {second}, … {last}"),
                rest => rest.join(", "),
            };
            return refused(SampleError::NotOneHot { elements, group, found });
        }
        Ok(())
    }

    /// Draws the ends of a box around a valid point in, to the smallest box that has the same valid points.
    pub(crate) fn draw_in(&self, origin: &[f32], lower: &mut [f32], upper: &mut [f32]) {
        let steps = self.steps();
        for &element in self.stepped(origin.len()).iter() {
            let (low, high) = (steps.level(lower[element]).ceil(), steps.level(upper[element]).floor());
            let value = |level: f32| steps.value_from(origin[element], level);
            (lower[element], upper[element]) = (value(low), value(high));
        }
        for group in &self.one_hot {
            let leaves = |element: usize| origin[element] != 1.0 || lower[element] <= 0.0;
            let open =
                |element: usize| origin[element] != 1.0 && lower[element] <= 0.0 && upper[element] >= 1.0;
            let movable = group.iter().all(|&element| leaves(element));
            let reached: Vec<bool> = group.iter().map(|&element| movable && open(element)).collect();
            let any = reached.contains(&true);
            for (&element, reached) in group.iter().zip(reached) {
                let hot = origin[element] == 1.0;
                lower[element] = if hot && !any { 1.0 } else { 0.0 };
                upper[element] = if hot || reached { 1.0 } else { 0.0 };
            }
        }
    }

    /// The valid points that a threat model has around a sample, or that there are between the ends of a box of its
    /// own, which was drawn in.
    pub(crate) fn around<'a>(
        &'a self,
        origin: &'a [f32],
        threat: &ThreatModel,
        own: Option<(&'a [f32], &'a [f32])>,
    ) -> Valid<'a> {
        let (lower, upper) = match own {
            Some((lower, upper)) => (Cow::from(lower), Cow::from(upper)),
            None => {
                let [lo, hi] = threat.bounds;
                let is_box = threat.norm == Norm::Linf;
                let reach = |x: f32| if is_box { threat.reach_of(x) } else { f64::INFINITY };
                let end = |sign: f64| -> Vec<f32> {
                    let at = |&x: &f32| ((f64::from(x) + sign * reach(x)) as f32).max(lo).min(hi);
                    origin.iter().map(at).collect()
                };
                let (mut lower, mut upper) = (end(-1.0), end(1.0));
                self.draw_in(origin, &mut lower, &mut upper);
                // What is nearly a level counts as one, but a point is held to epsilon and the bounds more closely.
                let steps = self.steps();
                for &element in self.stepped(origin.len()).iter() {
                    let own = origin[element];
                    let outside = |end: f32| {
                        let beyond = is_box && beyond_rounding(own, end) > threat.allowed();
                        beyond || !(lo..=hi).contains(&end)
                    };
                    if outside(lower[element]) {
                        lower[element] = steps.value_from(own, steps.level(lower[element]) + 1.0);
                    }
                    if outside(upper[element]) {
                        upper[element] = steps.value_from(own, steps.level(upper[element]) - 1.0);
                    }
                }
                (Cow::from(lower), Cow::from(upper))
            }
        };
        let bounded = own.is_none() && threat.norm != Norm::Linf && threat.eps.is_finite();
        let ball = bounded.then(|| (threat.norm, threat.allowed()));
        let stepped = self.stepped(origin.len());
        Valid { lattice: self, origin, stepped, steps: self.steps(), lower, upper, ball }
    }
}

fn is_one_hot(group: &[usize], x: &[f32]) -> bool {
    let ones = group.iter().filter(|&&element| x[element] == 1.0).count();
    ones == 1 && group.iter().all(|&element| x[element] == 0.0 || x[element] == 1.0)
}
