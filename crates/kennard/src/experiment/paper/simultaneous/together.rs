//! Readers of the gradient of a network that learns at the same time.
//!
//! The joint network reads the label from x, and from its own Δ; the separate ones are a network that reads x, and another that
//! reads the first one's Δ. As a network changes, so does Δ: it is taken anew before every epoch, and once more for the test. Each epoch is a
//! training run of its own, which goes on with the last one's weights; the rate falls from one to the next as half a cosine.

use std::f64::consts::PI;

use super::super::digits::Inputs;
use super::inputs::{deltas, standardised};
use super::{BATCH, Bench, ReaderAccuracies, Tasks};
use crate::train::{Recipe, Schedule};
use crate::{Graph, Result};

/// The name of this second input.
pub const TOGETHER: &str = "delta, co-trained";

/// x to fit to and to test on, standardised (n×d each), with labels.
pub struct ShownInputs<'s> {
    pub d: usize,
    pub classes: usize,
    pub x: &'s [Vec<f32>; 2],
    pub labels: [&'s [usize]; 2],
}

impl Bench<'_> {
    /// Readers of a width, half of it for each of the separate ones. None where they were stopped.
    pub fn together(&self, shown: &ShownInputs, width: usize, seed: u64) -> Result<Option<ReaderAccuracies>> {
        let ShownInputs { d, classes, x, labels } = *shown;
        let mut joint = self.reader(d, width, 2 * classes, seed)?;
        let mut of_x = self.reader(d, width / 2, classes, seed)?;
        let mut of_delta = self.reader(d, width / 2, classes, seed)?;
        let doubled: Vec<usize> =
            labels[0].iter().copied().chain(labels[0].iter().map(|y| classes + y)).collect();
        for epoch in 0..self.epochs {
            let [own, _] = self.deltas_of(&joint, shown)?;
            let [others, _] = self.deltas_of(&of_x, shown)?;
            let both = [x[0].as_slice(), own.as_slice()].concat();
            for (network, values, labels, batch) in [
                (&mut joint, both.as_slice(), doubled.as_slice(), 2 * BATCH),
                (&mut of_x, x[0].as_slice(), labels[0], BATCH),
                (&mut of_delta, others.as_slice(), labels[0], BATCH),
            ] {
                let recipe = self.epoch(epoch, batch, seed);
                let Some(trained) = self.train_by(network, values, labels, &recipe)? else { return Ok(None) };
                *network = trained;
            }
        }
        let (own, others) = (self.deltas_of(&joint, shown)?, self.deltas_of(&of_x, shown)?);
        let jointly = Tasks { d, classes, inputs: [x, &own], labels };
        let apart = Tasks { d, classes, inputs: [x, &others], labels };
        Ok(Some(ReaderAccuracies {
            seed,
            width,
            second: TOGETHER,
            separate: [
                self.accuracy(&of_x, &apart, 0, 0..classes)?,
                self.accuracy(&of_delta, &apart, 1, 0..classes)?,
            ],
            joint: [
                self.accuracy(&joint, &jointly, 0, 0..classes)?,
                self.accuracy(&joint, &jointly, 1, classes..2 * classes)?,
            ],
        }))
    }

    /// Δ of a network as it is, to fit to and to test on, standardised.
    fn deltas_of(&self, network: &Graph, shown: &ShownInputs) -> Result<[Vec<f32>; 2]> {
        let engine = self.engine(network, shown.d)?;
        let of = |part: usize| -> Result<Vec<f32>> {
            let (values, labels) = (shown.x[part].clone(), shown.labels[part].to_vec());
            Ok(deltas(&engine, &Inputs { values, labels, classes: shown.classes })?.0)
        };
        Ok(standardised(&of(0)?, &of(1)?, shown.d))
    }

    /// One epoch of a training run of several, in an order of its own.
    fn epoch(&self, epoch: usize, batch: usize, seed: u64) -> Recipe {
        let whole = self.recipe(batch, seed);
        let left = (1.0 + (PI * epoch as f64 / self.epochs as f64).cos()) / 2.0;
        let seed = seed.wrapping_add((epoch as u64) << 32);
        Recipe { epochs: 1, rate: left * whole.rate, schedule: Schedule::Constant, seed, ..whole }
    }
}
