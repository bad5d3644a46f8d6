//! Adversarial examples as files: arrays for programs, pictures for people.

use std::io::{Cursor, Write};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use zip::write::SimpleFileOptions;

use crate::attack::Adversarial;
use crate::files::write_whole;
use crate::{Error, Result};

/// Pictures are magnified by whole numbers up to this height.
const VISIBLE: u32 = 224;

/// A sample and an adversarial example made of it.
#[derive(Clone, Debug)]
pub struct Example {
    /// The sample's place in the data set.
    pub index: usize,
    /// Its label.
    pub label: usize,
    /// The sample itself.
    pub original: Vec<f32>,
    /// The example.
    pub adversarial: Adversarial,
}

/// Writes `adversarials.npz` into a directory (`x` the examples, `original` the samples, `y` their labels,
/// `prediction` what the model takes the examples for, `index` the samples' places), and for images one
/// picture each of sample, example, and amplified difference. The arrays are exact; the pictures are rounded to 256 levels, which may
/// undo what is adversarial about them. Returns how many pictures there are.
///
/// # Errors
/// When the directory cannot be written to.
pub fn write_examples(
    directory: &Path,
    shape: &[usize],
    bounds: [f32; 2],
    examples: &[Example],
) -> Result<usize> {
    let floats = |of: fn(&Example) -> &[f32]| -> Vec<f32> { examples.iter().flat_map(of).copied().collect() };
    let ints = |of: fn(&Example) -> usize| -> Vec<i64> { examples.iter().map(|e| of(e) as i64).collect() };
    let (x, original) = (floats(|e| &e.adversarial.point), floats(|e| &e.original));
    let (y, index) = (ints(|e| e.label), ints(|e| e.index));
    let prediction = ints(|e| e.adversarial.prediction());
    let arrays = npz(&[
        ("x", shape, Array::Floats(&x)),
        ("y", &[], Array::Ints(&y)),
        ("original", shape, Array::Floats(&original)),
        ("prediction", &[], Array::Ints(&prediction)),
        ("index", &[], Array::Ints(&index)),
    ]);
    let place = directory.join("adversarials.npz");
    let failed = |path: &Path, message: String| Error::Write { path: path.into(), message };
    write_whole(&place, &arrays.map_err(|e| failed(&place, e.to_string()))?)?;
    let mut pictures = 0;
    for example in examples {
        let points = (&example.original, &example.adversarial.point);
        let Some(Triptych { picture, .. }) = triptych(shape, bounds, points.0, points.1) else { break };
        let Example { index, label, adversarial, .. } = example;
        let place = directory.join(format!("{index:05}-{label}-as-{}.png", adversarial.prediction()));
        let factor = (VISIBLE / picture.height().max(1)).max(1);
        let (width, height) = (factor * picture.width(), factor * picture.height());
        let picture = picture.resize_exact(width, height, FilterType::Nearest);
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).map_err(|e| failed(&place, e.to_string()))?;
        write_whole(&place, bytes.get_ref())?;
        pictures += 1;
    }
    Ok(pictures)
}

/// An array to be written: `n` rows of a shape, row-major.
enum Array<'a> {
    /// Single precision.
    Floats(&'a [f32]),
    /// Integers.
    Ints(&'a [i64]),
}

/// The bytes of an NPZ archive of named arrays, each of `n` rows of its shape.
///
/// # Errors
/// When the archive grows beyond what its format holds.
fn npz(arrays: &[(&str, &[usize], Array)]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().large_file(true);
    for (name, shape, array) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        let (kind, rows, bytes): (&str, usize, Vec<u8>) = match array {
            Array::Floats(values) => {
                ("<f4", values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Array::Ints(values) => {
                ("<i8", values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
        };
        let rows = rows / shape.iter().product::<usize>().max(1);
        let dims: String = [rows].iter().chain(*shape).map(|n| format!("{n}, ")).collect();
        let mut header =
            format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", dims.trim_end());
        // The format wants the data to begin at a multiple of 64 bytes.
        while (header.len() + 11) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        archive.write_all(b"\x93NUMPY\x01\x00")?;
        archive.write_all(&(header.len() as u16).to_le_bytes())?;
        archive.write_all(header.as_bytes())?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A sample, an example and their difference side by side.
pub(crate) struct Triptych {
    pub picture: DynamicImage,
    /// By how much the difference is amplified, against the range of the bounds.
    pub amplified: f32,
}

/// An image `[1|3, H, W]` or `[H, W]` side by side with its perturbed version and the difference, stretched
/// so that its largest element is black or white on grey. Nothing for other shapes.
pub(crate) fn triptych(
    shape: &[usize],
    bounds: [f32; 2],
    original: &[f32],
    perturbed: &[f32],
) -> Option<Triptych> {
    let (channels, height, width) = match *shape {
        [height, width] => (1, height, width),
        [channels @ (1 | 3), height, width] => (channels, height, width),
        _ => return None,
    };
    let [lo, hi] = bounds;
    let unit = |v: f32| (v - lo) / (hi - lo);
    let difference: Vec<f32> = original.iter().zip(perturbed).map(|(a, b)| b - a).collect();
    let largest = difference.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let panels: [Vec<f32>; 3] = [
        original.iter().map(|&v| unit(v)).collect(),
        perturbed.iter().map(|&v| unit(v)).collect(),
        difference.iter().map(|v| 0.5 + 0.5 * v / largest).collect(),
    ];
    let level = |x: u32, y: u32, channel: usize| {
        let (x, y) = (x as usize, y as usize);
        let value = panels[x / width][(channel * height + y) * width + x % width];
        (255.0 * value).round().clamp(0.0, 255.0) as u8
    };
    let size = (u32::try_from(3 * width).ok()?, u32::try_from(height).ok()?);
    let picture = if channels == 1 {
        DynamicImage::from(GrayImage::from_fn(size.0, size.1, |x, y| image::Luma([level(x, y, 0)])))
    } else {
        DynamicImage::from(RgbImage::from_fn(size.0, size.1, |x, y| {
            image::Rgb([0, 1, 2].map(|c| level(x, y, c)))
        }))
    };
    Some(Triptych { picture, amplified: 0.5 * (hi - lo) / largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_read_back_by_the_loader() {
        let x: Vec<f32> = (0..12).map(|v| v as f32 / 12.0).collect();
        let bytes = npz(&[("x", &[2, 3], Array::Floats(&x)), ("y", &[], Array::Ints(&[1, 0]))]).unwrap();
        let path = std::env::temp_dir().join(format!("kennard-export-{}.npz", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let spec = format!("npz:{}", path.display()).parse().unwrap();
        let data = crate::data::DataSet::open(&spec, &crate::data::Options::default()).unwrap();
        let samples: Vec<_> = data.samples().unwrap().map(Result::unwrap).collect();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(data.shape(), [2, 3]);
        assert_eq!(samples[1].input, x[6..]);
        assert_eq!(samples[0].label, 1);
    }

    #[test]
    fn pictures_show_original_perturbed_and_difference() {
        let picture = triptych(&[1, 1, 2], [0.0, 1.0], &[0.0, 1.0], &[0.1, 0.95]).unwrap();
        assert_eq!(picture.amplified, 5.0);
        assert_eq!(picture.picture.into_luma8().into_raw(), [0, 255, 26, 242, 255, 64]);
        assert!(triptych(&[5], [0.0, 1.0], &[0.0; 5], &[0.0; 5]).is_none());
    }
}
