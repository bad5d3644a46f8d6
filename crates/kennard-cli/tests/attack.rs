//! The adversarial examples that are written are adversarial, and allowed.

mod common;

use kennard::data::{DataSet, Options};
use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};

use common::{directory, fashion, fixture, json, kennard, refused, root, scratch, stderr, stdout, succeeds};

#[test]
fn examples_are_adversarial_and_within_epsilon() {
    let (model, fashion, out) = (fixture("fashion_cnn.onnx"), fashion(), scratch("examples"));
    let folder = out.display().to_string();
    let mut attack = kennard(["attack", &model, "--data", &fashion, "--runtime", "rten", "--eps", "0.1"]);
    let said = succeeds(attack.args(["--attack", "apgd-ce", "--first", "12", "--out", &folder]));
    let said = stdout(&said);
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
    let archive = format!("npz:{}", archive.display());
    let mut audit = kennard(["audit", &model, "--data", &archive, "--runtime", "rten", "--eps", "0"]);
    let summary = json(audit.args(["--attack", "none", "--packet-samples", "0", "--json"]));
    assert_eq!(summary["clean"]["correct"], 0);
    // Results of two attacks do not mix.
    let mut again = kennard(["attack", &model, "--data", &fashion, "--eps", "0.001", "--first", "2"]);
    refused(again.args(["--out", &folder]), 1, &["holds results already (adversarials.npz)"]);
}

/// Where a minimum-norm attack runs too, its points count as broken within epsilon alone, and those beyond are said. On the
/// same samples as many are broken as an audit says.
#[test]
fn closest_points_count_within_epsilon() {
    let out = scratch("closest");
    let on = |command: &str| {
        let mut command = kennard([command, &fixture("fashion_mlp.onnx"), "--data", &fashion()]);
        command.args(["--runtime", "rten", "--samples", "10", "--eps", "0.01"]);
        command.args(["--attack", "fgsm", "--minimal", "fab", "--steps", "15"]);
        command
    };
    let said = stdout(&succeeds(on("attack").arg("--out").arg(&out)));
    let summary = json(on("audit").args(["--packet-samples", "0", "--json"]));
    let correct = summary["clean"]["correct"].as_u64().unwrap();
    let broken = correct - summary["robust"]["robust"].as_u64().unwrap();
    assert!(broken < correct, "some stand: {summary}");
    assert!(said.starts_with(&format!("{broken} of {correct} ")), "{said}");
    assert!(said.contains("lie outside epsilon"), "{said}");
}

/// Which class is which, what was done to images, and that the model does no better than guessing, is said as in audits.
#[test]
fn what_was_read_and_accuracies_of_chance_are_said() {
    let place = directory();
    let photos = root().join("crates/kennard-data/src/fixtures");
    for class in ["ant", "bee"] {
        let folder = place.join("photos").join(class);
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
    let model = place.join("model.onnx");
    builder.finish().unwrap().save(&model).unwrap();

    let data = format!("folder:{}", place.join("photos").display());
    let mut attack =
        kennard(["attack", "--data", &data, "--eps", "0.01", "--attack", "fgsm", "--runtime", "rten"]);
    let said = stderr(&succeeds(attack.arg(&model).arg("--out").arg(place.join("out"))));
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
