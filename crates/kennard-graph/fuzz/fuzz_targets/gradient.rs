//! The gradient of every loss of whatever is read: a graph that can be written and read again, or an error.
//!
//! Run as `load.rs` says.

#![no_main]

use kennard_graph::{Graph, Loss, gradient, infer, simplify, strip_softmax, with_loss};
use libfuzzer_sys::fuzz_target;

const LOSSES: [Loss; 7] =
    [Loss::LogOdds, Loss::CrossEntropy, Loss::Margin, Loss::ProbabilityMargin, Loss::LogitDifference, Loss::Dlr, Loss::TargetedDlr];

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = Graph::from_bytes(bytes) else { return };
    let Ok(graph) = simplify(&strip_softmax(&graph).unwrap_or(graph)) else { return };
    let Ok(input) = graph.single_input() else { return };
    for loss in LOSSES {
        let Ok(full) = with_loss(&graph, loss).and_then(|g| gradient(&g, Graph::LOSS, &[&input.name])) else {
            continue;
        };
        infer(&full).expect("a gradient graph has consistent types");
        let simple = simplify(&full).expect("a gradient graph can be simplified");
        infer(&simple).expect("a simplified gradient graph has consistent types");
        // It may be longer than what is read; that is an error and no panic.
        let _ = Graph::from_bytes(&simple.to_bytes());
    }
});
