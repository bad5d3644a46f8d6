//! What becomes of the pixels: decoding, conversion, scaling.

use super::*;

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
        assert_eq!((greatest, mean), (0.0, 0.0), "{expected}");
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
            assert_eq!((greatest, mean), (0.0, 0.0), "{expected}");
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
                "1 of the 4 images streamed so far were converted from 16-bit grey (divided by 257; Pillow cuts it \
                 at 255) to RGB",
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
