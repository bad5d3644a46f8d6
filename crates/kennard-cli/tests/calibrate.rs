//! The command `kennard calibrate`: what it finds, writes, and refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn calibrate(words: &[&str]) -> Output {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["calibrate", &fixture("fashion_cnn_robust.onnx"), "--data", &data, "--runtime", "rten"]);
    command.args(words).output().unwrap()
}

/// The two halves are all samples; no temperature changes a decision, and the likeliest one makes labels likelier on
/// samples that it was not fitted to, too.
#[test]
fn the_file_and_the_figures_are_the_same() {
    let file = scratch("temperature.json");
    let output = calibrate(&["--json", "-o", &file.display().to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(&file).unwrap(), output.stdout);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["fitted"], &found["measured"]), (&500.into(), &500.into()));
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_f64).unwrap();
    let [low, high] = ["/temperature/interval/0", "/temperature/interval/1"].map(number);
    let temperature = number("/temperature/value");
    assert!(low < temperature && temperature < high && high < 1.0, "{low} {temperature} {high}");
    assert!(number("/after/log_loss/value") < number("/before/log_loss/value"));
    let right = |bins: &str| -> u64 {
        found
            .pointer(bins)
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|bin| bin["correct"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(right("/before/bins"), right("/after/bins"));
    assert_eq!(number("/accuracy/value"), right("/after/bins") as f64 / 500.0);
    let screen = String::from_utf8(calibrate(&[]).stdout).unwrap();
    assert!(screen.contains("calibration error") && screen.contains("fitted to 500 samples"), "{screen}");
}

#[test]
fn what_has_no_temperature_is_refused() {
    for (words, says) in [(&["--first", "3"][..], "too few"), (&["--first", "6"], "classified correctly")] {
        let output = calibrate(words);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(says) && output.stdout.is_empty(), "{message}");
    }
}

/// A threshold moves the logits by which classes are told, and not the probability.
#[test]
fn a_threshold_has_no_temperature() {
    let run = |command: &str, words: &[&str]| {
        let model = scratch(&format!("one-number-{command}.onnx"));
        let builder = kennard_graph::Builder::new(&kennard_graph::Graph::default()).unwrap();
        let shape = vec![kennard_graph::Dim::BATCH, kennard_graph::Dim::Known(1)];
        let x = builder.input("x", kennard_graph::TensorType::new(kennard_graph::DType::F32, shape));
        builder.output("p", (x * 4.0 - 2.0).apply("Sigmoid"));
        builder.finish().unwrap().save(&model).unwrap();
        let table = scratch(&format!("one-number-{command}.csv"));
        let rows: String = (0..40)
            .map(|i| format!("{},{}\n", f64::from(i) / 40.0, (i / 20 + i32::from(i % 4 == 0)) % 2))
            .collect();
        std::fs::write(&table, format!("x,label\n{rows}")).unwrap();
        let data = format!("csv:{}", table.display());
        let mut command_line = Command::new(env!("CARGO_BIN_EXE_kennard"));
        command_line.arg(command).arg(&model).args(["--data", &data, "--runtime", "rten"]);
        let output = command_line.args(words).output().unwrap();
        for file in [model, table] {
            std::fs::remove_file(file).unwrap();
        }
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (status, said) = run("calibrate", &["--threshold", "0.3"]);
    assert!(status == Some(1) && said.contains("a threshold of 0.3 leaves as they are"), "{said}");
    assert_eq!(run("calibrate", &["--threshold", "0.5"]).0, Some(0));
    let words = ["--scale", "0.1", "--centres", "2", "--draws", "500", "--accept-few"];
    let (status, said) = run("uncertainty", &[&words[..], &["--threshold", "0.3"]].concat());
    assert!(status == Some(0) && said.contains("which the threshold 0.3 moves"), "{said}");
    assert!(!run("uncertainty", &words).1.contains("the threshold"));
}

/// Packets at the fitted temperature stand beside the network's own; what the temperature was fitted to is left out.
#[test]
fn packets_are_told_at_the_fitted_temperature_too() {
    let file = scratch("fitted.json").display().to_string();
    assert!(calibrate(&["-q", "-o", &file]).status.success());
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let uncertainty = |model: &str, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
        command.args([
            "uncertainty",
            &fixture(model),
            "--data",
            &data,
            "--runtime",
            "rten",
            "--scale",
            "0.1",
        ]);
        command.args(["--draws", "500", "--accept-few", "--json"]).args(words).output().unwrap()
    };
    let output = uncertainty("fashion_cnn_robust.onnx", &["--temperature", &file, "--centres", "4"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let curve = found["curve"].as_array().unwrap();
    let number = |place: usize, pointer: &str| curve[place].pointer(pointer).and_then(Value::as_f64).unwrap();
    assert_eq!((curve.len(), number(0, "/temperature")), (2, 1.0));
    assert!(number(1, "/temperature") < 1.0 && number(0, "/drift/value") != number(1, "/drift/value"));
    // No distance depends on it.
    let [one, other] = [0, 1].map(|place| number(place, "/distances/packet/value"));
    assert!((one / other - 1.0).abs() < 1e-4, "{one} {other}");
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(said.contains("the 500 samples that the temperature was fitted to are left out"), "{said}");

    // What it says of confidence is what `kennard calibrate` says, also where it fits the temperature itself.
    let expected: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let fitted: Value = serde_json::from_slice(
        &uncertainty("fashion_cnn_robust.onnx", &["--temperature", "fit", "--centres", "1"]).stdout,
    )
    .unwrap();
    for (given, found) in [("a file", &found), ("fit", &fitted)] {
        for figure in ["temperature", "before", "after", "fitted", "measured"] {
            assert_eq!(found["calibration"][figure], expected[figure], "{given}: {figure}");
        }
    }
    let plain = uncertainty("fashion_cnn_robust.onnx", &["--temperature", "2", "--centres", "1"]);
    assert!(serde_json::from_slice::<Value>(&plain.stdout).unwrap().get("calibration").is_none());
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["uncertainty", &fixture("fashion_cnn_robust.onnx"), "--data", &data, "--runtime", "rten"]);
    command.args([
        "--scale",
        "0.1",
        "--centres",
        "1",
        "--draws",
        "500",
        "--accept-few",
        "--temperature",
        &file,
    ]);
    let screen = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        screen.contains("expected calibration error") && screen.contains("fitted to 500 samples"),
        "{screen}"
    );

    for (model, words, says) in [
        ("fashion_mlp.onnx", ["--temperature", file.as_str()], "fitted to another model"),
        ("fashion_cnn_robust.onnx", ["--temperature", "0"], "positive and finite"),
        ("fashion_cnn_robust.onnx", ["--temperatures", "1,-2"], "positive and finite"),
        ("fashion_cnn_robust.onnx", ["--temperature", "no-such-file"], "neither a number nor a file"),
    ] {
        let output = uncertainty(model, &words);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(says), "{words:?}: {message}");
    }
}

/// An audit that fits the temperature says what `kennard calibrate` says of the same samples, and measures packets at that
/// temperature too, as it does with the file.
#[test]
fn an_audit_fits_the_temperature_and_says_the_calibration_error() {
    let file = scratch("audited.json").display().to_string();
    assert!(calibrate(&["-q", "--first", "200", "-o", &file]).status.success());
    let expected: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let audit = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
        command.args(["audit", &fixture("fashion_cnn_robust.onnx"), "--data", &data, "--runtime", "rten"]);
        command.args(["--first", "200", "--eps", "0.05", "--attack", "fgsm", "--packet-samples", "200"]);
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for given in ["fit", file.as_str()] {
        let found: Value = serde_json::from_str(&audit(&["--json", "--temperature", given])).unwrap();
        let calibration = &found["calibration"];
        for figure in ["temperature", "before", "after", "fitted", "measured"] {
            assert_eq!(calibration[figure], expected[figure], "{given}: {figure}");
        }
        assert!(
            calibration["data"].as_str().is_some_and(|data| data.ends_with("fashion-mnist (test)")),
            "{calibration}"
        );
        assert_eq!(found["packets"][1]["temperature"], expected["temperature"]["value"]);
        let end = &calibration["after"]["calibration_error"]["interval"][1];
        assert!(end.as_f64().is_some_and(|end| end < 1.0), "{end}");
    }
    let screen = audit(&["--temperature", "fit"]);
    assert!(
        screen.contains("expected calibration error") && screen.contains("fitted to 100 samples"),
        "{screen}"
    );
    let plain: Value = serde_json::from_str(&audit(&["--json", "--temperature", "2"])).unwrap();
    assert!(plain.get("calibration").is_none() && plain["packets"][1]["temperature"] == 2.0);
    std::fs::remove_file(file).unwrap();
}
