//! Real classifiers run, and the two runtimes agree on them.

mod common;

use kennard_graph::{Graph, simplify};
use kennard_runtime::{Input, Runtime};

const BATCH: usize = 8;

/// Both runtimes compute the same logits, simplified or not. Tolerance: rounding in another order;
/// the largest logits are some tens, so 1e-4 is a few units in the last place.
#[test]
fn runtimes_agree_on_every_model() {
    let runtimes = common::runtimes();
    for path in common::models() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let graph = Graph::load(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let batch = if graph.inputs[0].ty.shape.known().is_some() { 1 } else { BATCH };
        let fixed = graph.with_batch(batch);
        let simple = simplify(&fixed).unwrap_or_else(|e| panic!("{name}: {e}"));
        let scale = if name == "cntk_mnist" { 255.0 } else { 1.0 };

        let mut reference: Option<Vec<f32>> = None;
        let mut worst = 0f32;
        for graph in [&fixed, &simple] {
            for runtime in &runtimes {
                let logits = logits(runtime, graph, scale);
                assert!(logits.iter().all(|v| v.is_finite()), "{name}");
                let reference = reference.get_or_insert_with(|| logits.clone());
                let tolerance = 1e-4 * reference.iter().fold(1f32, |m, v| m.max(v.abs() / 10.0));
                for (a, b) in reference.iter().zip(&logits) {
                    worst = worst.max((a - b).abs());
                    assert!((a - b).abs() <= tolerance, "{name} on {}: {a} and {b}", runtime.name());
                }
            }
        }
        println!(
            "{name}: {} → {} nodes, largest difference {worst:.1e}",
            fixed.nodes.len(),
            simple.nodes.len()
        );
    }
}

fn logits(runtime: &Runtime, graph: &Graph, scale: f32) -> Vec<f32> {
    let mut session = runtime.compile(graph, &runtime.threads(1)).unwrap_or_else(|e| panic!("{e}"));
    let count = session.inputs()[0].ty.shape.volume().unwrap().0;
    let images: Vec<f32> = common::pixels(count, 1).iter().map(|v| v * scale).collect();
    common::run(&mut session, &[Input::F32(&images)]).unwrap_or_else(|e| panic!("{e}")).remove(0)
}
