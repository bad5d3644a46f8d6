//! Folders with images below the directories of their classes, links, splits that stand alone, tables beside directories.

use super::*;

fn plain() -> Options {
    Options::default()
}

fn folder(names: &[&str]) -> TempDir {
    let files: Vec<(&str, Vec<u8>)> = names.iter().zip(0..).map(|(name, blue)| (*name, png(blue))).collect();
    directory(&files)
}

fn notes(files: &TempDir) -> String {
    open("folder", files, &plain()).unwrap().notes().join("\n")
}

/// The order of the samples is that of torchvision's `ImageFolder` (0.29), which printed it for these files.
#[test]
fn images_below_a_class_are_those_of_image_folder() {
    let names = [
        "ant/B.png",
        "ant/z.png",
        "ant/a/1.png",
        "ant/a b/3.png",
        "ant/a-/4.png",
        "ant/a/x/2.png",
        "ant/images.png/5.png",
        "bee/images/0.png",
        "bee/images/1.png",
    ];
    let files = folder(&names);
    for (name, text) in [("ant/.git/0.png", "x"), ("ant/a/words.txt", "x"), ("bee/images/words.txt", "x")] {
        fs::create_dir_all(files.path().join(name).parent().unwrap()).unwrap();
        fs::write(files.path().join(name), text).unwrap();
    }
    let data = open("folder", &files, &plain()).unwrap();
    let samples = read(&data).unwrap();
    assert_eq!(data.class_names(), ["ant", "bee"]);
    assert_eq!((labels(&samples), blues(&samples)), (vec![0, 0, 0, 0, 0, 0, 0, 1, 1], Vec::from_iter(0..9)));
    let notes = data.notes().join("\n");
    assert_says(&notes, &["2 entries that are no png, jpg", "words.txt"]);
    assert_says(&notes, &["7 images are in directories within those of their classes"]);
    assert_eq!(data.fingerprint().unwrap()[0].bytes, (0..9).map(|blue| png(blue).len() as u64).sum::<u64>());
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_lead_somewhere() {
    use std::os::unix::fs::symlink;
    let files = folder(&["ant/0.png", "bee/1.png", "store/2.png"]);
    let at = |name: &str| files.path().join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(at("store"), elsewhere.path().join("store")).unwrap();
    symlink(elsewhere.path(), at("bee/linked")).unwrap();
    // Two that go round.
    symlink(files.path(), at("ant/round")).unwrap();
    symlink(elsewhere.path(), elsewhere.path().join("store/round")).unwrap();
    let samples = read(&open("folder", &files, &plain()).unwrap()).unwrap();
    assert_eq!((labels(&samples), blues(&samples)), (vec![0, 1, 1], vec![0, 1, 2]));

    symlink("nowhere.txt", at("ant/words.txt")).unwrap();
    assert_says(&notes(&files), &["1 entry that is no png", "words.txt"]);
    for name in ["ant/gone.png", "bee/linked/gone.JPG", "cat", "labels.csv"] {
        symlink("/no/such/place", at(name)).unwrap();
        let message = error("folder", &files, &plain());
        assert_says(&message, &[name, "the link leads nowhere", "fetch its target, or remove it"]);
        fs::remove_file(at(name)).unwrap();
    }
}

#[test]
fn a_split_may_stand_alone() {
    let train = options(Split::Train);
    for (name, split, other) in
        [("test", &plain(), "train"), ("Test", &plain(), "train"), ("train", &train, "test")]
    {
        let files = folder(&[&format!("{name}/ant/0.png"), &format!("{name}/bee/1.png"), "Docs/words.txt"]);
        fs::remove_file(files.path().join("Docs/words.txt")).unwrap();
        let data = open("folder", &files, split).unwrap();
        assert_eq!(labels(&read(&data).unwrap()), [0, 1], "{name}");
        assert_says(&data.notes()[0], &[&format!("there is no directory {other} beside {name}")]);
    }
    let both = folder(&["Train/ant/0.png", "Train/bee/1.png", "Test/bee/2.png"]);
    assert_eq!(labels(&read(&open("folder", &both, &plain()).unwrap()).unwrap()), [1]);

    let files = folder(&["train/ant/0.png", "train/bee/1.png"]);
    let cure = format!("name the directory of the split: folder:{}", files.path().join("train").display());
    assert_says(&error("folder", &files, &plain()), &["that for testing is not there", &cure]);
    let files = folder(&["test/ant/0.png", "test/bee/1.png", "more/2.png"]);
    assert_says(&error("folder", &files, &plain()), &["test may be a split, and there are images beside it"]);
}

/// Directories with images in them are classes, whatever they are called.
#[test]
fn classes_may_be_called_as_splits() {
    let of = |names: &[&str]| {
        let data = open("folder", folder(names), &plain()).unwrap();
        (data.class_names().join(" "), data.len())
    };
    assert_eq!(of(&["bus/0.png", "test/1.png", "train/2.png"]), ("bus test train".into(), 3));
    assert_eq!(of(&["bus/0.png", "train/1.png"]), ("bus train".into(), 2));
    assert_eq!(of(&["train/0.png", "test/1.png"]), ("test train".into(), 2));
    // Images to be told apart may have no labels yet.
    let files = folder(&["train/ant/0.png", "train/bee/1.png", "test/2.png"]);
    assert_says(&error("folder", &files, &plain()), &["the data set is empty"]);
}

#[test]
fn classes_that_blanks_alone_tell_apart_are_refused() {
    let message = error("folder", folder(&["ant/0.png", "ant /1.png"]), &plain());
    assert_says(&message, &["ant : blanks alone tell its name from that of", "name it anew"]);
}

#[test]
fn a_table_wins_over_directories_and_lists_files_once() {
    let with = |table: &str| {
        let files = folder(&["ant/0.png", "bee/1.png"]);
        fs::write(files.path().join("labels.csv"), table).unwrap();
        files
    };
    let files = with("file,label\nant/0.png,bee\nbee/1.png,ant\n");
    assert_eq!(labels(&read(&open("folder", &files, &plain()).unwrap()).unwrap()), [1, 0]);
    assert_says(&notes(&files), &["labels are those of labels.csv"]);
    let files = with("file,label\nant/0.png,1\nbee/1.png,0\n./ant/0.png,1.0\n");
    assert_says(
        &notes(&files),
        &["1 line lists a file that is listed before, and counts again: ./ant/0.png"],
    );
    let message = error("folder", with("file,label\nant/0.png,bee\nant/0.png,ant\n"), &plain());
    assert_says(&message, &["labels.csv, line 3: `ant/0.png` has the label `ant` here, and `bee` before"]);
}

/// The directory is named, and how many classes there are on either side.
#[test]
fn numbers_beyond_the_model_are_told_by_their_directory() {
    let mut data = open("folder", folder(&["1/0.png", "2/1.png", "3/2.png"]), &plain()).unwrap();
    data.fit_classes(4).unwrap();
    let message = data.fit_classes(3).unwrap_err().to_string();
    assert_says(&message, &["`3` names a directory", "the model has the classes 0 to 2, the data 4"]);
    let mut one = open("folder", folder(&["ant/0.png"]), &plain()).unwrap();
    one.fit_classes(3).unwrap();
    assert_says(&one.notes().join("\n"), &["the data have 1 named class and"]);
}

/// Nine directories with links to each other are a million ways; each is a directory of its own.
#[cfg(unix)]
#[test]
fn ways_through_links_are_not_followed_without_end() {
    let names: Vec<String> = (0..9).map(|i| format!("ant/{i}/{i}.png")).collect();
    let files = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let ant = files.path().join("ant");
    for (i, j) in (0..81).map(|k| (k / 9, k % 9)).filter(|(i, j)| i != j) {
        std::os::unix::fs::symlink(ant.join(j.to_string()), ant.join(format!("{i}/to{j}"))).unwrap();
    }
    assert_says(
        &error("folder", files, &plain()),
        &["more than 64 ways", "remove links between directories"],
    );
}
