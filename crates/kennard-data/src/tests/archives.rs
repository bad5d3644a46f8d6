//! Tar archives of images and labels, as webdataset, GNU tar and Python's tarfile write them, and hostile ones.

use tar::{Builder, EntryType, Header};

use super::*;
use crate::Selection;

/// What the same images are in a Parquet file.
fn of_the_hub() -> Vec<Sample> {
    read(&open("parquet", fixture("hub.parquet"), &resized()).unwrap()).unwrap()
}

fn resized() -> Options {
    Options { resize: Some((6, 8)), ..Options::default() }
}

/// The bytes of a small image.
fn png() -> Vec<u8> {
    fs::read(fixture("photo.png")).unwrap()
}

/// An archive of these members.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A member whose name and kind are as they are, fit for a tar archive or not.
fn member(name: &[u8], kind: EntryType, size: u64, bytes: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    let mut block = header.as_bytes().to_vec();
    block.extend(bytes);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// What is said of a data set of one archive.
fn refusal(bytes: Vec<u8>) -> String {
    let files = directory(&[("x.tar", bytes)]);
    error("tar", files.path().join("x.tar"), &Options::default())
}

#[test]
fn archives_of_other_programs_are_read() {
    let expected = of_the_hub();
    for name in ["numbers.tar", "json.tar", "long_gnu.tar", "long_pax.tar"] {
        let data = open("tar", fixture(name), &resized()).unwrap();
        let named = name.starts_with("long");
        assert_eq!((data.len(), data.shape(), data.classes()), (5, &[3, 6, 8][..], 3), "{name}");
        let samples = read(&data).unwrap();
        // In the table 0 is a cat, 1 a dog and 2 a fish, which is their sorted order too.
        assert_eq!(samples, expected, "{name}");
        assert_eq!(data.class_names(), if named { &["cat", "dog", "fish"][..] } else { &[] });
        let notes = data.notes().join("\n");
        assert_says(&notes, &["1 of the 5 images streamed so far were converted from grey to RGB"]);
        assert_eq!(
            notes.contains("5 members that are no image and no label are left out"),
            name == "numbers.tar"
        );
        assert_eq!(data.fingerprint().unwrap(), [super::super::digest(&fixture(name)).unwrap()]);
        // A part is the same samples.
        let part = data.select(Selection::Random { count: 3, seed: 1 }).unwrap().map(Result::unwrap);
        part.for_each(|sample| assert_eq!(sample, expected[sample.index]));
        assert_eq!(data.labels().unwrap().map(Result::unwrap).collect::<Vec<_>>(), labels(&expected));
    }
}

#[test]
fn labels_are_listed_and_images_scaled_as_elsewhere() {
    let lists = directory(&[("list", b"fish\ncat\nwhale\ndog\n".to_vec())]);
    let listed = Options { classes: Some(lists.path().join("list")), ..resized() };
    let data = open("tar", fixture("long_pax.tar"), &listed).unwrap();
    assert_eq!((data.classes(), labels(&read(&data).unwrap())), (4, vec![0, 3, 1, 0, 3]));
    let numbered = open("tar", fixture("json.tar"), &listed).unwrap();
    assert_eq!((numbered.classes(), labels(&read(&numbered).unwrap())), (4, vec![2, 1, 0, 2, 1]));
    fs::write(lists.path().join("list"), "fish\ncats\n").unwrap();
    let message = error("tar", fixture("long_gnu.tar"), &listed);
    assert_says(&message, &["bild-ä-2.cls: label `cat` is not in the list", "did you mean `cats`?"]);

    let bytes = archive(&[("photo.png", &png()), ("photo.cls", b"0")]);
    let files = directory(&[("a/photo.png", png()), ("x.tar", bytes)]);
    let card = Options {
        resize: Some((24, 24)),
        shorter: Some(30),
        interpolation: Some(crate::Interpolation::Bicubic),
        ..Options::default()
    };
    let folder = read(&open("folder", files.path(), &card).unwrap()).unwrap();
    assert_eq!(read(&open("tar", files.path().join("x.tar"), &card).unwrap()).unwrap(), folder);
    let message = error("tar", fixture("numbers.tar"), &Options::default());
    assert_says(&message, &["numbers.tar/0003.png", "6×9", "6×8"]);
}

/// A directory of shards: names tell the split, and classes are those of both.
#[test]
fn shards_are_one_data_set() {
    let sample = |label: &str| archive(&[("0.png", &png()), ("0.cls", label.as_bytes())]);
    let files = directory(&[
        ("birds-train-000.tar", sample("owl")),
        ("birds-train-001.tar", sample("jay")),
        ("birds-validation-0.tar", sample("owl")),
        ("birds-validation-1.tar", sample("auk")),
        ("notes.txt", Vec::new()),
    ]);
    let train = open("tar", &files, &options(Split::Train)).unwrap();
    assert_eq!((train.classes(), labels(&read(&train).unwrap())), (3, vec![2, 1]));
    let test = open("tar", &files, &Options::default()).unwrap();
    assert_eq!(
        (test.class_names().join(" ").as_str(), labels(&read(&test).unwrap())),
        ("auk jay owl", vec![2, 0])
    );
    assert_says(&test.notes()[0], &["there is no split test: validation is read"]);
    assert_says(&test.notes()[1], &["1 file that is no .tar file is left out", "notes.txt"]);
    assert_says(&test.notes()[2], &["the other split alone has the classes `jay`"]);
    let digests = test.fingerprint().unwrap();
    assert_eq!((digests.len(), digests[2].file.as_str()), (3, "order of classes"));

    let at = |name: &str| files.path().join(name).display().to_string();
    let two = format!("{},{}", at("birds-train-001.tar"), at("birds-validation-1.tar"));
    assert_eq!(labels(&read(&open("tar", two, &Options::default()).unwrap()).unwrap()), [1, 0]);
    let empty = directory(&[]);
    assert_says(&error("tar", &empty, &Options::default()), &["no files *.tar"]);
}

#[test]
fn samples_without_an_image_or_a_label_are_named() {
    let png = &png()[..];
    let refuse = |members: &[(&str, &[u8])], words: &[&str]| assert_says(&refusal(archive(members)), words);
    let whole: [(&str, &[u8]); 2] = [("a.png", png), ("a.cls", b"0")];
    refuse(&[whole[0], whole[1], ("b.png", png)], &["x.tar/b.png", "no member with a label", "NAME.cls"]);
    refuse(&[whole[0], whole[1], ("b.cls", b"1")], &["x.tar/b.cls", "no image (png, jpg"]);
    refuse(&[("b.png", png), ("a.cls", b"0")], &["x.tar/b.png", "no member with a label"]);
    refuse(&[whole[0], whole[1], ("a.jpg", png)], &["x.tar/a.jpg", "has `a.png` already"]);
    refuse(&[whole[0], whole[1], ("A.b.cls", b"0"), whole[1]], &["x.tar/a.cls", "no image"]);
    refuse(&[whole[0], ("a.json", b"{\"caption\": 3}")], &["x.tar/a.png", "a.json", "label, cls, class"]);
    refuse(&[whole[0], ("a.json", b"{\"cls\": [3]}")], &["x.tar/a.json", "`cls` is neither"]);
    refuse(&[whole[0], ("a.json", b"{\"label\": 3")], &["x.tar/a.json", "EOF", "{\"label\": 3}"]);
    refuse(&[whole[0], ("a.json", &b"[".repeat(1 << 19))], &["x.tar/a.json", "recursion limit"]);
    refuse(&[whole[0], ("a.json", b"{\"label\": 1.5}")], &["x.tar/a.json: label 1.5 is no whole number"]);
    refuse(&[whole[0], ("a.cls", b" \n")], &["x.tar/a.cls", "is blank"]);
    refuse(&[whole[0], ("a.cls", b"-1")], &["x.tar/a.cls: label -1 is negative"]);
    refuse(&[whole[0], ("a.cls", b"\xff")], &["x.tar/a.cls", "the label is no text"]);
    refuse(&[whole[0], ("a.cls", &b"x".repeat(5000))], &["x.tar/a.cls", "a label of 5000 bytes"]);
    refuse(&[whole[0], ("a.cls", &b"x".repeat(1 << 21))], &["x.tar/a.cls", "a label of 2097152 bytes"]);
    refuse(
        &[whole[0], whole[1], ("b.png", png), ("b.cls", b"owl")],
        &["x.tar/b.cls", "`owl` is a name, and `0`"],
    );
    refuse(&[("a.png", b"no image"), whole[1]], &["x.tar/a.png", "cannot be decoded"]);
    refuse(&[("README.md", b"words"), ("info.json", b"{}")], &["the data set is empty", "0001.cls"]);

    // What is neither is left out, and so is a JSON member beside a label of its own.
    let files = directory(&[(
        "x.tar",
        archive(&[
            ("README.md", b"words"),
            whole[0],
            ("a.json", b"no JSON"),
            whole[1],
            (".hidden.png", b""),
            ("LICENSE", b""),
        ]),
    )]);
    let data = open("tar", files.path().join("x.tar"), &Options::default()).unwrap();
    assert_eq!(read(&data).unwrap().len(), 1);
    assert_says(&data.notes().join("\n"), &["3 members", "x.tar/README.md"]);
}

#[test]
fn hostile_archives_are_refused() {
    let sample = archive(&[("a.png", &png()), ("a.cls", b"0")]);
    let body = sample.len() - 1024;
    let refuse = |part: Vec<u8>, words: &[&str]| {
        let bytes = [&sample[..body], &part, &[0; 1024]].concat();
        assert_says(&refusal(bytes), words);
    };
    let file = EntryType::Regular;
    // Sizes that are not there, as octal digits and in base 256.
    refuse(member(b"b.png", file, 0o77777777777, b""), &["x.tar/b.png", "truncated: 8589934591 bytes"]);
    refuse(member(b"b.png", file, u64::MAX, b""), &["x.tar/b.png", "truncated: 18446744073709551615 bytes"]);
    refuse(member(b"L", EntryType::GNULongName, 1 << 40, b""), &["truncated: 1099511627776 bytes"]);
    // All of a member is there but the zeros behind it.
    let unfilled = &member(b"b.png", file, 416, &[7; 416])[..512 + 416];
    assert_says(
        &refusal([&sample[..body], unfilled].concat()),
        &["x.tar/b.png", "512 bytes should follow, 416 do"],
    );
    refuse(
        member(b"L", EntryType::GNULongName, 1 << 17, &[b'a'; 1 << 17]),
        &["a name of 131072 bytes is refused"],
    );
    refuse(member(b"L", EntryType::GNULongName, 3, b"b.p"), &["a long name is followed by no member"]);
    for (kind, said) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::Block, "a device"),
        (EntryType::GNUSparse, "sparse"),
        (EntryType::new(b'Q'), "of the kind `Q`"),
    ] {
        refuse(member(b"b.png", kind, 0, b""), &["x.tar/b.png", said, "write the file itself"]);
    }
    for name in ["/etc/passwd.png", "../b.png", "a/../../b.png", "./../b.png", ".//b.png"] {
        refuse(member(name.as_bytes(), file, 0, b""), &[&format!("`{name}`"), "is absolute, or leads out"]);
    }
    refuse(member(b"b\xff.png", file, 0, b""), &["`b\u{fffd}.png` is no UTF-8"]);
    refuse(member(b"", file, 0, b""), &["is empty"]);
    let pax = |text: &[u8]| member(b"pax", EntryType::XHeader, text.len() as u64, text);
    refuse(pax(b"20 path=/etc/passwd\n"), &["a long name is followed by no member"]);
    refuse([pax(b"20 path=/etc/passwd\n"), member(b"b.png", file, 0, b"")].concat(), &["`/etc/passwd`"]);
    refuse(pax(b"99 path=b.png\n"), &["extended header is damaged"]);
    refuse(pax(b"17 path=b.png\n\n\n\n\n"), &["extended header is damaged"]);
    refuse(pax(b"17 size=99999999\n"), &["beyond 8 GB"]);
    refuse(pax(b"22 GNU.sparse.major=1\n"), &["with gaps"]);
    let mut wrong = member(b"b.png", file, 0, b"");
    wrong[0] = b'c';
    refuse(wrong, &[&format!("x.tar, offset {body}"), "checksum differs"]);

    // Cut short anywhere, between members too; something behind the end; packed; no archive at all.
    for cut in (0..sample.len() - 512).step_by(128) {
        let message = refusal(sample[..cut].to_vec());
        assert_says(&message, &["x.tar", "truncated", "fetch or write the file again"]);
    }
    assert_says(&refusal([&sample[..], &sample].concat()), &["more bytes follow the end", "one by one"]);
    for (magic, how) in [(&gzip(&sample)[..], "gzip"), (b"\x28\xb5\x2f\xfd....", "zstd"), (b"BZh91", "bzip2")]
    {
        assert_says(&refusal(magic.to_vec()), &["x.tar", &format!("packed with {how}"), "unpack it"]);
    }
    assert_says(
        &refusal(b"no archive at all".repeat(99)),
        &["x.tar, offset 0", "no header of a tar archive"],
    );
    assert_says(&error("tar", "no-such.tar", &Options::default()), &["no-such.tar"]);
}
