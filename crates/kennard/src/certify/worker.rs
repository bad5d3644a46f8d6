//! One core's share of the work: a session for each method, made when it is first needed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kennard_runtime::{Input, Runtime, Session, Threads};

use super::ascent::Ascent;
use super::bounded::Bounded;
use super::crown::Last;
use super::hidden::{Hidden, Walker};
use super::method::BoundMethod;
use super::program::{Program, Walk};
use super::region::Region;
use super::terms::Terms;
use crate::Result;
use crate::data::Sample;

pub(super) struct Worker<'c> {
    terms: &'c Terms<'c>,
    runtime: &'c Runtime,
    threads: Threads,
    loaded: BTreeMap<BoundMethod, Loaded>,
    /// Bounds hidden tensors, for all methods that ask for it.
    walker: Option<Walker>,
    outputs: Vec<Vec<f32>>,
    /// The time that each method took.
    pub times: BTreeMap<BoundMethod, Duration>,
}

/// What runs a method.
enum Loaded {
    Bounds(Session),
    Last(Last),
}

/// A sample on its way, and the best lower bound of each of its margins (K − 1).
pub(super) struct Open {
    pub sample: Sample,
    region: Region,
    /// What walks found of its hidden tensors.
    hidden: Option<Hidden>,
    best: Vec<f32>,
    method: BoundMethod,
}

impl Open {
    /// A sample of which nothing is known yet.
    pub fn new(sample: Sample, terms: &Terms) -> Open {
        let region = terms.region(&sample);
        let best = vec![f32::NEG_INFINITY; terms.margins()];
        Open { sample, region, hidden: None, best, method: BoundMethod::default() }
    }

    /// The same within another distance than the threat model's.
    pub fn within(sample: Sample, terms: &Terms, eps: f64) -> Open {
        Open::new(sample, &Terms { threat: terms.threat.at(eps), ..*terms })
    }

    pub fn bounded(&self) -> Bounded {
        let margin = self.best.iter().copied().fold(f32::INFINITY, f32::min);
        Bounded { margin, method: self.method }
    }
}

impl<'c> Worker<'c> {
    pub fn new(terms: &'c Terms<'c>, runtime: &'c Runtime, threads: Threads) -> Worker<'c> {
        let (loaded, times) = (BTreeMap::new(), BTreeMap::new());
        Worker { terms, runtime, threads, loaded, walker: None, outputs: Vec::new(), times }
    }

    /// Bounds samples by a method, at most as many as its graph takes at a time.
    pub fn bound(&mut self, method: BoundMethod, program: &Program, block: &mut [Open]) -> Result<()> {
        let start = Instant::now();
        if !self.loaded.contains_key(&method) {
            // Nothing is rewritten: a bound is as sound as the arithmetic that it was made for.
            let loaded = match &program.walk {
                Walk::Bounds(graph) => Loaded::Bounds(self.runtime.compile_as_given(graph, &self.threads)?),
                Walk::Stages(stages) => {
                    let (rows, runtime, threads) = (self.terms.margins(), self.runtime, &self.threads);
                    if self.walker.is_none() {
                        self.walker = Some(Walker::new(stages, runtime, threads)?);
                    }
                    Loaded::Last(match method {
                        BoundMethod::AlphaCrown => {
                            Last::sloped(stages, rows, Ascent::default(), runtime, threads)?
                        }
                        _ => Last::plain(stages, rows, runtime, threads)?,
                    })
                }
            };
            self.loaded.insert(method, loaded);
        }
        self.run(method, program, block)?;
        *self.times.entry(method).or_default() += start.elapsed();
        Ok(())
    }

    /// What is left of the batch is filled with the first sample.
    fn run(&mut self, method: BoundMethod, program: &Program, block: &mut [Open]) -> Result<()> {
        let Some(loaded) = self.loaded.get_mut(&method) else { return Ok(()) };
        let rows = self.terms.margins();
        let slots = || (0..program.batch).map(|slot| &block[if slot < block.len() { slot } else { 0 }]);
        let all = |of: &dyn Fn(&Open) -> &[f32]| -> Vec<f32> {
            slots().flat_map(|open| of(open).to_vec()).collect()
        };
        let lower = all(&|open| &open.region.lower);
        let upper = all(&|open| &open.region.upper);
        let centre = all(&|open| &open.sample.input);
        let radius: Vec<f32> = slots().map(|open| open.region.radius).collect();
        let spec: Vec<f32> = slots().flat_map(|open| self.terms.spec(open.sample.label)).collect();
        let mut region: Vec<&[f32]> = vec![&lower, &upper];
        if self.terms.has_ball() {
            region.extend([&centre[..], &radius]);
        }
        let found = match loaded {
            Loaded::Bounds(session) => {
                let inputs: Vec<Input> = region.into_iter().chain([&spec[..]]).map(Input::F32).collect();
                session.run(&inputs, &mut self.outputs)?;
                self.outputs.first().cloned().unwrap_or_default()
            }
            Loaded::Last(last) => {
                let (Some(walker), Some(open)) = (&mut self.walker, block.first_mut()) else { return Ok(()) };
                if open.hidden.is_none() {
                    open.hidden = Some(walker.bounds(&region)?);
                }
                let Some(hidden) = &open.hidden else { return Ok(()) };
                last.bounds(&region, hidden, &spec)?
            }
        };
        for (open, found) in block.iter_mut().zip(found.chunks_exact(rows)) {
            open.method = method;
            // What is no number bounds nothing: `max` leaves the other one.
            open.best.iter_mut().zip(found).for_each(|(best, &bound)| *best = best.max(bound));
        }
        Ok(())
    }
}
