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
