//! Training: the same graphs, differentiated with respect to their weights, on the same runtimes.
//!
//! A batch is cut into parts of one size. Each is worked on by one core: varied, changed as the method
//! wants it, differentiated; the gradients of the parts are added in their order. So the result depends
//! neither on the number of cores nor on where a run was interrupted.

mod architecture;
mod checkpoint;
mod images;
mod method;
mod optimizer;
mod perturb;
mod recipe;
mod validate;
mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::time::Instant;

use kennard_graph::{Graph, statistics, trainable};
use kennard_runtime::Runtime;
use rand::seq::SliceRandom;

pub use architecture::Architecture;
pub use checkpoint::{Epoch, TrainingDirectory};
use checkpoint::{State, with_weights};
pub use images::Augmentation;
use images::Images;
pub use method::{METHODS, Method, Strength};
pub use optimizer::{Optimizer, Schedule};
pub use recipe::Recipe;
use worker::{Batch, Part, Programs, Weights, Worker};

use crate::data::{DataSet, Selection};
use crate::random::stream;
use crate::run::sums::sha256;
use crate::workers::{Desk, side_by_side};
use crate::{Error, Result};

/// New running statistics are mixed in with this weight, as in PyTorch.
const STATISTICS_RATE: f32 = 0.1;

/// The samples that a network is trained and validated on.
pub struct Samples {
    images: Images,
    training: Vec<usize>,
    held_out: Vec<usize>,
}

impl Samples {
    /// Reads samples of a data set, and keeps some of them, drawn by the seed, for validation.
    ///
    /// # Errors
    /// When the data cannot be read, there are too few samples for the recipe, all have one label, or something is
    /// attacked and a sample lies outside the bounds.
    pub fn read(
        data: &DataSet,
        selection: Selection,
        recipe: &Recipe,
        seen: impl FnMut(usize),
    ) -> Result<Samples> {
        Samples::split(Images::read(data, selection, seen)?, recipe, data.spec())
    }

    /// Samples that are in memory: `values` is `[n, …shape]`, row-major, with `n` labels.
    ///
    /// # Errors
    /// As [`Samples::read`], and when there are not as many values as samples of this shape have.
    pub fn of(values: Vec<f32>, labels: Vec<usize>, shape: &[usize], recipe: &Recipe) -> Result<Samples> {
        let (n, d) = (labels.len(), shape.iter().product::<usize>());
        if values.len() != n * d {
            return Err(Error::Mismatch(format!(
                "{} values are not {n} samples of shape {shape:?}",
                values.len()
            )));
        }
        Samples::split(Images::of_floats(values, labels, shape.to_vec()), recipe, "the array")
    }

    /// `source` is where they are from, for messages.
    fn split(images: Images, recipe: &Recipe, source: impl std::fmt::Display) -> Result<Samples> {
        recipe.check(images.labels.len())?;
        if let Some(threat) = recipe.threat() {
            images.check_inside(threat.bounds)?;
        }
        if images.labels.iter().all(|label| *label == images.labels[0]) {
            return Err(Error::Setting(format!(
                "all {} samples of {source} have the label {}: there is nothing to tell apart",
                images.labels.len(),
                images.labels[0]
            )));
        }
        let mut order: Vec<usize> = (0..images.labels.len()).collect();
        order.shuffle(&mut stream(recipe.seed, &[], "held out"));
        let mut training = order.split_off(recipe.held_out);
        training.sort_unstable();
        Ok(Samples { images, training, held_out: order })
    }

    /// Mean and standard deviation of each channel over the training samples; none where samples are no
    /// images.
    pub fn statistics(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        self.images.statistics(&self.training)
    }

    /// How many there are to train on.
    pub fn training(&self) -> usize {
        self.training.len()
    }
}

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress<'p> {
    /// The epoch under way, from 1.
    pub epoch: usize,
    /// Steps of it that are done, and how many it has.
    pub step: usize,
    /// How many steps an epoch has.
    pub steps: usize,
    /// The mean of the objective in this epoch so far.
    pub loss: f64,
    /// The accuracy on what the network was shown in this epoch so far.
    pub accuracy: f64,
    /// The epoch that has just ended, if one has.
    pub ended: Option<&'p Epoch>,
}

/// Trains a network: `model` takes the samples and returns logits.
pub struct Training<'t> {
    /// The network to begin with.
    pub model: &'t Graph,
    /// What to do.
    pub recipe: &'t Recipe,
    /// What to do it on.
    pub samples: &'t Samples,
    /// What runs the graphs.
    pub runtime: &'t Runtime,
    /// Cores to use. The result does not depend on them.
    pub threads: usize,
}

/// Where a run ended.
#[derive(Clone, Debug)]
pub struct Trained {
    /// All epochs, those of an interrupted run included.
    pub epochs: Vec<Epoch>,
    /// The network, with the last weights.
    pub model: Graph,
    /// Whether `stop` ended it before its time.
    pub interrupted: bool,
    /// What was damaged of the run that was gone on with, for people.
    pub damage: Option<String>,
}

impl Training<'_> {
    /// Runs all epochs, or those left of a run that was interrupted, and keeps every epoch in `directory`.
    ///
    /// # Errors
    /// When the network cannot be differentiated or run, the objective is no number any more, or the disk
    /// is full. What earlier epochs left stays.
    pub fn run(
        &self,
        directory: Option<&TrainingDirectory>,
        stop: &AtomicBool,
        mut progress: impl FnMut(Progress),
    ) -> Result<Trained> {
        let layout = Layout::new(self.model, self.recipe.part);
        let names = &layout.names;
        if names.is_empty() {
            return Err(Error::Setting("the network has no weights that training could change".into()));
        }
        let programs = Programs::new(self.model, self.recipe)?;
        let fresh = self.fresh(names)?;
        let (recovered, damage) = match directory {
            Some(directory) => directory.recover(names, &fresh)?.unzip(),
            None => (None, None),
        };
        let State { weights, mut memory, mut average, mut steps, mut epochs } = recovered.unwrap_or(fresh);
        let weights = RwLock::new(weights);
        let mut interrupted = false;
        self.with_workers(&programs, &weights, |run_batch| {
            while epochs.len() < self.recipe.epochs && !interrupted {
                let start = Instant::now();
                let epoch = epochs.len() + 1;
                let order = self.order(epoch);
                let batches = order.len() / self.recipe.batch;
                let (mut loss, mut correct, mut shown) = (0.0, 0, 0);
                for (step, rows) in order.chunks_exact(self.recipe.batch).enumerate() {
                    if stop.load(Ordering::Relaxed) {
                        interrupted = true;
                        return Ok(());
                    }
                    let done = (epoch - 1) as f64 + step as f64 / batches as f64;
                    let grown =
                        if self.recipe.warmup > 0.0 { (done / self.recipe.warmup).min(1.0) } else { 1.0 };
                    let eps = self.recipe.eps.unwrap_or(0.0) * grown;
                    let sum = run_batch(Batch { rows: rows.to_vec(), epoch: epoch as u64, eps })?;
                    loss += sum.loss;
                    correct += sum.correct;
                    shown += rows.len();
                    if !sum.loss.is_finite() {
                        return Err(self.diverged(directory, epoch, step));
                    }
                    let factor = self.recipe.schedule.factor((done / self.recipe.epochs as f64).min(1.0));
                    steps += 1;
                    let mut weights = weights.write().unwrap_or_else(|poisoned| poisoned.into_inner());
                    self.update(&layout, &mut weights, sum, &mut memory, steps, self.recipe.rate * factor);
                    if let (Some(average), Some(rate)) = (&mut average, self.recipe.average) {
                        blend(average, &weights.trained, rate as f32);
                    }
                    progress(Progress {
                        epoch,
                        step: step + 1,
                        steps: batches,
                        loss: loss / shown as f64,
                        accuracy: correct as f64 / shown as f64,
                        ended: None,
                    });
                }
                let model = self.model_of(names, &weights, average.as_deref());
                let threat = self.recipe.threat();
                let validation = validate::validate(
                    &model,
                    &self.samples.images,
                    &self.samples.held_out,
                    threat.as_ref(),
                    self.recipe.attacked,
                    self.runtime,
                    self.threads,
                )?;
                let mut line = Epoch {
                    epoch,
                    loss: loss / shown as f64,
                    train_accuracy: correct as f64 / shown as f64,
                    validation_accuracy: validation.accuracy,
                    robust_validation_accuracy: validation.robust_accuracy,
                    seconds: start.elapsed().as_secs_f64(),
                    sha256: sha256(&model.to_bytes()),
                    warning: None,
                };
                line.warning = self.overfitting(&epochs, &line);
                epochs.push(line);
                if let Some(directory) = directory {
                    let current = weights.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
                    let state = State {
                        weights: current,
                        memory: memory.clone(),
                        average: average.clone(),
                        steps,
                        epochs: epochs.clone(),
                    };
                    directory.keep(names, &model, &state)?;
                }
                let last = &epochs[epochs.len() - 1];
                progress(Progress {
                    epoch,
                    step: batches,
                    steps: batches,
                    loss: last.loss,
                    accuracy: last.train_accuracy,
                    ended: Some(last),
                });
            }
            Ok(())
        })?;
        if let (false, Some(directory)) = (interrupted, directory) {
            directory.finish()?;
        }
        let model = self.model_of(names, &weights, average.as_deref());
        Ok(Trained { epochs, model, interrupted, damage: damage.flatten() })
    }

    /// The state before the first step.
    fn fresh(&self, names: &[String]) -> Result<State> {
        let values = |name: &String| {
            let tensor = self.model.constants.get(name).and_then(kennard_graph::Tensor::to_floats);
            let values =
                tensor.ok_or_else(|| Error::Setting(format!("the network has no weight `{name}`")))?;
            Ok(values.into_iter().map(|v| v as f32).collect::<Vec<f32>>())
        };
        let trained: Vec<Vec<f32>> = names.iter().map(values).collect::<Result<_>>()?;
        let running = statistics(self.model).into_iter().flat_map(|s| [s.mean, s.variance]);
        let running = running.map(|name| values(&name)).collect::<Result<_>>()?;
        let zeros: Vec<Vec<f32>> = trained.iter().map(|w| vec![0.0; w.len()]).collect();
        Ok(State {
            memory: vec![zeros; self.recipe.optimizer.memory()],
            average: self.recipe.average.map(|_| trained.clone()),
            weights: Weights { trained, statistics: running },
            steps: 0,
            epochs: Vec::new(),
        })
    }

    /// The training samples in the order of an epoch.
    fn order(&self, epoch: usize) -> Vec<usize> {
        let mut order = self.samples.training.clone();
        order.shuffle(&mut stream(self.recipe.seed, &[epoch as u64], "order"));
        order
    }

    /// Lends `work` a function that runs a batch on all cores.
    fn with_workers<R>(
        &self,
        programs: &Programs,
        weights: &RwLock<Weights>,
        work: impl FnOnce(&mut dyn FnMut(Batch) -> Result<Part>) -> Result<R>,
    ) -> Result<R> {
        let parts = self.recipe.batch / self.recipe.part;
        let (jobs, inbox) = mpsc::channel::<(Arc<Batch>, usize)>();
        let inbox = Mutex::new(inbox);
        let next = || inbox.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let work_on_parts = |desk: &Desk<(usize, Part)>| {
            let threads = self.runtime.threads(1);
            threads.enter(|| {
                let images = &self.samples.images;
                let mut worker = Worker::new(self.recipe, images, programs, self.runtime, &threads)?;
                while let Ok((batch, part)) = next() {
                    desk.send((part, worker.work(&batch, part, weights)?));
                }
                Ok(())
            })
        };
        let lead = |results: &mut mpsc::IntoIter<Result<(usize, Part)>>| {
            // Moved here: the workers end with it.
            let jobs = jobs;
            work(&mut |batch| {
                let batch = Arc::new(batch);
                for part in 0..parts {
                    let _ = jobs.send((batch.clone(), part));
                }
                let mut found: Vec<Option<Part>> = (0..parts).map(|_| None).collect();
                for result in results.by_ref().take(parts) {
                    let (part, result) = result?;
                    found[part] = Some(result);
                }
                Ok(sum(found.into_iter().flatten()))
            })
        };
        let count = self.threads.clamp(1, parts);
        side_by_side(count, "a worker of the training", &AtomicBool::new(false), work_on_parts, lead)
    }

    /// One step of the optimizer. `sum` is over the batch.
    fn update(
        &self,
        layout: &Layout,
        weights: &mut Weights,
        sum: Part,
        memory: &mut [Vec<Vec<f32>>],
        t: u64,
        rate: f64,
    ) {
        let recipe = self.recipe;
        let parts = (recipe.batch / recipe.part) as f32;
        let scale = 1.0 / recipe.batch as f32;
        let mut gradients = sum.gradients;
        let mut factor = scale;
        if let Some(most) = recipe.clip {
            let square: f64 = gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum();
            let norm = f64::from(scale) * square.sqrt();
            if norm > most {
                factor = (f64::from(scale) * most / norm) as f32;
            }
        }
        for (i, (w, gradient)) in weights.trained.iter_mut().zip(&mut gradients).enumerate() {
            gradient.iter_mut().for_each(|g| *g *= factor);
            let mut memory: Vec<&mut [f32]> = memory.iter_mut().map(|m| m[i].as_mut_slice()).collect();
            let decay = if layout.decays[i] { recipe.decay } else { 0.0 };
            recipe.optimizer.step(t, rate, decay, w, gradient, &mut memory);
        }
        let corrected = weights.statistics.iter_mut().zip(sum.statistics).zip(&layout.corrections);
        for ((running, new), correction) in corrected {
            let factor = correction / parts;
            running
                .iter_mut()
                .zip(new)
                .for_each(|(old, new)| *old += STATISTICS_RATE * (factor * new - *old));
        }
    }
}

impl Training<'_> {
    fn model_of(&self, names: &[String], weights: &RwLock<Weights>, average: Option<&[Vec<f32>]>) -> Graph {
        let weights = weights.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        with_weights(self.model, names, average.unwrap_or(&weights.trained), &weights.statistics)
    }

    fn diverged(&self, directory: Option<&TrainingDirectory>, epoch: usize, step: usize) -> Error {
        let last: Option<PathBuf> =
            directory.filter(|_| epoch > 1).map(|directory| directory.checkpoint(epoch - 1));
        let kept = last.map_or("there is no checkpoint yet".into(), |path| {
            format!("the last good checkpoint is {}", path.display())
        });
        Error::Diverged(format!(
            "the loss is no number any more at step {} of epoch {epoch}: the training diverged; {kept}",
            step + 1
        ))
        .advise(". Set a lower {learning_rate}, or {clip = 1}")
    }

    /// Catastrophic overfitting: the network learns the single step and not the attack (Wong et al. 2020,
    /// section 5.3).
    fn overfitting(&self, earlier: &[Epoch], now: &Epoch) -> Option<String> {
        let best = earlier.iter().filter_map(|e| e.robust_validation_accuracy).fold(0.0, f64::max);
        let robust = now.robust_validation_accuracy?;
        let single = matches!(self.recipe.method, Method::FgsmRs);
        (single && now.train_accuracy - robust > 0.3 && robust < 0.5 * best).then(|| {
            format!(
                "catastrophic overfitting: {:.1} % of the images withstand the step they were trained with, {:.1} % of the \
                 held-out ones withstand PGD. best.onnx is from before; train with pgd, or a smaller epsilon",
                100.0 * now.train_accuracy,
                100.0 * robust
            )
        })
    }
}

/// The weights of a network, by name, and what an update must know of them.
struct Layout {
    names: Vec<String>,
    /// Whether weight decay applies.
    decays: Vec<bool>,
    /// What the statistics of a part are multiplied with: `n/(n − 1)` for variances, which are divided by n.
    corrections: Vec<f32>,
}

impl Layout {
    fn new(model: &Graph, part: usize) -> Layout {
        let names = trainable(model);
        let rank = |name: &String| model.constants.get(name).map_or(0, |tensor| tensor.shape().len());
        let corrections = statistics(model).into_iter().flat_map(|s| {
            let n = (part * s.positions.unwrap_or(1)) as f32;
            [1.0, n / (n - 1.0).max(1.0)]
        });
        Layout {
            decays: names.iter().map(|name| rank(name) > 1).collect(),
            corrections: corrections.collect(),
            names,
        }
    }
}

/// The moving average over the steps.
fn blend(average: &mut [Vec<f32>], weights: &[Vec<f32>], rate: f32) {
    for (average, weights) in average.iter_mut().zip(weights) {
        average.iter_mut().zip(weights).for_each(|(a, w)| *a = rate * *a + (1.0 - rate) * w);
    }
}

/// The parts of a batch added in their order.
fn sum(parts: impl Iterator<Item = Part>) -> Part {
    let add = |sum: &mut [Vec<f32>], more: &[Vec<f32>]| {
        for (sum, more) in sum.iter_mut().zip(more) {
            sum.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        }
    };
    parts
        .reduce(|mut sum, part| {
            sum.loss += part.loss;
            sum.correct += part.correct;
            add(&mut sum.gradients, &part.gradients);
            add(&mut sum.statistics, &part.statistics);
            sum
        })
        .unwrap_or(Part { loss: 0.0, correct: 0, gradients: Vec::new(), statistics: Vec::new() })
}
