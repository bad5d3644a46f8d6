//! Models of tables as people export them, on tables: `fixtures/tabular`, with the trainers' own answers
//! (`references/tabular.py`).

mod common;

use std::process::Command;

use kennard::data::{DataSet, Elements, Options, npz};
use kennard_graph::ndarray::ArrayD;
use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};
use serde_json::Value;

use common::{Scratch, directory, fixture, json, kennard, read_json, runtimes, stderr, stdout, succeeds};

fn run(command: &str, model: &str, runtime: &str, words: &[&str]) -> Command {
    let data = model.split('_').next().unwrap();
    let mut run = kennard([command, &format!("{model}.onnx"), "--runtime", runtime]);
    let bounds = if data == "iris" { "0,10" } else { "0,3000" };
    let [table, classes] = ["csv", "txt"].map(|ending| format!("{data}.{ending}"));
    run.args(["--data", &format!("csv:{table}"), "--classes", &classes, "--bounds", bounds]);
    if data == "cancer" {
        run.args(["--label-column", "diagnosis"]);
    }
    run.args(words).current_dir(fixture("tabular"));
    run
}

/// The summary of an audit that must succeed.
fn summary(model: &str, runtime: &str, words: &[&str]) -> Value {
    json(run("audit", model, runtime, words).args(["--packet-samples", "0", "--json"]))
}

fn names(attacks: &Value) -> Vec<&str> {
    attacks.as_array().unwrap().iter().map(|attack| attack["name"].as_str().unwrap()).collect()
}

fn has_onnx_runtime() -> bool {
    runtimes().contains(&"onnxruntime")
}

/// As many samples are right as the trainer says; models with gradients run on both runtimes, trees on ONNX Runtime, where they
/// are attacked by square and from leaf to leaf if nothing else is asked for.
#[test]
fn exported_models_are_audited() {
    let right = read_json(fixture("tabular/accuracy.json"));
    let onnx_runtime = has_onnx_runtime();
    assert_eq!(right.as_object().unwrap().len(), 14);
    for (model, right) in right.as_object().unwrap() {
        let smooth = ["svc", "pipeline", "mlp"].iter().any(|kind| model.ends_with(kind));
        let runtimes = [("rten", smooth), ("onnxruntime", onnx_runtime)];
        for (runtime, _) in runtimes.into_iter().filter(|(_, can)| *can) {
            let found = summary(model, runtime, &["--eps", "0.3"]);
            assert_eq!(found["clean"]["correct"], *right, "{model} on {runtime}");
            let usual = if smooth { vec!["fgsm", "pgd"] } else { vec!["square", "leaves"] };
            assert_eq!(names(&found["attacks"]), usual, "{model} on {runtime}");
            let robust = found["robust"]["robust"].as_u64().unwrap();
            if let Some(leaves) = found["attacks"].get(1).filter(|_| !smooth) {
                // Exact on all of these.
                assert_eq!(leaves["robust"], found["robust"]["robust"], "{model}: {leaves}");
                let proved = leaves["proved"].as_u64().unwrap();
                assert!(0 < proved && proved <= robust, "{model}: {proved} proved of {robust}");
            }
            assert!(robust <= right.as_u64().unwrap(), "{model} on {runtime}");
            println!("{model} on {runtime}: {right} right, {robust} robust");
        }
    }
}

/// Audits under threat models that only differ in which features may move, and how far, are told apart wherever they are compared.
#[test]
fn what_confines_attacks_is_compared() {
    let place = directory();
    let out = |name: &str| place.at(name);
    let settings: [(&str, &[&str]); 3] = [
        ("all", &["--eps", "0.3"]),
        ("frozen", &["--eps", "0.3", "--frozen", "0,1"]),
        ("own", &["--eps", "0.1", "--eps-per-feature", "1,2,3,1"]),
    ];
    for (name, words) in settings {
        let place = out(name);
        let words = [words, &["--attack", "pgd", "--out", &place][..]].concat();
        summary("iris_mlp", "rten", &words);
    }
    let runs = [out("all"), out("frozen"), out("own")];
    let [all, frozen, own] = runs.each_ref().map(String::as_str);
    let table = stdout(&succeeds(&mut kennard(["report", all, frozen, own, "--table", "markdown"])));
    for said in
        ["| linf ≤ 0.3 |", "| linf ≤ 0.3, 2 of 4 features frozen |", "| linf, an epsilon for each feature |"]
    {
        assert!(table.contains(said), "{said}: {table}");
    }
    let page = out("page.html");
    succeeds(&mut kennard(["report", all, frozen, own, "-o", &page]));
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("other threat models, so their robust accuracies are not comparable").count(), 2);

    let (folder, data) = counted();
    let runs = [&[][..], &["--integer", "length,width"]].map(|words: &[&str]| {
        let place = folder.at(&words.len().to_string());
        let own = ["--minimal", "fmn", "--attack", "none", "--packet-samples", "0", "--out", &place];
        succeeds(&mut on(&data, "audit", &[&own[..], words].concat()));
        place
    });
    let refused = kennard(["attacks", "compare", &runs[0], &runs[1]]).output().unwrap();
    let said = stderr(&refused);
    assert!(!refused.status.success() && said.contains("another set of points"), "{said}");

    // Parts of one run are of the same data.
    let shards = ["1/2", "2/2"].map(|shard| {
        let place = folder.at(&shard.replace('/', " of "));
        let own = ["--minimal", "fmn", "--attack", "none", "--packet-samples", "0"];
        succeeds(on(&data, "audit", &own).args(["--shard", shard, "--out", &place]));
        place
    });
    let refused = kennard(["attacks", "compare", &shards[0], &shards[1]]).output().unwrap();
    let said = stderr(&refused);
    let expected = "run 2 has another shard of the samples than the first";
    assert!(said.contains(expected) && said.contains("it is of shard 2/2, the first of 1/2"), "{said}");
}

/// What whole data lack is said of shards that are put together as of one run.
#[test]
fn merged_data_lack_what_whole_data_do() {
    let place = directory();
    let table = std::fs::read_to_string(fixture("tabular/iris.csv")).unwrap();
    let rows: Vec<&str> =
        table.lines().filter(|line| !line.ends_with("virginica") && !line.ends_with(",2")).collect();
    let file = place.at("two.csv");
    std::fs::write(&file, rows.join("\n")).unwrap();
    let data = format!("csv:{file}");
    let usual = ["--eps", "0.1", "--attack", "none", "--json"];
    let audit = |words: &[&str]| json(on(&data, "audit", &usual).args(words));
    let whole = audit(&[]);
    let [first, second, merged] = ["1", "2", "merged"].map(|name| place.at(name));
    audit(&["--shard", "1/2", "--out", &first]);
    audit(&["--shard", "2/2", "--out", &second]);
    let found = json(&mut kennard(["merge", &first, &second, "--json", "--out", &merged]));
    assert!(whole["data"]["notes"].to_string().contains("no sample has class 2"), "{whole}");
    assert_eq!(found["data"]["notes"], whole["data"]["notes"]);
}

/// Gradients break at least nearly as much as queries do.
#[test]
fn gradients_of_support_vector_machines_are_of_use() {
    for model in ["iris_svc", "iris_pipeline", "cancer_svc", "cancer_pipeline"] {
        let robust = |attack: &str| {
            let reach = match model.starts_with("cancer") {
                true => ["--eps-per-feature", "1,1,6,60"],
                false => ["--eps", "0.3"],
            };
            summary(model, "rten", &[&reach[..], &["--attack", attack]].concat())["robust"]["robust"]
                .as_u64()
                .unwrap()
        };
        let [pgd, square] = ["pgd", "square"].map(robust);
        println!("{model}: {pgd} robust by pgd, {square} by square");
        assert!(pgd <= square + 2, "{model}: {pgd} and {square}");
    }
}

#[test]
fn distances_of_trees_are_found_without_gradients() {
    if !has_onnx_runtime() {
        return;
    }
    for model in ["iris_forest", "iris_xgboost", "cancer_lightgbm"] {
        let words = ["--minimal", "hop-skip-jump", "--norm", "l2", "--first", "3", "--budget", "2000"];
        let found = summary(model, "onnxruntime", &words);
        let attack = &found["minimal"][0];
        assert_eq!((&attack["name"], &attack["backwards"]), (&"hop-skip-jump".into(), &0.into()), "{model}");
        let (broken, quartiles) = (&attack["distances"]["found"], &attack["distances"]["quartiles"]);
        println!("{model}: {broken} of 3 broken, quartiles {quartiles}");
        let near = quartiles[0].as_f64().is_some_and(|distance| distance >= 0.0);
        assert!(broken.as_u64() >= Some(2) && near, "{model}: {attack}");
    }
}

#[test]
fn distances_of_trees_are_found_from_leaf_to_leaf() {
    if !has_onnx_runtime() {
        return;
    }
    for model in ["iris_forest", "iris_xgboost", "cancer_lightgbm"] {
        for norm in ["linf", "l2", "l1", "l0"] {
            let found = summary(model, "onnxruntime", &["--minimal", "leaves", "--norm", norm]);
            let attack = &found["minimal"][0];
            // Samples that are misclassified as they are count too, at no distance.
            assert_eq!(attack["distances"]["found"], 60, "{model}, {norm}: {attack}");
        }
    }
    let refused = |model: &str, runtime: &str, says: &str| {
        let output = run("audit", model, runtime, &["--minimal", "leaves", "--norm", "l2"]).output().unwrap();
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(says), "does not say `{says}`: {said}");
    };
    refused("iris_mlp", "rten", "the model has no tree ensemble");
}

/// What is written differs from the samples by no more than each column's own epsilon, and not at all in frozen columns.
#[test]
fn examples_keep_to_the_epsilon_of_each_column() {
    let folder = directory();
    let (place, scales) = (folder.at("columns"), folder.at("columns.txt"));
    std::fs::write(&scales, "1\n0.5\n2\n4\n").unwrap();
    let words =
        ["--eps-per-feature", &scales, "--eps", "0.5", "--frozen", "petal width,0", "--attack", "pgd"];
    succeeds(run("attack", "iris_mlp", "rten", &words).args(["--out", &place]));
    let open = |spec: String| DataSet::open(&spec.parse().unwrap(), &Options::default()).unwrap();
    let examples = open(format!("npz:{place}/adversarials.npz"));
    let originals = open(format!("csv:{}", fixture("tabular/iris.csv")));
    let originals: Vec<_> = originals.samples().unwrap().map(Result::unwrap).collect();
    let allowed = [0.0, 0.25, 1.0, 0.0];
    let mut moved = 0;
    for example in examples.samples().unwrap().map(Result::unwrap) {
        let near = |x: &[f32]| {
            let within = |((a, b), r): ((&f32, &f32), f32)| {
                (a - b).abs() <= r * (1.0 + 1e-5) + f32::from(u8::from(r > 0.0)) * 1e-6
            };
            x.iter().zip(&example.input).zip(allowed).all(within)
        };
        assert!(originals.iter().any(|original| near(&original.input)), "{:?}", example.input);
        moved += 1;
    }
    assert!(moved > 5, "{moved} examples");
}

#[test]
fn what_is_wrong_with_epsilons_of_columns_is_said() {
    let refused = |words: &[&str], says: &str| {
        let output =
            run("audit", "iris_mlp", "rten", words).args(["--packet-samples", "0"]).output().unwrap();
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(says), "{words:?} does not say `{says}`: {said}");
    };
    refused(&["--eps", "0.1", "--frozen", "petal widht"], "did you mean `petal width`?");
    refused(&["--eps", "0.1", "--frozen", "4"], "there is no feature `4`");
    refused(&["--frozen", "0"], "--eps");
    refused(&["--eps-per-feature", "0.1,0.2"], "has 2 numbers, and there are 4 features");
    refused(&["--eps-per-feature", "0.1,x,1,1"], "`x` is no number");
    refused(&["--eps-per-feature", "0,0,0,0"], "no element may change");
    refused(&["--eps-per-feature", "1,1,1,1", "--norm", "l2"], "about linf");
    refused(&["--eps-per-feature", "1,1,1,1", "--boxes"], "--boxes");
    refused(&["--boxes", "--norm", "l2"], "leave --norm out");
    refused(&["--eps-per-feature", "1,1,1,1", "--minimal", "fab"], "no norm");
}

/// A table of whole numbers and a word as two columns, each row once for every class, so that one of them is right.
fn counted() -> (Scratch, String) {
    let folder = directory();
    let mut table = "length,width,kind_a,kind_b,class\n".to_owned();
    for i in 0..12 {
        for class in ["setosa", "versicolor", "virginica"] {
            table += &format!("{},{},{},{},{class}\n", 3 + i % 5, 2 + i % 3, i % 2, 1 - i % 2);
        }
    }
    let file = folder.at("counted.csv");
    std::fs::write(&file, table).unwrap();
    (folder, format!("csv:{file}"))
}

fn on(data: &str, command: &str, words: &[&str]) -> Command {
    let mut on = kennard([command, "iris_mlp.onnx", "--runtime", "rten", "--data", data]);
    on.args(["--classes", "iris.txt", "--bounds", "0,10"]).args(words).current_dir(fixture("tabular"));
    on
}

#[test]
fn numbers_stay_whole_and_words_one() {
    let (folder, data) = counted();
    let attacked = |groups: &str, out: &str| {
        let place = folder.at(out);
        let words = ["--eps", "3", "--integer", "length,1", "--one-hot", groups, "--attack", "pgd,square"];
        succeeds(on(&data, "attack", &words).args(["--out", &place]));
        let examples =
            DataSet::open(&format!("npz:{place}/adversarials.npz").parse().unwrap(), &Options::default());
        examples.unwrap().samples().unwrap().map(|sample| sample.unwrap().input).collect::<Vec<_>>()
    };
    let examples = attacked("kind", "prefix");
    assert!(examples.len() > 5, "{} examples", examples.len());
    for x in &examples {
        let whole = x[..2].iter().all(|x| x.fract() == 0.0 && (0.0..=10.0).contains(x));
        assert!(whole && [[0.0, 1.0], [1.0, 0.0]].contains(&[x[2], x[3]]), "{x:?}");
    }
    assert!(examples.iter().any(|x| x[0] != 3.0));
    assert_eq!(attacked("kind_a+kind_b", "names"), examples);

    let words = ["--eps", "0.9", "--integer", "length,width", "--one-hot", "kind", "--json"];
    let found = json(&mut on(&data, "certify", &words));
    // No valid point but the sample itself is as near, so that all that is right is certified.
    assert!(found["certified"]["certified"].as_u64() > Some(0), "{found}");
    assert_eq!(found["certified"]["certified"], found["clean"]["correct"], "{found}");
    let note = "about valid points: 2 columns of whole numbers, 1 group of columns with one 1, none of which can change within an epsilon below 1";
    assert!(found["data"]["notes"].to_string().contains(note), "{found}");

    let refused = |data: &str, words: &[&str], says: &str| {
        let usual = ["--eps", "1", "--attack", "pgd", "--packet-samples", "0"];
        let output = on(data, "audit", words).args(usual).output().unwrap();
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(says), "{words:?} does not say `{says}`: {said}");
    };
    refused(
        &data,
        &["--integer", "lenght"],
        "--integer: there is no feature `lenght`; did you mean `length`?",
    );
    refused(&data, &["--one-hot", "kin"], "not two columns kin_…; did you mean `kind`?");
    refused(&data, &["--one-hot", "kind_a"], "not two columns kind_a_…");
    refused(&data, &["--one-hot", "kind,kind_a+width"], "element 2 is named twice");
    refused(&data, &["--one-hot", "length+width"], " has 3 in `length` in the group `length`, `width`");
    refused("csv:iris.csv", &["--integer", "0"], "in `sepal length`, which is to hold whole numbers");
}

/// A model of pixels whose class is the larger of two, samples of class 0 whose pixels are 1 to 6 levels apart, as bytes, as floats
/// of 0..1 and as floats of 0..255, and one of floats that has the same weights.
fn pixels() -> Scratch {
    let folder = directory();
    for (name, dtype) in [("u8.onnx", DType::U8), ("i32.onnx", DType::I32), ("f32.onnx", DType::F32)] {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(dtype, vec![Dim::BATCH, Dim::Known(2)]));
        let signs = matrix(2, &[1.0, -1.0, -1.0, 1.0]);
        builder.output("y", x.cast(DType::F32).with("MatMul", builder.constant(signs)));
        builder.finish().unwrap().save(folder.join(name)).unwrap();
    }
    let bytes: Vec<u8> = (1..=6).flat_map(|apart| [100 + apart, 100]).collect();
    let unit: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let levels: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
    let between: Vec<f32> = levels.iter().map(|level| (level + 0.3) / 255.0).collect();
    let labels = [0i64; 6];
    for (name, x) in [
        ("bytes", Elements::U8(&bytes)),
        ("unit", Elements::F32(&unit)),
        ("levels", Elements::F32(&levels)),
        ("between", Elements::F32(&between)),
    ] {
        let archive = npz(&[("x", &[2], x), ("y", &[], Elements::I64(&labels))]).unwrap();
        std::fs::write(folder.join(name).with_extension("npz"), archive).unwrap();
    }
    folder
}

fn matrix(rows: usize, values: &[f32]) -> Tensor {
    let shape = vec![rows, values.len() / rows];
    Tensor::from(ArrayD::from_shape_vec(shape, values.to_vec()).unwrap())
}

/// With `--integer all` adversarial points lie on the levels within epsilon, whatever part of a level that has; else pixels move in
/// floats, and are rounded for the verdict.
#[test]
fn pixels_stay_levels() {
    let folder = pixels();
    let audited = |command: &str, model: &str, data: &str, words: &[&str]| {
        let data = format!("npz:{data}.npz");
        let mut on = kennard([command, model, "--runtime", "rten", "--json", "--data", &data]);
        if command == "audit" {
            on.args(["--attack", "pgd", "--packet-samples", "0"]);
        }
        on.args(words).current_dir(&folder);
        on
    };
    let robust = |model: &str, data: &str, words: &[&str]| {
        json(&mut audited("audit", model, data, words))["robust"]["robust"].as_u64().unwrap()
    };
    // Two pixels at most one level from theirs come 2 levels closer, and at equal ones class 0 is said.
    let all = ["--integer", "all"];
    let bytes: [(&str, &str, &[&str]); 4] = [
        ("u8.onnx", "bytes", &[]),
        ("u8.onnx", "unit", &[]),
        ("i32.onnx", "bytes", &["--input-scale", "255"]),
        ("f32.onnx", "unit", &[]),
    ];
    for (model, data, words) in bytes {
        for (eps, expected) in [("0.9/255", 6), ("1/255", 5), ("1.6/255", 5), ("2/255", 3), ("2.6/255", 3)] {
            let words = [&all[..], &["--eps", eps], words].concat();
            assert_eq!(robust(model, data, &words), expected, "{model} {data} {eps}");
        }
    }
    let plain = ["--bounds", "0,255", "--input-scale", "1", "--eps", "1.6"];
    assert_eq!(robust("u8.onnx", "levels", &[&plain[..], &all].concat()), 5);
    assert_eq!(robust("u8.onnx", "levels", &[&plain[..], &["--integer", "0,1"]].concat()), 5);
    assert!(robust("u8.onnx", "bytes", &["--eps", "1.6/255"]) < 5);

    let words = [&all[..], &["--eps", "1.6/255"]].concat();
    let found = json(&mut audited("certify", "u8.onnx", "bytes", &words));
    assert_eq!(found["certified"]["certified"], 4, "{found}");
    assert!(found["data"]["notes"].to_string().contains("multiples of 1/255 in all elements"), "{found}");

    let refused = |model: &str, data: &str, says: &str| {
        let words = [&all[..], &["--eps", "1/255"]].concat();
        let output = audited("audit", model, data, &words).output().unwrap();
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(says), "{model} {data}: {said}");
    };
    refused(
        "u8.onnx",
        "between",
        "in element 0, which is to hold multiples of 1/255: the sample must lie on the levels before it is attacked",
    );
    refused("f32.onnx", "between", "in element 0, which is to hold multiples of 1/255");
    refused("i32.onnx", "unit", "in element 0, which is to hold whole numbers");
}
