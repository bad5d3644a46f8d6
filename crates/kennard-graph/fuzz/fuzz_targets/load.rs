//! No file makes Kennard panic, hang, or fill the memory, and what it accepts it can write and read
//! again.
//!
//! With a stable compiler, in `crates/kennard-graph`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run load -- -max_total_time=120`.
//! Small ONNX files put into `fuzz/corpus/load` (the node tests of the `onnx` package, say) give it a start.

#![no_main]

use kennard_graph::{Graph, infer, simplify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = Graph::from_bytes(bytes) else { return };
    infer(&graph).expect("a graph that was read has consistent types");
    if let Ok(simple) = simplify(&graph) {
        infer(&simple).expect("a simplified graph has consistent types");
        let _ = simplify(&graph.with_batch(2));
    }
    let written = graph.to_bytes();
    let again = Graph::from_bytes(&written).expect("a graph that was written can be read");
    // Bytes, because a NaN is not equal to itself.
    assert!(again.to_bytes() == written, "reading and writing changed the graph");
});
