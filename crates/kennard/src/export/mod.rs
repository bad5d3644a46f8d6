//! Adversarial examples as files: arrays for programs, pictures for people.

mod rounded;
mod triptych;

use std::io::Cursor;
use std::path::Path;

use image::ImageFormat;
use image::imageops::FilterType;

use crate::attack::Adversarial;
use crate::data::{Elements, npz};
use crate::engine::Engine;
use crate::run::files::write_whole;
use crate::run::{ADVERSARIALS, PICTURES};
use crate::{Boxes, Error, Result, ThreatModel};
use rounded::rounded;
use triptych::is_image;
pub(crate) use triptych::{Triptych, triptych};

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

/// What [`write_examples`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// How many pictures.
    pub written: usize,
    /// How many of them are still adversarial and within epsilon.
    pub adversarial: usize,
}

/// Writes `adversarials.npz` into a directory (`x` the examples, `original` the samples, `y` their labels,
/// `prediction` what the model takes the examples for, `index` the samples' places), and for images one
/// picture each of sample, example, and amplified difference.
///
/// The arrays are exact. Pictures have 256 levels, which may undo what is adversarial about them, or take them
/// out of the ball: every element goes to its nearest level, or, where that does not do, to the nearest towards
/// the sample; the untouched model is asked again, the picture's name says what became of it, and `pictures.csv`
/// lists all. `boxes` are those that attacks were confined to, if they were.
///
/// # Errors
/// When the directory cannot be written to, or the runtime fails.
pub fn write_examples(
    directory: &Path,
    engine: &Engine,
    threat: &ThreatModel,
    boxes: Option<&Boxes>,
    examples: &[Example],
) -> Result<Pictures> {
    let (shape, bounds) = (engine.classifier().shape(), threat.bounds);
    let floats = |of: fn(&Example) -> &[f32]| -> Vec<f32> { examples.iter().flat_map(of).copied().collect() };
    let ints = |of: fn(&Example) -> usize| -> Vec<i64> { examples.iter().map(|e| of(e) as i64).collect() };
    let (x, original) = (floats(|e| &e.adversarial.point), floats(|e| &e.original));
    let (y, index) = (ints(|e| e.label), ints(|e| e.index));
    let prediction = ints(|e| e.adversarial.prediction());
    let arrays = npz(&[
        ("x", shape, Elements::F32(&x)),
        ("y", &[], Elements::I64(&y)),
        ("original", shape, Elements::F32(&original)),
        ("prediction", &[], Elements::I64(&prediction)),
        ("index", &[], Elements::I64(&index)),
    ]);
    let place = directory.join(ADVERSARIALS);
    let failed = |path: &Path, message: String| Error::Write { path: path.into(), message };
    write_whole(&place, &arrays.map_err(|e| failed(&place, e.to_string()))?)?;
    let mut pictures = Pictures::default();
    if !is_image(shape) || examples.is_empty() {
        return Ok(pictures);
    }
    let mut list = csv::Writer::from_writer(Vec::new());
    let place = directory.join(PICTURES);
    let listed = |e: csv::Error| failed(&place, e.to_string());
    list.write_record([
        "index",
        "label",
        "prediction",
        "norm",
        "picture",
        "after_rounding",
        "norm_after_rounding",
    ])
    .map_err(listed)?;
    for (example, rounded) in examples.iter().zip(rounded(engine, threat, boxes, examples)?) {
        let Example { index, label, original, adversarial } = example;
        let Some(Triptych { picture, .. }) = triptych(shape, bounds, original, &rounded.point) else { break };
        let (prediction, verdict) = (adversarial.prediction(), rounded.verdict());
        let name = format!("{index:05}-{label}-as-{prediction}-{verdict}.png");
        let place = directory.join(&name);
        let factor = (VISIBLE / picture.height().max(1)).max(1);
        let (width, height) = (factor * picture.width(), factor * picture.height());
        let picture = picture.resize_exact(width, height, FilterType::Nearest);
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).map_err(|e| failed(&place, e.to_string()))?;
        write_whole(&place, bytes.get_ref())?;
        pictures.written += 1;
        pictures.adversarial += usize::from(rounded.adversarial && rounded.within);
        let size = |point: &[f32]| threat.norm.distance(original, point).to_string();
        list.write_record([
            index.to_string(),
            label.to_string(),
            prediction.to_string(),
            size(&adversarial.point),
            name,
            rounded.prediction.map_or_else(String::new, |class| class.to_string()),
            size(&rounded.point),
        ])
        .map_err(listed)?;
    }
    let list = list.into_inner().map_err(|e| failed(&place, e.to_string()))?;
    write_whole(&place, &list)?;
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};

    use super::*;
    use crate::engine::EngineOptions;
    use crate::{Classifier, Norm, Preprocessing, Runtime, RuntimeChoice};

    #[test]
    fn archives_are_read_back_by_the_loader() {
        let x: Vec<f32> = (0..12).map(|v| v as f32 / 12.0).collect();
        let bytes = npz(&[("x", &[2, 3], Elements::F32(&x)), ("y", &[], Elements::I64(&[1, 0]))]).unwrap();
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

    /// Class 1 from a mean of `level` 255ths on; 2×2 images.
    fn threshold(level: f64) -> Engine {
        let builder = Builder::new(&Graph::default()).unwrap();
        let dims = [Dim::BATCH, Dim::Known(1), Dim::Known(2), Dim::Known(2)];
        let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
        let flat = x.apply_with("Flatten", &[("axis", 1i64.into())]);
        let weights = ndarray::arr2(&[[0.0f32, 255.0], [0.0, 255.0], [0.0, 255.0], [0.0, 255.0]]).into_dyn();
        let mean = flat.with("MatMul", builder.constant(Tensor::from(weights))) / 4.0;
        let bias = builder.constant(Tensor::from(ndarray::arr1(&[0.0, -level as f32]).into_dyn()));
        builder.output("z", mean + bias);
        let classifier =
            Classifier::new(&builder.finish().unwrap(), &[1, 2, 2], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        Engine::new(classifier, runtime, &EngineOptions { threads: Some(1), ..Default::default() }).unwrap()
    }

    /// A sample of level 100, and a point a little above a threshold above it. In levels: the nearest may be the sample
    /// itself, or lie outside the ball while that below does not, or the only one beyond the threshold.
    #[test]
    fn pictures_say_what_rounding_did() {
        let folder = std::env::temp_dir().join(format!("kennard-pictures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (moved, from, eps, verdict, level) in [
            (0.3, 100.2, 0.4, "not-after-rounding", 100),
            (0.9, 100.8, 1.0, "adversarial", 101),
            (1.6, 100.8, 1.7, "adversarial", 101),
            (1.6, 101.3, 1.7, "outside-after-rounding", 102),
            (2.0, 101.3, 2.0, "adversarial", 102),
        ] {
            let engine = threshold(from);
            let threat = ThreatModel::new(Norm::Linf, eps / 255.0).unwrap();
            let [original, point] = [100.0, 100.0 + moved].map(|v: f32| vec![v / 255.0; 4]);
            let adversarial = Adversarial { point, outputs: vec![0.0, 1.0] };
            let example = Example { index: 7, label: 0, original, adversarial };
            let pictures = write_examples(&folder, &engine, &threat, None, &[example]).unwrap();
            assert_eq!((pictures.written, pictures.adversarial), (1, usize::from(verdict == "adversarial")));
            let name = format!("00007-0-as-1-{verdict}.png");
            let picture = image::open(folder.join(&name)).unwrap().into_luma8();
            let (width, height) = picture.dimensions();
            assert_eq!(
                (picture.get_pixel(0, 0)[0], picture.get_pixel(width / 2, height / 2)[0]),
                (100, level)
            );
            let list = std::fs::read_to_string(folder.join("pictures.csv")).unwrap();
            let row: Vec<&str> = list.lines().nth(1).unwrap().split(',').collect();
            assert_eq!(row[..3], ["7", "0", "1"]);
            assert_eq!((row[4], row[5]), (name.as_str(), if f64::from(level) > from { "1" } else { "0" }));
            let size = f64::from(level - 100) / 255.0;
            assert!((row[6].parse::<f64>().unwrap() - size).abs() < 1e-6, "{list}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A point within its box, whose picture is not: what may not change goes to another level than its own.
    #[test]
    fn pictures_keep_to_boxes() {
        let folder = tempfile::tempdir().unwrap();
        let threat = ThreatModel::new(Norm::Linf, 3.0 / 255.0).unwrap();
        let levels = |v: [f32; 4]| v.map(|level| level / 255.0).to_vec();
        for (radii, sample, point, verdict) in [
            ([3.0, 3.0, 3.0, 3.0], [100.0; 4], [101.0; 4], "adversarial"),
            ([0.0, 3.0, 3.0, 3.0], [100.0; 4], [100.0, 102.0, 101.0, 101.0], "adversarial"),
            // Half a level is allowed, a whole one is what there is.
            ([0.6, 3.0, 3.0, 3.0], [100.0; 4], [100.6, 102.0, 102.0, 102.0], "adversarial"),
            ([0.6, 3.0, 3.0, 3.0], [100.0; 4], [100.6, 101.0, 101.0, 101.0], "outside-after-rounding"),
            (
                [0.0, 3.0, 3.0, 3.0],
                [100.4, 100.0, 100.0, 100.0],
                [100.4, 102.0, 102.0, 102.0],
                "outside-after-rounding",
            ),
        ] {
            let boxes = Boxes::around(radii.map(|r| r / 255.0).to_vec(), threat.bounds).unwrap();
            let adversarial = Adversarial { point: levels(point), outputs: vec![0.0, 1.0] };
            let example = Example { index: 7, label: 0, original: levels(sample), adversarial };
            let engine = threshold(100.9);
            let pictures = write_examples(folder.path(), &engine, &threat, Some(&boxes), &[example]).unwrap();
            let allowed = usize::from(verdict == "adversarial");
            assert_eq!((pictures.written, pictures.adversarial), (1, allowed), "{radii:?} {point:?}");
            assert!(
                folder.path().join(format!("00007-0-as-1-{verdict}.png")).exists(),
                "{radii:?} {point:?}"
            );
        }
    }
}
