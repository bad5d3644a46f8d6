//! R4: networks beside the known frontier of accuracy and robustness, and where both can be had.

mod sets;

use std::sync::atomic::AtomicBool;

use kennard_runtime::Choice;
use serde::Serialize;
use serde_json::json;

use super::claim::{Claim, has_not_learnt, over_seeds, too_brief};
use super::jobs::each_of;
use super::{Conditions, PaperReport, value};
use crate::attack::{Apgd, AttackLoss, stays_correct};
use crate::data::Sample;
use crate::engine::{Engine, EngineOptions, Oracle, Task};
use crate::experiment::Lab;
use crate::figure::counted;
use crate::stats::clopper_pearson;
use crate::train::{Architecture, Kept, Method, Optimizer, Recipe, Schedule, Training, TrainingSet};
use crate::{Classifier, Graph, Norm, Preprocessing, Result, Runtime, ThreatModel};
use sets::{DIMENSION, Set};

/// Points to train on and to measure on.
pub const TRAIN: usize = 4000;
const TEST: usize = 2000;
pub const EPOCHS: usize = 20;
const SEEDS: u64 = 5;
/// The network.
const NETWORK: &str = "mlp:32";
/// The size of attacks, linf; the separated classes are farther apart than twice that.
pub const EPS: f64 = 0.15;
/// Sizes of the attacks in training; 0 is none.
const RADII: [f64; 4] = [0.0, 0.05, 0.1, EPS];
/// No point has a coordinate beyond these, or nearly none: 13 standard deviations.
const BOUNDS: [f32; 2] = [-8.0, 8.0];

/// A trained network.
#[derive(Clone, Debug, Serialize)]
struct TrainedNetwork {
    set: Set,
    /// The size of attacks in training.
    radius: f64,
    seed: u64,
    clean: f64,
    robust: f64,
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let runtime = Runtime::open(Choice::Auto)?;
    let epochs = on.epochs.unwrap_or(EPOCHS);
    let train = on.samples.unwrap_or(TRAIN);
    let stop = lab.stop();
    let jobs: Vec<(Set, f64, u64)> = [Set::Gaussian, Set::Separated]
        .into_iter()
        .flat_map(|set| {
            RADII.into_iter().flat_map(move |radius| (0..SEEDS).map(move |seed| (set, radius, seed)))
        })
        .collect();
    let name = |(set, radius, seed): &(Set, f64, u64)| format!("{set}, trained at {radius}, seed {seed}");
    let work = |&(set, radius, seed): &(Set, f64, u64)| -> Result<Option<TrainedNetwork>> {
        let Some(model) = trained(set, radius, seed, [epochs, train], &runtime, stop)? else {
            return Ok(None);
        };
        let [clean, robust] = measured(&model, set, tested(train), seed, &runtime, stop)?;
        Ok(Some(TrainedNetwork { set, radius, seed, clean, robust }))
    };
    let Some(found) = each_of(lab, &jobs, name, work)? else { return Ok(None) };
    let mut report = PaperReport::new(text(&found, epochs, train));
    report.claims = claims(&found, epochs, tested(train));
    report.figures = json!({ "eps": EPS, "networks": value(&found)?, "frontier": sets::frontier(EPS, 21) });
    Ok(Some(report))
}

fn recipe(radius: f64, epochs: usize, seed: u64) -> Recipe {
    let (method, eps) = match radius {
        0.0 => (Method::Standard, None),
        _ => (Method::Pgd { steps: 7 }, Some(radius)),
    };
    Recipe {
        method,
        norm: Norm::Linf,
        eps,
        bounds: BOUNDS,
        epochs,
        batch: 64,
        part: 64,
        optimizer: Optimizer::AdamW { betas: [0.9, 0.999] },
        rate: 0.005,
        schedule: Schedule::Cosine,
        decay: 0.0,
        seed,
        ..Recipe::default()
    }
}

fn trained(
    set: Set,
    radius: f64,
    seed: u64,
    [epochs, count]: [usize; 2],
    runtime: &Runtime,
    stop: &AtomicBool,
) -> Result<Option<Graph>> {
    let recipe = recipe(radius, epochs, seed);
    let (values, labels) = set.points(count, seed, "train");
    let samples = TrainingSet::of(values, labels, &[DIMENSION], &recipe)?;
    let model = NETWORK.parse::<Architecture>()?.build(&[DIMENSION], 2, None, Kept::Activations, seed)?;
    let training = Training { model: &model, recipe: &recipe, samples: &samples, runtime, threads: 1 };
    let trained = training.run(None, stop, |_| ())?;
    Ok((!trained.interrupted).then_some(trained.model))
}

/// Accuracy on points of their own, as they are and under APGD.
fn measured(
    model: &Graph,
    set: Set,
    count: usize,
    seed: u64,
    runtime: &Runtime,
    stop: &AtomicBool,
) -> Result<[f64; 2]> {
    let classifier = Classifier::new(model, &[DIMENSION], &Preprocessing::default())?;
    let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
    let engine = Engine::new(classifier, runtime.clone(), &options)?;
    let attack = Apgd { loss: AttackLoss::Margin, ..Apgd::default() };
    let threat = ThreatModel::within(Norm::Linf, EPS, BOUNDS)?;
    let (values, labels) = set.points(count, seed, "test");
    let samples = values.chunks_exact(DIMENSION).zip(labels).enumerate();
    let samples = samples.map(|(index, (input, label))| Ok(Sample { index, input: input.to_vec(), label }));
    let task = |oracle: Oracle, sample: Sample| -> Task<'_, (bool, Option<bool>)> {
        let attack = &attack;
        Box::pin(async move { stays_correct(oracle, &sample, &[DIMENSION], attack, Some(threat)).await })
    };
    let (mut correct, mut robust) = (0usize, 0usize);
    engine.run(samples, task, stop, |(right, held)| {
        correct += usize::from(right);
        robust += usize::from(held == Some(true));
        Ok(())
    })?;
    Ok([correct, robust].map(|held| held as f64 / count as f64))
}

/// The networks of a set that were trained at a radius, in the order of seeds.
fn of(found: &[TrainedNetwork], set: Set, radius: f64) -> impl Iterator<Item = &TrainedNetwork> {
    found.iter().filter(move |f| f.set == set && f.radius == radius)
}

/// What became of the claims, of networks that were measured on this many points.
fn claims(found: &[TrainedNetwork], epochs: usize, tested: usize) -> Vec<Claim> {
    let lost = |set| -> Vec<f64> {
        of(found, set, 0.0)
            .zip(of(found, set, EPS))
            .map(|(plain, robust)| plain.clean - robust.clean)
            .collect()
    };
    let short_of: Vec<f64> = of(found, Set::Gaussian, EPS).map(distance).collect();
    let held: Vec<f64> = of(found, Set::Separated, EPS).map(|f| f.robust).collect();
    let mut claims = vec![
        Claim::over_seeds(
            "a trade-off where one is needed: clean accuracy, plain less trained at ε, Gaussian classes",
            &lost(Set::Gaussian),
            0.0,
            true,
        ),
        Claim::over_seeds(
            "a trade-off where none is needed: the same of separated classes",
            &lost(Set::Separated),
            0.0,
            true,
        ),
        Claim::over_seeds(
            "networks trained at ε come close to the frontier: robust accuracy below it by less than 0.05",
            &short_of,
            0.05,
            false,
        ),
        Claim::over_seeds(
            "both can be had: robust accuracy above 0.95 of networks trained at ε, separated classes",
            &held,
            0.95,
            true,
        ),
    ];
    let reason = too_brief(epochs).or_else(|| unlearnt(found, tested));
    claims = claims.into_iter().map(|claim| claim.unless(reason.clone())).collect();
    Claim::adjust(&mut claims);
    claims
}

/// Why networks that claims are about have not learnt their task; nothing where all have.
fn unlearnt(found: &[TrainedNetwork], tested: usize) -> Option<String> {
    let judged = found.iter().filter(|f| f.radius == 0.0 || f.radius == EPS);
    let interval =
        |f: &TrainedNetwork| clopper_pearson((f.clean * tested as f64).round() as u64, tested as u64);
    judged.map(interval).find_map(|interval| has_not_learnt(interval, 2))
}

/// How far the robust accuracy is below the frontier's at the same clean accuracy.
fn distance(found: &TrainedNetwork) -> f64 {
    sets::frontier_at(EPS, found.clean) - found.robust
}

/// How many points networks are measured on that were trained on `train` points.
fn tested(train: usize) -> usize {
    TEST.min(2 * train)
}

fn text(found: &[TrainedNetwork], epochs: usize, train: usize) -> String {
    let mut text = format!(
        "# R4: is the trade-off intrinsic?\n\nTwo classes in {DIMENSION} dimensions, `{NETWORK}`, {train} points to train on, \
         {} to measure on, {}, {SEEDS} seeds;\nattacks in linf, ε = {EPS} (APGD). Means over seeds with \
         the bootstrap's interval over seeds.\n\n| classes | trained at | clean, % | robust, % | below the frontier, points |\n\
         |---|---|---|---|---|\n",
        tested(train),
        counted(epochs, "epoch")
    );
    let percent = |values: Vec<f64>| over_seeds(&values).map_or("–".into(), |figure| figure.percent("", 1));
    for set in [Set::Gaussian, Set::Separated] {
        for radius in RADII {
            let rows = || of(found, set, radius);
            let below = match set {
                Set::Gaussian => percent(rows().map(distance).collect()),
                Set::Separated => percent(rows().map(|f| 1.0 - f.robust).collect()),
            };
            text += &format!(
                "| {set} | {radius} | {} | {} | {below} |\n",
                percent(rows().map(|f| f.clean).collect()),
                percent(rows().map(|f| f.robust).collect())
            );
        }
    }
    text += "\nThe frontier of linear classifiers of the Gaussian classes, whose ends are the best that any classifier can do:\n\n\
             | clean, % | robust, % |\n|---|---|\n";
    let mut points = sets::frontier(EPS, 6);
    // Where the weak features are out, a larger threshold changes the classifier's length alone.
    points.dedup_by(|one, before| (0..2).all(|i| (one[i] - before[i]).abs() < 1e-9));
    for [clean, robust] in points {
        text += &format!("| {:.2} | {:.2} |\n", 100.0 * clean, 100.0 * robust);
    }
    text + "\nSeparated classes can be told apart with 100 % under attack.\n\n"
}

#[cfg(test)]
mod tests {
    use super::super::claim::ClaimVerdict;
    use super::*;

    /// Networks of five seeds; those of the Gaussian classes are right on a share of the points.
    fn networks(gaussian: f64) -> Vec<TrainedNetwork> {
        let sets = [(Set::Gaussian, gaussian), (Set::Separated, 0.9)];
        let of_set = |(set, clean): (Set, f64)| {
            [0.0, EPS].into_iter().flat_map(move |radius| {
                (0..SEEDS).map(move |seed| {
                    let clean = clean - if radius > 0.0 { 0.02 + 0.001 * seed as f64 } else { 0.0 };
                    TrainedNetwork { set, radius, seed, clean, robust: clean - 0.1 }
                })
            })
        };
        sets.into_iter().flat_map(of_set).collect()
    }

    /// Φ(1) and Φ(0.7), which hold at two of the thresholds.
    #[test]
    fn no_point_of_the_frontier_is_told_twice() {
        let text = text(&networks(0.9), EPOCHS, TRAIN);
        assert_eq!(text.matches("| 84.13 | 75.80 |").count(), 1, "{text}");
    }

    /// A quarter of the way from chance is 62.5 %, and it is the lower end that counts.
    #[test]
    fn networks_that_have_not_learnt_have_no_verdict() {
        let judged = |gaussian: f64, tested: usize| {
            let claims = claims(&networks(gaussian), EPOCHS, tested);
            claims.iter().filter(|claim| claim.verdict != ClaimVerdict::TooSmallToJudge).count()
        };
        assert_eq!(judged(0.9, 2000), 4);
        assert_eq!(judged(0.55, 2000), 0);
        assert_eq!([judged(0.72, 2000), judged(0.72, 140)], [4, 0]);
    }
}
