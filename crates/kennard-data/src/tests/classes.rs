//! Lists of classes with WordNet ids, as ImageNet's `LOC_synset_mapping.txt` has them.

use super::*;

/// Lines of ImageNet's table; two classes are called crane.
const TABLE: &str =
    "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\nn02012849 crane\nn03126707 crane\n";

fn image() -> Vec<u8> {
    fs::read(fixture("photo.png")).unwrap()
}

fn listed(table: &str) -> (TempDir, Options) {
    let files = directory(&[("LOC_synset_mapping.txt", table.as_bytes().to_vec())]);
    let options =
        Options { classes: Some(files.path().join("LOC_synset_mapping.txt")), ..Options::default() };
    (files, options)
}

#[test]
fn folders_of_imagenet_have_the_order_and_the_names_of_its_table() {
    let files = directory(&[
        ("val/n03126707/ILSVRC2012_val_00000003.png", image()),
        ("val/n01440764/ILSVRC2012_val_00000293.png", image()),
        ("train/n01440764/n01440764_18.png", image()),
        ("train/n01443537/n01443537_2.png", image()),
    ]);
    let sorted = open("folder", &files, &Options::default()).unwrap();
    assert_eq!((sorted.classes(), labels(&read(&sorted).unwrap())), (3, vec![0, 2]));
    let (_list, options) = listed(TABLE);
    let data = open("folder", &files, &options).unwrap();
    assert_eq!((data.classes(), labels(&read(&data).unwrap())), (4, vec![0, 3]));
    assert_eq!(data.class_names(), ["tench, Tinca tinca", "goldfish, Carassius auratus", "crane", "crane"]);
    assert_says(&data.notes().join("\n"), &["classes: 0 tench, Tinca tinca, 1 goldfish"]);
    // Another order is the model's own; CRLF and a tab are no matter.
    let reversed: String = TABLE.lines().rev().map(|line| line.replacen(' ', "\t", 1) + "\r\n").collect();
    let (_list, options) = listed(&reversed);
    let data = open("folder", &files, &options).unwrap();
    assert_eq!(
        (data.class_names()[3].as_str(), labels(&read(&data).unwrap())),
        ("tench, Tinca tinca", vec![3, 0])
    );
}

#[test]
fn labels_may_be_names_or_numbers_of_the_table() {
    let table = |labels: &str| {
        directory(&[("labels.csv", labels.as_bytes().to_vec()), ("a.png", image()), ("b.png", image())])
    };
    let (_list, options) = listed(TABLE);
    let names = table("file,label\na.png,\"tench, Tinca tinca\"\nb.png,n02012849\n");
    assert_eq!(labels(&read(&open("folder", &names, &options).unwrap()).unwrap()), [0, 2]);
    let numbers = table("file,label\na.png,3\nb.png,1\n");
    assert_eq!(labels(&read(&open("folder", &numbers, &options).unwrap()).unwrap()), [3, 1]);
    let refuse = |labels: &str, words: &[&str]| assert_says(&error("folder", table(labels), &options), words);
    refuse(
        "file,label\na.png,crane\n",
        &["line 2: label `crane` is the name of 2 classes in the list", "one, `n02012849`, `n03126707`"],
    );
    let files = directory(&[("crane/a.png", image())]);
    assert_says(&error("folder", &files, &options), &["label `crane` is the name of 2 classes"]);
    refuse(
        "file,label\na.png,n01440765\n",
        &["label `n01440765` is not in the list", "did you mean `n01440764`?"],
    );
}

#[test]
fn tables_out_of_order_are_refused() {
    let files = directory(&[("n01440764/a.png", image())]);
    let refuse = |table: &str, words: &[&str]| {
        let (_list, options) = listed(table);
        assert_says(&error("folder", &files, &options), words);
    };
    refuse("n01440764 tench\ngoldfish\n", &["mapping.txt, line 2", "`goldfish` has no id and name"]);
    refuse("n01440764 tench\nn01443537\n", &["line 2", "`n01443537` has no id"]);
    refuse("n01440764 tench\nn01440764 goldfish\n", &["line 2", "`n01440764` stands in line 1 already"]);
    let latin = directory(&[("names.txt", b"ant\nbee\ncaf\xe9\n".to_vec())]);
    let options = Options { classes: Some(latin.path().join("names.txt")), ..Options::default() };
    assert_says(&error("folder", &files, &options), &["names.txt, line 3: this is no text"]);
    // Ids alone are a list of names as any other.
    let (_list, options) = listed("n01443537\nn01440764\n");
    assert_eq!(labels(&read(&open("folder", &files, &options).unwrap()).unwrap()), [1]);
}

fn of_model(labels: &[&str]) -> Options {
    let model_classes = labels.iter().map(|label| label.to_string()).collect();
    Options { model_classes, ..Options::default() }
}

fn points(labels: &[&str]) -> TempDir {
    let lines: String = labels.iter().map(|label| format!("0.5,0.25,{label}\n")).collect();
    directory(&[("t.csv", format!("a,b,label\n{lines}").into_bytes())])
}

/// What labels mean where the model's own file lists those of its outputs.
#[test]
fn labels_are_those_that_the_model_lists() {
    let read_as = |model: &[&str], of_data: &[&str]| {
        let files = points(of_data);
        let data = open("csv", files.path().join("t.csv"), &of_model(model)).unwrap();
        (labels(&read(&data).unwrap()), data.notes().join("\n"))
    };
    let (found, notes) = read_as(&["0", "2", "5"], &["0", "2", "2.0"]);
    assert_eq!(found, [0, 1, 1]);
    assert_says(&notes, &["classes: 0 0, 1 2, 2 5, as the model's file lists its labels"]);
    assert_eq!(read_as(&["1", "2", "3"], &["2", "1"]).0, [1, 0]);
    assert_eq!(read_as(&["-7", "3", "10"], &["10", "-7"]).0, [2, 0]);
    assert_eq!(read_as(&["ant", "bee", "cow"], &["cow", "bee"]).0, [2, 1]);
    // Numbers beside names count the outputs, and labels that are places are what they are.
    assert_eq!(read_as(&["ant", "bee", "cow"], &["2", "1"]).0, [2, 1]);
    assert_eq!(read_as(&["0", "1", "2"], &["2", "1"]), (vec![2, 1], read_as(&[], &["2", "1"]).1));

    let refused = |model: &[&str], of_data: &[&str]| {
        error("csv", points(of_data).path().join("t.csv"), &of_model(model))
    };
    let message = refused(&["1", "2", "3"], &["1", "0"]);
    assert_says(
        &message,
        &[
            "line 3: label `0` is none of the labels that the model's file lists, 1, 2, 3",
            "a list of classes",
        ],
    );
    let message = refused(&["ant", "bee"], &["bee", "wasp"]);
    assert_says(&message, &["`wasp` is none of the classes that the model's file lists, ant, bee"]);
    let files = points(&["1"]);
    let mut data = open("csv", files.path().join("t.csv"), &of_model(&["1", "2"])).unwrap();
    data.fit_classes(2).unwrap();
    assert_says(&data.fit_classes(3).unwrap_err().to_string(), &["lists 2 labels", "3 outputs"]);
    let mut held = DataSet::from_samples(vec![0.5, 0.25], vec![1, 0], &[1], &["1", "2"]).unwrap();
    held.fit_classes(2).unwrap();
    assert_says(&held.fit_classes(3).unwrap_err().to_string(), &["2 names", "3 outputs"]);
}

#[test]
fn a_value_in_memory_that_is_not_finite_is_told_with_its_sample() {
    let inputs = vec![0.5, 0.25, 1.0, f32::NAN];
    let error =
        DataSet::from_samples(inputs, vec![1, 0], &[2], &[]).and_then(|data| read(&data)).unwrap_err();
    assert!(matches!(&error, DataError::NotFiniteSample { sample: 1, value, .. } if value.is_nan()));
    assert_eq!(error.to_string(), "data set `memory`: sample 1: the input holds NaN");
}

/// Labels of arrays mean the same; those of Kennard's own examples count the outputs.
#[test]
fn labels_of_arrays_are_those_that_the_model_lists() {
    use crate::{Elements, npz};
    let (x, y) = ([0.5f32, 0.25, 0.75], [2i64, 0, 2]);
    let (one, none): ([usize; 1], [usize; 0]) = ([1], []);
    let of = |more: &[&str], list: Option<&Path>| {
        let rows = more.iter().map(|name| (*name, &none[..], Elements::I64(&y)));
        let own = [("x", &one[..], Elements::F32(&x)), ("y", &none[..], Elements::I64(&y))];
        let files = directory(&[("d.npz", npz(&own.into_iter().chain(rows).collect::<Vec<_>>()).unwrap())]);
        let options = Options { classes: list.map(Path::to_owned), ..of_model(&["0", "2", "5"]) };
        let mut data = open("npz", files.path().join("d.npz"), &options).unwrap();
        data.fit_classes(3).unwrap();
        (labels(&read(&data).unwrap()), data.notes().join("\n"))
    };
    let examples = ["original", "prediction", "index"];
    let (found, notes) = of(&[], None);
    assert_eq!(found, [1, 0, 1]);
    assert_says(&notes, &["as the model's file lists its labels"]);
    assert_eq!(of(&examples, None).0, [2, 0, 2]);
    for list in ["0\n2\n5\n", "ant\nbee\ncow\n"] {
        let lists = directory(&[("names.txt", list.as_bytes().to_vec())]);
        let names = lists.path().join("names.txt");
        assert_eq!(of(&[], Some(&names)).0, [1, 0, 1]);
        assert_eq!(of(&examples, Some(&names)).0, [2, 0, 2], "{list}");
    }
}

/// What the other split alone has is no matter where the model's file lists its classes.
#[test]
fn classes_of_the_other_split_need_not_be_the_model_s() {
    let files = directory(&[
        ("test/ant/a.png", image()),
        ("test/bee/b.png", image()),
        ("train/ant/c.png", image()),
        ("train/wasp/d.png", image()),
    ]);
    let mut data = open("folder", &files, &of_model(&["bee", "ant"])).unwrap();
    data.fit_classes(2).unwrap();
    assert_eq!(labels(&read(&data).unwrap()), [1, 0]);
    assert!(!data.notes().join("\n").contains("wasp"));
    let train = Options { split: Split::Train, ..of_model(&["bee", "ant"]) };
    assert_says(&error("folder", &files, &train), &["`wasp` is none of the classes"]);
}

/// A list of the user's names the model's classes, and does not contradict its file.
#[test]
fn lists_are_held_against_that_of_the_model() {
    let opened = |model: &[&str], list: &str, of_data: &[&str]| {
        let (files, lists) = (points(of_data), directory(&[("list.txt", list.as_bytes().to_vec())]));
        let options = Options { classes: Some(lists.path().join("list.txt")), ..of_model(model) };
        let data = open("csv", files.path().join("t.csv"), &options).map_err(|error| error.to_string())?;
        Ok::<_, String>(labels(&read(&data).unwrap()))
    };
    let numbers = ["-7", "3", "10"];
    assert_eq!(opened(&numbers, "-7\n3\n10\n", &["10", "3"]).unwrap(), [2, 1]);
    assert_eq!(opened(&numbers, "ant\nbee\ncow\n", &["10", "3"]).unwrap(), [2, 1]);
    assert_eq!(opened(&numbers, "ant\nbee\ncow\n", &["cow"]).unwrap(), [2]);
    assert_eq!(opened(&numbers, "0\n1\n2\n", &["2", "1"]).unwrap(), [2, 1]);
    assert_eq!(opened(&["0", "1", "2"], "1\n2\n3\n", &["3"]).unwrap(), [2]);
    assert_eq!(opened(&["ant", "bee", "cow"], "1\n2\n3\n", &["3"]).unwrap(), [2]);
    for (model, list) in [
        (numbers, "10\n3\n-7\n"),
        (numbers, "1\n3\n10\n"),
        (["0", "1", "2"], "2\n1\n0\n"),
        (["ant", "bee", "cow"], "cow\nbee\nant\n"),
        (["ant", "bee", "cow"], "ant\nbee\ndog\n"),
    ] {
        let (given, own) = (list.trim().replace('\n', ", "), model.join(", "));
        let message = opened(&model, list, &["3"]).unwrap_err();
        assert_says(&message, &[&format!("in the order {given}, and the model's own file has {own}")]);
    }
}

/// Cells for labels that are not known are no class of their own.
#[test]
fn missing_labels_are_refused() {
    for missing in ["nan", "NaN", "NA", "<NA>", "n/a", "inf", "-inf"] {
        let message = error("csv", points(&["ant", missing]).path().join("t.csv"), &Options::default());
        assert_says(&message, &["line 3", "how a missing label is written"]);
        let table = format!("file,label\na.png,ant\na.png,{missing}\n").into_bytes();
        let files = directory(&[("labels.csv", table), ("a.png", image())]);
        let message = error("folder", &files, &Options::default());
        assert_says(&message, &["line 3", "how a missing label is written"]);
    }
    // A directory may be called so.
    let files = directory(&[("na/a.png", image()), ("us/b.png", image())]);
    assert_eq!(labels(&read(&open("folder", &files, &Options::default()).unwrap()).unwrap()), [0, 1]);
}

/// Labels in another form are the same, and other labels are no other order.
#[test]
fn lists_in_another_order_are_told() {
    let told = |labels: [&str; 3], own: [&str; 3]| {
        crate::is_rearranged(&labels.map(String::from), &own.map(String::from))
    };
    assert!(told(["3", "2", "1"], ["1", "2", "3"]) && told(["2.0", "1.0", "3.0"], ["1", "2", "3"]));
    assert!(told(["bee", "ant", "cow"], ["ant", "bee", "cow"]));
    assert!(!told(["1.0", "2.0", "03"], ["1", "2", "3"]) && !told(["0", "1", "2"], ["1", "2", "3"]));
}
