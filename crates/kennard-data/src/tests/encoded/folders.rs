//! Folders of images, and tables that list them.

use super::*;

#[test]
fn directories_are_classes() {
    let files = directory(&[
        ("dog/b.png", png(3)),
        ("dog/a.BMP", encode(picture(2), ImageFormat::Bmp)),
        ("dog/notes.txt", b"good dog".to_vec()),
        ("dog/.hidden.png", png(99)),
        ("ant/z.webp", encode(picture(1), ImageFormat::WebP)),
        ("cat/.keep", Vec::new()),
        (".git/a.png", png(99)),
        ("__MACOSX/a.png", png(99)),
        ("__MACOSX/dog/._a.png", b"a resource fork".to_vec()),
        ("Docs/read.txt", b"cats and dogs".to_vec()),
        ("stray.png", png(99)),
    ]);
    let data = open("folder", &files, &Options::default()).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (3, &[3, 4, 5][..], 2));
    assert_eq!(data.class_names(), ["ant", "dog"]);
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [0, 1, 1]);
    assert_eq!(blues(&samples), [1, 2, 3]);
    for (k, value) in samples[1].input.iter().enumerate() {
        let (channel, y, x) = (k / 20, k / 5 % 4, k % 5);
        assert_eq!(*value, [x, y, 2][channel] as f32 / 255.0, "channel {channel}, row {y}, column {x}");
    }
    let notes = data.notes();
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert_says(&notes[0], &["without images are no classes: `Docs`, `cat`", "give the list of classes"]);
    assert_says(&notes[1], &["2 entries", "left out", "read.txt"]);
    assert_says(&notes[2], &["1 image that is in no directory of a class is left out", "stray.png"]);
    assert_eq!(notes[3], "classes: 0 ant, 1 dog");

    // A list has the model's order, and knows classes without images.
    let list = |names: &str| {
        let file = files.path().join("names.txt");
        fs::write(&file, names).unwrap();
        open("folder", &files, &Options { classes: Some(file), ..Options::default() })
    };
    let listed = list("\u{feff}dog\ncat\r\nant\n\n").unwrap();
    assert_eq!((listed.classes(), labels(&read(&listed).unwrap())), (3, vec![2, 0, 0]));
    assert_eq!(listed.class_names(), ["dog", "cat", "ant"]);
    assert_eq!(listed.notes().last().unwrap(), "classes: 0 dog, 1 cat, 2 ant");
    // It must be that of the model; sorted names of other classes are doubtful.
    let [mut listed, mut sorted] = [listed, open("folder", &files, &Options::default()).unwrap()];
    assert!(listed.fit_classes(3).is_ok() && sorted.fit_classes(2).is_ok());
    assert_eq!(sorted.notes().len(), 4);
    let message = listed.fit_classes(10).unwrap_err().to_string();
    assert_says(&message, &["names.txt", "the list has 3 classes and the model has 10"]);
    assert!(sorted.fit_classes(10).is_ok());
    assert_says(
        &sorted.notes()[4],
        &["2 named classes and the model has 10", "give the list of its classes"],
    );
    // It is part of what the data are.
    assert_eq!(listed.fingerprint().unwrap().len(), 2);
    assert_ne!(listed.fingerprint().unwrap(), list("dog\nant\n").unwrap().fingerprint().unwrap());
    let refuse = |names: &str, words: &[&str]| assert_says(&list(names).err().unwrap().to_string(), words);
    refuse("dog\nAnt\n", &["ant", "label `ant` is not in the list of classes", "did you mean `Ant`"]);
    refuse("dog\nant\ndog\n", &["names.txt, line 3", "`dog` stands in line 1 already"]);
    refuse("dog\n\nant\n", &["names.txt, line 2", "the name is blank"]);
    refuse("", &["names.txt", "empty"]);
    let none = Options { classes: Some("no-such-list".into()), ..Options::default() };
    assert_says(&error("folder", &files, &none), &["no-such-list"]);
    let mnist = directory(&small_mnist());
    assert_says(&error("mnist", &mnist, &none), &["no-such-list"]);
}

/// Classes are those of both splits, so that a class without test images shifts no label.
#[test]
fn splits_have_the_same_classes() {
    let files = directory(&[
        ("train/ant/0.png", png(1)),
        ("train/bee/0.png", png(1)),
        ("train/cat/0.png", png(1)),
        ("test/ant/0.png", png(2)),
        ("test/cat/0.png", png(3)),
    ]);
    let test = open("folder", &files, &Options::default()).unwrap();
    assert_eq!((test.classes(), labels(&read(&test).unwrap())), (3, vec![0, 2]));
    assert_says(&test.notes()[0], &["the other split alone has the classes `bee`"]);
}

/// Where the other split alone has some of the classes, the files of this one do not tell what its labels mean.
#[test]
fn the_order_of_classes_is_part_of_what_the_data_are() {
    let files = directory(&[
        ("test/ant/0.png", png(1)),
        ("test/cat/0.png", png(2)),
        ("train/ant/0.png", png(3)),
        ("list", b"dog\ncat\nbee\nant\n".to_vec()),
    ]);
    let fingerprint = |options: &Options| open("folder", &files, options).unwrap().fingerprint().unwrap();
    let plain = Options::default();
    let add = |class: &str| {
        let folder = files.path().join("train").join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("0.png"), png(4)).unwrap();
    };
    let alone = fingerprint(&plain);
    assert_eq!(alone.len(), 1);
    add("bee");
    let two = fingerprint(&plain);
    assert_eq!((two.len(), &two[0], two[1].file.as_str()), (2, &alone[0], "order of classes"));
    add("dog");
    let three = fingerprint(&plain);
    assert!(three.len() == 2 && three[0] == two[0] && three[1] != two[1], "{three:?}");
    // A list tells it by itself.
    let listed = Options { classes: Some(files.path().join("list")), ..plain };
    let names: Vec<String> = fingerprint(&listed).into_iter().map(|digest| digest.file).collect();
    assert_eq!(names, ["test", "list"]);
}

/// Two names that are no text would be one class.
#[cfg(target_os = "linux")]
#[test]
fn directories_of_classes_have_names_that_are_text() {
    use std::os::unix::ffi::OsStrExt;
    let files = directory(&[("ant/0.png", png(1))]);
    for name in [&b"caf\xe8"[..], b"caf\xe9"] {
        let folder = files.path().join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("0.png"), png(2)).unwrap();
    }
    let message = error("folder", &files, &Options::default());
    assert_says(&message, &["caf\u{fffd}", "the name of the directory", "is no UTF-8", "name it anew"]);
}

/// What the directories hold is no matter of how their names are written.
#[test]
fn numbers_are_classes() {
    let files = directory(&[("0/x.png", png(1)), ("02/x.png", png(3)), ("10/x.png", png(2))]);
    let data = open("folder", &files, &Options::default()).unwrap();
    assert_eq!((data.classes(), data.class_names().len()), (11, 0));
    assert_eq!(labels(&read(&data).unwrap()), [0, 2, 10]);
    assert_says(&data.notes()[0], &["classes 0 to 10", "no sample has the class 1, 3, 4, 5, 6, 7, 8, 9"]);

    let mixed = directory(&[("0/x.png", png(1)), ("1/x.png", png(3)), ("rest/x.png", png(2))]);
    assert_says(
        &error("folder", &mixed, &Options::default()),
        &["label `rest` is a name, and `0` is a number", "give the list of classes"],
    );
}

#[test]
fn directories_may_be_split() {
    let files = directory(&[("test/a/0.png", png(1)), ("test/b/0.png", png(2)), ("train/a/0.png", png(3))]);
    let read_split = |split| read(&open("folder", &files, &options(split)).unwrap()).unwrap();
    assert_eq!(blues(&read_split(Split::Test)), [1, 2]);
    assert_eq!(blues(&read_split(Split::Train)), [3]);

    for called in ["val", "valid", "validation"] {
        let path = format!("{called}/a/0.png");
        let files = directory(&[(path.as_str(), png(1)), ("train/a/0.png", png(3))]);
        let data = open("folder", &files, &Options::default()).unwrap();
        assert_eq!(blues(&read(&data).unwrap()), [1]);
        assert_eq!(data.notes()[0], format!("there is no split test: {called} is read"));
        let train = open("folder", &files, &options(Split::Train)).unwrap();
        assert_eq!((blues(&read(&train).unwrap()), train.notes().len()), (vec![3], 1));
    }

    let whole = directory(&[("a/0.png", png(1)), ("b/0.png", png(2))]);
    let data = open("folder", &whole, &options(Split::Train)).unwrap();
    assert_eq!((data.len(), data.classes()), (2, 2));
    assert_says(&data.notes()[0], &["has no directories train and test; all of it is read"]);
}

#[test]
fn a_table_lists_files_and_labels() {
    let images = [("x/a.png", png(1)), ("b.png", png(2)), ("c.png", png(3))];
    let with = |table: &str| directory(&[&images[..], &[("labels.csv", table.as_bytes().to_vec())]].concat());
    let named = with("file,size,label\nc.png,1,owl\n\"x/a.png\",2, ape\nb.png,3,owl\n");
    let data = open("folder", &named, &Options::default()).unwrap();
    assert_eq!((data.len(), data.classes()), (3, 2));
    assert_eq!(data.class_names(), ["ape", "owl"]);
    let samples = read(&data).unwrap();
    assert_eq!((labels(&samples), blues(&samples)), (vec![1, 0, 1], vec![3, 1, 2]));

    let numbered = with("label,file\r\n10,c.png\r\n2,b.png\r\n");
    let data = open("folder", &numbered, &Options::default()).unwrap();
    assert_eq!((data.classes(), data.class_names().len()), (11, 0));
    assert_eq!(labels(&read(&data).unwrap()), [10, 2]);

    let classes = |table: &str| {
        let files = with(table);
        let data = open("folder", &files, &Options::default()).unwrap();
        (data.classes(), data.class_names().to_vec(), labels(&read(&data).unwrap()))
    };
    // Written by a program that made floats of them; 5 stays 5 though 3 and 4 are not there.
    assert_eq!(classes("file,label\nc.png,0.0\nb.png,5.0\nx/a.png,1.0\n"), (6, vec![], vec![0, 5, 1]));
    assert_eq!(
        classes("\u{feff}file,label\nc.png,00\nb.png,\" 1 \"\nx/a.png,0\n"),
        (2, vec![], vec![0, 1, 0])
    );

    let refuse = |table: &str, words: &[&str]| {
        assert_says(&error("folder", with(table), &Options::default()), words);
    };
    refuse("file,label\nc.png,0\nb.png,\nx/a.png,2\n", &["labels.csv, line 3", "is blank"]);
    refuse("file,label\nc.png,owl\nb.png,\"  \"\n", &["labels.csv, line 3", "is blank"]);
    refuse("file,label\nc.png,0\nb.png,owl\n", &["line 3: label `owl` is a name, and `0` is a number"]);
    refuse("file,label\nc.png,0\nb.png,0.5\n", &["line 3: label 0.5 is no whole number"]);
    refuse("file,label\nc.png,0.0\nb.png,nan\n", &["line 3: label `nan` is how a missing label is written"]);
    refuse("file,label\nc.png,-1.0\n", &["line 2: label -1 is negative"]);
    refuse("name,class\na.png,1\n", &["labels.csv, line 1", "`file` and `label` are needed"]);
    refuse("file,label\nb.png,1\nc.png\n", &["labels.csv, line 3", "one file and one label a line"]);
    refuse("file,label\nb.png,1\nc.png,-1\n", &["line 3: label -1 is negative"]);
    refuse("file,label\nb.png,1\nc.png,5000000\n", &["line 3: label 5000000 is out of range"]);
    refuse("file,label\nb.png,1\nno.png,1\n", &["no.png"]);
    refuse("file,label\n../b.png,1\n", &["line 2", "`../b.png`", "without `..`"]);
    refuse("file,label\n/etc/passwd,1\n", &["line 2", "`/etc/passwd`"]);
    refuse("file,label\n", &["the data set is empty", "columns file and label"]);
    refuse("", &["line 1", "`file` and `label` are needed"]);
}

#[test]
fn folders_out_of_order_are_refused() {
    let refuse = |files: &[(&str, Vec<u8>)], words: &[&str]| {
        assert_says(&error("folder", directory(files), &Options::default()), words);
    };
    assert_says(&error("folder", "/no/such/place", &Options::default()), &["/no/such/place", "not found"]);
    refuse(&[], &["empty", "png, jpg, jpeg, bmp, webp"]);
    refuse(&[("a/x.txt", vec![1])], &["empty"]);
    refuse(
        &[("a/1.png", png(0)), ("a/2.png", b"<html>".to_vec())],
        &["2.png", "cannot be decoded", "replace"],
    );
    refuse(&[("a/1.png", png(0)), ("a/2.png", png(0)[..70].to_vec())], &["2.png", "cannot be decoded"]);
    let other = encode(RgbImage::new(6, 4), ImageFormat::Png);
    refuse(
        &[("a/1.png", png(0)), ("b/2.png", other)],
        &["2.png", "4×6", "4×5", "give the size the model takes"],
    );

    let files = directory(&[("a/1.png", png(0))]);
    let refuse = |options: Options, words: &[&str]| assert_says(&error("folder", &files, &options), words);
    refuse(Options { channels: Some(4), ..Options::default() }, &["1 or 3 channels, the model takes 4"]);
    refuse(resize(0, 4), &["cannot be resized to 0×4"]);
    refuse(resize(1 << 20, 1 << 20), &["cannot be resized"]);
}
