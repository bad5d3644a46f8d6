//! Folders of images and parquet files.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, RgbImage};

use super::*;

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
fn directories_are_classes() {
    let files = directory(&[
        ("dog/b.png", png(3)),
        ("dog/a.BMP", encode(picture(2), ImageFormat::Bmp)),
        ("dog/notes.txt", b"good dog".to_vec()),
        ("dog/.hidden.png", png(99)),
        ("ant/z.webp", encode(picture(1), ImageFormat::WebP)),
        ("cat/.keep", Vec::new()),
        (".git/a.png", png(99)),
        ("stray.png", png(99)),
    ]);
    let data = open("folder", &files, &Options::default()).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (3, &[3, 4, 5][..], 3));
    assert_eq!(data.class_names(), ["ant", "cat", "dog"]);
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [0, 2, 2]);
    assert_eq!(blues(&samples), [1, 2, 3]);
    for (k, value) in samples[1].input.iter().enumerate() {
        let (channel, y, x) = (k / 20, k / 5 % 4, k % 5);
        assert_eq!(*value, [x, y, 2][channel] as f32 / 255.0, "channel {channel}, row {y}, column {x}");
    }
    let notes = data.notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert_says(&notes[0], &["class `cat` holds no images"]);
    assert_says(&notes[1], &["1 entries", "left out", "notes.txt"]);
}

#[test]
fn directories_may_be_split() {
    let files = directory(&[("test/a/0.png", png(1)), ("test/b/0.png", png(2)), ("train/a/0.png", png(3))]);
    let read_split = |split| read(&open("folder", &files, &options(split)).unwrap()).unwrap();
    assert_eq!(blues(&read_split(Split::Test)), [1, 2]);
    assert_eq!(blues(&read_split(Split::Train)), [3]);

    let val = directory(&[("val/a/0.png", png(1)), ("train/a/0.png", png(3))]);
    assert_eq!(blues(&read(&open("folder", &val, &Options::default()).unwrap()).unwrap()), [1]);

    let whole = directory(&[("a/0.png", png(1)), ("b/0.png", png(2))]);
    let data = open("folder", &whole, &options(Split::Train)).unwrap();
    assert_eq!((data.len(), data.classes()), (2, 2));
    assert_says(&data.notes()[0], &["has no directories train and test; all of it is read"]);
}

#[test]
fn numbered_directories_are_sorted_as_text() {
    let names: Vec<String> = (0..11).map(|i| format!("{i}/x.png")).collect();
    let files: Vec<(&str, Vec<u8>)> = names.iter().zip(0..).map(|(n, i)| (n.as_str(), png(i))).collect();
    let data = open("folder", directory(&files), &Options::default());
    // The directory is gone, but it was listed.
    assert_says(&data.unwrap().notes()[0], &["sorted as text", "`10` is label 2"]);
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

    let refuse = |table: &str, words: &[&str]| {
        assert_says(&error("folder", with(table), &Options::default()), words);
    };
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

/// A PNG whose header announces 60 000×60 000 pixels, and an image one pixel high.
#[test]
fn huge_images_are_refused() {
    let mut huge = png(0);
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = flate2_crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    let files = directory(&[("a/1.png", png(0)), ("a/2.png", huge)]);
    assert_says(&error("folder", &files, &Options::default()), &["2.png", "60000"]);

    let flat = encode(RgbImage::new(30_000, 1), ImageFormat::Png);
    let files = directory(&[("a/1.png", flat)]);
    let message = error("folder", &files, &resize(224, 224));
    assert_says(&message, &["resizing 1×30000 to 224×6720000", "aspect ratio"]);
}

fn flate2_crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The input made of one image file.
fn input(file: &str, options: &Options) -> (DataSet, Vec<f32>) {
    let ending = file.rsplit('.').next().unwrap();
    let files = directory(&[(&format!("a/image.{ending}"), fs::read(fixture(file)).unwrap())]);
    let data = open("folder", &files, options).unwrap();
    let input = read(&data).unwrap().remove(0).input;
    (data, input)
}

/// The greatest and the mean difference of two inputs, in 8-bit levels.
fn differences(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let levels = || a.iter().zip(b).map(|(a, b)| 255.0 * (a - b).abs());
    (levels().fold(0.0, f32::max), levels().sum::<f32>() / a.len() as f32)
}

/// Pillow made the expected images: bilinear with antialiasing, then torchvision's centre crop.
#[test]
fn resizing_agrees_with_pillow() {
    for (expected, height, width, how) in [
        ("photo_16x16.bmp", 16, 16, "from 37×53 (the first) to 16×16 (shorter side to 16, then centre crop)"),
        ("photo_20x12.bmp", 20, 12, "to 20×12 (scaled to cover it, then centre crop)"),
        ("photo_48x60.bmp", 48, 60, "to 48×60"),
    ] {
        let (data, resized) = input("photo.png", &resize(height, width));
        assert_eq!(data.shape(), [3, height, width]);
        let (greatest, mean) = differences(&resized, &input(expected, &Options::default()).1);
        println!("{expected}: greatest difference {greatest}, mean {mean} levels");
        // Rounding only: Pillow rounds after each of the two passes, in fixed point.
        assert!(greatest < 1.5 && mean < 0.25, "{expected}: {greatest}, {mean}");
        assert_says(&data.notes()[0], &[how, "1 of the 1 images streamed so far"]);
    }
}

#[test]
fn decoding_and_grey_agree_with_pillow() {
    let grey = Options { channels: Some(1), ..Options::default() };
    let (data, converted) = input("photo.png", &grey);
    assert_eq!(data.shape(), [1, 37, 53]);
    assert_eq!(data.notes(), ["1 of the 1 images streamed so far were converted from RGB to grey"]);
    let (expected, expected_input) = input("photo_grey.bmp", &Options::default());
    assert!(matches!(expected.shape()[0], 1 | 3));
    assert_eq!(converted, expected_input[..37 * 53], "BT.601 to the last level");

    assert_eq!(input("photo.webp", &Options::default()).1, input("photo.png", &Options::default()).1);
    let (jpeg, bmp) =
        (input("photo.jpg", &Options::default()).1, input("photo_jpg.bmp", &Options::default()).1);
    let (greatest, mean) = differences(&jpeg, &bmp);
    println!("JPEG: greatest difference {greatest}, mean {mean} levels");
    // Decoders differ in the inverse transform and in how they upsample colours.
    assert!(greatest <= 4.5 && mean < 1.0, "{greatest}, {mean}");
}

#[test]
fn images_of_other_kinds_are_converted_and_counted() {
    let grey = DynamicImage::from(picture(0)).to_luma8();
    let alpha = DynamicImage::from(picture(7)).to_rgba8();
    let deep = image::ImageBuffer::from_pixel(5, 4, image::Luma([0x8080u16]));
    assert_eq!(DynamicImage::from(deep.clone()).color(), ColorType::L16);
    let files = directory(&[
        ("a/0.png", png(1)),
        ("a/1.png", encode(grey, ImageFormat::Png)),
        ("a/2.png", encode(alpha, ImageFormat::Png)),
        ("a/3.png", encode(deep, ImageFormat::Png)),
    ]);
    let data = open("folder", &files, &Options::default()).unwrap();
    assert!(data.notes().is_empty());
    for _ in 0..2 {
        let samples = read(&data).unwrap();
        assert_eq!(blues(&samples), [1, blues(&samples)[1], 7, 0x80]);
        assert_eq!(samples[1].input[..20], samples[1].input[20..40]);
        // A second stream counts nothing twice.
        assert_eq!(
            data.notes(),
            [
                "1 of the 4 images streamed so far were converted from 16-bit grey to RGB",
                "1 of the 4 images streamed so far were converted from RGB with alpha (ignored) to RGB",
                "1 of the 4 images streamed so far were converted from grey to RGB",
            ]
        );
    }
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

#[test]
fn parquet_files_of_the_hub_are_read() {
    let data = open("parquet", fixture("hub.parquet"), &resize(6, 8)).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (5, &[3, 6, 8][..], 4));
    assert_eq!(data.class_names(), ["cat", "dog", "fish", "bird"]);
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [2, 1, 0, 2, 1]);
    let notes = data.notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert_says(&notes[0], &["images of another size are resized to 6×8", "1 of the 5 images"]);
    assert_says(&notes[1], &["1 of the 5 images", "from grey to RGB"]);

    let other = error("parquet", fixture("hub.parquet"), &Options::default());
    assert_says(&other, &["hub.parquet, row 3", "6×9", "6×8"]);

    // The same two images in a column of plain binary.
    let plain = open("parquet", fixture("binary_zstd.parquet"), &options(Split::Train)).unwrap();
    assert_eq!((plain.len(), plain.classes(), plain.class_names().len()), (2, 2, 0));
    assert_says(&plain.notes()[0], &["one split"]);
    let two = read(&plain).unwrap();
    assert_eq!(labels(&two), [1, 0]);
    for (a, b) in two.iter().zip(&samples) {
        assert_eq!(a.input, b.input);
    }
}

#[test]
fn parquet_files_out_of_order_are_refused() {
    let refuse = |path: PathBuf, words: &[&str]| {
        assert_says(&error("parquet", path, &Options::default()), words);
    };
    refuse(fixture("binary_gzip.parquet"), &["row 1: label -1 is negative", "take another split"]);
    refuse(fixture("binary_none.parquet"), &["row 1", "null", "leave such rows out"]);
    refuse("no-such.parquet".into(), &["no-such.parquet"]);
    let files = directory(&[
        ("text", b"no parquet file".to_vec()),
        ("cut", fs::read(fixture("hub.parquet")).unwrap()[..900].to_vec()),
    ]);
    refuse(files.path().join("text"), &["text", "fetch or write the file again"]);
    refuse(files.path().join("cut"), &["cut", "fetch or write the file again"]);
    refuse(files.path().to_owned(), &["no regular file"]);
}

/// One byte changed, and version 60.1 of the `parquet` crate panics.
#[test]
fn panics_of_the_parquet_crate_become_errors() {
    for (name, at, byte) in [("binary_zstd.parquet", 725, 0), ("binary_gzip.parquet", 2735, 255)] {
        let mut bytes = fs::read(fixture(name)).unwrap();
        bytes[at] = byte;
        let files = directory(&[(name, bytes)]);
        let message = error("parquet", files.path().join(name), &Options::default());
        assert_says(&message, &[name, "fetch or write the file again"]);
    }
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
