mod open;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use kennard_graph::{Graph, Trees, gradient, simplify, with_loss};
use kennard_runtime::{Precision, Runtime, Session, Threads, on_deep_stack};
use serde::{Deserialize, Serialize};

use super::memory::Limit;
use super::program::Program;
use crate::warning::Warning;
use crate::{Advice, Classifier, Error, Mismatch, OwnLabel, RequestError, Result};

/// How an engine is to run; what is left out is found at start-up.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Samples per micro-batch.
    pub micro_batch: Option<usize>,
    /// Cores to use; all by default, and no more than there are, or 64.
    pub threads: Option<usize>,
}

/// How an engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Samples per micro-batch.
    pub micro_batch: usize,
    /// Sessions side by side, each with micro-batches of its own.
    pub sessions: usize,
    /// Threads inside one session.
    pub threads_per_session: usize,
}

/// A classifier at work on a runtime.
pub struct Engine {
    pub(super) classifier: Classifier,
    pub(super) surrogate: Option<Classifier>,
    /// What the file itself returns beside the scores.
    pub(super) own_label: Option<OwnLabel>,
    pub(super) runtime: Runtime,
    pub(super) plan: Plan,
    /// What the passes of searches are computed in.
    pub(super) search: Precision,
    /// Samples that the untouched model takes at once, and whether it answers one of them only.
    pub(super) untouched: (usize, bool),
    /// Whether the untouched model had to be simplified.
    pub(super) simplified: bool,
    pub(super) graphs: Mutex<HashMap<Program, Arc<Graph>>>,
    /// Why there is no gradient, once that was asked.
    pub(super) no_gradient: OnceLock<Option<String>>,
    /// The trees of the model, or why none are known, once that was asked.
    pub(super) trees: OnceLock<std::result::Result<Trees, String>>,
    pub(super) warnings: Vec<Warning>,
    /// Whether the size of micro-batches is not ours to choose.
    pub(super) batch_is_given: bool,
    /// The size of micro-batches that was asked for, and how many samples there are to fill them.
    pub(super) asked: (Option<usize>, usize),
    /// How much memory there is, where that counts.
    pub(super) limit: Option<Limit>,
    /// What the limit changed, for people.
    pub(super) limited_by_memory: Option<String>,
}

/// Beyond this, a larger micro-batch wins nothing even for the smallest networks.
const LARGEST: usize = 64;
/// A micro-batch of a live module is at least as large as is asked for up to this size.
const LIVE_LARGEST: usize = 1024;
/// The most sessions that are made on request where there are fewer cores.
const SESSIONS: usize = 64;

impl Engine {
    /// The same engine for work on this many samples, each of which asks for one point at a time, as attacks and probes do; smoothing
    /// and packets ask for many. Micro-batches are filled up to their size, and rows beyond the samples that there are would be
    /// computed for nothing: what was asked for is taken up to these, or to what is of use in any case. A live module may take batches of one size alone, so it gets up to 1024 as they were asked for.
    #[must_use]
    pub fn for_samples(mut self, samples: usize) -> Engine {
        self.asked.1 = samples;
        let enough = if self.classifier.module().is_some() { LIVE_LARGEST } else { LARGEST };
        if self.batch_is_free() {
            let micro_batch = self.plan.micro_batch.min(samples.max(enough));
            self.take(Plan { micro_batch, ..self.plan });
        }
        self
    }

    /// How many samples there are to work on, as far as that was said.
    pub(crate) fn samples(&self) -> usize {
        self.asked.1
    }

    /// Whether the classifier takes micro-batches of any size.
    fn batch_is_free(&self) -> bool {
        self.classifier.fixed_batch().is_none() && !self.classifier.mixes_samples()
    }

    /// How many samples a session of a program takes.
    pub(super) fn batch(&self, program: Program) -> usize {
        if program == Program::Untouched { self.untouched.0 } else { self.plan.micro_batch }
    }

    /// For how many points a run of a program is asked: with one, the session gets nothing else.
    pub(super) fn rows(&self, program: Program) -> usize {
        let mixes = |classifier: &Classifier| classifier.mixes_samples();
        let alone = match program {
            Program::Untouched => self.untouched.1,
            Program::Logits | Program::Gradient(_) | Program::SearchLogits | Program::SearchGradient(_) => {
                mixes(&self.classifier)
            }
            Program::SurrogateLogits | Program::SurrogateGradient(_) => {
                self.surrogate.as_ref().is_some_and(mixes)
            }
        };
        if alone { 1 } else { self.plan.micro_batch }
    }

    /// How the untouched model is evaluated, for the record of a run.
    pub fn untouched(&self) -> String {
        let how = match (self.runtime.name(), self.simplified) {
            _ if self.classifier.module().is_some() => "by the module itself",
            ("rten", false) => "in single precision, operators that rten lacks spelled out",
            ("rten", true) => "in single precision, simplified",
            ("openvino", _) => "in single precision",
            _ if self.warnings.iter().any(|warning| warning.code == "untouched-model") => {
                "as given, but bfloat16 in single precision"
            }
            _ => "as given, in its own types",
        };
        format!("{} at a time, {how}", self.rows(Program::Untouched))
    }

    /// The same, with another classifier of the same data beside it, for attacks that are made there and
    /// tried here ([`Transfer`](crate::attack::Transfer)).
    ///
    /// # Errors
    /// When its inputs, classes or fixed micro-batch are not this one's.
    pub fn with_surrogate(mut self, surrogate: Classifier) -> Result<Engine> {
        let described =
            |c: &Classifier| format!("samples of shape {:?} and {} classes", c.shape(), c.classes());
        let (own, other) = (described(&self.classifier), described(&surrogate));
        if own != other {
            return Err(Mismatch::Surrogate { other, own }.into());
        }
        // What was asked for may be more than there are samples, and for the surrogate's sake.
        if let Some(batch) = surrogate.fixed_batch().filter(|batch| self.asked.0 == Some(*batch))
            && self.batch_is_free()
        {
            self.take(Plan { micro_batch: batch, ..self.plan });
        }
        let micro_batch = self.plan.micro_batch;
        if let Some(batch) = surrogate.fixed_batch().filter(|batch| *batch != micro_batch) {
            return Err(Error::FixedBatch {
                model: "the surrogate",
                batch,
                asked: format!("the model runs in micro-batches of {micro_batch}"),
            }
            .advise(
                Advice::new(": add {micro_batch}, or export the surrogate with a free batch")
                    .with("micro_batch", batch),
            ));
        }
        let mut engine = Engine { surrogate: Some(surrogate), graphs: Mutex::default(), ..self };
        engine.batch_is_given |= engine.surrogate.as_ref().is_some_and(|other| other.fixed_batch().is_some());
        engine.fit_memory()?;
        Ok(engine)
    }

    /// An engine that runs as this one does, the logits divided by a temperature; see
    /// [`Classifier::at_temperature`].
    ///
    /// # Errors
    /// When the temperature is not positive and finite.
    pub fn at_temperature(&self, temperature: f64) -> Result<Engine> {
        Ok(Engine {
            classifier: self.classifier.at_temperature(temperature)?,
            surrogate: None,
            own_label: self.own_label.clone(),
            runtime: self.runtime.clone(),
            plan: self.plan,
            search: self.search,
            untouched: self.untouched,
            simplified: self.simplified,
            graphs: Mutex::default(),
            no_gradient: OnceLock::new(),
            trees: OnceLock::new(),
            warnings: self.warnings.clone(),
            batch_is_given: self.batch_is_given,
            asked: self.asked,
            limit: None,
            limited_by_memory: None,
        })
    }

    /// What a reader should know of how the model was taken.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The classifier.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The runtime.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// How this engine runs.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// A session for a program.
    pub(super) fn compile(&self, program: Program, threads: &Threads) -> Result<Session> {
        let graph = on_deep_stack(|| self.graph(program))?;
        Ok(match program {
            Program::Untouched => self.runtime.compile_as_given(&graph, threads)?,
            _ => self.runtime.compile_in(&graph, threads, self.precision(program))?,
        })
    }

    /// What makes the input of a program's session of the pixels, where that is needed.
    pub(super) fn compile_front(&self, program: Program, threads: &Threads) -> Result<Option<Session>> {
        let front = self.classifier.front().filter(|_| program == Program::Untouched);
        let compile = |front: &Graph| self.runtime.compile(&front.with_batch(self.batch(program)), threads);
        Ok(front.map(compile).transpose()?)
    }

    /// The classifier that a program is about.
    pub(super) fn asked(&self, program: Program) -> Result<&Classifier> {
        match program {
            Program::SurrogateLogits | Program::SurrogateGradient(_) => {
                Ok(self.surrogate.as_ref().ok_or(RequestError::NoSurrogate)?)
            }
            _ => Ok(&self.classifier),
        }
    }

    /// The graph of a program for the plan's micro-batch; of a live module, from its outputs on. Outputs: logits, loss,
    /// gradient.
    pub(super) fn graph(&self, program: Program) -> Result<Arc<Graph>> {
        let mut graphs = self.graphs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(graph) = graphs.get(&program) {
            return Ok(graph.clone());
        }
        let classifier = self.asked(program)?;
        let model = classifier.head().with_batch(self.plan.micro_batch);
        let graph = match program {
            Program::Untouched => classifier.untouched().with_batch(self.batch(program)),
            Program::Logits | Program::SearchLogits | Program::SurrogateLogits => simplify(&model)?,
            Program::Gradient(loss) | Program::SearchGradient(loss) | Program::SurrogateGradient(loss) => {
                let input = &model.single_input()?.name;
                let model = simplify(&model)?;
                simplify(&gradient(&with_loss(&model, loss)?, Graph::LOSS, &[input])?)?
            }
        };
        let graph = Arc::new(graph);
        graphs.insert(program, graph.clone());
        Ok(graph)
    }
}
