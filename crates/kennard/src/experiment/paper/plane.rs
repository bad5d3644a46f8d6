//! E4: two classes in the plane, by quadrature, over training time and over the sharpness of the boundary.

mod shown;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use shown::{chart, table};

use crate::Figure;
use kennard_graph::Tensor;
use kennard_runtime::{Choice, Runtime};
use serde::Serialize;

use super::claim::{Claim, ClaimVerdict, is_not_accurate, mean_over_seeds, too_brief};
use super::jobs::each_of;
use super::seeds::SEEDS;
use super::{Conditions, PaperReport, value};
use crate::data::Problem;
use crate::engine::{Engine, EngineOptions};
use crate::experiment::Lab;
use crate::quadrature::{PlanePlan, PlaneReport, WindowPackets};
use crate::stats::rank_correlation;
use crate::train::{
    Architecture, Kept, Network, Recipe, Schedule, TrainedOn, Training, TrainingDirectory, TrainingSet,
    TrainingSettings,
};
use crate::{Classifier, Graph, Preprocessing, Result};

const PROBLEMS: [Problem; 3] = [Problem::Moons, Problem::Circles, Problem::Xor];
/// Training points and their noise, in input units.
pub const POINTS: usize = 2000;
const NOISE: f64 = 0.03;
pub const EPOCHS: usize = 64;
/// Added to a network's seed, for the points that are measured: no network is trained on those, and intervals over seeds are over
/// them too.
const FRESH: u64 = 1_000_000;
/// The scale of the windows whose figures are followed.
const SCALE: f64 = 0.1;
/// What the logits of the trained network are multiplied with: the boundary gets sharper.
const SHARPER: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Epochs that are measured.
const MEASURED: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// What was measured of one network: at which epochs, and at which factors of the last one's logits.
#[derive(Serialize)]
struct PlaneMeasurements {
    epochs: Vec<At>,
    sharpness: Vec<At>,
}

#[derive(Serialize)]
struct At {
    /// The epoch, or the factor.
    at: f64,
    report: PlaneReport,
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let runtime = Runtime::open(Choice::Auto)?;
    let epochs = on.epochs.unwrap_or(EPOCHS);
    let jobs: Vec<(Problem, u64)> =
        PROBLEMS.iter().flat_map(|problem| (0..SEEDS).map(move |seed| (*problem, seed))).collect();
    let name = |(problem, seed): &(Problem, u64)| format!("{problem}, seed {seed}");
    let (command, stop) = (lab.command(), lab.stop());
    let found = each_of(lab, &jobs, name, |job| {
        let directory = on.out.join(name(job));
        let (problem, seed) = *job;
        let points = on.samples.unwrap_or(POINTS);
        let Some(models) = train((&command, stop), problem, seed, [epochs, points], &directory, &runtime)?
        else {
            return Ok(None);
        };
        Ok(Some(measured(problem, seed, &models, &runtime)?))
    })?;
    let Some(found) = found else { return Ok(None) };
    let mut report = PaperReport::new(format!(
        "# E4: two classes in the plane, by quadrature\n\n{SEEDS} seeds: mean over seeds, 95 % interval over seeds. There is no sampling error.\n"
    ));
    report.claims.push(bound(&found));
    for (problem, networks) in PROBLEMS.iter().zip(found.chunks(SEEDS as usize)) {
        let epochs_of: Vec<&[At]> = networks.iter().map(|m| m.epochs.as_slice()).collect();
        let sharpness_of: Vec<&[At]> = networks.iter().map(|m| m.sharpness.as_slice()).collect();
        let inaccurate = networks.iter().find_map(|m| is_not_accurate(last_accuracy(m), 2));
        let too_small = too_brief(epochs).or(inaccurate);
        report.text += &format!("\n## {problem}\n");
        for (what, file, meanwhile, rows) in [
            ("epoch", "epochs", "while the network learns", epochs_of),
            ("factor", "sharpness", "with the sharpness of the boundary", sharpness_of),
        ] {
            if file == "sharpness" {
                report.text += "\nLogits of the last network times a factor:\n";
            }
            report.text += &format!("\n{}", table(what, &rows));
            for (figure, of, grows) in SPREADS {
                let trend = |rows: &&[At]| {
                    let pairs: Vec<(f64, f64)> =
                        rows.iter().map(|at| (at.at, of(&at.report.windows[0]).value)).collect();
                    rank_correlation(&pairs).unwrap_or(f64::NAN)
                };
                let verb = if grows { "grows" } else { "shrinks" };
                let claim =
                    format!("{problem}: {figure} of Gaussian packets {verb} {meanwhile}: rank correlation");
                let trends: Vec<f64> = rows.iter().map(trend).collect();
                let ends =
                    [0, rows[0].len() - 1].map(|i| mean_of(&rows, i, |r| of(&r.windows[0]).value).value);
                let claim = Claim::over_seeds(claim, &trends, 0.0, grows).between(ends[0], ends[1]);
                report.claims.push(claim.unless(too_small.clone()));
            }
            let x = if file == "epochs" { "epoch [1]" } else { "factor of the logits [1]" };
            let chart = chart(&problem.to_string(), x, &rows)?;
            report.pictures.push((format!("{problem}-{file}.svg"), chart.into_bytes()));
        }
        report.figures[problem.to_string()] = value(&networks)?;
    }
    Claim::adjust(&mut report.claims);
    Ok(Some(report))
}

fn measured(
    problem: Problem,
    seed: u64,
    models: &[(usize, PathBuf)],
    runtime: &Runtime,
) -> Result<PlaneMeasurements> {
    let plan =
        PlanePlan { noise: NOISE, seed: FRESH + seed, samples: 1000, ..PlanePlan::new(problem, vec![SCALE]) };
    let mut epochs = Vec::new();
    for (epoch, path) in models {
        epochs.push(At { at: *epoch as f64, report: measure(&Graph::load(path)?, &plan, runtime)? });
    }
    let last = Graph::load(&models[models.len() - 1].1)?;
    let mut sharpness = Vec::new();
    for factor in SHARPER {
        sharpness.push(At { at: factor, report: measure(&with_logits(&last, factor), &plan, runtime)? });
    }
    Ok(PlaneMeasurements { epochs, sharpness })
}

/// That no packet's product is below its bound, by more than the error of the quadrature.
fn bound(found: &[PlaneMeasurements]) -> Claim {
    let (mut below, mut packets) = (0, 0);
    for at in found.iter().flat_map(|m| m.epochs.iter().chain(&m.sharpness)) {
        for c in at.report.boxes.iter().flat_map(|packet| &packet.coordinates) {
            packets += 1;
            below += usize::from(c.product.value + c.product.error() < c.bound.value - c.bound.error());
        }
        for window in &at.report.windows {
            packets += 1;
            below += usize::from(window.product_min + window.error < window.bound);
        }
    }
    Claim {
        claim: "no packet's product is below its bound".into(),
        verdict: if below == 0 { ClaimVerdict::ComesOut } else { ClaimVerdict::DoesNotComeOut },
        evidence: format!("{below} of {packets} are below by more than the error of the quadrature"),
        p: None,
    }
}

/// The interval of the accuracy at the end.
fn last_accuracy(of: &PlaneMeasurements) -> [f64; 2] {
    of.epochs.last().map_or([f64::NAN; 2], |at| at.report.accuracy.interval)
}

/// The mean over seeds of a figure in the `i`-th row of each.
fn mean_of(rows: &[&[At]], i: usize, of: impl Fn(&PlaneReport) -> f64) -> Figure {
    mean_over_seeds(rows.iter().map(|rows| of(&rows[i].report)))
}

/// A figure of the packets under windows of one scale.
type WindowFigure = fn(&WindowPackets) -> Figure;

/// The claims about the packets' figures: whether they grow.
const SPREADS: [(&str, WindowFigure, bool); 4] = [
    ("σ_x", |w| w.sigma_x, false),
    ("σ_p", |w| w.sigma_p, true),
    ("the product", |w| w.product, true),
    ("drift", |w| w.drift, true),
];

/// Trains a small network of a seed for this many epochs on this many points, and names the checkpoints to measure.
fn train(
    (command, stop): (&[String], &AtomicBool),
    problem: Problem,
    seed: u64,
    [epochs, points]: [usize; 2],
    directory: &Path,
    runtime: &Runtime,
) -> Result<Option<Vec<(usize, PathBuf)>>> {
    let recipe = Recipe {
        epochs,
        batch: 64,
        rate: 0.01,
        schedule: Schedule::Cosine,
        decay: 0.0,
        held_out: points / 10,
        seed,
        ..Recipe::default()
    };
    let samples = problem.samples(points, NOISE, seed);
    let values = samples.iter().flat_map(|sample| sample.input.clone()).collect();
    let labels = samples.iter().map(|sample| sample.label).collect();
    let samples = TrainingSet::of(values, labels, &[2], &recipe)?;
    let model = "mlp:32,32".parse::<Architecture>()?.build(&[2], 2, None, Kept::Activations, seed)?;
    let settings = TrainingSettings {
        network: Network::Architecture("mlp:32,32".into()),
        samples: TrainedOn::Problem { problem: problem.to_string(), points },
        recipe: recipe.clone(),
        runtime: None,
    };
    let directory = TrainingDirectory::open(directory, command.to_vec(), &settings, true)?;
    let training = Training { model: &model, recipe: &recipe, samples: &samples, runtime, threads: 1 };
    if training.run(Some(&directory), stop, |_| ())?.interrupted {
        return Ok(None);
    }
    let measured = MEASURED.iter().copied().filter(|epoch| *epoch < epochs).chain([epochs]);
    Ok(Some(measured.map(|epoch| (epoch, directory.checkpoint(epoch))).collect()))
}

fn measure(model: &Graph, plan: &PlanePlan, runtime: &Runtime) -> Result<PlaneReport> {
    let classifier = Classifier::new(model, &[2], &Preprocessing::default())?;
    plan.measure(&Engine::new(classifier, runtime.clone(), &EngineOptions::default())?)
}

/// The network with its logits multiplied, in the weights of the last layer.
fn with_logits(model: &Graph, factor: f64) -> Graph {
    let mut graph = model.clone();
    for name in ["logits.weight", "logits.bias"] {
        if let Some(Tensor::F32(weights)) = graph.constants.get_mut(name) {
            *weights = weights.mapv(|w| (f64::from(w) * factor) as f32).into_shared();
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Figure;

    /// 76 % of 1000 points may be 73.2 %, which is less than half of the way from chance.
    #[test]
    fn networks_are_judged_by_the_lower_end_of_their_accuracy() {
        let measured = |correct: u64| {
            let report = PlaneReport {
                problem: "moons".into(),
                noise: NOISE,
                seed: 1,
                samples: 1000,
                correct,
                accuracy: Figure::new(correct as f64 / 1000.0, crate::stats::clopper_pearson(correct, 1000)),
                boxes: Vec::new(),
                windows: Vec::new(),
            };
            PlaneMeasurements { epochs: vec![At { at: 64.0, report }], sharpness: Vec::new() }
        };
        let judged = |correct| is_not_accurate(last_accuracy(&measured(correct)), 2).is_none();
        assert_eq!([740, 760, 790].map(judged), [false, false, true]);
    }
}
