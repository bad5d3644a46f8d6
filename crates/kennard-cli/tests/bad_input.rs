//! Bad input gets a message that names the file, the place and the cure, a non-zero status, and leaves
//! earlier results alone.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use kennard::data::{Elements, npy, npz};
use kennard_graph::{Builder, DType, Dim, Graph, Node, Shape, Tensor, TensorType};

use common::{Scratch, directory, fashion, fixture, json, kennard, root, scratch, stderr, stdout, succeeds};

fn command(model: &str, words: &[&str]) -> Command {
    let mut command =
        kennard(["audit", model, "--samples", "16", "--packet-samples", "0", "--runtime", "rten"]);
    if !words.contains(&"--data") {
        command.args(["--data", &fashion()]);
    }
    if !words.contains(&"--eps") {
        command.args(["--eps", "0.1"]);
    }
    command.args(words);
    command
}

fn audit(model: &str, words: &[&str]) -> Output {
    command(model, words).output().unwrap()
}

/// Runs an audit that must fail with `status` and all of `says` in its message.
fn refused(model: &str, words: &[&str], status: i32, says: &[&str]) {
    common::refused(&mut command(model, words), status, says);
}

#[test]
fn broken_models_are_refused() {
    refused("missing.onnx", &[], 1, &["missing.onnx"]);
    let whole = std::fs::read(fixture("fashion_cnn.onnx")).unwrap();
    let place = directory();
    let file = place.at("truncated.onnx");
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(&file, &[], 1, &["truncated.onnx", "complete"]);
    std::fs::write(&file, "a text").unwrap();
    refused(&file, &[], 1, &["truncated.onnx", "ONNX"]);
}

#[test]
fn models_that_are_no_classifiers_are_refused() {
    let place = directory();
    let changed = |name: &str, change: &dyn Fn(&mut Graph)| {
        let mut graph = Graph::load(fixture("fashion_mlp.onnx")).unwrap();
        change(&mut graph);
        graph.save(place.join(name)).unwrap();
        place.at(name)
    };
    let two = changed("two.onnx", &|graph| {
        let mut second = graph.inputs[0].clone();
        second.name = "second".into();
        graph.inputs.push(second);
    });
    refused(&two, &[], 1, &["one input", "second"]);
    let nan = changed("nan.onnx", &|graph| {
        let weight = graph.constants.values_mut().find(|t| t.dtype().is_float()).unwrap();
        *weight = Tensor::full(weight.shape(), f64::NAN, weight.dtype());
    });
    refused(&nan, &[], 1, &["NaN"]);
    let unknown = changed("unknown.onnx", &|graph| {
        let last = graph.nodes.last_mut().unwrap();
        let logits = std::mem::replace(&mut last.outputs[0], "before".into());
        let node = Node {
            name: "odd".into(),
            op: "Frobnicate".into(),
            inputs: vec!["before".into()],
            outputs: vec![logits],
            ..Node::default()
        };
        graph.nodes.push(node);
    });
    refused(&unknown, &[], 1, &["Frobnicate"]);
    let labels = changed("labels.onnx", &|graph| {
        let last = graph.nodes.last_mut().unwrap();
        let logits = std::mem::replace(&mut last.outputs[0], "before".into());
        graph.nodes.push(Node {
            op: "ArgMax".into(),
            inputs: vec!["before".into()],
            outputs: vec![logits],
            attributes: [("axis".to_string(), 1i64.into()), ("keepdims".to_string(), 0i64.into())].into(),
            ..Node::default()
        });
        let output = &mut graph.outputs[0].ty;
        (output.dtype, output.shape) = (DType::I64, Shape(vec![Dim::BATCH]));
    });
    refused(&labels, &[], 1, &["labels", "no scores", "logits"]);
    for words in [
        &["grad", &labels, "--out", "gradient.onnx"][..],
        &["inspect", &labels],
        &["inspect", &labels, "--json"],
    ] {
        let output = kennard(words).output().unwrap();
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("no scores") && !said.contains("every operator"), "{words:?}: {said}");
    }
}

#[test]
fn impossible_settings_are_refused() {
    let model = fixture("fashion_mlp.onnx");
    refused(&model, &["--eps", "-0.1"], 1, &["epsilon", "-0.1"]);
    refused(&model, &["--eps", "8"], 1, &["8/255"]);
    refused(&model, &["--eps", "much"], 2, &["much", "8/255"]);
    refused(&model, &["--norm", "l7"], 2, &["linf"]);
    refused(&model, &["--attack", "none,pgd"], 1, &["stands alone"]);
    refused(&model, &["--attack", "magic"], 2, &["magic", "pgd"]);
    refused(&model, &["--bounds", "1,0"], 1, &["smaller"]);
    refused(&model, &["--data", "mnist:/nowhere"], 1, &["/nowhere"]);
    refused(&model, &["--data", "minst:/nowhere"], 2, &["did you mean"]);
    refused(&model, &["--config", "/nowhere.toml"], 1, &["/nowhere.toml"]);
    refused(&model, &["--out", "/dev/null/run"], 1, &["/dev/null/run"]);
    refused(&model, &["--mean", "nan", "--std", "1"], 1, &["a mean is NaN"]);
    refused(&model, &["--mean", "inf", "--std", "1"], 1, &["a mean is inf"]);
    refused(&model, &["--mean", "0.5", "--std", "inf"], 1, &["a standard deviation is inf"]);
    // What would do nothing is said to.
    refused(&model, &["--mean", "0.5"], 1, &["std is missing"]);
    let place = directory();
    let (config, radii) = (place.at("mean.toml"), place.at("radii.txt"));
    std::fs::write(&config, "std = [0.5]").unwrap();
    refused(&model, &["--config", &config], 1, &["mean is missing"]);
    assert!(audit(&model, &["--config", &config, "--mean", "0.5"]).status.success());
    refused(&model, &["--temperature", "2"], 1, &["there are to be none"]);
    refused(&model, &["--centre-crop", "20"], 1, &["no encoded images", "centre crop"]);
    std::fs::write(&radii, "0.02\n".repeat(784)).unwrap();
    let words = ["--eps-per-feature", &radii, "--attack", "pgd", "--steps", "3"];
    refused(&model, &[&words[..], &["--step-size", "0.02"]].concat(), 1, &["one size", "--step-size"]);
    assert!(audit(&model, &words).status.success());
    refused(&model, &["--transfer", "/nowhere.onnx"], 1, &["/nowhere.onnx"]);
    let other = ["28", "kennard: --transfer ", "plane_moons.onnx: the data has samples"];
    refused(&model, &["--transfer", &fixture("plane_moons.onnx")], 1, &other);
}

/// The surrogate is part of a run: what it found is in the table, and another one is refused.
#[test]
fn transfers_are_listed_and_resumed_with_their_own_surrogate() {
    let (model, out) = (fixture("fashion_mlp.onnx"), scratch("transfer"));
    let directory = out.display().to_string();
    let with = |surrogate: &str| {
        let surrogate = fixture(surrogate);
        let words = ["--attack", "pgd", "--steps", "10", "--transfer", &surrogate, "--out", &directory];
        audit(&model, &[&words[..], &["--resume"]].concat())
    };
    let first = with("fashion_cnn.onnx");
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(stderr(&first).contains("of 16 samples classified correctly"));
    let screen = stdout(&first);
    assert!(screen.contains("transfer-apgd-ce ") && screen.contains("transfer-apgd-t "), "{screen}");
    let other = with("fashion_pool.onnx");
    assert_eq!(other.status.code(), Some(1));
    let message = stderr(&other);
    assert!(message.contains("other settings") && message.contains("surrogate"), "{message}");
}

/// Four images of one value, with a label each, as an argument of `--data`; their files are in a directory.
fn images(shape: &[usize], value: f32, label: i64) -> (Scratch, String) {
    let place = directory();
    let [x, y] = ["x.npy", "y.npy"].map(|name| place.at(name));
    std::fs::write(&x, npy(shape, vec![value; 4 * shape.iter().product::<usize>()].as_slice())).unwrap();
    std::fs::write(&y, npy(&[], [label; 4].as_slice())).unwrap();
    (place, format!("npz:{x},{y}"))
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let model = fixture("fashion_mlp.onnx");
    let (_wide, wide) = images(&[3, 32, 32], 0.5, 0);
    refused(&model, &["--data", &wide], 1, &["[3, 32, 32]", "28"]);
    let (_bright, bright) = images(&[1, 28, 28], 200.0, 0);
    refused(&model, &["--data", &bright], 1, &["200", "--bounds"]);
    let (place, labelled) = images(&[1, 28, 28], 0.5, 10);
    refused(&model, &["--data", &labelled], 1, &["label 10", "10 classes", "--classes FILE"]);
    // Labels from 1 on have the classes of a list of their numbers.
    let list = place.at("numbers.txt");
    std::fs::write(&list, (1..=10).map(|label| format!("{label}\n")).collect::<String>()).unwrap();
    succeeds(&mut command(&model, &["--data", &labelled, "--classes", &list]));
}

/// What was refused at its first sample leaves its directory to the run of mended data, or mended settings.
#[test]
fn a_refused_run_does_not_occupy_its_directory() {
    let model = fixture("fashion_mlp.onnx");
    let out = scratch("refused");
    let place = out.display().to_string();
    let is_empty = || std::fs::read_dir(&out).unwrap().next().is_none();
    let (_bright, bright) = images(&[1, 28, 28], 200.0, 0);
    refused(&model, &["--data", &bright, "--out", &place], 1, &["200", "--bounds"]);
    assert!(is_empty());

    // Two samples of 0.5 and a box for each, the second up to `top`.
    let file = scratch("boxed.npz");
    let audited = |top: f32| {
        let both = |[first, second]: [f32; 2]| [[first; 784], [second; 784]].concat();
        let (x, lower, upper) = (both([0.5, 0.5]), both([0.25, 0.25]), both([0.75, top]));
        let arrays = npz(&[
            ("x", &[1, 28, 28], x.as_slice().into()),
            ("y", &[], [0i64, 0].as_slice().into()),
            ("lower", &[1, 28, 28], lower.as_slice().into()),
            ("upper", &[1, 28, 28], upper.as_slice().into()),
        ]);
        std::fs::write(&file, arrays.unwrap()).unwrap();
        let data = format!("npz:{}", file.display());
        let mut command = kennard(["audit", &model, "--data", &data, "--boxes", "--attack", "fgsm"]);
        command.args(["--packet-samples", "0", "--runtime", "rten", "--json", "--out", &place]);
        let output = command.output().unwrap();
        (output.status.success(), stderr(&output))
    };
    let (done, said) = audited(0.375);
    assert!(!done && said.contains("sample 1 lies outside its own box"), "{said}");
    assert!(is_empty());
    let (done, said) = audited(0.75);
    assert!(done, "{said}");
}

/// What is wrong with boxes is said of the array that it is in.
#[test]
fn boxes_are_refused_by_the_names_of_their_arrays() {
    let (model, file) = (fixture("fashion_mlp.onnx"), scratch("boxes.npz"));
    let both = |value: f32| vec![value; 2 * 784];
    let (x, upper) = (both(0.5), both(0.75));
    let said = |lower: Elements, row: &[usize]| {
        let image: &[usize] = &[1, 28, 28];
        let arrays = npz(&[
            ("x", image, x.as_slice().into()),
            ("y", &[], [0i64, 0].as_slice().into()),
            ("lower", row, lower),
            ("upper", image, upper.as_slice().into()),
        ]);
        std::fs::write(&file, arrays.unwrap()).unwrap();
        let data = format!("npz:{}", file.display());
        let mut command = kennard(["audit", &model, "--data", &data, "--boxes", "--attack", "fgsm"]);
        let output = command.args(["--packet-samples", "0", "--runtime", "rten"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let low = both(0.25);
    let shaped = said(low.as_slice().into(), &[28, 28]);
    assert!(shaped.contains("lower has the shape [2, 28, 28];"), "{shaped}");
    let whole = vec![0i64; 2 * 784];
    let kind = said(whole.as_slice().into(), &[1, 28, 28]);
    assert!(kind.contains("the elements of lower are integers"), "{kind}");
    let mut odd = low.clone();
    odd[784 + 3] = f32::NAN;
    let nan = said(odd.as_slice().into(), &[1, 28, 28]);
    assert!(nan.contains("lower holds NaN") && !nan.contains("the input holds"), "{nan}");
    odd[784 + 3] = 0.625;
    let outside = said(odd.as_slice().into(), &[1, 28, 28]);
    let says =
        "boxes.npz: sample 1 lies outside its own box: element 3 is 0.5, outside [0.625, 0.75]; repair lower";
    assert!(outside.contains(says), "{outside}");
}

/// A run that met a bad sample late keeps those before. Mended data are other data: nothing goes on with what was kept.
#[test]
fn what_is_kept_is_not_mixed_with_mended_data() {
    const COUNT: usize = 400;
    let (model, out, file) = (fixture("fashion_mlp.onnx"), scratch("kept"), scratch("kept.npz"));
    let (place, data) = (out.display().to_string(), format!("npz:{}", file.display()));
    let audited = |last: f32, more: &[&str]| {
        let (mut x, y) = (vec![0.5f32; COUNT * 784], vec![0i64; COUNT]);
        x[COUNT * 784 - 1] = last;
        let arrays = npz(&[("x", &[1, 28, 28], x.as_slice().into()), ("y", &[], y.as_slice().into())]);
        std::fs::write(&file, arrays.unwrap()).unwrap();
        let mut command = kennard(["audit", &model, "--data", &data, "--eps", "0.1", "--attack", "fgsm"]);
        command.args(["--packet-samples", "0", "--runtime", "rten", "--threads", "1", "--json"]);
        let output = command.args(["--out", &place]).args(more).output().unwrap();
        (output.status.success(), stderr(&output))
    };
    let (done, said) = audited(200.0, &[]);
    assert!(!done && said.contains("200"), "{said}");
    let kept = std::fs::read_to_string(out.join("journal.jsonl")).unwrap().lines().count() - 1;
    assert!(kept > 0);
    for more in [&[][..], &["--resume"]] {
        let (done, said) = audited(1.0, more);
        let changed = format!("an unfinished run, {kept} samples of it, and the data have changed since");
        let cure = "Give --out another directory, or remove manifest.json and journal.jsonl there";
        assert!(!done && said.contains(&changed) && said.contains(cure), "{said}");
    }
    ["manifest.json", "journal.jsonl"].iter().for_each(|name| std::fs::remove_file(out.join(name)).unwrap());
    let (done, said) = audited(1.0, &[]);
    assert!(done, "{said}");
}

/// A model of images whose every answer is the first of two classes.
fn image_model(folder: &Path, name: &str, takes: [usize; 3]) -> String {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims: Vec<Dim> = std::iter::once(Dim::BATCH).chain(takes.map(Dim::Known)).collect();
    let x = builder.input("x", TensorType::new(DType::F32, dims));
    let weights = builder.constant(Tensor::full(&[takes.iter().product(), 2], 0.01, DType::F32));
    builder.output("y", x.apply_with("Flatten", &[("axis", 1i64.into())]).with("MatMul", weights));
    let file = folder.join(name);
    builder.finish().unwrap().save(&file).unwrap();
    file.display().to_string()
}

/// A folder of images of two sizes, and models of them.
fn photos() -> Scratch {
    let place = directory();
    let fixtures = root().join("crates/kennard-data/src/fixtures");
    let folder = place.join("photos/ant");
    std::fs::create_dir_all(&folder).unwrap();
    for (i, photo) in ["photo_16x16.bmp", "photo.png", "photo_16x16.bmp", "photo.png"].iter().enumerate() {
        std::fs::copy(fixtures.join(photo), folder.join(format!("{i}-{photo}"))).unwrap();
    }
    place
}

/// Images are made as large as the model takes them, wherever it has their channels, so that what is wrong is the order of its
/// axes alone, and that is named.
#[test]
fn channels_on_the_other_side_are_named() {
    let place = photos();
    let data = format!("folder:{}", place.at("photos"));
    let last = image_model(&place, "last.onnx", [12, 16, 3]);
    let first = image_model(&place, "first.onnx", [3, 12, 16]);
    let forgotten = ["samples of shape [3, 12, 16]", "the model takes channels last: add --nhwc"];
    refused(&last, &["--data", &data], 1, &forgotten);
    let superfluous = ["the images are [3, 12, 16]", "it takes channels first: leave out --nhwc"];
    refused(&first, &["--data", &data, "--nhwc"], 1, &superfluous);
    for (model, more) in [(&last, &["--nhwc"][..]), (&first, &[][..])] {
        succeeds(&mut command(model, &[&["--data", &data, "--attack", "none"][..], more].concat()));
    }
}

/// Of a model that takes one size, a crop of another is what is wrong, not the data.
#[test]
fn crops_that_the_model_does_not_take_are_named() {
    let place = photos();
    let data = format!("folder:{}", place.at("photos"));
    let model = image_model(&place, "model.onnx", [3, 16, 16]);
    let cure = ["the model takes images of 16×16", "makes them 8×8", "leave out --centre-crop"];
    refused(&model, &["--data", &data, "--crop", "8"], 1, &cure);
    refused(&model, &["--data", &data, "--crop", "0"], 1, &["must be at least 1 pixel wide"]);
    let same = ["--data", &data, "--crop", "16", "--attack", "none"];
    succeeds(&mut command(&model, &same));
}

/// What kind of outputs a model has is seen from samples that nobody asked for too, as far as they can be read.
#[test]
fn images_that_are_not_asked_for_are_no_matter() {
    let place = photos();
    let data = format!("folder:{}", place.at("photos"));
    let model = image_model(&place, "model.onnx", [3, 16, 16]);
    std::fs::write(place.join("photos/ant/3-photo.png"), "no image").unwrap();
    let audited = |count: &str| {
        let mut command = kennard(["audit", &model, "--data", &data, "--first", count, "--eps", "0.1"]);
        command.args(["--attack", "none", "--packet-samples", "0", "--runtime", "rten", "--json"]);
        command
    };
    let notes = json(&mut audited("2"))["data"]["notes"].to_string();
    assert!(notes.contains("resized to 16×16; 1 of the 2 images streamed so far"), "{notes}");
    let output = audited("4").output().unwrap();
    let message = stderr(&output);
    assert!(!output.status.success() && message.contains("3-photo.png"), "{message}");
}

/// The first image may be damaged where nobody asks for it, and packets at the first samples look at no others.
#[test]
fn a_damaged_first_image_and_late_ones_are_no_matter() {
    let place = photos();
    let data = format!("folder:{}", place.at("photos"));
    let model = image_model(&place, "model.onnx", [3, 16, 16]);
    let ran = |words: &[&str]| {
        let output = kennard(words).args(["--data", &data, "--runtime", "rten"]).output().unwrap();
        (output.status.success(), stderr(&output))
    };
    for i in 4..12 {
        let photo = place.join("photos/ant/3-photo.png");
        std::fs::copy(photo, place.join(format!("photos/ant/a{i:02}-photo.png"))).unwrap();
    }
    std::fs::write(place.join("photos/ant/a11-photo.png"), "no image").unwrap();
    let packets =
        ["uncertainty", &model, "--scale", "0.1", "--draws", "200", "--max-draws", "200", "--accept-few"];
    let (_, said) = ran(&[&packets[..], &["--first", "2"]].concat());
    assert!(!said.contains("a11-photo.png"), "{said}");

    let words = ["probe", &model, "--data", &data, "--first", "2", "--runtime", "rten", "--json"];
    let notes = stdout(&succeeds(&mut kennard(words)));
    assert!(notes.contains("1 of the 2 images streamed so far"), "{notes}");

    std::fs::write(place.join("photos/ant/0-photo_16x16.bmp"), "no image").unwrap();
    let (done, said) = ran(&["probe", &model, "--first", "1"]);
    assert!(!done && said.contains("0-photo_16x16.bmp"), "{said}");
}

/// The words of a short training run.
fn train<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--data", data, "--arch", "mlp:4", "--batch", "8", "--out", out][..], more].concat()
}

/// Every command that keeps to bounds refuses data that lie outside, with the cure: clipped, they would be other data.
#[test]
fn data_outside_the_bounds_are_refused_by_every_command() {
    let directory = directory();
    let at = |name: &str| directory.at(name);
    let [x, y] = ["x.npy", "y.npy"].map(at);
    let values: Vec<f32> = (0..60 * 784).map(|i| (i % 200) as f32).collect();
    std::fs::write(&x, npy(&[1, 28, 28], values.as_slice())).unwrap();
    std::fs::write(&y, npy(&[], (0..60).map(|i| i % 10).collect::<Vec<i64>>().as_slice())).unwrap();
    let data = format!("npz:{x},{y}");
    std::fs::create_dir_all(directory.join("epochs")).unwrap();
    std::fs::copy(fixture("fashion_mlp.onnx"), directory.join("epochs/epoch-1.onnx")).unwrap();
    let sweep = |name: &str, train: &str, eps: &str| {
        let text = format!(
            "[train]\ndata = \"{data}\"\narch = \"mlp:4\"\nepochs = 1\nbatch = 8\n{train}\n[audit]\n{eps}\n[[run]]\nmethod = \"standard\"\n"
        );
        std::fs::write(directory.join(name), text).unwrap();
        at(name)
    };
    let cnn = fixture("fashion_cnn.onnx");
    let (one, two) = (sweep("one.toml", "eps = 0.1", ""), sweep("two.toml", "", "eps = 0.1"));
    let [trained, noisy] = ["train", "noisy"].map(at);
    let commands: [&[&str]; 11] = [
        &["audit", &cnn, "--data", &data, "--eps", "0.1"],
        &["audit", &cnn, "--data", &data, "--minimal", "fab"],
        &["attack", &cnn, "--data", &data, "--eps", "0.1", "--out", &at("attack")],
        &train(&data, &trained, &["--method", "pgd", "--eps", "0.1"]),
        &train(&data, &noisy, &["--method", "gaussian-noise"]),
        &["track", &at("epochs"), "--data", &data, "--eps", "0.1"],
        &["tradeoff", &one, "--out", &at("one")],
        &["tradeoff", &two, "--out", &at("two")],
        &["reproduce", "e1", "--data", &data, "--epochs", "1", "--out", &at("e1")],
        &["features", &cnn, "--data", &data, "--tensor", "relu3", "--eps-relative", "0.1"],
        &["uncertainty", &cnn, "--data", &data, "--packet", "box"],
    ];
    for words in commands {
        let says = ["has the value", "outside the input bounds 0 to 1", "--bounds"];
        common::refused(&mut kennard(words), 1, &says);
    }
}

#[test]
fn a_failed_run_leaves_earlier_results_alone() {
    let out = scratch("run");
    let directory = out.display().to_string();
    assert!(audit(&fixture("fashion_mlp.onnx"), &["--out", &directory]).status.success());
    let read = || std::fs::read(out.join("summary.json")).unwrap();
    let before = read();
    refused(&fixture("fashion_mlp.onnx"), &["--out", &directory, "--eps", "8"], 1, &["epsilon"]);
    assert_eq!(read(), before);
}

/// `--json` prints the summary and nothing else.
#[test]
fn json_is_all_there_is_on_standard_output() {
    let summary = json(&mut command(&fixture("fashion_mlp.onnx"), &["--json"]));
    assert_eq!(summary["samples"], 16);
}

/// Settings that would switch off what was asked for, on the command line and in a file.
#[test]
fn attacks_that_do_nothing_are_refused() {
    let model = fixture("fashion_mlp.onnx");
    let place = directory();
    let file = place.at("nothing.toml");
    for (option, value, attack) in [
        ("--restarts", "0", "pgd"),
        ("--steps", "0", "pgd"),
        ("--step-size", "0", "pgd"),
        ("--step-size", "-1/255", "pgd"),
        ("--targets", "0", "apgd-t"),
        ("--targets", "3", "apgd-ce"),
        ("--queries", "0", "square"),
        ("--budget", "0", "pgd"),
        ("--budget", "1", "pgd"),
    ] {
        let name = option.trim_start_matches("--");
        let name = if name == "step-size" { "step" } else { name };
        let words = [format!("{option}={value}"), "--attack".into(), attack.into()];
        refused(&model, &words.each_ref().map(String::as_str), 1, &[name]);
        if option != "--budget" && value != "3" {
            let key = option.trim_start_matches("--");
            let text = format!("attack = [{{ name = \"{attack}\", {key} = \"{value}\" }}]");
            std::fs::write(&file, text).unwrap();
            refused(&model, &["--config", &file], 1, &[key]);
        }
    }
    std::fs::write(&file, "attack = [{ name = \"pgd\", step-size = nan }]").unwrap();
    refused(&model, &["--config", &file], 1, &["step-size", "finite"]);
    std::fs::write(&file, "attack = [\"autoattack\", \"pgd\"]").unwrap();
    refused(&model, &["--config", &file], 1, &["autoattack", "alone"]);
}

#[test]
fn autoattack_is_the_standard_version() {
    let names = |words: &[&str]| {
        let words = [words, &["--json", "--eps", "0.5"]].concat();
        let summary = json(&mut command(&fixture("fashion_mlp.onnx"), &words));
        let attacks = summary["attacks"].as_array().unwrap().iter();
        (
            attacks.map(|a| a["name"].as_str().unwrap().to_string()).collect::<Vec<_>>(),
            summary["cascade"].clone(),
        )
    };
    let file = scratch("autoattack.toml");
    std::fs::write(&file, "attack = [\"autoattack\"]").unwrap();
    let expected = ["apgd-ce", "apgd-t", "fab-t", "square"].map(String::from).to_vec();
    assert_eq!(names(&["--attack", "autoattack"]), (expected.clone(), true.into()));
    assert_eq!(names(&["--config", &file.display().to_string()]), (expected, true.into()));
}

/// The lower end of the interval decides: of 16 samples none can surely be right in 99 %. A figure that the audit
/// does not have is refused before the work.
#[test]
fn requirements_decide_the_status() {
    let model = fixture("fashion_mlp.onnx");
    let short = audit(&model, &["--json", "--require", "clean>=0.1,clean>=0.99"]);
    assert_eq!(short.status.code(), Some(3));
    let summary: serde_json::Value = serde_json::from_slice(&short.stdout).unwrap();
    let [low, _] = [0, 1].map(|i| summary["clean"]["interval"][i].as_f64().unwrap());
    assert_eq!(summary["requirements"][0]["holds"], true);
    assert_eq!(summary["requirements"][1]["holds"], false);
    assert_eq!(summary["requirements"][1]["low"], low);
    let message = stderr(&short);
    let low = (low * 1e4).floor() / 1e4;
    assert!(
        message.contains(&format!(
            "clean >= 0.99 does not hold: the lower end of its 95 % interval is {low:.4}"
        ))
    );
    assert!(audit(&model, &["--require", "clean>=0.1,pgd>=0,robust>=0"]).status.success());
    refused("missing.onnx", &["--require", "pgdd>=0.5"], 2, &["pgdd", "clean, robust, fgsm, pgd"]);
    refused("missing.onnx", &["--require", "robust=0.5"], 2, &["robust=0.5", "robust>=0.6"]);
    refused("missing.onnx", &["--require", "robust>=60"], 2, &["robust>=60"]);
    refused(&model, &["--first", "3"], 2, &["--samples", "--first"]);
}

#[test]
fn the_screen_speaks_of_what_was_run() {
    let screen = |words: &[&str]| stdout(&succeeds(&mut command(&fixture("fashion_mlp.onnx"), words)));
    let quick = screen(&["--eps", "8/255"]);
    for part in [
        "linf ≤ 8/255",
        "16 samples, drawn at random by seed 0",
        "\nrobust ",
        "A quick look",
        "--attack standard",
    ] {
        assert!(quick.contains(part), "{part}: {quick}");
    }
    // AutoAttack begins with all that are classified correctly, also where the quick look broke them all.
    let broken = screen(&["--eps", "0.5"]);
    assert!(broken.contains("up to ") && !broken.contains("up to 0 passes"), "{broken}");
    // Rows that no sample fills are not computed.
    let filled = screen(&["--attack", "fgsm", "--micro-batch", "100000"]);
    assert!(filled.contains("micro-batch 64"), "{filled}");
    let standard = screen(&["--eps", "0.1", "--attack", "standard"]);
    assert!(standard.contains("AutoAttack (standard)") && !standard.contains("quick look"), "{standard}");
}
