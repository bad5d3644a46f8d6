mod tally;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::time::Instant;

use kennard_graph::{Graph, Tensor, statistics};
use kennard_runtime::Runtime;
use ndarray::{ArrayD, IxDyn};

use tally::EpochTally;
pub use tally::TrainingProgress;

use super::epoch::Epoch;
use super::state::TrainingState;
use super::step::{Layout, sum};
use super::validate::{Validation, validate};
use super::worker::{Batch, BatchPart, Programs, TrainingWorker, Weights};
use super::{Method, Recipe, TrainingDirectory, TrainingSet};
use crate::run::sums::sha256;
use crate::workers::{Desk, side_by_side};
use crate::{Error, Mismatch, Result};

/// Trains a network: `model` takes the samples and returns logits.
pub struct Training<'t> {
    /// The network to begin with.
    pub model: &'t Graph,
    /// What to do.
    pub recipe: &'t Recipe,
    /// What to do it on.
    pub samples: &'t TrainingSet,
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
    /// What was damaged of the run that was resumed, for people.
    pub damage: Option<String>,
}

impl Training<'_> {
    /// Runs all epochs, or those left of a run that was interrupted, and keeps every epoch in `directory`.
    ///
    /// # Errors
    /// When the network cannot be differentiated or run, the objective becomes NaN or infinite, or the disk
    /// is full. What earlier epochs left stays.
    pub fn run(
        &self,
        directory: Option<&TrainingDirectory>,
        stop: &AtomicBool,
        mut progress: impl FnMut(TrainingProgress),
    ) -> Result<Trained> {
        let result = self.run_all(directory, stop, &mut progress);
        if let (Err(_), Some(directory)) = (&result, directory) {
            // The error that led here is the one to be said.
            let _ = directory.discard_if_empty();
        }
        result
    }

    fn run_all(
        &self,
        directory: Option<&TrainingDirectory>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(TrainingProgress),
    ) -> Result<Trained> {
        let layout = Layout::new(self.model, self.recipe.part);
        let names = &layout.names;
        if names.is_empty() {
            return Err(Mismatch::Lacks("weights that training could change").into());
        }
        let programs = Programs::new(self.model, self.recipe)?;
        let fresh = self.fresh(names)?;
        let (recovered, damage) = match directory {
            Some(directory) => directory.recover(names, &fresh)?.unzip(),
            None => (None, None),
        };
        let mut state = recovered.unwrap_or(fresh);
        let weights = state.weights.clone();
        let interrupted = self.with_workers(&programs, &weights, |run_batch| {
            while state.epochs.len() < self.recipe.epochs {
                let start = Instant::now();
                let Some(tally) = self.epoch(&layout, &mut state, directory, stop, run_batch, progress)?
                else {
                    return Ok(true);
                };
                let model = self.model_of(names, &state);
                let mut line = self.line(&state, &tally, &model)?;
                line.seconds = start.elapsed().as_secs_f64();
                let steps = tally.shown / self.recipe.batch;
                state.epochs.push(line);
                if let Some(directory) = directory {
                    directory.keep(names, &model, &state)?;
                }
                let ended = state.epochs.last();
                progress(tally.progress(state.epochs.len(), steps, steps, ended));
            }
            Ok(false)
        })?;
        if let (false, Some(directory)) = (interrupted, directory) {
            directory.finish()?;
        }
        let model = self.model_of(names, &state);
        Ok(Trained { epochs: state.epochs, model, interrupted, damage: damage.flatten() })
    }

    /// All steps of the next epoch; nothing where `stop` ended it before its time.
    fn epoch(
        &self,
        layout: &Layout,
        state: &mut TrainingState,
        directory: Option<&TrainingDirectory>,
        stop: &AtomicBool,
        run_batch: &mut dyn FnMut(Batch) -> Result<BatchPart>,
        progress: &mut dyn FnMut(TrainingProgress),
    ) -> Result<Option<EpochTally>> {
        let recipe = self.recipe;
        let epoch = state.epochs.len() + 1;
        let order = self.samples.order(recipe.seed, epoch);
        let steps = order.len() / recipe.batch;
        let mut tally = EpochTally::default();
        for (step, rows) in order.chunks_exact(recipe.batch).enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let done = (epoch - 1) as f64 + step as f64 / steps as f64;
            let grown = recipe.method.grown(done, recipe.warmup);
            let eps = recipe.eps.unwrap_or(0.0) * grown;
            let sum = run_batch(Batch { rows: rows.to_vec(), epoch: epoch as u64, eps, grown })?;
            tally.loss += sum.loss;
            tally.correct += sum.correct;
            tally.shown += rows.len();
            if !sum.loss.is_finite() {
                return Err(self.diverged(directory, epoch, step, eps));
            }
            let (share, all) = ((done / recipe.epochs as f64).min(1.0), recipe.epochs * steps);
            let factor = recipe.schedule.factor_of(share, all);
            layout.update(recipe, state, sum, recipe.rate * factor);
            progress(tally.progress(epoch, step + 1, steps, None));
        }
        Ok(Some(tally))
    }

    /// The line of the log for the epoch that ends with `model`, which is validated.
    fn line(&self, state: &TrainingState, tally: &EpochTally, model: &Graph) -> Result<Epoch> {
        let TrainingSet { images, held_out, .. } = self.samples;
        let (threat, attacked) = (self.recipe.threat(), self.recipe.attacked);
        let Validation { accuracy, robust_accuracy } =
            validate(model, images, held_out, threat.as_ref(), attacked, self.runtime, self.threads)?;
        let mut line = Epoch {
            epoch: state.epochs.len() + 1,
            loss: tally.loss(),
            train_accuracy: tally.accuracy(),
            validation_accuracy: accuracy,
            robust_validation_accuracy: robust_accuracy,
            seconds: 0.0,
            sha256: sha256(&model.to_bytes()),
            warning: None,
        };
        line.warning = self.overfitting(&state.epochs, &line);
        Ok(line)
    }

    /// The state before the first step.
    pub(super) fn fresh(&self, names: &[String]) -> Result<TrainingState> {
        let values = |name: &String| {
            let tensor = self.model.constants.get(name).and_then(Tensor::to_floats);
            let values =
                tensor.ok_or_else(|| Error::Setting(format!("the network has no weight `{name}`")))?;
            Ok(values.into_iter().map(|v| v as f32).collect::<Vec<f32>>())
        };
        let trained: Vec<Vec<f32>> = names.iter().map(values).collect::<Result<_>>()?;
        let running = statistics(self.model).into_iter().flat_map(|s| [s.mean, s.variance]);
        let running = running.map(|name| values(&name)).collect::<Result<_>>()?;
        let zeros: Vec<Vec<f32>> = trained.iter().map(|w| vec![0.0; w.len()]).collect();
        Ok(TrainingState {
            memory: vec![zeros; self.recipe.optimizer.memory()],
            average: self.recipe.average.map(|_| trained.clone()),
            weights: Arc::new(RwLock::new(Weights { trained, statistics: running })),
            steps: 0,
            epochs: Vec::new(),
        })
    }

    /// Lends `work` a function that runs a batch on all cores.
    pub(super) fn with_workers<R>(
        &self,
        programs: &Programs,
        weights: &RwLock<Weights>,
        work: impl FnOnce(&mut dyn FnMut(Batch) -> Result<BatchPart>) -> Result<R>,
    ) -> Result<R> {
        let parts = self.recipe.batch / self.recipe.part;
        let (jobs, inbox) = mpsc::channel::<(Arc<Batch>, usize)>();
        let inbox = Mutex::new(inbox);
        let next = || inbox.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let work_on_parts = |desk: &Desk<(usize, BatchPart)>| {
            let threads = self.runtime.threads(1);
            threads.enter(|| {
                let images = &self.samples.images;
                let mut worker = TrainingWorker::new(self.recipe, images, programs, self.runtime, &threads)?;
                while let Ok((batch, part)) = next() {
                    desk.send((part, worker.work(&batch, part, weights)?));
                }
                Ok(())
            })
        };
        let lead = |results: &mut mpsc::IntoIter<Result<(usize, BatchPart)>>| {
            // Moved here: the workers end with it.
            let jobs = jobs;
            work(&mut |batch| {
                let batch = Arc::new(batch);
                for part in 0..parts {
                    let _ = jobs.send((batch.clone(), part));
                }
                let mut found: Vec<Option<BatchPart>> = (0..parts).map(|_| None).collect();
                for result in results.by_ref().take(parts) {
                    let (part, result) = result?;
                    found[part] = Some(result);
                }
                let found: Option<Vec<BatchPart>> = found.into_iter().collect();
                let gone = || Error::Panicked("the workers of the training ended before their time".into());
                Ok(sum(found.ok_or_else(gone)?.into_iter()))
            })
        };
        let count = self.threads.clamp(1, parts);
        side_by_side(count, "a worker of the training", &AtomicBool::new(false), work_on_parts, lead)
    }

    fn model_of(&self, names: &[String], state: &TrainingState) -> Graph {
        let weights = state.weights();
        with_weights(
            self.model,
            names,
            state.average.as_ref().unwrap_or(&weights.trained),
            &weights.statistics,
        )
    }

    /// Catastrophic overfitting: the network learns the single step and not the attack (Wong et al. 2020,
    /// section 5.3).
    pub(super) fn overfitting(&self, earlier: &[Epoch], now: &Epoch) -> Option<String> {
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

    /// The error of an objective that is NaN or infinite, in this step with this epsilon.
    fn diverged(&self, directory: Option<&TrainingDirectory>, epoch: usize, step: usize, eps: f64) -> Error {
        let last = directory.filter(|_| epoch > 1).map(|directory| directory.checkpoint(epoch - 1));
        let kept = last.map_or("there is no checkpoint yet".into(), |path| {
            format!("the last good checkpoint is {}", path.display())
        });
        let step = step + 1;
        if self.recipe.method.is_certified() && eps > 0.0 {
            return Error::Diverged(format!(
                "the loss became NaN or infinite at step {step} of epoch {epoch}: the training diverged, or no bounds of this network \
                 are finite at epsilon {eps:.2e}, as where it divides by what may be 0 (attention, layer normalisation); {kept}"
            ))
            .advise(". Set a lower {learning_rate}, or {clip = 1}; or train another {arch}");
        }
        Error::Diverged(format!(
            "the loss became NaN or infinite at step {step} of epoch {epoch}: the training diverged; {kept}"
        ))
        .advise(". Set a lower {learning_rate}, or {clip = 1}")
    }
}

/// The network with these weights in it.
fn with_weights(model: &Graph, names: &[String], trained: &[Vec<f32>], statistics: &[Vec<f32>]) -> Graph {
    let mut graph = model.clone();
    let statistic_names = kennard_graph::statistics(model).into_iter().flat_map(|s| [s.mean, s.variance]);
    let names = names.iter().cloned().chain(statistic_names);
    for (name, values) in names.zip(trained.iter().chain(statistics)) {
        if let Some(tensor) = graph.constants.get_mut(&name)
            && let Ok(array) = ArrayD::from_shape_vec(IxDyn(tensor.shape()), values.clone())
        {
            *tensor = Tensor::from(array).to_float_type(tensor.dtype());
        }
    }
    graph
}
