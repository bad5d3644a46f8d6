//! The command `kennard uncertainty`: what it writes, and what it refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn uncertainty(model: &str, words: &[&str]) -> Output {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["uncertainty", &fixture(model), "--data", &data, "--runtime", "rten"]);
    command.args(words).output().unwrap()
}

fn refused(words: &[&str], says: &[&str]) {
    let output = uncertainty("fashion_mlp.onnx", words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {message}");
    for part in says {
        assert!(message.contains(part), "{words:?} does not say `{part}`: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    assert!(output.stdout.is_empty(), "{words:?} prints figures");
}

#[test]
fn impossible_packets_are_refused() {
    refused(&["--scale", "0"], &["scale is 0", "positive"]);
    refused(&["--scale", "0.1,-0.1"], &["scale is -0.1", "positive"]);
    let missing = uncertainty("fashion_mlp.onnx", &[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--scale"));
    refused(&["--packet", "box", "--scale", "0.1"], &["no window"]);
    refused(&["--packet", "box", "--bounds", "1,0"], &["empty", "lower bound"]);
    refused(&["--scale", "0.1", "--label", "10"], &["no label 10", "0 to 9"]);
    refused(&["--scale", "0.1", "--centres", "0"], &["at least one"]);
    refused(&["--scale", "0.1", "--draws", "10"], &["--draws 10", "too few", "at least 64"]);
    refused(&["--scale", "0.1", "--max-draws", "63"], &["--max-draws 63", "too few", "at least 64"]);
    refused(&["--scale", "1e-12", "--centres", "2"], &["scale 1e-12", "finer than float32", "at least"]);
    refused(&["--scale", "0.1", "--rel-tol", "0"], &["--rel-tol", "positive"]);
    refused(&["--scale", "0.1", "--clamp"], &["--clamp", "boundary term", "--packet=box"]);
    refused(&["--packet", "empirical", "--draws", "100"], &["--draws", "sum over all"]);
    refused(&["--packet", "box", "--centres", "3"], &["--centres", "no samples"]);
    refused(&["--scale", "0.1", "--out", "/dev/null/run"], &["/dev/null/run"]);
}

/// A scale or a temperature that is given twice is measured once.
#[test]
fn what_is_given_twice_is_measured_once() {
    let mut words =
        vec!["--scale", "0.1,0.1", "--temperatures", "1,1", "--first", "1", "--accept-few", "--json"];
    words.extend(["--draws", "128", "--max-draws", "128"]);
    let output = uncertainty("fashion_mlp.onnx", &words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["curve"].as_array().unwrap().len(), 1, "{summary}");
}

/// What was asked for and not reached is said.
#[test]
fn wide_intervals_are_said() {
    let words = ["--scale", "0.1", "--centres", "2", "--draws", "256", "--max-draws", "512", "--accept-few"];
    let said = |more: &[&str]| {
        let output = uncertainty("fashion_mlp.onnx", &[&words[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let narrow = said(&["--rel-tol", "1e-9"]);
    assert!(narrow.contains("still wider than was asked for") && narrow.contains("--max-draws"), "{narrow}");
    assert!(!said(&["--rel-tol", "50"]).contains("still wider") && !said(&[]).contains("still wider"));
}

#[test]
fn unknown_tensors_suggest_near_ones() {
    let output = uncertainty("fashion_mlp.onnx", &["--scale", "0.1", "--tensor", "no-such-tensor"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("no tensor `no-such-tensor`") && message.contains("nearest"), "{message}");
}

/// Too few effective samples: figures that say so, and a status that does.
#[test]
fn too_few_samples_fail_unless_accepted() {
    let words = ["--scale", "0.1", "--centres", "1", "--draws", "200", "--max-draws", "200"];
    let output = uncertainty("fashion_mlp.onnx", &words);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("effective samples"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT TO BE TRUSTED"));
    let output = uncertainty("fashion_mlp.onnx", &[&words[..], &["--accept-few"]].concat());
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT TO BE TRUSTED"));
}

#[test]
fn a_curve_is_written_whole() {
    let out = scratch("curve");
    let directory = out.display().to_string();
    let words = ["--scale", "0.02,8/255", "--centres", "2", "--json", "--out", &directory];
    let output = uncertainty("fashion_mlp.onnx", &words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let curve = summary["curve"].as_array().unwrap();
    assert_eq!(curve.len(), 2);
    for (figures, scale) in curve.iter().zip([0.02, 8.0 / 255.0]) {
        assert_eq!(figures["scale"], scale);
        assert_eq!(figures["packets"], 2);
        assert_eq!(figures["valid"], true);
        let product = figures["product"]["value"].as_f64().unwrap();
        assert!((0.5..0.51).contains(&product), "{product}");
        assert!(figures["modes"]["leading"].as_array().unwrap().len() == 4);
    }
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(written["curve"], summary["curve"]);
    assert_eq!(written["cosines"], summary["cosines"]);
    assert_eq!(summary["cosines"]["samples"], 1000);
    let mean = summary["cosines"]["cosine"]["mean"].as_f64().unwrap();
    let interval = &summary["cosines"]["cosine"]["mean_interval"];
    assert!(interval[0].as_f64().unwrap() < mean && mean < interval[1].as_f64().unwrap());
    assert!(std::fs::read(out.join("packets.parquet")).unwrap().starts_with(b"PAR1"));
    for picture in ["sigma_x_0.02.png", "sigma_p_0.02.png", "mode_1_0.02.png", "mode_4_0.02.png"] {
        assert!(std::fs::read(out.join(picture)).unwrap().starts_with(b"\x89PNG"), "{picture}");
    }
    // Over two images the product's interval is wider than it differs.
    for picture in ["product.svg", "excess.svg", "drift.svg", "wrong.svg"] {
        let svg = std::fs::read_to_string(out.join(picture)).unwrap();
        assert!(
            svg.contains("95 % bands") && (svg.contains("Not drawn") || svg.contains("<circle")),
            "{svg}"
        );
    }
    for figures in curve {
        let [excess_x, excess_p, wrong] =
            ["excess_x", "excess_p", "misclassified"].map(|name| figures[name]["value"].as_f64().unwrap());
        let (scale, sigma_x, sigma_p) = (
            figures["scale"].as_f64().unwrap(),
            figures["sigma_x"]["value"].as_f64().unwrap(),
            figures["sigma_p"]["value"].as_f64().unwrap(),
        );
        // Both are means of two images, each corrected for its own bias of order 1/ESS.
        assert!((sigma_x / scale - 1.0 - excess_x).abs() < 1e-4, "{sigma_x}, {excess_x}");
        assert!((2.0 * scale * sigma_p - 1.0 - excess_p).abs() < 1e-4, "{sigma_p}, {excess_p}");
        assert!((0.0..=1.0).contains(&wrong));
    }

    // Threads and micro-batches do not change a figure by more than the runtime's rounding.
    let again = uncertainty("fashion_mlp.onnx", &[&words[..5], &["--threads", "1"]].concat());
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["curve"], summary["curve"]);
    std::fs::remove_dir_all(out).unwrap();
}

/// What `kennard uncertainty` says of a model and data of `$KENNARD_SHARED/cases`, as JSON; none where they
/// are absent.
fn case(model: &str, data: &str, words: &[&str]) -> Option<(Option<i32>, serde_json::Value)> {
    let shared = std::env::var("KENNARD_SHARED").unwrap_or_else(|_| fixture("../../shared"));
    let cases = Path::new(&shared).join("cases");
    if !cases.join(model).exists() {
        println!("skipped: {} is not there", cases.join(model).display());
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    let data = format!("npz:{}", cases.join(data).display());
    command.args(["uncertainty", &cases.join(model).display().to_string(), "--data", &data, "--json"]);
    let output = command.args(["--runtime", "rten"]).args(words).output().unwrap();
    let summary = serde_json::from_slice(&output.stdout);
    Some((output.status.code(), summary.unwrap_or_else(|_| panic!("{output:?}"))))
}

/// Lobes far from the sample, where it is flat or sloped otherwise: by quadrature the drift is 10.16 and
/// 10.62. Within 6 %, twice the widest 95 % interval of 1 000 effective samples.
#[test]
fn far_lobes_are_found() {
    for (model, data, drift) in [("lobe.onnx", "d2.npz", 10.16), ("lobe50.onnx", "d50.npz", 10.62)] {
        let Some((status, summary)) = case(model, data, &["--scale", "0.1"]) else { return };
        let figures = &summary["curve"][0];
        let found = figures["drift"]["value"].as_f64().unwrap();
        assert!((found / drift - 1.0).abs() < 0.06, "{model}: {found}, not {drift}");
        assert_eq!((status, figures["valid"].as_bool()), (Some(0), Some(true)), "{model}: {figures}");
        // The boundary is on the way there, also where nothing slopes at the sample.
        let searched = figures["distances"]["searched"]["value"].as_f64();
        assert!(searched.is_some_and(|distance| (0.5..1.2).contains(&distance)), "{model}: {figures}");
        let mean = figures["distances"]["error.mean"]["value"].as_f64();
        let noted = figures["notes"].to_string().contains("the packet has points beyond it");
        assert!(mean.is_some_and(|mean| mean > 0.5) || noted, "{model}: {figures}");
    }
}

/// A quadratic log-loss in 200 dimensions: every principal product has ½ in its interval, widened from 95 %
/// to 99.9 % (of Student's distribution with 7 degrees of freedom, by 2.3).
#[test]
fn the_principal_products_of_a_quadratic_are_half() {
    let Some((_, summary)) = case("quad200.onnx", "d200.npz", &["--scale", "0.3", "--accept-few"]) else {
        return;
    };
    let principal = summary["curve"][0]["modes"]["principal"].as_array().unwrap().clone();
    assert_eq!(principal.len(), 4);
    for figure in principal {
        let value = figure["value"].as_f64().unwrap();
        let [low, high] = [0, 1].map(|end| value + 2.3 * (figure["interval"][end].as_f64().unwrap() - value));
        assert!(low <= 0.5 && 0.5 <= high && high - low < 1.0, "{figure}");
    }
}

/// A packet that reaches into a region where the network is NaN is listed, and the others are measured.
#[test]
fn a_packet_that_fails_leaves_the_others() {
    let Some((status, summary)) = case("nan.onnx", "d2.npz", &["--scale", "0.01,0.1"]) else { return };
    assert_eq!(status, Some(0), "{summary}");
    let curve = summary["curve"].as_array().unwrap();
    assert_eq!((curve.len(), curve[0]["scale"].as_f64()), (1, Some(0.01)));
    let failed = summary["failed"].as_array().unwrap();
    assert_eq!(
        (failed.len(), failed[0]["scale"].as_f64(), failed[0]["centre"].as_u64()),
        (1, Some(0.1), Some(0))
    );
    assert!(failed[0]["reason"].as_str().unwrap().contains("NaN"), "{failed:?}");
    assert!(summary["warnings"].to_string().contains("packets-failed"));

    let words = ["--packet", "empirical", "--accept-few"];
    let Some((status, summary)) = case("nan.onnx", "few.npz", &words) else { return };
    assert_eq!((status, summary["curve"].as_array().map(Vec::len)), (Some(0), Some(1)), "{summary}");
}

/// Sampling goes on until every interval is as tight as asked, and no longer.
#[test]
fn a_tolerance_takes_as_many_points_as_it_needs() {
    let curve = |words: &[&str]| {
        let output = uncertainty(
            "fashion_mlp.onnx",
            &[&["--scale", "0.05", "--centres", "1", "--max-draws", "200000", "--json"], words].concat(),
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        summary["curve"][0].clone()
    };
    let widest = |figures: &serde_json::Value| {
        let share = |name: &str| {
            let [low, high] = [0, 1].map(|end| figures[name]["interval"][end].as_f64().unwrap());
            (high - low) / 2.0 / figures[name]["value"].as_f64().unwrap()
        };
        ["sigma_x", "sigma_p", "product", "drift", "dispersion"].map(share).into_iter().fold(0.0, f64::max)
    };
    let points = |figures: &serde_json::Value| figures["samples"].as_u64().unwrap();
    let loose = curve(&[]);
    let asked = 0.5 * widest(&loose);
    let tight = curve(&["--rel-tol", &asked.to_string()]);
    assert!(points(&loose) < points(&tight) && points(&tight) < 400_000, "{} points", points(&tight));
    assert!(widest(&tight) <= asked, "{} {asked}", widest(&tight));
}

#[test]
fn every_packet_is_measured() {
    for words in [
        &["--packet", "box", "--label", "3"][..],
        &["--packet", "data", "--scale", "0.05", "--label", "3"],
        &["--packet", "empirical", "--label", "3", "--accept-few"],
    ] {
        let output = uncertainty("fashion_mlp.onnx", words);
        let screen = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(screen.contains(&format!("{} packet", words[1])), "{screen}");
        assert!(screen.contains("cos(x, ∂l)"), "{screen}");
    }
}
