use rand::seq::SliceRandom;

use super::Recipe;
use super::images::Images;
use crate::data::{DataSet, Selection};
use crate::random::stream;
use crate::{Mismatch, Result};

/// The samples that a network is trained and validated on.
pub struct TrainingSet {
    pub(super) images: Images,
    /// Places of the samples to train on, in their order.
    pub(super) training: Vec<usize>,
    /// Places of those kept for validation, in random order.
    pub(super) held_out: Vec<usize>,
}

impl TrainingSet {
    /// Reads samples of a data set, and keeps some of them, drawn by the seed, for validation.
    ///
    /// # Errors
    /// When the data cannot be read, there are too few samples for the recipe, all have one label, or something is
    /// attacked, or noise added, and a sample lies outside the bounds.
    pub fn read(
        data: &DataSet,
        selection: Selection,
        recipe: &Recipe,
        seen: impl FnMut(usize),
    ) -> Result<TrainingSet> {
        TrainingSet::split(Images::read(data, selection, seen)?, recipe, data.spec())
    }

    /// Samples that are in memory: `values` is `[n, …shape]`, row-major, with `n` labels.
    ///
    /// # Errors
    /// As [`TrainingSet::read`], and when there are not as many values as samples of this shape have.
    pub fn of(values: Vec<f32>, labels: Vec<usize>, shape: &[usize], recipe: &Recipe) -> Result<TrainingSet> {
        let (n, d) = (labels.len(), shape.iter().product::<usize>());
        if values.len() != n * d {
            return Err(Mismatch::Values { values: values.len(), samples: n, shape: shape.into() }.into());
        }
        TrainingSet::split(Images::of_floats(values, labels, shape.to_vec()), recipe, "the array")
    }

    /// `source` is where they are from, for messages.
    fn split(images: Images, recipe: &Recipe, source: impl std::fmt::Display) -> Result<TrainingSet> {
        recipe.check(images.labels.len())?;
        if recipe.threat().is_some() || recipe.method.stays_inside() {
            images.check_inside(recipe.bounds)?;
        }
        if images.labels.iter().all(|label| *label == images.labels[0]) {
            let (samples, label) = (images.labels.len(), images.labels[0]);
            return Err(Mismatch::OneLabel { samples, data: source.to_string(), label }.into());
        }
        let mut order: Vec<usize> = (0..images.labels.len()).collect();
        order.shuffle(&mut stream(recipe.seed, &[], "held out"));
        let mut training = order.split_off(recipe.held_out);
        training.sort_unstable();
        Ok(TrainingSet { images, training, held_out: order })
    }

    /// Mean and standard deviation of each channel over the training samples; none where samples are no
    /// images.
    pub fn statistics(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        self.images.statistics(&self.training)
    }

    /// The remark that an epoch leaves out more than a quarter of the samples, which are too few for another batch; nothing where an
    /// epoch does not.
    pub(crate) fn left_over(&self, batch: usize) -> Option<String> {
        let samples = self.training.len();
        let over = samples % batch.max(1);
        (4 * over > samples).then(|| {
            format!(
                "every epoch leaves out {over} of {samples} samples, others each time: they fill no batch in batches of {batch}"
            )
        })
    }

    /// The training samples in the order of an epoch.
    pub(super) fn order(&self, seed: u64, epoch: usize) -> Vec<usize> {
        let mut order = self.training.clone();
        order.shuffle(&mut stream(seed, &[epoch as u64], "order"));
        order
    }
}
