//! Files that went wrong with earlier versions, each with what is right for it: `cases` among the shared files, whose
//! README says where the right figures are from. On both runtimes, where ONNX Runtime is there.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use common::{PROGRAM, kennard, runtimes, scratch, shared, stderr};

/// The directory of the cases, and the runtimes to try; nothing where the files are not there.
fn cases() -> Option<(PathBuf, Vec<&'static str>)> {
    let cases = shared().join("cases");
    if !cases.join("base.onnx").exists() {
        println!("skipped: the shared cases are not there");
        return None;
    }
    Some((cases, runtimes()))
}

fn audit(cases: &Path, runtime: &str, model: &str, data: &str, words: &[&str]) -> Command {
    let mut command = kennard(["audit", model, "--data", data, "--runtime", runtime]);
    command.args(words).args(["--eps", "0.02", "--packet-samples", "0", "--json"]).current_dir(cases);
    command
}

/// The summary of an audit that must succeed.
fn summary(cases: &Path, runtime: &str, model: &str, data: &str, words: &[&str]) -> Value {
    common::json(&mut audit(cases, runtime, model, data, words))
}

fn refused(cases: &Path, runtime: &str, model: &str, data: &str, words: &[&str], says: &[&str]) {
    common::refused(&mut audit(cases, runtime, model, data, words), 1, says);
}

fn shares(summary: &Value) -> (f64, f64) {
    let share = |value: &Value| value.as_f64().unwrap();
    (share(&summary["clean"]["accuracy"]), share(&summary["robust"]["robust_accuracy"]))
}

const BASE: &str = "npz:base.npz";

/// `base.onnx` is linear: 72.5 % of its 40 samples are farther than 0.02 from the boundary. Neither a factor on the logits
/// nor a batch of 0 or 1 in the file changes that, nor do logits of −∞.
#[test]
fn what_means_the_same_has_the_same_figures() {
    let Some((cases, runtimes)) = cases() else { return };
    for runtime in runtimes {
        for model in ["base.onnx", "logits_1e-9.onnx"] {
            for attack in
                ["fgsm", "pgd", "apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square", "autoattack"]
            {
                let found = summary(&cases, runtime, model, BASE, &["--attack", attack]);
                assert_eq!(shares(&found), (1.0, 0.725), "{model}, {attack} on {runtime}");
            }
        }
        for model in ["zerobatch.onnx", "fixed1.onnx", "logsm_inf.onnx"] {
            assert_eq!(
                shares(&summary(&cases, runtime, model, BASE, &[])),
                (1.0, 0.725),
                "{model} on {runtime}"
            );
        }
        let masked = summary(&cases, runtime, "mask_neginf.onnx", BASE, &["--attack", "standard"]);
        assert_eq!((&masked["samples"], &masked["not_evaluated"]), (&40.into(), &0.into()));
        assert_eq!(shares(&summary(&cases, runtime, "batch_0.onnx", "npz:m32.npz", &[])).0, 4.0 / 13.0);
    }
}

#[test]
fn a_model_is_judged_in_its_own_types() {
    let Some((cases, runtimes)) = cases() else { return };
    for runtime in runtimes {
        let quantised =
            summary(&cases, runtime, "cnn_qdyn.onnx", "npz:cnn_qdyn.npz", &["--attack", "square"]);
        assert_eq!(shares(&quantised).0, 1.0, "{runtime}");
        if runtime == "rten" {
            let half = summary(&cases, runtime, "fp16_offset.onnx", BASE, &[]);
            assert!(half["warnings"].to_string().contains("untouched-model"), "{half}");
            refused(&cases, runtime, "dbl_offset.onnx", BASE, &[], &["double precision", "onnxruntime"]);
        } else {
            assert_eq!(shares(&summary(&cases, runtime, "fp16_offset.onnx", BASE, &[])).0, 0.7);
            assert_eq!(shares(&summary(&cases, runtime, "dbl_offset.onnx", BASE, &[])).0, 1.0);
        }
        let conv3d = summary(&cases, runtime, "op_conv3d_ts.onnx", "npz:op_conv3d.npz", &[]);
        assert_eq!(shares(&conv3d).0, 1.0, "{runtime}");
        let out = scratch("ci");
        let words = ["--attack", "none", "--out", out.to_str().unwrap()];
        summary(&cases, runtime, "ci_1.onnx", "npz:ci.npz", &words);
        let run = kennard::audit::FinishedRun::open(&out).unwrap();
        // ONNX Runtime's figure for the sample alone. In a batch the range of the activations, and so the figure, is
        // another, 28 216: a sample's figures must not depend on its company.
        assert_eq!(run.outcome.records[0].margin, 30_082.0, "{runtime}");
    }
}

#[test]
fn what_is_not_finite_or_has_no_gradient_ends_nothing() {
    let Some((cases, runtimes)) = cases() else { return };
    for runtime in runtimes {
        let constant =
            summary(&cases, runtime, "imgstd.onnx", "npz:const_img.npz", &["--attack", "standard"]);
        assert_eq!(constant["samples"], 40);
        assert!(constant["warnings"].to_string().contains("non-finite-gradients"), "{constant}");
        refused(&cases, runtime, "seq.onnx", BASE, &["--attack", "pgd"], &["SequenceAt", "node"]);
        summary(&cases, runtime, "seq.onnx", BASE, &["--attack", "square", "--queries", "50"]);
        assert_eq!(shares(&summary(&cases, runtime, "op_grid_const_dy.onnx", "npz:op_grid.npz", &[])).0, 1.0);
        let words = ["--samples", "20", "--attack", "none"];
        summary(&cases, runtime, "shape_vnn.onnx", "mnist:../data/mnist", &words);
        refused(&cases, runtime, "base.onnx", "folder:blank_label", &[], &["labels.csv", "line 3", "blank"]);
    }
}

/// Bombs are refused, with a message, or done with; none dies, and none takes for ever or more than 4 GiB.
#[cfg(unix)]
#[test]
fn bombs_do_not_go_off() {
    let Some((cases, runtimes)) = cases() else { return };
    let entries = std::fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().file_name());
    let mut bombs: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    bombs.retain(|name| name.starts_with("bomb_"));
    bombs.sort();
    assert!(bombs.len() > 10);
    for runtime in runtimes {
        for bomb in &bombs {
            let mut shell = Command::new("sh");
            let limits = "ulimit -v 4194304; ulimit -t 60; exec \"$@\"";
            shell.args(["-c", limits, "sh", PROGRAM, "audit", bomb, "--runtime", runtime, "--samples", "5"]);
            shell.args(["--data", "mnist:../data/mnist", "--eps", "0.02", "--packet-samples", "0"]);
            let output = shell.current_dir(&cases).output().unwrap();
            let said = stderr(&output);
            assert!([Some(0), Some(1)].contains(&output.status.code()), "{bomb} on {runtime}: {said}");
            assert!(!said.contains("panicked"), "{bomb} on {runtime}: {said}");
        }
    }
}

/// What people have beside networks of one image and logits: the labels in the data are the models' own, so all are
/// classified correctly; and a gradient finds as much as an attack without one.
#[test]
fn any_classifier_is_taken() {
    let Some((cases, runtimes)) = cases() else { return };
    for runtime in runtimes {
        for (model, data) in [
            ("lstm.onnx", "npz:lstm.npz"),
            ("rnn_lstm.onnx", "npz:rnn_lstm.npz"),
            ("qop.onnx", BASE),
            ("churn.onnx", "npz:churn.npz"),
            ("skl_logreg.onnx", "npz:skl_logreg.npz"),
            ("cnn_qdyn.onnx", "npz:cnn_qdyn.npz"),
        ] {
            let bounds = ["--bounds", "-100,100", "--samples", "20"];
            let pgd = summary(&cases, runtime, model, data, &[&bounds[..], &["--attack", "pgd"]].concat());
            let words = [&bounds[..], &["--attack", "square", "--queries", "100"]].concat();
            let square = summary(&cases, runtime, model, data, &words);
            println!("{model} on {runtime}: {:?} {:?}", shares(&pgd), shares(&square));
            assert!(shares(&pgd).1 <= shares(&square).1 + 0.05, "{model} on {runtime}");
            assert!(model == "qop.onnx" || shares(&pgd).0 == 1.0, "{model} on {runtime}: {pgd}");
        }
        if runtime == "rten" {
            refused(&cases, runtime, "xgb.onnx", "npz:xgb.npz", &[], &["TreeEnsembleClassifier"]);
        } else {
            let pgd = ["--attack", "pgd"];
            refused(
                &cases,
                runtime,
                "xgb.onnx",
                "npz:xgb.npz",
                &pgd,
                &["TreeEnsembleClassifier", "leaves, square"],
            );
            let words = ["--attack", "square", "--queries", "100", "--samples", "20", "--bounds", "-100,100"];
            assert_eq!(shares(&summary(&cases, runtime, "xgb.onnx", "npz:xgb.npz", &words)).0, 1.0);
        }
    }
}
