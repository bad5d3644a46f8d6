//! What the benches share.

use std::error::Error;
use std::path::{Path, PathBuf};

use kennard::Graph;

/// The models of the repository and, where they are at hand, the published ones.
pub fn all_models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("KENNARD_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let mut models = Vec::new();
    for folder in [root.join("fixtures"), shared.join("models")] {
        match std::fs::read_dir(&folder) {
            Ok(entries) => models.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
            Err(error) => eprintln!("left out {}: {error}", folder.display()),
        }
    }
    models.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    models.sort();
    models
}

/// The shape of a sample.
pub fn shape(model: &Graph) -> Result<Vec<usize>, Box<dyn Error>> {
    let dims = model.single_input()?.ty.shape.0.iter().skip(1).map(|d| d.known());
    Ok(dims.collect::<Option<_>>().ok_or("the model's input is not fixed")?)
}
