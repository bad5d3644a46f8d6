//! What commands that run a model on data begin with.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kennard::audit::{Audit, PacketPlan, Shard};
use kennard::data::{DataSet, DataSpec, Options, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Classifier, Error, Result};
use kennard_graph::{Dim, Graph};
use kennard_runtime::{Choice, Runtime};

use crate::command::flag;
use crate::settings::Settings;

/// How many samples are looked at to see what kind of outputs the model has.
const PROBED: usize = 8;

/// How many samples the surrogate is looked at with.
const LOOKED: usize = 200;

/// The data set, and the model at work on it.
pub fn open(model: &Path, settings: &Settings) -> Result<(DataSet, Engine)> {
    let missing = || Error::Setting("--data is missing: the data set, mnist:DIR say".into());
    let spec = settings.data.as_deref().ok_or_else(missing)?;
    let model = Graph::load(model)?;
    let mut data = DataSet::open(&spec.parse::<DataSpec>()?, &options(settings, &model)?)?;
    let first = data.samples()?.take(PROBED).collect::<Result<Vec<_>, _>>()?;
    let first: Vec<&[f32]> = first.iter().map(|sample| sample.input.as_slice()).collect();
    let engine = engine(&model, data.shape(), &first, settings)?;
    data.fit_classes(engine.classifier().classes())?;
    let engine = match &settings.transfer {
        Some(file) => engine.with_surrogate(surrogate(file, &data, &first, settings)?)?,
        None => engine,
    };
    Ok((data, engine))
}

/// The surrogate of transfer attacks. How well it does on some samples is said: a bad one is no test.
fn surrogate(file: &Path, data: &DataSet, first: &[&[f32]], settings: &Settings) -> Result<Classifier> {
    let engine = engine(&Graph::load(file)?, data.shape(), first, settings)?;
    let samples = Selection::Random { count: LOOKED, seed: 0 };
    let look = Audit {
        samples,
        ..Audit::new(ModelSummary::of_file(file, engine.classifier())?, &engine, data, settings.threat()?)
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

/// The model at work on inputs of `shape`; `first` are some of them. Which runtime it is on is said.
pub fn engine(model: &Graph, shape: &[usize], first: &[&[f32]], settings: &Settings) -> Result<Engine> {
    let runtime = runtime(settings.runtime.as_deref())?;
    let classifier = Classifier::new(model, shape, &settings.preprocessing())?;
    let options = EngineOptions { micro_batch: settings.micro_batch, threads: settings.threads };
    Engine::new(classifier, runtime, &options)?.probe(first)
}

/// The runtime of this name, or what there is. Which one it is, is said.
pub fn runtime(name: Option<&str>) -> Result<Runtime> {
    let runtime = Runtime::open(name.unwrap_or("auto").parse::<Choice>()?)?;
    note!("{} {}: {}", runtime.name(), runtime.version(), runtime.reason());
    Ok(runtime)
}

/// A whole audit: attacks, packets whose window has the attack's size, and cosines.
pub fn whole_audit<'a>(
    model: &Path,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
) -> Result<Audit<'a>> {
    let packets = PacketPlan::at_attack_size(&settings.threat()?, engine.classifier().dimension())
        .map(|plan| match settings.packet_samples {
            Some(samples) => PacketPlan { samples, max_samples: samples, bounded: false, ..plan },
            None => plan,
        })
        .filter(|plan| plan.samples > 0);
    let probe = settings.packet_samples != Some(0);
    Ok(Audit { probe, packets: packets.into_iter().collect(), ..audit(model, settings, data, engine)? })
}

/// The attacks of an audit.
pub fn audit<'a>(
    model: &Path,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
) -> Result<Audit<'a>> {
    let (attacks, cascade) = settings.attacks()?;
    Ok(Audit {
        attacks,
        cascade,
        minimal: settings.minimal()?,
        samples: settings.selection()?,
        shard: settings.shard.unwrap_or(Shard::WHOLE),
        seed: settings.seed.unwrap_or(0),
        full: settings.full.unwrap_or(false),
        budget: settings.budget,
        ..Audit::new(ModelSummary::of_file(model, engine.classifier())?, engine, data, settings.threat()?)
    })
}

/// How to read the data so that it fits the model's images.
fn options(settings: &Settings, model: &Graph) -> Result<Options> {
    let split = settings.split.as_deref().unwrap_or("test").parse()?;
    let dims: Vec<Dim> = model.single_input()?.ty.shape.0.clone();
    let (size, channels) = match (dims.as_slice(), settings.nhwc.unwrap_or(false)) {
        (&[_, c, h, w], false) | (&[_, h, w, c], true) => (h.known().zip(w.known()), c.known()),
        _ => (None, None),
    };
    let channels = channels.filter(|c| [1, 3].contains(c));
    Ok(Options { split, resize: size, channels, classes: settings.classes.clone() })
}

/// A flag that the first ctrl-C sets; the second ends the process.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        warn!("\ninterrupted: ending with what is finished (again to stop at once)");
    })?;
    Ok(stop)
}
