use std::path::PathBuf;

use kennard::Figure;
use kennard::audit::Progress;
use kennard::calibration::{Bin, Calibrate, Calibration};
use kennard::run::{ModelSummary, write_whole};

use crate::progress::Display;
use crate::screen::{grouped, short};
use crate::source::{Subject, apart, json, show};
use crate::{Done, Ended, screen};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// The file to write, for --temperature of other commands
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Ended {
    let model = &args.subject.model;
    args.out.as_deref().map_or(Ok(()), |out| apart(out, &model.file))?;
    let (samples, engine, data) = args.subject.open()?;
    let calibrate = Calibrate { samples, seed: model.seed() };
    let stop = crate::setup::stop_on_interrupt()?;
    let summary = ModelSummary::of_file(&model.file, engine.classifier())?;
    let mut display = Display::new();
    let result = data.while_unchanged(|| {
        calibrate.measure(summary, &engine, &data, &stop, |done, total| {
            display.show(Progress::Clean { done, total });
        })
    });
    display.finish();
    let Some(found) = result? else { return Ok(Done::Interrupted) };
    show(&found, args.json, print)?;
    if let Some(file) = &args.out {
        write_whole(file, json(&found)?.as_bytes())?;
        note!("written to {}; other commands take it with --temperature", file.display());
    }
    Ok(Done::Fully)
}

fn print(found: &Calibration) {
    say!("");
    screen::model(&found.model);
    say!(
        "data     {}   {} samples{}",
        found.data,
        grouped(found.fitted + found.measured),
        screen::part(found.samples, kennard::run::Shard::WHOLE)
    );
    say!(
        "run      {}, fitted to {} samples, measured on {} others, seed {}, {:.1} s",
        found.runtime.name,
        grouped(found.fitted),
        grouped(found.measured),
        found.seed,
        found.seconds
    );
    let percent = |figure: Figure| {
        let [value, low, high] = [figure.value, figure.interval[0], figure.interval[1]].map(|v| 100.0 * v);
        format!("{value:>7.2} %   {low:>5.2} – {high:>5.2} %")
    };
    let [low, high] = found.temperature.interval.map(short);
    say!("");
    say!("temperature            {:>9}   {low} – {high}", short(found.temperature.value));
    say!("accuracy               {}   at any temperature", percent(found.accuracy));
    say!("");
    say!("                           T = 1   95 % interval        fitted   95 % interval");
    let pair = |figure: Figure, text: &dyn Fn(f64) -> String| {
        let [low, high] = figure.interval.map(text);
        format!("{:>9}   {:<18}", text(figure.value), format!("{low} – {high}"))
    };
    let line =
        |name: &str, of: fn(&kennard::calibration::Quality) -> Figure, text: &dyn Fn(f64) -> String| {
            say!("{name:<22} {} {}", pair(of(&found.before), text), pair(of(&found.after), text));
        };
    line("log-loss", |quality| quality.log_loss, &short);
    line("calibration error", |quality| quality.calibration_error, &|share| {
        format!("{:.2} %", 100.0 * share)
    });
    say!("");
    say!("confidence, at the fitted temperature, and what became of it");
    for bin in found.after.bins.iter().filter(|bin| bin.samples > 0) {
        reliability(bin);
    }
    screen::warnings(&found.warnings);
}

/// A line of a bin.
fn reliability(bin: &Bin) {
    let accuracy = bin.correct as f64 / bin.samples as f64;
    say!(
        "{:>7.1} %   {:>7.1} % right   of {:>7}   {}",
        100.0 * bin.confidence,
        100.0 * accuracy,
        grouped(bin.samples),
        "■".repeat((20.0 * accuracy).round() as usize)
    );
}
