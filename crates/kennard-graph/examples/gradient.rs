//! Takes the gradient of a graph and writes it as an ONNX model.
//!
//!     cargo run -p kennard-graph --example gradient -- MODEL.onnx
//!
//! Without a model, that is one of the repository's.

use std::path::PathBuf;

use kennard_graph::{Graph, Loss, gradient, simplify, with_loss};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ours = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fashion_mlp.onnx");
    let model = std::env::args_os().nth(1).map_or_else(ours, PathBuf::from);
    let out = std::env::temp_dir().join("gradient.onnx");

    let model = Graph::load(&model)?;
    let input = &model.single_input()?.name;
    let gradient = gradient(&with_loss(&model, Loss::CrossEntropy)?, Graph::LOSS, &[input])?;
    let gradient = simplify(&gradient)?;
    gradient.save(&out)?;

    println!("{}", out.display());
    for value in &gradient.outputs {
        println!("  {} {}", value.name, value.ty);
    }
    Ok(())
}
