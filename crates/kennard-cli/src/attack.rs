use std::path::PathBuf;
use std::sync::atomic::Ordering;

use kennard::ThreatModel;
use kennard::attack::Adversarial;
use kennard::audit::{Examined, chance_accuracy};
use kennard::export::{Example, write_examples};
use kennard::run::ModelSummary;

use crate::settings::{OUT, Settings, missing};
use crate::source::{notes, prepare_new, said, say_warning};
use crate::{Done, Ended, Usage, setup};

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

pub fn run(args: Args) -> Ended {
    let settings = args.settings.or_from(args.config.as_deref())?.complete(true)?;
    refuse_unused(&settings)?;
    let out = settings.out().ok_or_else(|| Usage(missing(OUT).to_string()))?;
    prepare_new(Some(out))?;
    let (data, engine) = setup::open_with_surrogate(&args.model, &settings)?;
    let engine = said(engine);
    let model = ModelSummary::of_file(&args.model, engine.classifier())?;
    let audit = setup::audit(model, &settings, &data, &engine)?;
    let stop = setup::stop_on_interrupt()?;
    let mut tally = Tally::default();
    audit.adversarials(&stop, |examined| {
        tally.add(examined, &audit.threat);
        Ok(())
    })?;
    notes(&data, audit.indices());
    audit.own_label(&stop)?.iter().for_each(say_warning);
    let interrupted = stop.load(Ordering::Relaxed);
    let chance = chance_accuracy(tally.correct, tally.examined, audit.model.classes);
    chance.iter().filter(|_| !interrupted).for_each(say_warning);
    tally.examples.sort_by_key(|example| example.index);
    let pictures = write_examples(out, &engine, &audit.threat, audit.boxes.as_ref(), &tally.examples)?;
    tally.print(interrupted.then(|| audit.indices().len()));
    say!("written to {}: adversarials.npz", out.display());
    if pictures.written > 0 {
        say!(
            "{} pictures of sample, example and difference, {} of them still adversarial and allowed with 256 levels: \
             pictures.csv lists them",
            pictures.written,
            pictures.adversarial
        );
    }
    Ok(if interrupted { Done::Interrupted } else { Done::Fully })
}

/// Refuses settings of an audit that attacks alone have no use for.
fn refuse_unused(settings: &Settings) -> Result<(), Usage> {
    let unused = [
        (settings.own.packet_samples.is_some(), "--packet-samples"),
        (settings.own.temperature.is_some(), "--temperature"),
    ];
    if let Some((_, name)) = unused.iter().find(|(given, _)| *given) {
        let message = format!("{name} says nothing to attack, which measures no packets; kennard audit does");
        return Err(Usage(message));
    }
    if settings.own.certify == Some(true) {
        let message =
            "--certify says nothing to attack; kennard audit --certify attacks what is not certified";
        return Err(Usage(message.into()));
    }
    Ok(())
}

/// The samples that were examined.
#[derive(Default)]
struct Tally {
    examined: u64,
    correct: u64,
    unanswered: u64,
    broken: u64,
    /// The closest adversarial point of each sample that has one.
    examples: Vec<Example>,
}

impl Tally {
    fn add(&mut self, examined: Examined, threat: &ThreatModel) {
        let Examined { record, input, adversarials, .. } = examined;
        self.examined += 1;
        self.correct += u64::from(record.is_correct());
        self.unanswered += u64::from(!record.is_evaluated());
        // Without an epsilon, a point at any distance counts.
        let found = adversarials.iter().any(Option::is_some);
        self.broken += u64::from(if threat.eps.is_finite() { record.broken_by().is_some() } else { found });
        let distance = |found: &Adversarial| threat.norm.distance(&input, &found.point);
        let closest = adversarials.into_iter().flatten().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let (index, label) = (record.index, record.label);
        self.examples.extend(closest.map(|adversarial| Example {
            index,
            label,
            original: input,
            adversarial,
        }));
    }

    /// Says the counts; `all` is how many samples there are, where the run was interrupted.
    fn print(&self, all: Option<usize>) {
        let Tally { examined, correct, unanswered, broken, examples } = self;
        match all {
            // Samples that break easily are done with first.
            Some(all) => say!(
                "interrupted after {examined} of {all} samples, {broken} of them broken: those that break easily come first, so \
                 this is no share of all"
            ),
            None => say!("{broken} of {correct} correctly classified samples broken, {examined} examined"),
        }
        if examples.len() as u64 > *broken {
            say!("{} more adversarial examples lie outside epsilon", examples.len() as u64 - broken);
        }
        if *unanswered > 0 {
            say!("{unanswered} samples could not be evaluated: the model's answer is NaN");
        }
    }
}
