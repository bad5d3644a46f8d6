use std::path::Path;

use super::*;
use crate::engine::EngineOptions;
use crate::packet::{GaussianPacket, LogOdds};
use crate::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice};

struct Network<'e>(Evaluator<'e>);

impl LogOdds for Network<'_> {
    type Error = Error;

    fn batch_size(&self) -> usize {
        self.0.micro_batch()
    }

    fn evaluate(&mut self, points: &[f32], label: usize, u: &mut [f32], du: &mut [f32]) -> Result<()> {
        let points: Vec<f64> = points.iter().map(|&x| f64::from(x)).collect();
        let answer = self.0.evaluate(&query(&points, label))?;
        u.copy_from_slice(&answer.loss);
        du.copy_from_slice(&answer.gradient);
        Ok(())
    }
}

/// The same packets by quadrature and by sampling. The sampler's 95 % intervals are taken three
/// times as wide, so that a right result fails once in 10⁸ cases.
#[test]
fn quadrature_and_sampling_agree() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    if !fixtures.is_dir() {
        println!("skipped: the repository's models are not in the package");
        return;
    }
    for (problem, scale) in [(Problem::Moons, 0.02), (Problem::Circles, 0.05), (Problem::Xor, 0.02)] {
        let model = Graph::load(fixtures.join(format!("plane_{problem}.onnx"))).unwrap();
        let classifier = Classifier::new(&model, &[2], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
        for sample in problem.samples(3, 0.03, 11) {
            let centre = sample.input.iter().map(|&x| f64::from(x)).collect();
            let job = Job { domain: Domain::Window { centre, scale }, label: sample.label };
            let exact = &integrate(&engine, &[job]).unwrap()[0];
            let packet = GaussianPacket { scale, samples: 20_000, seed: 1 };
            let sampled = Evaluator::lend(&engine, |evaluator| {
                packet.measure(&sample.input, sample.label, 0, &mut Network(evaluator)).unwrap()
            });
            assert!(sampled.valid(), "{problem} {}: {sampled:?}", sample.index);
            let spreads = [exact.clone(), exact.clone()];
            let centres = [sample.clone(), sample.clone()];
            let window = window_packets(scale, &centres, &spreads, &[Figure::exact(0.0); 2]);
            for (name, exact, found) in [
                ("σ_x", window.sigma_x, sampled.spreads.sigma_x),
                ("σ_p", window.sigma_p, sampled.spreads.sigma_p),
                ("product", window.product, sampled.spreads.product),
                ("drift", window.drift, sampled.drift),
                ("dispersion", window.dispersion, sampled.dispersion),
            ] {
                let [low, high] = found.interval.map(|end| found.value + 3.0 * (end - found.value));
                assert!((low..=high).contains(&exact.value), "{problem} {name}: {exact:?} {found:?}");
            }
        }
    }
}
