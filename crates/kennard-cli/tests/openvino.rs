//! `--runtime openvino`, where it is installed, and `--search-precision`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kennard_runtime::{Choice, Precision, Runtime};
use serde_json::Value;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn audit(runtime: &str, words: &[&str], out: &Path) -> Command {
    audit_by("pgd", runtime, words, out)
}

fn audit_by(attack: &str, runtime: &str, words: &[&str], out: &Path) -> Command {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let first = if attack == "standard" { "4" } else { "40" };
    let fixed = ["--eps", "0.01", "--attack", attack, "--first", first, "--packet-samples", "0", "--json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["audit", &fixture("fashion_cnn.onnx"), "--data", &data, "--runtime", runtime]);
    command.args(fixed).args(words).arg("--out").arg(out);
    command
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-openvino-{name}", std::process::id()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
    let run = |runtime: &str, words: &[&str], out: &Path| -> Value {
        let Output { status, stdout, stderr } = audit(runtime, words, out).output().unwrap();
        assert!(status.success(), "{}", text(&stderr));
        serde_json::from_slice(&stdout).unwrap()
    };
    let one = run("openvino", &["--threads", "1"], &first);
    run("openvino", &["--threads", "3"], &second);
    let rten = run("rten", &[], &third);
    let samples = |directory: &Path| std::fs::read(directory.join("samples.parquet")).unwrap();
    assert_eq!(samples(&first), samples(&second));
    for figure in ["clean", "robust"] {
        assert_eq!(one[figure], rten[figure]);
    }
    let manifest = std::fs::read(first.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let said = manifest["settings"]["runtime"].as_str().unwrap();
    assert!(said.starts_with("openvino 20") && said.ends_with(" f32"), "{said}");
    assert!(manifest["settings"]["untouched"].as_str().unwrap().ends_with("in single precision"));
    let other = audit("rten", &["--resume"], &first).output().unwrap();
    assert_eq!(other.status.code(), Some(1), "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("runtime is \"openvino 20"), "{}", text(&other.stderr));
    for directory in [first, second, third] {
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[test]
fn a_missing_library_is_an_error_with_its_cure() {
    let out = scratch("none");
    let output = audit("openvino", &[], &out).env("OPENVINO_DYLIB_PATH", "/nowhere.so").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("pip install openvino") && said.contains("/nowhere.so"), "{said}");
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let other = directory.join("Cargo.toml");
    for (path, says) in
        [(&*other, "not OpenVINO's C library"), (directory, "name the file libopenvino_c.so in it")]
    {
        let output = audit("openvino", &[], &out).env("OPENVINO_DYLIB_PATH", path).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says), "{said}");
    }
    let _ = std::fs::remove_dir_all(out);
}

/// What `auto` takes follows from runtime, processor and attacks, and is said; what is asked for and lacking is refused with the cure.
#[test]
fn searches_say_what_they_are_in() {
    let out = scratch("search");
    let searching = |attack: &str, runtime: &str, precision: &str| {
        let _ = std::fs::remove_dir_all(&out);
        let words = ["--search-precision", precision];
        let Output { status, stdout, stderr } = audit_by(attack, runtime, &words, &out).output().unwrap();
        let summary = serde_json::from_slice::<Value>(&stdout).unwrap_or_default();
        (status.code(), summary, text(&stderr))
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
        let Output { stderr, .. } = audit("openvino", &["--resume"], &out).output().unwrap();
        assert!(
            text(&stderr).contains("search_precision is \"bf16\" there and \"f32\" here"),
            "{}",
            text(&stderr)
        );
    } else {
        println!("skipped: {why}");
    }
    let _ = std::fs::remove_dir_all(out);
}
