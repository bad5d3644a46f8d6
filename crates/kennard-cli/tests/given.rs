//! The last word on a sample is that of the model as given: in its own types, whatever attacks work with.

mod common;

use std::path::Path;
use std::process::Output;

use kennard::data::npy;
use kennard_graph::{Builder, DType, Dim, Graph, Shape, TensorType};

use common::{Scratch, directory, kennard, read_json, runtimes, scratch, shared, stderr, stdout, succeeds};

fn audit(model: &Path, data: &str, runtime: &str, words: &[&str]) -> Output {
    let mut command = kennard(["audit", "--data", data, "--runtime", runtime, "--json", "--eps", "0.02"]);
    command.args(["--packet-samples", "0"]).arg(model).args(words).output().unwrap()
}

/// The clean accuracy, and the codes of the warnings.
fn clean(output: &Output) -> (f64, Vec<String>) {
    assert!(output.status.success(), "{}", stderr(output));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes = summary["warnings"].as_array().unwrap().iter();
    let codes = codes.map(|warning| warning["code"].as_str().unwrap().to_string()).collect();
    (summary["clean"]["accuracy"].as_f64().unwrap(), codes)
}

/// 8 points of the plane: `(0.2, 0.7)` with the label 1 and `(0.7, 0.2)` with the label 0. They are in the files of
/// the directory.
fn points() -> (Scratch, String) {
    let place = directory();
    let [x, y] = ["x.npy", "y.npy"].map(|name| place.at(name));
    std::fs::write(&x, npy(&[2], [0.2f32, 0.7, 0.7, 0.2].repeat(4).as_slice())).unwrap();
    std::fs::write(&y, npy(&[], [1i64, 0].repeat(4).as_slice())).unwrap();
    (place, format!("npz:{x},{y}"))
}

/// `z = 1·x + offset`, computed in `dtype`: the larger coordinate is the class, if the offset does not swallow
/// the difference.
fn offset(name: &str, dtype: DType, batch: Dim, offset: f64) -> Scratch {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(dtype, Shape(vec![batch, Dim::Known(2)])));
    builder.output("z", x * 1.0 + offset);
    let file = scratch(name);
    builder.finish().unwrap().save(&file).unwrap();
    file
}

/// In half precision 2 048.2 and 2 048.7 are one number and the first class wins: half the points are wrong. In
/// double precision 10⁹ + 0.2 and 10⁹ + 0.7 are two, in single precision one.
#[test]
fn verdicts_are_those_of_the_models_own_types() {
    let (_place, data) = points();
    for batch in [Dim::BATCH, Dim::Known(3)] {
        let half = offset("half.onnx", DType::F16, batch, 2048.0);
        let double = offset("double.onnx", DType::F64, batch, 1e9);
        for runtime in runtimes() {
            for words in [&[][..], &["--input-scale", "1/2"], &["--mean", "0.2", "--std", "1"]] {
                let words = [words, &["--attack", "none"]].concat();
                let (accuracy, codes) = clean(&audit(&half, &data, runtime, &words));
                let output = audit(&double, &data, runtime, &words);
                if runtime == "onnxruntime" {
                    assert_eq!((accuracy, codes.len()), (0.5, 0), "{codes:?}");
                    assert_eq!(clean(&output).0, 1.0);
                } else {
                    assert_eq!((accuracy, codes), (1.0, vec!["untouched-model".to_string()]));
                    let message = stderr(&output);
                    assert!(!output.status.success() && message.contains("double precision"), "{message}");
                }
            }
        }
    }
}

/// `z = x − (mean of x over the batch)`: alone, every sample has the logits 0 and the class 0, so half the points are
/// wrong; beside each other all are right. What a user meets is one sample at a time.
#[test]
fn a_sample_is_judged_without_its_company() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape(vec![Dim::BATCH, Dim::Known(2)])));
    builder.output("z", x - x.reduce("ReduceMean", &[0], true));
    let file = scratch("centred.onnx");
    builder.finish().unwrap().save(&file).unwrap();
    for runtime in runtimes() {
        let (accuracy, codes) = clean(&audit(&file, &points().1, runtime, &["--attack", "none"]));
        assert_eq!(accuracy, 0.5, "{runtime}");
        assert!(codes.contains(&"mixed-samples".to_string()), "{runtime}: {codes:?}");
    }
}

/// The same where the first sample does not show it: sums over those before, or everything after the first.
#[test]
fn company_that_the_first_sample_does_not_feel_is_noticed() {
    for after in [false, true] {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, Shape(vec![Dim::BATCH, Dim::Known(2)])));
        let z = match after {
            true => x * 0.0 + x.with("Gather", builder.ints(&[0])),
            false => x.with("CumSum", builder.constant(kennard_graph::Tensor::scalar(0.0, DType::I64))),
        };
        builder.output("z", z);
        let file = scratch(&format!("company-{after}.onnx"));
        builder.finish().unwrap().save(&file).unwrap();
        for runtime in runtimes() {
            let (accuracy, codes) = clean(&audit(&file, &points().1, runtime, &["--attack", "none"]));
            assert_eq!(accuracy, 1.0, "{runtime}, {after}");
            assert!(codes.contains(&"mixed-samples".to_string()), "{runtime}, {after}: {codes:?}");
        }
    }
}

/// `z = x`, and beside it as the label the place of the largest of `sign·x`.
fn labelled(name: &str, sign: f64) -> Scratch {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape(vec![Dim::BATCH, Dim::Known(2)])));
    builder.output("z", x * 1.0);
    let best = [("axis", 1i64.into()), ("keepdims", 0i64.into())];
    builder.output("label", (x * sign).apply_with("ArgMax", &best));
    let file = scratch(name);
    builder.finish().unwrap().save(&file).unwrap();
    file
}

/// A file whose own label is that of the smallest score: for how many samples they differ is said.
#[test]
fn labels_that_contradict_scores_are_counted() {
    for sign in [-1.0, 1.0] {
        let file = labelled(&format!("label{sign}.onnx"), sign);
        for runtime in runtimes() {
            let output = audit(&file, &points().1, runtime, &["--attack", "none"]);
            let (accuracy, codes) = clean(&output);
            assert_eq!(accuracy, 1.0, "{runtime}, {sign}");
            assert_eq!(codes.contains(&"own-label".to_string()), sign < 0.0, "{runtime}, {sign}: {codes:?}");
            let said = stdout(&output).contains("8 of 8 samples");
            assert_eq!(said, sign < 0.0, "{runtime}, {sign}");
        }
    }
}

/// A shard compares its own samples alone, and shards that are merged tell of all.
#[test]
fn labels_are_compared_shard_by_shard() {
    let (file, (place, data)) = (labelled("label-shards.onnx", -1.0), points());
    let told = |run: &Path| -> Vec<String> {
        let summary = read_json(run.join("summary.json"));
        let warnings = summary["warnings"].as_array().unwrap().iter();
        let own = warnings.filter(|warning| warning["code"] == "own-label");
        own.map(|warning| warning["message"].as_str().unwrap().to_string()).collect()
    };
    let shards = [("1/3", "3 of 3 samples"), ("2/3", "3 of 3 samples"), ("3/3", "2 of 2 samples")];
    let whole = place.join("whole");
    let mut merge = kennard(["merge", "--out"]);
    merge.arg(&whole);
    for (shard, says) in shards {
        let part = place.at(&shard[..1]);
        let output = audit(&file, &data, "rten", &["--attack", "none", "--shard", shard, "--out", &part]);
        assert!(output.status.success(), "{}", stderr(&output));
        let told = told(Path::new(&part));
        assert!(told.len() == 1 && told[0].contains(says), "{shard}: {told:?}");
        merge.arg(part);
    }
    succeeds(&mut merge);
    let told = told(&whole);
    assert!(told.len() == 1 && told[0].contains("8 of 8 samples"), "{told:?}");
}

/// More threads than can be of use are as good as some.
#[test]
fn any_number_of_threads_will_do() {
    let model = offset("threads.onnx", DType::F32, Dim::BATCH, 0.0);
    let output = audit(&model, &points().1, "rten", &["--attack", "fgsm", "--threads", "1000"]);
    assert_eq!(clean(&output).0, 1.0);
}

/// Samples without axes for an image model, and the other way round.
#[test]
fn samples_of_as_many_numbers_fit() {
    let (_place, data) = points();
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = vec![Dim::BATCH, Dim::Known(1), Dim::Known(1), Dim::Known(2)];
    let x = builder.input("x", TensorType::new(DType::F32, Shape(dims)));
    builder.output("z", x.apply("Flatten") * 3.0);
    let file = scratch("image.onnx");
    builder.finish().unwrap().save(&file).unwrap();
    assert_eq!(clean(&audit(&file, &data, "rten", &["--attack", "fgsm"])).0, 1.0);
}

/// Models on which simplified, single or mixed-up evaluation gives other figures: `(model, data, attack, clean
/// accuracy by ONNX Runtime itself)`.
#[test]
fn shared_models_get_the_figures_of_onnx_runtime() {
    let cases = shared().join("cases");
    if !cases.is_dir() {
        println!("skipped: there is no {}", cases.display());
        return;
    }
    for (model, data, attack, only, expected) in [
        ("fp16_offset", "base", "pgd", "onnxruntime", 0.7),
        ("dbl_offset", "base", "pgd", "onnxruntime", 1.0),
        ("cnn_qdyn", "cnn_qdyn", "none", "", 1.0),
        ("seq", "base", "square", "", 1.0),
        ("qop", "base", "none", "onnxruntime", 1.0),
        ("rnn_lstm", "rnn_lstm", "none", "", 1.0),
        ("op_conv3d_ts", "op_conv3d", "none", "onnxruntime", 1.0),
    ] {
        let [model, data] = [format!("{model}.onnx"), format!("{data}.npz")].map(|name| cases.join(name));
        for runtime in runtimes().into_iter().filter(|runtime| only.is_empty() || only == *runtime) {
            let words = ["--attack", attack, "--samples", "40"];
            let output = audit(&model, &format!("npz:{}", data.display()), runtime, &words);
            assert_eq!(clean(&output).0, expected, "{} on {runtime}", model.display());
        }
    }
    // A recurrent layer has a gradient.
    let of = |name: &str| format!("npz:{}", cases.join(name).display());
    let output = audit(&cases.join("lstm.onnx"), &of("lstm.npz"), "rten", &["--attack", "pgd"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // An attack that needs a gradient says where there is none, and what can be done.
    let output = audit(&cases.join("seq.onnx"), &of("base.npz"), "rten", &["--attack", "pgd"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("SequenceAt") && message.contains("--attack square"), "{message}");
}
