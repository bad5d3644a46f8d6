//! Training from the command line: what it leaves, what it survives, and what it refuses.

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use common::{directory, fashion, kennard, read_json, root, scratch, stderr, stdout};

/// Trains on 500 images, on rten, so that every machine does the same.
fn train(out: &Path, words: &[&str]) -> Command {
    let mut command = kennard(["train", "--data", &fashion(), "--split", "test", "--samples", "500"]);
    command.args(["--runtime", "rten", "--batch", "32", "--out"]).arg(out).args(words);
    command
}

fn succeeds(mut command: Command) -> Output {
    common::succeeds(&mut command)
}

/// What a command that must succeed prints as JSON.
fn json(mut command: Command) -> Value {
    common::json(&mut command)
}

fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    stderr(&output)
}

/// The codes of the warnings on the page of a command.
fn warned(place: &Path) -> Vec<String> {
    let page = read_json(place.join("page.json"));
    let warnings = page["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path.join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_leaves_checkpoints_a_log_and_networks_that_can_be_audited() {
    let out = scratch("run");
    let words = ["--arch", "cnn:4", "--method", "pgd", "--steps", "2", "--eps", "0.05", "--epochs", "3"];
    let output = succeeds(train(&out, &words));
    assert_eq!(stdout(&output).lines().count(), 3);
    for file in [
        "checkpoints/epoch-0001.onnx",
        "checkpoints/epoch-0003.onnx",
        "best.onnx",
        "last.onnx",
        "manifest.json",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    let log = lines(&out);
    assert_eq!(log.len(), 3);
    for (i, line) in log.iter().enumerate() {
        assert_eq!(line["epoch"], i + 1);
        for key in ["loss", "train_accuracy", "validation_accuracy", "robust_validation_accuracy", "seconds"]
        {
            assert!(line[key].is_number(), "{key}: {line}");
        }
    }
    assert!(log[2]["loss"].as_f64() < log[0]["loss"].as_f64());
    let best =
        log.iter().map(|line| line["robust_validation_accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
    let of_best =
        log.iter().position(|line| line["robust_validation_accuracy"].as_f64() == Some(best)).unwrap();
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    assert_eq!(read("best.onnx"), read(&format!("checkpoints/epoch-{:04}.onnx", of_best + 1)));
    assert_eq!(read("last.onnx"), read("checkpoints/epoch-0003.onnx"));

    // All checkpoints, audited: data and epsilon are those of the run.
    let mut track = kennard(["track", "--samples", "20", "--split", "test", "--runtime", "rten", "--json"]);
    track.arg(&out);
    let found = json(track);
    let points = found["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|p| p["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(points.iter().all(|p| p["robust"].as_f64() <= p["clean"].as_f64() && p["drift"].is_number()));
    // What is proved, at the same epsilon on the same samples.
    assert!(
        points.iter().all(|p| p["certified"].is_number() && p["certified"].as_f64() <= p["robust"].as_f64())
    );
    for file in [
        "track.svg",
        "track.pdf",
        "track.csv",
        "track.md",
        "track.json",
        "report.html",
        "epoch-0002/summary.json",
    ] {
        assert!(out.join("track").join(file).exists(), "{file}");
    }
    // The network was trained on what it is examined on: table and page say so.
    let table = std::fs::read_to_string(out.join("track/track.md")).unwrap();
    assert!(table.contains("Warning (seen-in-training): the network is trained on"), "{table}");
    assert_eq!(warned(&out.join("track")), ["seen-in-training"]);

    // A network from elsewhere is trained further.
    let further = scratch("further");
    let last = out.join("last.onnx").display().to_string();
    succeeds(train(&further, &["--init", &last, "--epochs", "1"]));
    assert!(lines(&further)[0]["loss"].as_f64() < log[0]["loss"].as_f64());
}

/// Where bounds are made small, images of one channel stay where they are, and weights do not decay.
#[test]
fn certified_training_has_its_own_defaults() {
    let out = scratch("certified");
    for (method, rate, decay, crop) in [("ibp", 0.004, 0.0, 0), ("pgd", 0.002, 5e-4, 2)] {
        let directory = out.join(method);
        let words = ["--method", method, "--eps", "0.1", "--arch", "mlp:4", "--epochs", "1"];
        succeeds(train(&directory, &words));
        let manifest = read_json(directory.join("manifest.json"));
        let recipe = &manifest["training"]["recipe"];
        let told = [&recipe["rate"], &recipe["decay"], &recipe["augmentation"]["crop"]];
        assert_eq!(told.map(|value| value.as_f64().unwrap()), [rate, decay, f64::from(crop)]);
    }
}

#[test]
fn killed_runs_go_on_to_the_same_bits() {
    let (whole, killed) = (scratch("whole"), scratch("killed"));
    // Batch statistics, momentum, and a moving average: all must be there again.
    let words = ["--arch", "resnet8:4", "--epochs", "3", "--average", "0.9", "--crop", "1", "--flip"];
    succeeds(train(&whole, &words));
    let resume = [&words[..], &["--resume", "--threads", "1"]].concat();
    let mut kills = 0;
    for i in 1..=6 {
        let mut child = train(&killed, &resume).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(150 * i));
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("{kills} of 6 kills met a run at work");
    succeeds(train(&killed, &resume));
    for file in ["last.onnx", "best.onnx", "checkpoints/epoch-0001.onnx", "checkpoints/epoch-0002.onnx"] {
        assert!(
            std::fs::read(whole.join(file)).unwrap() == std::fs::read(killed.join(file)).unwrap(),
            "{file}"
        );
    }
    assert_eq!(lines(&killed).len(), 3);

    let message = refusal(train(&killed, &words));
    assert!(message.contains("--resume"), "{message}");
    let other =
        ["--arch", "resnet8:8", "--epochs", "3", "--average", "0.9", "--crop", "1", "--flip", "--resume"];
    let message = refusal(train(&killed, &other));
    assert!(message.contains("other settings") && message.contains("resnet8:4"), "{message}");

    // A state that is cut off is not taken for one: the one of the epoch before is, to the same bits.
    let cut = |name: &str| {
        let state = killed.join(name);
        let bytes = std::fs::read(&state).unwrap();
        std::fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    };
    cut("state.safetensors");
    let output = succeeds(train(&killed, &resume));
    let message = stderr(&output);
    assert!(message.contains("damaged") && message.contains("from the epoch before, 2"), "{message}");
    assert!(
        std::fs::read(whole.join("last.onnx")).unwrap() == std::fs::read(killed.join("last.onnx")).unwrap()
    );
    cut("state.safetensors");
    cut("state.previous.safetensors");
    let message = refusal(train(&killed, &resume));
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let out = scratch("refused");
    for (words, expected) in [
        (&["--arch", "lenet"][..], "known are mlp:256,256"),
        (&["--arch", "cnn", "--method", "pgd"], "needs --eps"),
        (&["--arch", "cnn", "--method", "fgsm"], "known are standard"),
        (&["--arch", "cnn", "--method", "standard", "--strength", "2"], "no strength"),
        (&["--arch", "cnn", "--micro-batch", "5"], "multiple"),
        (&["--arch", "cnn", "--held-out", "490"], "--held-out"),
        (&["--arch", "cnn", "--epochs", "0"], "at least 1"),
        (&["--arch", "cnn", "--learning-rate", "1e30", "--epochs", "1"], "diverged"),
    ] {
        let message = refusal(train(&out, words));
        assert!(message.contains(expected), "{words:?}: {message}");
    }
    common::refused(&mut train(&out, &[]), 2, &["--arch"]);
}

#[test]
fn a_sweep_trains_audits_and_goes_on() {
    let out = directory();
    let config = out.join("sweep.toml");
    let text = "[train]\narch = \"mlp:16\"\nepochs = 1\nsplit = \"test\"\nsamples = 300\neps = \"8/255\"\nruntime = \"rten\"\n\
                [audit]\nsamples = 20\nruntime = \"rten\"\n[[run]]\nmethod = \"standard\"\n[[run]]\nname = \"robust\"\nmethod = \"pgd\"\nsteps = 2\n";
    std::fs::write(&config, text).unwrap();
    let sweep = || {
        let mut command = kennard(["tradeoff", "--data", &fashion(), "--json", "--out"]);
        command.arg(out.join("runs")).arg(&config);
        json(command)
    };
    let found = sweep();
    let names: Vec<&str> =
        found["points"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["standard", "robust"]);
    assert!(found["points"].as_array().unwrap().iter().any(|p| p["best"] == true));
    let trained =
        |name: &str| out.join("runs").join(name).join("last.onnx").metadata().unwrap().modified().unwrap();
    let before = trained("robust");
    assert_eq!(sweep(), found, "the second time nothing is done again");
    assert_eq!(trained("robust"), before);
    for file in
        ["tradeoff.svg", "tradeoff.pdf", "tradeoff.md", "tradeoff.csv", "tradeoff.json", "report.html"]
    {
        assert!(out.join("runs").join(file).exists(), "{file}");
    }
    // A picture that would have no colours is neither there nor on the page.
    let page = std::fs::read_to_string(out.join("runs/page.json")).unwrap();
    let certified = out.join("runs/tradeoff-certified.svg");
    assert_eq!(page.contains("tradeoff-certified.svg"), certified.exists());
    if certified.exists() {
        assert!(!std::fs::read_to_string(&certified).unwrap().contains("no colours"));
    }
    // The networks are examined on the split that they were trained on.
    let table = std::fs::read_to_string(out.join("runs/tradeoff.md")).unwrap();
    assert!(table.contains("Warning (seen-in-training): the networks are trained on"), "{table}");
    assert_eq!(warned(&out.join("runs")), ["seen-in-training"]);

    std::fs::write(&config, text.replace("[[run]]", "[[runs]]")).unwrap();
    let mut command = kennard(["tradeoff", "--out"]);
    command.arg(out.join("runs")).arg(&config);
    let message = refusal(command);
    assert!(message.contains("`runs` is unknown") && message.contains("sweep.toml"), "{message}");
    // Before anything is trained: there would be nothing to trade for.
    std::fs::write(&config, text.replace("[audit]", "[audit]\nattack = [\"none\"]")).unwrap();
    let mut command = kennard(["tradeoff", "--data", &fashion(), "--out"]);
    command.arg(out.join("others")).arg(&config);
    let message = refusal(command);
    assert!(message.contains("no robust accuracy") && !out.join("others").exists(), "{message}");
    let mut command =
        kennard(["train", "--data", &fashion(), "--split", "test", "--arch", "mlp:4", "--momentum", "0.5"]);
    command.arg("--out").arg(out.join("momentum"));
    let message = refusal(command);
    assert!(message.contains("momentum") && message.contains("sgd"), "{message}");
    for (words, says) in [
        (
            &["--method", "trades", "--eps", "0.1", "--label-smoothing", "0.1"][..],
            "trades has no label smoothing",
        ),
        (&["--method", "conjugate", "--label-smoothing", "0.1"], "conjugate has no label smoothing"),
        (&["--eps", "0.1", "--eps-warmup", "2"], "no epsilon that could grow"),
    ] {
        let mut command = kennard(["train", "--data", &fashion(), "--split", "test", "--arch", "mlp:4"]);
        command.args(words).arg("--out").arg(out.join("unused"));
        let message = refusal(command);
        assert!(message.contains(says), "{message}");
    }
    std::fs::write(&config, text.replace("[audit]", "[audit]\nshard = \"1/2\"")).unwrap();
    let mut command = kennard(["tradeoff", "--data", &fashion(), "--out"]);
    command.arg(out.join("others")).arg(&config);
    let message = refusal(command);
    assert!(message.contains("shard in [audit]"), "{message}");

    // What is wrong is said before anything is trained, and what is there stays.
    let page = std::fs::read(out.join("runs/page.json")).unwrap();
    for (from, to, says) in [
        ("[audit]", "[[audit]]", "`audit` is one table"),
        ("samples = 20", "attack = []", "no robust accuracy"),
        ("name = \"robust\"", "name = 5", "the name of a run is a text"),
        ("steps = 2", "steps = [1, 2]", "sweep.toml: the run `robust`: "),
        ("method = \"standard\"", "method = \"standard\"\nstrength = [1]", "run 1 of the file: "),
        ("name = \"robust\"", "name = \"tradeoff.csv\"", "a name of its own"),
        ("name = \"robust\"", "name = \"a\\nb\"", "a\\nb"),
        ("method = \"pgd\"", "method = \"pdg\"", "pdg"),
        ("method = \"standard\"", "arch = \"mpl\"", "mpl"),
        ("eps = \"8/255\"", "eps = true", "8/255"),
        ("samples = 20", "samples = 21", "other settings"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&config, text.replace(from, to)).unwrap();
        let mut command = kennard(["tradeoff", "--data", &fashion(), "--out"]);
        command.arg(out.join("runs")).arg(&config);
        let message = refusal(command);
        assert!(message.contains(says), "{to}: {message}");
        assert_eq!(std::fs::read(out.join("runs/page.json")).unwrap(), page, "{to}");
    }
    // A stroke in a name is no end of a cell.
    std::fs::write(&config, text.replace("name = \"robust\"", "name = \"a | b\"")).unwrap();
    let named = sweep();
    let robust = format!("{:.1} %", 100.0 * named["points"][1]["robust"].as_f64().unwrap());
    let table = std::fs::read_to_string(out.join("runs/tradeoff.md")).unwrap();
    assert!(
        table.contains("| a \\| b ")
            && table.lines().all(|line| !line.starts_with('|') || line.ends_with('|'))
    );
    let page = read_json(out.join("runs/page.json"));
    let parts =
        page["sections"].as_array().unwrap().iter().flat_map(|section| section["parts"].as_array().unwrap());
    let row =
        parts.flat_map(|part| part["rows"].as_array().into_iter().flatten()).find(|row| row[0] == "a | b");
    assert_eq!(row.unwrap()[2], robust, "{page}");
    // The data of the command line are those of all.
    let others = "data = \"fashion-mnist:nowhere\"\n";
    let elsewhere = text
        .replace("[audit]\n", &format!("[audit]\n{others}"))
        .replace("[[run]]\n", &format!("[[run]]\n{others}"));
    std::fs::write(&config, elsewhere).unwrap();
    assert_eq!(sweep(), found);

    // Both read the table in the same way: the column that is no label is a feature of both.
    let table = out.join("table.csv");
    let row = |i: i32| format!("{},{},{}\n", f64::from(i % 10) / 10.0, i * 7 % 2, i % 10 / 5);
    std::fs::write(&table, format!("x,target,outcome\n{}", (0..80).map(row).collect::<String>())).unwrap();
    let settings = "[train]\narch = \"mlp:4\"\nepochs = 1\nbatch = 8\nheld-out = 8\nlabel-column = \"outcome\"\neps = 0.1\n\
                    runtime = \"rten\"\n[audit]\nruntime = \"rten\"\n[[run]]\nmethod = \"standard\"\n";
    std::fs::write(&config, settings).unwrap();
    let mut command = kennard(["tradeoff", "--data", &format!("csv:{}", table.display()), "--json", "--out"]);
    command.arg(out.join("columns")).arg(&config);
    succeeds(command);
    let summary = std::fs::read_to_string(out.join("columns/standard/audit/summary.json")).unwrap();
    assert!(summary.contains("labels from the column outcome"), "{summary}");
    // A table has no splits.
    assert_eq!(warned(&out.join("columns")), ["seen-in-training"]);
    let mut command =
        kennard(["train", "--data", &format!("csv:{}", table.display()), "--arch", "mlp:4", "--crop", "2"]);
    command.args(["--batch", "8", "--held-out", "8", "--out"]).arg(out.join("cropped"));
    let message = refusal(command);
    assert!(message.contains("no images"), "{message}");
}

/// Every experiment runs whole, small: the settings, the tables, the claims.
#[test]
fn experiments_end_with_their_claims() {
    let out = scratch("experiments");
    let mut e1 = kennard([
        "reproduce",
        "e1",
        "--data",
        &fashion(),
        "--split",
        "test",
        "--samples",
        "200",
        "--epochs",
        "1",
    ]);
    e1.args(["--json", "--out"]).arg(out.join("e1"));
    let found = json(e1);
    assert_eq!(found["claims"].as_array().unwrap().len(), 2);
    // Nothing of the kind can be said of a network that has hardly begun.
    let verdicts = |found: &Value| -> Vec<String> {
        let claims = found["claims"].as_array().unwrap().iter();
        claims.map(|claim| claim["verdict"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(verdicts(&found), ["too-small-to-judge"; 2], "{}", found["claims"]);
    let text = std::fs::read_to_string(out.join("e1/e1.md")).unwrap();
    assert!(text.contains("**too small to judge**") && text.contains("is needed to be accurate"), "{text}");
    for file in ["accuracy.svg", "accuracy.pdf", "e1.md", "report.html"] {
        assert!(out.join("e1").join(file).exists(), "{file}");
    }
    let page = read_json(out.join("e1/page.json"));
    assert_eq!(page["title"], "E1: accurate networks under attack");
    assert_eq!(page["sections"][0]["parts"][0]["claims"], found["claims"]);

    let mut e6 = kennard(["reproduce", "e6", "--data", &fashion(), "--split", "test", "--samples", "150"]);
    e6.args(["--epochs", "1", "--json", "--out"]).arg(out.join("e6"));
    let found = json(e6);
    assert_eq!(found["claims"].as_array().unwrap().len(), 10, "five radii, two networks");
    assert!(verdicts(&found).iter().all(|verdict| verdict == "too-small-to-judge"), "{}", found["claims"]);
    for seed in 0..5 {
        assert_eq!(found["figures"]["pgd"][seed]["shape"], serde_json::json!([32, 7, 7]));
    }

    let mut e4 = kennard(["reproduce", "e4", "--epochs", "2", "--samples", "200", "--json", "--out"]);
    e4.arg(out.join("e4"));
    let found = json(e4);
    assert!(verdicts(&found).iter().all(|verdict| verdict == "too-small-to-judge"), "{}", found["claims"]);
    // The inequality is no matter of training: it holds for every network.
    let bound = found["claims"][0]["evidence"].as_str().unwrap();
    assert!(bound.contains("(0 of "), "{bound}");
    assert!(out.join("e4/moons-epochs.svg").exists() && out.join("e4/xor-sharpness.svg").exists());
}

/// E2, small: networks of five seeds, joined into tables, pictures and claims over seeds.
#[test]
fn e2_joins_seeds() {
    joins_seeds("e2", 18, 3, "mlp.svg");
}

/// E3 likewise.
#[test]
#[ignore = "75 networks take some minutes"]
fn e3_joins_seeds() {
    joins_seeds("e3", 7, 75, "tradeoff.svg");
}

fn joins_seeds(experiment: &str, claims: usize, networks: usize, picture: &str) {
    let out = scratch(experiment);
    let mut command = kennard(["reproduce", experiment, "--data", &fashion(), "--split", "test"]);
    command.args(["--samples", "24", "--epochs", "1", "--json", "--out"]).arg(out.join(experiment));
    let found = json(command);
    let judged = found["claims"].as_array().unwrap();
    assert_eq!(judged.len(), claims, "{}", found["claims"]);
    assert!(judged.iter().all(|claim| claim["verdict"] == "too-small-to-judge"), "{}", found["claims"]);
    let figures = &found["figures"];
    let found = figures.as_array().map_or_else(|| figures.as_object().map_or(0, |f| f.len()), Vec::len);
    assert_eq!(found, networks);
    let text = std::fs::read_to_string(out.join(experiment).join(format!("{experiment}.md"))).unwrap();
    assert!(text.contains("5 seeds") && text.contains("| 2sσ_p − 1 |"), "{text}");
    assert!(out.join(experiment).join(picture).exists());
}

/// A network whose file fixes the batch is trained in parts of that size, and what to say for it is said.
#[test]
fn a_fixed_batch_is_trained_in_parts_of_its_size() {
    use kennard_graph::{Builder, DType, Graph, Shape, Tensor, TensorType};
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 1, 28, 28])));
    let w = builder.named("w", Tensor::full(&[784, 10], 0.0, DType::F32));
    builder.output("z", x.apply("Flatten").with("MatMul", w));
    let (out, file) = (scratch("fixed"), scratch("fixed.onnx"));
    builder.finish().unwrap().save(&file).unwrap();
    let words = ["--init", file.to_str().unwrap(), "--method", "standard", "--epochs", "1"];
    let message = refusal(train(&out, &words));
    assert!(message.contains("batches of 1") && message.contains("--micro-batch 1"), "{message}");
    let out = scratch("fixed-parts");
    succeeds(train(&out, &[&words[..], &["--micro-batch", "1"]].concat()));
    // It began with equal logits, whose loss is ln 10.
    assert!(lines(&out)[0]["loss"].as_f64().unwrap() < 10f64.ln());
}

/// A network that cannot be trained leaves its directory to one that can, of other settings.
#[test]
fn a_run_that_is_refused_leaves_no_manifest() {
    use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};
    let (out, file) = (scratch("mended"), scratch("mended.onnx"));
    let save = |mended: bool| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let dims = vec![Dim::BATCH, Dim::Known(1), Dim::Known(28), Dim::Known(28)];
        let x = builder.input("x", TensorType::new(DType::F32, dims));
        let w = builder.named("w", Tensor::full(&[784, 10], 0.0, DType::F32));
        let z = x.apply_with("Flatten", &[("axis", 1i64.into())]).with("MatMul", w);
        let pads = builder.ints(&[0, -1, 0, 1]);
        let cut = || builder.op("Pad", &[Some(z), Some(pads)], &[("mode", "reflect".into())]);
        builder.output("z", if mended { z + 0.0 } else { cut() });
        builder.finish().unwrap().save(&file).unwrap();
    };
    let words = ["--init", file.to_str().unwrap(), "--method", "standard", "--epochs", "1"];
    save(false);
    let message = refusal(train(&out, &words));
    assert!(message.contains("the mode reflect does not cut"), "{message}");
    assert!(!out.join("manifest.json").exists());
    save(true);
    succeeds(train(&out, &words));
    assert!(out.join("manifest.json").exists());
}

/// A directory with a run of another kind is called what it is, where one is read and where one is written.
#[test]
fn runs_of_another_kind_are_called_by_their_names() {
    let (trained, audited, merged) = (scratch("kind"), scratch("kind-audited"), scratch("kind-merged"));
    let [run, audit, out] = [&trained, &audited, &merged].map(|path| path.display().to_string());
    let small = ["--arch", "mlp:4", "--epochs", "1"];
    succeeds(train(&trained, &small));
    let (model, data) = (trained.join("last.onnx").display().to_string(), fashion());
    let on = |command: &str, words: &[&str], place: &str| {
        let mut command = kennard([command, &model, "--data", &data, "--first", "8", "--runtime", "rten"]);
        command.args(words).args(["--out", place]);
        command
    };
    let attacked = ["--eps", "0.1", "--attack", "fgsm", "--packet-samples", "0"];
    succeeds(on("audit", &attacked, &audit));
    let both = "holds a training run; what is needed here is an audit or a certification";
    let elsewhere = "holds a training run; give --out another directory";
    for (command, says) in [
        (kennard(["merge", &run, "--out", &out]), both),
        (kennard(["merge", &audit, &run, "--out", &out]), both),
        (kennard(["attacks", "compare", &run]), "training run; what is needed here is an audit"),
        (on("audit", &attacked, &run), elsewhere),
        (on("smooth", &["--sigma", "0.1"], &run), elsewhere),
        (train(&audited, &small), "holds an audit; give --out another directory"),
    ] {
        let message = refusal(command);
        assert!(message.contains(says), "{message} does not say `{says}`");
    }
}

/// Checkpoints are audited on images scaled and cropped as those that the network was trained on.
#[test]
fn track_scales_images_as_the_training_did() {
    let (photos, out) = (scratch("photos"), scratch("scaled"));
    let fixtures = root().join("crates/kennard-data/src/fixtures");
    for (split, count) in [("train", 6), ("test", 2)] {
        for (class, photo) in [("light", "photo.png"), ("grey", "photo_grey.jpg")] {
            let folder = photos.join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                std::fs::copy(fixtures.join(photo), folder.join(format!("{i}-{photo}"))).unwrap();
            }
        }
    }
    let data = format!("folder:{}", photos.display());
    let scaling = ["--resize", "20", "--centre-crop", "16", "--interpolation", "bicubic"];
    let mut train = kennard(["train", "--data", &data, "--arch", "mlp:4", "--epochs", "1", "--batch", "4"]);
    train.args(scaling).args(["--held-out", "2", "--runtime", "rten", "--out"]).arg(&out);
    succeeds(train);
    let words = ["--eps", "0.1", "--packet-samples", "0", "--runtime", "rten"];
    let tracked = |more: &[&str], place: &str| -> Value {
        let mut track = kennard(["track", &out.display().to_string(), "--json", "--out"]);
        track.arg(out.join(place)).args(words).args(more);
        json(track)
    };
    // Saying the same again is the same.
    let [remembered, said] =
        [(&[][..], "remembered"), (&scaling[..], "said")].map(|(more, place)| tracked(more, place));
    assert_eq!(remembered["points"], said["points"]);
    let summary = |place: &str| {
        let mut runs = std::fs::read_dir(out.join(place))
            .unwrap()
            .map(|entry| entry.unwrap().path().join("summary.json"));
        std::fs::read_to_string(runs.find(|file| file.is_file()).unwrap()).unwrap()
    };
    tracked(&["--resize", "17"], "other");
    assert!(summary("remembered").contains("scaled to a shorter side of 20, bicubic, and cropped to 16×16"));
    assert!(summary("other").contains("scaled to a shorter side of 17, bicubic, and cropped to 16×16"));
}
