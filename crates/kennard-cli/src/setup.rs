//! What commands that run a model on data begin with.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kennard::audit::{Audit, PacketPlan};
use kennard::data::{DataSet, Options, Selection, Split};
use kennard::engine::Engine;
use kennard::run::ModelSummary;
use kennard::{Classifier, Error, Result};
use kennard_graph::{ModelFile, is_flat};

use crate::command::flag;
use crate::screen::grouped;
use crate::search::searching;
use crate::settings::{Data, Model, Run, Settings};

/// How many samples are looked at to see what kind of outputs the model has.
const PROBED: usize = 8;

/// How many samples the surrogate is looked at with.
const LOOKED: usize = 200;

/// What errors call the surrogate, before the name of its file.
const SURROGATE: &str = "--transfer ";

/// The data set, and the model at work on it, with the surrogate of transfer attacks if there is one.
pub fn open_with_surrogate(file: &Path, settings: &Settings) -> Result<(DataSet, Engine)> {
    let taken = settings.selection()?;
    let (data, engine) = open(file, &settings.data, taken, true, &settings.model, &settings.run)?;
    let engine = for_attacks(engine, &data, settings)?;
    Ok((data, engine))
}

/// The same engine with the surrogate of transfer attacks, if there is one, and searching in what is asked for.
pub fn for_attacks(engine: Engine, data: &DataSet, settings: &Settings) -> Result<Engine> {
    let engine = searching(engine, &settings.attacks)?;
    match &settings.attacks.transfer {
        Some(file) => {
            let before = engine.curbed().map(String::from);
            let surrogate =
                surrogate(file, data, settings).map_err(|error| error.of_model(SURROGATE, file))?;
            let engine = engine.with_surrogate(surrogate)?;
            if before.as_deref() != engine.curbed() {
                say_curbed(&engine);
            }
            Ok(engine)
        }
        None => Ok(engine),
    }
}

/// Says where there is less memory than all cores would take.
pub fn say_curbed(engine: &Engine) {
    if let Some(why) = engine.curbed() {
        note!("memory: {why}");
    }
}

/// The data set, of which these samples are taken, and the model at work on it; as of [`open_file`].
pub fn open(
    file: &Path,
    data: &Data,
    taken: Selection,
    alone: bool,
    model: &Model,
    run: &Run,
) -> Result<(DataSet, Engine)> {
    open_file(&ModelFile::open(file)?, None, data, taken, alone, model, run)
}

/// A model at work on the data: those that are `held`, or those that are named. Samples of which each asks for one point at
/// a time, `alone`, fill no more rows of a micro-batch than there are of them.
pub fn open_file(
    file: &ModelFile,
    held: Option<DataSet>,
    named: &Data,
    taken: Selection,
    alone: bool,
    model: &Model,
    run: &Run,
) -> Result<(DataSet, Engine)> {
    let mut data = match held {
        Some(data) => data,
        None => DataSet::open(&named.spec()?, &fitting(named, model, file)?)?,
    };
    let samples = alone.then(|| taken.indices(data.len()).len());
    let engine = engine(file, data.shape(), &first(&data, taken)?, samples, model, run)?;
    data.fit_classes(engine.classifier().classes())?;
    Ok((data, engine))
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

/// The surrogate of transfer attacks. How well it does on some samples is said: a bad one is no test.
fn surrogate(file: &Path, data: &DataSet, settings: &Settings) -> Result<Classifier> {
    let (model, taken) = (settings.model.of_another(), settings.selection()?);
    let first = first(data, taken)?;
    let looked = Some(LOOKED.min(taken.indices(data.len()).len()));
    let engine = engine(&ModelFile::open(file)?, data.shape(), &first, looked, &model, &settings.run)?;
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

/// The model at work on inputs of `shape`; `first` are some of them, and `samples` says how many there are, where each
/// asks for one point at a time. Which runtime it is on is said.
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
    say_curbed(&engine);
    engine.probe(&first)
}

/// A whole audit: attacks, packets whose window has the attack's size, and cosines.
pub fn whole_audit<'a>(
    model: ModelSummary,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
) -> Result<Audit<'a>> {
    let packets = PacketPlan::at_attack_size(&settings.threat(data)?.0, engine.classifier().dimension())
        .map(|plan| match settings.own.packet_samples {
            Some(samples) => PacketPlan { samples, max_samples: samples, bounded: false, ..plan },
            None => plan,
        })
        .filter(|plan| plan.samples > 0);
    let probe = settings.own.packet_samples != Some(0);
    let asked = settings.own.temperature.is_some() || settings.own.packet_samples.is_some_and(|n| n > 0);
    if packets.is_none() && asked {
        let why = match probe {
            true => {
                "packets have the size of the attacks, and there is none: give an epsilon, in linf, l2 or l1"
            }
            false => "packets are told at a temperature, and there are to be none",
        };
        return Err(Error::Setting(why.into()));
    }
    let mut packets: Vec<PacketPlan> = packets.into_iter().collect();
    let mut without = Vec::new();
    if let Some(temperature) = &settings.own.temperature {
        let (temperature, fitted) = temperature.of(&model.sha256, data)?;
        engine.classifier().at_temperature(temperature)?;
        say_left_out(&fitted);
        without = fitted;
        packets.extend(packets.first().map(|plan| PacketPlan { temperature: Some(temperature), ..*plan }));
    }
    let audit = Audit { probe, packets, without, ..audit(model, settings, data, engine)? };
    let audit = match settings.own.certify {
        Some(certify) => Audit { certify, radii: certify && !audit.minimal.is_empty(), ..audit },
        None => audit.certificates_first(),
    };
    if let Some(said) = &audit.certificates {
        note!("{said}");
    }
    Ok(audit)
}

/// Says how many samples have no packets, where some have none: a temperature may be a number, which was fitted to nothing.
pub fn say_left_out(without: &[usize]) {
    if !without.is_empty() {
        let count = grouped(without.len() as u64);
        note!("the {count} samples that the temperature was fitted to are left out of packets");
    }
}

/// The attacks that are made on a model with a gradient where none are named.
pub const SMOOTH: &[&str] = &["fgsm", "pgd"];

/// Why gradients lead nowhere: there is none, or it is 0 everywhere.
fn roughness(engine: &Engine) -> Option<String> {
    if let Some(error) = engine.gradient_error() {
        return Some(error.to_string());
    }
    let flat = engine.classifier().graph().is_some_and(is_flat);
    flat.then(|| "there are only steps between the model's input and its answer".into())
}

/// The attacks of an audit.
pub fn audit<'a>(
    model: ModelSummary,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
) -> Result<Audit<'a>> {
    let rough = settings.attacks.attack.is_none().then(|| roughness(engine)).flatten();
    let usual: &[&str] = match &rough {
        None => SMOOTH,
        Some(_) if engine.trees().is_ok() => &["square", "leaves"],
        Some(_) => &["square"],
    };
    let (attacks, cascade) = settings.attacks.attacks(&settings.threat, usual)?;
    if let Some(why) = rough.filter(|_| attacks.iter().any(|attack| attack.name() == "square")) {
        let need = if usual.len() > 1 { "need" } else { "needs" };
        note!("note: {why}: the model is attacked by {}, which {need} no gradient", usual.join(" and "));
    }
    let (threat, boxes) = settings.threat(data)?;
    Ok(Audit {
        boxes,
        lattice: settings.reach.lattice(data, engine.classifier().levels_per_unit(), threat.bounds)?,
        attacks,
        cascade,
        minimal: settings.attacks.minimal()?,
        samples: settings.selection()?,
        shard: settings.sharding.shard(),
        seed: settings.run.seed(),
        full: settings.attacks.full.unwrap_or(false),
        budget: settings.attacks.budget,
        ..Audit::new(model, engine, data, threat)
    })
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
    Ok(Options { resize: options.resize.or(size), channels, ..options })
}

/// How many channels images have.
const CHANNELS: [usize; 2] = [1, 3];

/// Whether the last axis of a model's images is that of the channels. Where one end alone can be, that counts and not what was
/// `said`: images of the right size are refused with the cure.
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

/// Signals closer together than this are one word to stop: `timeout` and batch systems signal a process and its group.
const ONE_WORD: Duration = Duration::from_millis(500);

/// A flag that the first ctrl-C sets, which is said; the second ends the process.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    stop_saying(Some("\ninterrupted: ending with what is finished (again to stop at once)"))
}

/// The same, of what loses nothing when it ends.
pub fn stop_quietly() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    stop_saying(None)
}

fn stop_saying(words: Option<&'static str>) -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let mut first = None;
    ctrlc::set_handler(move || match first {
        None => {
            first = Some(Instant::now());
            flag.store(true, Ordering::Relaxed);
            if let Some(words) = words {
                warn!("{words}");
            }
        }
        Some(first) if Instant::now() - first < ONE_WORD => {}
        // No destructors: they would take the runtime from under the workers, whose complaints are then all one hears.
        Some(_) => signal_hook::low_level::exit(130),
    })?;
    Ok(stop)
}
