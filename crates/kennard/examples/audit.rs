//! Audits a model: clean accuracy and accuracy under PGD, on 200 images drawn at random.
//!
//!     cargo run --release -p kennard --example audit -- MODEL.onnx fashion-mnist:DIR
//!
//! Without arguments, a model and images of the repository.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kennard::attack::Pgd;
use kennard::audit::Audit;
use kennard::data::{DataSet, Options, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut given = std::env::args().skip(1);
    let model = given.next().map_or_else(|| fixtures.join("fashion_cnn_robust.onnx"), PathBuf::from);
    let ours = || format!("fashion-mnist:{}", fixtures.join("fashion-mnist").display());
    let spec = given.next().unwrap_or_else(ours);

    let data = DataSet::open(&spec.parse()?, &Options::default())?;
    let classifier = Classifier::new(&Graph::load(&model)?, data.shape(), &Preprocessing::default())?;
    let runtime = Runtime::open(RuntimeChoice::Auto)?;
    let engine = Engine::new(classifier, runtime, &EngineOptions::default())?;
    let audit = Audit {
        attacks: vec![Box::new(Pgd::default())],
        samples: Selection::Random { count: 200, seed: 0 },
        ..Audit::new(
            ModelSummary::of_file(&model, engine.classifier())?,
            &engine,
            &data,
            ThreatModel::new(Norm::Linf, 0.1)?,
        )
    };
    let outcome = audit.run(&AtomicBool::new(false), |_| ())?;

    let summary = &outcome.summary;
    println!("clean   {:.3} {:.3?}", summary.clean.accuracy.unwrap_or(f64::NAN), summary.clean.interval);
    let pgd = &summary.attacks[0];
    println!("pgd     {:.3} {:.3?}", pgd.robust_accuracy.unwrap_or(f64::NAN), pgd.interval);
    Ok(())
}
