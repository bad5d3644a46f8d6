//! The experiments R5, R6 and R7 from end to end, small: what they leave, and that they give no verdicts then.

mod common;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use common::{fashion, fixture, json, kennard, refused, scratch, stderr};

fn reproduce(words: &[&str], out: &Path) -> Command {
    let mut command = kennard(["reproduce", "--data", &fashion(), "--split", "test", "--json", "--out"]);
    command.arg(out).args(words);
    command
}

fn found(words: &[&str], out: &Path) -> Value {
    let found = json(&mut reproduce(words, out));
    for claim in found["claims"].as_array().unwrap() {
        assert_eq!(claim["verdict"], "too-small-to-judge", "{claim}");
    }
    found
}

/// Windows of three images, twenty networks that have hardly begun.
#[test]
fn r7_draws_a_curve_for_every_network() {
    let out = scratch("r7");
    let found = found(&["r7", "--samples", "3", "--epochs", "1"], &out);
    assert_eq!(found["claims"].as_array().unwrap().len(), 3);
    let networks = found["figures"]["networks"].as_array().unwrap();
    assert_eq!((networks.len(), networks[7]["name"].as_str().unwrap()), (20, "noise 0.125, seed 2"));
    for network in networks {
        let curve = network["curve"].as_array().unwrap();
        assert_eq!(curve.len(), 9);
        for at in curve {
            // No certificate is larger than all of 1 000 draws agreeing allows.
            let (scale, radius) =
                (at["scale"].as_f64().unwrap(), at["certified_radius"]["value"].as_f64().unwrap());
            assert!((0.0..=2.4633 * scale).contains(&radius), "{at}");
        }
    }
    // One that fails leaves the page that is there.
    let page = std::fs::read(out.join("page.json")).unwrap();
    let mut command = kennard(["reproduce", "r7", "--data", "fashion-mnist:nowhere", "--samples", "3"]);
    refused(command.args(["--epochs", "1", "--out"]).arg(&out), 1, &[]);
    assert_eq!(std::fs::read(out.join("page.json")).unwrap(), page);
    for file in ["r7.md", "tradeoff.svg", "certified.svg", "radius.svg", "accuracy.svg"] {
        assert!(out.join(file).exists(), "{file}");
    }
}

#[test]
fn r6_attacks_both_spaces() {
    let out = scratch("r6");
    let found = found(&["r6", "--samples", "12", "--epochs", "1"], &out);
    assert_eq!(found["claims"].as_array().unwrap().len(), 2);
    let networks = found["figures"]["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 10);
    for network in networks {
        for size in network["at_sizes"].as_array().unwrap() {
            let shares = size.as_array().unwrap();
            assert!(
                shares.iter().all(|share| share.is_null() || (0.0..=1.0).contains(&share.as_f64().unwrap()))
            );
        }
    }
}

#[test]
fn r5_correlates_figures_with_distances() {
    let out = scratch("r5");
    let model = fixture("fashion_mlp.onnx");
    let found = found(&["r5", "--models", &model, "--samples", "8"], &out);
    assert_eq!(found["claims"].as_array().unwrap().len(), 3);
    let network = &found["figures"]["networks"][0];
    assert_eq!((network["name"].as_str(), network["images"].as_u64()), (Some("fashion_mlp"), Some(8)));
    let correlations = network["correlations"].as_array().unwrap();
    let first = correlations.iter().find(|c| c["figure"] == "first-order distance").unwrap();
    assert_eq!(first["difference"]["value"].as_f64(), Some(0.0));
    assert!(correlations.iter().all(|c| c["rho"]["value"].as_f64().is_some_and(|rho| rho.abs() <= 1.0)));

    let refusal = |words: &[&str]| {
        let output = reproduce(words, &out).output().unwrap();
        assert!(!output.status.success());
        stderr(&output)
    };
    assert!(refusal(&["r5"]).contains("--models"));
    let model_too = ["r5", "--models", &model];
    assert!(refusal(&[&model_too[..], &["--eps", "0.7"]].concat()).contains("r5 has no use for --eps"));
    assert!(refusal(&["r3", "--fitted"]).contains("r3 has no use for --fitted"));
    assert!(refusal(&["r3", "--label-column", "nonsense"]).contains("r3 has no use for --label-column"));
    // Of several models the one that does not fit is named.
    let other = fixture("plane_moons.onnx");
    let message = refusal(&["r5", "--models", &other, &model, "--samples", "8"]);
    assert!(message.contains("plane_moons.onnx: the data has samples of shape"), "{message}");
    let message = refusal(&["r7", "--models", &model]);
    assert!(message.contains("r7 trains its own networks"), "{message}");
}
