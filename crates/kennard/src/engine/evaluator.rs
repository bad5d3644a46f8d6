use std::collections::HashMap;
use std::time::{Duration, Instant};

use kennard_graph::Loss;
use kennard_runtime::{Input, Live, RuntimeError, Session, Threads};

use super::plan::Engine;
use super::program::Program;
use crate::{Mismatch, Result};

/// What is asked of one program about `n` points of one sample.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub program: Program,
    /// `n × d`, row-major.
    pub points: Vec<f32>,
    /// The class whose loss is asked for.
    pub label: usize,
    /// The target class of a targeted loss.
    pub target: usize,
    /// The index that the time is booked under.
    pub account: usize,
}

impl Query {
    /// Any program; label and target are `label`.
    pub fn new(program: Program, points: Vec<f32>, label: usize) -> Query {
        Query { program, points, label, target: label, account: 0 }
    }

    /// The logits.
    pub fn logits(points: Vec<f32>) -> Query {
        Query::new(Program::Logits, points, 0)
    }

    /// The logits of the model as it was given.
    pub fn untouched(points: Vec<f32>) -> Query {
        Query::new(Program::Untouched, points, 0)
    }

    /// The logits, a loss of `label`, and its gradient.
    pub fn gradient(loss: Loss, points: Vec<f32>, label: usize) -> Query {
        Query::new(Program::Gradient(loss), points, label)
    }

    /// The same, with the target class of a targeted loss.
    pub fn targeting(self, target: usize) -> Query {
        Query { target, ..self }
    }

    /// The same, its time booked under an account.
    pub fn on_account(self, account: usize) -> Query {
        Query { account, ..self }
    }
}

/// The answers about `n` points: row-major, empty where the program does not compute it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// `n × K`.
    pub logits: Vec<f32>,
    /// `n`.
    pub loss: Vec<f32>,
    /// `n × d`.
    pub gradient: Vec<f32>,
}

/// One worker's sessions and buffers.
pub(crate) struct Evaluator<'e> {
    engine: &'e Engine,
    threads: Threads,
    sessions: HashMap<Program, Loaded>,
}

struct Loaded {
    /// What makes the session's input of the points, and that input.
    front: Option<(Session, Vec<Vec<f32>>)>,
    session: Session,
    points: Vec<f32>,
    labels: Vec<i64>,
    targets: Vec<i64>,
    outputs: Vec<Vec<f32>>,
}

impl Loaded {
    /// Runs the session on the points.
    fn run(&mut self, program: Program) -> Result<()> {
        let points = match &mut self.front {
            None => &self.points,
            Some((session, outputs)) => {
                session.run(&[Input::F32(&self.points)], outputs)?;
                &outputs[0]
            }
        };
        let inputs = inputs(program, points, &self.labels, &self.targets);
        Ok(self.session.run(&inputs, &mut self.outputs)?)
    }

    /// Asks a live module: once, or as often as it takes where it answers at random, for the mean of its answers.
    fn ask(&mut self, module: &dyn Live, program: Program, classes: usize) -> Result<()> {
        let passes = module.passes().max(1);
        self.ask_once(module, program, classes)?;
        if passes == 1 {
            return Ok(());
        }
        let mut sums: Vec<Vec<f64>> =
            self.outputs.iter().map(|found| found.iter().map(|&v| f64::from(v)).collect()).collect();
        for _ in 1..passes {
            self.ask_once(module, program, classes)?;
            for (sum, found) in sums.iter_mut().zip(&self.outputs) {
                sum.iter_mut().zip(found).for_each(|(sum, &v)| *sum += f64::from(v));
            }
        }
        let mean = |sum: Vec<f64>| sum.into_iter().map(|sum| (sum / passes as f64) as f32).collect();
        self.outputs = sums.into_iter().map(mean).collect();
        Ok(())
    }

    /// Asks a live module, whose outputs the session goes on from.
    fn ask_once(&mut self, module: &dyn Live, program: Program, classes: usize) -> Result<()> {
        let Loaded { session, points, labels, targets, outputs, .. } = self;
        if program.loss().is_none() {
            let mut returned = vec![0.0; labels.len() * classes];
            if program == Program::Untouched {
                module.untouched(points, &mut returned)?;
                *outputs = vec![returned];
            } else {
                module.outputs(points, &mut returned)?;
                session.run(&[Input::F32(&returned)], outputs)?;
            }
            return Ok(());
        }
        let mut gradient = vec![0.0; points.len()];
        outputs.clear();
        let mut slopes = |returned: &[f32]| {
            session.run(&inputs(program, returned, labels, targets), outputs)?;
            Ok(outputs.pop().unwrap_or_default())
        };
        module.gradient(points, &mut slopes, &mut gradient)?;
        if outputs.is_empty() {
            let message = "it gave a gradient without asking for the loss's".into();
            return Err(RuntimeError::Live { message }.into());
        }
        outputs.push(gradient);
        Ok(())
    }
}

/// What a program's session takes.
fn inputs<'i>(program: Program, points: &'i [f32], labels: &'i [i64], targets: &'i [i64]) -> Vec<Input<'i>> {
    let mut inputs = vec![Input::F32(points)];
    if let Some(loss) = program.loss() {
        inputs.push(Input::I64(labels));
        if loss.is_targeted() {
            inputs.push(Input::I64(targets));
        }
    }
    inputs
}

/// A row of a micro-batch: which query it comes from, and which point of it.
pub(crate) struct Row<'q> {
    pub query: &'q Query,
    pub point: usize,
}

impl<'e> Evaluator<'e> {
    /// Lends `work` an evaluator where its sessions run fastest.
    pub fn lend<R: Send>(engine: &'e Engine, work: impl FnOnce(Evaluator<'e>) -> R + Send) -> R {
        let threads = engine.runtime().threads(engine.plan().threads_per_session);
        let evaluator = Evaluator { engine, threads: threads.clone(), sessions: HashMap::new() };
        threads.enter(|| work(evaluator))
    }

    pub fn micro_batch(&self) -> usize {
        self.engine.plan().micro_batch
    }

    /// How many points a run of a program answers.
    pub fn rows(&self, program: Program) -> usize {
        self.engine.rows(program)
    }

    /// Whether the session of a program runs a simplified graph though it should not.
    pub fn is_simplified(&self, program: Program) -> bool {
        self.sessions.get(&program).is_some_and(|loaded| loaded.session.is_simplified())
    }

    pub fn dimension(&self) -> usize {
        self.engine.classifier().dimension()
    }

    pub fn classes(&self) -> usize {
        self.engine.classifier().classes()
    }

    /// Runs one micro-batch of at most [`Evaluator::rows`] rows of one program. `receive` gets each row's
    /// logits, loss and gradient, in order. Returns the time the session took.
    pub fn run(
        &mut self,
        program: Program,
        rows: &[Row],
        mut receive: impl FnMut(&[f32], &[f32], &[f32]),
    ) -> Result<Duration> {
        let d = self.dimension();
        let k = self.classes();
        let batch = self.engine.batch(program);
        if !self.sessions.contains_key(&program) {
            let session = self.engine.compile(program, &self.threads)?;
            let front =
                self.engine.compile_front(program, &self.threads)?.map(|session| (session, Vec::new()));
            let (points, labels) = (vec![0.0; batch * d], vec![0; batch]);
            let loaded =
                Loaded { front, session, points, targets: labels.clone(), labels, outputs: Vec::new() };
            self.sessions.insert(program, loaded);
        }
        // A program that answers one point a run gets that point everywhere: nothing else is in its batch.
        let copies = if self.rows(program) == 1 { batch } else { 1 };
        let Some(loaded) = self.sessions.get_mut(&program) else { unreachable!("inserted above") };
        for (slot, row) in rows.iter().flat_map(|row| std::iter::repeat_n(row, copies)).enumerate() {
            let point = &row.query.points[row.point * d..(row.point + 1) * d];
            loaded.points[slot * d..(slot + 1) * d].copy_from_slice(point);
            loaded.labels[slot] = row.query.label as i64;
            loaded.targets[slot] = row.query.target as i64;
        }
        let start = Instant::now();
        match self.engine.module(program)? {
            None => loaded.run(program)?,
            Some(module) => loaded.ask(module, program, k)?,
        }
        let took = start.elapsed();
        for (values, width) in loaded.outputs.iter().zip([k, 1, d]) {
            if values.len() != batch * width {
                let found = values.len();
                return Err(Mismatch::Answers { samples: batch, found, width }.into());
            }
        }
        let part = |output: usize, width: usize, slot: usize| match loaded.outputs.get(output) {
            Some(values) => &values[slot * width..(slot + 1) * width],
            None => &[],
        };
        for slot in 0..rows.len() {
            receive(part(0, k, slot), part(1, 1, slot), part(2, d, slot));
        }
        Ok(took)
    }

    /// Answers one query by itself, in as many micro-batches as it needs.
    pub fn evaluate(&mut self, query: &Query) -> Result<Answers> {
        let n = query.points.len() / self.dimension();
        let mut answers = Answers::default();
        let mut point = 0;
        while point < n {
            let rows: Vec<Row> =
                (point..n).take(self.rows(query.program)).map(|point| Row { query, point }).collect();
            self.run(query.program, &rows, |logits, loss, gradient| {
                answers.logits.extend_from_slice(logits);
                answers.loss.extend_from_slice(loss);
                answers.gradient.extend_from_slice(gradient);
            })?;
            point += rows.len();
        }
        Ok(answers)
    }
}
