//! What an engine finds out about its model by asking it.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use kennard_graph::{Loss, Trees, operator_of, undifferentiable};

use super::evaluator::{Evaluator, Query, Row};
use super::plan::Engine;
use super::program::Program;
use super::run::WORKER;
use crate::warning::Warning;
use crate::workers::{Desk, side_by_side};
use crate::{Error, Result};

/// What a model says of some samples.
struct FirstLook {
    /// The answers of the untouched model, sample by sample.
    answers: Vec<f32>,
    /// Whether one depends on the others in its batch.
    mixed: bool,
    /// Whether these are the answers of a simplified model.
    simplified: bool,
}

/// The untouched model's answers about samples by their places; behind the last they begin anew.
fn ask(
    evaluator: &mut Evaluator,
    samples: &[&[f32]],
    places: impl Iterator<Item = usize>,
) -> Result<Vec<f32>> {
    let points: Vec<&[f32]> = places.map(|i| samples[i % samples.len()]).collect();
    Ok(evaluator.evaluate(&Query::untouched(points.concat()))?.logits)
}

impl Engine {
    /// Why there is no gradient of the model on this runtime, if there is none: the nodes that cannot be
    /// differentiated, or what was said when the gradient was made and tried out.
    pub fn gradient_error(&self) -> Option<Error> {
        self.no_gradient
            .get_or_init(|| self.try_gradient())
            .clone()
            .map(|why| Error::NoGradient { why, needed: None })
    }

    /// The trees that the model's answers follow from.
    ///
    /// # Errors
    /// When the model is no ensemble of trees, or they are not all that it reads its input with: says why.
    pub fn trees(&self) -> std::result::Result<&Trees, &str> {
        let found = self.trees.get_or_init(|| match self.classifier.graph() {
            Some(graph) => Trees::of(graph).map_err(|error| error.to_string()),
            None => Err("the model is no file whose trees could be read".into()),
        });
        found.as_ref().map_err(String::as_str)
    }

    fn try_gradient(&self) -> Option<String> {
        if self.classifier.module().is_some_and(|module| !module.is_differentiable()) {
            return Some("the model is a function without gradients".into());
        }
        let tried = Evaluator::lend(self, |mut evaluator| {
            let points = vec![0.0; self.classifier.dimension()];
            evaluator.evaluate(&Query::gradient(Loss::LogOdds, points, 0))
        });
        let error = tried.err()?;
        let lacking = self.classifier.graph().map(undifferentiable).unwrap_or_default();
        let nodes: Vec<String> = lacking
            .iter()
            .take(3)
            .map(|node| format!("`{}` ({})", node.label(), operator_of(node)))
            .collect();
        let others = if lacking.len() > 3 { " and others" } else { "" };
        Some(match nodes.as_slice() {
            [] => format!("the model's gradient cannot be computed: {error}"),
            [node] => format!("the node {node} has no gradient rule"),
            _ => format!("the nodes {}{others} have no gradient rules", nodes.join(", ")),
        })
    }

    /// Asks about some samples (each `d` elements), with sessions that are made once.
    fn first_look(&self, samples: &[&[f32]]) -> Result<FirstLook> {
        // A full batch at least, so that others can be held against it.
        let asked = if samples.is_empty() { 0 } else { samples.len().max(self.rows(Program::Untouched)) };
        Evaluator::lend(self, |mut evaluator| {
            let mut answers = ask(&mut evaluator, samples, 0..asked)?;
            let mixed = !self.classifier.mixes_samples() && self.mixes(&mut evaluator, samples, &answers)?;
            answers.truncate(samples.len() * self.classifier.classes());
            // A module is the same program either way.
            if !mixed && self.classifier.module().is_none() {
                // What the runtime cannot run is found now, not in the middle of the work.
                evaluator.evaluate(&Query::logits(samples.concat()))?;
            }
            Ok(FirstLook { answers, mixed, simplified: evaluator.is_simplified(Program::Untouched) })
        })
    }

    /// Whether an answer about one of some samples is another, by more than rounding, in another place of a full batch, or beside
    /// copies of itself; of a model that answers at random that is not known. `answers` are those about a full batch at least.
    fn mixes(&self, evaluator: &mut Evaluator, samples: &[&[f32]], answers: &[f32]) -> Result<bool> {
        let rows = self.rows(Program::Untouched);
        if rows < 2 || samples.is_empty() || !self.differs(evaluator, samples, answers)? {
            return Ok(false);
        }
        // What answers at random differs from itself in the same place too.
        let again = ask(evaluator, samples, 0..rows)?;
        Ok(ask(evaluator, samples, 0..rows)? == again && self.differs(evaluator, samples, &again)?)
    }

    /// Whether an answer is another than it is beside the samples in their order, turned round or beside copies of itself.
    fn differs(&self, evaluator: &mut Evaluator, samples: &[&[f32]], answers: &[f32]) -> Result<bool> {
        let (rows, classes) = (self.rows(Program::Untouched), self.classifier.classes());
        let beside = &answers[..rows * classes];
        let largest = beside.iter().fold(0.0f32, |most, z| most.max(z.abs()));
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-3 * largest);
        let turned = ask(evaluator, samples, (0..rows).rev())?;
        if beside.chunks_exact(classes).zip(turned.chunks_exact(classes).rev()).any(|(a, b)| apart(a, b)) {
            return Ok(true);
        }
        let mut ends = vec![0, samples.len().min(rows) - 1];
        ends.dedup();
        for i in ends {
            let copies = ask(evaluator, samples, std::iter::repeat_n(i, rows))?;
            if copies.chunks_exact(classes).any(|copy| apart(copy, &beside[i * classes..])) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at the model's answers to some samples (each `d` elements), and takes them for what they
    /// are: outputs that look like probabilities are replaced by their logarithms, with a warning.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn probe(mut self, samples: &[&[f32]]) -> Result<Engine> {
        if let Some(first) = samples.first() {
            let untouched = self.classifier.untouched().with_batch(self.untouched.0);
            let batch: Vec<f32> =
                (0..self.untouched.0).flat_map(|i| *samples.get(i).unwrap_or(first)).copied().collect();
            if self.classifier.module().is_none() && self.classifier.front().is_none() {
                self.runtime.verify(&untouched, &batch)?;
            }
        }
        let mut look = self.first_look(samples)?;
        if look.mixed {
            let message = "the model's answer about a sample depends on the others in its batch: each is evaluated alone";
            self.warnings.push(Warning::new("mixed-samples", message));
            self.classifier = self.classifier.mixing();
            let fixed = self.classifier.fixed_batch();
            self.plan.micro_batch = fixed.unwrap_or(1);
            self.untouched = (self.plan.micro_batch, true);
            self.graphs = Mutex::default();
            look = self.first_look(samples)?;
        }
        if self.weigh_one_number(&look.answers)? {
            look = self.first_look(samples)?;
        }
        let FirstLook { answers, simplified, .. } = look;
        let of_probabilities = |outputs: &[f32]| {
            (outputs.iter().sum::<f32>() - 1.0).abs() < 1e-4
                && outputs.iter().all(|p| (0.0..=1.0).contains(p))
        };
        let looks =
            !samples.is_empty() && answers.chunks_exact(self.classifier.classes()).all(of_probabilities);
        self.simplified = simplified;
        if simplified {
            let message = "rten does not run the model without simplification: the last word on a sample is that of the \
                           simplified model in single precision. The runtime onnxruntime runs it as given";
            self.warnings.push(Warning::new("untouched-model", message));
        }
        let how = match (looks, self.classifier.returns_logits()) {
            (false, true) => return Ok(self),
            (_, false) if self.classifier.is_of_log_odds() => "its log-odds are used in place of logits",
            (_, false) => {
                "its closing softmax or sigmoid is taken off, and attacks see the logits before it (it changes no order \
                 in real arithmetic; in float32 a sigmoid is 1 from about 17 on)"
            }
            (true, true) => {
                self.classifier = self.classifier.with_log_probabilities()?;
                self.graphs = Mutex::default();
                "their logarithm is used in place of logits"
            }
        };
        let cure =
            if self.classifier.graph().is_some() { "Export it with logits" } else { "Let it return logits" };
        let message = format!("the model returns probabilities: {how}. {cure} to be exact");
        self.warnings.push(Warning::new("probabilities", message));
        Ok(self)
    }

    /// Takes the one number that the model returns for a probability, where its answers look so; returns whether it does.
    fn weigh_one_number(&mut self, answers: &[f32]) -> Result<bool> {
        if !self.classifier.is_of_open_number() {
            return Ok(false);
        }
        let answers: Vec<[f32; 2]> = answers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        let Some(classifier) = self.classifier.of_probability(&answers)? else { return Ok(false) };
        self.warnings.retain(|warning| !self.classifier.warnings().contains(warning));
        self.warnings.extend_from_slice(classifier.warnings());
        self.classifier = classifier;
        self.graphs = Mutex::default();
        Ok(true)
    }

    /// Samples per second of a program, all sessions working side by side for about `trial`.
    ///
    /// # Errors
    /// When the program cannot be made or run.
    pub fn throughput(&self, program: Program, trial: Duration) -> Result<f64> {
        let rate = |mut evaluator: Evaluator| -> Result<f64> {
            let points = vec![0.5; self.classifier.dimension()];
            let query = Query::new(program, points, 0).targeting(1);
            let rows: Vec<Row> = (0..self.rows(program)).map(|_| Row { query: &query, point: 0 }).collect();
            evaluator.run(program, &rows, |_, _, _| ())?;
            let (start, mut samples) = (Instant::now(), 0);
            while samples == 0 || start.elapsed() < trial {
                evaluator.run(program, &rows, |_, _, _| ())?;
                samples += rows.len();
            }
            Ok(samples as f64 / start.elapsed().as_secs_f64())
        };
        let work = |desk: &Desk<f64>| Evaluator::lend(self, rate).map(|rate| desk.send(rate));
        side_by_side(self.plan.sessions, WORKER, &AtomicBool::new(false), work, |rates| rates.sum())
    }
}
