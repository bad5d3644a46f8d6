//! R7: one network's own trade-off through the window, for networks trained with and without noise.
//!
//! A classifier smoothed by normal noise of width s resolves nothing finer than s, and keeps its answer within a radius that
//! can be certified. The curve over s of (its accuracy, its mean certified radius) is a trade-off of one network with itself.
//! Only decisions count, so that no temperature changes a figure.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::json;

use super::claim::{Claim, has_not_learnt, too_brief};
use super::{Conditions, Report, epochs, value};
use crate::experiment::{Lab, short};
use crate::figure::Figure;
use crate::picture::{Chart, Curve};
use crate::smoothing::{AtScale, Smoothing, curve};
use crate::{Error, Result};

/// Standard deviations of the noise that networks are trained with; 0 is training without.
const NOISES: [f64; 4] = [0.0, 0.125, 0.25, 0.5];

/// Seeds of the training runs, the units of all intervals.
const SEEDS: u64 = 5;

/// Widths of the window: steps of √2 around the noises of training.
const SCALES: [f64; 9] = [0.0625, 0.088, 0.125, 0.177, 0.25, 0.354, 0.5, 0.707, 1.0];

/// Draws that choose a certificate's class.
const CHOOSING: usize = 100;

/// Draws that count.
const DRAWS: usize = 1000;

/// The probability that a certificate is wrong.
const FAILURE: f64 = 0.001;

/// A network, and what was found at each scale.
#[derive(Serialize)]
struct Seen {
    name: String,
    noise: f64,
    seed: u64,
    curve: Vec<AtScale>,
}

/// The networks: their names, noises and seeds.
fn networks() -> impl Iterator<Item = (String, f64, u64)> {
    let of = |noise: f64| (0..SEEDS).map(move |seed| (format!("{}, seed {seed}", title(noise)), noise, seed));
    NOISES.into_iter().flat_map(of)
}

fn title(noise: f64) -> String {
    if noise == 0.0 { "without noise".into() } else { format!("noise {noise}") }
}

/// The training runs, in TOML.
pub fn settings() -> String {
    let run = |(name, noise, seed): (String, f64, u64)| {
        let method = match noise {
            0.0 => "method = \"standard\"".into(),
            noise => format!("method = \"gaussian-noise\"\nstrength = {noise}"),
        };
        format!("\n[[run]]\nname = \"{name}\"\n{method}\nseed = {seed}\n")
    };
    include_str!("r7.toml").to_owned() + &networks().map(run).collect::<String>()
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let (mut all, mut samples, mut classes) = (Vec::new(), 0, 0);
    for (run, (name, noise, seed)) in lab.runs().iter().zip(networks()) {
        let directory = on.out.join(&run.name);
        if !lab.train(run, &directory)? {
            return Ok(None);
        }
        let model = directory.join("last.onnx");
        let (data, engine) = lab.open(&model)?;
        let audit = lab.audit(&model, &data, &engine)?;
        let smoothing = Smoothing {
            engine: &engine,
            data: &data,
            samples: audit.samples,
            scales: SCALES.to_vec(),
            choosing: CHOOSING,
            draws: DRAWS,
            bounds: Some(audit.threat.bounds),
            seed: 0,
        };
        let records = smoothing.measure(lab.stop(), |_| ())?;
        if lab.stop().load(Ordering::Relaxed) {
            return Ok(None);
        }
        (samples, classes) = (records.len(), engine.classifier().classes());
        if samples < 2 {
            return Err(Error::Setting("one sample has no mean radius with an interval; take 200".into()));
        }
        all.push(Seen { name, noise, seed, curve: curve(&records, &SCALES, FAILURE) });
    }
    let mut report = Report::new(format!(
        "# R7: one network's trade-off through the window\n\nTrained and tested on {}, {samples} test images, {SEEDS} seeds. Majority of \
         {DRAWS} draws of x + N(0, s²), moved into the bounds as in\ntraining; certificates by Clopper & Pearson, each wrong with \
         probability {FAILURE}, at most {} s large. Figures: mean over seeds, 95 % interval over seeds.\n\n{}",
        on.data,
        short(largest_radius()),
        table(&all)
    ));
    let learnt = all.iter().find_map(|seen| has_not_learnt(seen.curve[0].accuracy.interval, classes));
    let too_small = too_brief(epochs(lab)).or(learnt);
    report.claims = claims(&all).into_iter().map(|claim| claim.unless(too_small.clone())).collect();
    report.figures = json!({ "draws": DRAWS, "failure": FAILURE, "networks": value(&all)? });
    report.pictures = vec![
        (
            "radius.svg".into(),
            chart(&all, "mean certified radius, l2 [input unit]", |at| at.certified_radius.value)?,
        ),
        (
            "accuracy.svg".into(),
            chart(&all, "accuracy of the smoothed classifier [1]", |at| at.accuracy.accuracy)?,
        ),
    ];
    Ok(Some(report))
}

/// The radius that a certificate has where all draws agree, in units of s.
fn largest_radius() -> f64 {
    let votes = crate::smoothing::Votes { chosen: 0, counts: vec![DRAWS as u64], draws: DRAWS as u64 };
    votes.certified_radius(1.0, FAILURE).unwrap_or_default()
}

impl Seen {
    /// The scale of the largest mean certified radius.
    fn best(&self) -> &AtScale {
        let larger =
            |best: &'_ AtScale, at: &'_ AtScale| at.certified_radius.value > best.certified_radius.value;
        self.curve.iter().fold(&self.curve[0], |best, at| if larger(best, at) { at } else { best })
    }
}

/// The mean over seeds of what each seed's networks of some noise give.
fn over_seeds(all: &[Seen], noise: f64, of: impl Fn(&Seen) -> f64) -> Figure {
    let values: Vec<f64> = all.iter().filter(|seen| seen.noise == noise).map(of).collect();
    Figure::mean(&values)
}

fn claims(all: &[Seen]) -> Vec<Claim> {
    let noisy = || NOISES.into_iter().filter(|noise| *noise > 0.0);
    // Per seed, so that seeds are what the intervals are over.
    let seeds = |of: &dyn Fn(u64) -> f64| Figure::mean(&(0..SEEDS).map(of).collect::<Vec<_>>());
    let seen = |noise: f64, seed: u64| all.iter().find(move |seen| seen.noise == noise && seen.seed == seed);
    let steps =
        |noise: f64, seed: u64| seen(noise, seed).map_or(f64::NAN, |seen| (seen.best().scale / noise).log2());
    let count = noisy().count() as f64;

    let off = seeds(&|seed| noisy().map(|noise| steps(noise, seed).abs()).sum::<f64>() / count);
    let smallest = NOISES[1];
    let largest = NOISES[NOISES.len() - 1];
    let moved = seeds(&|seed| {
        let best = |noise| seen(noise, seed).map_or(f64::NAN, |seen| seen.best().scale.log2());
        (best(largest) - best(smallest)) / (largest / smallest).log2()
    });
    let mut claims = vec![
        Claim::that(
            "networks trained with noise σ have their largest certified radius at s ≈ σ, within a factor of √2",
            off.interval,
            0.55,
            false,
            format!("mean |log₂(s/σ)| {}", worded(off)),
        ),
        Claim::that(
            "the more noise in training, the wider the window of the largest radius",
            moved.interval,
            0.0,
            true,
            format!("slope of log s in log σ {}", worded(moved)),
        ),
    ];
    for noise in noisy() {
        let gain = seeds(&|seed| {
            let radius =
                |noise| seen(noise, seed).map_or(f64::NAN, |seen| seen.best().certified_radius.value);
            radius(noise) - radius(0.0)
        });
        claims.push(Claim::that(
            format!("training with noise {noise} raises the largest certified radius over training without"),
            gain.interval,
            0.0,
            true,
            format!("by {}", worded(gain)),
        ));
    }
    let paid = seeds(&|seed| {
        let of = |noise| {
            seen(noise, seed).map_or(f64::NAN, |s| s.curve[0].accuracy.accuracy - s.best().accuracy.accuracy)
        };
        NOISES.into_iter().map(of).sum::<f64>() / NOISES.len() as f64
    });
    claims.push(Claim::that(
        "a network pays for its largest certified radius with accuracy",
        paid.interval,
        0.0,
        true,
        format!("accuracy at the narrowest window less that at the best {}", worded(paid)),
    ));
    claims
}

fn worded(figure: Figure) -> String {
    let [low, high] = figure.interval;
    format!("{} [{}, {}]", short(figure.value), short(low), short(high))
}

fn table(all: &[Seen]) -> String {
    let percent = |share: Figure| {
        let [low, high] = share.interval.map(|end| 100.0 * end);
        format!("{:.1} [{low:.1}, {high:.1}]", 100.0 * share.value)
    };
    let mut text = String::from(
        "| training | s | accuracy, % | certified, % | mean certified radius | all draws agree, % |\n|---|---|---|---|---|---|\n",
    );
    for noise in NOISES {
        for (place, s) in SCALES.iter().enumerate() {
            let of = |figure: fn(&AtScale) -> f64| over_seeds(all, noise, |seen| figure(&seen.curve[place]));
            let _ = writeln!(
                text,
                "| {} | {s} | {} | {} | {} | {:.0} |",
                title(noise),
                percent(of(|at| at.accuracy.accuracy)),
                percent(of(|at| at.certified.accuracy)),
                worded(of(|at| at.certified_radius.value)),
                100.0 * of(|at| at.unanimous as f64 / at.accuracy.tested as f64).value,
            );
        }
    }
    text
}

/// A curve for each noise of training.
fn chart(all: &[Seen], y: &str, of: fn(&AtScale) -> f64) -> Result<Vec<u8>> {
    let curves = NOISES.map(|noise| {
        let points = SCALES.iter().enumerate().map(|(place, &s)| {
            let figure = over_seeds(all, noise, |seen| of(&seen.curve[place]));
            (s, figure.value, figure.interval)
        });
        Curve::new(title(noise), points)
    });
    let chart = Chart {
        title: "Networks through a window of noise, 95 % bands over seeds".into(),
        x: "width of the window s [input unit]".into(),
        y: y.into(),
        curves: curves.into(),
        linear: false,
        bound: None,
    };
    Ok(chart.svg()?.into_bytes())
}
