//! One core's share of the work: a session for each method, made when it is first needed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kennard_runtime::{Input, Runtime, Session, Threads};

use super::program::Program;
use super::region::Region;
use super::terms::Terms;
use super::{BoundMethod, Bounded};
use crate::Result;
use crate::data::Sample;

pub(super) struct Worker<'c> {
    terms: &'c Terms<'c>,
    runtime: &'c Runtime,
    threads: Threads,
    sessions: BTreeMap<BoundMethod, Session>,
    outputs: Vec<Vec<f32>>,
    /// The time that each method took.
    pub times: BTreeMap<BoundMethod, Duration>,
}

/// A sample on its way, and the best lower bound of each of its margins (K − 1).
pub(super) struct Open {
    pub sample: Sample,
    region: Region,
    best: Vec<f32>,
    method: BoundMethod,
}

impl Open {
    /// A sample of which nothing is known yet.
    pub fn new(sample: Sample, terms: &Terms) -> Open {
        let region = terms.region(&sample);
        let best = vec![f32::NEG_INFINITY; terms.margins()];
        Open { sample, region, best, method: BoundMethod::default() }
    }

    pub fn bounded(&self) -> Bounded {
        let margin = self.best.iter().copied().fold(f32::INFINITY, f32::min);
        Bounded { margin, method: self.method }
    }
}

impl<'c> Worker<'c> {
    pub fn new(terms: &'c Terms<'c>, runtime: &'c Runtime, threads: Threads) -> Worker<'c> {
        let (sessions, times) = (BTreeMap::new(), BTreeMap::new());
        Worker { terms, runtime, threads, sessions, outputs: Vec::new(), times }
    }

    /// Bounds samples by a method, at most as many as its graph takes at a time.
    pub fn bound(&mut self, method: BoundMethod, program: &Program, block: &mut [Open]) -> Result<()> {
        let start = Instant::now();
        if !self.sessions.contains_key(&method) {
            // Nothing is rewritten: a bound is as sound as the arithmetic that it was made for.
            let session = self.runtime.compile_as_given(&program.graph, &self.threads)?;
            self.sessions.insert(method, session);
        }
        self.run(method, program, block)?;
        *self.times.entry(method).or_default() += start.elapsed();
        Ok(())
    }

    /// What is left of the batch is filled with the first sample.
    fn run(&mut self, method: BoundMethod, program: &Program, block: &mut [Open]) -> Result<()> {
        let Some(session) = self.sessions.get_mut(&method) else { return Ok(()) };
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
        let mut inputs = vec![Input::F32(&lower), Input::F32(&upper)];
        if self.terms.has_ball() {
            inputs.extend([Input::F32(&centre), Input::F32(&radius)]);
        }
        inputs.push(Input::F32(&spec));
        session.run(&inputs, &mut self.outputs)?;
        let found = self.outputs.first().map_or(&[][..], |lower| lower);
        for (open, found) in block.iter_mut().zip(found.chunks_exact(rows)) {
            open.method = method;
            // What is no number bounds nothing: `max` leaves the other one.
            open.best.iter_mut().zip(found).for_each(|(best, &bound)| *best = best.max(bound));
        }
        Ok(())
    }
}
