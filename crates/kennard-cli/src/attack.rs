use std::path::PathBuf;
use std::sync::atomic::Ordering;

use kennard::attack::Adversarial;
use kennard::audit::{Examined, chance_accuracy};
use kennard::export::{Example, write_examples};
use kennard::run::ModelSummary;

use crate::command::flag;
use crate::settings::{OUT, Settings, missing};
use crate::source::{notes, prepare_new, said};
use crate::{Done, Outcome, Usage, setup};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// A TOML file of settings, under the names of the options; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: Args) -> Outcome {
    let settings = args.settings.or_from(args.config.as_deref())?.complete(true)?;
    let unused = [
        (settings.own.packet_samples.is_some(), "--packet-samples"),
        (settings.own.temperature.is_some(), "--temperature"),
    ];
    if let Some((_, name)) = unused.iter().find(|(given, _)| *given) {
        return Err(Usage(format!(
            "{name} says nothing to attack, which measures no packets; kennard audit does"
        ))
        .into());
    }
    if settings.own.certify == Some(true) {
        return Err(Usage(
            "--certify says nothing to attack; kennard audit --certify attacks what is not certified".into(),
        )
        .into());
    }
    let out = settings.out().ok_or_else(|| Usage(missing(OUT).to_string()))?;
    prepare_new(Some(out))?;
    let (data, engine) = setup::open_with_surrogate(&args.model, &settings)?;
    let engine = said(engine);
    let model = ModelSummary::of_file(&args.model, engine.classifier())?;
    let audit = setup::audit(model, &settings, &data, &engine)?;
    let stop = setup::stop_on_interrupt()?;
    let mut examples = Vec::new();
    let (mut examined, mut correct, mut unanswered, mut broken) = (0, 0, 0, 0);
    let eps = audit.threat.eps;
    audit.adversarials(&stop, |Examined { record, input, adversarials, .. }| {
        examined += 1;
        correct += u64::from(record.is_correct());
        unanswered += u64::from(!record.is_evaluated());
        // Without an epsilon, a point at any distance counts.
        let found = adversarials.iter().any(Option::is_some);
        broken += u64::from(if eps.is_finite() { record.broken_by().is_some() } else { found });
        let distance = |found: &Adversarial| audit.threat.norm.distance(&input, &found.point);
        let closest = adversarials.into_iter().flatten().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        examples.extend(closest.map(|adversarial| Example {
            index: record.index,
            label: record.label,
            original: input.clone(),
            adversarial,
        }));
        Ok(())
    })?;
    notes(&data, audit.indices());
    if let Some(warning) = audit.own_label(&stop)? {
        warn!("warning ({}): {}", warning.code, warning.worded(flag));
    }
    let chance = chance_accuracy(correct, examined, audit.model.classes);
    if let Some(warning) = chance.filter(|_| !stop.load(Ordering::Relaxed)) {
        warn!("warning ({}): {}", warning.code, warning.worded(flag));
    }
    examples.sort_by_key(|example| example.index);
    let pictures = write_examples(out, &engine, &audit.threat, audit.boxes.as_ref(), &examples)?;
    match stop.load(Ordering::Relaxed) {
        // Samples that break easily are done with first.
        true => say!(
            "interrupted after {examined} of {} samples, {broken} of them broken: those that break easily come first, so this \
             is no share of all",
            audit.indices().len()
        ),
        false => say!("{broken} of {correct} correctly classified samples broken, {examined} examined"),
    }
    if examples.len() as u64 > broken {
        say!("{} more adversarial examples lie outside epsilon", examples.len() as u64 - broken);
    }
    if unanswered > 0 {
        say!("{unanswered} samples could not be evaluated: the model's answer is NaN");
    }
    say!("written to {}: adversarials.npz", out.display());
    if pictures.written > 0 {
        say!(
            "{} pictures of sample, example and difference, {} of them still adversarial and allowed with 256 levels: \
             pictures.csv lists them",
            pictures.written,
            pictures.adversarial
        );
    }
    Ok(if stop.load(Ordering::Relaxed) { Done::Interrupted } else { Done::Fully })
}
