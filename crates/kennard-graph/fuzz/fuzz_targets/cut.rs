//! Cuts at every tensor: two consistent graphs, or an error.
//!
//! Run as `load.rs` says.

#![no_main]

use kennard_graph::{Graph, cut, infer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = Graph::from_bytes(bytes) else { return };
    for tensor in graph.nodes.iter().flat_map(|node| &node.outputs).take(20) {
        let Ok(parts) = cut(&graph, tensor) else { continue };
        infer(&parts.front).expect("the front has consistent types");
        infer(&parts.back).expect("the back has consistent types");
    }
});
