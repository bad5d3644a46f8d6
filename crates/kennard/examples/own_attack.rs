//! An attack of one's own: random corners of the linf ball, no gradient needed.
//!
//!     cargo run --release -p kennard --example own_attack -- MODEL.onnx fashion-mnist:DIR
//!
//! Without arguments, a model and images of the repository.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kennard::attack::{Attack, Search, Subject};
use kennard::audit::Audit;
use kennard::data::{DataSet, Options, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};
use rand::RngExt;

struct RandomCorners {
    tries: usize,
}

impl Attack for RandomCorners {
    fn name(&self) -> &str {
        "random-corners"
    }

    /// Written for one sample; the engine runs many side by side. The attack ends by itself at the
    /// first point that is misclassified.
    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            let eps = subject.threat().eps as f32;
            let mut random = subject.random(0);
            for _ in 0..self.tries {
                let corner = |&x: &f32| if random.random() { x + eps } else { x - eps };
                let mut x: Vec<f32> = subject.origin().iter().map(corner).collect();
                subject.project(&mut x);
                subject.logits(&x).await;
            }
            Ok(())
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut given = std::env::args().skip(1);
    let model = given.next().map_or_else(|| fixtures.join("fashion_cnn.onnx"), PathBuf::from);
    let ours = || format!("fashion-mnist:{}", fixtures.join("fashion-mnist").display());
    let spec = given.next().unwrap_or_else(ours);

    let data = DataSet::open(&spec.parse()?, &Options::default())?;
    let classifier = Classifier::new(&Graph::load(&model)?, data.shape(), &Preprocessing::default())?;
    let engine = Engine::new(classifier, Runtime::open(RuntimeChoice::Auto)?, &EngineOptions::default())?;
    let audit = Audit {
        attacks: vec![Box::new(RandomCorners { tries: 50 })],
        samples: Selection::Random { count: 200, seed: 0 },
        ..Audit::new(
            ModelSummary::of_file(&model, engine.classifier())?,
            &engine,
            &data,
            ThreatModel::new(Norm::Linf, 0.1)?,
        )
    };
    let outcome = audit.run(&AtomicBool::new(false), |_| ())?;
    for attack in &outcome.summary.attacks {
        println!("{}: {} of {} samples stand", attack.name, attack.robust, outcome.summary.samples);
    }
    Ok(())
}
