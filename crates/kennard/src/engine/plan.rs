use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kennard_graph::{Dim, Graph, gradient, infer, simplify, with_loss};
use kennard_runtime::{Runtime, Session, Threads};
use serde::{Deserialize, Serialize};

use super::Program;
use super::evaluator::{Evaluator, Query, Row};
use crate::panics::caught;
use crate::warning::Warning;
use crate::{Classifier, Error, Result};

/// How an engine is to run; what is left out is found at start-up.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Samples per micro-batch.
    pub micro_batch: Option<usize>,
    /// Cores to use; all by default.
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
    classifier: Classifier,
    surrogate: Option<Classifier>,
    runtime: Runtime,
    plan: Plan,
    graphs: Mutex<HashMap<Program, Arc<Graph>>>,
    warnings: Vec<Warning>,
}

/// The two largest neighbouring activations of a micro-batch should fit a core's second-level cache.
const CACHE: usize = 1 << 20;
/// Beyond this, a larger micro-batch wins nothing even for the smallest networks.
const LARGEST: usize = 64;

impl Engine {
    /// Makes a plan for `classifier` on `runtime`.
    ///
    /// The micro-batch follows from the sizes of the activations, not from a stopwatch: runtimes
    /// choose kernels, and so rounding, by batch size, and a second run must give the same bytes.
    /// For the same reason every core has a session of its own: several threads inside a session
    /// may round otherwise than one.
    ///
    /// # Errors
    /// When the runtime cannot run the model.
    pub fn new(classifier: Classifier, runtime: Runtime, options: &EngineOptions) -> Result<Engine> {
        let threads =
            options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
        let micro_batch = match (classifier.fixed_batch(), options.micro_batch) {
            (Some(batch), _) => batch,
            (None, Some(batch)) => batch.max(1),
            (None, None) => cache_sized(classifier.graph())?,
        };
        let plan = Plan { micro_batch, sessions: threads.max(1), threads_per_session: 1 };
        Ok(Engine {
            classifier,
            surrogate: None,
            runtime,
            plan,
            graphs: Mutex::default(),
            warnings: Vec::new(),
        })
    }

    /// Looks at the model's answers to some samples (each `d` elements), and takes them for what they
    /// are: outputs that look like probabilities are replaced by their logarithms, with a warning.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn probe(mut self, samples: &[&[f32]]) -> Result<Engine> {
        let looks = !samples.is_empty()
            && Evaluator::lend(&self, |mut evaluator| -> Result<bool> {
                let mut looks = true;
                for sample in samples {
                    let points = sample.to_vec();
                    let query =
                        Query { program: Program::Untouched, points, label: 0, target: 0, account: 0 };
                    let outputs = evaluator.evaluate(&query)?.logits;
                    let sum: f32 = outputs.iter().sum();
                    looks &= (sum - 1.0).abs() < 1e-4 && outputs.iter().all(|p| (0.0..=1.0).contains(p));
                }
                Ok(looks)
            })?;
        let how = match (looks, self.classifier.returns_logits()) {
            (false, true) => return Ok(self),
            (_, false) => "its closing softmax is taken off, and attacks see the logits before it",
            (true, true) => {
                self.classifier = self.classifier.with_log_probabilities()?;
                self.graphs = Mutex::default();
                "their logarithm is used in place of logits"
            }
        };
        let message = format!("the model returns probabilities: {how}. Export it with logits to be exact");
        self.warnings.push(Warning::new("probabilities", message));
        Ok(self)
    }

    /// The same, with another classifier of the same data beside it, for attacks that are made there and
    /// tried here ([`Transfer`](crate::attack::Transfer)).
    ///
    /// # Errors
    /// When its inputs, classes or fixed micro-batch are not this one's.
    pub fn with_surrogate(self, surrogate: Classifier) -> Result<Engine> {
        let described =
            |c: &Classifier| format!("samples of shape {:?} and {} classes", c.shape(), c.classes());
        let (own, other) = (described(&self.classifier), described(&surrogate));
        if own != other {
            return Err(Error::Mismatch(format!(
                "the surrogate takes {other}, the model {own}; give a surrogate that was trained for the same data"
            )));
        }
        let micro_batch = self.plan.micro_batch;
        if let Some(batch) = surrogate.fixed_batch().filter(|batch| *batch != micro_batch) {
            return Err(Error::Mismatch(format!(
                "the surrogate takes batches of {batch} alone, the model runs in micro-batches of {micro_batch}: add \
                 --micro-batch {batch}, or export the surrogate with a free batch"
            )));
        }
        Ok(Engine { surrogate: Some(surrogate), graphs: Mutex::default(), ..self })
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
        let graph = self.graph(program)?;
        Ok(self.runtime.compile(&graph, threads)?)
    }

    /// The graph of a program for the plan's micro-batch. Outputs: logits, loss, gradient.
    fn graph(&self, program: Program) -> Result<Arc<Graph>> {
        let mut graphs = self.graphs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(graph) = graphs.get(&program) {
            return Ok(graph.clone());
        }
        let classifier = match program {
            Program::SurrogateLogits | Program::SurrogateGradient(_) => {
                let lacking =
                    || Error::Setting("a transfer attack needs a surrogate: Engine::with_surrogate".into());
                self.surrogate.as_ref().ok_or_else(lacking)?
            }
            Program::Logits | Program::Untouched | Program::Gradient(_) => &self.classifier,
        };
        let model = classifier.graph().with_batch(self.plan.micro_batch);
        let graph = match program {
            Program::Untouched => classifier.untouched().with_batch(self.plan.micro_batch),
            Program::Logits | Program::SurrogateLogits => simplify(&model)?,
            Program::Gradient(loss) | Program::SurrogateGradient(loss) => {
                let input = &model.single_input()?.name;
                let model = simplify(&model)?;
                simplify(&gradient(&with_loss(&model, loss)?, Graph::LOSS, &[input])?)?
            }
        };
        let graph = Arc::new(graph);
        graphs.insert(program, graph.clone());
        Ok(graph)
    }

    /// Samples per second of a program, all sessions working side by side for about `trial`.
    ///
    /// # Errors
    /// When the program cannot be made or run.
    pub fn throughput(&self, program: Program, trial: Duration) -> Result<f64> {
        let worker = |mut evaluator: Evaluator| {
            let points = vec![0.5; self.classifier.dimension()];
            let query = Query { program, points, label: 0, target: 1, account: 0 };
            let rows: Vec<Row> =
                (0..self.plan.micro_batch).map(|_| Row { query: &query, point: 0 }).collect();
            evaluator.run(program, &rows, |_, _, _, _| ())?;
            let (start, mut samples) = (Instant::now(), 0);
            while samples == 0 || start.elapsed() < trial {
                evaluator.run(program, &rows, |_, _, _, _| ())?;
                samples += rows.len();
            }
            Ok(samples as f64 / start.elapsed().as_secs_f64())
        };
        std::thread::scope(|scope| {
            let lend = || caught("a worker of the engine", || Evaluator::lend(self, worker));
            let workers: Vec<_> = (0..self.plan.sessions).map(|_| scope.spawn(lend)).collect();
            let rate = |w: std::thread::ScopedJoinHandle<'_, Result<f64>>| {
                w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(rate).sum()
        })
    }
}

/// The largest power of two of samples whose two largest neighbouring activations fit the cache.
fn cache_sized(graph: &Graph) -> Result<usize> {
    let graph = simplify(graph)?;
    let types = infer(&graph)?;
    let bytes = |name: &str| -> usize {
        types.get(name).filter(|ty| ty.shape.0.first() == Some(&Dim::BATCH)).map_or(0, |ty| {
            let elements = ty.shape.volume().map_or(usize::MAX, |(n, _)| n);
            elements.saturating_mul(4)
        })
    };
    let total = |names: &[String]| names.iter().map(|name| bytes(name)).fold(0, usize::saturating_add);
    let largest =
        graph.nodes.iter().map(|node| total(&node.inputs).saturating_add(total(&node.outputs))).max();
    let fitting = CACHE / largest.unwrap_or(1).max(1);
    Ok(if fitting < 2 { 1 } else { (1 << fitting.ilog2()).min(LARGEST) })
}
