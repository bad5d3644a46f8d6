//! The adversarial examples that are written are adversarial, and allowed.

use std::path::Path;
use std::process::Command;

use kennard::data::{DataSet, Options};
use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};

#[test]
fn examples_are_adversarial_and_within_epsilon() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("examples-{}", std::process::id()));
    let fashion = format!("fashion-mnist:{}", fixtures.join("fashion-mnist").display());
    let run = |data: &str, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
        command.arg(words[0]).arg(fixtures.join("fashion_cnn.onnx")).args([
            "--data",
            data,
            "--runtime",
            "rten",
        ]);
        let output = command.args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = out.display().to_string();
    let said =
        run(&fashion, &["attack", "--eps", "0.1", "--attack", "apgd-ce", "--first", "12", "--out", &folder]);
    let archive = out.join("adversarials.npz");
    let examples =
        DataSet::open(&format!("npz:{}", archive.display()).parse().unwrap(), &Options::default()).unwrap();
    let originals = DataSet::open(&fashion.parse().unwrap(), &Options::default()).unwrap();
    let originals: Vec<_> = originals.samples().unwrap().take(12).map(Result::unwrap).collect();
    for example in examples.samples().unwrap().map(Result::unwrap) {
        let distance =
            |original: &kennard::data::Sample| kennard::Norm::Linf.distance(&original.input, &example.input);
        let nearest = originals.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
        assert!(distance(nearest) < 0.1 + 1e-6 && nearest.label == example.label);
    }
    assert!(said.starts_with(&format!("{} of ", examples.len())), "{said}");
    let pictures =
        std::fs::read_dir(&out).unwrap().filter(|f| f.as_ref().unwrap().path().extension().unwrap() == "png");
    assert_eq!(pictures.count(), examples.len());
    let list = std::fs::read_to_string(out.join("pictures.csv")).unwrap();
    assert_eq!(list.lines().count(), examples.len() + 1);
    let files = list.lines().skip(1).map(|row| row.split(',').nth(4).unwrap());
    assert!(files.into_iter().all(|file| out.join(file).exists()), "{list}");
    // The model gets every one of them wrong.
    let json = run(
        &format!("npz:{}", archive.display()),
        &["audit", "--eps", "0", "--attack", "none", "--packet-samples", "0", "--json"],
    );
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(summary["clean"]["correct"], 0);
    // Results of two attacks do not mix.
    let mut again = Command::new(env!("CARGO_BIN_EXE_kennard"));
    again.arg("attack").arg(fixtures.join("fashion_cnn.onnx")).args(["--data", &fashion, "--eps", "0.001"]);
    let again = again.args(["--first", "2", "--out", &folder]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds results already (adversarials.npz)"));
    std::fs::remove_dir_all(out).unwrap();
}

/// Where a minimum-norm attack runs too, its points count as broken within epsilon alone, and those beyond are said. On the
/// same samples as many are broken as an audit says.
#[test]
fn closest_points_count_within_epsilon() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("closest-{}", std::process::id()));
    let fashion = format!("fashion-mnist:{}", fixtures.join("fashion-mnist").display());
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
        command.arg(words[0]).arg(fixtures.join("fashion_mlp.onnx"));
        command.args(["--data", &fashion, "--runtime", "rten", "--samples", "10", "--eps", "0.01"]);
        command.args(["--attack", "fgsm", "--minimal", "fab", "--steps", "15"]);
        let output = command.args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = run(&["attack", "--out", &out.display().to_string()]);
    let summary: serde_json::Value =
        serde_json::from_str(&run(&["audit", "--packet-samples", "0", "--json"])).unwrap();
    std::fs::remove_dir_all(out).unwrap();
    let correct = summary["clean"]["correct"].as_u64().unwrap();
    let broken = correct - summary["robust"]["robust"].as_u64().unwrap();
    assert!(broken < correct, "some stand: {summary}");
    assert!(said.starts_with(&format!("{broken} of {correct} ")), "{said}");
    assert!(said.contains("lie outside epsilon"), "{said}");
}

/// Which class is which, what was done to images, and that the model does no better than guessing, is said as in audits.
#[test]
fn what_was_read_and_accuracies_of_chance_are_said() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kennard-data/src/fixtures");
    for class in ["ant", "bee"] {
        let folder = place.path().join("photos").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..12 {
            let photo = if i % 2 == 0 { "photo_16x16.bmp" } else { "photo_grey.jpg" };
            std::fs::copy(photos.join(photo), folder.join(format!("{i:02}-{photo}"))).unwrap();
        }
    }
    // Every image is of the first class.
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = vec![Dim::BATCH, Dim::Known(3), Dim::Known(16), Dim::Known(16)];
    let x = builder.input("x", TensorType::new(DType::F32, dims));
    let weights = builder.constant(Tensor::full(&[3 * 16 * 16, 2], 0.01, DType::F32));
    builder.output("y", x.apply_with("Flatten", &[("axis", 1i64.into())]).with("MatMul", weights));
    let model = place.path().join("model.onnx");
    builder.finish().unwrap().save(&model).unwrap();

    let data = format!("folder:{}", place.path().join("photos").display());
    let mut attack = Command::new(env!("CARGO_BIN_EXE_kennard"));
    attack.arg("attack").arg(&model).args(["--data", &data, "--eps", "0.01", "--attack", "fgsm"]);
    attack.args(["--runtime", "rten", "--out"]).arg(place.path().join("out"));
    let output = attack.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for expected in [
        "note: classes: 0 ant, 1 bee\n",
        "images of another size are resized to 16×16; 12 of the 24 images streamed so far\n",
        "12 of the 24 images streamed so far were converted from grey to RGB\n",
        "warning (chance-accuracy): the accuracy, 50.0 %, is at chance level",
        "--input-scale",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in {said}");
    }
}
