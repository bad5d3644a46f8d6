//! The experiments R1 to R4 from end to end, small: what they leave, and that they give no verdicts then.

mod common;

use std::path::Path;

use serde_json::Value;

use common::{fashion, json, kennard, read_json, scratch, stderr};

/// An experiment with one epoch on 100 samples of the small data set.
fn reproduce(experiment: &str, out: &Path) -> Value {
    reproduce_with(experiment, out, ["1", "100"])
}

/// An experiment with this many epochs and samples, fewer than its own.
fn reproduce_with(experiment: &str, out: &Path, [epochs, samples]: [&str; 2]) -> Value {
    let mut command =
        kennard(["reproduce", experiment, "--epochs", epochs, "--samples", samples, "--json", "--out"]);
    command.arg(out);
    if experiment != "r4" {
        command.args(["--data", &fashion(), "--split", "test"]);
    }
    let found = json(&mut command);
    let text = std::fs::read_to_string(out.join(format!("{experiment}.md"))).unwrap();
    let digest = found["figures"]["predictions_sha256"].as_str().unwrap();
    assert!(digest.len() == 64 && text.contains(digest), "{text}");
    assert!(out.join("predictions.md").exists());
    // That it was made smaller is said wherever its claims are.
    assert_eq!(found["warnings"][0]["code"], "shortened", "{found}");
    assert!(text.contains("Warning (shortened): the experiment is shortened: "), "{text}");
    for claim in found["claims"].as_array().unwrap() {
        assert!(claim["evidence"].as_str().unwrap().starts_with("shortened: "), "{claim}");
    }
    let places = [out.join(experiment), out.to_path_buf()];
    let place = places.iter().find(|place| place.join("page.json").exists()).unwrap();
    let page = read_json(place.join("page.json"));
    assert_eq!(page["warnings"].as_array().unwrap().last().unwrap()["code"], "shortened", "{page}");
    assert!(place.join("report.html").exists());
    found
}

fn verdicts(found: &Value) -> Vec<&str> {
    found["claims"].as_array().unwrap().iter().map(|claim| claim["verdict"].as_str().unwrap()).collect()
}

/// R2 takes the networks of R1, and R1 takes its own up again without training or measuring anew.
#[test]
fn r1_and_r2_share_their_networks() {
    let out = scratch("r1");
    let found = reproduce("r1", &out);
    assert_eq!(verdicts(&found), ["too-small-to-judge"; 8]);
    let bound = found["claims"][7]["evidence"].as_str().unwrap();
    assert!(bound.contains(" 0 have one below by more than 0.001"), "{bound}");
    let networks = found["figures"]["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 50);
    for network in networks {
        let packets = &network["raw"];
        assert!(packets["product"].as_f64().unwrap() > 0.49, "{network}");
        assert!((0.0..=1.0).contains(&packets["misclassified"].as_f64().unwrap()), "{network}");
        assert!(network["robust"].as_f64() <= Some(1.0), "{network}");
    }
    assert_eq!(found["figures"]["paths"].as_array().unwrap().len(), 10);
    assert!(out.join("phase.svg").exists());

    let checkpoint = out.join("plain-0/measured.json");
    let written = std::fs::metadata(&checkpoint).unwrap().modified().unwrap();
    let of_r1 = ["page.json", "report.html"].map(|name| std::fs::read(out.join(name)).unwrap());
    let found = reproduce("r2", &out);
    // Each keeps its page.
    assert_eq!(["page.json", "report.html"].map(|name| std::fs::read(out.join(name)).unwrap()), of_r1);
    assert!(
        std::fs::read_to_string(out.join("r2/page.json")).unwrap().contains("R2: the null of temperature")
    );
    let captions = String::from_utf8(of_r1[0].clone()).unwrap();
    assert!(captions.contains("Conjugate spreads while networks learn"), "{captions}");
    assert_eq!(std::fs::metadata(&checkpoint).unwrap().modified().unwrap(), written);
    assert_eq!(verdicts(&found), ["too-small-to-judge"; 6]);
    // At factor 1 the packets are those of R1.
    let tempered = &found["figures"]["networks"][0];
    assert_eq!(tempered["packets"][2], networks[0]["raw"]);
}

#[test]
fn r3_compares_trunks() {
    let out = scratch("r3");
    let found = reproduce("r3", &out);
    assert_eq!(verdicts(&found), ["too-small-to-judge"; 6]);
    let readers = found["figures"]["readers"].as_array().unwrap();
    assert_eq!(readers.len(), 5 * 5 * 6, "seeds, widths, second inputs");
    assert!(out.join("gaps.svg").exists());
}

#[test]
fn r4_has_its_frontier() {
    let out = scratch("r4");
    // Enough to learn from, but not the experiment that was predicted.
    let found = reproduce_with("r4", &out, ["5", "200"]);
    assert_eq!(verdicts(&found), ["too-small-to-judge"; 4]);
    let evidence = found["claims"][0]["evidence"].as_str().unwrap();
    assert!(evidence.starts_with("shortened: 200 of 4000 samples, 5 of 20 epochs ("), "{evidence}");
    // Another experiment would replace its page.
    let page = std::fs::read(out.join("page.json")).unwrap();
    let mut other = kennard(["reproduce", "e4", "--epochs", "1", "--samples", "100", "--out"]);
    let refused = other.arg(&out).output().unwrap();
    let said = stderr(&refused);
    assert!(!refused.status.success() && said.contains("would be replaced; give --out another"), "{said}");
    assert_eq!(std::fs::read(out.join("page.json")).unwrap(), page);
    assert_eq!(found["figures"]["networks"].as_array().unwrap().len(), 40);
    // Φ(√3.25), by SciPy's norm.cdf.
    let best = found["figures"]["frontier"][0][0].as_f64().unwrap();
    assert!((best - 0.964_288_271_1).abs() < 1e-6, "{best}");
}

/// An experiment sets its training by itself: what helps is what its command has, more samples.
#[test]
fn too_few_samples_are_refused_with_what_helps() {
    // A tenth of E4's points is held out: of 71 there are 64 left, a batch.
    for (experiment, least) in [("r4", 64), ("e4", 71)] {
        let out = scratch(&format!("few-{experiment}"));
        let mut command = kennard(["reproduce", experiment, "--epochs", "1", "--samples", "60", "--out"]);
        let output = command.arg(&out).output().unwrap();
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains("the data has 60 samples"), "{said}");
        assert!(said.contains(&format!("at least --samples {least}")) && !said.contains("--batch"), "{said}");
        // Nothing there goes on.
        assert!(!out.join("page.json").exists());
    }
}
