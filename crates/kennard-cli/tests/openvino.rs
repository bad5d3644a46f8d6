//! `--runtime openvino`, where it is installed, and `--search-precision`.

mod common;

use std::path::Path;
use std::process::Command;

use kennard_runtime::{Choice, Precision, Runtime};
use serde_json::Value;

use common::{fashion, fixture, json, kennard, read_json, refused, scratch, stderr};

fn audit(runtime: &str, words: &[&str], out: &Path) -> Command {
    audit_by("pgd", runtime, words, out)
}

fn audit_by(attack: &str, runtime: &str, words: &[&str], out: &Path) -> Command {
    let first = if attack == "standard" { "4" } else { "40" };
    let fixed = ["--eps", "0.01", "--attack", attack, "--first", first, "--packet-samples", "0", "--json"];
    let mut command =
        kennard(["audit", &fixture("fashion_cnn.onnx"), "--data", &fashion(), "--runtime", runtime]);
    command.args(fixed).args(words).arg("--out").arg(out);
    command
}

/// An audit on OpenVINO has rten's verdicts, says what it ran on, gives the same bytes on any number of threads, and is not gone on
/// with on another runtime.
#[test]
fn an_audit_says_what_it_ran_on() {
    if let Err(error) = Runtime::open(Choice::OpenVino) {
        println!("skipped: {error}");
        return;
    }
    let (first, second, third) = (scratch("first"), scratch("second"), scratch("rten"));
    let one = json(&mut audit("openvino", &["--threads", "1"], &first));
    json(&mut audit("openvino", &["--threads", "3"], &second));
    let rten = json(&mut audit("rten", &[], &third));
    let samples = |directory: &Path| std::fs::read(directory.join("samples.parquet")).unwrap();
    assert_eq!(samples(&first), samples(&second));
    for figure in ["clean", "robust"] {
        assert_eq!(one[figure], rten[figure]);
    }
    let manifest = read_json(first.join("manifest.json"));
    let said = manifest["settings"]["runtime"].as_str().unwrap();
    assert!(said.starts_with("openvino 20") && said.ends_with(" f32"), "{said}");
    assert!(manifest["settings"]["untouched"].as_str().unwrap().ends_with("in single precision"));
    refused(&mut audit("rten", &["--resume"], &first), 1, &["runtime is \"openvino 20"]);
}

#[test]
fn a_missing_library_is_an_error_with_its_cure() {
    let out = scratch("none");
    let mut missing = audit("openvino", &[], &out);
    refused(missing.env("OPENVINO_DYLIB_PATH", "/nowhere.so"), 1, &["pip install openvino", "/nowhere.so"]);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let other = directory.join("Cargo.toml");
    for (path, says) in
        [(&*other, "not OpenVINO's C library"), (directory, "name the file libopenvino_c.so in it")]
    {
        refused(audit("openvino", &[], &out).env("OPENVINO_DYLIB_PATH", path), 1, &[says]);
    }
}

/// What `auto` takes follows from runtime, processor and attacks, and is said; what is asked for and lacking is refused with the cure.
#[test]
fn searches_say_what_they_are_in() {
    let out = scratch("search");
    let searching = |attack: &str, runtime: &str, precision: &str| {
        let _ = std::fs::remove_dir_all(&out);
        let words = ["--search-precision", precision];
        let output = audit_by(attack, runtime, &words, &out).output().unwrap();
        let summary = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (output.status.code(), summary, stderr(&output))
    };
    let precision = |summary: &Value| summary["search_precision"].as_str().unwrap_or("f32").to_owned();
    let (code, summary, said) = searching("fgsm", "rten", "auto");
    assert!(code == Some(0) && precision(&summary) == "f32", "{said}");
    assert!(
        said.contains("searches in f32: rten does not compute in bf16; the runtime openvino does"),
        "{said}"
    );
    let (code, _, said) = searching("fgsm", "rten", "bf16");
    assert_eq!(code, Some(1), "{said}");
    let cure = "rten does not compute in bf16; the runtime openvino does: --runtime openvino; or leave --search-precision out";
    assert!(said.contains(cure), "{said}");
    let (code, _, said) = searching("fgsm", "rten", "int4");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("choose f32 or bf16, or auto"), "{said}");

    let Ok(openvino) = Runtime::open(Choice::OpenVino).map_err(|error| println!("skipped: {error}")) else {
        return;
    };
    let (fastest, why) = openvino.fastest_precision();
    let (code, summary, said) = searching("fgsm", "openvino", "auto");
    assert!(code == Some(0) && precision(&summary) == fastest.to_string(), "{said}");
    assert!(said.contains(&format!("searches in {fastest}: {why}")), "{said}");
    let (_, summary, said) = searching("standard", "openvino", "auto");
    assert!(precision(&summary) == "f32" && summary["autoattack"] == "standard", "{said}");
    assert!(said.contains("searches in f32: AutoAttack"), "{said}");
    if openvino.computes_in(Precision::Bf16).is_ok() {
        let (_, summary, said) = searching("standard", "openvino", "bf16");
        assert!(summary["autoattack"] == "standard, searched in bf16", "{said}");
        let other = "search_precision is \"bf16\" there and \"f32\" here";
        refused(&mut audit("openvino", &["--resume"], &out), 1, &[other]);
    } else {
        println!("skipped: {why}");
    }
}
