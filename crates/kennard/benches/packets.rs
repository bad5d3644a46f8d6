//! What a sample of a packet costs, beside the forward pass and gradient that it needs. One JSON
//! object per line.
//!
//!     cargo bench -p kennard --bench packets -- [--rounds N] [MODEL.onnx …]
//!
//! Without models, those in `$KENNARD_SHARED/models` (default `../shared/models`) and in `fixtures/`.
//! First, the statistics alone, with an oracle that costs nothing; then every model, on one core, in
//! rounds that take turns with its bare gradient: `ratio` is the median of (time of a packet's
//! sample) / (time of a gradient).

mod common;

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kennard::attack::Loss;
use kennard::data::{DataError, DataSet, Selection};
use kennard::engine::{Engine, EngineOptions, Program};
use kennard::packet::{Effort, GaussianPacket, LogOdds};
use kennard::survey::{PacketKind, Survey};
use kennard::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice};
use serde_json::json;

/// A linear log-odds loss, for nothing.
struct Free;

impl LogOdds for Free {
    type Error = Infallible;

    fn batch_size(&self) -> usize {
        16
    }

    fn evaluate(
        &mut self,
        _: &[f32],
        _: usize,
        u: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Infallible> {
        u.fill(-1.0);
        gradient.fill(0.01);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut models = Vec::new();
    let mut rounds = 5;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--rounds" => rounds = words.next().ok_or("--rounds needs a value")?.parse()?,
            _ => models.push(PathBuf::from(word)),
        }
    }
    for dimension in [784, 3072, 150_528] {
        let samples = (8_000_000 / dimension).max(64);
        let packet = GaussianPacket { scale: 0.1, samples, seed: 0 };
        for modes in [false, true] {
            let effort = Effort { modes, ..Effort::exactly(samples) };
            let time = median((0..rounds).map(|_| {
                let begin = Instant::now();
                let measured = packet.measure_until(&effort, &vec![0.5; dimension], 0, 0, &mut Free);
                let _ = std::hint::black_box(measured);
                // The search for the packet takes 128 more points.
                begin.elapsed().as_secs_f64() / (samples + 128) as f64
            }));
            println!("{}", json!({"dimension": dimension, "modes": modes, "microseconds": time * 1e6}));
        }
    }
    if models.is_empty() {
        models = common::all_models();
    }
    for path in &models {
        let model = Graph::load(path)?;
        let shape = common::shape(&model)?;
        let data = grey(&shape)?;
        let classifier = Classifier::new(&model, &shape, &Preprocessing::default())?;
        let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
        let runtime = Runtime::open(RuntimeChoice::Auto)?;
        let engine = Engine::new(classifier, runtime, &options)?;
        let program = Program::Gradient(Loss::LogOdds);
        let rate = engine.throughput(program, Duration::from_millis(300))?;
        // So many that a round takes about as long as one of the bare gradient.
        let samples = ((rate * 0.5) as usize).max(256);
        let ratio = |modes: bool| -> Result<f64, Box<dyn std::error::Error>> {
            let survey = Survey {
                scales: vec![0.02],
                centres: Selection::First(1),
                samples,
                effort: Effort { modes, ..Effort::exactly(samples) },
                ..Survey::new(&engine, &data, PacketKind::Gaussian)
            };
            let mut ratios = Vec::new();
            for _ in 0..rounds {
                let gradient = 1.0 / engine.throughput(program, Duration::from_millis(500))?;
                let begin = Instant::now();
                survey.run(&Default::default(), |_, _| ())?;
                ratios.push(begin.elapsed().as_secs_f64() / (samples + 128) as f64 / gradient);
            }
            Ok(median(ratios.into_iter()))
        };
        let line = json!({
            "model": path.file_stem().map(|s| s.to_string_lossy()), "runtime": engine.runtime().name(),
            "gradients": rate.round(), "ratio": ratio(false)?, "with_modes": ratio(true)?,
        });
        println!("{line}");
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A data set of one grey image of label 0.
fn grey(shape: &[usize]) -> Result<DataSet, DataError> {
    DataSet::from_samples(vec![0.5; shape.iter().product()], vec![0], shape, &[])
}
