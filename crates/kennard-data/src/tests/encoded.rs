//! Folders of images and parquet files.

mod folders;
mod hub;
mod layouts;
mod nested;
mod pixels;

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, RgbImage};

use hub::parquet_of;

use super::*;
use crate::Selection;

fn resize(height: usize, width: usize) -> Options {
    Options { resize: Some((height, width)), ..Options::default() }
}

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// An image of 4 rows and 5 columns, whose pixels are (x, y, `blue`).
fn picture(blue: u8) -> RgbImage {
    RgbImage::from_fn(5, 4, |x, y| image::Rgb([x as u8, y as u8, blue]))
}

fn png(blue: u8) -> Vec<u8> {
    encode(picture(blue), ImageFormat::Png)
}

/// The value all pixels of an input have in its last channel.
fn blues(samples: &[Sample]) -> Vec<usize> {
    samples.iter().map(|s| (s.input[s.input.len() - 1] * 255.0).round() as usize).collect()
}

#[test]
fn the_fingerprint_of_a_folder_is_that_of_its_list() {
    let files = directory(&[("a/1.png", png(1)), ("b/2.png", png(2))]);
    let data = open("folder", &files, &Options::default()).unwrap();
    let digests = data.fingerprint().unwrap();
    assert_eq!(digests.len(), 1);
    assert_eq!(digests[0].bytes, (png(1).len() + png(2).len()) as u64);
    let list = directory(&[("list", {
        let line = |name: &str| {
            let digest = super::super::digest(&files.path().join(name)).unwrap();
            format!("{}  {name}\n", digest.sha256)
        };
        (line("a/1.png") + &line("b/2.png")).into_bytes()
    })]);
    let expected = super::super::digest(&list.path().join("list")).unwrap();
    assert_eq!(digests[0].sha256, expected.sha256);
}

/// NIST's example for SHA-256.
#[test]
fn digests_are_sha256() {
    let files = directory(&[("x", b"abc".to_vec())]);
    let digest = super::super::digest(&files.path().join("x")).unwrap();
    assert_eq!((digest.file.as_str(), digest.bytes), ("x", 3));
    assert_eq!(digest.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/// A damaged first image leaves size and colours to the next, and is refused by name where it is wanted.
#[test]
fn a_damaged_first_image_is_no_matter_to_the_others() {
    let bad = || b"no image".to_vec();
    let labels = || std::sync::Arc::new(arrow_array::Int64Array::from(vec![0, 1]));
    let folder = directory(&[("a/1.png", bad()), ("b/2.png", png(7))]);
    let hub = parquet_of(labels(), &[bad(), png(7)]);
    let table = hub.path().join("data.parquet");
    for (kind, path, name) in [("folder", folder.path(), "1.png"), ("parquet", table.as_path(), "row 0")] {
        let data = open(kind, path, &Options::default()).unwrap();
        assert_eq!(data.shape()[0], 3, "{kind}");
        assert_eq!(data.samples().unwrap().nth(1).unwrap().unwrap().label, 1, "{kind}");
        assert_says(&error(kind, path, &Options::default()), &[name, "cannot be decoded"]);
    }
    let none = directory(&[("a/1.png", bad()), ("b/2.png", bad())]);
    let message = open("folder", &none, &Options::default()).unwrap_err().to_string();
    assert_says(&message, &["1.png", "cannot be decoded"]);
}

/// A folder is sorted by class: the first 20 of 60 images are of one class, a random part of that size misses
/// one of three classes with a probability below 3·(2/3)²⁰ = 10⁻³ for a seed chosen blindly.
#[test]
fn a_random_part_of_a_sorted_folder_has_all_classes() {
    let names: Vec<String> = ["ant", "bee", "cat"]
        .iter()
        .flat_map(|class| (0..20).map(move |i| format!("{class}/{i:02}.png")))
        .collect();
    let files: Vec<(&str, Vec<u8>)> =
        names.iter().enumerate().map(|(i, name)| (name.as_str(), png(i as u8))).collect();
    let files = directory(&files);
    let data = open("folder", files.path(), &Options::default()).unwrap();
    let taken = |selection| -> Vec<Sample> { data.select(selection).unwrap().map(Result::unwrap).collect() };
    assert!(taken(Selection::First(20)).iter().all(|sample| sample.label == 0));
    let part = taken(Selection::Random { count: 20, seed: 0 });
    let found: std::collections::BTreeSet<usize> = part.iter().map(|sample| sample.label).collect();
    assert_eq!((part.len(), found.len()), (20, 3));
    let all = read(&data).unwrap();
    assert_eq!(taken(Selection::All), all);
    assert!(part.iter().all(|sample| *sample == all[sample.index]));
    assert_eq!(data.labels().unwrap().map(Result::unwrap).collect::<Vec<_>>(), labels(&all));
    // Those passed over are not decoded.
    let other = (0..60).find(|index| part.iter().all(|sample| sample.index != *index)).unwrap();
    std::fs::write(files.path().join(&names[other]), b"no image").unwrap();
    assert_eq!(taken(Selection::Random { count: 20, seed: 0 }), part);
}
