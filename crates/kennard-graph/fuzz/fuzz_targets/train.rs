//! The graphs of training: consistent, their weights those that can be trained, or an error.
//!
//! Run as `load.rs` says.

#![no_main]

use kennard_graph::{Graph, Loss, Objective, attack_step, divergence_step, infer, trainable, training_step};
use libfuzzer_sys::fuzz_target;

const OBJECTIVES: [Objective; 5] = [
    Objective::CrossEntropy { smoothing: 0.1 },
    Objective::Trades { beta: 6.0 },
    Objective::Mart { beta: 5.0 },
    Objective::Conjugate { lambda: 0.1 },
    Objective::LogitPenalty { lambda: 0.1 },
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = Graph::from_bytes(bytes) else { return };
    let weights = trainable(&graph);
    for objective in OBJECTIVES {
        let Ok(step) = training_step(&graph, 2, &objective) else { continue };
        infer(&step.graph).expect("a step of training has consistent types");
        assert_eq!(step.weights, weights);
    }
    for open in
        [attack_step(&graph, 2, Some(Loss::CrossEntropy)), divergence_step(&graph, 2)].into_iter().flatten()
    {
        infer(&open.graph).expect("what an attack in training asks has consistent types");
    }
});
