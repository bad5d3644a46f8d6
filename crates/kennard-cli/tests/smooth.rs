//! The command `kennard smooth`: what it finds, writes, goes on with, and refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-smooth-{name}", std::process::id()))
}

fn smooth(words: &[&str]) -> Output {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["smooth", &fixture("fashion_cnn_robust.onnx"), "--data", &data, "--runtime", "rten"]);
    command.args(words).output().unwrap()
}

const QUICK: [&str; 8] = ["--sigma", "0.1", "--radius", "0.2,0.1", "--draws", "800", "--first", "9"];

/// The screen, the files and the page are of one run; parts of it merged are the same, and the page says what is certified.
#[test]
fn a_run_and_its_parts_are_the_same() {
    let (whole, merged) = (scratch("whole"), scratch("merged"));
    let text = |path: &Path| path.display().to_string();
    let output = smooth(&[&QUICK[..], &["--json", "-o", &text(&whole)]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(whole.join("summary.json")).unwrap(), output.stdout);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["sigma"], &found["samples"], &found["complete"]),
        (&0.1.into(), &9.into(), &true.into())
    );
    let certified = found["certified"].as_array().unwrap();
    let radii: Vec<f64> = certified.iter().map(|within| within["radius"].as_f64().unwrap()).collect();
    assert_eq!(radii, [0.1, 0.2]);
    let shares: Vec<u64> = certified.iter().map(|within| within["certified"].as_u64().unwrap()).collect();
    assert!(shares[0] >= shares[1] && shares[0] > 0, "{found}");
    assert!(found["forwards"].as_u64() < found["forwards_of_all_draws"].as_u64());

    // Where one half is reached is not known when drawing ends at the radii.
    assert!(found["abstained"].is_null(), "{found}");
    let [named, zero] =
        [&QUICK[..], &["--sigma", "0.1", "--radius", "0,0.1", "--draws", "800", "--first", "9"]]
            .map(|words| String::from_utf8(smooth(words).stdout).unwrap());
    assert!(!named.contains("abstains on") && zero.contains("abstains on"), "{named}{zero}");

    let screen = String::from_utf8(smooth(&QUICK).stdout).unwrap();
    assert!(screen.contains("of the smoothed classifier, not of the model itself"), "{screen}");
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("returns most often under the noise, and not f itself"));
    let sheet = std::fs::read_to_string(whole.join("page.json")).unwrap();
    for digest in [&found["model"]["sha256"], &found["data"]["files"][0]["sha256"]] {
        assert!(sheet.contains(digest.as_str().unwrap()), "{digest}");
    }
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(whole.join("manifest.json")).unwrap()).unwrap();
    assert!(sheet.contains(manifest["settings"]["runtime"].as_str().unwrap()), "the version too");
    let sheet: Value = serde_json::from_str(&sheet).unwrap();
    assert_eq!(sheet["goes_on"], "the same command with --resume");

    let part = String::from_utf8(smooth(&[&QUICK[..], &["--shard", "2/4"]].concat()).stdout).unwrap();
    assert!(part.contains("2 samples of the first 9, shard 2/4") && part.contains("every 4th"), "{part}");

    let parts: Vec<String> = ["1/2", "2/2"]
        .map(|shard| {
            let part = text(&scratch(&shard.replace('/', "-")));
            let threads = if shard == "1/2" { "1" } else { "3" };
            let output =
                smooth(&[&QUICK[..], &["--shard", shard, "--threads", threads, "-o", &part]].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            part
        })
        .into();
    // Without -o the first would be written over.
    let mut merge = Command::new(env!("CARGO_BIN_EXE_kennard"));
    let refused = merge.arg("merge").args(&parts).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    let says = format!("{} is a shard, and would be the directory to write", parts[0]);
    assert!(refused.status.code() == Some(2) && said.contains(&says), "{said}");
    let mut merge = Command::new(env!("CARGO_BIN_EXE_kennard"));
    let output = merge.arg("merge").args(&parts).args(["--json", "-o", &text(&merged)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let samples = |path: &Path| std::fs::read(path.join("samples.parquet")).unwrap();
    assert_eq!(samples(&whole), samples(&merged));
    let together: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(together["certified"], found["certified"]);

    // Its page can be made again, and a run that is there is not done again.
    let again = text(&scratch("again.html"));
    let mut report = Command::new(env!("CARGO_BIN_EXE_kennard"));
    assert!(report.args(["report", &text(&merged), "-o", &again]).status().unwrap().success());
    assert!(std::fs::read_to_string(&again).unwrap().contains("not f itself"));
    let resumed = smooth(&[&QUICK[..], &["--resume", "--json", "-o", &text(&whole)]].concat());
    assert_eq!(resumed.stdout, output_of(&whole));
    let other = smooth(&["--sigma", "0.2", "--first", "9", "--resume", "-o", &text(&whole)]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("sigma is 0.1 there and 0.2 here"));
    for directory in [&whole, &merged] {
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn output_of(directory: &Path) -> Vec<u8> {
    std::fs::read(directory.join("summary.json")).unwrap()
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (words, says) in [
        (&["--sigma", "0"][..], "it must be a positive number"),
        (&["--sigma", "-0.5"], "it must be a positive number"),
        (&["--sigma", "0.25", "--radius", "1.5"], "(--draws, --sigma)"),
        (&["--sigma", "0.25", "--radius", "-1"], "is no length"),
        (&["--sigma", "0.25", "--alpha", "0"], "between 0 and 0.5"),
        (&["--sigma", "0.25", "--draws", "0"], "at least one"),
        (&["--sigma", "0.25", "--bounds", "1,0"], "no range"),
        (
            &["--sigma", "0.25", "--first", "2", "--shard", "3/3", "-o", "nowhere"],
            "has none of the 2 samples",
        ),
    ] {
        let output = smooth(words);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {message}");
        assert!(message.contains(says) && output.stdout.is_empty(), "{words:?}: {message}");
    }
    let output = smooth(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--sigma"));
}

/// One sample fills micro-batches alone, so that few samples take nothing off the size that was asked for.
#[test]
fn few_samples_leave_micro_batches_as_they_were_asked_for() {
    let out = scratch("batch");
    let words = ["--sigma", "0.1", "--draws", "300", "--first", "2", "--micro-batch", "256", "-o"];
    let output = smooth(&[&words[..], &[&out.display().to_string()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["plan"]["micro_batch"], 256, "{manifest}");
    std::fs::remove_dir_all(&out).unwrap();
}
