//! R6: attacks on features beside attacks on pixels, at equal whitened size and at equal share of each sample's smallest step.
//!
//! In either space each element is measured in units of its standard deviation over the data (diagonal whitening), so that sizes
//! do not depend on where zero is, nor on the scale of a layer. The same attacks with the same steps run in both. They see
//! differences of logits alone, so that no temperature changes a figure.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::json;

use super::claim::{Claim, has_not_learnt, over_seeds, too_brief};
use super::features::last_features;
use super::seeds::{SEEDS, each_seed};
use super::{Conditions, PaperReport, epochs, value};
use crate::data::{DataSet, Sample, Selection};
use crate::engine::{Engine, EngineOptions, Oracle, Task};
use crate::experiment::whitened::{Attacked, Deviations, Whitened};
use crate::experiment::{Lab, lab, short};
use crate::figure::Figure;
use crate::packet::Hidden;
use crate::probe::labelled;
use crate::stats::{mean, median};
use crate::{Mismatch, Result};

/// How networks are trained.
const METHODS: [&str; 2] = ["standard", "pgd"];

/// Sizes: the root mean square of a step over the elements that vary, in standard deviations.
const SIZES: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

/// Shares of each sample's smallest step.
const SHARES: [f64; 3] = [0.5, 1.0, 2.0];

/// Standard deviations are over at least this many samples, where there are as many.
const MEASURED: usize = 2000;

/// A network, and what attacks found in both spaces.
#[derive(Serialize)]
struct Compared {
    name: String,
    method: String,
    seed: u64,
    /// Samples that are attacked, and those of them that are classified correctly.
    samples: u64,
    correct: u64,
    /// Samples with a smallest step in both spaces.
    pairs: u64,
    /// Broken shares of the correct samples at [`SIZES`], features and pixels.
    at_sizes: Vec<[f64; 2]>,
    /// Broken shares of the pairs at [`SHARES`], features and pixels.
    at_shares: Vec<[f64; 2]>,
    /// Median smallest steps, features and pixels: root mean square over the elements that vary, in standard deviations.
    smallest: [f64; 2],
    /// Elements that vary, features and pixels.
    live: [usize; 2],
}

/// The networks: their names, methods and seeds.
fn networks() -> impl Iterator<Item = (String, &'static str, u64)> {
    let of =
        |method: &'static str| (0..SEEDS).map(move |seed| (format!("{method}, seed {seed}"), method, seed));
    METHODS.into_iter().flat_map(of)
}

/// The training runs, in TOML.
pub fn settings() -> String {
    let run = |method: &str| format!("\n[[run]]\nname = \"{method}\"\nmethod = \"{method}\"\n");
    each_seed(&(include_str!("r6.toml").to_owned() + &METHODS.map(run).concat()))
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let (mut all, mut too_small) = (Vec::new(), too_brief(epochs(lab)));
    for (run, (name, method, seed)) in lab.runs().iter().zip(networks()) {
        let trained = lab::trained(lab, run, &on.out.join(&run.name))?;
        let Some((model, data, engine)) = trained else { return Ok(None) };
        let audit = lab.audit(&model, &data, &engine)?;
        let (selection, bounds) = (audit.samples, audit.threat.bounds);
        let compared = Compared {
            name,
            method: method.into(),
            seed,
            ..compare(lab, &engine, &data, selection, bounds)?
        };
        if lab.stop().load(Ordering::Relaxed) {
            return Ok(None);
        }
        let clean = crate::stats::clopper_pearson(compared.correct, compared.samples);
        too_small = too_small.or_else(|| has_not_learnt(clean, engine.classifier().classes()));
        all.push(compared);
    }
    let mut report = PaperReport::new(format!(
        "# R6: features and pixels in units of their own\n\nTrained and tested on {}, {} test images, {SEEDS} seeds. Features h behind the last \
         convolution, and pixels, each element in\nstandard deviations over the data; the same PGD (40 steps, l2, margin loss) in both. \
         Figures: mean over seeds, 95 % interval over seeds.\n",
        on.data,
        all.first().map_or(0, |compared: &Compared| compared.samples)
    ));
    for method in METHODS {
        let networks: Vec<&Compared> = all.iter().filter(|compared| compared.method == method).collect();
        report.text += &table(method, &networks);
        let differences: Vec<f64> = networks.iter().map(|c| c.at_shares[1][0] - c.at_shares[1][1]).collect();
        let claim = Claim::over_seeds(
            format!(
                "{method}: at each sample's smallest step, attacks on features break more than attacks on pixels"
            ),
            &differences,
            0.0,
            true,
        );
        report.claims.push(claim.unless(too_small.clone()));
    }
    Claim::adjust(&mut report.claims);
    report.figures = json!({ "sizes": SIZES, "shares": SHARES, "networks": value(&all)? });
    Ok(Some(report))
}

/// Attacks in both spaces of one network.
fn compare(
    lab: &dyn Lab,
    engine: &Engine,
    data: &DataSet,
    selection: Selection,
    bounds: [f32; 2],
) -> Result<Compared> {
    let options = EngineOptions::default();
    let hidden = Hidden::new(engine, &last_features(engine.classifier().head())?, &options)?;
    if hidden.rest() > 0 {
        let (elements, tensor) = (hidden.rest(), hidden.name().into());
        return Err(Mismatch::Past { elements, tensor, taker: "R6" }.into());
    }
    let (mut features, mut pixels) = (Deviations::default(), Deviations::default());
    for sample in labelled(engine, data, larger(selection).indices(data.len()))? {
        let input = sample?.input;
        features.push(&hidden.values(&input)?.tensor);
        pixels.push(&input);
    }
    let range = [if hidden.is_nonnegative() { 0.0 } else { f32::MIN }, f32::MAX];
    let features = Whitened::new(hidden.engine(), &features, range, &options)?;
    let pixels = Whitened::new(engine, &pixels, bounds, &options)?;

    let samples: Vec<Sample> =
        labelled(engine, data, selection.indices(data.len()))?.collect::<Result<_>>()?;
    let inside = |sample: &Sample| {
        let input = features.place(&hidden.values(&sample.input)?.tensor);
        Ok(Sample { input, ..sample.clone() })
    };
    let in_pixels =
        samples.iter().map(|sample| Ok(Sample { input: pixels.place(&sample.input), ..sample.clone() }));
    let in_pixels = attack(lab, &pixels, in_pixels)?;
    let in_features = attack(lab, &features, samples.iter().map(inside))?;
    Ok(summary(in_features, in_pixels, [features.live, pixels.live]))
}

/// A selection that holds at least [`MEASURED`] samples and the given ones.
fn larger(selection: Selection) -> Selection {
    match selection {
        Selection::Random { count, seed } => Selection::Random { count: count.max(MEASURED), seed },
        Selection::First(count) => Selection::First(count.max(MEASURED)),
        all => all,
    }
}

fn attack(
    lab: &dyn Lab,
    space: &Whitened,
    samples: impl Iterator<Item = Result<Sample>> + Send,
) -> Result<Vec<Option<Attacked>>> {
    let sizes = SIZES.map(|size| size * (space.live as f64).sqrt());
    let task = |oracle: Oracle, sample: Sample| -> Task<'_, Option<Attacked>> {
        Box::pin(async move { space.attack(&oracle, &sample, &sizes, &SHARES, 0).await })
    };
    let mut found = Vec::new();
    space.engine().run_in_order(samples, task, lab.stop(), |attacked| {
        found.push(attacked);
        Ok(())
    })?;
    Ok(found)
}

fn summary(features: Vec<Option<Attacked>>, pixels: Vec<Option<Attacked>>, live: [usize; 2]) -> Compared {
    let samples = features.len() as u64;
    // Rounding alone can make a sample correct in one space and not in the other.
    let correct: Vec<[Attacked; 2]> =
        features.into_iter().zip(pixels).filter_map(|(f, p)| Some([f?, p?])).collect();
    let pairs: Vec<&[Attacked; 2]> =
        correct.iter().filter(|both| both.iter().all(|space| space.smallest.is_some())).collect();
    let at_sizes =
        (0..SIZES.len()).map(|k| [0, 1].map(|space| share(correct.iter(), |both| both[space].at_sizes[k])));
    let at_shares =
        (0..SHARES.len()).map(|k| [0, 1].map(|space| share(pairs.iter(), |both| both[space].at_shares[k])));
    let smallest = [0, 1].map(|space| {
        let norms = pairs.iter().filter_map(|both| both[space].smallest);
        median(norms).map_or(f64::NAN, |(median, _)| median / (live[space] as f64).sqrt())
    });
    Compared {
        name: String::new(),
        method: String::new(),
        seed: 0,
        samples,
        correct: correct.len() as u64,
        pairs: pairs.len() as u64,
        at_sizes: at_sizes.collect(),
        at_shares: at_shares.collect(),
        smallest,
        live,
    }
}

/// The share of values of which `is` is true; NaN of none.
fn share<T>(all: impl Iterator<Item = T>, is: impl Fn(T) -> bool) -> f64 {
    mean(&all.map(|one| f64::from(u8::from(is(one)))).collect::<Vec<_>>())
}

/// The mean over the networks that have a figure, which differ in their seeds, in words; a dash where fewer than three have it.
fn mean_over(
    networks: &[&Compared],
    of: impl Fn(&Compared) -> f64,
    worded: impl Fn(Figure) -> String,
) -> String {
    let values: Vec<f64> = networks.iter().map(|c| of(c)).filter(|value| value.is_finite()).collect();
    let (known, all) = (values.len(), networks.len());
    let some = if known < all { format!(" ({known} of {all} seeds)") } else { String::new() };
    over_seeds(&values).map_or("–".into(), worded) + &some
}

fn percent(figure: Figure) -> String {
    figure.worded(" points", |share| format!("{:+.1}", 100.0 * share))
}

fn table(method: &str, networks: &[&Compared]) -> String {
    let mean = |of: &dyn Fn(&Compared) -> f64| mean_over(networks, of, |figure| short(figure.value));
    let share = |of: &dyn Fn(&Compared) -> f64| {
        mean_over(networks, of, |figure| format!("{:.1}", 100.0 * figure.value))
    };
    let mut text = format!(
        "\n## {method}\n\n{} % are classified correctly. Median smallest step: {} standard deviations (root mean square over {} \
         elements) in features,\n{} (over {}) in pixels.\n\n| step | features broken, % | pixels broken, % | difference |\n|---|---|---|---|\n",
        share(&|c| c.correct as f64 / c.samples as f64),
        mean(&|c| c.smallest[0]),
        mean(&|c| c.live[0] as f64),
        mean(&|c| c.smallest[1]),
        mean(&|c| c.live[1] as f64),
    );
    let mut row = |step: String, of: &dyn Fn(&Compared) -> [f64; 2]| {
        let _ = writeln!(
            text,
            "| {step} | {} | {} | {} |",
            share(&|c| of(c)[0]),
            share(&|c| of(c)[1]),
            mean_over(networks, |c| of(c)[0] - of(c)[1], percent)
        );
    };
    for (k, size) in SIZES.iter().enumerate() {
        row(format!("{size} standard deviations"), &|c| c.at_sizes[k]);
    }
    for (k, share) in SHARES.iter().enumerate() {
        row(format!("{share} of the smallest step"), &|c| c.at_shares[k]);
    }
    text
}
