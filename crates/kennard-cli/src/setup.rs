//! What commands that run a model on data begin with.

mod audits;
mod stop;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use kennard::audit::Audit;
use kennard::data::{DataSet, Options, Selection, Split};
use kennard::engine::Engine;
use kennard::run::ModelSummary;
use kennard::{Classifier, Error, Mismatch, OwnLabel, Result};
use kennard_graph::ModelFile;

pub use audits::{SMOOTH, audit, say_left_out, tempered, whole_audit, whole_audit_at};
pub use stop::{stop_on_interrupt, stop_quietly};

use crate::command::flag;
use crate::search::searching;
use crate::settings::{Data, Model, Run, Settings};

/// How many samples are looked at to see what kind of outputs the model has.
const PROBED: usize = 8;

/// How many samples the surrogate is looked at with.
const LOOKED: usize = 200;

/// What errors call the surrogate, before the name of its file.
const SURROGATE: &str = "--transfer ";

/// How many points each sample asks the model about at a time.
#[derive(Clone, Copy)]
pub enum Asking {
    /// One, as attacks do.
    OnePoint,
    /// Many, as smoothing and packets do.
    ManyPoints,
}

impl Asking {
    /// The most rows of a micro-batch that these samples can fill: their number, if each fills one at a time; else no limit.
    pub fn rows(self, data: &DataSet, taken: Selection) -> Option<usize> {
        match self {
            Asking::OnePoint => Some(taken.indices(data.len()).len()),
            Asking::ManyPoints => None,
        }
    }
}

/// The data set, and the model at work on it, with the surrogate of transfer attacks if there is one.
pub fn open_with_surrogate(file: &Path, settings: &Settings) -> Result<(DataSet, Engine)> {
    let taken = settings.selection()?;
    let (data, engine) = open(file, &settings.data, taken, Asking::OnePoint, &settings.model, &settings.run)?;
    let engine = for_attacks(engine, &data, settings)?;
    Ok((data, engine))
}

/// The engine with the surrogate of transfer attacks, if there is one, and with the precision of searches that is asked for.
pub fn for_attacks(engine: Engine, data: &DataSet, settings: &Settings) -> Result<Engine> {
    let engine = searching(engine, &settings.attacks)?;
    match &settings.attacks.transfer {
        Some(file) => {
            let before = engine.limited_by_memory().map(String::from);
            let surrogate =
                surrogate(file, data, settings).map_err(|error| error.of_model(SURROGATE, file))?;
            let engine = engine.with_surrogate(surrogate)?;
            if before.as_deref() != engine.limited_by_memory() {
                say_memory(&engine);
            }
            Ok(engine)
        }
        None => Ok(engine),
    }
}

/// Prints a note where memory limits the engine.
pub fn say_memory(engine: &Engine) {
    if let Some(why) = engine.limited_by_memory() {
        note!("memory: {why}");
    }
}

/// As [`open_file`], of a model file by its path and a data set by its name.
pub fn open(
    file: &Path,
    data: &Data,
    taken: Selection,
    asking: Asking,
    model: &Model,
    run: &Run,
) -> Result<(DataSet, Engine)> {
    open_file(&ModelFile::open(file)?, None, data, taken, asking, model, run)
}

/// The data set, `held` in memory or opened as `named`, and the model's engine. If each sample asks about one point at a time
/// (`asking`), micro-batches have no more rows than there are samples.
pub fn open_file(
    file: &ModelFile,
    held: Option<DataSet>,
    named: &Data,
    taken: Selection,
    asking: Asking,
    model: &Model,
    run: &Run,
) -> Result<(DataSet, Engine)> {
    let mut data = match held {
        Some(data) => data,
        None => DataSet::open(&named.spec()?, &fitting(named, model, file)?)?,
    };
    let rows = asking.rows(&data, taken);
    let engine = engine(file, data.shape(), &first(&data, taken)?, rows, model, run)?;
    data.fit_classes(engine.classifier().classes())?;
    let engine = match asking {
        Asking::OnePoint => with_own_label(engine, file, &data, model)?,
        Asking::ManyPoints => engine,
    };
    Ok((data, engine))
}

/// The engine with the label that the model file returns beside its scores, to compare predictions with.
fn with_own_label(engine: Engine, file: &ModelFile, data: &DataSet, model: &Model) -> Result<Engine> {
    let (classes, names) = (engine.classifier().classes(), data.class_names());
    Ok(engine.comparing(OwnLabel::of(file, data.shape(), &model.preprocessing()?, classes, names)))
}

/// The inputs that show what kind of outputs the model has: the first of those that are taken. Where these are fewer, others
/// help as far as they can be read: nobody asked for them.
pub fn first(data: &DataSet, taken: Selection) -> Result<Vec<Vec<f32>>> {
    let places: Vec<usize> = taken.indices(data.len()).take(PROBED).collect();
    let others = (0..data.len()).filter(|place| !places.contains(place));
    let others: Vec<usize> = others.take(PROBED - places.len()).collect();
    let inputs = data.at(Box::new(places.into_iter()))?.map(|sample| Ok(sample?.input));
    let mut first = inputs.collect::<Result<Vec<Vec<f32>>>>()?;
    if !others.is_empty() {
        let others = data.at(Box::new(others.into_iter()))?;
        first.extend(others.map_while(|sample| sample.ok()).map(|sample| sample.input));
    }
    Ok(first)
}

/// The surrogate of transfer attacks. Prints its accuracy on some samples: attacks made on a bad surrogate test little.
fn surrogate(file: &Path, data: &DataSet, settings: &Settings) -> Result<Classifier> {
    let (model, taken) = (settings.model.of_another(), settings.selection()?);
    let first = first(data, taken)?;
    let looked = Some(LOOKED.min(taken.indices(data.len()).len()));
    let read = ModelFile::open(file)?;
    let labels = model.preprocessing()?.class_labels(&read);
    // Samples in memory have their names from the model's file.
    let own = match data.options().model_classes.as_slice() {
        [] => data.class_names(),
        own => own,
    };
    if kennard::data::is_rearranged(&labels, own) {
        return Err(Mismatch::SurrogateClasses { other: labels, own: own.to_vec() }.into());
    }
    let engine = engine(&read, data.shape(), &first, looked, &model, &settings.run)?;
    let samples = match taken {
        Selection::All => Selection::Random { count: LOOKED, seed: 0 },
        Selection::First(count) => Selection::First(count.min(LOOKED)),
        Selection::Random { count, seed } => Selection::Random { count: count.min(LOOKED), seed },
    };
    let look = Audit {
        samples,
        ..Audit::new(
            ModelSummary::of_file(file, engine.classifier())?,
            &engine,
            data,
            settings.threat(data)?.0,
        )
    };
    let found = look.run(&AtomicBool::new(false), |_| ())?.summary;
    note!(
        "surrogate {}: {} of {} samples classified correctly",
        file.display(),
        found.clean.correct,
        found.samples
    );
    if found.not_evaluated == found.samples {
        let message =
            format!("{}: the surrogate's answers are NaN; nothing can be made there", file.display());
        return Err(Error::NotANumber(message));
    }
    for warning in &found.warnings {
        warn!("warning, surrogate ({}): {}", warning.code, warning.worded(flag));
    }
    Ok(engine.classifier().clone())
}

/// The model's engine for inputs of `shape`; `first` are some of them, and `samples` says how many there are, where each
/// asks for one point at a time. Prints a note of the runtime.
pub fn engine(
    file: &ModelFile,
    shape: &[usize],
    first: &[Vec<f32>],
    samples: Option<usize>,
    model: &Model,
    run: &Run,
) -> Result<Engine> {
    let preprocessing = model.preprocessing()?;
    let graph = preprocessing.graph(file, Some(shape))?;
    let runtime = run.open()?;
    let classifier = Classifier::new(&graph, shape, &preprocessing)?;
    let first: Vec<&[f32]> = first.iter().map(Vec::as_slice).collect();
    let engine = Engine::new(classifier, runtime, &run.options())?.for_samples(samples.unwrap_or(usize::MAX));
    let engine = engine.within(run.memory())?;
    say_memory(&engine);
    engine.probe(&first)
}

/// How to read the data so that it fits the model's images.
fn fitting(data: &Data, model: &Model, file: &ModelFile) -> Result<Options> {
    let extents = model.preprocessing()?.extents(file)?.unwrap_or_default();
    let (size, channels) = match *extents.as_slice() {
        [h, w, c] if channels_last(&extents, model.pixels.nhwc.unwrap_or(false)) => (h.zip(w), c),
        [c, h, w] => (h.zip(w), c),
        _ => (None, None),
    };
    let channels = channels.filter(|c| CHANNELS.contains(c));
    let options = data.options(Split::Test)?;
    if let (Some((height, width)), Some(crop)) = (size, options.resize)
        && (height, width) != crop
    {
        let problem = format!(
            "the model takes images of {height}×{width}, and the centre crop makes them {}×{}",
            crop.0, crop.1
        );
        let error = Box::new(Error::Setting(problem));
        return Err(Error::Advised { error, advice: "; leave out {centre_crop}".into() });
    }
    let model_classes = model.preprocessing()?.class_labels(file);
    Ok(Options { resize: options.resize.or(size), channels, model_classes, ..options })
}

/// How many channels images have.
const CHANNELS: [usize; 2] = [1, 3];

/// Whether the last axis of a model's images is that of the channels. If only one end of the shape can be, that decides and not
/// the setting `said`: the engine then refuses images of the right size and advises the setting.
fn channels_last(extents: &[Option<usize>], said: bool) -> bool {
    let few = |extent: Option<&Option<usize>>| {
        extent.copied().flatten().is_some_and(|extent| CHANNELS.contains(&extent))
    };
    match (few(extents.first()), few(extents.last())) {
        (true, false) => false,
        (false, true) => true,
        _ => said,
    }
}
