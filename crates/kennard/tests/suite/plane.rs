//! The three networks in the plane that come with the repository.

use crate::common::{self, fixture, runtimes};
use kennard::data::Problem;
use kennard::engine::{Engine, EngineOptions};
use kennard::quadrature::{PlanePlan, PlaneReport};
use kennard::{Classifier, Graph, Preprocessing, Runtime};

const PROBLEMS: [Problem; 3] = [Problem::Moons, Problem::Circles, Problem::Xor];

fn engine(model: &str, shape: &[usize], runtime: Runtime) -> Engine {
    let model = Graph::load(fixture(model)).unwrap();
    let classifier = Classifier::new(&model, shape, &Preprocessing::default()).unwrap();
    Engine::new(classifier, runtime, &EngineOptions::default()).unwrap()
}

fn measure(problem: Problem, runtime: Runtime, scales: &[f64]) -> PlaneReport {
    let engine = engine(&format!("plane_{problem}.onnx"), &[2], runtime);
    let mut plan = PlanePlan::new(problem, scales.to_vec());
    (plan.noise, plan.seed, plan.samples, plan.centres) = (0.03, 5, 1000, 4);
    plan.measure(&engine).unwrap()
}

/// Against references/plane.py: another implementation in double precision. The network here is
/// evaluated in single precision.
#[test]
fn box_packets_agree_with_numpy() {
    let numpy = [
        (0, 0, [0.2895105072, 3.9514101606, 1.4807631691]),
        (0, 1, [0.1513746040, 2.0817247666, 0.7510303550]),
        (1, 0, [0.2989123597, 3.9611222760, 1.5522094724]),
        (1, 1, [0.1589739797, 2.0606454620, 0.7704749989]),
    ];
    for runtime in runtimes() {
        let report = measure(Problem::Moons, runtime, &[]);
        for (label, i, expected) in numpy {
            let c = &report.boxes[label].coordinates[i];
            let found = [c.sigma_x.value, c.sigma_p.value, c.boundary.value];
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-5 * expected.max(1.0),
                    "{label} {i}: {found} {expected}"
                );
            }
        }
        // The textbook ½ does not hold where ψ reaches the faces.
        assert!(report.boxes[0].coordinates[1].product.value < 0.5);
        for (packet, log_norm) in report.boxes.iter().zip([5.75097564, 5.84328624]) {
            assert!(packet.converged && (packet.log_norm - log_norm).abs() < 1e-5, "{}", packet.log_norm);
        }
    }
}

/// Smooth networks settle to 1e-5 and obey bound and identity to that; the kinks of the other leave
/// the errors that are stated with its figures.
#[test]
fn every_packet_obeys_its_bound() {
    for problem in PROBLEMS {
        let report = measure(problem, common::rten(), &[0.02, 0.1]);
        let allowed = if problem == Problem::Xor { 2e-2 } else { 1e-4 };
        for c in report.boxes.iter().flat_map(|packet| &packet.coordinates) {
            assert!(c.product.value >= c.bound.value - c.product.error() - c.bound.error() - 1e-6, "{c:?}");
            assert!(c.discrepancy.abs() < allowed, "{problem}: {c:?}");
        }
        for window in &report.windows {
            assert!(window.product_min >= 0.5 - window.error - allowed, "{window:?}");
            assert!(window.discrepancy < allowed, "{problem}: {window:?}");
            let [low, high] = window.product.interval;
            assert!(low <= window.product.value && window.product.value <= high);
            assert!(low >= 0.5 - window.error - allowed && window.dispersion.interval[0] >= 0.0);
        }
    }
}

/// fixtures/README.md states 99.5 % and more on 10 000 points; 1 000 others stay above 98 % but once in
/// 10⁸ cases.
#[test]
fn the_networks_solve_their_problems() {
    for problem in PROBLEMS {
        let report = measure(problem, common::rten(), &[]);
        assert!(report.accuracy.value > 0.98, "{problem}: {:?}", report.accuracy);
        let [low, high] = report.accuracy.interval;
        assert!(low < report.accuracy.value && report.accuracy.value < high);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let engine = |model: &str, shape: &[usize]| engine(model, shape, common::rten());
    let mut plan = PlanePlan::new(Problem::Xor, vec![0.1]);
    (plan.samples, plan.centres) = (10, 4);
    let refused = |change: fn(&mut PlanePlan), says: &str| {
        let mut plan = plan.clone();
        change(&mut plan);
        let message = plan.measure(&engine("plane_xor.onnx", &[2])).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    };
    refused(|plan| plan.scales = vec![0.0], "positive");
    refused(|plan| plan.scales = vec![-0.1], "positive");
    refused(|plan| plan.noise = -1.0, "noise");
    refused(|plan| plan.samples = 1, "at least 2 samples");
    let message = plan.measure(&engine("fashion_mlp.onnx", &[1, 28, 28])).unwrap_err().to_string();
    assert!(message.contains("784 numbers") && message.contains("10 classes"), "{message}");
}
