//! Runs that are killed, and runs in parts: no resume, no command line, one device only are what users of
//! other implementations of AutoAttack complain about.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{Scratch, fashion, fixture, kennard, read_json, scratch, stderr, stdout};

/// A command that nobody listens to.
fn silent(words: &[&str]) -> Command {
    let mut command = kennard(words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn audit(words: &[&str]) -> Command {
    let mut command = silent(&["audit", &fixture("fashion_mlp.onnx"), "--data", &fashion()]);
    command.args(["--eps", "0.005", "--samples", "40", "--packet-samples", "0"]);
    command.args(["--runtime", "rten", "--json", "--out"]).args(words);
    command
}

/// AutoAttack, which takes a while.
fn long(words: &[&str]) -> Command {
    let mut command = audit(words);
    command.args(["--attack", "standard"]);
    command
}

/// A shorter one, for what is done many times.
fn short(words: &[&str]) -> Command {
    let mut command = audit(words);
    command.args(["--attack", "fgsm,square", "--queries", "60"]);
    command
}

/// The bytes of the files that are the same whatever happened.
fn bytes(directory: &Path, files: &[&str]) -> Vec<Vec<u8>> {
    files.iter().map(|file| std::fs::read(directory.join(file)).unwrap()).collect()
}

const RESULTS: [&str; 2] = ["samples.parquet", "examples.parquet"];

/// What is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Moments that are random, where the outcome must not be: no false alarms.
struct Moments(u64);

impl Moments {
    fn new() -> Moments {
        Moments(u64::from(SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()))
    }

    /// Kills a process at a moment within `span`. Whether it was at work.
    fn kill(&mut self, mut command: Command, span: Duration) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(span.mul_f64((self.0 >> 33) as f64 / (1u64 << 31) as f64));
        let was_at_work = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        was_at_work
    }
}

/// How many kills each of three commands undergoes; `KENNARD_KILLS=67` makes 201 of them.
fn kills() -> usize {
    std::env::var("KENNARD_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(15)
}

fn timed(mut command: Command) -> Duration {
    let begin = Instant::now();
    assert!(command.status().unwrap().success());
    begin.elapsed()
}

#[test]
fn kills_and_shards_do_not_change_a_byte() {
    let (whole, killed, merged) = (scratch("whole"), scratch("killed"), scratch("merged"));
    let text = |path: &Path| path.display().to_string();
    let full = timed(short(&[&text(&whole)]));
    let mut moments = Moments::new();
    let (mut met, mut finished) = (0, 0);
    for _ in 0..kills() {
        met += usize::from(moments.kill(short(&[&text(&killed), "--resume"]), full));
        // A run that has its results is begun anew.
        if killed.join("SHA256SUMS").exists() && !killed.join("journal.jsonl").exists() {
            assert_eq!(bytes(&whole, &RESULTS), bytes(&killed, &RESULTS));
            std::fs::remove_dir_all(&killed).unwrap();
            finished += 1;
        }
    }
    println!("{met} of {} kills met an audit at work, which finished {finished} times meanwhile", kills());
    assert!(short(&[&text(&killed), "--resume"]).status().unwrap().success());
    assert_eq!(bytes(&whole, &RESULTS), bytes(&killed, &RESULTS));
    assert_eq!(names(&whole), names(&killed), "nothing is left over");

    let shards: Vec<Scratch> = (1..=3).map(|i| scratch(&format!("shard-{i}"))).collect();
    for (i, shard) in (1..).zip(&shards) {
        assert!(short(&[&text(shard), "--shard", &format!("{i}/3")]).status().unwrap().success());
    }
    let merge = |out: &Path| {
        let mut command = silent(&["merge"]);
        command.arg(out).args(&shards);
        command
    };
    let full = timed(merge(&merged));
    let files = [&RESULTS[..], &["manifest.json", "summary.json", "SHA256SUMS"]].concat();
    let first = bytes(&merged, &files);
    let mut met = 0;
    for _ in 0..kills() {
        met += usize::from(moments.kill(merge(&merged), full));
    }
    println!("{met} of {} kills met a merge at work", kills());
    let output = merge(&merged).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bytes(&whole, &RESULTS), bytes(&merged, &RESULTS));
    assert_eq!(bytes(&merged, &files), first);
    assert_eq!(names(&whole), names(&merged), "nothing is left over");
    assert!(stdout(&output).contains("square"));
}

#[test]
fn kills_do_not_change_what_is_trained() {
    let (whole, killed) = (scratch("trained"), scratch("trained-killed"));
    let train = |out: &Path| {
        let mut command = silent(&["train", "--data", &fashion(), "--split", "test", "--samples", "300"]);
        command.args(["--arch", "cnn:2", "--epochs", "4", "--batch", "32", "--runtime", "rten", "--resume"]);
        command.arg("--out").arg(out);
        command
    };
    let full = timed(train(&whole));
    let mut moments = Moments::new();
    let met = (0..kills()).filter(|_| moments.kill(train(&killed), full.mul_f64(0.7))).count();
    println!("{met} of {} kills met a training at work", kills());
    assert!(train(&killed).status().unwrap().success());
    let files = ["best.onnx", "last.onnx", "checkpoints/epoch-0001.onnx", "checkpoints/epoch-0004.onnx"];
    assert!(bytes(&whole, &files) == bytes(&killed, &files));
    assert_eq!(names(&whole), names(&killed), "nothing is left over");
}

/// Files cannot grow beyond a limit, as on a disk that is full: wherever that strikes, the run fails and says so,
/// and goes on to the same bytes. The page belongs to what was asked for.
#[cfg(unix)]
#[test]
fn without_room_a_run_fails_and_says_so() {
    let (whole, place) = (scratch("roomy"), scratch("full"));
    let text = |path: &Path| path.display().to_string();
    assert!(short(&[&text(&whole)]).status().unwrap().success());
    let limited = |blocks: usize, out: &Path| {
        let run = short(&[&text(out), "--resume"]);
        // The signal is ignored, so that writing fails as it does on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(run.get_program()).args(run.get_args());
        command.output().unwrap()
    };
    let mut failed = 0;
    for blocks in [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1 << 20] {
        let output = limited(blocks, &place);
        let message = stderr(&output);
        let figures = place.join("summary.json").exists();
        match output.status.code() {
            Some(0) => assert!(figures && place.join("report.html").exists(), "{blocks}: {message}"),
            Some(1) => {
                failed += 1;
                assert!(message.contains("cannot be written"), "{blocks}: {message}");
            }
            other => panic!("{blocks}: {other:?}: {message}"),
        }
    }
    println!("{failed} of 11 runs had no room");
    assert!(failed >= 6);
    assert_eq!(bytes(&whole, &RESULTS), bytes(&place, &RESULTS));
    assert_eq!(names(&whole), names(&place), "nothing is left over");
    // The figures have room, the page has not.
    std::fs::remove_file(place.join("report.html")).unwrap();
    let output = limited(32, &place);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("report.html"));
}

#[test]
fn an_unfinished_run_is_neither_lost_nor_mixed_with_another() {
    let directory = scratch("unfinished");
    let text = directory.display().to_string();
    let mut child = long(&[&text]).spawn().unwrap();
    let journal = directory.join("journal.jsonl");
    while std::fs::metadata(&journal).map_or(0, |m| m.len()) == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Another process keeps off while this one works.
    let busy = long(&[&text, "--resume"]).stderr(Stdio::piped()).output().unwrap();
    let was_busy = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    let message = |words: &[&str]| {
        let output = long(&[&[text.as_str()], words].concat()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        stderr(&output)
    };
    if was_busy {
        assert!(stderr(&busy).contains("in use"));
        assert!(message(&[]).contains("--resume"));
        assert!(message(&["--resume", "--seed", "5"]).contains("seed is 0 there and 5 here"));
    }
}

/// Ctrl-C in the middle of the attacks: what is certain is said and kept, and a gate does not open.
#[cfg(unix)]
#[test]
fn an_interrupted_run_says_what_is_certain() {
    let directory = scratch("interrupted");
    let mut command = kennard(["audit", &fixture("fashion_cnn_robust.onnx"), "--data", &fashion()]);
    command.args(["--eps", "0.1", "--attack", "standard", "--threads", "1", "--runtime", "rten"]);
    command.args(["--require", "clean>=0.1", "--out"]).arg(&directory);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let attacked = || {
        let summary = kennard::audit::RunState::read(&directory).ok()?.outcome.summary;
        (summary.clean.pending == 0).then(|| summary.clean.correct - summary.robust.map_or(0, |r| r.pending))
    };
    let begin = SystemTime::now();
    while attacked().unwrap_or(0) < 10 && begin.elapsed().unwrap() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // `timeout` and batch systems signal a process and its group: this is one word, not two.
    for signal in ["-TERM", "-INT"] {
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let (screen, said) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(130), "{said}");
    let summary = read_json(directory.join("summary.json"));
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
