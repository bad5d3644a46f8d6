//! Images per second of a forward pass, and of a forward pass with the input gradient, per model and
//! runtime. One JSON object a line.
//!
//!     cargo bench -p kennard --bench throughput -- [--runtime rten|onnxruntime|openvino] [--threads N]
//!         [--micro-batch N] [--seconds S] [MODEL.onnx …]
//!
//! Without models, those in `$KENNARD_SHARED/models` (default `../shared/models`) and in `fixtures/`.

use std::path::{Path, PathBuf};
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
        models = all_models()?;
    }
    for path in &models {
        let model = Graph::load(path)?;
        let shape: Option<Vec<usize>> =
            model.single_input()?.ty.shape.0.iter().skip(1).map(|d| d.known()).collect();
        let shape = shape.ok_or("the model's input is not fixed")?;
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

fn all_models() -> std::io::Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("KENNARD_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let mut models = Vec::new();
    for folder in [root.join("fixtures"), shared.join("models")] {
        match std::fs::read_dir(&folder) {
            Ok(entries) => models.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
            Err(error) => eprintln!("left out {}: {error}", folder.display()),
        }
    }
    models.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    models.sort();
    Ok(models)
}
