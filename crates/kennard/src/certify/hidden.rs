use kennard_graph::{Graph, Patch, Stages, Window};
use kennard_runtime::{Runtime, Session, Threads};

use super::parted::{Parted, batched, run};
use super::program::{Ticker, largest, one_way};
use crate::Result;

/// The most elements of a tensor of rows that go back together: 1 MiB, which caches hold.
const TOGETHER: usize = 1 << 18;
/// The most rows that go back together.
const MOST: usize = 256;
/// A walk has this many rows of one sample at most: few, as not all of them may be wanted.
const ROWS: usize = 32;
/// And this many of one window.
const OF_WINDOW: usize = 8;

/// Bounds the hidden tensors of some samples one after another: by intervals, then by walks back from the elements whose bounds
/// matter.
pub(super) struct Walker {
    stages: Vec<HiddenStage>,
    /// How many samples at once.
    batch: usize,
}

/// One hidden tensor.
struct HiddenStage {
    intervals: Session,
    way: Option<Way>,
    elements: usize,
    /// Whether only elements whose sign is not known matter.
    signs: bool,
}

/// How elements of a hidden tensor are bounded, those of several samples at once.
struct Way {
    walk: Parted,
    places: usize,
    /// The elements of a place.
    rows: usize,
    /// What an element sees, if it sees only a window.
    sight: Option<Sight>,
}

/// What a unit of a hidden tensor sees, as a [`Patch`] says it.
struct Sight {
    windows: Vec<Window>,
    outside: Vec<f32>,
    unit: [usize; 3],
}

/// Some elements of a sample's hidden tensor, no more than a place has rows.
struct SampleElements {
    sample: usize,
    elements: Vec<usize>,
}

/// What the graphs of bounds are told of a sample's region: the inputs that [`bound`](kennard_graph::bound()) takes, in order.
pub(super) type Where<'a> = Vec<&'a [f32]>;

/// What they are told of a sample's hidden tensors: the lower and the upper bounds of one after another, and last whether they
/// mean something.
pub(super) type HiddenBounds = Vec<Vec<f32>>;

/// What a sample's region and hidden tensors are given as, in order.
pub(super) fn known<'a>(region: &Where<'a>, hidden: &'a HiddenBounds) -> Vec<&'a [f32]> {
    region.iter().copied().chain(hidden.iter().map(Vec::as_slice)).collect()
}

impl Walker {
    /// For this many samples at once.
    pub fn new(stages: &Stages, batch: usize, runtime: &Runtime, threads: &Threads) -> Result<Walker> {
        let all = 0..stages.hidden().len();
        let stages =
            all.map(|i| HiddenStage::new(stages, i, batch, runtime, threads)).collect::<Result<_>>()?;
        Ok(Walker { stages, batch })
    }

    /// The same; none where `ticker` does not go on.
    pub fn unless_stopped(
        stages: &Stages,
        batch: usize,
        runtime: &Runtime,
        threads: &Threads,
        ticker: &Ticker<'_>,
    ) -> Result<Option<Walker>> {
        let all = stages.hidden().len();
        let mut made = Vec::with_capacity(all);
        for i in 0..all {
            if !ticker(i as u64, all as u64) {
                return Ok(None);
            }
            made.push(HiddenStage::new(stages, i, batch, runtime, threads)?);
        }
        Ok(Some(Walker { stages: made, batch }))
    }

    /// The bounds of samples whose regions are given, no more than the batch.
    pub fn bounds(&mut self, regions: &[Where]) -> Result<Vec<HiddenBounds>> {
        let (mut hidden, mut outputs) = (vec![HiddenBounds::new(); regions.len()], Vec::new());
        for stage in &mut self.stages {
            let given: Vec<_> =
                regions.iter().zip(&hidden).map(|(region, hidden)| known(region, hidden)).collect();
            run(&mut stage.intervals, &batched(&given, self.batch), &mut outputs)?;
            let [lower, upper, sound] = outputs.as_slice() else { return Ok(hidden) };
            let n = stage.elements;
            let mut found: Vec<[Vec<f32>; 2]> = (0..regions.len())
                .map(|sample| [lower, upper].map(|end| end[sample * n..(sample + 1) * n].to_vec()))
                .collect();
            let sound = sound.clone();
            if let Some(way) = &mut stage.way {
                let places = way.places_of(&found, stage.signs);
                let mut made = Vec::new();
                let given = if places.is_empty() { Vec::new() } else { way.walk.known(&given, &mut made)? };
                for part in places.chunks(way.places) {
                    way.run(&given, n, part, &mut outputs)?;
                    for (slot, place) in part.iter().enumerate() {
                        let [lower, upper] = &mut found[place.sample];
                        // What is no number bounds nothing: `max` and `min` leave the other one.
                        for (&i, row) in place.elements.iter().zip(slot * way.rows..) {
                            lower[i] = lower[i].max(outputs[0][row]);
                            upper[i] = upper[i].min(outputs[1][row]);
                        }
                    }
                }
            }
            drop(given);
            for (sample, (hidden, [lower, upper])) in hidden.iter_mut().zip(found).enumerate() {
                // What is known is known of all of them.
                hidden.pop();
                hidden.extend([lower, upper, vec![sound[sample]]]);
            }
        }
        Ok(hidden)
    }
}

impl HiddenStage {
    fn new(
        stages: &Stages,
        i: usize,
        batch: usize,
        runtime: &Runtime,
        threads: &Threads,
    ) -> Result<HiddenStage> {
        let tensor = &stages.hidden()[i];
        let way = if tensor.loose { Some(Way::new(stages, i, batch, runtime, threads)?) } else { None };
        let intervals = runtime.compile_as_given(&stages.intervals(i)?.with_batch(batch), threads)?;
        Ok(HiddenStage { intervals, way, elements: tensor.elements, signs: tensor.signs })
    }
}

impl Way {
    fn new(stages: &Stages, i: usize, batch: usize, runtime: &Runtime, threads: &Threads) -> Result<Way> {
        let elements = stages.hidden()[i].elements.max(1);
        let together = (TOGETHER / largest(&one_way(stages, i)?)?).clamp(1, MOST);
        let (rows, graph, sight) = match stages.patch(i, OF_WINDOW.min(together))? {
            Some(Patch { graph, windows, outside, unit }) => {
                let rows = OF_WINDOW.min(together).min(unit[0]);
                (rows, graph, Some(Sight { windows, outside, unit }))
            }
            None => {
                let rows = together.min(ROWS).min(elements);
                (rows, stages.walk(i, rows)?, None)
            }
        };
        let places = (together / rows).max(1).min(elements.div_ceil(rows) * batch);
        let walk = match sight {
            // A window has nothing in common with others.
            Some(_) => Parted::whole(&graph, places, runtime, threads)?,
            None => Parted::new(&graph, &[Graph::SPEC], [batch, places], runtime, threads)?,
        };
        Ok(Way { walk, places, rows, sight })
    }

    /// The elements that matter, of intervals of each sample.
    fn places_of(&self, found: &[[Vec<f32>; 2]], signs: bool) -> Vec<SampleElements> {
        let mut places = Vec::new();
        for (sample, [lower, upper]) in found.iter().enumerate() {
            let matters = |i: &usize| match signs {
                true => lower[*i] < 0.0 && upper[*i] > 0.0,
                false => lower[*i] < upper[*i],
            };
            let mut open: Vec<usize> = (0..lower.len()).filter(matters).collect();
            // Units of one window side by side.
            let window =
                |i: &usize| self.sight.as_ref().map_or(0, |sight| i % (sight.unit[1] * sight.unit[2]));
            open.sort_by_key(window);
            let place = |part: &[usize]| SampleElements { sample, elements: part.to_vec() };
            let windows = open.chunk_by(|a, b| window(a) == window(b));
            places.extend(windows.flat_map(|units| units.chunks(self.rows)).map(place));
        }
        places
    }

    /// Bounds elements, no more than the session has places for.
    fn run(
        &mut self,
        given: &[Vec<&[f32]>],
        elements: usize,
        part: &[SampleElements],
        outputs: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        let Some(sight) = &self.sight else {
            let of: Vec<Vec<&[f32]>> = part.iter().map(|place| given[place.sample].clone()).collect();
            let mut spec = vec![0.0; self.places * self.rows * elements];
            for (slot, place) in part.iter().enumerate() {
                for (&i, row) in place.elements.iter().zip(slot * self.rows..) {
                    spec[row * elements + i] = 1.0;
                }
            }
            let mut inputs = batched(&of, self.places);
            inputs.push(spec);
            return run(&mut self.walk.session, &inputs, outputs);
        };
        let inputs = cut(sight, given, part, [self.places, self.rows]);
        run(&mut self.walk.session, &inputs, outputs)
    }
}

/// What units of a hidden tensor see, those of a place the same.
fn cut(
    sight: &Sight,
    given: &[Vec<&[f32]>],
    part: &[SampleElements],
    [places, together]: [usize; 2],
) -> Vec<Vec<f32>> {
    let Sight { windows, outside, unit: [channels, rows, columns] } = sight;
    let hidden = 2 * (windows.len() - 1) + usize::from(windows.len() > 1);
    let slots = || (0..places).map(|slot| &part[if slot < part.len() { slot } else { 0 }]);
    let all = |i: usize, window: Option<(&Window, &[f32])>| {
        let mut cut = Vec::with_capacity(places * window.map_or(1, |(window, _)| window.volume()));
        for place in slots() {
            let (tensor, unit) = (given[place.sample][i], place.elements[0]);
            match window {
                Some((window, outside)) => {
                    window.cut(tensor, [unit / columns % rows, unit % columns], outside, &mut cut);
                }
                None => cut.extend_from_slice(tensor),
            }
        }
        cut
    };
    // The region's ends and centre, and the radius, which is the same everywhere; then two ends for each tensor, and whether they
    // mean something.
    let region = given.first().map_or(0, Vec::len) - hidden;
    let window = |i: usize| match i.checked_sub(region) {
        None => (i < 3).then(|| (&windows[0], outside.as_slice())),
        Some(end) => windows.get(1 + end / 2).filter(|_| end + 1 < hidden).map(|window| (window, &[][..])),
    };
    let mut inputs: Vec<Vec<f32>> = (0..region + hidden).map(|i| all(i, window(i))).collect();
    let mut spec = vec![0.0; places * together * channels];
    for (own, place) in spec.chunks_exact_mut(together * channels).zip(slots()) {
        for (row, unit) in own.chunks_exact_mut(*channels).zip(&place.elements) {
            row[unit / (rows * columns)] = 1.0;
        }
    }
    inputs.push(spec);
    inputs
}
