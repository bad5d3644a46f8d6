//! Reading and writing model files.

use std::path::PathBuf;

use kennard_graph::Graph;

/// The models that are too large for the repository, if they are at hand.
fn models() -> Vec<PathBuf> {
    let shared = std::env::var_os("KENNARD_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(shared.join("models")) else {
        eprintln!("skipped: no models in {} (set KENNARD_SHARED)", shared.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    paths
}

#[test]
fn every_model_survives_the_round_trip() {
    for path in models() {
        let graph = Graph::load(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(!graph.nodes.is_empty() && !graph.constants.is_empty(), "{}", path.display());
        let again =
            Graph::from_bytes(&graph.to_bytes()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(graph, again, "{}", path.display());
    }
}
