//! How the command behaves beside what it measures: outputs that close or fill up, odd paths and names, command lines
//! that make no sense, help, completions and man pages.

mod common;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kennard::data::npy;
use kennard_graph::Graph;

use common::{
    PROGRAM, Scratch, directory, fashion, fixture, kennard, refused, root, stderr, stdout, succeeds,
};

fn said(output: &Output) -> String {
    stdout(output) + &stderr(output)
}

/// Commands that measure and write, by their words; `OUT` is a directory or file of their own, `RUN` an earlier audit's,
/// `TRAINING` an earlier training's.
const COMMANDS: &[&str] = &[
    "audit MLP DATA --eps 0.1 --samples 4 --packet-samples 1000 --out OUT",
    "audit MLP DATA --eps 0.1 --samples 4 --packet-samples 0 --json --out OUT",
    "attack MLP DATA --eps 0.1 --samples 4 --out OUT",
    "train DATA --split test --arch mlp:4 --epochs 1 --samples 40 --out OUT",
    "track TRAINING DATA --split test --eps 0.1 --samples 4 --packet-samples 1000 --out OUT",
    "tradeoff SWEEP DATA --out OUT",
    "merge OUT RUN",
    "features MLP DATA --samples 2 --tensor relu1 --eps-relative 0.05 --out OUT",
    "probe MLP DATA --samples 4 --out OUT",
    "slice MLP DATA --scale 0.1 --out OUT",
    "uncertainty PLANE POINTS --scale 0.1 --centres 1 --accept-few --out OUT",
    "report RUN --out OUT",
    "inspect MLP",
    "inspect MLP --json",
    "grad MLP --out OUT",
    "man --out OUT",
    "man",
    "completions zsh",
    "audit --help",
    "--help",
    "--version",
    "audit MLP DATA",
];

/// Those that take long.
const LONG: &[&str] = &[
    "plane PLANE --problem moons --samples 20 --scale 0.2 --out OUT",
    "resolve MLP DATA --samples 20",
    "reproduce e4 --epochs 1 --samples 100 --out OUT",
];

struct Bench {
    scratch: Scratch,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { scratch: directory() };
        std::fs::write(
            bench.scratch.at("sweep.toml"),
            "[train]\nsplit = \"test\"\narch = \"mlp:4\"\nepochs = 1\nsamples = 40\neps = 0.1\n\n[audit]\nsamples = 4\n\
             packet-samples = 1000\n\n[[run]]\nname = \"one\"\n",
        )
        .unwrap();
        for (words, out) in [(COMMANDS[1], "run"), (COMMANDS[3], "training")] {
            succeeds(&mut kennard(bench.words(words, out)));
        }
        bench
    }

    fn words(&self, words: &str, out: &str) -> Vec<String> {
        let replaced = |word: &str| match word {
            "MLP" => vec![fixture("fashion_mlp.onnx")],
            "PLANE" => vec![fixture("plane_moons.onnx")],
            "DATA" => vec!["--data".into(), fashion()],
            "POINTS" => vec!["--data".into(), self.points()],
            "OUT" => vec![self.scratch.at(out)],
            "RUN" => vec![self.scratch.at("run")],
            "TRAINING" => vec![self.scratch.at("training")],
            "SWEEP" => vec![self.scratch.at("sweep.toml")],
            word => vec![word.into()],
        };
        words.split(' ').flat_map(replaced).collect()
    }

    /// Two points of a plane with a label each, in files of NumPy.
    fn points(&self) -> String {
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(self.scratch.at(name), bytes).unwrap();
        write("x.npy", npy(&[2], [0.3f32, 0.4, 0.6, 0.7].as_slice()));
        write("y.npy", npy(&[], [0i64, 1].as_slice()));
        format!("npz:{},{}", self.scratch.at("x.npy"), self.scratch.at("y.npy"))
    }

    /// The files under what a command wrote; JSON and Parquet are whole.
    fn files(&self, out: &str) -> Vec<String> {
        fn walk(path: &Path, root: &Path, files: &mut Vec<String>) {
            if path.is_dir() {
                for entry in std::fs::read_dir(path).unwrap() {
                    walk(&entry.unwrap().path(), root, files);
                }
            } else if path.exists() {
                let bytes = std::fs::read(path).unwrap();
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("json") => {
                        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
                    }
                    Some("parquet") => assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1")),
                    Some("onnx") => {
                        Graph::from_bytes(&bytes).unwrap();
                    }
                    _ => assert!(path.ends_with("lock") || !bytes.is_empty(), "{}", path.display()),
                }
                files.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
        let mut files = Vec::new();
        walk(&self.scratch.join(out), &self.scratch.join(out), &mut files);
        files.sort();
        files
    }

    fn remove(&self, out: &str) {
        let path = self.scratch.join(out);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
}

/// Neither a panic nor a signal, but a status that is documented.
fn ended(words: &str, how: &str, status: std::process::ExitStatus) -> i32 {
    let code = status.code();
    assert!([0, 1, 2].map(Some).contains(&code), "{words}, {how}: {status}");
    code.unwrap()
}

/// Runs with standard output or standard error read up to a random byte, or not at all; the bytes are seeded.
#[cfg(unix)]
#[test]
fn nobody_needs_to_read_what_a_command_says() {
    let bench = Bench::new();
    let mut random = 1927_u32;
    for words in COMMANDS {
        let whole = kennard(bench.words(words, "whole")).output().unwrap();
        let code = ended(words, "read", whole.status);
        let files = bench.files("whole");
        for (stream, length) in [("output", whole.stdout.len()), ("error", whole.stderr.len())] {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (random >> 8) as usize % (length + 1);
            let mut command = kennard(bench.words(words, "cut"));
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // Of the other nothing is read.
            let (out, error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
            let mut read = vec![0; at];
            if stream == "output" {
                drop(error);
                let _ = { out }.read_exact(&mut read);
            } else {
                drop(out);
                let _ = { error }.read_exact(&mut read);
            }
            let how = format!("standard {stream} closed at byte {at}");
            assert_eq!(ended(words, &how, child.wait().unwrap()), code, "{words}, {how}");
            assert_eq!(bench.files("cut"), files, "{words}, {how}");
            bench.remove("cut");
        }
        bench.remove("whole");
    }
}

/// Standard output that is full is an error, of which standard error tells; a full standard error, and closed streams,
/// are not.
#[cfg(target_os = "linux")]
#[test]
fn full_and_closed_outputs_do_not_harm_a_run() {
    let bench = Bench::new();
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    for words in COMMANDS {
        let whole = kennard(bench.words(words, "whole")).output().unwrap();
        let code = ended(words, "read", whole.status);
        let files = bench.files("whole");

        let output = kennard(bench.words(words, "full")).stdout(full()).output().unwrap();
        let expected = if whole.stdout.is_empty() { code } else { 1 };
        assert_eq!(ended(words, "full", output.status), expected, "{words}: {}", said(&output));
        let told = said(&output).contains("standard output cannot be written: No space left");
        assert_eq!(told, !whole.stdout.is_empty(), "{words}: {}", said(&output));
        assert_eq!(bench.files("full"), files, "{words}");

        let both = kennard(bench.words(words, "both")).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(ended(words, "both full", both), expected, "{words}");
        assert_eq!(bench.files("both"), files, "{words}");

        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", PROGRAM]);
        let closed = shell.args(bench.words(words, "closed")).status().unwrap();
        assert_eq!(ended(words, "closed", closed), code, "{words}");
        assert_eq!(bench.files("closed"), files, "{words}");
        for out in ["whole", "full", "both", "closed"] {
            bench.remove(out);
        }
    }
    for words in LONG {
        let both = kennard(bench.words(words, "long")).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(ended(words, "both full", both), 1, "{words}");
        assert_eq!(bench.files("long").is_empty(), !words.contains("OUT"), "{words}");
        bench.remove("long");
    }
}

/// Nothing but results, warnings and errors under `--quiet`, wherever it stands.
#[test]
fn quiet_leaves_out_notes() {
    let bench = Bench::new();
    for words in ["-q inspect MLP", "grad MLP --out OUT --quiet", "report RUN -o OUT -q"] {
        let output = kennard(bench.words(words, "out")).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{words}: {}", said(&output));
        bench.remove("out");
    }
}

/// A path is a sequence of bytes. The record keeps what can be written of it.
#[cfg(target_os = "linux")]
#[test]
fn paths_need_not_be_text() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let scratch = directory();
    let odd = |name: &[u8]| OsString::from_vec([scratch.at("").as_bytes(), b"od\xffd ", name].concat());
    let (model, out) = (odd(b"m.onnx"), odd(b"out"));
    std::fs::copy(fixture("fashion_mlp.onnx"), &model).unwrap();
    let data = fashion();
    let words = |words: &str| -> Vec<OsString> {
        let word = |word: &str| match word {
            "MODEL" => model.clone(),
            "OUT" => out.clone(),
            "PAGE" => odd(b"page.html"),
            "DATA" => (&data).into(),
            word => word.into(),
        };
        words.split(' ').map(word).collect()
    };
    for line in [
        "audit MODEL --data DATA --eps 0.1 --samples 4 --packet-samples 1000 --out OUT",
        "report OUT --out PAGE",
        "attack MODEL --data DATA --eps 0.1 --samples 4 --out OUT",
        "inspect MODEL --json",
        "inspect MODEL",
        "probe MODEL --data DATA --samples 4 --out OUT",
        "slice MODEL --data DATA --scale 0.1 --out OUT",
        "uncertainty MODEL --data DATA --scale 0.002 --centres 1 --accept-few --out OUT",
        "audit MODEL --data DATA --eps 0.1 --samples 4 --packet-samples 0 --transfer MODEL",
    ] {
        succeeds(&mut kennard(words(line)));
        if !line.starts_with("audit MODEL --data DATA --eps 0.1 --samples 4 --packet-samples 1000") {
            let _ = std::fs::remove_dir_all(&out);
        }
    }
    let train = "train --init MODEL --data DATA --split test --epochs 1 --samples 40 --out OUT";
    succeeds(&mut kennard(words(train)));
    let track = "track OUT --data DATA --split test --eps 0.1 --samples 4 --packet-samples 1000";
    succeeds(&mut kennard(words(track)));
    // What must be text says so.
    let output =
        kennard([&words("audit MODEL --eps 0.1 --data")[..], &[odd(b"x.npz")]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

/// Whoever names a node, a file or a class cannot write on the reader's terminal.
#[cfg(unix)]
#[test]
fn names_do_not_steer_the_terminal() {
    let scratch = directory();
    let evil = "a\x1b]0;owned\x07\x1b[2J\u{9b}31m\r\nrobust 100 %\u{202e}z";
    let mut graph = Graph::load(fixture("fashion_mlp.onnx")).unwrap();
    for node in &mut graph.nodes {
        node.name = format!("{evil}{}", node.name);
    }
    let model = scratch.join(evil.replace('\n', "")).with_extension("onnx").display().to_string();
    graph.save(&model).unwrap();
    let data = fashion();
    let out = scratch.at(&evil.replace(['\n', '/'], ""));
    let audit = ["audit", &model, "--data", &data, "--eps", "0.1", "--samples", "4", "--packet-samples", "0"];
    for words in [
        &["inspect", model.as_str()][..],
        &["inspect", &model, "--json"],
        &["grad", &model, "--out", &out],
        &["grad", &model, "--out", &out, "--of", evil],
        &audit,
        &[&audit[..], &["--json"]].concat(),
        &[&audit[..], &["--attack", evil]].concat(),
        &[&audit[..], &["--config", evil]].concat(),
        &["audit", evil, "--data", &data, "--eps", "0.1"],
        &["inspect", evil],
        &[evil],
        &["features", &model, "--data", &data, "--tensor", evil, "--eps-relative", "0.1"],
        &["report", evil],
    ] {
        let output = kennard(words).output().unwrap();
        let text = said(&output);
        let steering = |c: &char| c.is_control() && !"\n\t".contains(*c) || *c == '\u{202e}';
        assert_eq!(text.chars().find(steering), None, "{words:?}: {text:?}");
        // Nor forge a line of a table.
        assert!(
            words.contains(&evil) || !text.lines().any(|line| line.starts_with("robust 100 %")),
            "{text}"
        );
        if words.contains(&"--json") {
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
        }
        let _ = std::fs::remove_file(&out);
    }
}

/// Runs a command line that makes no sense; its message has all of `says`.
fn senseless(words: &str, says: &[&str]) {
    refused(&mut kennard(words.split(' ')), 2, says);
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    senseless("audit", &["--data", "--eps", "<MODEL>"]);
    senseless("audit m.onnx", &["--data", "--eps"]);
    senseless("attack", &["--data", "--eps", "--out", "<MODEL>"]);
    senseless("train", &["--data", "--arch", "--out"]);
    senseless("uncertainty", &["--data", "--scale", "<MODEL>"]);
    senseless("uncertainty m.onnx --packet data", &["--data", "--scale"]);
    senseless("reproduce e1", &["--data", "--out"]);
    senseless("features", &["--data", "--tensor", "--eps-relative", "<MODEL>"]);
    senseless("merge only", &["--out"]);
    let scratch = directory();
    let file = scratch.at("settings.toml");
    std::fs::write(&file, "seed = 3\n").unwrap();
    senseless(&format!("audit m.onnx --config {file}"), &["--data", "--eps"]);
    senseless(&format!("attack m.onnx --config {file}"), &["--data", "--eps", "--out"]);
    senseless(&format!("attack m.onnx --config {file} --data mnist:x"), &["--eps", "--out"]);
}

#[test]
fn slips_are_met_with_what_was_meant() {
    senseless("audti", &["audit"]);
    senseless("audit m.onnx --data mnist:x --epss 0.1", &["--eps"]);
    senseless("audit m.onnx --data minst:x --eps 0.1", &["did you mean `mnist`"]);
    senseless("audit m.onnx --data mnist:x --eps 0.1 --attack pdg", &["did you mean pgd"]);
    senseless("audit m.onnx --data mnist:x --eps 0.1 --attack standart", &["did you mean standard"]);
    senseless("audit m.onnx --data mnist:x --minimal fba", &["fab"]);
    senseless("audit m.onnx --data mnist:x --eps 0.1 --split tset", &["test"]);
    senseless("audit m.onnx --data mnist:x --eps 0.1 --runtime ort", &["onnxruntime"]);
    senseless("audit m.onnx --data mnist:x --eps 0.1 --norm l7", &["linf"]);
    senseless("probe m.onnx --data minst:x", &["did you mean `mnist`"]);
    for command in [
        "audit m.onnx --data mnist:x --eps 0.1",
        "train --data mnist:x --arch cnn --out o",
        "probe m.onnx --data mnist:x",
    ] {
        for threads in ["0", "100000", "many"] {
            senseless(&format!("{command} --threads {threads}"), &["--threads"]);
        }
    }
}

/// What attack shares with audit, and does not do, it neither lists nor takes.
#[test]
fn attack_measures_no_packets() {
    let line = "attack m.onnx --data mnist:x --eps 0.1 --out o";
    senseless(&format!("{line} --packet-samples 50"), &["--packet-samples", "kennard audit"]);
    senseless(&format!("{line} --temperature 2"), &["--temperature", "kennard audit"]);
    let help = stdout(&succeeds(&mut kennard(["attack", "--help"])));
    assert!(!help.contains("--packet-samples") && !help.contains("report.html"), "{help}");
    assert!(help.contains("adversarials.npz"), "{help}");
}

/// Numbers below zero need no `=`, and bounds are written in one way.
#[test]
fn negative_numbers_are_numbers() {
    let model = fixture("fashion_mlp.onnx");
    let data = format!("--data {}", fashion());
    for line in [
        format!("audit {model} {data} --eps 0.1 --samples 2 --packet-samples 0 --bounds -1,1"),
        format!("audit {model} {data} --eps 0.1 --samples 2 --packet-samples 0 --bounds=-1,1"),
        format!(
            "audit {model} {data} --eps 0.1 --samples 2 --packet-samples 0 --bounds -1,1 --mean -0.5 --std 0.5"
        ),
        format!("probe {model} {data} --samples 2 --mean -.5 --std 1e-1"),
        format!("features {model} {data} --samples 2 --tensor relu1 --eps-relative 0.1 --bounds -1,1"),
    ] {
        succeeds(&mut kennard(line.split(' ')));
    }
    // Each says what is wrong with a negative number, and none takes it for an option.
    for line in [
        format!("audit {model} {data} --eps -8/255"),
        format!("features {model} {data} --samples 2 --tensor relu1 --eps-relative -0.1,0.1"),
        format!("slice {model} {data} --scale -0.1"),
        format!("plane {} --problem moons --noise -0.1", fixture("plane_moons.onnx")),
    ] {
        let output = kennard(line.split(' ')).output().unwrap();
        assert!([1, 2].map(Some).contains(&output.status.code()), "{line}: {}", said(&output));
        assert!(!said(&output).contains("unexpected argument"), "{line}: {}", said(&output));
    }
    for command in ["audit m.onnx --data mnist:x --eps 0.1", "train --data mnist:x --arch cnn --out o"] {
        for bounds in ["-1", "0,1,2", "0,x", "0 1"] {
            senseless(&format!("{command} --bounds {bounds}"), &[]);
        }
    }
}

/// The help of all commands, by their names.
fn helps() -> Vec<(String, String)> {
    let help = |words: &[&str]| stdout(&succeeds(kennard(words).env("COLUMNS", "90")));
    let whole = help(&["--help"]);
    let commands = whole.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names =
        commands.lines().filter(|line| !line.starts_with("   ")).map(|line| line.split_whitespace().next());
    let names = names.map(|name| name.unwrap().to_string()).filter(|name| name != "help");
    names.map(|name| (name.clone(), help(&[&name, "--help"]))).collect()
}

#[test]
fn help_is_grouped_wrapped_and_of_one_mind() {
    let helps = helps();
    assert!(helps.len() >= 19, "{helps:?}");
    for (name, help) in &helps {
        assert!(help.contains("Examples:\n  kennard "), "{name} has no example");
        assert!(
            help.lines().all(|line| line.starts_with("Usage:") || line.chars().count() <= 90),
            "{name}: {help}"
        );
        // A file or directory to write has one name.
        assert!(!help.contains("--output <FILE") && !help.contains("--output <DIR"), "{name}");
        assert!(!help.contains("--out ") || help.contains("-o, --out "), "{name}: {help}");
    }
    let audit = &helps.iter().find(|(name, _)| name == "audit").unwrap().1;
    for heading in ["Model", "Data", "Threat", "Attacks", "Packets", "Run", "Output"] {
        assert!(audit.contains(&format!("\n{heading}:\n")), "{audit}");
    }
    let whole = kennard(["--help"]).output().unwrap();
    for status in ["  0    ", "  1    ", "  2    ", "  3    ", "  130  "] {
        assert!(said(&whole).contains(&format!("\n{status}")), "{status}");
    }
}

/// Examples that name files of the repository run; a word in capitals stands for something of the reader's.
#[cfg(unix)]
#[test]
fn examples_run() {
    let scratch = directory();
    let root = root().canonicalize().unwrap();
    std::os::unix::fs::symlink(root.join("fixtures"), scratch.join("fixtures")).unwrap();
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (name, help) in helps() {
        let examples = help.split("Examples:\n").nth(1).unwrap().replace("\\\n", "");
        for line in examples.lines().map(str::trim) {
            let stands_for = |word: &str| {
                word.len() > 2
                    && word.contains(|c: char| c.is_ascii_uppercase())
                    && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
            };
            if line.split([' ', ':', '.']).any(stands_for) {
                continue;
            }
            let mut shell = Command::new("sh");
            shell.args(["-ec", line]).current_dir(&scratch).env("PATH", &path).env("HOME", &scratch);
            std::fs::create_dir_all(scratch.join(".local/share/bash-completion/completions")).unwrap();
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{name}: {line}\n{}", said(&output));
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} examples run");
}

#[test]
fn shells_and_pagers_know_every_command() {
    let scratch = directory();
    let names: Vec<String> = helps().into_iter().map(|(name, _)| name).collect();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&succeeds(&mut kennard(["completions", shell])));
        assert!(names.iter().all(|name| script.contains(name.as_str())), "{shell}");
        assert!(script.contains("packet-samples"), "{shell}");
    }
    succeeds(&mut kennard(["man", "--out", &scratch.at("man1")]));
    let first = std::fs::read_to_string(scratch.at("man1/kennard.1")).unwrap();
    assert!(first.contains("Exit status"), "{first}");
    let shown = stdout(&succeeds(&mut kennard(["man"])));
    assert_eq!(shown, first.trim_end().to_string() + "\n");
    for name in &names {
        let page = std::fs::read_to_string(scratch.at(&format!("man1/kennard-{name}.1"))).unwrap();
        assert!(page.starts_with(".ie") && page.contains(".TH") && page.contains("Examples"), "{name}");
        assert!(first.contains(&format!("kennard\\-{name}(1)")), "{name}: {first}");
    }
}

/// `kennard 0.1.0 (abc1234), rten 0.27.0, ONNX Runtime …`
#[test]
fn the_version_says_what_runs_models() {
    let output = kennard(["--version"]).output().unwrap();
    let text = said(&output);
    let rest = text.strip_prefix(&format!("kennard {}", env!("CARGO_PKG_VERSION"))).unwrap();
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short=7", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let commit = git.output().ok().filter(|output| output.status.success());
    if let Some(commit) = commit {
        let commit = String::from_utf8(commit.stdout).unwrap();
        assert!(rest.starts_with(&format!(" ({}), rten ", commit.trim())), "{text}");
    }
    assert!(text.contains(", ONNX Runtime "), "{text}");
    let without = kennard(["-V"]).env("ORT_DYLIB_PATH", "/nowhere").output().unwrap();
    assert!(said(&without).ends_with("ONNX Runtime not found\n"), "{}", said(&without));
}

/// What is published says on what terms.
#[test]
fn every_package_carries_its_licences() {
    let root = root();
    for name in ["kennard-graph", "kennard-runtime", "kennard", "kennard-cli"] {
        for (file, says) in [("LICENSE-MIT", "MIT License"), ("LICENSE-APACHE", "Apache License")] {
            let text = std::fs::read_to_string(root.join("crates").join(name).join(file)).unwrap();
            assert!(text.contains(says) && text.contains("2026 The Kennard developers"), "{name}: {file}");
            assert_eq!(text, std::fs::read_to_string(root.join(file)).unwrap());
        }
        let list = Command::new(env!("CARGO"))
            .args(["package", "--list", "--allow-dirty", "--offline", "--package", name])
            .current_dir(&root)
            .output()
            .unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(list.contains("LICENSE-APACHE\nLICENSE-MIT\n"), "{name}: {list}");
    }
}

/// Models of other kinds are named, with the lines that export them.
#[test]
fn other_models_are_met_with_the_way_to_export_them() {
    let scratch = directory();
    for (name, bytes, says) in [
        (
            "net.pth",
            &b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."[..],
            "torch.onnx.export(model, (example,), \"model.onnx\"",
        ),
        ("net.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0", "keras.models.load_model"),
        ("net.pkl", b"\x80\x04\x95\0\0", "skl2onnx"),
        ("net.tflite", b"\x1c\0\0\0TFL3\x14\0", "tf2onnx"),
        ("net.onnx", b"", "empty"),
    ] {
        std::fs::write(scratch.at(name), bytes).unwrap();
        let output = kennard(["inspect", &scratch.at(name)]).output().unwrap();
        let text = said(&output);
        assert!(output.status.code() == Some(1) && text.contains(says) && text.contains(name), "{text}");
    }
    let output = kennard(["inspect", &scratch.at("")]).output().unwrap();
    assert!(output.status.code() == Some(1) && said(&output).contains("is a directory"), "{}", said(&output));
}
