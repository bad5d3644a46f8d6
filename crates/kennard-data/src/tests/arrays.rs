//! IDX, CIFAR and NumPy files.

use std::fs;
use std::io::{Cursor, Write};

use super::*;

const TEST: Options = Options {
    split: Split::Test,
    resize: None,
    shorter: None,
    interpolation: None,
    channels: None,
    classes: None,
    label_column: None,
};
const TRAIN: Options = Options { split: Split::Train, ..TEST };

#[test]
fn idx_files_are_read_plain_and_packed_under_either_name() {
    let images = idx(&[3, 2, 3], &Vec::from_iter(0..18));
    let plain = directory(&[
        ("train-images.idx3-ubyte", images.clone()),
        ("train-labels-idx1-ubyte.gz", gzip(&idx(&[3], &[7, 2, 9]))),
    ]);
    let data = open("mnist", &plain, &TRAIN).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (3, &[1, 2, 3][..], 10));
    assert_eq!((data.value_range(), data.eight_bit()), (Some((0.0, 1.0)), true));
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [7, 2, 9]);
    for (i, sample) in samples.iter().enumerate() {
        assert_eq!(sample.index, i);
        let expected: Vec<f32> = (0..6).map(|k| (6 * i + k) as f32 / 255.0).collect();
        assert_eq!(sample.input, expected);
    }
    let packed = directory(&small_mnist());
    let again = open("fashion-mnist", &packed, &TEST).unwrap();
    assert_eq!(again.class_names()[9], "Ankle boot");
    assert_eq!(read(&again).unwrap(), samples);
    assert_eq!(read(&again).unwrap(), samples, "a second stream starts afresh");
}

#[test]
fn samples_can_be_passed_over() {
    let files = directory(&small_mnist());
    let data = open("mnist", &files, &TEST).unwrap();
    let all = read(&data).unwrap();
    let some = |samples: &mut dyn Iterator<Item = Result<Sample, DataError>>| -> Vec<Sample> {
        samples.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(some(&mut data.samples().unwrap().skip(1)), all[1..]);
    assert_eq!(some(&mut data.samples().unwrap().skip(1).step_by(2)), all[1..2]);
    assert_eq!(some(&mut data.samples().unwrap().step_by(2)), [all[0].clone(), all[2].clone()]);
    assert!(data.samples().unwrap().nth(3).is_none());

    // An error among those passed over is reported.
    let cut = gzip(&idx(&[3, 2, 3], &Vec::from_iter(0..8)));
    fs::write(files.path().join("t10k-images-idx3-ubyte.gz"), cut).unwrap();
    let data = open("mnist", &files, &TEST).unwrap();
    let mut samples = data.samples().unwrap();
    assert!(matches!(samples.nth(2), Some(Err(DataError::Truncated { .. }))));
    assert!(samples.next().is_none());
}

#[test]
fn idx_files_out_of_order_are_refused() {
    let refuse = |images: Vec<u8>, labels: Vec<u8>, words: &[&str]| {
        let files = directory(&[("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)]);
        assert_says(&error("mnist", &files, &TEST), words);
    };
    let pixels = Vec::from_iter(0..12);
    let images = || idx(&[2, 2, 3], &pixels);
    let two = || idx(&[2], &[0, 1]);

    assert_says(
        &error("mnist", directory(&[]), &TEST),
        &["images of the test split not found", "t10k-images.idx3-ubyte.gz", "name the directory that holds"],
    );
    assert_says(
        &error("mnist", "/no/such/place", &TEST),
        &["/no/such/place", "directory itself is not there"],
    );
    for kind in ["npz", "csv"] {
        assert_says(&error(kind, "/no/such/file", &TEST), &["/no/such/file: ", "; check the path"]);
    }
    let only_images = directory(&[("t10k-images-idx3-ubyte", images())]);
    assert_says(
        &error("mnist", &only_images, &TEST),
        &["labels of the test split", "t10k-labels-idx1-ubyte"],
    );

    refuse(two(), two(), &["images-idx3-ubyte, offset 0", "a file of labels, not of images"]);
    refuse(images(), images(), &["labels-idx1-ubyte", "a file of images, not of labels"]);
    refuse(b"<html></html>".to_vec(), two(), &["starts with [3c, 68, 74, 6d]"]);
    refuse(Vec::new(), two(), &["offset 0", "truncated: 4 bytes should follow, 0 do"]);
    refuse(idx(&[2, 2, 3], &pixels[..9]), two(), &["offset 16", "truncated: 12 bytes should follow, 9 do"]);
    refuse(idx(&[1, 2, 3], &pixels), two(), &["offset 22", "6 more bytes follow"]);
    refuse(idx(&[1, 2, 3], &pixels[..6]), two(), &["holds 1 inputs", "holds 2 labels"]);
    refuse(images(), idx(&[2], &[0, 10]), &["row 1: label 10", "the classes are 0 to 9"]);
    refuse(idx(&[0, 2, 3], &[]), idx(&[0], &[]), &["empty", "[0, 2, 3]"]);
    refuse(
        gzip(&idx(&[2, 2, 3], &pixels[..9])),
        two(),
        &["offset 22", "truncated: 6 bytes should follow, 3 do"],
    );
    refuse(gzip(&idx(&[2, 2, 2], &pixels)), two(), &["offset 24", "more bytes follow"]);
    refuse(images(), gzip(&idx(&[2], &[0, 1, 2])), &["labels", "more bytes follow"]);
    let packed = gzip(&images());
    refuse(packed[..packed.len() - 9].to_vec(), two(), &["images-idx3-ubyte"]);
    let mut damaged = packed.clone();
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    refuse(damaged, two(), &["the packed stream is damaged"]);
}

/// Headers that announce far more than the file can hold cost neither memory nor time.
#[test]
fn huge_headers_are_refused() {
    for packed in [false, true] {
        let images = idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 64]);
        let labels = idx(&[u32::MAX], &[0; 64]);
        let pack = |bytes: Vec<u8>| if packed { gzip(&bytes) } else { bytes };
        let files =
            directory(&[("t10k-images-idx3-ubyte", pack(images)), ("t10k-labels-idx1-ubyte", pack(labels))]);
        assert_says(&error("mnist", &files, &TEST), &["truncated: 18446744073709551615 bytes should follow"]);
    }
    let wide = directory(&[
        ("t10k-images-idx3-ubyte", gzip(&idx(&[1, 8193, 8192], &vec![0; 8193 * 8192]))),
        ("t10k-labels-idx1-ubyte", idx(&[1], &[0])),
    ]);
    assert_says(&error("mnist", &wide, &TEST), &["an input of 67117056 values is refused"]);
}

/// A CIFAR record whose pixels count from `first`.
fn record(labels: &[u8], first: u8) -> Vec<u8> {
    let pixels = (0..3072u32).map(|k| first.wrapping_add(k as u8));
    labels.iter().copied().chain(pixels).collect()
}

#[test]
fn cifar_files_are_read_in_order() {
    let names = (0..10).map(|i| format!("class {i}\n")).collect::<String>() + "\n";
    let mut files = vec![("batches.meta.txt", names.into_bytes())];
    let batches =
        ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
    for (i, name) in (0..).zip(batches) {
        files.push((name, [record(&[i], i), record(&[9 - i], 100 + i)].concat()));
    }
    let ten = directory(&files);
    let data = open("cifar10", &ten, &TRAIN).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (10, &[3, 32, 32][..], 10));
    assert_eq!(data.class_names()[3], "class 3");
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
    assert_eq!(samples[3].index, 3);
    assert_eq!(samples[3].input[..2], [101.0 / 255.0, 102.0 / 255.0]);
    assert_eq!(data.fingerprint().unwrap().len(), 5);

    let hundred = directory(&[("test.bin", [record(&[19, 99], 0), record(&[0, 5], 0)].concat())]);
    let data = open("cifar100", &hundred, &TEST).unwrap();
    assert_eq!((data.len(), data.classes(), data.class_names().len()), (2, 100, 0));
    assert_says(&data.notes()[0], &["class names are unknown", "fine_label_names.txt is not there"]);
    assert_eq!(labels(&read(&data).unwrap()), [99, 5]);
}

#[test]
fn cifar_files_out_of_order_are_refused() {
    let refuse = |bytes: Vec<u8>, words: &[&str]| {
        let files = directory(&[("test_batch.bin", bytes)]);
        assert_says(&error("cifar10", &files, &TEST), words);
    };
    assert_says(&error("cifar10", directory(&[]), &TEST), &["test_batch.bin", "binary version"]);
    refuse(Vec::new(), &["test_batch.bin", "empty"]);
    refuse([record(&[1], 0), vec![0; 100]].concat(), &["row 1", "3073 bytes should follow, 100 do"]);
    refuse([record(&[1], 0), record(&[10], 0)].concat(), &["row 1", "label 10 is out of range"]);

    let files = directory(&[("test_batch.bin", [record(&[1], 0), record(&[2], 0)].concat())]);
    let data = open("cifar10", &files, &TEST).unwrap();
    fs::write(files.path().join("test_batch.bin"), record(&[1], 0)).unwrap();
    let message = read(&data).unwrap_err().to_string();
    assert_says(&message, &["2 samples when opened, 1 now", "do not change"]);
}

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
    assert_eq!((train.shape(), train.value_range(), train.eight_bit()), (&[2, 3][..], None, false));
    assert_floats(&read(&train).unwrap(), 5);
    assert_eq!(train.value_range(), Some((float(0), float(29))));
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
