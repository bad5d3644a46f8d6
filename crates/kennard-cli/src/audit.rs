use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kennard::audit::{Audit, Manifest, PacketPlan, write_run};
use kennard::data::{DataSet, DataSpec, Options, Split};
use kennard::engine::{Engine, EngineOptions};
use kennard::{Classifier, Error};
use kennard_graph::{Dim, Graph};
use kennard_runtime::{Choice, Runtime};

use crate::progress::Display;
use crate::settings::Settings;
use crate::{Done, Outcome, screen};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    /// A TOML file of settings, under the names of the options below; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// How many samples are looked at to see what kind of outputs the model has.
const PROBED: usize = 8;

pub fn run(args: Args) -> Outcome {
    let settings = match &args.config {
        Some(file) => args.settings.or_from(file)?,
        None => args.settings,
    };
    let spec = settings.data.as_deref().ok_or("--data is missing: the data set, mnist:DIR say")?;
    if let Some(directory) = &settings.out {
        // Before the work, not after it.
        std::fs::create_dir_all(directory).map_err(|e| format!("--out {}: {e}", directory.display()))?;
    }
    let threat = settings.threat()?;
    let attacks = settings.attacks()?;
    let runtime = Runtime::open(settings.runtime.as_deref().unwrap_or("auto").parse::<Choice>()?)?;
    eprintln!("{} {}: {}", runtime.name(), runtime.version(), runtime.reason());

    let model = Graph::load(&args.model)?;
    let data = DataSet::open(&spec.parse::<DataSpec>()?, &options(&settings, &model)?)?;
    let classifier = Classifier::new(&model, data.shape(), &settings.preprocessing())?;
    let engine_options = EngineOptions { micro_batch: settings.micro_batch, threads: settings.threads };
    let probed = data.samples()?.take(PROBED).collect::<Result<Vec<_>, _>>()?;
    let probed: Vec<&[f32]> = probed.iter().map(|sample| sample.input.as_slice()).collect();
    let engine = Engine::new(classifier, runtime, &engine_options)?.probe(&probed)?;

    let packets = PacketPlan::at_attack_size(&threat, engine.classifier().dimension())
        .map(|plan| match settings.packet_samples {
            Some(samples) => PacketPlan { samples, max_samples: samples, ..plan },
            None => plan,
        })
        .filter(|plan| plan.samples > 0);
    let audit = Audit {
        model: &args.model,
        engine: &engine,
        data: &data,
        threat,
        attacks,
        packets: packets.into_iter().collect(),
        samples: settings.samples,
        seed: settings.seed.unwrap_or(0),
        full: settings.full.unwrap_or(false),
    };
    let stop = stop_on_interrupt()?;
    let mut display = Display::new();
    let result = audit.run(&stop, |progress| display.show(progress));
    display.finish();
    let outcome = result?;

    if args.json {
        print!("{}", outcome.summary.to_json()?);
    } else {
        screen::print(&outcome.summary, &engine);
    }
    if let Some(directory) = &settings.out {
        let manifest = Manifest::new(&audit, std::env::args().collect());
        write_run(directory, &manifest, &outcome)?;
        eprintln!("written to {}: manifest.json, samples.parquet, summary.json", directory.display());
    }
    Ok(if stop.load(Ordering::Relaxed) { Done::Interrupted } else { Done::Fully })
}

/// How to read the data so that it fits the model's images.
fn options(settings: &Settings, model: &Graph) -> Result<Options, Box<dyn std::error::Error>> {
    let split = match settings.split.as_deref() {
        None | Some("test") => Split::Test,
        Some("train") => Split::Train,
        Some(other) => return Err(format!("the split `{other}` is unknown; known are test and train").into()),
    };
    let dims: Vec<Dim> = model.single_input().map_err(Error::from)?.ty.shape.0.clone();
    let (size, channels) = match (dims.as_slice(), settings.nhwc.unwrap_or(false)) {
        (&[_, c, h, w], false) | (&[_, h, w, c], true) => (h.known().zip(w.known()), c.known()),
        _ => (None, None),
    };
    Ok(Options { split, resize: size, channels: channels.filter(|c| [1, 3].contains(c)) })
}

/// A flag that the first ctrl-C sets; the second ends the process.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\ninterrupted: ending with what is finished (again to stop at once)");
    })?;
    Ok(stop)
}
