//! The command `kennard calibrate`: what it finds, writes, and refuses.

mod common;

use std::process::{Command, Output};

use serde_json::Value;

use common::{fashion, fixture, json, kennard, read_json, scratch, stderr, stdout, succeeds};

const ROBUST: &str = "fashion_cnn_robust.onnx";

/// A command on a model and images of the repository.
fn on(command: &str, model: &str) -> Command {
    kennard([command, &fixture(model), "--data", &fashion(), "--runtime", "rten"])
}

fn calibrate(words: &[&str]) -> Output {
    on("calibrate", ROBUST).args(words).output().unwrap()
}

/// The two halves are all samples; no temperature changes a decision, and the likeliest one makes labels likelier on
/// samples that it was not fitted to, too.
#[test]
fn the_file_and_the_figures_are_the_same() {
    let file = scratch("temperature.json");
    let output = calibrate(&["--json", "-o", &file.display().to_string()]);
    assert!(output.status.success(), "{}", stderr(&output));
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
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(says) && output.stdout.is_empty(), "{message}");
    }
}

/// A threshold moves the logits by which classes are told, and not the probability.
#[test]
fn a_threshold_has_no_temperature() {
    let run = |command: &str, words: &[&str]| {
        let model = scratch("one-number.onnx");
        let builder = kennard_graph::Builder::new(&kennard_graph::Graph::default()).unwrap();
        let shape = vec![kennard_graph::Dim::BATCH, kennard_graph::Dim::Known(1)];
        let x = builder.input("x", kennard_graph::TensorType::new(kennard_graph::DType::F32, shape));
        builder.output("p", (x * 4.0 - 2.0).apply("Sigmoid"));
        builder.finish().unwrap().save(&model).unwrap();
        let table = scratch("one-number.csv");
        let rows: String = (0..40)
            .map(|i| format!("{},{}\n", f64::from(i) / 40.0, (i / 20 + i32::from(i % 4 == 0)) % 2))
            .collect();
        std::fs::write(&table, format!("x,label\n{rows}")).unwrap();
        let data = format!("csv:{}", table.display());
        let mut command = kennard([command, "--data", &data, "--runtime", "rten"]);
        let output = command.arg(&model).args(words).output().unwrap();
        (output.status.code(), stdout(&output) + &stderr(&output))
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
    let fitted = scratch("fitted.json");
    let file = fitted.display().to_string();
    assert!(calibrate(&["-q", "-o", &file]).status.success());
    let uncertainty = |model: &str, words: &[&str]| {
        let mut command = on("uncertainty", model);
        command.args(["--scale", "0.1", "--draws", "500", "--accept-few"]).args(words);
        command
    };
    let output = succeeds(&mut uncertainty(ROBUST, &["--temperature", &file, "--centres", "4", "--json"]));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let curve = found["curve"].as_array().unwrap();
    let number = |place: usize, pointer: &str| curve[place].pointer(pointer).and_then(Value::as_f64).unwrap();
    assert_eq!((curve.len(), number(0, "/temperature")), (2, 1.0));
    assert!(number(1, "/temperature") < 1.0 && number(0, "/drift/value") != number(1, "/drift/value"));
    // No distance depends on it.
    let [one, other] = [0, 1].map(|place| number(place, "/distances/packet/value"));
    assert!((one / other - 1.0).abs() < 1e-4, "{one} {other}");
    let said = stderr(&output);
    assert!(said.contains("the 500 samples that the temperature was fitted to are left out"), "{said}");

    // What it says of confidence is what `kennard calibrate` says, also where it fits the temperature itself.
    let expected = read_json(&file);
    let fitted = json(&mut uncertainty(ROBUST, &["--temperature", "fit", "--centres", "1", "--json"]));
    for (given, found) in [("a file", &found), ("fit", &fitted)] {
        for figure in ["temperature", "before", "after", "fitted", "measured"] {
            assert_eq!(found["calibration"][figure], expected[figure], "{given}: {figure}");
        }
    }
    let plain = json(&mut uncertainty(ROBUST, &["--temperature", "2", "--centres", "1", "--json"]));
    assert!(plain.get("calibration").is_none());
    let screen = uncertainty(ROBUST, &["--temperature", &file, "--centres", "1"]).output().unwrap();
    let screen = stdout(&screen);
    assert!(
        screen.contains("expected calibration error") && screen.contains("fitted to 500 samples"),
        "{screen}"
    );

    for (model, words, says) in [
        ("fashion_mlp.onnx", ["--temperature", file.as_str()], "fitted to another model"),
        (ROBUST, ["--temperature", "0"], "positive and finite"),
        (ROBUST, ["--temperatures", "1,-2"], "positive and finite"),
        (ROBUST, ["--temperature", "no-such-file"], "neither a number nor a file"),
    ] {
        let output = uncertainty(model, &words).output().unwrap();
        let message = stderr(&output);
        assert!(!output.status.success() && message.contains(says), "{words:?}: {message}");
    }
}

/// An audit that fits the temperature says what `kennard calibrate` says of the same samples, and measures packets at that
/// temperature too, as it does with the file.
#[test]
fn an_audit_fits_the_temperature_and_says_the_calibration_error() {
    let fitted = scratch("audited.json");
    let file = fitted.display().to_string();
    assert!(calibrate(&["-q", "--first", "200", "-o", &file]).status.success());
    let expected = read_json(&file);
    let audit = |words: &[&str]| {
        let mut command = on("audit", ROBUST);
        command.args(["--first", "200", "--eps", "0.05", "--attack", "fgsm", "--packet-samples", "200"]);
        command.args(words);
        command
    };
    for given in ["fit", file.as_str()] {
        let found = json(&mut audit(&["--json", "--temperature", given]));
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
    let screen = stdout(&succeeds(&mut audit(&["--temperature", "fit"])));
    assert!(
        screen.contains("expected calibration error") && screen.contains("fitted to 100 samples"),
        "{screen}"
    );
    let plain = json(&mut audit(&["--json", "--temperature", "2"]));
    assert!(plain.get("calibration").is_none() && plain["packets"][1]["temperature"] == 2.0);
}
