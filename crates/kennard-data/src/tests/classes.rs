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
    let table = |labels: &str| directory(&[("labels.csv", labels.as_bytes().to_vec()), ("a.png", image())]);
    let (_list, options) = listed(TABLE);
    let names = table("file,label\na.png,\"tench, Tinca tinca\"\na.png,n02012849\n");
    assert_eq!(labels(&read(&open("folder", &names, &options).unwrap()).unwrap()), [0, 2]);
    let numbers = table("file,label\na.png,3\na.png,1\n");
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
