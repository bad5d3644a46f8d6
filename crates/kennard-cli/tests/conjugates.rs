//! `plane`, `probe` and `resolve` on what comes with the repository, and on bad input.

mod common;

use std::process::Output;

use serde_json::Value;

use common::{fashion, fixture, kennard, read_json, scratch, stdout};

fn run(words: &[&str]) -> Output {
    kennard(words).args(["--runtime", "rten"]).output().unwrap()
}

fn json(words: &[&str]) -> Value {
    common::json(kennard(words).args(["--runtime", "rten", "--json"]))
}

fn refused(words: &[&str], status: i32, says: &[&str]) {
    common::refused(kennard(words).args(["--runtime", "rten"]), status, says);
}

#[test]
fn plane_writes_figures_and_pictures() {
    let (model, out) = (fixture("plane_moons.onnx"), scratch("plane"));
    let directory = out.display().to_string();
    let words = ["plane", &model, "--problem", "moons", "--samples", "200", "--scale", "0.02,1/20"];
    let report = json(&[&words[..], &["--out", &directory]].concat());
    assert_eq!(report["samples"], 200);
    assert_eq!(report["windows"].as_array().unwrap().len(), 2);
    assert_eq!(report["windows"][1]["scale"], 0.05);
    assert!((1e-6..0.02).contains(&report["windows"][1]["misclassified_error"].as_f64().unwrap()));
    assert!(report["boxes"][0]["coordinates"][0]["bound"]["value"].as_f64().unwrap() < 0.5);
    assert_eq!(read_json(out.join("summary.json")), report);
    for picture in ["packet-0.png", "packet-1.png"] {
        assert!(std::fs::read(out.join(picture)).unwrap().starts_with(b"\x89PNG"));
    }
    for curve in ["product.svg", "drift.svg"] {
        assert!(std::fs::read_to_string(out.join(curve)).unwrap().contains("scale s [input unit]"));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let model = fixture("plane_xor.onnx");
    let words = ["plane", &model, "--problem", "xor", "--samples", "50", "--scale", "0.02", "--json"];
    let (one, two) = (run(&[&words[..], &["--threads", "1"]].concat()), run(&words));
    assert!(one.status.success() && one.stdout == two.stdout);
    assert_ne!(run(&[&words[..], &["--seed", "1"]].concat()).stdout, one.stdout);
}

#[test]
fn probe_and_resolve_report_what_they_measured() {
    let (model, data) = (fixture("fashion_cnn.onnx"), fashion());
    let report = json(&["probe", &model, "--data", &data, "--samples", "64"]);
    assert_eq!(report["samples"], 64);
    let counts = report["cosine_histogram"]["counts"].as_array().unwrap();
    assert_eq!(counts.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), 64);
    let report = json(&["resolve", &model, "--data", &data, "--samples", "100"]);
    assert_eq!((&report["fitted"], &report["network"]["tested"]), (&50.into(), &50.into()));
    let text = stdout(&run(&["resolve", &model, "--data", &data, "--samples", "100"]));
    assert!(text.contains("holds the label by construction"), "{text}");
    assert!(text.contains("of all 100 samples, fitted or tested"), "{text}");
    let words = ["resolve", &model, "--data", &data, "--samples", "100", "--probe", "cnn"];
    let report = json(&words);
    assert_eq!((&report["reader"], &report["probes"][0]["converged"]), (&"cnn".into(), &Value::Null));
    assert!(stdout(&run(&words)).contains("convolutional probes fitted to 50"));
}

#[test]
fn features_are_attacked_beside_pixels() {
    let (model, data, out) = (fixture("fashion_cnn.onnx"), fashion(), scratch("features"));
    let directory = out.display().to_string();
    let words = ["features", &model, "--data", &data, "--samples", "64", "--tensor", "relu3"];
    let words = [&words[..], &["--eps-relative", "0.1,0.02"]].concat();
    let report = json(&[&words[..], &["--out", &directory]].concat());
    assert_eq!((&report["clean"]["tested"], &report["nonnegative"]), (&64.into(), &true.into()));
    let sizes = report["sizes"].as_array().unwrap();
    assert_eq!((&sizes[0]["relative"], &sizes[1]["relative"]), (&0.02.into(), &0.1.into()));
    for size in sizes {
        let count = |share: &str| size[share]["correct"].as_u64().unwrap();
        let alone = |which: &str| size[which].as_u64().unwrap();
        assert_eq!(count("features") + alone("features_alone"), count("pixels") + alone("pixels_alone"));
    }
    assert_eq!(read_json(out.join("summary.json")), report);
    assert!(std::fs::read_to_string(out.join("features.svg")).unwrap().contains("features"));
    let (one, two) = (run(&[&words[..], &["--threads", "1"]].concat()), run(&words));
    assert!(one.status.success() && one.stdout == two.stdout);
    assert!(stdout(&one).contains("McNemar"));
}

#[test]
fn slice_draws_lines_and_planes() {
    let (model, data) = (fixture("fashion_mlp.onnx"), fashion());
    let [out, plane] = ["slice", "slice-plane"].map(scratch);
    let [line, both] = [&out, &plane].map(|directory| directory.display().to_string());
    let words = ["slice", &model, "--data", &data, "--sample", "3"];
    let report = json(&[&words[..], &["--scale", "0.05,0.1", "--out", &line]].concat());
    assert_eq!((&report["sample"], &report["directions"][0]), (&3.into(), &"gradient".into()));
    for (slice, scale) in report["slices"].as_array().unwrap().iter().zip([0.05, 0.1]) {
        assert_eq!(slice["scale"], scale);
        let product = slice["coordinates"][0]["product"]["value"].as_f64().unwrap();
        assert!((0.4999..0.9).contains(&product), "{product}");
    }
    assert!(std::fs::read_to_string(out.join("line_0.05.svg")).unwrap().contains("distance from sample 3"));
    let report = json(&[&words[..], &["--scale", "0.05", "--along", "mode,7", "--out", &both]].concat());
    assert_eq!(report["directions"][1], "sample 7");
    assert_eq!(report["slices"][0]["coordinates"].as_array().unwrap().len(), 2);
    assert!(std::fs::read(plane.join("plane_0.05.png")).unwrap().starts_with(b"\x89PNG"));
    let text = stdout(&run(&["slice", &model, "--data", &data, "--scale", "0.05"]));
    assert!(text.contains("gradient"), "{text}");
    assert!(text.lines().any(|line| line.contains("P(wrong) ") && line.contains(" ± ")), "{text}");
}

#[test]
fn bad_input_is_refused() {
    let (moons, fashion_mlp, data) = (fixture("plane_moons.onnx"), fixture("fashion_mlp.onnx"), fashion());
    refused(&["plane", &moons, "--problem", "moon"], 2, &["moons, circles, xor"]);
    refused(&["plane", &moons, "--problem", "xor", "--scale", "0"], 1, &["positive"]);
    refused(&["plane", &moons, "--problem", "xor", "--scale", "-0.1"], 1, &["positive"]);
    refused(&["plane", &moons, "--problem", "xor", "--noise", "-1"], 1, &["noise"]);
    refused(&["plane", &moons, "--problem", "xor", "--samples", "1"], 1, &["at least 2 samples"]);
    refused(&["plane", &fashion_mlp, "--problem", "xor"], 1, &["28"]);
    refused(&["plane", "missing.onnx", "--problem", "xor"], 1, &["missing.onnx"]);
    refused(&["plane", &moons, "--problem", "xor", "--out", "/dev/null/run"], 1, &["/dev/null/run"]);
    refused(&["probe", &fashion_mlp, "--data", "minst:/nowhere"], 2, &["did you mean"]);
    refused(&["slice", &fashion_mlp, "--data", &data], 2, &["--scale"]);
    refused(&["slice", &fashion_mlp, "--data", &data, "--scale", "0"], 1, &["positive"]);
    refused(
        &["slice", &fashion_mlp, "--data", &data, "--scale", "0.1", "--along", "drift"],
        2,
        &["gradient, mode"],
    );
    refused(
        &["slice", &fashion_mlp, "--data", &data, "--scale", "0.1", "--sample", "5000"],
        1,
        &["no sample 5000", "1000"],
    );
    refused(&["probe", &moons, "--data", &data], 1, &["28"]);
    let features = ["features", &fashion_mlp, "--data", &data, "--eps-relative"];
    refused(&[&features[..], &["0.1"]].concat(), 2, &["--tensor"]);
    refused(&[&features[..], &["0.1", "--tensor", "relu"]].concat(), 1, &["no tensor `relu`"]);
    refused(&["resolve", &fashion_mlp, "--data", &data, "--probe", "mlp"], 2, &["linear, cnn"]);
    refused(&["resolve", &fashion_mlp, "--data", &data, "--samples", "12"], 1, &["at least 10 samples"]);
}

/// Commands that write their results once leave those of others alone: a run under way, a finished one, and their own. They say so
/// before any work.
#[test]
fn results_are_never_written_over() {
    let (model, data) = (fixture("fashion_mlp.onnx"), fashion());
    let place = scratch("held");
    let out = place.display().to_string();
    let of_images = ["--data", &data, "--samples", "20"];
    let certified = ["certify", &model, "--data", &data, "--first", "5", "--eps", "0.01", "--out", &out];
    assert!(run(&certified).status.success());
    let plane = fixture("plane_moons.onnx");
    let words: [&[&str]; 7] = [
        &["plane", &plane, "--problem", "moons", "--samples", "50"],
        &["probe", &model, of_images[0], of_images[1], of_images[2], of_images[3]],
        &["resolve", &model, of_images[0], of_images[1], of_images[2], of_images[3]],
        &["slice", &model, "--data", &data, "--sample", "0", "--scale", "0.1"],
        &["features", &model, "--data", &data, "--samples", "5", "--tensor", "h", "--eps-relative", "0.1"],
        &["uncertainty", &model, "--data", &data, "--scale", "0.1", "--centres", "1"],
        &["attack", &model, "--data", &data, "--first", "5", "--eps", "0.01"],
    ];
    let kept = || {
        let mut files: Vec<_> = std::fs::read_dir(&place).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| (std::fs::read(&file).unwrap(), file)).collect::<Vec<_>>()
    };
    let before = kept();
    for words in words {
        refused(&[words, &["--out", &out]].concat(), 1, &["holds results already", "--out"]);
        assert!(kept() == before, "{words:?}");
    }
    // Nor over their own.
    std::fs::remove_dir_all(&place).unwrap();
    let once = [&["probe", &model], &of_images[..], &["--out", &out]].concat();
    assert!(run(&once).status.success());
    refused(&once, 1, &["holds results already"]);
}
