//! NumPy files and archives of them.

use super::*;

/// Element k of the fixtures' floats, before the samples are cut out of them.
fn float(k: usize) -> f32 {
    k as f32 / 8.0 - 1.0
}

fn assert_floats(samples: &[Sample], count: usize) {
    assert_eq!(samples.len(), count);
    for (i, sample) in samples.iter().enumerate() {
        assert_eq!(sample.input, Vec::from_iter((6 * i..6 * i + 6).map(float)), "sample {i}");
        assert_eq!(sample.label, 2 - i % 3);
    }
}

#[test]
fn archives_of_numpy_are_read() {
    let data = open("npz", fixture("plain.npz"), &TEST).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (5, &[1, 2, 3][..], 3));
    assert!(data.eight_bit() && data.notes().is_empty());
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [2, 1, 0, 2, 1]);
    assert_eq!(samples[4].input[5], 29.0 / 255.0);
    let note = &open("npz", fixture("plain.npz"), &TRAIN).unwrap().notes()[0];
    assert_says(note, &["plain.npz/x.npy", "all of", "is read"]);

    let train = open("npz", fixture("splits.npz"), &TRAIN).unwrap();
    assert_eq!((train.shape(), train.eight_bit()), (&[2, 3][..], false));
    assert_floats(&read(&train).unwrap(), 5);
    assert!(train.notes().is_empty());

    // Fortran order, packed; labels of shape (4, 1).
    assert_floats(&read(&open("npz", fixture("splits.npz"), &TEST).unwrap()).unwrap(), 4);
}

#[test]
fn pairs_of_numpy_files_are_read() {
    for inputs in ["half_big_endian.npy", "double_fortran.npy"] {
        let pair = format!("{},{}", fixture(inputs).display(), fixture("labels_big_endian.npy").display());
        let data = open("npz", &pair, &TEST).unwrap();
        assert_floats(&read(&data).unwrap(), 5);
        let digests = data.fingerprint().unwrap();
        assert_eq!(
            digests.iter().map(|d| d.file.as_str()).collect::<Vec<_>>(),
            [inputs, "labels_big_endian.npy"]
        );
    }
}

/// An NPY file.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    npy_with_header(&header, data)
}

fn npy_with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn npz(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn numpy_arrays_out_of_order_are_refused() {
    let refuse = |x: Vec<u8>, y: Vec<u8>, words: &[&str]| {
        let files = directory(&[("x.npy", x), ("y.npy", y)]);
        let path = files.path().display().to_string();
        assert_says(&error("npz", format!("{path}/x.npy,{path}/y.npy"), &TEST), words);
    };
    let x = || npy("|u1", "(2, 3)", &[0, 1, 2, 3, 4, 5]);
    let y = |values: &[u8]| npy("|u1", &format!("({},)", values.len()), values);

    refuse(b"PK\x03\x04 not an array".to_vec(), y(&[0, 1]), &["x.npy, offset 0", "no NPY array"]);
    refuse(npy("|u1", "(2, 3)", &[0; 5]), y(&[0, 1]), &["truncated: 6 bytes should follow, 5 do"]);
    refuse(npy("|u1", "(2, 3)", &[0; 7]), y(&[0, 1]), &["1 more bytes follow"]);
    refuse(npy("|u1", "(99999999999, 99999999999)", &[]), y(&[0]), &["truncated"]);
    refuse(npy("|u1", "(0, 3)", &[]), y(&[]), &["x.npy", "empty", "[0, 3]"]);
    refuse(npy("|u1", "()", &[0]), y(&[0]), &["no axis but the samples'"]);
    refuse(npy("|u1", "(2, 3", &[0; 6]), y(&[0, 1]), &["no `shape` can be read"]);
    refuse(npy("<i8", "(1, 1)", &[0; 8]), y(&[0]), &["no known range", "astype(numpy.uint8)"]);
    refuse(npy("|O", "(1, 1)", &[0; 8]), y(&[0]), &["`|O` are not read", "astype(numpy.float32)"]);
    refuse(npy("<c8", "(1, 1)", &[0; 8]), y(&[0]), &["`<c8` are not read"]);
    let record = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}";
    refuse(npy_with_header(record, &[0; 4]), y(&[0]), &["`[('a', '<f4')]` are not read"]);
    refuse(npy_with_header("{}", &[]), y(&[0]), &["no `descr` can be read"]);
    let values = floats(&[0.0, 1.0, f32::NAN, 0.0]);
    refuse(npy("<f4", "(2, 2)", &values), y(&[0, 1]), &["x.npy, row 1", "NaN", "repair"]);
    refuse(npy("<f8", "(1, 1)", &1e300f64.to_le_bytes()), y(&[0]), &["row 0", "32 bits"]);

    refuse(x(), y(&[0, 1, 2]), &["x.npy holds 2 inputs", "y.npy holds 3 labels"]);
    refuse(x(), npy("|i1", "(2,)", &[0, 255]), &["y.npy, row 1: label -1 is negative", "from 0"]);
    refuse(x(), npy("<u4", "(2,)", &[0, 0, 0, 0, 255, 255, 255, 255]), &["row 1: label 4294967295"]);
    refuse(x(), npy("<f4", "(2,)", &floats(&[0.0, 0.5])), &["y.npy, row 1: label 0.5", "no whole number"]);
    refuse(x(), npy("<f4", "(2,)", &floats(&[f32::NAN, 1.0])), &["row 0: label NaN", "no whole number"]);
    refuse(x(), npy("<f4", "(2,)", &floats(&[0.0, f32::INFINITY])), &["row 1: label inf", "no whole number"]);
    refuse(x(), npy("<f4", "(2,)", &floats(&[0.0, -1.0])), &["row 1: label -1 is negative"]);
    refuse(x(), npy("<U1", "(2,)", &[97, 0, 0, 0, 98, 0, 0, 0]), &["y.npy", "`<U1` are not read", "int64"]);
    refuse(x(), npy("|S1", "(2,)", b"ab"), &["y.npy", "`|S1` are not read"]);
    refuse(x(), npy("|b1", "(2,)", &[0, 1]), &["y.npy", "`|b1` are not read"]);
    refuse(x(), npy("|u1", "(2, 2)", &[0, 1, 1, 0]), &["one-hot with 2 classes", "y.argmax(1)"]);
    let hot = std::fs::read(fixture("one_hot.npy")).unwrap();
    refuse(x(), hot, &["one-hot with 3 classes"]);
    refuse(x(), npy("|u1", "(1, 2, 1)", &[0, 1]), &["[1, 2, 1]", "shape (samples,)"]);
    assert_says(&error("npz", fixture("one_hot.npy"), &TEST), &["not both", "npz:X.npy,Y.npy"]);

    // A header of nested brackets is answered at once.
    let nested = format!("{{'shape': {}{}}}", "[".repeat(5000), "]".repeat(5000));
    refuse(npy_with_header(&nested, &[]), y(&[0]), &["no `descr`"]);
}

/// Labels saved as floats, in either byte order, are the numbers that they are.
#[test]
fn whole_floats_are_labels() {
    for (descr, bytes) in [("<f4", floats(&[2.0, 0.0])), (">f8", [2f64, 0.0].map(f64::to_be_bytes).concat())]
    {
        let x = npy("|u1", "(2, 3)", &[0, 1, 2, 3, 4, 5]);
        let files = directory(&[("x.npy", x), ("y.npy", npy(descr, "(2,)", &bytes))]);
        let path = files.path().display().to_string();
        let data = open("npz", format!("{path}/x.npy,{path}/y.npy"), &TEST).unwrap();
        assert_eq!((data.classes(), labels(&read(&data).unwrap())), (3, vec![2, 0]), "{descr}");

        let list = |names: &str| {
            let file = files.path().join("names.txt");
            fs::write(&file, names).unwrap();
            open("npz", format!("{path}/x.npy,{path}/y.npy"), &Options { classes: Some(file), ..TEST })
        };
        let named = list("ant\nbee\ncat\ndog\n").unwrap();
        assert_eq!((named.classes(), named.class_names()[2].as_str()), (4, "cat"));
        // The list is one of the files of a run: it is what it was, until it is changed.
        named.while_unchanged(|| Ok::<(), DataError>(())).unwrap();
        fs::write(files.path().join("names.txt"), "bee\nant\ncat\ndog\n").unwrap();
        assert_says(&named.check_unchanged().unwrap_err().to_string(), &["names.txt", "changed"]);
        let message = list("ant\nbee\n").err().unwrap().to_string();
        let cure = "the list may name their numbers";
        assert_says(&message, &["y.npy, row 0", "label 2 is out of range", "0 to 1", cure]);
        // Names that are numbers are the labels', in whatever order, as in tables.
        let numbered = list("0\n-1\n02\n").unwrap();
        assert_eq!((numbered.classes(), labels(&read(&numbered).unwrap())), (3, vec![2, 0]), "{descr}");
        assert_eq!(labels(&read(&list("2\n0\n").unwrap()).unwrap()), [0, 1]);
        assert_says(&list("2\n0\n").unwrap().notes().join("\n"), &["classes: 0 2, 1 0"]);
        let message = list("1\n2\n").err().unwrap().to_string();
        assert_says(&message, &["y.npy, row 1", "label `0` is not in the list of classes"]);
    }
}

#[test]
fn archives_out_of_order_are_refused() {
    use zip::CompressionMethod::{Deflated, Stored};
    let refuse = |bytes: Vec<u8>, words: &[&str]| {
        let files = directory(&[("data.npz", bytes)]);
        assert_says(&error("npz", files.path().join("data.npz"), &TEST), words);
    };
    let x = || npy("|u1", "(2, 3)", &[10, 11, 12, 13, 14, 15]);
    let y = || npy("|u1", "(2,)", &[0, 1]);
    assert_says(&error("npz", "no-such.npz", &TEST), &["no-such.npz"]);
    refuse(b"no zip file".to_vec(), &["no readable archive", "numpy.savez"]);
    refuse(
        npz(&[("a.npy", x()), ("y.npy", y())], Stored),
        &["inputs and labels of the test split", "x_test and y_test", "images and labels", "a.npy"],
    );
    refuse(npz(&[("x.npy", x()), ("y.npy", y()[..40].to_vec())], Stored), &["data.npz/y.npy", "truncated"]);

    let mut damaged = npz(&[("x.npy", x()), ("y.npy", y())], Stored);
    let pixel = damaged.windows(3).position(|w| w == [11, 12, 13]).unwrap();
    damaged[pixel] ^= 64;
    refuse(damaged, &["data.npz/x.npy", "the checksum differs"]);

    // A member that says it unpacks to more than its bytes can hold.
    let mut bomb = npz(&[("x.npy", x()), ("y.npy", y())], Deflated);
    let size = (x().len() as u32).to_le_bytes();
    let entry = bomb.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let first = bomb.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    assert!(first < entry && bomb[first + 24..first + 28] == size);
    bomb[first + 24..first + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    refuse(bomb, &["data.npz/x.npy", "packed bytes cannot hold the 2147483647 announced"]);

    // Names are compared without case; channels at the end are pointed out.
    let pictures = npy("|u1", "(1, 4, 4, 3)", &[0; 48]);
    let files =
        directory(&[("d.npz", npz(&[("Y.npy", npy("|u1", "(1,)", &[0])), ("X.npy", pictures)], Deflated))]);
    let data = open("npz", files.path().join("d.npz"), &TEST).unwrap();
    assert_says(&data.notes()[0], &["[4, 4, 3]", "x.transpose(0, 3, 1, 2)"]);
    assert_eq!(read(&data).unwrap().len(), 1);
}
