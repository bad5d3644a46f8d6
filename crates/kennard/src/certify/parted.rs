use kennard_graph::{Graph, Parts};
use kennard_runtime::{Input, Runtime, Session, Threads};

use crate::Result;

/// A graph of bounds that runs for one value after another of its last inputs: what does not depend on these is computed once.
pub(super) struct Parted {
    once: Option<Box<Once>>,
    pub session: Session,
}

/// The first part, for a batch of samples, and which inputs the second takes as they are.
struct Once {
    session: Session,
    kept: Vec<usize>,
    batch: usize,
}

impl Parted {
    /// For this many samples at once, and this many places in a run of the second part.
    pub fn new(
        graph: &Graph,
        late: &[&str],
        [samples, places]: [usize; 2],
        runtime: &Runtime,
        threads: &Threads,
    ) -> Result<Parted> {
        let Some(Parts { first, kept, second }) = Parts::of(graph, late)? else {
            return Parted::whole(graph, places, runtime, threads);
        };
        let session = runtime.compile_as_given(&first.with_batch(samples), threads)?;
        let whole = Parted::whole(&second, places, runtime, threads)?;
        let once = Once { session, kept, batch: samples };
        Ok(Parted { once: Some(Box::new(once)), ..whole })
    }

    /// In one part.
    pub fn whole(graph: &Graph, places: usize, runtime: &Runtime, threads: &Threads) -> Result<Parted> {
        // Nothing is rewritten: a bound is as sound as the arithmetic that it was made for.
        let session = runtime.compile_as_given(&graph.with_batch(places), threads)?;
        Ok(Parted { once: None, session })
    }

    /// What the session is to be told of each sample, from what the graph takes before its late inputs; `made` holds what was
    /// computed.
    pub fn known<'a>(
        &mut self,
        given: &'a [Vec<&'a [f32]>],
        made: &'a mut Vec<Vec<f32>>,
    ) -> Result<Vec<Vec<&'a [f32]>>> {
        let Some(once) = &mut self.once else { return Ok(given.to_vec()) };
        let Once { session, kept, batch } = once.as_mut();
        run(session, &batched(given, *batch), made)?;
        let of = |(i, sample): (usize, &Vec<&'a [f32]>)| {
            let made = made.iter().map(|values| {
                let n = values.len() / *batch;
                &values[i * n..(i + 1) * n]
            });
            kept.iter().map(|&k| sample[k]).chain(made).collect()
        };
        Ok(given.iter().enumerate().map(of).collect())
    }
}

/// The inputs of a batch, for what is known of each of its samples; what is left of it is filled with the first.
pub(super) fn batched(known: &[Vec<&[f32]>], batch: usize) -> Vec<Vec<f32>> {
    let slots = || (0..batch).map(|slot| &known[if slot < known.len() { slot } else { 0 }]);
    let inputs = known.first().map_or(0, Vec::len);
    (0..inputs).map(|i| slots().flat_map(|sample| sample[i].iter().copied()).collect()).collect()
}

/// Runs a session on such inputs.
pub(super) fn run<'a>(
    session: &mut Session,
    inputs: impl IntoIterator<Item = &'a Vec<f32>>,
    outputs: &mut Vec<Vec<f32>>,
) -> Result<()> {
    let inputs: Vec<Input> = inputs.into_iter().map(|data| Input::F32(data)).collect();
    Ok(session.run(&inputs, outputs)?)
}
