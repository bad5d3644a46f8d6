//! Folders of images and parquet files.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, RgbImage};

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
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_says(&notes[0], &["without images are no classes: `Docs`, `cat`", "give the list of classes"]);
    assert_says(&notes[1], &["2 entries", "left out", "read.txt"]);
    assert_eq!(notes[2], "classes: 0 ant, 1 dog");

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
    assert_eq!(sorted.notes().len(), 3);
    let message = listed.fit_classes(10).unwrap_err().to_string();
    assert_says(&message, &["names.txt", "the list has 3 classes and the model has 10"]);
    assert!(sorted.fit_classes(10).is_ok());
    assert_says(
        &sorted.notes()[3],
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
    refuse("file,label\nc.png,0.0\nb.png,nan\n", &["line 3: label `nan` is a name"]);
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
        // Both round after each of two passes, in fixed point.
        assert!(greatest < 1.01 && mean < 0.01, "{expected}: {greatest}, {mean}");
        assert_says(&data.notes()[1], &[how, "1 of the 1 images streamed so far"]);
    }
}

/// As cards of models say it: the shorter side, then a crop, bilinear or bicubic.
#[test]
fn scaling_before_the_crop_agrees_with_pillow() {
    use crate::Interpolation::{Bicubic, Bilinear};
    for interpolation in [Bilinear, Bicubic] {
        for (shorter, crop) in [(30, 24), (48, 40)] {
            let options =
                Options { shorter: Some(shorter), interpolation: Some(interpolation), ..resize(crop, crop) };
            let (data, scaled) = input("photo.png", &options);
            assert_eq!(data.shape(), [3, crop, crop]);
            let expected = format!("photo_{shorter}_{crop}_{interpolation}.bmp");
            let (greatest, mean) = differences(&scaled, &input(&expected, &Options::default()).1);
            println!("{expected}: greatest difference {greatest}, mean {mean} levels");
            assert!(greatest < 1.01 && mean < 0.01, "{expected}: {greatest}, {mean}");
            let by = if interpolation == Bicubic { ", bicubic" } else { "" };
            let note =
                format!("images are scaled to a shorter side of {shorter}{by}, and cropped to {crop}×{crop}");
            assert_says(&data.notes()[1], &[&note]);
        }
    }
    let refused = |options: Options| {
        let files = directory(&[("a/0.png", fs::read(fixture("photo.png")).unwrap())]);
        error("folder", &files, &options)
    };
    assert_says(&refused(Options { shorter: Some(20), ..resize(24, 24) }), &["a side that covers the crop"]);
    let plain = Options { interpolation: Some(Bicubic), ..Options::default() };
    assert_says(&error("npz", fixture("plain.npz"), &plain), &["no encoded images"]);
    // It is a part of what the data are.
    let files = directory(&[("a/0.png", png(1))]);
    let names = |shorter| {
        let options = Options { shorter, ..resize(2, 2) };
        let digests = open("folder", &files, &options).unwrap().fingerprint().unwrap();
        digests.into_iter().map(|digest| digest.file).skip(1).collect::<Vec<_>>()
    };
    assert_eq!((names(Some(3)), names(None)), (vec!["scaling of images".to_owned()], Vec::new()));
    assert_says(&"cubic".parse::<crate::Interpolation>().unwrap_err().to_string(), &["bilinear and bicubic"]);
}

#[test]
fn decoding_and_grey_agree_with_pillow() {
    let grey = Options { channels: Some(1), ..Options::default() };
    let (data, converted) = input("photo.png", &grey);
    assert_eq!(data.shape(), [1, 37, 53]);
    let converted_note = "1 of the 1 images streamed so far were converted from RGB to grey";
    assert_eq!(data.notes(), ["classes: 0 a", converted_note]);
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
    assert_eq!(data.notes(), ["classes: 0 a"]);
    for _ in 0..2 {
        let samples = read(&data).unwrap();
        assert_eq!(blues(&samples), [1, blues(&samples)[1], 7, 0x80]);
        assert_eq!(samples[1].input[..20], samples[1].input[20..40]);
        // A second stream counts nothing twice.
        assert_eq!(
            data.notes(),
            [
                "classes: 0 a",
                "1 of the 4 images streamed so far were converted from 16-bit grey to RGB",
                "1 of the 4 images streamed so far were converted from RGB with alpha (ignored) to RGB",
                "1 of the 4 images streamed so far were converted from grey to RGB",
            ]
        );
    }
}

/// Numbers in notes are of the images that were streamed, each once, by whatever streams; those of parts add up.
#[test]
fn what_was_done_to_images_is_counted_by_image() {
    let wide = || encode(RgbImage::new(6, 4), ImageFormat::Png);
    let grey = || encode(DynamicImage::from(picture(0)).to_luma8(), ImageFormat::Png);
    let files = directory(&[
        ("a/0.png", png(1)),
        ("a/1.png", wide()),
        ("a/2.png", grey()),
        ("a/3.png", wide()),
        ("a/4.png", grey()),
        ("a/5.png", png(1)),
    ]);
    let opened = || open("folder", &files, &resize(4, 5)).unwrap();
    let stream = |data: &DataSet, places: &[usize]| {
        let places = places.to_vec();
        let samples = data.at(Box::new(places.into_iter())).unwrap();
        samples.for_each(|sample| drop(sample.unwrap()));
    };
    let notes = |places: &[usize]| {
        let data = opened();
        stream(&data, places);
        data.notes()
    };
    let whole = notes(&[0, 1, 2, 3, 4, 5]);
    let resized = "images of another size are resized to 4×5; 2 of the 6 images streamed so far";
    let converted = "2 of the 6 images streamed so far were converted from grey to RGB";
    assert_eq!(whole, ["classes: 0 a", resized, converted]);
    let parts = [&[0, 5][..], &[1, 3], &[2, 4]].map(notes);
    assert_eq!(parts[0], ["classes: 0 a"]);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let parts = order.map(|part: usize| parts[part].as_slice());
        assert_eq!(crate::notes_of_parts(&parts, 6), whole, "{order:?}");
    }
    let data = opened();
    stream(&data, &[0, 1]);
    stream(&data, &[1, 3, 4]);
    let words =
        |part: &str| format!("images of another size are resized to 4×5; {part} images streamed so far");
    assert_eq!(data.notes()[1], words("2 of the 4"));
    assert_eq!(data.notes_of([3, 4, 5].into_iter())[1], words("1 of the 2"));
}

/// Those of a camera that was turned are shown upright by viewers, and are as they are stored for Pillow and for us.
#[test]
fn an_orientation_in_exif_data_is_said_and_left_alone() {
    let exif = |orientation: u8| {
        let head = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
        [&head[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
    };
    let plain = fs::read(fixture("photo.jpg")).unwrap();
    let jpeg = |orientation: u8| {
        let data = [&b"Exif\0\0"[..], &exif(orientation)].concat();
        let size = (data.len() as u16 + 2).to_be_bytes();
        [&plain[..2], &[0xff, 0xe1], &size, &data, &plain[2..]].concat()
    };
    let files = directory(&[("a/0.jpg", plain.clone()), ("a/1.jpg", jpeg(1)), ("a/2.jpg", jpeg(6))]);
    let data = open("folder", &files, &Options::default()).unwrap();
    let samples = read(&data).unwrap();
    assert!(samples.iter().all(|sample| sample.input == samples[0].input));
    let expected = "1 of the 3 images streamed so far have an orientation in their Exif data, and are taken as they are \
                    stored, not turned";
    assert_eq!(data.notes()[1], expected);

    let (plain, chunk) = (png(1), [&b"eXIf"[..], &exif(3)].concat());
    let size = (chunk.len() as u32 - 4).to_be_bytes();
    let turned = [&plain[..33], &size, &chunk, &flate2_crc(&chunk).to_be_bytes(), &plain[33..]].concat();
    let files = directory(&[("a/0.png", plain), ("a/1.png", turned)]);
    let data = open("folder", &files, &Options::default()).unwrap();
    assert_eq!(blues(&read(&data).unwrap()), [1, 1]);
    assert_says(&data.notes()[1], &["1 of the 2 images", "not turned"]);
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
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_eq!(notes[0], "classes: 0 cat, 1 dog, 2 fish, 3 bird");
    assert_says(&notes[1], &["images of another size are resized to 6×8", "1 of the 5 images"]);
    assert_says(&notes[2], &["1 of the 5 images", "from grey to RGB"]);

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

/// The bytes of a Parquet file with an input, in a column of this name, and a label in each row.
fn parquet_bytes(name: &str, inputs: arrow_array::ArrayRef, labels: arrow_array::ArrayRef) -> Vec<u8> {
    let batch = arrow_array::RecordBatch::try_from_iter([(name, inputs), ("label", labels)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// The bytes of one with a column of images.
fn parquet_of_images(labels: arrow_array::ArrayRef, images: &[Vec<u8>]) -> Vec<u8> {
    let images = arrow_array::BinaryArray::from_iter_values(images);
    parquet_bytes("image", std::sync::Arc::new(images), labels)
}

/// A Parquet file with a column of images and one of labels.
fn parquet_of(labels: arrow_array::ArrayRef, images: &[Vec<u8>]) -> TempDir {
    directory(&[("data.parquet", parquet_of_images(labels, images))])
}

/// Dates and times are no numbers, whatever their unit, and bytes that are no text no names.
#[test]
fn parquet_columns_of_times_and_bytes_are_refused() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, Float32Array, Int64Array};
    use arrow_array::{Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray};
    let images: Vec<Vec<u8>> = (0..2).map(png).collect();
    let times: [ArrayRef; 3] = [
        Arc::new(TimestampNanosecondArray::from(vec![0, 1])),
        Arc::new(Time64NanosecondArray::from(vec![0, 1])),
        Arc::new(TimestampMicrosecondArray::from(vec![0, 1])),
    ];
    for time in times {
        let labelled = parquet_of(time.clone(), &images);
        let message = error("parquet", labelled.path().join("data.parquet"), &Options::default());
        assert_says(&message, &["the column `label` holds dates or times"]);
        let bytes = parquet_bytes("when", time, Arc::new(Int64Array::from(vec![0, 1])));
        let table = directory(&[("data.parquet", bytes)]);
        let message = error("parquet", table.path().join("data.parquet"), &Options::default());
        assert_says(&message, &["the column `when` holds dates or times"]);
    }
    let names = BinaryArray::from_iter_values([&b"caf\xe8"[..], b"caf\xe9"]);
    let bytes = parquet_bytes("a", Arc::new(Float32Array::from(vec![0.5, 1.5])), Arc::new(names));
    let table = directory(&[("data.parquet", bytes)]);
    let message = error("parquet", table.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["row 0: the column `label` holds bytes that are no UTF-8", "as text"]);
}

/// Files of one split are alike, in what their labels are too.
#[test]
fn parquet_files_with_labels_of_two_kinds_are_named() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    let images: Vec<Vec<u8>> = (0..2).map(png).collect();
    let (numbers, names): (ArrayRef, ArrayRef) =
        (Arc::new(Int64Array::from(vec![0, 1])), Arc::new(StringArray::from(vec!["ant", "bee"])));
    for (first, second, held) in [
        (&numbers, &names, ["holds text, that of", "a.parquet numbers"]),
        (&names, &numbers, ["holds numbers, that of", "a.parquet text"]),
    ] {
        let files = directory(&[
            ("a.parquet", parquet_of_images(first.clone(), &images)),
            ("b.parquet", parquet_of_images(second.clone(), &images)),
        ]);
        let message = error("parquet", &files, &Options::default());
        assert_says(&message, &["b.parquet: its column `label`", held[0], held[1], "alike"]);
    }
}

/// As those of folders and archives, names are counted over both splits.
#[test]
fn parquet_files_of_both_splits_have_the_same_classes() {
    use std::sync::Arc;

    use arrow_array::StringArray;
    let images: Vec<Vec<u8>> = (0..2).map(png).collect();
    let of = |names: [&str; 2]| parquet_of_images(Arc::new(StringArray::from(names.to_vec())), &images);
    let files = directory(&[("test.parquet", of(["ant", "cat"])), ("train.parquet", of(["bee", "ant"]))]);
    let test = open("parquet", &files, &Options::default()).unwrap();
    assert_eq!((test.classes(), labels(&read(&test).unwrap())), (3, vec![0, 2]));
    assert_says(&test.notes()[0], &["the other split alone has the classes `bee`"]);
    let digests = test.fingerprint().unwrap();
    assert_eq!((digests.len(), digests[1].file.as_str()), (2, "order of classes"));
    // What has no labels tells no classes.
    let unlabelled = parquet_bytes(
        "image",
        Arc::new(arrow_array::BinaryArray::from_iter_values(&images)),
        Arc::new(StringArray::from(vec![None::<&str>, None])),
    );
    fs::write(files.path().join("train.parquet"), unlabelled).unwrap();
    let test = open("parquet", &files, &Options::default()).unwrap();
    assert_eq!((test.classes(), test.fingerprint().unwrap().len()), (2, 1));
    assert_says(&test.notes()[0], &["the classes of the other split are unknown", "train.parquet"]);
}

#[test]
fn parquet_labels_are_numbers_or_names() {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int8Array, StringArray};
    let images: Vec<Vec<u8>> = (0..3).map(png).collect();
    let opened = |labels: arrow_array::ArrayRef, options: &Options| {
        let files = parquet_of(labels, &images);
        let data = open("parquet", files.path().join("data.parquet"), options)?;
        let found = read(&data)?;
        Ok::<_, DataError>((data.classes(), data.class_names().to_vec(), super::labels(&found)))
    };
    let plain = Options::default();
    let whole = Arc::new(Float64Array::from(vec![2.0, 0.0, 4.0]));
    assert_eq!(opened(whole, &plain).unwrap(), (5, vec![], vec![2, 0, 4]));
    let digits = Arc::new(StringArray::from(vec!["2", "00", "4.0"]));
    assert_eq!(opened(digits, &plain).unwrap(), (5, vec![], vec![2, 0, 4]));
    let names = || Arc::new(StringArray::from(vec!["owl", "ape", "owl"]));
    assert_eq!(opened(names(), &plain).unwrap(), (2, vec!["ape".into(), "owl".into()], vec![1, 0, 1]));

    let refuse = |labels: arrow_array::ArrayRef, options: &Options, words: &[&str]| {
        assert_says(&opened(labels, options).unwrap_err().to_string(), words);
    };
    refuse(Arc::new(Float64Array::from(vec![1.0, 0.5, 0.0])), &plain, &["data.parquet, row 1: label 0.5"]);
    refuse(Arc::new(Float64Array::from(vec![1.0, 0.0, f64::NAN])), &plain, &["row 2: label NaN"]);
    refuse(Arc::new(StringArray::from(vec!["a", "b", " "])), &plain, &["row 2", "is blank"]);
    refuse(Arc::new(StringArray::from(vec!["a", "7", "b"])), &plain, &["label `a`", "`7` is a number"]);
    refuse(Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])), &plain, &["row 1", "null"]);
    refuse(Arc::new(Int8Array::from(vec![Some(0), Some(1), None])), &plain, &["row 2", "null"]);

    let lists = directory(&[("list", b"owl\nbee\nape\n".to_vec()), ("short", b"owl\n".to_vec())]);
    let listed = Options { classes: Some(lists.path().join("list")), ..Options::default() };
    let (classes, known, found) = opened(names(), &listed).unwrap();
    assert_eq!((classes, known[1].as_str(), found), (3, "bee", vec![0, 2, 0]));
    let numbers = || Arc::new(Int8Array::from(vec![0, 2, 1]));
    assert_eq!(opened(numbers(), &listed).unwrap().2, [0, 2, 1]);
    let short = Options { classes: Some(lists.path().join("short")), ..Options::default() };
    refuse(names(), &short, &["row 1: label `ape` is not in the list of classes"]);
    refuse(numbers(), &short, &["row 1: label 2 is out of range"]);
    fs::write(lists.path().join("short"), "2\n1\n0\n").unwrap();
    assert_eq!(opened(numbers(), &short).unwrap().2, [2, 0, 1]);

    // Names that the file has of its own: [cat, dog, fish, bird], labels [2, 1, 0, 2, 1].
    fs::write(lists.path().join("list"), "fish\ndog\ncat\nwhale\n").unwrap();
    let options = Options { resize: Some((6, 8)), ..listed };
    let hub = open("parquet", fixture("hub.parquet"), &options).unwrap();
    assert_eq!((hub.classes(), super::labels(&read(&hub).unwrap())), (4, vec![0, 1, 2, 0, 1]));
    fs::write(lists.path().join("list"), "fish\ndog\n").unwrap();
    let message = error("parquet", fixture("hub.parquet"), &options);
    assert_says(&message, &["hub.parquet, row 2: label `cat` is not in the list"]);
}

#[test]
fn parquet_files_without_rows_are_refused() {
    let labels = std::sync::Arc::new(arrow_array::Int64Array::from(Vec::<i64>::new()));
    let files = parquet_of(labels, &[]);
    let message = error("parquet", files.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["data.parquet", "the data set is empty", "with rows"]);
}

/// The row is named whose image is cut short.
#[test]
fn images_cut_short_in_parquet_are_refused_by_row() {
    let jpeg = fs::read(fixture("photo.jpg")).unwrap();
    let cut = jpeg[..jpeg.len() - 200].to_vec();
    let labels = std::sync::Arc::new(arrow_array::Int64Array::from(vec![0, 1, 0]));
    let files = parquet_of(labels, &[jpeg.clone(), jpeg, cut]);
    let message = error("parquet", files.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["data.parquet, row 2", "cannot be decoded", "before the picture does"]);
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
    refuse(files.path().to_owned(), &["no files *.parquet"]);
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
