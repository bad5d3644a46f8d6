//! What the integration tests share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use kennard::attack::Attack;
use kennard::audit::{Audit, Outcome};
use kennard::data::{DataSet, Options};
use kennard::engine::{Engine, EngineOptions};
use kennard::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice, ThreatModel};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

/// The folder of published networks and data, or `None` with a word about it.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("KENNARD_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    if folder.join("models").is_dir() {
        return Some(folder);
    }
    println!("skipped: no published networks at {} (KENNARD_SHARED)", folder.display());
    None
}

/// The runtimes there are, with a word about a missing one.
pub fn runtimes() -> Vec<Runtime> {
    let open = |choice| Runtime::open(choice).map_err(|error| println!("skipped one runtime: {error}")).ok();
    [RuntimeChoice::Rten, RuntimeChoice::OnnxRuntime].into_iter().filter_map(open).collect()
}

pub fn rten() -> Runtime {
    Runtime::open(RuntimeChoice::Rten).unwrap()
}

pub fn fashion() -> DataSet {
    open(&format!("fashion-mnist:{}", fixture("fashion-mnist").display()))
}

pub fn open(spec: &str) -> DataSet {
    DataSet::open(&spec.parse().unwrap(), &Options::default()).unwrap()
}

pub fn engine(model: &Graph, data: &DataSet, runtime: Runtime, options: &EngineOptions) -> Engine {
    let classifier = Classifier::new(model, data.shape(), &Preprocessing::default()).unwrap();
    Engine::new(classifier, runtime, options).unwrap()
}

/// An audit without packets.
pub fn audit(
    engine: &Engine,
    data: &DataSet,
    threat: ThreatModel,
    attacks: Vec<Box<dyn Attack>>,
    samples: usize,
    full: bool,
) -> Outcome {
    let model = fixture("fashion_mlp.onnx");
    let (packets, samples) = (vec![], Some(samples));
    let audit = Audit { model: &model, engine, data, threat, attacks, packets, samples, seed: 0, full };
    audit.run(&AtomicBool::new(false), |_| ()).unwrap()
}
