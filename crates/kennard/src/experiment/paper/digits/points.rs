//! A data set as points in Fisher's plane.

use std::sync::atomic::{AtomicBool, Ordering};

use super::fisher::Plane;
use crate::data::{DataSet, DataSpec, Options, Selection, Split};
use crate::{Error, Result};

/// Points in the plane with their labels.
#[derive(Clone, Debug)]
pub struct PlanePoints {
    /// The coordinates (n×2).
    pub values: Vec<f32>,
    /// The labels (n).
    pub labels: Vec<usize>,
    /// How many classes there are.
    pub classes: usize,
}

/// Samples that networks are trained on, and others that they are measured on.
pub struct Parts<T> {
    /// To train on.
    pub train: T,
    /// To measure on.
    pub test: T,
}

/// Samples as a data set has them.
pub struct Inputs {
    /// The inputs (n×d).
    pub values: Vec<f32>,
    /// The labels (n).
    pub labels: Vec<usize>,
    /// The number of classes.
    pub classes: usize,
}

/// Reads this many random samples of each split; all of them disjoint, where `one` is told to be the only split. `None`:
/// stopped.
pub fn read(
    data: &str,
    one: bool,
    [train, test]: [usize; 2],
    stop: &AtomicBool,
) -> Result<Option<Parts<Inputs>>> {
    let spec: DataSpec = data.parse()?;
    let open = |split| DataSet::open(&spec, &Options { split, ..Options::default() });
    let of = |data: &DataSet, places: Vec<usize>| -> Result<Option<Inputs>> {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for sample in data.at(Box::new(places.into_iter()))? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let sample = sample?;
            values.extend(sample.input);
            labels.push(sample.label);
        }
        Ok(Some(Inputs { values, labels, classes: data.classes() }))
    };
    let tested = open(Split::Test)?;
    let drawn = |len: usize, count: usize| -> Vec<usize> {
        Selection::Random { count: count.min(len), seed: 0 }.in_random_order(&(0..len).collect::<Vec<_>>())
    };
    let sorted = |mut places: Vec<usize>| {
        places.sort_unstable();
        places
    };
    let parts = if one {
        let mut all = drawn(tested.len(), train + test);
        if all.len() < train + test {
            return Err(Error::TooFew {
                count: tested.len() as u64,
                what: "samples",
                purpose: format!("in {data} for {train} to train on and {test} to measure on"),
            }
            .advise(". Set {samples} lower"));
        }
        let test = all.split_off(train);
        (of(&tested, sorted(all))?, of(&tested, sorted(test))?)
    } else {
        let trained = open(Split::Train)?;
        (of(&trained, sorted(drawn(trained.len(), train)))?, of(&tested, sorted(drawn(tested.len(), test)))?)
    };
    let (Some(train), Some(test)) = parts else { return Ok(None) };
    Ok(Some(Parts { train, test }))
}

impl PlanePoints {
    /// The points of samples in the plane of some of them.
    ///
    /// # Errors
    /// As [`Plane::fit`].
    pub fn of(inputs: &Parts<Inputs>) -> Result<Parts<PlanePoints>> {
        let plane = Plane::fit(&inputs.train.values, &inputs.train.labels)?;
        let points = |of: &Inputs| PlanePoints {
            values: plane.project(&of.values),
            labels: of.labels.clone(),
            classes: of.classes,
        };
        Ok(Parts { train: points(&inputs.train), test: points(&inputs.test) })
    }

    /// The coordinates of a point.
    pub fn at(&self, place: usize) -> [f64; 2] {
        [0, 1].map(|i| f64::from(self.values[2 * place + i]))
    }

    /// The places of `count` points, as evenly over the classes as can be, the first of each.
    pub fn stratified(&self, count: usize) -> Vec<usize> {
        let mut places = Vec::new();
        let of = |class: usize, nth: usize| {
            (0..self.labels.len()).filter(|&place| self.labels[place] == class).nth(nth)
        };
        for nth in 0..count {
            places.extend((0..self.classes).filter_map(|class| of(class, nth)));
            if places.len() >= count {
                break;
            }
        }
        places.truncate(count);
        places.sort_unstable();
        places
    }

    /// Some of the points.
    pub fn among(&self, places: impl Iterator<Item = usize> + Clone) -> PlanePoints {
        PlanePoints {
            values: places
                .clone()
                .flat_map(|place| [self.values[2 * place], self.values[2 * place + 1]])
                .collect(),
            labels: places.map(|place| self.labels[place]).collect(),
            classes: self.classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: two of class 0, one of 1, one of 2.
    #[test]
    fn centres_are_of_all_classes() {
        let labels = vec![0, 0, 1, 0, 2, 1];
        let points = PlanePoints { values: (0..12).map(|v| v as f32).collect(), labels, classes: 3 };
        assert_eq!(points.stratified(4), [0, 1, 2, 4]);
        assert_eq!(points.stratified(2), [0, 2]);
        assert_eq!(points.stratified(50), [0, 1, 2, 3, 4, 5]);
        let some = points.among([4, 0].into_iter());
        assert_eq!((some.values, some.labels), (vec![8.0, 9.0, 0.0, 1.0], vec![2, 0]));
        assert_eq!(points.at(4), [8.0, 9.0]);
    }
}
