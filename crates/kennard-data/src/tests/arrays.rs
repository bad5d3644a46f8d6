//! IDX, CIFAR and NumPy files.

mod numpy;

use std::fs;
use std::io::{Cursor, Write};

use super::*;

const TEST: Options = of(Split::Test);
const TRAIN: Options = of(Split::Train);

const fn of(split: Split) -> Options {
    Options {
        model_classes: Vec::new(),
        split,
        resize: None,
        shorter: None,
        interpolation: None,
        channels: None,
        classes: None,
        label_column: None,
    }
}

#[test]
fn idx_files_are_read_plain_and_packed_under_either_name() {
    let images = idx(&[3, 2, 3], &Vec::from_iter(0..18));
    let plain = directory(&[
        ("train-images.idx3-ubyte", images.clone()),
        ("train-labels-idx1-ubyte.gz", gzip(&idx(&[3], &[7, 2, 9]))),
    ]);
    let data = open("mnist", &plain, &TRAIN).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (3, &[1, 2, 3][..], 10));
    assert!(data.eight_bit());
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

/// Files of one array that stand side by side may be different ones.
#[test]
fn a_second_idx_file_of_the_same_array_is_told() {
    let files = directory(&small_mnist());
    assert!(open("mnist", &files, &TEST).unwrap().notes().is_empty());
    fs::write(files.path().join("t10k-labels-idx1-ubyte"), idx(&[3], &[1, 2, 3])).unwrap();
    let data = open("mnist", &files, &TEST).unwrap();
    assert_eq!(labels(&read(&data).unwrap()), [1, 2, 3]);
    let notes = data.notes();
    assert_says(&notes[0], &["t10k-labels-idx1-ubyte is read, and ", "t10k-labels-idx1-ubyte.gz beside it"]);
    assert_eq!(notes.len(), 1);
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
