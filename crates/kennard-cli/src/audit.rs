use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use kennard::attack::Version;
use kennard::audit::{
    AttackSummary, Audit, AuditManifest, Outcome, Progress, Record, Requirement, RunDirectory, Summary,
    Warning,
};
use kennard::run::ModelSummary;
use serde_json::Value;

use crate::progress::Display;
use crate::settings::Settings;
use crate::source::prepare;
use crate::{Done, Ended, report, screen, setup};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// A TOML file of settings, under the names of the options; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on with the run in --out where it was interrupted
    #[arg(long, requires = "out")]
    resume: bool,
    /// Fail with status 3 unless the lower ends of these figures' intervals reach this much: robust>=0.6,clean>=0.9; also
    /// an attack's name
    #[arg(long, value_name = "FIGURE>=SHARE", value_delimiter = ',')]
    require: Vec<Requirement>,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Ended {
    let Args { model, settings, config, resume, require, json } = args;
    let settings = settings.or_from(config.as_deref())?.complete(false)?;
    examine(&model, &settings, require, resume, json)
}

/// Runs an audit, says what was found, and writes it.
pub fn examine(
    file: &Path,
    settings: &Settings,
    requirements: Vec<Requirement>,
    resume: bool,
    json: bool,
) -> Ended {
    check_requirements(&requirements, settings)?;
    // Before the work, not after it.
    prepare(settings.out())?;
    let (data, engine) = setup::open_with_surrogate(file, settings)?;
    let model = ModelSummary::of_file(file, engine.classifier())?;
    let audit = Audit { requirements, ..setup::whole_audit(model, settings, &data, &engine)? };
    let directory = settings.out().map(|path| open(path, &audit, resume)).transpose()?;
    let stop = setup::stop_on_interrupt()?;
    let mut display = Display::new();
    // The accuracies are said as soon as they are known; packets may take a while.
    let mut said: Option<Vec<Warning>> = None;
    let show = |progress: Progress| match progress {
        Progress::Attacked(summary) if !json => {
            display.finish();
            screen::accuracies(summary, Some(engine.plan()));
            screen::warnings(&summary.warnings);
            if settings.attacks.attack.is_none() && summary.attacks.iter().any(|attack| attack.backwards > 0)
            {
                quick_look(summary);
            }
            said = Some(summary.warnings.clone());
        }
        progress => display.show(progress),
    };
    let result = match directory {
        Some(directory) => audit.run_in(directory, &stop, show),
        None => audit.run(&stop, show),
    };
    display.finish();
    let outcome = result?;

    let summary = &outcome.summary;
    if json {
        crate::out::json(&summary.to_json()?);
    } else {
        if said.is_none() {
            screen::accuracies(summary, Some(engine.plan()));
        }
        screen::packets(summary);
        if !resume && settings.own.certify.is_none() {
            say_provable(&audit, &outcome, &stop);
        }
        let said = said.unwrap_or_default();
        let news: Vec<Warning> = summary.warnings.iter().filter(|w| !said.contains(w)).cloned().collect();
        screen::warnings(&news);
    }
    for judged in &summary.requirements {
        warn!("{judged}");
    }
    if let Some(directory) = settings.out() {
        report::beside(directory, "manifest.json, samples.parquet, examples.parquet, summary.json")?;
    }
    if outcome.records.iter().any(Record::is_contradicted) {
        return Err("a certified sample was broken by an attack: see the warning (contradiction)".into());
    }
    Ok(match summary.requirements.iter().all(|judged| judged.holds) {
        _ if !summary.complete => Done::Interrupted,
        true => Done::Fully,
        false => Done::Short,
    })
}

/// The directory of the run. Says what is there already.
fn open(path: &Path, audit: &Audit, resume: bool) -> kennard::Result<RunDirectory> {
    let manifest = AuditManifest::new(audit, crate::command_line())?;
    let directory = RunDirectory::open(path, &manifest, resume)?;
    say_damage(&directory);
    let done = directory.finished().iter().filter(|record| !record.pending).count();
    if done > 0 {
        note!("{}: {done} samples are there already", path.display());
    }
    Ok(directory)
}

/// A usage error where a figure is required that the audit does not have.
fn check_requirements(
    requirements: &[Requirement],
    settings: &Settings,
) -> Result<(), Box<dyn std::error::Error>> {
    if requirements.is_empty() {
        return Ok(());
    }
    let attacks = settings.attacks.attacks(&settings.threat, crate::setup::SMOOTH)?.0;
    let names: Vec<&str> = attacks.iter().map(|attack| attack.name()).collect();
    let has_robust = !names.is_empty() || settings.attacks.minimal.is_some() && settings.threat.eps.is_some();
    let certifies =
        settings.own.certify == Some(true) && (settings.threat.eps.is_some() || settings.reach.is_said());
    for wanted in requirements {
        if let Err(error) = wanted.check(&names, has_robust, certifies) {
            return Err(crate::Usage(format!("--require: {error}")).into());
        }
    }
    Ok(())
}

/// Says that certificates would have saved most of the attacks' time, where a few samples show that.
fn say_provable(audit: &Audit, outcome: &Outcome, stop: &AtomicBool) {
    let begin = Instant::now();
    if let Some([proved, tried]) = audit.provable(outcome, stop) {
        let seconds = begin.elapsed().as_secs_f64();
        say!("");
        say!(
            "--certify proves {proved} of {tried} robust samples tried, in {seconds:.1} s: what is proved need not be \
             attacked"
        );
    }
}

/// Says that the default attacks are a quick look, and what AutoAttack would take.
fn quick_look(summary: &Summary) {
    if summary.robust.is_none() || summary.autoattack.is_some() {
        return;
    }
    let passes = |attack: &AttackSummary| attack.backwards as f64 + attack.forwards as f64 * FORWARD;
    let spent: f64 = summary.attacks.iter().map(passes).sum();
    let took: f64 = summary.attacks.iter().map(|attack| attack.seconds).sum();
    let standard = Version::Standard.attacks(summary.threat_model.norm);
    let number = |settings: &Value, name: &str| settings[name].as_f64().unwrap_or(0.0);
    // What a sample takes that withstands all attacks; one that breaks takes less.
    let (gradients, forwards) = standard.iter().fold((0.0, 0.0), |(gradients, forwards), attack| {
        let settings = attack.settings();
        let tries = number(&settings, "restarts").max(1.0) * number(&settings, "targets").max(1.0);
        (gradients + number(&settings, "steps") * tries, forwards + number(&settings, "queries"))
    });
    let each = gradients + forwards * FORWARD;
    let correct = summary.clean.correct as f64;
    let time = match spent > 0.0 && took > 0.0 {
        true => {
            let seconds = took / spent * each * correct;
            format!(", some {} here", indicatif::HumanDuration(Duration::from_secs_f64(seconds.max(1.0))))
        }
        false => String::new(),
    };
    let total = (gradients + forwards) * correct;
    say!("");
    say!(
        "A quick look. AutoAttack, the figure that the field reports, is --attack standard: up to {} passes{time}.",
        screen::rounded(total)
    );
}

/// A forward pass alone, in units of one with its gradient.
const FORWARD: f64 = 1.0 / 3.0;

/// Says what is done again of what was there already, and why.
pub fn say_damage(directory: &RunDirectory) {
    if let Some(damage) = directory.damage() {
        warn!("warning (journal): {damage}");
    }
}
