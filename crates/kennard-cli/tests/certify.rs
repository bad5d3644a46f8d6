//! The command `kennard certify`, and `audit --certify`: bounds before attacks.

mod common;

use std::path::Path;
use std::process::Command;

use kennard_graph::ndarray::{ArrayD, IxDyn};
use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};
use serde_json::Value;

use common::{directory, fashion, fixture, json, read_json, refused, scratch, stderr, stdout, succeeds};

fn kennard(command: &str, model: &str, words: &[&str]) -> Command {
    let mut program = common::kennard([command, model, "--data", &fashion(), "--runtime", "rten"]);
    program.args(words);
    program
}

/// A command on `MODEL`.
fn on(command: &str, words: &[&str]) -> Command {
    kennard(command, &fixture(MODEL), words)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

const MODEL: &str = "fashion_mlp.onnx";
const SAMPLES: [&str; 4] = ["--eps", "0.01", "--first", "24"];

fn without_seconds(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("seconds");
                map.values_mut().for_each(walk);
            }
            Value::Array(all) => all.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// Certificates are the same in a command of their own, before attacks, in shards, and on any number of threads; certified
/// samples are not attacked, and the verdicts on all others are those of an audit without certificates.
#[test]
fn bounds_come_before_attacks() {
    let (alone, with) = (scratch("alone"), scratch("with"));
    let certified = json(&mut on("certify", &[&SAMPLES[..], &["--json", "-o", &text(&alone)]].concat()));
    let count = certified["certified"]["certified"].as_u64().unwrap();
    let correct = certified["clean"]["correct"].as_u64().unwrap();
    assert!(0 < count && count < correct, "{certified}");
    assert_eq!(certified["undecided"].as_u64().unwrap(), correct - count);
    assert!(certified["robust"].is_null() && certified["complete"] == true);

    let attack = ["--attack", "pgd", "--steps", "20", "--packet-samples", "0", "--json"];
    let plain = json(&mut on("audit", &[&SAMPLES[..], &attack].concat()));
    let place = text(&with);
    let words = [&SAMPLES[..], &attack, &["--certify", "true", "-o", &place]].concat();
    let both = json(&mut on("audit", &words));
    assert_eq!(without_seconds(both["certified"].clone()), without_seconds(certified["certified"].clone()));
    assert_eq!(both["robust"], plain["robust"]);
    let passes = |found: &Value| found["attacks"][0]["backwards"].as_u64().unwrap();
    assert!(passes(&both) < passes(&plain));
    let robust = both["robust"]["robust"].as_u64().unwrap();
    assert_eq!(both["undecided"].as_u64().unwrap(), robust - count);

    // Every certified sample is attacked with the whole budget, and none breaks.
    let full = json(&mut on("audit", &[&SAMPLES[..], &attack, &["--certify", "--full"]].concat()));
    assert_eq!(
        (&full["certified"]["contradicted"], &full["certified"]["certified"]),
        (&Value::Array(vec![]), &count.into())
    );
    assert!(passes(&full) > passes(&both));

    let shown: Vec<&str> =
        words[..words.len() - 2].iter().filter(|word| **word != "--json").copied().collect();
    let screen = stdout(&succeeds(&mut on("audit", &shown)));
    assert!(screen.contains("≤ robust accuracy on these samples ≤"), "{screen}");
    assert!(screen.contains("proved of the network in real arithmetic"), "{screen}");
    let in_floats = certified["certified"]["in_floats"].as_u64().unwrap();
    assert!(0 < in_floats && in_floats <= count, "{certified}");
    let said =
        format!("certified also for float32 arithmetic in any order of summation: {in_floats} of {count}");
    assert!(screen.contains(&said), "{screen}");

    let place = directory();
    let parts = [("1/2", "1"), ("2/2", "3")].map(|(shard, threads)| {
        let part = place.at(&shard.replace('/', "-"));
        let own = ["--certify", "--shard", shard, "--threads", threads, "-o", &part];
        json(&mut on("audit", &[&SAMPLES[..], &attack, &own].concat()));
        part
    });
    let merged = scratch("merged");
    let mut merge = common::kennard(["merge", "--json"]);
    let together = json(merge.args(&parts).arg("-o").arg(&merged));
    assert_eq!(without_seconds(together["certified"].clone()), without_seconds(both["certified"].clone()));
    let samples = |path: &Path| std::fs::read(path.join("samples.parquet")).unwrap();
    assert_eq!(samples(&with), samples(&merged));
    let page = std::fs::read_to_string(with.join("report.html")).unwrap();
    assert!(page.contains("\"undecided\""));
}

/// Beside distances, how far is proved: on the screen, in the files, in the curve of the page; parts that are merged give the
/// same bytes.
#[test]
fn radii_are_found_beside_distances() {
    let (whole, merged) = (scratch("radii"), scratch("radii-merged"));
    let words = ["--certify", "--minimal", "fmn", "--steps", "20", "--attack", "none", "--first", "12"];
    let words = [&words[..], &["--packet-samples", "0", "--micro-batch", "4", "--json"]].concat();
    let run = |more: &[&str]| json(&mut on("audit", &[&words[..], more].concat()));
    let found = run(&["-o", &text(&whole)]);
    assert!(found["certified"].is_null() && found["complete"] == true);
    let curve = found["radii"]["curve"].as_array().unwrap();
    let share = |point: &Value, key: &str| point[key].as_f64().unwrap();
    assert!(curve.iter().all(|p| share(p, "certified_accuracy") <= share(p, "robust_accuracy")));
    assert!(share(&curve[0], "certified_accuracy") > 0.5, "{found}");
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("\"certified_accuracy\""));
    let shown: Vec<&str> = words.iter().filter(|word| **word != "--json").copied().collect();
    let screen = stdout(&succeeds(&mut on("audit", &shown)));
    assert!(screen.contains("proved, in"), "{screen}");

    let place = directory();
    let parts = [("1/2", "1"), ("2/2", "3")].map(|(shard, threads)| {
        let part = place.at(&shard.replace('/', "-"));
        run(&["--shard", shard, "--threads", threads, "-o", &part]);
        part
    });
    let mut merge = common::kennard(["merge", "--json"]);
    let together = json(merge.args(&parts).arg("-o").arg(&merged));
    assert_eq!(without_seconds(together["radii"].clone()), without_seconds(found["radii"].clone()));
    let samples = |path: &Path| std::fs::read(path.join("samples.parquet")).unwrap();
    assert_eq!(samples(&whole), samples(&merged));
}

/// Networks side by side: of one that cannot be bounded the certified accuracy is not known, which is not 0.
#[test]
fn what_cannot_be_bounded_has_no_certified_accuracy() {
    let folder = directory();
    std::fs::copy(fixture(MODEL), folder.join("epoch-1.onnx")).unwrap();
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = [Dim::BATCH, Dim::Known(1), Dim::Known(28), Dim::Known(28)];
    let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
    let weights: Vec<f32> = (0..7840).map(|i| (i % 13) as f32 * 1e-3).collect();
    let weights = ArrayD::from_shape_vec(IxDyn(&[784, 10]), weights).unwrap();
    let w = builder.named("w", Tensor::from(weights));
    builder.output("y", x.apply("Flatten").with("MatMul", w).apply("Tan"));
    builder.finish().unwrap().save(folder.join("epoch-2.onnx")).unwrap();

    let words = ["--eps", "0.01", "--first", "12", "--packet-samples", "0", "--steps", "5", "--json"];
    let output = succeeds(&mut kennard("track", &text(&folder), &words));
    let said = stderr(&output);
    assert!(said.contains("certified accuracy is not known") && said.contains("Tan"), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [first, second] = [0, 1].map(|place| found["points"][place].clone());
    assert!(first["certified"].as_f64().unwrap() > 0.0 && second["certified"].is_null(), "{found}");
    let table = std::fs::read_to_string(folder.join("track/track.md")).unwrap();
    let row = table.lines().find(|line| line.contains("epoch-2")).unwrap();
    assert!(table.contains("| certified |") && row.split('|').nth(4).unwrap().trim() == "–", "{table}");

    let mut track = kennard("track", &text(&folder), &words);
    let without = json(track.args(["--certify", "false", "-o", &folder.at("plain")]));
    assert!(without["points"][0]["certified"].is_null());
    let table = std::fs::read_to_string(folder.join("plain/track.md")).unwrap();
    assert!(!table.contains("certified"), "{table}");
}

#[test]
fn what_cannot_be_certified_is_refused() {
    for (words, says) in [
        (&["--eps", "0"][..], "the sample itself"),
        (&["--eps", "1"], "every input of the bounds"),
        (&["--eps", "1", "--bounds", "0,1"], "(--eps, --bounds)"),
        (&["--eps", "255"], "input range"),
        (&["--eps", "3", "--norm", "l0"], "not in l0"),
        (&["--eps", "28", "--norm", "l2"], "every input"),
    ] {
        refused(&mut on("certify", words), 1, &[says]);
    }
    refused(&mut on("certify", &[]), 2, &[]);
    refused(&mut on("attack", &["--eps", "0.1", "--certify", "-o", "nowhere"]), 2, &[]);
}

/// The contest `strongest` attacks only what is not proved, where nothing else is said; what is robust stays so. Why there are no
/// certificates is said, too, and other attacks have none unasked.
#[test]
fn strongest_attacks_what_is_not_proved() {
    let audited = |attack: &str, words: &[&str]| {
        let place = scratch("strongest");
        let fixed = ["--first", "24", "--attack", attack, "--packet-samples", "0", "--json"];
        let output = succeeds(&mut on("audit", &[&fixed, words, &["-o", &text(&place)]].concat()));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        (found, read_json(place.join("manifest.json")), stderr(&output))
    };
    let (first, manifest, said) = audited("strongest", &["--eps", "0.01"]);
    let (plain, unasked, _) = audited("strongest", &["--eps", "0.01", "--certify", "false"]);
    assert!(first["certified"]["certified"].as_u64().unwrap() > 10, "{first}");
    assert_eq!(first["robust"], plain["robust"]);
    let passes = |found: &Value| found["attacks"][0]["backwards"].as_u64().unwrap();
    assert!(10 * passes(&first) < passes(&plain), "{} and {}", passes(&first), passes(&plain));
    // Its one hidden tensor has the tightest bounds from the start, so that CROWN is CROWN over intervals.
    let line = "certificates first, by intervals, crown-ibp, alpha-crown: what is proved is not attacked";
    assert!(said.lines().any(|own| own == line), "{said}");
    assert_eq!(manifest["about"]["certificates"], line);
    assert_eq!(
        (&manifest["settings"]["certify"], &manifest["settings"]["certify_within"]),
        (&true.into(), &2000.into())
    );
    assert!(unasked["about"]["certificates"].is_null() && unasked["settings"]["certify"].is_null());

    let (without, manifest, said) = audited("strongest", &["--eps", "1"]);
    let line = manifest["about"]["certificates"].as_str().unwrap();
    assert!(
        line.starts_with("no certificates before the attacks: within linf") && said.contains(line),
        "{line}"
    );
    assert!(without["certified"].is_null() && manifest["settings"]["certify"].is_null());

    for (attack, words) in
        [("pgd", &["--eps", "0.01"][..]), ("strongest", &["--eps", "0.01", "--full", "--budget", "9"])]
    {
        let (found, manifest, said) = audited(attack, words);
        assert!(found["certified"].is_null() && manifest["about"]["certificates"].is_null());
        assert!(!said.contains("certificates"), "{said}");
    }
}

/// A certificate that must hold, for a pipeline.
#[test]
fn a_certified_accuracy_can_be_required() {
    let required = |share: &str| {
        let words = [&SAMPLES[..], &["--require", share, "--json"]].concat();
        on("certify", &words).output().unwrap().status.code()
    };
    assert_eq!((required("certified>=0.01"), required("certified>=0.99")), (Some(0), Some(3)));
    assert_eq!(required("robust>=0.5"), Some(2));
}
