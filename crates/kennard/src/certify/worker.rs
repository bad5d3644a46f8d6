//! One core's share of the work: a session for each method, made when it is first needed.

use std::collections::BTreeMap;
use std::slice;
use std::time::{Duration, Instant};

use kennard_runtime::{Runtime, Session, Threads};

use super::ascent::Ascent;
use super::bounded::Bounded;
use super::crown::Last;
use super::hidden::{HiddenBounds, Walker, Where};
use super::method::BoundMethod;
use super::parted::{batched, run};
use super::program::{BoundProgram, Ticker, Walk};
use super::region::Region;
use super::terms::Terms;
use crate::Result;
use crate::data::Sample;

pub(super) struct BoundWorker<'c> {
    terms: &'c Terms<'c>,
    runtime: &'c Runtime,
    threads: Threads,
    loaded: BTreeMap<BoundMethod, LoadedMethod>,
    /// Bounds hidden tensors, for all methods that ask for it.
    walker: Option<Walker>,
    outputs: Vec<Vec<f32>>,
    /// What bounds the rounding of the network itself.
    rounding: Option<Session>,
    /// The time that each method took.
    pub times: BTreeMap<BoundMethod, Duration>,
}

/// What runs a method.
enum LoadedMethod {
    Bounds(Session),
    Last(Last),
}

/// A sample on its way, and the best lower bound of each of its margins (K − 1).
pub(super) struct OpenSample {
    pub sample: Sample,
    region: Region,
    /// What walks found of its hidden tensors.
    hidden: Option<HiddenBounds>,
    best: Vec<f32>,
    method: BoundMethod,
    /// The first certificate: what follows may only make it one in single precision too.
    proved: Option<Bounded>,
    /// As in [`Bounded`].
    in_floats: Option<bool>,
}

impl OpenSample {
    /// A sample of which nothing is known yet.
    pub fn new(sample: Sample, terms: &Terms) -> OpenSample {
        let region = terms.region(&sample);
        let best = vec![f32::NEG_INFINITY; terms.margins()];
        let method = BoundMethod::default();
        OpenSample { sample, region, hidden: None, best, method, proved: None, in_floats: None }
    }

    /// Such a sample, within another distance than the threat model's.
    pub fn within(sample: Sample, terms: &Terms, eps: f64) -> OpenSample {
        OpenSample::new(sample, &Terms { threat: terms.threat.at(eps), ..*terms })
    }

    /// Where its points may be, as graphs of bounds are told.
    fn place(&self, terms: &Terms) -> Where<'_> {
        let Region { lower, upper, radius } = &self.region;
        match terms.has_ball() {
            true => vec![lower, upper, &self.sample.input, slice::from_ref(radius)],
            false => vec![lower, upper],
        }
    }

    pub fn bounded(&self) -> Bounded {
        let margin = self.best.iter().copied().fold(f32::INFINITY, f32::min);
        let now = Bounded { margin, method: self.method, in_floats: None };
        Bounded { in_floats: self.in_floats, ..self.proved.unwrap_or(now) }
    }

    /// Whether this method is still to be tried: on what is not certified, and, where it is cheap, on what is not in single precision.
    pub fn is_open_to(&self, method: BoundMethod) -> bool {
        let lacks_floats = self.in_floats == Some(false) && method <= BoundMethod::CHEAP;
        !self.bounded().is_certified() || lacks_floats
    }
}

impl<'c> BoundWorker<'c> {
    pub fn new(terms: &'c Terms<'c>, runtime: &'c Runtime, threads: Threads) -> BoundWorker<'c> {
        let (loaded, times) = (BTreeMap::new(), BTreeMap::new());
        BoundWorker {
            terms,
            runtime,
            threads,
            loaded,
            walker: None,
            outputs: Vec::new(),
            rounding: None,
            times,
        }
    }

    /// Bounds samples by a method, at most as many as its graph takes at a time. Returns whether it did: not where `ticker`
    /// does not go on while its sessions are made.
    pub fn bound(
        &mut self,
        method: BoundMethod,
        program: &BoundProgram,
        block: &mut [OpenSample],
        ticker: &Ticker<'_>,
    ) -> Result<bool> {
        let start = Instant::now();
        if !self.loaded.contains_key(&method) {
            // Nothing is rewritten: a bound is as sound as the arithmetic that it was made for.
            let loaded = match &program.walk {
                Walk::Bounds(graph) => {
                    LoadedMethod::Bounds(self.runtime.compile_as_given(graph, &self.threads)?)
                }
                Walk::Stages(stages) => {
                    let (batch, runtime, threads) = (program.batch, self.runtime, &self.threads);
                    if self.walker.is_none() {
                        self.walker = Walker::unless_stopped(stages, batch, runtime, threads, ticker)?;
                    }
                    if self.walker.is_none() {
                        return Ok(false);
                    }
                    let ascent = (method == BoundMethod::AlphaCrown).then(Ascent::default);
                    LoadedMethod::Last(Last::new(
                        stages,
                        [batch, self.terms.margins()],
                        ascent,
                        runtime,
                        threads,
                    )?)
                }
            };
            self.loaded.insert(method, loaded);
        }
        self.run(method, program, block)?;
        *self.times.entry(method).or_default() += start.elapsed();
        Ok(true)
    }

    /// Whether samples that are certified are so in single precision: whether all of their margins are larger than what this graph says
    /// that rounding can do to them.
    pub fn judge(&mut self, program: &BoundProgram, block: &mut [OpenSample]) -> Result<()> {
        let Walk::Bounds(graph) = &program.walk else { return Ok(()) };
        let mut certified: Vec<&mut OpenSample> =
            block.iter_mut().filter(|open| open.bounded().is_certified()).collect();
        let (terms, rows) = (self.terms, self.terms.margins());
        for part in certified.chunks_mut(program.batch) {
            if self.rounding.is_none() {
                self.rounding = Some(self.runtime.compile_as_given(graph, &self.threads)?);
            }
            let Some(session) = &mut self.rounding else { return Ok(()) };
            let specs: Vec<Vec<f32>> = part.iter().map(|open| terms.spec(open.sample.label)).collect();
            let mut known: Vec<Where> = part.iter().map(|open| open.place(terms)).collect();
            known.iter_mut().zip(&specs).for_each(|(known, spec)| known.push(spec));
            run(session, &batched(&known, program.batch), &mut self.outputs)?;
            let errors = self.outputs.first().map(Vec::as_slice).unwrap_or_default();
            for (open, errors) in part.iter_mut().zip(errors.chunks_exact(rows)) {
                open.in_floats = Some(open.best.iter().zip(errors).all(|(margin, error)| margin > error));
            }
        }
        Ok(())
    }

    fn run(&mut self, method: BoundMethod, program: &BoundProgram, block: &mut [OpenSample]) -> Result<()> {
        let Some(loaded) = self.loaded.get_mut(&method) else { return Ok(()) };
        let rows = self.terms.margins();
        let specs: Vec<Vec<f32>> = block.iter().map(|open| self.terms.spec(open.sample.label)).collect();
        let found = match loaded {
            LoadedMethod::Bounds(session) => {
                let mut known: Vec<Where> = block.iter().map(|open| open.place(self.terms)).collect();
                known.iter_mut().zip(&specs).for_each(|(known, spec)| known.push(spec));
                run(session, &batched(&known, program.batch), &mut self.outputs)?;
                self.outputs.first().cloned().unwrap_or_default()
            }
            LoadedMethod::Last(last) => {
                let Some(walker) = &mut self.walker else { return Ok(()) };
                let lacks = |open: &&mut OpenSample| open.hidden.is_none();
                let mut lacking: Vec<&mut OpenSample> = block.iter_mut().filter(lacks).collect();
                if !lacking.is_empty() {
                    let places: Vec<Where> = lacking.iter().map(|open| open.place(self.terms)).collect();
                    let found = walker.bounds(&places)?;
                    lacking.iter_mut().zip(found).for_each(|(open, hidden)| open.hidden = Some(hidden));
                }
                let places: Vec<Where> = block.iter().map(|open| open.place(self.terms)).collect();
                let hidden: Vec<&HiddenBounds> =
                    block.iter().filter_map(|open| open.hidden.as_ref()).collect();
                last.bounds(&places, &hidden, &specs)?
            }
        };
        for (open, found) in block.iter_mut().zip(found.chunks_exact(rows)) {
            open.method = method;
            // What is no number bounds nothing: `max` leaves the other one.
            open.best.iter_mut().zip(found).for_each(|(best, &bound)| *best = best.max(bound));
            open.proved = Some(open.bounded()).filter(Bounded::is_certified);
        }
        Ok(())
    }
}
