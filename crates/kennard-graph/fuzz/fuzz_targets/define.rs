//! Operators spelled out, all that can be: a consistent graph with the same ends, or an error.
//!
//! Run as `load.rs` says.

#![no_main]

use kennard_graph::{Graph, define, infer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = Graph::from_bytes(bytes) else { return };
    for graph in [graph.with_batch(2), graph] {
        let Ok(defined) = define(&graph, |_| true) else { continue };
        infer(&defined).expect("a graph that was spelled out has consistent types");
        assert_eq!((&defined.inputs, &defined.outputs), (&graph.inputs, &graph.outputs));
    }
});
