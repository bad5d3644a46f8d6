//! No false alarm: published networks and fixtures on rten, beside our own kernels.

mod common;

use kennard_graph::Graph;
use kennard_runtime::{Choice, Runtime};

#[test]
fn published_networks_are_computed_as_the_standard_says() {
    let rten = Runtime::open(Choice::Rten).unwrap();
    for path in common::models() {
        let graph = Graph::load(&path).unwrap();
        let Ok(input) = graph.single_input() else { continue };
        let batch = input.ty.shape.0[0].known().unwrap_or(2);
        let graph = graph.with_batch(batch);
        let length: usize = graph.inputs[0].ty.shape.known().unwrap().iter().product();
        let points: Vec<f32> = (0..length).map(|i| ((i * 7919) % 1009) as f32 / 1009.0).collect();
        let start = std::time::Instant::now();
        let compared = rten.verify(&graph, &points);
        let compared = compared.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (nodes, seconds) = (graph.nodes.len(), start.elapsed().as_secs_f64());
        println!("{}: {compared} of {nodes} nodes, {seconds:.2} s", path.display());
        assert!(compared > 0, "{}", path.display());
    }
}
