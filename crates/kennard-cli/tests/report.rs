//! Pages of runs: the figures on them, what they withstand, and `kennard watch`.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use common::{PROGRAM, directory, fashion, fixture, kennard, read_json, shared, stderr, stdout, succeeds};

fn audit(model: &str, out: &str, words: &[&str]) -> Command {
    let mut command = kennard(["audit", model, "--data", &fashion(), "--runtime", "rten", "--out", out]);
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn quick(model: &str, out: &str) {
    let words =
        ["--eps", "0.05", "--samples", "60", "--minimal", "fab", "--steps", "5", "--packet-samples", "0"];
    assert!(audit(&fixture(model), out, &words).status().unwrap().success());
}

fn report(words: &[&str]) -> Output {
    kennard(["report"]).args(words).output().unwrap()
}

/// What a page shows.
fn shown(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn copy(from: &str, to: &str) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), Path::new(to).join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_page_has_the_figures_of_the_summary() {
    let scratch = directory();
    let run = scratch.at("run");
    quick("fashion_cnn_robust.onnx", &run);
    let page = std::fs::read_to_string(scratch.at("run/report.html")).unwrap();
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
    assert!(page.contains("connect-src &#39;none&#39;") && page.contains("default-src &#39;none&#39;"));
    let document = shown(&page);
    let shown = &document["runs"][0];
    let summary = read_json(scratch.at("run/summary.json"));
    assert_eq!(shown["summary"], summary);
    assert_eq!(shown["manifest"], read_json(scratch.at("run/manifest.json")));
    assert_eq!(shown["stage"], "finished");
    let sum = |of: &Value| of.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let classes = &shown["classes"];
    assert_eq!(sum(&classes["samples"]), 60);
    assert_eq!(Value::from(sum(&classes["correct"])), summary["clean"]["correct"]);
    assert_eq!(Value::from(sum(&classes["robust"])), summary["robust"]["robust"]);
    let counts = |key: &str, right: bool| -> u64 {
        let cells = classes[key].as_array().unwrap().iter();
        cells.filter(|c| (c[0] == c[1]) == right).map(|c| c[2].as_u64().unwrap()).sum()
    };
    assert_eq!(Value::from(counts("confusion", true)), summary["clean"]["correct"]);
    assert_eq!(Value::from(counts("confusion_under_attack", true)), summary["robust"]["robust"]);
    let distances = &shown["distances"];
    let none = distances["none"].as_u64().unwrap();
    assert_eq!(sum(&distances["counts"]) + distances["zero"].as_u64().unwrap() + none, 60);
    assert_eq!(distances["zero"], 60 - summary["clean"]["correct"].as_u64().unwrap());
    assert_eq!(shown["samples"]["index"].as_array().unwrap().len(), 60);
    let examples = shown["examples"].as_array().unwrap();
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for example in examples {
        assert_ne!(example["label"], example["prediction"]);
        assert!(example["picture"].as_str().unwrap().starts_with("data:image/png;base64,"));
    }

    // Another directory of the same model joins it.
    let packets = scratch.at("packets");
    let words = ["--scale", "0.02,0.05", "--centres", "2", "--runtime", "rten", "--out", &packets];
    let model = fixture("fashion_cnn_robust.onnx");
    succeeds(kennard(["uncertainty", &model, "--data", &fashion()]).args(words));
    let alone = self::shown(&std::fs::read_to_string(scratch.at("packets/report.html")).unwrap());
    assert_eq!(alone["runs"][0]["surveys"][0]["summary"], read_json(scratch.at("packets/summary.json")));
    let page = scratch.at("both.html");
    assert!(report(&[&run, &packets, "-o", &page]).status.success());
    let both = self::shown(&std::fs::read_to_string(&page).unwrap());
    assert_eq!(both["runs"].as_array().unwrap().len(), 1);
    assert_eq!(both["runs"][0]["surveys"][0]["maps"].as_array().unwrap().len(), 2 * (2 + 4));
}

#[test]
fn runs_are_compared_sample_by_sample() {
    let scratch = directory();
    for (model, layers) in [("fashion_cnn_robust.onnx", 50), ("fashion_mlp.onnx", 18)] {
        quick(model, &scratch.at(&format!("runs/resnet{layers}")));
    }
    let page = scratch.at("page.html");
    let output = report(&[&scratch.at("runs"), "-o", &page]);
    assert!(output.status.success(), "{}", stderr(&output));
    let document = shown(&std::fs::read_to_string(&page).unwrap());
    let (runs, comparison) = (&document["runs"], &document["comparison"]);
    // In the order of names. These are two networks: that the names end with numbers makes no epochs of them.
    assert_eq!([&runs[0]["name"], &runs[1]["name"]], ["resnet18", "resnet50"]);
    assert_eq!(comparison["series"], serde_json::json!([]));
    assert_eq!(comparison["notes"], serde_json::json!([]));
    let pair = &comparison["pairs"][0];
    assert_eq!(pair["samples"], 60);
    for (figure, count, at) in [("clean", "correct", "clean"), ("robust", "robust", "robust")] {
        let difference = &pair[figure];
        let of = |run: usize| runs[run]["summary"][at][count].as_i64().unwrap();
        let more = difference["only_other"].as_i64().unwrap() - difference["only_first"].as_i64().unwrap();
        assert_eq!(more, of(1) - of(0), "{figure}");
        let [low, value, high] =
            [&difference["interval"][0], &difference["difference"], &difference["interval"][1]]
                .map(|v| v.as_f64().unwrap());
        assert!(low <= value && value <= high && (value - more as f64 / 60.0).abs() < 1e-12);
        assert!((0.0..=1.0).contains(&difference["p"].as_f64().unwrap()));
    }
    assert!(comparison["plane"].as_array().unwrap().iter().any(|point| point["pareto"] == true));

    // Fewer samples: differences are of those in both, and that is said.
    let fewer = scratch.at("fewer");
    let words = ["--eps", "0.05", "--samples", "25", "--attack", "pgd", "--packet-samples", "0"];
    assert!(audit(&fixture("fashion_cnn.onnx"), &fewer, &words).status().unwrap().success());
    let output = report(&[&scratch.at("runs/resnet18"), &fewer, "-o", &page]);
    assert!(output.status.success(), "{}", stderr(&output));
    let comparison = shown(&std::fs::read_to_string(&page).unwrap())["comparison"].clone();
    let both = comparison["pairs"][0]["samples"].as_u64().unwrap();
    assert!((1..=25).contains(&both), "{both}");
    let notes = comparison["notes"].to_string();
    assert!(notes.contains(&format!("60 and 25 samples, {both} of them in both")), "{notes}");
}

/// Checkpoints that `kennard track` audits are epochs of one training, in the order of their numbers and not of their
/// names, whatever they are called.
#[test]
fn a_table_for_a_paper_has_the_figures_of_the_summaries() {
    let scratch = directory();
    quick("fashion_cnn_robust.onnx", &scratch.at("all/a"));
    quick("fashion_mlp.onnx", &scratch.at("all/b"));
    let table = |format: &str| {
        let output = report(&[&scratch.at("all"), "--table", format]);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let (markdown, latex) = (table("markdown"), table("latex"));
    let hundred = |share: &Value| format!("{:.2}", 100.0 * share.as_f64().unwrap());
    for run in ["a", "b"] {
        let summary = read_json(scratch.at(&format!("all/{run}/summary.json")));
        for part in [&summary["clean"]["accuracy"], &summary["robust"]["robust_accuracy"]] {
            assert!(markdown.contains(&hundred(part)) && latex.contains(&hundred(part)), "{markdown}{latex}");
        }
        let [low, high] = [0, 1].map(|end| hundred(&summary["robust"]["interval"][end]));
        assert!(markdown.contains(&format!("[{low}, {high}]")), "{markdown}");
    }
    assert!(
        latex.contains(r"fashion\_mlp.onnx & fashion-mnist (test) & 60 & $\ell_\infty \le 0.05$"),
        "{latex}"
    );
    assert!(markdown.contains(env!("CARGO_PKG_VERSION")) && markdown.contains("fab (minimum norm)"));

    // Of files of one name the rows say which is which.
    std::fs::create_dir_all(scratch.at("nets/one")).unwrap();
    std::fs::create_dir_all(scratch.at("nets/two")).unwrap();
    for (net, model) in [("one", "fashion_mlp.onnx"), ("two", "fashion_cnn.onnx")] {
        std::fs::copy(fixture(model), scratch.at(&format!("nets/{net}/last.onnx"))).unwrap();
        let out = scratch.at(&format!("sweep/{net}"));
        let words = ["--attack", "none", "--eps", "0.05", "--samples", "4", "--packet-samples", "0"];
        assert!(
            audit(&scratch.at(&format!("nets/{net}/last.onnx")), &out, &words).status().unwrap().success()
        );
    }
    let sweep = report(&[&scratch.at("sweep"), "--table", "markdown"]);
    let sweep = String::from_utf8(sweep.stdout).unwrap();
    assert!(sweep.contains("last.onnx (one)") && sweep.contains("last.onnx (two)"), "{sweep}");

    let file = scratch.at("table.tex");
    assert!(report(&[&scratch.at("all"), "--table", "latex", "--out", &file]).status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), latex);
    let document = format!(
        "\\documentclass{{article}}\\usepackage[T1]{{fontenc}}\\usepackage{{booktabs}}\\begin{{document}}\n{latex}\\end{{document}}\n"
    );
    std::fs::write(scratch.at("paper.tex"), document).unwrap();
    let mut compiler = Command::new("pdflatex");
    compiler.args(["-halt-on-error", "paper.tex"]).current_dir(&scratch).stdout(Stdio::null());
    match compiler.status() {
        Ok(status) => assert!(status.success(), "{latex}"),
        Err(_) => println!("skipped: there is no pdflatex to compile the table with"),
    }
}

/// Attacks that are not as usual are named with what is other about them: in the table, in its sentence, on the screen and
/// in the summary.
#[test]
fn attacks_are_cited_with_what_is_not_as_usual() {
    let scratch = directory();
    let cited = |name: &str, words: &[&str]| -> (String, Value) {
        let out = scratch.at(name);
        let usual = ["--samples", "8", "--packet-samples", "0"];
        let mut command = audit(&fixture("fashion_mlp.onnx"), &out, &[&usual[..], words].concat());
        let screen = command.stdout(Stdio::piped()).output().unwrap();
        assert!(screen.status.success(), "{words:?}");
        let table = report(&[&out, "--table", "markdown"]);
        (stdout(&screen) + &stdout(&table), read_json(scratch.at(&format!("{name}/summary.json"))))
    };
    let at = ["--eps", "0.05", "--attack"];
    for (name, words, said) in [
        ("malt", &["malt", "--budget", "5"][..], "malt with at most 5 passes per sample"),
        (
            "steps",
            &["pgd", "--steps", "1", "--minimal", "fmn"][..],
            "pgd with 1 step, fmn (minimum norm) with 1 step",
        ),
        (
            "standard",
            &["standard", "--budget", "5"][..],
            "apgd-ce, apgd-t, fab-t, square, each with at most 5 passes per sample",
        ),
    ] {
        let (text, summary) = cited(name, &[&at[..], words].concat());
        assert_eq!(text.matches(said).count(), 3, "{said}: {text}");
        assert!(text.contains(&format!("attack   {said}\n")), "{text}");
        let budget = if name == "steps" { Value::Null } else { Value::from(5) };
        assert_eq!(summary["budget"], budget, "{summary}");
    }
    let (text, summary) = cited("usual", &[&at[..], &["pgd"]].concat());
    assert!(
        text.contains("| pgd | ") && text.contains("(pgd; seed 0)") && !text.contains("attack   "),
        "{text}"
    );
    assert_eq!(summary["attacks"][0].get("changed"), None);

    // Of a minimum-norm attack alone the robust accuracy has no other row.
    let minimal = ["--norm", "l2", "--eps", "0.05", "--attack", "none", "--minimal", "fab", "--steps", "3"];
    let (text, summary) = cited("minimal", &minimal);
    let robust = 100.0 * summary["robust"]["robust_accuracy"].as_f64().unwrap();
    assert!(text.contains("\nrobust ") && text.contains(&format!("{robust:.2} %")), "{text}");
}

#[test]
fn every_command_that_writes_figures_leaves_a_page() {
    let scratch = directory();
    let (plane, mlp) = (fixture("plane_moons.onnx"), fixture("fashion_mlp.onnx"));
    let commands: [&[&str]; 4] = [
        &["plane", &plane, "--problem", "moons", "--samples", "50", "--scale", "0.1"],
        &["slice", &mlp, "--scale", "0.1"],
        &["resolve", &mlp, "--samples", "40"],
        &["features", &mlp, "--tensor", "relu1", "--eps-relative", "0.1", "--samples", "8"],
    ];
    for words in commands {
        let out = scratch.at(words[0]);
        let mut command = kennard(words);
        if words[0] != "plane" {
            command.args(["--data", &fashion()]);
        }
        succeeds(command.args(["--runtime", "rten", "--out", &out]));
        let path = scratch.at(&format!("{}/report.html", words[0]));
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.len() < 3 << 20 && page.contains("default-src &#39;none&#39;"));
        let view = &shown(&page)["sheets"][0];
        let sheet = &view["sheet"];
        assert!(sheet["finished"] == true && !sheet["key"].as_array().unwrap().is_empty(), "{sheet}");
        assert_eq!(sheet["command"][1], words[0]);
        assert!(view["pictures"].as_object().unwrap().values().all(Value::is_string), "{view}");
        // The same page again, from the directory.
        assert!(report(&[&out, "--out", &scratch.at("again.html")]).status.success());
        assert_eq!(std::fs::read_to_string(scratch.at("again.html")).unwrap(), page);
    }
    // The figures are those of the summary.
    let accuracy = read_json(scratch.at("features/summary.json"))["clean"]["accuracy"].as_f64().unwrap();
    let page = std::fs::read_to_string(scratch.at("features/report.html")).unwrap();
    let tile = &shown(&page)["sheets"][0]["sheet"]["key"][0];
    assert_eq!(tile["figure"], format!("{:.2} %", 100.0 * accuracy));
    // All of them on one page.
    let page = scratch.at("all.html");
    assert!(report(&[&scratch.display().to_string(), "--out", &page]).status.success());
    assert_eq!(shown(&std::fs::read_to_string(page).unwrap())["sheets"].as_array().unwrap().len(), 4);
}

/// A page holds what a directory says as text, and of files only pictures of the directory itself.
#[test]
fn a_hostile_sheet_stays_text() {
    let scratch = directory();
    let hostile = "</script><img src=x onerror=alert(1)>";
    let out = scratch.at("run");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(scratch.at("secret.png"), b"\x89PNG\r\n\x1a\n secret").unwrap();
    std::fs::write(scratch.at("run/not.png"), b"no picture").unwrap();
    let picture = |file: &str| serde_json::json!({ "part": "picture", "file": file, "caption": hostile });
    let sheet = serde_json::json!({
        "title": hostile, "what": hostile, "command": [hostile], "kennard": hostile, "finished": true, "audits": false,
        "key": [{ "name": hostile, "figure": hostile, "range": null }],
        "sections": [{ "title": hostile, "parts": [
            { "part": "note", "text": hostile }, { "part": "table", "header": [hostile], "rows": [[hostile]] },
            picture("../secret.png"), picture("/etc/passwd"), picture("not.png"), picture(".."),
        ] }],
        "warnings": [],
    });
    std::fs::write(scratch.at("run/page.json"), sheet.to_string()).unwrap();
    assert!(report(&[&out, "--out", &scratch.at("page.html")]).status.success());
    let page = std::fs::read_to_string(scratch.at("page.html")).unwrap();
    assert!(!page.contains(hostile));
    let view = &shown(&page)["sheets"][0];
    assert_eq!(view["sheet"], sheet);
    assert!(view["pictures"].as_object().unwrap().values().all(Value::is_null), "{view}");

    std::fs::write(scratch.at("run/page.json"), "{\"title\": ").unwrap();
    let refused = report(&[&out, "--out", &scratch.at("page.html")]);
    let message = stderr(&refused);
    assert!(!refused.status.success() && message.contains("page.json"), "{message}");
}

/// What an experiment that was stopped has done is on its page.
#[test]
fn an_unfinished_sheet_has_the_audits_within() {
    let scratch = directory();
    quick("fashion_mlp.onnx", &scratch.at("run/net/audit"));
    let mut sheet = serde_json::json!({
        "title": "sweep", "what": "", "command": [], "kennard": "0", "finished": false, "audits": false, "key": [],
        "sections": [], "warnings": [],
    });
    let mut runs = |finished: bool| {
        sheet["finished"] = finished.into();
        std::fs::write(scratch.at("run/page.json"), sheet.to_string()).unwrap();
        assert!(report(&[&scratch.at("run"), "--out", &scratch.at("page.html")]).status.success());
        shown(&std::fs::read_to_string(scratch.at("page.html")).unwrap())["runs"].as_array().unwrap().len()
    };
    assert_eq!((runs(false), runs(true)), (1, 0));
}

#[test]
fn checkpoints_of_a_run_are_its_epochs() {
    let scratch = directory();
    std::fs::create_dir_all(scratch.at("nets")).unwrap();
    for (i, model) in ["fashion_mlp.onnx", "fashion_cnn.onnx", "fashion_cnn_robust.onnx"].iter().enumerate() {
        std::fs::copy(fixture(model), scratch.at(&format!("nets/net{}.onnx", [2, 10, 1][i]))).unwrap();
    }
    let mut track = kennard(["track", &scratch.at("nets"), "--data", &fashion(), "--eps", "0.05"]);
    track.args(["--samples", "20", "--steps", "2", "--packet-samples", "0", "--runtime", "rten", "--out"]);
    succeeds(track.arg(scratch.at("track")));
    let epochs: Vec<Value> = read_json(scratch.at("track/track.json"))["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["epoch"].clone())
        .collect();
    assert_eq!(epochs, [1, 2, 10]);
    let document = shown(&std::fs::read_to_string(scratch.at("track/report.html")).unwrap());
    let series = &document["comparison"]["series"][0];
    assert_eq!(series["epochs"], serde_json::json!([1, 2, 10]));
    let names: Vec<&Value> = series["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &document["runs"][run.as_u64().unwrap() as usize]["name"])
        .collect();
    assert_eq!(names, ["net1", "net2", "net10"]);
}

/// A probe of another model, or one that does not say of which, is not shown as the audited model's. Beside it: passes in the
/// table of samples are of all attacks.
#[test]
fn a_probe_joins_its_own_model() {
    let scratch = directory();
    let (mlp, cnn) = (fixture("fashion_mlp.onnx"), fixture("fashion_cnn.onnx"));
    let data = fashion();
    let (run, page) = (scratch.at("audit"), scratch.at("page.html"));
    let words = ["--eps", "0.01", "--first", "8", "--attack", "none", "--minimal", "fmn", "--steps", "5"];
    let words = [&words[..], &["--packet-samples", "0"]].concat();
    assert!(audit(&mlp, &run, &words).status().unwrap().success());
    let probe = |model: &str, name: &str| {
        let out = scratch.at(name);
        let words = ["probe", model, "--data", &data, "--first", "8", "--runtime", "rten", "--out", &out];
        succeeds(&mut kennard(words));
        out
    };
    let runs = |probe: &str| {
        assert!(report(&[probe, &run, "-o", &page]).status.success());
        shown(&std::fs::read_to_string(&page).unwrap())["runs"].clone()
    };
    let (own, other) = (probe(&mlp, "own"), probe(&cnn, "other"));
    let found = runs(&own);
    assert_eq!((found.as_array().unwrap().len(), &found[0]["probe"]["samples"]), (1, &8.into()));
    let apart = runs(&other);
    assert!(apart.as_array().unwrap().len() == 2 && apart[0]["probe"].is_null());
    assert!(apart[1]["probe"]["model"]["file"].as_str().unwrap().contains("fashion_cnn"));
    let file = format!("{own}/summary.json");
    let mut older = read_json(&file);
    older.as_object_mut().unwrap().remove("model");
    std::fs::write(&file, older.to_string()).unwrap();
    std::fs::remove_file(format!("{own}/SHA256SUMS")).unwrap();
    assert_eq!(runs(&own).as_array().unwrap().len(), 2);

    let samples = &found[0]["samples"];
    let stood: Vec<usize> = (0..8)
        .filter(|&i| samples["broken_by"][i].is_null() && samples["label"][i] == samples["prediction"][i])
        .collect();
    assert!(!stood.is_empty() && stood.iter().all(|&i| samples["passes"][i].as_u64() > Some(0)), "{samples}");
}

/// Whatever happens to the files of a run, its page is made or the file is named; nothing panics.
#[test]
fn damaged_runs_are_pages_or_errors_that_name_the_file() {
    let scratch = directory();
    let whole = scratch.at("whole");
    quick("fashion_mlp.onnx", &whole);
    let page = |run: &str| kennard::report::Report::read(&[run.into()]).and_then(|report| report.json());
    assert!(page(&whole).is_ok());
    let mut random = 7u64;
    let mut draw = move |below: usize| {
        // A linear congruential generator (Knuth, MMIX): the upper bits.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as usize % below
    };
    let (mut refused, mut made) = (0, 0);
    for file in ["manifest.json", "summary.json", "samples.parquet", "examples.parquet"] {
        let run = scratch.at("run");
        copy(&whole, &run);
        let bytes = std::fs::read(Path::new(&whole).join(file)).unwrap();
        for round in 0..200 {
            let mut damaged = bytes.clone();
            match round % 4 {
                0 => damaged.truncate(draw(bytes.len())),
                1 => damaged[draw(bytes.len())] ^= 1 << draw(8),
                2 => {
                    for _ in 0..1 + draw(8) {
                        damaged[draw(bytes.len())] = draw(256) as u8;
                    }
                }
                // The end of a Parquet file is where its metadata are.
                _ => {
                    let from = bytes.len() - 1 - draw(bytes.len().min(2000));
                    damaged[from] = damaged[from].wrapping_add(1 + draw(255) as u8);
                }
            }
            std::fs::write(Path::new(&run).join(file), &damaged).unwrap();
            match page(&run) {
                Ok(_) => made += 1,
                Err(error) => {
                    refused += 1;
                    let message = error.to_string();
                    assert!(
                        message.contains(file) || message.contains(&run),
                        "{file}, round {round}: {message}"
                    );
                }
            }
        }
    }
    println!("{refused} refused, {made} pages made");
    assert!(refused > 400, "{refused} of 800 are refused");
}

/// A table whose metadata promise what its pages do not hold.
#[test]
fn a_table_that_the_reader_panics_on_is_named() {
    let case = shared().join("cases/report_287/samples.parquet");
    if !case.exists() {
        println!("skipped: {} is not there", case.display());
        return;
    }
    let scratch = directory();
    // In a run of this version: others are refused before the table is opened.
    quick("fashion_mlp.onnx", &scratch.at("run"));
    std::fs::write(scratch.at("run/samples.parquet"), std::fs::read(&case).unwrap()).unwrap();
    std::fs::remove_file(scratch.at("run/SHA256SUMS")).unwrap();
    let output = report(&[&scratch.at("run"), "-o", &scratch.at("page.html")]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("run/samples.parquet is damaged") && !message.contains("panicked"), "{message}");
}

#[test]
fn hostile_names_stay_text() {
    let scratch = directory();
    let hostile = "</script><script>alert(1)</script><!--\u{2028}&\"'";
    quick("fashion_mlp.onnx", &scratch.at("run"));
    let calm = std::fs::read_to_string(scratch.at("run/report.html")).unwrap();
    for file in ["manifest.json", "summary.json"] {
        let mut value = read_json(scratch.at(&format!("run/{file}")));
        let (key, place) = if file == "manifest.json" { ("command", "about") } else { ("data", "model") };
        value[place]["file"] = hostile.into();
        value[key] = match key {
            "command" => serde_json::json!(["kennard", hostile]),
            _ => {
                let mut data = value["data"].clone();
                data["name"] = hostile.into();
                data["notes"] = serde_json::json!([hostile]);
                data
            }
        };
        if file == "manifest.json" {
            value["about"]["classes"] = vec![hostile; 10].into();
        }
        std::fs::write(scratch.at(&format!("run/{file}")), value.to_string()).unwrap();
    }
    // Without digests, as in the former format: a directory with them is refused when its files were edited.
    let edited = report(&[&scratch.at("run"), "-o", &scratch.at("page.html")]);
    assert_eq!(edited.status.code(), Some(1));
    assert!(stderr(&edited).contains("SHA-256 is another"));
    std::fs::remove_file(scratch.at("run/SHA256SUMS")).unwrap();
    let directory = scratch.join("<b>&amp;'\"");
    std::fs::rename(scratch.join("run"), &directory).unwrap();
    let page = scratch.at("page.html");
    let output = report(&[&directory.display().to_string(), "-o", &page]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::read_to_string(&page).unwrap();
    for mark in ["<script", "</script", "<!--", "<b>"] {
        assert_eq!(page.matches(mark).count(), calm.matches(mark).count(), "{mark}");
    }
    let document = shown(&page);
    assert_eq!(document["runs"][0]["summary"]["data"]["name"], hostile);
    assert_eq!(document["runs"][0]["classes"]["names"][9], hostile);
}

#[test]
fn what_is_no_whole_run_is_named() {
    let scratch = directory();
    let whole = scratch.at("whole");
    quick("fashion_mlp.onnx", &whole);
    let page = scratch.at("page.html");
    let refused = |name: &str, spoil: &dyn Fn(&Path), says: &[&str]| {
        let run = scratch.at(name);
        copy(&whole, &run);
        spoil(Path::new(&run));
        let output = report(&[&run, "-o", &page]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {message}");
        for part in says {
            assert!(message.contains(part), "{name} does not say `{part}`: {message}");
        }
        assert!(!message.contains("panicked") && !Path::new(&page).exists(), "{name}: {message}");
    };
    let cut = |file: &'static str| {
        move |run: &Path| {
            let bytes = std::fs::read(run.join(file)).unwrap();
            std::fs::write(run.join(file), &bytes[..bytes.len() / 2]).unwrap();
        }
    };
    let edit = |file: &'static str, from: &'static str, to: &'static str| {
        move |run: &Path| {
            let text = std::fs::read_to_string(run.join(file)).unwrap();
            assert!(text.contains(from), "{file} has no {from}");
            std::fs::write(run.join(file), text.replacen(from, to, 1)).unwrap();
        }
    };
    let remove = |file: &'static str| move |run: &Path| std::fs::remove_file(run.join(file)).unwrap();
    refused("cut-summary", &cut("summary.json"), &["summary.json is cut off or damaged"]);
    refused("cut-samples", &cut("samples.parquet"), &["samples.parquet is damaged"]);
    refused("cut-examples", &cut("examples.parquet"), &["examples.parquet is damaged"]);
    refused("cut-manifest", &cut("manifest.json"), &["manifest.json is not of this version", "damaged"]);
    refused("no-samples", &remove("samples.parquet"), &["samples.parquet cannot be read"]);
    refused("no-summary", &remove("summary.json"), &["summary.json is missing"]);
    refused("no-manifest", &remove("manifest.json"), &["manifest.json is missing"]);
    let newer = edit("summary.json", "\"version\": 2", "\"version\": 7");
    refused("newer", &newer, &["has the format 7, this Kennard knows 2"]);
    let older = edit("summary.json", "\"cascade\"", "\"waterfall\"");
    refused("older", &older, &["not of this version of Kennard", "cascade"]);
    // What is only read needs no other directory to write to.
    let run = scratch.at("read");
    copy(&whole, &run);
    edit("summary.json", "\"threat_model\"", "\"threats\"")(Path::new(&run));
    let said = stderr(&report(&[&run, "-o", &page]));
    assert!(said.contains("take the Kennard that wrote it") && !said.contains("--out"), "{said}");
    let other = |run: &Path| {
        edit("summary.json", "\"samples\": 60", "\"samples\": 61")(run);
        remove("SHA256SUMS")(run);
    };
    refused("other", &other, &["of 61 samples", "has 60"]);
    // A bit that changes a figure and nothing else.
    let flipped = edit("summary.json", "\"correct\": 5", "\"correct\": 4");
    refused("flipped", &flipped, &["summary.json is damaged or was changed", "SHA256SUMS"]);
    // Without digests, as earlier versions left it.
    let counts = |run: &Path| {
        edit("summary.json", "\"correct\": ", "\"correct\": 1")(run);
        remove("SHA256SUMS")(run);
    };
    refused("counts", &counts, &["summary.json and samples.parquet beside it contradict each other"]);
    refused(
        "empty",
        &|run| std::fs::remove_dir_all(run).and_then(|()| std::fs::create_dir(run)).unwrap(),
        &["holds no run"],
    );
    refused("nothing", &|run| std::fs::remove_dir_all(run).unwrap(), &["nothing", "cannot be read"]);
    // Another version of the program, with files of the same form, is said on the page.
    let run = scratch.at("mixed");
    copy(&whole, &run);
    edit("manifest.json", "\"kennard\": \"", "\"kennard\": \"0.0.9-")(Path::new(&run));
    remove("SHA256SUMS")(Path::new(&run));
    assert!(report(&[&run, "-o", &page]).status.success());
    let document = shown(&std::fs::read_to_string(&page).unwrap());
    assert!(document["runs"][0]["notes"][0].as_str().unwrap().contains("0.0.9"));
}

/// A server that ends with the test.
struct Watch {
    child: Child,
    address: String,
}

impl Watch {
    fn new(run: &str) -> Watch {
        Watch::of(kennard(["watch", run, "--bind", "127.0.0.1:0"]))
    }

    fn of(mut command: Command) -> Watch {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").unwrap().split('/').next().unwrap().to_string();
        Watch { child, address }
    }

    /// The status, the headers and the body of an answer.
    fn ask(&self, request: &str, host: &str, more: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let text = format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_string(), body.to_string())
    }

    fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path}"), &self.address, "")
    }

    fn data(&self) -> Value {
        let (status, head, body) = self.get("/data");
        assert_eq!(status, 200, "{head}");
        let body = if head.contains("chunked") { unchunked(&body) } else { body };
        serde_json::from_str(&body).unwrap()
    }

    /// Asks until the answer is as wanted.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let data = self.data();
            if wanted(&data) {
                return data;
            }
            assert!(begin.elapsed() < Duration::from_secs(120), "never came: {data}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unchunked(body: &str) -> String {
    let (mut text, mut rest) = (String::new(), body);
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        text.push_str(&more[..size]);
        rest = more[size..].trim_start_matches("\r\n");
    }
    text
}

#[test]
fn a_run_is_watched_from_before_its_beginning_to_after_its_end() {
    let scratch = directory();
    let run = scratch.at("run");
    let watch = Watch::new(&run);
    assert!(watch.address.starts_with("127.0.0.1:"));
    let (status, head, page) = watch.get("/");
    assert!(status == 200 && head.contains("frame-ancestors 'none'") && page.contains("data-live=\"true\""));
    assert!(watch.data()["error"].as_str().unwrap().contains("cannot be read"));

    let words = [
        "--eps",
        "0.1",
        "--attack",
        "standard",
        "--samples",
        "24",
        "--packet-samples",
        "0",
        "--threads",
        "1",
    ];
    let model = fixture("fashion_cnn_robust.onnx");
    let mut child = audit(&model, &run, &words).spawn().unwrap();
    let examined = |data: &Value| {
        let pending = data["runs"][0]["summary"]["robust"]["pending"].as_u64();
        pending.map_or(0, |pending| 24 - pending)
    };
    let early = watch.until(|data| examined(data) > 1);
    assert_eq!(early["runs"][0]["total"], 24);
    let seen = examined(&early);
    watch.until(|data| examined(data) > seen);
    child.kill().unwrap();
    child.wait().unwrap();
    // A process that was killed may leave half a line.
    let journal = Path::new(&run).join("journal.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"{\"index\":23,\"lab").unwrap();
    drop(file);
    let stopped = watch.until(|data| data["runs"][0]["stage"] == "interrupted");
    let page = scratch.at("page.html");
    assert!(report(&[&run, "-o", &page]).status.success());
    assert_eq!(shown(&std::fs::read_to_string(&page).unwrap())["runs"][0], stopped["runs"][0]);

    let mut child = audit(&model, &run, &[&words[..], &["--resume"]].concat()).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let done = watch.data();
    assert_eq!(done["runs"][0]["stage"], "finished");
    assert_eq!(done["runs"][0]["summary"], read_json(scratch.at("run/summary.json")));
    assert_eq!(examined(&done), 24);

    // Nothing new is not sent again.
    let (_, head, _) = watch.get("/data");
    let etag = head.lines().find_map(|line| line.to_lowercase().strip_prefix("etag: ").map(String::from));
    let etag = etag.unwrap();
    let again = watch.ask("GET /data", &watch.address, &format!("If-None-Match: {etag}\r\n"));
    assert_eq!(again.0, 304);
    // It only reads, has two pages, and answers to its own name alone.
    assert_eq!(watch.ask("POST /data", &watch.address, "Content-Length: 0\r\n").0, 405);
    assert_eq!(watch.ask("DELETE /", &watch.address, "").0, 405);
    assert_eq!(watch.get("/summary.json").0, 404);
    assert_eq!(watch.get("/../../etc/passwd").0, 404);
    assert_eq!(watch.ask("GET /data", "evil.example", "").0, 403);
    let port = watch.address.split(':').nth(1).unwrap();
    assert_eq!(watch.ask("GET /data", &format!("evil.example:{port}"), "").0, 403);
    assert_eq!(watch.ask("GET /", &format!("localhost:{port}"), "").0, 200);
}

/// Whoever sends too much, too slowly, or too often harms neither the server nor other clients.
#[cfg(unix)]
#[test]
fn clients_that_misbehave_do_not_harm_a_watch() {
    let watch = Watch::new("nowhere");
    let huge = watch.ask("GET /", &watch.address, "Content-Length: 9000000000000000000\r\n").0;
    assert_eq!(huge, 413);
    assert_eq!(watch.ask("GET /", &watch.address, "Content-Length: 99999999999999999999999\r\n").0, 400);
    assert_eq!(watch.ask("GET /", &watch.address, "Transfer-Encoding: chunked\r\n").0, 413);
    let many: String = (0..500).map(|i| format!("X-{i}: 1\r\n")).collect();
    assert_eq!(watch.ask("GET /", &watch.address, &many).0, 431);
    // Nothing but the status of this can be relied on: the connection ends while it is still being sent.
    let mut endless = TcpStream::connect(&watch.address).unwrap();
    let begin = Instant::now();
    let _ = endless.write_all(b"GET / HTTP/1.1\r\nX: ");
    while endless.write_all(&[b'a'; 4096]).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(20), "headers have no end");
    }
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&watch.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
            stream
        })
        .collect();
    let begin = Instant::now();
    assert_eq!(watch.get("/").0, 200);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    interrupted_soon(watch);
    drop(slow);
}

/// No more files can be opened; later they can.
#[cfg(unix)]
#[test]
fn a_watch_outlives_a_want_of_descriptors() {
    let mut shell = Command::new("sh");
    let script = "ulimit -n 24; exec \"$0\" watch nowhere --bind 127.0.0.1:0";
    shell.args(["-c", script, PROGRAM]);
    let watch = Watch::of(shell);
    let many: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&watch.address).unwrap()).collect();
    std::thread::sleep(Duration::from_secs(1));
    drop(many);
    assert_eq!(watch.get("/").0, 200);
    interrupted_soon(watch);
}

/// A server has nothing that it would end with.
#[cfg(unix)]
#[test]
fn a_watch_ends_without_a_word() {
    let mut child =
        kennard(["watch", "nowhere", "--bind", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(killed.success() && line.starts_with("http://"), "{line}");
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("", Some(0)));
}

/// Ctrl-C ends a server within a second; here two, for a machine under load.
#[cfg(unix)]
fn interrupted_soon(mut watch: Watch) {
    let killed = Command::new("kill").args(["-INT", &watch.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = watch.child.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "still there");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
}
