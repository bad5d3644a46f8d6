//! Runs that are killed, and runs in parts: no resume, no command line, one device only are what users of
//! other implementations of AutoAttack complain about.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn kennard(words: &[&str]) -> Command {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.arg("audit").arg(fixtures.join("fashion_mlp.onnx"));
    command.arg("--data").arg(format!("fashion-mnist:{}", fixtures.join("fashion-mnist").display()));
    command.args(["--eps", "0.005", "--attack", "standard", "--samples", "40", "--packet-samples", "0"]);
    command.args(["--runtime", "rten", "--json", "--out"]).args(words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn samples(directory: &Path) -> Vec<u8> {
    std::fs::read(directory.join("samples.parquet")).unwrap()
}

#[test]
fn ten_kills_and_three_shards_do_not_change_a_byte() {
    let (whole, killed, merged) = (scratch("whole"), scratch("killed"), scratch("merged"));
    let text = |path: &Path| path.display().to_string();
    let begin = SystemTime::now();
    assert!(kennard(&[&text(&whole)]).status().unwrap().success());
    let full = begin.elapsed().unwrap();

    // The moments are random, the outcome must not be: no false alarms.
    let mut random = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let mut kills = 0;
    for _ in 0..10 {
        let mut child = kennard(&[&text(&killed), "--resume"]).spawn().unwrap();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(
            full.mul_f64(0.4 * f64::from(random) / f64::from(u32::MAX)).max(Duration::from_millis(2)),
        );
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("{kills} of 10 kills met a run at work");
    assert!(kennard(&[&text(&killed), "--resume"]).status().unwrap().success());
    assert_eq!(samples(&whole), samples(&killed));

    let shards: Vec<PathBuf> = (1..=3).map(|i| scratch(&format!("shard-{i}"))).collect();
    for (i, shard) in (1..).zip(&shards) {
        assert!(kennard(&[&text(shard), "--shard", &format!("{i}/3")]).status().unwrap().success());
    }
    let merge =
        Command::new(env!("CARGO_BIN_EXE_kennard")).arg("merge").arg(&merged).args(&shards).output().unwrap();
    assert!(merge.status.success(), "{}", String::from_utf8_lossy(&merge.stderr));
    assert_eq!(samples(&whole), samples(&merged));
    assert!(String::from_utf8_lossy(&merge.stdout).contains("square"));
    for directory in [whole, killed, merged].iter().chain(&shards) {
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[test]
fn an_unfinished_run_is_neither_lost_nor_mixed_with_another() {
    let directory = scratch("unfinished");
    let text = directory.display().to_string();
    let mut child = kennard(&[&text]).spawn().unwrap();
    let journal = directory.join("journal.jsonl");
    while std::fs::metadata(&journal).map_or(0, |m| m.len()) == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Another process keeps off while this one works.
    let busy = kennard(&[&text, "--resume"]).stderr(Stdio::piped()).output().unwrap();
    let was_busy = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    let message = |words: &[&str]| {
        let output = kennard(&[&[text.as_str()], words].concat()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    if was_busy {
        assert!(String::from_utf8_lossy(&busy.stderr).contains("in use"));
        assert!(message(&[]).contains("--resume"));
        assert!(message(&["--resume", "--seed", "5"]).contains("seed is 0 there and 5 here"));
    }
    std::fs::remove_dir_all(directory).unwrap();
}

/// Ctrl-C in the middle of the attacks: what is certain is said and kept, and a gate does not open.
#[cfg(unix)]
#[test]
fn an_interrupted_run_says_what_is_certain() {
    let directory = scratch("interrupted");
    let text = directory.display().to_string();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.arg("audit").arg(fixtures.join("fashion_cnn_robust.onnx"));
    command.arg("--data").arg(format!("fashion-mnist:{}", fixtures.join("fashion-mnist").display()));
    command.args(["--eps", "0.1", "--attack", "standard", "--threads", "1", "--runtime", "rten"]);
    command.args(["--require", "clean>=0.1", "--out", &text]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let attacked = || {
        let summary = kennard::audit::RunState::read(&directory).ok()?.outcome.summary;
        (summary.clean.pending == 0).then(|| summary.clean.correct - summary.robust.map_or(0, |r| r.pending))
    };
    let begin = SystemTime::now();
    while attacked().unwrap_or(0) < 10 && begin.elapsed().unwrap() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let (screen, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{said}");
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.join("summary.json")).unwrap()).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let robust = &summary["robust"];
    let pending = robust["pending"].as_u64().unwrap();
    assert!(pending > 0 && summary["complete"] == false && summary["samples"] == 1000, "{summary}");
    assert!(robust["robust_accuracy"].is_null() && robust["interval"].is_null());
    // The figures of the whole, as the README has them: clean 84 %, and 74 % or so stand.
    assert!((summary["clean"]["accuracy"].as_f64().unwrap() - 0.84).abs() < 1e-9);
    let [low, high] = [0, 1].map(|i| robust["bracket"][i].as_f64().unwrap());
    assert!(low < 0.73 && high > 0.73 && high <= 0.84, "{low} {high}");
    assert_eq!(summary["requirements"][0]["holds"], false);
    assert!(
        screen.contains(&format!("{:.2} – {:.2} %, ", 100.0 * low, 100.0 * high))
            && screen.contains("pending")
    );
    assert!(said.contains("the audit is not complete"), "{said}");
}
