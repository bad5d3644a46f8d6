use std::path::{Path, PathBuf};
use std::time::Duration;

use kennard::picture::{Chart, Curve};
use kennard::report::{Block, Sheet};
use kennard::run::ModelSummary;
use kennard::smoothing::{CertifiedWithin, SmoothingProgress, SmoothingSummary};
use kennard::{Figure, Result};
use serde_json::Value;

use crate::noise::{GUARANTEE, Smoothing, TITLE, goes_on, run_in};
use crate::progress::Gauge;
use crate::report::{percent, percents, span};
use crate::screen::{grouped, short};
use crate::source::{on, prepare};
use crate::{Done, Ended, report, screen, setup};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    #[arg(value_name = "MODEL")]
    file: PathBuf,
    #[command(flatten)]
    smoothing: Smoothing,
    /// Go on with the run in --out where it was interrupted
    #[arg(long, requires = "out")]
    resume: bool,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Ended {
    let smoothing = &args.smoothing;
    prepare(smoothing.out())?;
    let taken = smoothing.selection()?;
    let (engine, data) = on(&args.file, &smoothing.data, taken, &smoothing.model, &smoothing.run)?;
    let model = ModelSummary::of_file(&args.file, engine.classifier())?;
    let certification = smoothing.certification(model, &engine, &data)?;
    let stop = setup::stop_on_interrupt()?;
    let mut gauge = Gauge::new("{prefix:8} {wide_bar} {pos}/{len}  {pace}  {msg}", Duration::from_secs(15));
    let show = |now: SmoothingProgress| {
        gauge.meter.mark(now.done, now.total, "samples");
        let share = 100.0 * now.certified as f64 / now.total.max(1) as f64;
        let message = format!("certified {share:.1} % of all so far");
        let counts = [now.done, now.total];
        gauge.show("smooth".into(), counts, message, |message, pace| {
            format!("smooth: {} of {} samples, {message}  {pace}", now.done, now.total)
        });
    };
    let result = match smoothing.out() {
        None => certification.run(&stop, show),
        Some(path) => run_in(path, &certification, crate::command_line(), args.resume, &stop, show),
    };
    gauge.finish();
    let summary = result?.summary;
    end(&summary, args.json, smoothing.out())?;
    Ok(if summary.complete { Done::Fully } else { Done::Interrupted })
}

/// Says what was found, and leaves the page in the directory of the results.
pub fn end(
    summary: &SmoothingSummary,
    as_json: bool,
    out: Option<&Path>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    match as_json {
        true => crate::out::json(&summary.to_json()?),
        false => print(summary),
    }
    if let Some(directory) = out {
        leave(summary, crate::command_line(), directory)?;
    }
    Ok(())
}

/// Leaves the page in the directory of the results.
pub fn leave(summary: &SmoothingSummary, command: Vec<String>, directory: &Path) -> Result<()> {
    sheet(summary, command, &runtime(summary, directory)).keep(directory)?;
    report::beside(directory, "manifest.json, samples.parquet, summary.json, page.json")
}

/// What a certificate is worth, in words.
fn terms(summary: &SmoothingSummary) -> String {
    let looks = match summary.sequential {
        true => "the radii were fixed beforehand, and drawing ended when they were decided",
        false => "all draws were taken",
    };
    format!(
        "Each certificate is wrong with a probability of {} at most; {looks}. Intervals are of 95 % over samples, of certified \
         accuracy as it was found.",
        summary.failure
    )
}

fn noise(summary: &SmoothingSummary) -> String {
    let bounds = summary.bounds.map_or(String::new(), |[lo, hi]| format!(", moved into [{lo}, {hi}]"));
    let most = if summary.sequential { "up to " } else { "" };
    format!(
        "σ = {}{bounds}, {} draws choose a class, {most}{} count",
        short(summary.sigma),
        grouped(summary.choosing),
        grouped(summary.draws)
    )
}

/// A share with its interval; while samples are pending, the bracket of the share.
fn figures(within: &CertifiedWithin) -> [String; 2] {
    match within.certified_accuracy.zip(within.interval) {
        Some((share, interval)) => [percent(share), percents(interval)],
        None => [percents(within.bracket), format!("{} pending", grouped(within.pending))],
    }
}

fn print(summary: &SmoothingSummary) {
    say!("");
    screen::model(&summary.model);
    let samples = screen::samples(summary.total, summary.selection, summary.shard);
    say!("data     {}   {samples}", summary.data);
    say!("noise    {}", noise(summary));
    say!("run      {}, seed {}, {:.1} s", summary.runtime, summary.seed, summary.seconds);
    say!("");
    say!("certified of the smoothed classifier, not of the model itself: its label within the radius, in l2");
    say!("{:>9}  {:>10}   95 % interval", "radius", "accuracy");
    for within in &summary.certified {
        let [share, range] = figures(within);
        say!("{:>9}  {share:>10}   {range}", short(within.radius));
    }
    say!("");
    if let Some(abstained) = summary.abstained {
        say!("abstains on {} of {} samples", grouped(abstained), grouped(summary.samples));
    }
    if let Some(Figure { value, interval, .. }) = summary.mean_radius {
        say!("mean radius {}   {}", short(value), span(interval));
    }
    say!("{}", cost(summary));
    say!("{}", terms(summary));
    screen::warnings(&summary.warnings);
}

fn cost(summary: &SmoothingSummary) -> String {
    let (spent, all) = (summary.forwards, summary.forwards_of_all_draws);
    let saved = match spent > 0 && spent < all {
        true => format!(", {:.1} times fewer than all draws at these samples", all as f64 / spent as f64),
        false => String::new(),
    };
    format!("{} forward passes{saved}", grouped(spent))
}

/// The runtime with its version, as the manifest in the directory of the results has it.
fn runtime(summary: &SmoothingSummary, directory: &Path) -> String {
    let text = std::fs::read(directory.join("manifest.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    let known = manifest.pointer("/settings/runtime").and_then(Value::as_str);
    known.unwrap_or(&summary.runtime).into()
}

/// What is needed to repeat the run.
fn provenance(summary: &SmoothingSummary, runtime: &str) -> Block {
    let row = |name: &str, value: &str| vec![name.to_string(), value.to_string()];
    let data = summary.data.to_string();
    let mut rows = vec![
        row("model", &summary.model.file),
        row("SHA-256 of the model", &summary.model.sha256),
        row("data", &data),
    ];
    rows.extend(summary.data.files.iter().map(|f| row(&format!("SHA-256 of {}", f.file), &f.sha256)));
    rows.extend(summary.data.notes.iter().map(|note| row("done to the data", note)));
    rows.extend([row("runtime", runtime), row("seed", &summary.seed.to_string())]);
    rows.push(row("Kennard", env!("CARGO_PKG_VERSION")));
    Block::table(&["what", "which"], rows)
}

/// The page.
fn sheet(summary: &SmoothingSummary, command: Vec<String>, runtime: &str) -> Sheet {
    let goes_on = goes_on(&command);
    // A caller in another language has no flags.
    let warnings = match command.is_empty() {
        true => summary.warnings.clone(),
        false => report::flagged(&summary.warnings),
    };
    let data = &summary.data;
    let what = format!(
        "{GUARANTEE} {}: {} of {} samples of {data}.",
        noise(summary),
        summary.samples,
        summary.total
    );
    let mut sheet = Sheet::new(format!("{TITLE}: {}", summary.model.file), what, command);
    sheet.finished = summary.complete;
    sheet.goes_on = Some(goes_on.into());
    let leading =
        [summary.certified.first(), summary.certified.last().filter(|_| summary.certified.len() > 1)];
    let leading = if summary.sequential { leading } else { [summary.certified.first(), None] };
    for within in leading.into_iter().flatten() {
        let name = match within.radius {
            0.0 => "certified at any radius".into(),
            radius => format!("certified within {}", short(radius)),
        };
        let [share, range] = figures(within);
        sheet = sheet.lead(name, share, Some(range));
    }
    if let Some(radius) = summary.mean_radius {
        sheet = sheet.lead("mean certified radius", short(radius.value), Some(span(radius.interval)));
    }
    if let Some(abstained) = summary.abstained {
        sheet = sheet.lead("abstains on", format!("{} samples", grouped(abstained)), None);
    }
    sheet.warnings = warnings;
    let known =
        |within: &CertifiedWithin| Some((within.radius, within.certified_accuracy?, within.interval?));
    let curve = Curve::new("certified, g", summary.certified.iter().filter_map(known));
    // What is certified within a radius is so within every smaller one.
    let curve = Curve { nested: true, ..curve };
    let chart = Chart {
        title: format!("certified accuracy of the smoothed classifier, σ = {}", short(summary.sigma)),
        x: "radius, l2 [input unit]".into(),
        y: "certified accuracy [1]".into(),
        curves: vec![curve],
        linear: true,
        bound: None,
    };
    let row = |within: &CertifiedWithin| {
        let [share, range] = figures(within);
        vec![short(within.radius), grouped(within.certified), share, range]
    };
    let rows = summary.certified.iter().map(row).collect();
    let mut parts: Vec<Block> = Some(Block::chart(chart)).filter(|_| summary.complete).into_iter().collect();
    parts.push(Block::table(&["radius", "samples", "certified accuracy", "95 % interval"], rows));
    sheet
        .section("Certified accuracy over radius", parts)
        .section("Terms", vec![Block::note(terms(summary)), Block::note(format!("{}.", cost(summary)))])
        .section("How to repeat it", vec![provenance(summary, runtime)])
}
