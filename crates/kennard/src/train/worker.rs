//! One core's share of a step: some parts of the batch, each changed, differentiated, and handed back.

use std::sync::RwLock;

use kennard_graph::{Graph, Open, attack_step, divergence_step, training_step};
use kennard_runtime::{Input, Runtime, Session, Threads};

use super::images::Images;
use super::method::{Change, Climbs, ProjectedSteps, TrainingPhase};
use super::{Recipe, perturb};
use crate::answer::predict;
use crate::attack::{ascend_within, mend};
use crate::random::stream;
use crate::{Advice, Error, Result, ThreatModel};

/// What training changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    /// One tensor for each of [`kennard_graph::trainable`], row-major.
    pub trained: Vec<Vec<f32>>,
    /// Running mean and variance of each of [`kennard_graph::statistics`].
    pub statistics: Vec<Vec<f32>>,
}

/// The graphs of a step, for parts of one size.
pub(super) struct Programs {
    /// In each phase; one where all are the same.
    steps: Vec<(TrainingPhase, Open)>,
    /// The gradient with respect to the image.
    ascent: Option<Open>,
    /// Logits of the images as they are.
    clean: Option<Open>,
}

impl Programs {
    pub fn new(model: &Graph, recipe: &Recipe) -> Result<Programs> {
        let part = recipe.part;
        let fixed = model.single_input()?.ty.shape.0.first().and_then(|d| d.known());
        let objective =
            |&phase: &TrainingPhase| recipe.method.objective(phase, recipe.smoothing, recipe.bounds);
        let pairs = objective(&TrainingPhase::Grown).is_paired();
        let free = pairs || recipe.method.is_certified();
        if let Some(batch) = fixed.filter(|&batch| free || batch != part) {
            let advice = match free {
                true => ": export it with a free batch",
                false => {
                    ": add {micro_batch}, with a {batch} that is a multiple of it, or export it with a free batch"
                }
            };
            let parts = if pairs { 2 * part } else { part };
            return Err(Error::FixedBatch {
                model: "the model",
                batch,
                asked: format!("and would be trained in parts of {parts}"),
            }
            .advise(Advice::new(advice).with("micro_batch", batch)));
        }
        let change = recipe.method.change();
        let diverges = matches!(change, Change::Ascent(ProjectedSteps { climbs: Climbs::Divergence, .. }));
        let step = |phase: &TrainingPhase| Ok((*phase, training_step(model, part, &objective(phase))?));
        Ok(Programs {
            steps: recipe.method.phases().iter().map(step).collect::<Result<_>>()?,
            ascent: match change.loss() {
                Some(loss) => Some(attack_step(model, part, Some(loss))?),
                None if diverges => Some(divergence_step(model, part)?),
                None => None,
            },
            clean: if diverges { Some(attack_step(model, part, None)?) } else { None },
        })
    }

    fn step(&self, phase: TrainingPhase) -> &Open {
        let found = self.steps.iter().find(|(of, _)| *of == phase);
        &found.unwrap_or(&self.steps[0]).1
    }
}

/// A batch to be worked on.
pub(super) struct Batch {
    /// Its samples.
    pub rows: Vec<usize>,
    pub epoch: u64,
    /// Epsilon as it stands in this step.
    pub eps: f64,
    /// Which share that is of what it will be.
    pub grown: f64,
}

/// What a part of a batch gives; sums over its samples.
pub(super) struct BatchPart {
    pub loss: f64,
    pub correct: usize,
    /// One tensor per weight.
    pub gradients: Vec<Vec<f32>>,
    /// Mean and variance of the part for each normalisation.
    pub statistics: Vec<Vec<f32>>,
}

pub(super) struct TrainingWorker<'t> {
    recipe: &'t Recipe,
    images: &'t Images,
    programs: &'t Programs,
    runtime: &'t Runtime,
    threads: &'t Threads,
    /// The session of the phase at hand.
    step: Option<(TrainingPhase, Session)>,
    ascent: Option<Session>,
    clean: Option<Session>,
    outputs: Vec<Vec<f32>>,
}

impl<'t> TrainingWorker<'t> {
    pub fn new(
        recipe: &'t Recipe,
        images: &'t Images,
        programs: &'t Programs,
        runtime: &'t Runtime,
        threads: &'t Threads,
    ) -> Result<TrainingWorker<'t>> {
        let compile = |open: &Open| runtime.compile(&open.graph, threads);
        Ok(TrainingWorker {
            recipe,
            images,
            programs,
            runtime,
            threads,
            step: None,
            ascent: programs.ascent.as_ref().map(compile).transpose()?,
            clean: programs.clean.as_ref().map(compile).transpose()?,
            outputs: Vec::new(),
        })
    }

    /// Works on part number `part` of a batch.
    pub fn work(&mut self, batch: &Batch, part: usize, weights: &RwLock<Weights>) -> Result<BatchPart> {
        let size = self.recipe.part;
        let rows = &batch.rows[part * size..(part + 1) * size];
        let d = self.images.dimension();
        let mut natural = vec![0.0; size * d];
        for (&index, x) in rows.iter().zip(natural.chunks_exact_mut(d)) {
            let mut random = stream(self.recipe.seed, &[batch.epoch, index as u64], "augment");
            self.images.varied(index, self.recipe.augmentation, &mut random, x);
        }
        let labels: Vec<i64> = rows.iter().map(|&index| self.images.labels[index] as i64).collect();
        let weights = weights.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut changed = natural.clone();
        self.change(batch, rows, &natural, &labels, &weights, &mut changed)?;

        let phase = self.recipe.method.phase(batch.grown);
        let paired = self.recipe.method.objective(phase, 0.0, self.recipe.bounds).is_paired();
        let shown = if paired { [natural, changed].concat() } else { changed };
        let mut inputs = vec![Input::F32(&shown), Input::I64(&labels)];
        let told = self.recipe.method.told(batch.eps, batch.grown);
        inputs.extend(told.iter().map(|number| Input::F32(number)));
        inputs.extend(weights.trained.iter().map(|w| Input::F32(w)));
        let mut outputs = Vec::new();
        self.enter(phase)?.run(&inputs, &mut outputs)?;
        let count = weights.statistics.len();
        let classes = outputs[0].len() / (shown.len() / d);
        // The accuracy is about the changed image of each pair.
        let logits = outputs[0].chunks_exact(classes).skip(if paired { size } else { 0 });
        let correct = logits.zip(&labels).filter(|(z, label)| predict(z) as i64 == **label).count();
        let mut outputs = outputs.into_iter().skip(1);
        Ok(BatchPart {
            correct,
            statistics: outputs.by_ref().take(count).collect(),
            loss: outputs.next().unwrap_or_default().iter().map(|&l| f64::from(l)).sum(),
            gradients: outputs.collect(),
        })
    }

    /// The session of a phase's steps, compiled where it begins; that of the phase before makes room.
    fn enter(&mut self, phase: TrainingPhase) -> Result<&mut Session> {
        let held = self.step.take().filter(|(of, _)| *of == phase);
        let step = match held {
            Some(step) => step,
            None => (phase, self.runtime.compile(&self.programs.step(phase).graph, self.threads)?),
        };
        Ok(&mut self.step.insert(step).1)
    }

    /// Changes the images as the method wants it.
    fn change(
        &mut self,
        batch: &Batch,
        rows: &[usize],
        natural: &[f32],
        labels: &[i64],
        weights: &Weights,
        x: &mut [f32],
    ) -> Result<()> {
        let d = self.images.dimension();
        let bounds = self.recipe.bounds;
        let random = |index: usize| stream(self.recipe.seed, &[batch.epoch, index as u64], "change");
        match self.recipe.method.change() {
            Change::None => {}
            Change::Noise(sigma) => {
                for (&index, x) in rows.iter().zip(x.chunks_exact_mut(d)) {
                    perturb::noise(x, sigma, bounds, &mut random(index));
                }
            }
            Change::Mask(share) => {
                let gradient = self.gradient(x, Input::I64(labels), weights)?;
                for (x, g) in x.chunks_exact_mut(d).zip(gradient.chunks_exact(d)) {
                    perturb::mask(x, g, share);
                }
            }
            Change::Ascent(how) => {
                let norm = self.recipe.norm;
                let threat = ThreatModel { norm, eps: batch.eps, bounds };
                let logits = self.logits(natural, weights)?;
                let reference = logits.as_deref().map_or(Input::I64(labels), Input::F32);
                let samples = || natural.chunks_exact(d);
                for ((&index, origin), x) in rows.iter().zip(samples()).zip(x.chunks_exact_mut(d)) {
                    perturb::start(how.start, &threat, origin, x, &mut random(index));
                }
                for _ in 0..how.steps {
                    let gradient = self.gradient(x, reference, weights)?;
                    for ((origin, x), g) in samples().zip(x.chunks_exact_mut(d)).zip(gradient.chunks_exact(d))
                    {
                        ascend_within(&threat, origin, x, g, how.step * batch.eps);
                    }
                }
            }
        }
        Ok(())
    }

    /// The gradient of what the attack maximises, its entries finite.
    fn gradient(&mut self, x: &[f32], reference: Input, weights: &Weights) -> Result<Vec<f32>> {
        let Some(session) = &mut self.ascent else { return Ok(vec![0.0; x.len()]) };
        let mut inputs = vec![Input::F32(x), reference];
        inputs.extend(all(weights));
        session.run(&inputs, &mut self.outputs)?;
        let mut gradient = self.outputs.pop().unwrap_or_default();
        mend(&mut gradient);
        Ok(gradient)
    }

    /// The logits of the images as they are, where the method asks for them.
    fn logits(&mut self, x: &[f32], weights: &Weights) -> Result<Option<Vec<f32>>> {
        let Some(session) = &mut self.clean else { return Ok(None) };
        let mut inputs = vec![Input::F32(x)];
        inputs.extend(all(weights));
        session.run(&inputs, &mut self.outputs)?;
        Ok(self.outputs.pop())
    }
}

fn all(weights: &Weights) -> impl Iterator<Item = Input<'_>> {
    weights.trained.iter().chain(&weights.statistics).map(|w| Input::F32(w))
}
