use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::lab::examine;
use super::points::table_files;
use super::tradeoff::mark_best;
use super::{Correlation, Lab, NamedFile, Point, over_epochs};
use crate::audit::Checkpoint;
use crate::data::Interpolation;
use crate::train::{TrainedOn, TrainingData, TrainingManifest};
use crate::{Error, Norm, Result};

/// Audits the checkpoints of a training run, or of any folder of ONNX files: every `every`th and the last, each into a
/// directory of its own under `out`; with certificates where that is asked for and there can be some. `None`: interrupted.
///
/// # Errors
/// When there is no checkpoint, one cannot be audited, or a directory cannot be used.
pub fn follow(
    lab: &dyn Lab,
    run: &Path,
    every: usize,
    out: &Path,
    certified: bool,
) -> Result<Option<Vec<Point>>> {
    let models = checkpoints(run)?;
    let mut points = Vec::new();
    for (i, (epoch, model)) in models.iter().enumerate() {
        if !(i + 1).is_multiple_of(every.max(1)) && i + 1 != models.len() {
            continue;
        }
        let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let checkpoint = Checkpoint { run: run.display().to_string(), epoch: *epoch as u64 };
        let Some(summary) = examine(lab, model, Some(checkpoint), &out.join(&name), certified)? else {
            return Ok(None);
        };
        let point = Point::of(name, Some(*epoch), &summary);
        lab.found(&point);
        points.push(point);
    }
    mark_best(&mut points);
    Ok(Some(points))
}

/// The files of a tracked run: table, picture and JSON; and the correlations with robust accuracy.
///
/// # Errors
/// When there is nothing to draw.
pub fn track_files(points: &[Point], title: &str) -> Result<(Vec<NamedFile>, Vec<Correlation>)> {
    let (mut files, found) = table_files("track", points, "")?;
    files.push(("track.svg".into(), over_epochs(points, title).svg()?.into_bytes()));
    Ok((files, found))
}

/// The epoch that the name of a file ends with.
fn epoch(model: &Path) -> Option<usize> {
    let stem = model.file_stem()?.to_str()?;
    stem[stem.trim_end_matches(|c: char| c.is_ascii_digit()).len()..].parse().ok()
}

/// The ONNX files of a run with their epochs: the numbers that their names end with, where all have one of their own;
/// else their places in the order of their names.
fn checkpoints(run: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let refused = |path: &Path, message: String| Error::Run { path: path.into(), message };
    let folder = [run.join("checkpoints"), run.to_path_buf()].into_iter().find(|path| path.is_dir());
    let folder = folder.ok_or_else(|| refused(run, "is no directory".into()))?;
    let entries = std::fs::read_dir(&folder).map_err(|e| refused(&folder, format!("cannot be read: {e}")))?;
    let mut models: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    if models.is_empty() {
        let message = "holds no ONNX file; name the directory of a training run";
        return Err(refused(&folder, message.into()));
    }
    let numbers: BTreeSet<usize> = models.iter().filter_map(|model| epoch(model)).collect();
    let numbered = numbers.len() == models.len();
    let at =
        |(place, model): (usize, PathBuf)| (epoch(&model).filter(|_| numbered).unwrap_or(place + 1), model);
    let mut models: Vec<(usize, PathBuf)> = models.into_iter().enumerate().map(at).collect();
    models.sort();
    Ok(models)
}

/// What a training run says of its data and its threat model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The data set's name.
    pub data: Option<String>,
    /// The file with the names of the classes.
    pub classes: Option<PathBuf>,
    /// The column with the labels.
    pub label_column: Option<String>,
    /// The length that the shorter side of images is scaled to.
    pub resize: Option<usize>,
    /// The side of the square that is cut out of images.
    pub centre_crop: Option<usize>,
    /// How images are scaled.
    pub interpolation: Option<Interpolation>,
    /// The norm of changes.
    pub norm: Option<Norm>,
    /// The size of changes, in input units.
    pub eps: Option<f64>,
    /// The range of inputs.
    pub bounds: Option<[f64; 2]>,
}

impl Origin {
    /// Reads the manifest of a training run; nothing is known where there is none.
    pub fn of(run: &Path) -> Origin {
        let Ok(Some(TrainingManifest { training, .. })) = TrainingManifest::read(run) else {
            return Origin::default();
        };
        let recipe = training.recipe;
        let threat = Origin {
            norm: Some(recipe.norm),
            eps: recipe.eps,
            bounds: Some(recipe.bounds.map(f64::from)),
            ..Origin::default()
        };
        let TrainedOn::DataSet { data } = training.samples else { return threat };
        let TrainingData { name, classes, label_column, resize, centre_crop, interpolation, .. } = data;
        Origin { data: Some(name), classes, label_column, resize, centre_crop, interpolation, ..threat }
    }
}
