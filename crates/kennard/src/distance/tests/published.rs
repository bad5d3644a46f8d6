use std::sync::atomic::AtomicBool;

use super::super::{EngineMargins, ErrorPacket};
use crate::attack::Fab;
use crate::audit::Audit;
use crate::data::{DataSet, Options, Selection};
use crate::engine::{Engine, EngineOptions};
use crate::run::ModelSummary;
use crate::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};

/// On a plain perceptron, at s = r/√d, the mean of the error packet along the attack lies within 3 % of the smallest
/// distance that FAB, FAB-T and the packet's own search find, on about 80 % of the first 50 images that are classified
/// correctly (39 of them when this was written; the test allows for other roundings); what the attacks find is handed in. Where it does not, facets in other directions hold much of the packet, or chains
/// disagree, which is printed. Attacks are not held in [0, 1], as the packet is not. Minutes in a release build.
#[test]
#[ignore = "minutes, in a release build"]
fn error_packets_lie_at_the_distance_of_attacks() {
    let Some(shared) = std::env::var_os("KENNARD_SHARED").map(std::path::PathBuf::from) else {
        println!("skipped: no published networks (KENNARD_SHARED)");
        return;
    };
    let file = shared.join("models/eran_mnist_6_100.onnx");
    let spec = format!("mnist:{}", shared.join("data/mnist").display()).parse().unwrap();
    let data = DataSet::open(&spec, &Options::default()).unwrap();
    let classifier =
        Classifier::new(&Graph::load(&file).unwrap(), data.shape(), &Preprocessing::default()).unwrap();
    let runtime = Runtime::open(RuntimeChoice::Auto).unwrap();
    let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
    let threat = ThreatModel::unlimited(Norm::L2, [-50.0, 50.0]).unwrap();
    let model = ModelSummary::of_file(&file, engine.classifier()).unwrap();
    let audit = Audit {
        minimal: vec![Box::new(Fab::default()), Box::new(Fab { targets: 9, ..Fab::default() })],
        samples: Selection::First(51),
        ..Audit::new(model, &engine, &data, threat)
    };
    let stop = AtomicBool::new(false);
    let mut examined = Vec::new();
    audit
        .adversarials(&stop, |sample| {
            examined.push(sample);
            Ok(())
        })
        .unwrap();
    examined.sort_by_key(|sample| sample.record.index);
    let correct: Vec<_> = examined.iter().filter(|sample| sample.record.is_correct()).take(50).collect();
    let found = engine.each_of(
        &correct,
        engine.plan().sessions,
        &stop,
        EngineMargins::new,
        |oracle, sample| {
            let (record, distance) = (&sample.record, sample.record.distance());
            let handed: Vec<Vec<f32>> =
                sample.adversarials.iter().flatten().map(|found| found.point.clone()).collect();
            let scale = distance / (sample.input.len() as f64).sqrt();
            let packet = ErrorPacket { scale, samples: 4000, seed: 0 };
            let found = packet.measure(&sample.input, record.label, record.index as u64, &handed, oracle);
            Ok((distance, found.unwrap()))
        },
        |_| (),
    );
    let mut within = 0;
    for (sample, found) in correct.iter().zip(found.unwrap()) {
        let record = &sample.record;
        let (distance, found) = found.unwrap();
        let ratio = found.mean.value / distance.min(found.attack);
        let is = (ratio - 1.0).abs() < 0.03;
        within += usize::from(is);
        if !is {
            println!(
                "{}: {ratio:.3} of {distance:.3} towards {}, lobes {:?}, facets {:?}, {:?}, σ_x {:.1} s²/r",
                record.index,
                found.class,
                found.lobes,
                found.facets,
                found.sampled,
                found.sigma_x.value * 784.0 / distance
            );
        }
    }
    println!("{within} of {} within 3 %", correct.len());
    assert!(within * 4 >= correct.len() * 3);
}
