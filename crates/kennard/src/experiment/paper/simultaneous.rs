//! R3: one trunk that reads the label from the input and from the loss gradient, against two trunks of the same width in all.
//!
//! The joint network is one network of `2K` logits over one trunk: it sees an input `x`, whose label `y` is class `y`, or a
//! second input, whose label is class `K + y`; both kinds train it, half of every epoch each, and a reader takes the largest
//! of the `K` logits of the kind that it was shown. The separate networks have trunks of half the width, and see
//! one kind each, in batches of half the size: as many steps, and as many samples of a kind in each. Second inputs are the gradient Δ and four controls:
//!
//! | second input | what it is |
//! |---|---|
//! | `delta` | direction of the loss gradient, at x, of the label that a frozen network predicts |
//! | `projection` | `R x`, `R` a random matrix with independent normal entries |
//! | `another image` | another sample of the same class |
//! | `delta, untrained` | as `delta`, of the network before its training |
//! | `delta, shuffled` | `delta` of another sample of the same predicted label |
//! | `delta, co-trained` | Δ of the reader of x itself, as it learns; nothing was predicted of it, and nothing is claimed |
//!
//! The frozen network is trained on samples that no reader sees. All inputs are centred, and scaled to a mean square of 1
//! per element, by the samples that readers are trained on.

mod inputs;
mod page;
#[cfg(test)]
mod tests;
mod together;

use std::sync::atomic::{AtomicBool, Ordering};

use kennard_runtime::Choice;
use serde::Serialize;
use serde_json::json;

use super::claim::too_brief;
use super::digits::{Inputs, Parts, read};
use super::jobs::each_of;
use super::{Conditions, PaperReport, value};
use crate::answer::predict;
use crate::engine::{Engine, EngineOptions, Evaluator, Query};
use crate::experiment::Lab;
use crate::train::{Architecture, Kept, Method, Optimizer, Recipe, Schedule, Training, TrainingSet};
use crate::{Classifier, Graph, Preprocessing, Result, Runtime};
use inputs::KINDS;
use page::{claims, picture, text, unlearnt};
use together::{ShownInputs, TOGETHER};

/// Samples to train the frozen network on, to train readers on, and to test them on.
const FROZEN: usize = 3000;
pub const READ: usize = 3000;
const TEST: usize = 2000;
pub const EPOCHS: usize = 10;
const SEEDS: u64 = 5;
/// Samples of a kind per step.
const BATCH: usize = 32;
/// Hidden units in all.
const WIDTHS: [usize; 5] = [8, 16, 32, 64, 128];
/// The frozen network.
const NETWORK: &str = "mlp:128";

/// Readers of one seed, width and second input.
#[derive(Clone, Debug, Serialize)]
struct ReaderAccuracies {
    seed: u64,
    width: usize,
    second: &'static str,
    /// Accuracies of the separate networks: of x, of the second input.
    separate: [f64; 2],
    /// Accuracies of the joint network, likewise.
    joint: [f64; 2],
}

impl ReaderAccuracies {
    /// What both tasks lose by the joint trunk, their mean, in percentage points.
    fn gap(&self) -> f64 {
        50.0 * (0..2).map(|task| self.separate[task] - self.joint[task]).sum::<f64>()
    }
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let runtime = Runtime::open(Choice::Auto)?;
    let epochs = on.epochs.unwrap_or(EPOCHS);
    let [frozen, readers, tested] = [FROZEN, READ, TEST].map(|count| on.samples.unwrap_or(count).min(count));
    let stop = lab.stop();
    let Some(samples) = read(&on.data, on.seen, [frozen + readers, tested], stop)? else { return Ok(None) };
    let bench = Bench { runtime: &runtime, epochs, stop };
    let jobs: Vec<u64> = (0..SEEDS).collect();
    let of_seed = |&seed: &u64| bench.seed(&samples, frozen, seed);
    let Some(found) = each_of(lab, &jobs, |seed| format!("seed {seed}"), of_seed)? else { return Ok(None) };
    let found: Vec<ReaderAccuracies> = found.into_iter().flatten().collect();
    let sizes = format!(
        "{frozen} samples to train the frozen network on, {readers} for readers, {tested} to test them on"
    );
    let mut report = PaperReport::new(text(on, &found, &sizes, epochs));
    let too_small =
        too_brief(epochs).or_else(|| unlearnt(&found, samples.test.labels.len(), samples.train.classes));
    report.claims = claims(&found, &too_small);
    report.figures = json!({ "widths": WIDTHS, "readers": value(&found)? });
    report.pictures.push(("gaps.svg".into(), picture(&found)?.into_bytes()));
    Ok(Some(report))
}

/// What readers are trained with.
struct Bench<'b> {
    runtime: &'b Runtime,
    epochs: usize,
    stop: &'b AtomicBool,
}

impl Bench<'_> {
    /// All readers of a seed.
    fn seed(
        &self,
        samples: &Parts<Inputs>,
        frozen: usize,
        seed: u64,
    ) -> Result<Option<Vec<ReaderAccuracies>>> {
        let d = samples.train.values.len() / samples.train.labels.len();
        let classes = samples.train.classes;
        let place = |of: &Inputs, range: std::ops::Range<usize>| Inputs {
            values: of.values[range.start * d..range.end * d].to_vec(),
            labels: of.labels[range].to_vec(),
            classes,
        };
        // Files may be sorted; which samples go where is drawn.
        let shuffled = inputs::shuffled(&samples.train, seed);
        let (first, second) = (place(&shuffled, 0..frozen), place(&shuffled, frozen..shuffled.labels.len()));
        let untrained =
            NETWORK.parse::<Architecture>()?.build(&[d], classes, None, Kept::Activations, seed)?;
        let Some(network) = self.train(&untrained, &first.values, &first.labels, BATCH, seed)? else {
            return Ok(None);
        };
        let networks = [self.engine(&network, d)?, self.engine(&untrained, d)?];
        let own = [inputs::standardised(&second.values, &samples.test.values, d)];
        let x = &own[0];
        let mut found = Vec::new();
        for (second_name, kind) in KINDS {
            let [fitted, tested] = kind.of([&second, &samples.test], &networks, seed)?;
            let other = inputs::standardised(&fitted, &tested, d);
            for width in WIDTHS {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let data =
                    Tasks { d, classes, inputs: [x, &other], labels: [&second.labels, &samples.test.labels] };
                let Some((separate, joint)) = self.readers(&data, width, seed, &found)? else {
                    return Ok(None);
                };
                found.push(ReaderAccuracies { seed, width, second: second_name, separate, joint });
            }
        }
        let shown = ShownInputs { d, classes, x, labels: [&second.labels, &samples.test.labels] };
        for width in WIDTHS {
            let Some(readers) = self.together(&shown, width, seed)? else { return Ok(None) };
            found.push(readers);
        }
        Ok(Some(found))
    }

    /// The accuracies of separate readers and of the joint one. The reader of x alone is that of other second inputs.
    fn readers(
        &self,
        data: &Tasks,
        width: usize,
        seed: u64,
        found: &[ReaderAccuracies],
    ) -> Result<Option<([f64; 2], [f64; 2])>> {
        let Tasks { d, classes, .. } = *data;
        let mut separate = [0.0; 2];
        for (task, share) in separate.iter_mut().enumerate() {
            let known = found.iter().find(|f| f.width == width).filter(|_| task == 0);
            *share = match known {
                Some(known) => known.separate[0],
                None => {
                    let begun = self.reader(d, width / 2, classes, seed)?;
                    let Some(reader) =
                        self.train(&begun, &data.inputs[task][0], data.labels[0], BATCH, seed)?
                    else {
                        return Ok(None);
                    };
                    self.accuracy(&reader, data, task, 0..classes)?
                }
            };
        }
        let values = [data.inputs[0][0].as_slice(), &data.inputs[1][0]].concat();
        let labels: Vec<usize> =
            data.labels[0].iter().copied().chain(data.labels[0].iter().map(|y| classes + y)).collect();
        let begun = self.reader(d, width, 2 * classes, seed)?;
        let Some(reader) = self.train(&begun, &values, &labels, 2 * BATCH, seed)? else { return Ok(None) };
        let joint = [
            self.accuracy(&reader, data, 0, 0..classes)?,
            self.accuracy(&reader, data, 1, classes..2 * classes)?,
        ];
        Ok(Some((separate, joint)))
    }

    fn train(
        &self,
        begun: &Graph,
        values: &[f32],
        labels: &[usize],
        batch: usize,
        seed: u64,
    ) -> Result<Option<Graph>> {
        self.train_by(begun, values, labels, &self.recipe(batch, seed))
    }

    /// A reader before its training.
    fn reader(&self, d: usize, hidden: usize, classes: usize, seed: u64) -> Result<Graph> {
        let network: Architecture = format!("mlp:{hidden}").parse()?;
        network.build(&[d], classes, None, Kept::Activations, seed)
    }

    fn recipe(&self, batch: usize, seed: u64) -> Recipe {
        Recipe {
            method: Method::Standard,
            epochs: self.epochs,
            batch,
            part: batch,
            optimizer: Optimizer::AdamW { betas: [0.9, 0.999] },
            rate: 0.002,
            schedule: Schedule::Cosine,
            decay: 0.0,
            seed,
            ..Recipe::default()
        }
    }

    /// The network after a training run, which begins with the one given; none where it was stopped.
    fn train_by(
        &self,
        begun: &Graph,
        values: &[f32],
        labels: &[usize],
        recipe: &Recipe,
    ) -> Result<Option<Graph>> {
        let d = values.len() / labels.len();
        let samples = TrainingSet::of(values.to_vec(), labels.to_vec(), &[d], recipe)?;
        let training =
            Training { model: begun, recipe, samples: &samples, runtime: self.runtime, threads: 1 };
        let trained = training.run(None, self.stop, |_| ())?;
        Ok((!trained.interrupted).then_some(trained.model))
    }

    fn engine(&self, model: &Graph, d: usize) -> Result<Engine> {
        let classifier = Classifier::new(model, &[d], &Preprocessing::default())?;
        let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
        Engine::new(classifier, self.runtime.clone(), &options)
    }

    /// How often the largest of some logits is that of the label, on the tested inputs of a task.
    fn accuracy(
        &self,
        model: &Graph,
        data: &Tasks,
        task: usize,
        head: std::ops::Range<usize>,
    ) -> Result<f64> {
        let engine = self.engine(model, data.d)?;
        let query = Query::logits(data.inputs[task][1].clone());
        let logits = Evaluator::lend(&engine, |mut evaluator| evaluator.evaluate(&query))?.logits;
        let answers = logits.chunks_exact(engine.classifier().classes()).zip(data.labels[1]);
        let right = answers.filter(|(z, label)| predict(&z[head.clone()]) == **label).count();
        Ok(right as f64 / data.labels[1].len() as f64)
    }
}

/// Two tasks: the inputs of each, to fit to and to test on, and the labels of these.
struct Tasks<'t> {
    d: usize,
    classes: usize,
    inputs: [&'t [Vec<f32>; 2]; 2],
    labels: [&'t [usize]; 2],
}

/// All second inputs.
fn names() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().map(|(name, _)| name).chain([TOGETHER])
}
