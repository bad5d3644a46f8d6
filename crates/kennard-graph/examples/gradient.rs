//! Takes the gradient of a graph and writes it as an ONNX model.
//!
//!     cargo run -p kennard-graph --example gradient

use std::path::Path;

use kennard_graph::{Graph, Loss, gradient, simplify, with_loss};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fashion_mlp.onnx");
    let out = std::env::temp_dir().join("fashion_mlp_gradient.onnx");

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
