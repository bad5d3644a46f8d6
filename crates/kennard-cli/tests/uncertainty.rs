//! The command `kennard uncertainty`: what it writes, and what it refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn uncertainty(model: &str, words: &[&str]) -> Output {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["uncertainty", &fixture(model), "--data", &data, "--runtime", "rten"]);
    command.args(words).output().unwrap()
}

fn refused(words: &[&str], says: &[&str]) {
    let output = uncertainty("fashion_mlp.onnx", words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {message}");
    for part in says {
        assert!(message.contains(part), "{words:?} does not say `{part}`: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    assert!(output.stdout.is_empty(), "{words:?} prints figures");
}

#[test]
fn impossible_packets_are_refused() {
    refused(&["--scale", "0"], &["scale is 0", "positive"]);
    refused(&["--scale", "0.1,-0.1"], &["scale is -0.1", "positive"]);
    let missing = uncertainty("fashion_mlp.onnx", &[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--scale"));
    refused(&["--packet", "box", "--scale", "0.1"], &["no window"]);
    refused(&["--packet", "box", "--bounds", "1,0"], &["empty", "lower bound"]);
    refused(&["--scale", "0.1", "--label", "10"], &["no label 10", "0 to 9"]);
    refused(&["--scale", "0.1", "--centres", "0"], &["at least one"]);
    refused(&["--scale", "0.1", "--samples", "10"], &["10 samples are too few"]);
    refused(&["--scale", "0.1", "--rel-tol", "0"], &["--rel-tol", "positive"]);
    refused(&["--scale", "0.1", "--clamp"], &["--clamp", "boundary term", "--packet box"]);
    refused(&["--packet", "empirical", "--centres", "20", "--label", "1"], &["20 data points are too few"]);
    refused(&["--scale", "0.1", "--out", "/dev/null/run"], &["/dev/null/run"]);
}

#[test]
fn unknown_tensors_suggest_near_ones() {
    let output = uncertainty("fashion_mlp.onnx", &["--scale", "0.1", "--tensor", "no-such-tensor"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("no tensor `no-such-tensor`") && message.contains("nearest"), "{message}");
}

/// Too few effective samples: figures that say so, and a status that does.
#[test]
fn too_few_samples_fail_unless_accepted() {
    let words = ["--scale", "0.1", "--centres", "1", "--samples", "200", "--max-samples", "200"];
    let output = uncertainty("fashion_mlp.onnx", &words);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("effective samples"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT TO BE TRUSTED"));
    let output = uncertainty("fashion_mlp.onnx", &[&words[..], &["--accept-few"]].concat());
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT TO BE TRUSTED"));
}

#[test]
fn a_curve_is_written_whole() {
    let out = scratch("curve");
    let directory = out.display().to_string();
    let words = ["--scale", "0.02,8/255", "--centres", "2", "--json", "--out", &directory];
    let output = uncertainty("fashion_mlp.onnx", &words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let curve = summary["curve"].as_array().unwrap();
    assert_eq!(curve.len(), 2);
    for (figures, scale) in curve.iter().zip([0.02, 8.0 / 255.0]) {
        assert_eq!(figures["scale"], scale);
        assert_eq!(figures["packets"], 2);
        assert_eq!(figures["valid"], true);
        let product = figures["product"]["value"].as_f64().unwrap();
        assert!((0.5..0.51).contains(&product), "{product}");
        assert!(figures["modes"]["leading"].as_array().unwrap().len() == 4);
    }
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(written["curve"], summary["curve"]);
    assert_eq!(written["cosines"], summary["cosines"]);
    assert_eq!(summary["cosines"]["samples"], 1000);
    let mean = summary["cosines"]["cosine"]["mean"].as_f64().unwrap();
    let interval = &summary["cosines"]["cosine"]["mean_interval"];
    assert!(interval[0].as_f64().unwrap() < mean && mean < interval[1].as_f64().unwrap());
    assert!(std::fs::read(out.join("packets.parquet")).unwrap().starts_with(b"PAR1"));
    for picture in ["sigma_x_0.02.png", "sigma_p_0.02.png", "mode_1_0.02.png", "mode_4_0.02.png"] {
        assert!(std::fs::read(out.join(picture)).unwrap().starts_with(b"\x89PNG"), "{picture}");
    }
    assert!(std::fs::read_to_string(out.join("product.svg")).unwrap().contains("bound"));

    // Threads and micro-batches do not change a figure by more than the runtime's rounding.
    let again = uncertainty("fashion_mlp.onnx", &[&words[..5], &["--threads", "1"]].concat());
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["curve"], summary["curve"]);
    std::fs::remove_dir_all(out).unwrap();
}

/// Sampling goes on until every interval is as tight as asked, and no longer.
#[test]
fn a_tolerance_takes_as_many_points_as_it_needs() {
    let curve = |words: &[&str]| {
        let output = uncertainty(
            "fashion_mlp.onnx",
            &[&["--scale", "0.05", "--centres", "2", "--max-samples", "200000", "--json"], words].concat(),
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        summary["curve"][0].clone()
    };
    let widest = |figures: &serde_json::Value| {
        let share = |name: &str| {
            let [low, high] = [0, 1].map(|end| figures[name]["interval"][end].as_f64().unwrap());
            (high - low) / 2.0 / figures[name]["value"].as_f64().unwrap()
        };
        ["sigma_x", "sigma_p", "product", "drift", "dispersion"].map(share).into_iter().fold(0.0, f64::max)
    };
    let points = |figures: &serde_json::Value| figures["samples"].as_u64().unwrap();
    let loose = curve(&[]);
    let asked = 0.5 * widest(&loose);
    let tight = curve(&["--rel-tol", &asked.to_string()]);
    assert!(points(&loose) < points(&tight) && points(&tight) < 400_000, "{} points", points(&tight));
    // Each of the two packets is as tight as asked, and so is their mean.
    assert!(widest(&tight) <= asked, "{} {asked}", widest(&tight));
}

#[test]
fn every_packet_is_measured() {
    for words in [
        &["--packet", "box", "--label", "3"][..],
        &["--packet", "data", "--scale", "0.05", "--label", "3"],
        &["--packet", "empirical", "--label", "3", "--accept-few"],
    ] {
        let output = uncertainty("fashion_mlp.onnx", words);
        let screen = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(screen.contains(&format!("{} packet", words[1])), "{screen}");
        assert!(screen.contains("cos(x, ∂l)"), "{screen}");
    }
}
