//! The command `kennard certify`, and `audit --certify`: bounds before attacks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-certify-{name}", std::process::id()))
}

fn kennard(command: &str, model: &str, words: &[&str]) -> Output {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let mut program = Command::new(env!("CARGO_BIN_EXE_kennard"));
    program
        .args([command, &fixture(model), "--data", &data, "--runtime", "rten"])
        .args(words)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
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
    let certified =
        json(&kennard("certify", MODEL, &[&SAMPLES[..], &["--json", "-o", &text(&alone)]].concat()));
    let count = certified["certified"]["certified"].as_u64().unwrap();
    let correct = certified["clean"]["correct"].as_u64().unwrap();
    assert!(0 < count && count < correct, "{certified}");
    assert_eq!(certified["undecided"].as_u64().unwrap(), correct - count);
    assert!(certified["robust"].is_null() && certified["complete"] == true);

    let attack = ["--attack", "pgd", "--steps", "20", "--packet-samples", "0", "--json"];
    let plain = json(&kennard("audit", MODEL, &[&SAMPLES[..], &attack].concat()));
    let place = text(&with);
    let words = [&SAMPLES[..], &attack, &["--certify", "true", "-o", &place]].concat();
    let both = json(&kennard("audit", MODEL, &words));
    assert_eq!(without_seconds(both["certified"].clone()), without_seconds(certified["certified"].clone()));
    assert_eq!(both["robust"], plain["robust"]);
    let passes = |found: &Value| found["attacks"][0]["backwards"].as_u64().unwrap();
    assert!(passes(&both) < passes(&plain));
    let robust = both["robust"]["robust"].as_u64().unwrap();
    assert_eq!(both["undecided"].as_u64().unwrap(), robust - count);

    // Every certified sample is attacked with the whole budget, and none breaks.
    let full = json(&kennard("audit", MODEL, &[&SAMPLES[..], &attack, &["--certify", "--full"]].concat()));
    assert_eq!(
        (&full["certified"]["contradicted"], &full["certified"]["certified"]),
        (&Value::Array(vec![]), &count.into())
    );
    assert!(passes(&full) > passes(&both));

    let shown: Vec<&str> =
        words[..words.len() - 2].iter().filter(|word| **word != "--json").copied().collect();
    let screen = String::from_utf8(kennard("audit", MODEL, &shown).stdout).unwrap();
    assert!(screen.contains("≤ robust accuracy on these samples ≤"), "{screen}");
    assert!(screen.contains("proved of the network in real arithmetic"), "{screen}");

    let parts: Vec<String> = ["1/2", "2/2"]
        .map(|shard| {
            let part = text(&scratch(&shard.replace('/', "-")));
            let threads = if shard == "1/2" { "1" } else { "3" };
            let words =
                [&SAMPLES[..], &attack, &["--certify", "--shard", shard, "--threads", threads, "-o", &part]]
                    .concat();
            json(&kennard("audit", MODEL, &words));
            part
        })
        .into();
    let merged = scratch("merged");
    let mut merge = Command::new(env!("CARGO_BIN_EXE_kennard"));
    let together =
        json(&merge.arg("merge").args(&parts).args(["--json", "-o", &text(&merged)]).output().unwrap());
    assert_eq!(without_seconds(together["certified"].clone()), without_seconds(both["certified"].clone()));
    let samples = |path: &Path| std::fs::read(path.join("samples.parquet")).unwrap();
    assert_eq!(samples(&with), samples(&merged));
    let page = std::fs::read_to_string(with.join("report.html")).unwrap();
    assert!(page.contains("\"undecided\""));
    for directory in [&alone, &with, &merged] {
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[test]
fn what_cannot_be_certified_is_refused() {
    for (words, says) in [
        (&["--eps", "0"][..], "the sample itself"),
        (&["--eps", "1"], "every input of the bounds"),
        (&["--eps", "1", "--bounds", "0,1"], "(--eps, --bounds)"),
        (&["--eps", "255"], "input range"),
        (&["--eps", "3", "--norm", "l0"], "none in l0"),
        (&["--eps", "28", "--norm", "l2"], "every input"),
    ] {
        let output = kennard("certify", MODEL, words);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {message}");
        assert!(message.contains(says) && output.stdout.is_empty(), "{words:?}: {message}");
    }
    assert_eq!(kennard("certify", MODEL, &[]).status.code(), Some(2));
    let output = kennard("attack", MODEL, &["--eps", "0.1", "--certify", "-o", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
}

/// The contest `strongest` attacks only what is not proved, where nothing else is said; what is robust stays so. Why there are no
/// certificates is said, too, and other attacks have none unasked.
#[test]
fn strongest_attacks_what_is_not_proved() {
    let audited = |attack: &str, words: &[&str]| {
        let place = scratch(&format!("{attack}-{}", words.len()));
        let fixed = ["--first", "24", "--attack", attack, "--packet-samples", "0", "--json"];
        let found = kennard("audit", MODEL, &[&fixed, words, &["-o", &text(&place)]].concat());
        let manifest = std::fs::read(place.join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        std::fs::remove_dir_all(&place).unwrap();
        let said = String::from_utf8(found.stderr.clone()).unwrap();
        (json(&found), manifest, said)
    };
    let (first, manifest, said) = audited("strongest", &["--eps", "0.01"]);
    let (plain, unasked, _) = audited("strongest", &["--eps", "0.01", "--certify", "false"]);
    assert!(first["certified"]["certified"].as_u64().unwrap() > 10, "{first}");
    assert_eq!(first["robust"], plain["robust"]);
    let passes = |found: &Value| found["attacks"][0]["backwards"].as_u64().unwrap();
    assert!(10 * passes(&first) < passes(&plain), "{} and {}", passes(&first), passes(&plain));
    let line =
        "certificates first, by intervals, crown-ibp, crown, alpha-crown: what is proved is not attacked";
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
        kennard("certify", MODEL, &words).status.code()
    };
    assert_eq!((required("certified>=0.01"), required("certified>=0.99")), (Some(0), Some(3)));
    assert_eq!(required("robust>=0.5"), Some(2));
}
