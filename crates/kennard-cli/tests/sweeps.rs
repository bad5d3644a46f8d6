//! Sweeps: faults of any run are found before the first is trained, and what is done stays done.

mod common;

use std::path::Path;
use std::process::Output;

use common::{directory, fashion, kennard, stderr, stdout};

fn tradeoff(place: &Path, train: &str, second: &str) -> Output {
    let text = format!(
        "[train]\ndata = \"{}\"\nsplit = \"test\"\narch = \"mlp:4\"\nepochs = 1\nsamples = 40\n{train}\n\
         [audit]\neps = 0.1\nsamples = 4\npacket-samples = 0\n\n[[run]]\nname = \"plain\"\n\n{second}\n",
        fashion()
    );
    let config = place.join("sweep.toml");
    std::fs::write(&config, text).unwrap();
    kennard(["tradeoff", "--out"]).arg(place.join("out")).arg(config).output().unwrap()
}

#[test]
fn a_fault_of_any_run_is_found_before_the_first_is_trained() {
    let place = directory();
    let failed = tradeoff(&place, "", "[[run]]\nname = \"robust\"\nmethod = \"pgd\"");
    let said = stderr(&failed);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    for part in ["sweep.toml: the run `robust`: the method pgd needs", "`eps`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!place.join("out/plain").exists());
}

/// What plain training has no use for does not part it from a run that is done.
#[test]
fn epsilon_can_be_added_to_a_sweep() {
    let place = directory();
    let first = tradeoff(&place, "", "");
    assert!(first.status.success(), "{}", stderr(&first));
    let network = place.join("out/plain/last.onnx");
    let written = || std::fs::metadata(&network).unwrap().modified().unwrap();
    let before = written();
    let robust = "[[run]]\nname = \"robust\"\nmethod = \"pgd\"\nsteps = 1";
    let second = tradeoff(&place, "eps = 0.1", robust);
    assert!(second.status.success(), "{}", stderr(&second));
    assert_eq!(written(), before);
    assert!(place.join("out/robust/last.onnx").exists());
}

/// The audits of an experiment that has a page of its own are rows of a table, each by its run, with the page's warnings.
#[test]
fn a_table_has_the_audits_of_an_experiment() {
    let place = directory();
    let done = tradeoff(&place, "eps = 0.1", "");
    assert!(done.status.success(), "{}", stderr(&done));
    let out = place.join("out");
    let page = std::fs::read_to_string(out.join("page.json")).unwrap();
    assert!(page.contains("seen-in-training"), "{page}");
    // As `reproduce` leaves it.
    std::fs::write(out.join("page.json"), page.replace("\"audits\": true", "\"audits\": false")).unwrap();
    std::fs::remove_file(out.join("SHA256SUMS")).unwrap();
    let table = kennard(["report", "--table", "markdown"]).arg(&out).output().unwrap();
    let (text, said) = (stdout(&table), stderr(&table));
    assert!(text.contains("| last.onnx |"), "{text}{said}");
    assert!(text.contains("\nWarning (seen-in-training): the networks are trained on the samples"), "{text}");
}

/// What a tracked run refuses, its help does not offer.
#[test]
fn track_offers_no_shards() {
    let help = |command: &str| stdout(&kennard([command, "--help"]).output().unwrap());
    assert!(help("audit").contains("--shard") && !help("track").contains("--shard"));
}
