//! The command `kennard smooth`: what it finds, writes, goes on with, and refuses.

mod common;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use common::{directory, fashion, fixture, json, kennard, read_json, refused, scratch, stdout, succeeds};

fn smooth(words: &[&str]) -> Command {
    let model = fixture("fashion_cnn_robust.onnx");
    let mut command = kennard(["smooth", &model, "--data", &fashion(), "--runtime", "rten"]);
    command.args(words);
    command
}

const QUICK: [&str; 8] = ["--sigma", "0.1", "--radius", "0.2,0.1", "--draws", "800", "--first", "9"];

/// The screen, the files and the page are of one run; parts of it merged are the same, and the page says what is certified.
#[test]
fn a_run_and_its_parts_are_the_same() {
    let (whole, merged) = (scratch("whole"), scratch("merged"));
    let text = |path: &Path| path.display().to_string();
    let output = succeeds(&mut smooth(&[&QUICK[..], &["--json", "-o", &text(&whole)]].concat()));
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
            .map(|words| stdout(&succeeds(&mut smooth(words))));
    assert!(!named.contains("abstains on") && zero.contains("abstains on"), "{named}{zero}");

    let screen = stdout(&succeeds(&mut smooth(&QUICK)));
    assert!(screen.contains("of the smoothed classifier, not of the model itself"), "{screen}");
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("returns most often under the noise, and not f itself"));
    let sheet = std::fs::read_to_string(whole.join("page.json")).unwrap();
    for digest in [&found["model"]["sha256"], &found["data"]["files"][0]["sha256"]] {
        assert!(sheet.contains(digest.as_str().unwrap()), "{digest}");
    }
    let manifest = read_json(whole.join("manifest.json"));
    assert!(sheet.contains(manifest["settings"]["runtime"].as_str().unwrap()), "the version too");
    let sheet: Value = serde_json::from_str(&sheet).unwrap();
    assert_eq!(sheet["goes_on"], "the same command with --resume");

    let part = stdout(&succeeds(&mut smooth(&[&QUICK[..], &["--shard", "2/4"]].concat())));
    assert!(part.contains("2 samples of the first 9, shard 2/4") && part.contains("every 4th"), "{part}");

    let place = directory();
    let parts = [("1/2", "1"), ("2/2", "3")].map(|(shard, threads)| {
        let part = place.at(&shard.replace('/', "-"));
        succeeds(&mut smooth(&[&QUICK[..], &["--shard", shard, "--threads", threads, "-o", &part]].concat()));
        part
    });
    // Without -o the first would be written over.
    let says = format!("{} is a shard, and would be the directory to write", parts[0]);
    refused(kennard(["merge"]).args(&parts), 2, &[&says]);
    let together = json(kennard(["merge", "--json", "-o"]).arg(&merged).args(&parts));
    let samples = |path: &Path| std::fs::read(path.join("samples.parquet")).unwrap();
    assert_eq!(samples(&whole), samples(&merged));
    assert_eq!(together["certified"], found["certified"]);

    // Its page can be made again, and a run that is there is not done again.
    let again = place.at("again.html");
    succeeds(kennard(["report", "-o", &again]).arg(&merged));
    assert!(std::fs::read_to_string(&again).unwrap().contains("not f itself"));
    let resume = ["--resume", "-o", &text(&whole)];
    let resumed = succeeds(&mut smooth(&[&QUICK[..], &resume, &["--json"]].concat()));
    assert_eq!(resumed.stdout, std::fs::read(whole.join("summary.json")).unwrap());
    let other = [&["--sigma", "0.2", "--first", "9"][..], &resume].concat();
    refused(&mut smooth(&other), 1, &["sigma is 0.1 there and 0.2 here"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (words, says) in [
        (&["--sigma", "0"][..], "it must be a positive number"),
        (&["--sigma", "-0.5"], "it must be a positive number"),
        (&["--sigma", "0.25", "--radius", "1.5"], "(--draws, --sigma)"),
        (&["--sigma", "0.25", "--radius", "-1"], "the radius is -1; it is a length"),
        (&["--sigma", "0.25", "--alpha", "0"], "between 0 and 0.5"),
        (&["--sigma", "0.25", "--draws", "0"], "at least one"),
        (&["--sigma", "0.25", "--bounds", "1,0"], "no range"),
        (
            &["--sigma", "0.25", "--first", "2", "--shard", "3/3", "-o", "nowhere"],
            "has none of the 2 samples",
        ),
    ] {
        refused(&mut smooth(words), 1, &[says]);
    }
    refused(&mut smooth(&[]), 2, &["--sigma"]);
}

/// One sample fills micro-batches alone, so that few samples take nothing off the size that was asked for.
#[test]
fn few_samples_leave_micro_batches_as_they_were_asked_for() {
    let out = scratch("batch");
    let words = ["--sigma", "0.1", "--draws", "300", "--first", "2", "--micro-batch", "256", "-o"];
    succeeds(smooth(&words).arg(&out));
    let manifest = read_json(out.join("manifest.json"));
    assert_eq!(manifest["plan"]["micro_batch"], 256, "{manifest}");
}
