use std::sync::atomic::AtomicBool;

use super::super::{EngineMargins, ErrorPacket};
use crate::attack::Fab;
use crate::audit::Audit;
use crate::data::{DataSet, Options, Selection};
use crate::engine::{Engine, EngineOptions};
use crate::run::ModelSummary;
use crate::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};

/// On a plain perceptron, at s = r/(2√d), the mean of the error packet along the attack lies within 3 % of the smallest
/// distance that FAB, FAB-T and the packet's own search find, on at least 45 of the first 50 images that are classified
/// correctly; what the attacks find is handed in. Where it does not, another facet is as near, or chains disagree, which
/// is printed. A program in NumPy, whose chains live in the 100 dimensions that the first layer sees and start at
/// crossings of its own, has it on 49; on the other a facet at a right distance holds 96 % of the packet.
///
/// At s = r/√d, printed too (39 when this was written), the packet itself lies elsewhere on 11 of the 50 at least: that
/// program's chains, 20 times as long, have means of 0.79 to 0.97 r there, the farther from r the longer they run. Noise
/// as large as the distance turns the packet away from the attack, by 14° to 37°.
///
/// Attacks are not held in [0, 1], as the packet is not. Minutes in a release build.
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
    let within = |share: f64| {
        let found = engine.each_of(
            &correct,
            engine.plan().sessions,
            &stop,
            EngineMargins::new,
            |oracle, sample| {
                let (record, distance) = (&sample.record, sample.record.distance());
                let handed: Vec<Vec<f32>> =
                    sample.adversarials.iter().flatten().map(|found| found.point.clone()).collect();
                let scale = share * distance / (sample.input.len() as f64).sqrt();
                let packet = ErrorPacket { scale, samples: 4000, seed: 0 };
                let found = packet.measure(&sample.input, record.label, record.index as u64, &handed, oracle);
                Ok((distance, scale, found.unwrap()))
            },
            |_| (),
        );
        let mut within = 0;
        for (sample, found) in correct.iter().zip(found.unwrap()) {
            let record = &sample.record;
            let (distance, scale, found) = found.unwrap();
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
                    found.sigma_x.value * distance / (scale * scale)
                );
            }
        }
        println!("s = {share} r/√d: {within} of {} within 3 %", correct.len());
        within
    };
    within(1.0);
    assert!(within(0.5) * 10 >= correct.len() * 9);
}
