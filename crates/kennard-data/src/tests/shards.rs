//! Directories of archives, what is left out of them, and headers and labels as other programs write them.

use tar::{Builder, EntryType, Header};

use super::*;

fn png() -> Vec<u8> {
    fs::read(fixture("photo.png")).unwrap()
}

/// An archive of these members; what is called `pax` is an extended header of the one behind it.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(if *name == "pax" { EntryType::XHeader } else { EntryType::Regular });
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn sample(label: &str) -> Vec<u8> {
    archive(&[("0.png", &png()), ("0.cls", label.as_bytes())])
}

fn opened(files: &TempDir) -> DataSet {
    open("tar", files, &Options::default()).unwrap()
}

#[test]
fn files_that_are_left_out_are_counted() {
    let files = directory(&[
        ("test-0.tar", sample("0")),
        ("more.tar", sample("1")),
        ("rest.tar", sample("1")),
        ("test-1.tar.part", Vec::new()),
        (".hidden", Vec::new()),
    ]);
    let data = opened(&files);
    assert_eq!(data.len(), 1);
    let notes = data.notes().join("\n");
    assert_says(&notes, &["2 files whose names tell no split are left out, such as", "more.tar"]);
    assert_says(&notes, &["1 file that is no .tar file is left out: ", "test-1.tar.part"]);
    for (name, how) in [("test-2.tar.gz", "gzip"), ("test-2.TGZ", "gzip"), ("x.tar.zst", "zstd")] {
        let packed = files.path().join(name);
        fs::write(&packed, b"").unwrap();
        let message = error("tar", &files, &Options::default());
        assert_says(&message, &[name, &format!("packed with {how}"), "unpack it to a plain .tar first"]);
        fs::remove_file(packed).unwrap();
    }
}

#[test]
fn directories_of_splits_are_named() {
    let files = directory(&[("train/0.tar", sample("0")), ("test/0.tar", sample("0"))]);
    for (split, name) in [(Split::Test, "test"), (Split::Train, "train")] {
        let cure = format!("name the directory of the split: tar:{}", files.path().join(name).display());
        assert_says(&error("tar", &files, &options(split)), &[".tar not found", &cure]);
    }
}

/// POSIX' records: a length that counts itself, a blank, `key=value`, and a newline that the length counts too.
#[test]
fn extended_headers_may_have_newlines_in_their_values() {
    let (png, label) = (png(), b"0");
    let read = |header: &[u8]| {
        let members: [(&str, &[u8]); 3] = [("pax", header), ("short.png", &png), ("a.cls", label)];
        open("tar", directory(&[("x.tar", archive(&members))]).path().join("x.tar"), &Options::default())
            .map(|data| data.len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(b"14 path=a.png\n").unwrap(), 1);
    assert_eq!(read(b"21 comment=one\n\ntwo\n\n14 path=a.png\n").unwrap(), 1);
    assert_eq!(read(b"23 note=9 path=b\n=c d \n14 path=a.png\n").unwrap(), 1);
    for damaged in
        [&b"13 path=a.png\n"[..], b"15 path=a.png\n", b"+14 path=a.png", b"0 path=a.png\n", b"9 patha.\n"]
    {
        assert_says(&read(damaged).unwrap_err(), &["an extended header is damaged"]);
    }
}

#[test]
fn labels_may_begin_with_a_byte_order_mark() {
    for (name, label) in [("a.cls", "\u{feff}ant\n"), ("a.json", "\u{feff}{\"label\": \"ant\"}")] {
        let files = directory(&[("x.tar", archive(&[("a.png", &png()), (name, label.as_bytes())]))]);
        assert_eq!(opened(&files).class_names(), ["ant"], "{name}");
    }
}

/// A path that was packed may lead through hidden directories; what macOS adds is no sample.
#[test]
fn archives_have_what_lies_in_hidden_directories() {
    let png = png();
    let members: [(&str, &[u8]); 6] = [
        ("home/.cache/0.png", &png),
        ("home/.cache/0.cls", b"0"),
        ("__MACOSX/home/1.png", &png),
        ("__MACOSX/home/1.cls", b"1"),
        ("__MACOSX/home/._0.png", b"a resource fork"),
        ("home/.cache/._0.png", b"a resource fork"),
    ];
    let files = directory(&[("x.tar", archive(&members))]);
    let data = opened(&files);
    assert_eq!((data.len(), data.classes()), (1, 1));
    assert_says(
        &data.notes().join("\n"),
        &["4 members that are no image and no label", "__MACOSX/home/1.png"],
    );
}
