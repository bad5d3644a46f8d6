//! Images per second of a forward pass, and of a forward pass with the input gradient, per model and
//! runtime. One JSON object per line.
//!
//!     cargo bench -p kennard --bench throughput -- [--runtime rten|onnxruntime|openvino] [--threads N]
//!         [--micro-batch N] [--seconds S] [MODEL.onnx …]
//!
//! Without models, those in `$KENNARD_SHARED/models` (default `../shared/models`) and in `fixtures/`.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use kennard::attack::Loss;
use kennard::engine::{Engine, EngineOptions, Program};
use kennard::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut models = Vec::new();
    let mut choices = vec![RuntimeChoice::Rten, RuntimeChoice::OnnxRuntime, RuntimeChoice::OpenVino];
    let mut options = EngineOptions::default();
    let mut trial = Duration::from_secs(2);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--bench" => {}
            "--runtime" => choices = vec![value()?.parse()?],
            "--threads" => options.threads = Some(value()?.parse()?),
            "--micro-batch" => options.micro_batch = Some(value()?.parse()?),
            "--seconds" => trial = Duration::from_secs_f64(value()?.parse()?),
            _ => models.push(PathBuf::from(word)),
        }
    }
    if models.is_empty() {
        models = common::all_models();
    }
    for path in &models {
        let model = Graph::load(path)?;
        let shape = common::shape(&model)?;
        for &choice in &choices {
            let runtime = match Runtime::open(choice) {
                Ok(runtime) => runtime,
                Err(error) => {
                    eprintln!("left out: {error}");
                    continue;
                }
            };
            let name = runtime.name().to_string();
            let classifier = Classifier::new(&model, &shape, &Preprocessing::default())?;
            let engine = Engine::new(classifier, runtime, &options)?;
            let plan = engine.plan();
            let line = json!({
                "model": path.file_stem().map(|s| s.to_string_lossy()), "runtime": name,
                "micro_batch": plan.micro_batch, "sessions": plan.sessions, "threads": plan.threads_per_session,
                "forward": engine.throughput(Program::Logits, trial)?,
                "gradient": engine.throughput(Program::Gradient(Loss::LogOdds), trial)?,
            });
            println!("{line}");
        }
    }
    Ok(())
}
