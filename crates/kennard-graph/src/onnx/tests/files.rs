//! What lies on the disk.

use std::fs;

use ndarray::ArrayD;

use super::super::write;
use super::*;
use crate::{DType, Node, Tensor};

/// The message for a tensor in an external file.
fn outside(location: &str, offset: &str, length: &str) -> TensorProto {
    let entry = |key: &str, text: &str| StringStringEntryProto { key: some(key), value: some(text) };
    TensorProto {
        data_location: Some(1),
        external_data: vec![entry("location", location), entry("offset", offset), entry("length", length)],
        ..tensor("w", 1, &[3])
    }
}

#[test]
fn external_data() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("model");
    fs::create_dir_all(inside.join("sub")).unwrap();
    let data: Vec<u8> = [9f32, 1.0, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    for path in ["model/w.bin", "model/sub/w.bin", "secret.bin"] {
        fs::write(dir.path().join(path), &data).unwrap();
    }
    let load = |weight: TensorProto| {
        let path = inside.join("m.onnx");
        fs::write(&path, with_weight(weight).encode_to_vec()).unwrap();
        Graph::load(&path).map(|g| g.constants["w"].to_floats().unwrap())
    };
    let message = |location: &str, offset: &str, length: &str| {
        load(outside(location, offset, length)).unwrap_err().to_string()
    };
    assert_eq!(load(outside("w.bin", "4", "12")).unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(load(outside("./sub/w.bin", "0", "12")).unwrap(), [9.0, 1.0, 2.0]);

    for hostile in ["../secret.bin", "sub/../../secret.bin", dir.path().join("secret.bin").to_str().unwrap()]
    {
        assert!(message(hostile, "0", "12").contains("outside the model's directory"), "{hostile}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret.bin", inside.join("link")).unwrap();
        assert!(message("link", "0", "12").contains("leads out"));
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        assert!(message("up/secret.bin", "0", "12").contains("leads out"));
        std::os::unix::fs::symlink("/dev/zero", inside.join("zero")).unwrap();
        assert!(message("zero", "0", "12").contains("leads out"));
        std::os::unix::fs::symlink("w.bin", inside.join("same")).unwrap();
        assert_eq!(load(outside("same", "4", "12")).unwrap(), [1.0, 2.0, 3.0]);
    }
    assert!(message("sub", "0", "12").contains("no file"));
    assert!(message("none.bin", "0", "12").contains("cannot be read"));
    assert!(message("", "0", "12").contains("no file"));
    assert!(message("w.bin", "8", "12").contains("ends at byte 20"));
    assert!(message("w.bin", "18446744073709551615", "12").contains("ends at byte"));
    assert!(message("w.bin", "0", "16").contains("shape wants 12"));
    assert!(message("w.bin", "-1", "12").contains("offset"));
    assert!(
        load(TensorProto { external_data: vec![], ..outside("", "", "") })
            .unwrap_err()
            .to_string()
            .contains("without a name")
    );
    let huge = TensorProto { dims: vec![1 << 39], ..outside("w.bin", "0", "2199023255552") };
    assert!(load(huge).unwrap_err().to_string().contains("ends at byte"));
    let unfiled = error(&with_weight(outside("w.bin", "4", "12")));
    assert!(unfiled.contains("from its file instead of bytes"), "{unfiled}");

    // A small file cannot be made to fill the memory.
    let mut m =
        model(vec![node("Sum", &strings_of(40).iter().map(String::as_str).collect::<Vec<_>>(), &["y"])]);
    *weights_of(&mut m) =
        strings_of(40).iter().map(|n| TensorProto { name: some(n), ..outside("w.bin", "0", "12") }).collect();
    fs::write(inside.join("many.onnx"), m.encode_to_vec()).unwrap();
    assert!(Graph::load(inside.join("many.onnx")).unwrap_err().to_string().contains("too many others"));
}

fn strings_of(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("w{i}")).collect()
}

#[test]
fn large_weights_go_beside_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    let mut graph = read(&model(vec![node("Relu", &["x"], &["y"])])).unwrap();
    graph.name = "large".into();
    graph.nodes[0] = Node {
        op: "own::Sum".into(),
        inputs: ["x", "small", "large", "larger", "many"].map(String::from).into(),
        outputs: vec!["y".into()],
        ..Node::default()
    };
    graph.constants.insert("small".into(), Tensor::full(&[3], 1.0, DType::F32));
    graph.constants.insert("large".into(), Tensor::full(&[401, 3], 2.0, DType::F32));
    graph.constants.insert("larger".into(), Tensor::full(&[7, 401, 3], 3.0, DType::F32));
    let many: Vec<f32> = (0..40_001).map(|i| i as f32).collect();
    let many = ArrayD::from_shape_vec(vec![many.len()], many).unwrap();
    graph.constants.insert("many".into(), many.into());
    write::save(&graph, &path, 4000).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1000);
    assert_eq!(fs::metadata(dir.path().join("m.onnx.data")).unwrap().len(), 38_592 + 4 * 40_001);
    let again = Graph::load(&path).unwrap();
    assert_eq!((&again.constants, &again.nodes), (&graph.constants, &graph.nodes));
    graph.save(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 30_000);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let graph = read(&model(vec![node("Relu", &["x"], &["y"])])).unwrap();
    let missing = graph.save(dir.path().join("none/m.onnx")).unwrap_err().to_string();
    assert!(missing.contains("cannot be written"), "{missing}");
    let path = dir.path().join("m.onnx");
    graph.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), graph.to_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let beside = dir.path().join("beside");
        fs::write(&beside, "").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&beside), "readable by whom an ordinary file is");
    }
}
