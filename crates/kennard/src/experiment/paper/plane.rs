//! E4: two classes in the plane, by quadrature, over training time and over the sharpness of the boundary.

use std::path::{Path, PathBuf};

use crate::Figure;
use kennard_graph::Tensor;
use kennard_runtime::{Choice, Runtime};
use serde_json::json;

use super::claim::{Claim, Verdict, is_not_accurate, too_brief};
use super::{Conditions, Report, value};
use crate::data::Problem;
use crate::engine::{Engine, EngineOptions};
use crate::experiment::{Lab, short};
use crate::picture::{Chart, Curve};
use crate::quadrature::{PlanePlan, PlaneReport, WindowPackets};
use crate::train::{
    Architecture, Network, Recipe, Schedule, TrainedOn, Training, TrainingDirectory, TrainingSet,
    TrainingSettings,
};
use crate::{Classifier, Graph, Preprocessing, Result};

const PROBLEMS: [Problem; 3] = [Problem::Moons, Problem::Circles, Problem::Xor];
/// Training points and their noise, in input units.
const POINTS: usize = 2000;
const NOISE: f64 = 0.03;
/// The scale of the windows whose figures are followed.
const SCALE: f64 = 0.1;
/// What the logits of the trained network are multiplied with: the boundary gets sharper.
const SHARPER: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Epochs that are measured.
const MEASURED: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let runtime = Runtime::open(Choice::Auto)?;
    let epochs = on.epochs.unwrap_or(64);
    let mut report = Report::new("# E4: two classes in the plane, by quadrature\n");
    let (mut below, mut packets) = (0, 0);
    for problem in PROBLEMS {
        let directory = on.out.join(problem.to_string());
        let Some(models) = train(lab, problem, epochs, on.samples.unwrap_or(POINTS), &directory, &runtime)?
        else {
            return Ok(None);
        };
        let plan =
            PlanePlan { problem, noise: NOISE, seed: 1, samples: 1000, scales: vec![SCALE], centres: 8 };
        let mut rows = Vec::new();
        for (epoch, path) in &models {
            rows.push((*epoch as f64, measure(&Graph::load(path)?, &plan, &runtime)?));
        }
        let last = Graph::load(&models[models.len() - 1].1)?;
        let mut sharper = Vec::new();
        for factor in SHARPER {
            sharper.push((factor, measure(&with_logits(&last, factor), &plan, &runtime)?));
        }
        report.text += &format!(
            "\n## {problem}\n\n{}\nLogits of the last network times a factor:\n\n{}",
            table("epoch", &rows),
            table("factor", &sharper)
        );
        for (_, found) in rows.iter().chain(&sharper) {
            for c in found.boxes.iter().flat_map(|packet| &packet.coordinates) {
                packets += 1;
                below += usize::from(c.product.value + c.product.error() < c.bound.value - c.bound.error());
            }
            for window in &found.windows {
                packets += 1;
                below += usize::from(window.product_min + window.error < window.bound);
            }
        }
        let accuracy = rows.last().map_or(f64::NAN, |(_, last)| last.accuracy);
        let too_small = too_brief(epochs).or_else(|| is_not_accurate([accuracy; 2], 2));
        for (rows, meanwhile) in
            [(&rows, "while the network learns"), (&sharper, "with the sharpness of the boundary")]
        {
            for (figure, of, grows) in SPREADS {
                let pairs: Vec<(f64, f64)> =
                    rows.iter().map(|(x, r)| (*x, of(&r.windows[0]).value)).collect();
                let verb = if grows { "grows" } else { "shrinks" };
                let claim = format!("{problem}: {figure} of Gaussian packets {verb} {meanwhile}");
                report.correlate(claim, &pairs, grows, &too_small);
            }
        }
        for (name, what, rows) in
            [("epochs", "epoch [1]", &rows), ("sharpness", "factor of the logits [1]", &sharper)]
        {
            report.pictures.push((
                format!("{problem}-{name}.svg"),
                chart(&problem.to_string(), what, rows)?.into_bytes(),
            ));
        }
        let json = |rows: &[(f64, PlaneReport)]| -> Result<Vec<serde_json::Value>> {
            rows.iter().map(|(x, r)| Ok(json!({ "at": x, "report": value(r)? }))).collect()
        };
        report.figures[problem.to_string()] = json!({ "epochs": json(&rows)?, "sharpness": json(&sharper)? });
    }
    let bound = Claim {
        claim: "no packet's product is below its bound".into(),
        verdict: if below == 0 { Verdict::ComesOut } else { Verdict::DoesNotComeOut },
        evidence: format!("{below} of {packets} are below by more than the error of the quadrature"),
        p: None,
    };
    report.claims.insert(0, bound);
    Ok(Some(report))
}

/// A figure of the packets under windows of one scale.
type Of = fn(&WindowPackets) -> Figure;

/// The claims about the packets' figures: whether they grow.
const SPREADS: [(&str, Of, bool); 4] = [
    ("σ_x", |w| w.sigma_x, false),
    ("σ_p", |w| w.sigma_p, true),
    ("the product", |w| w.product, true),
    ("drift", |w| w.drift, true),
];

/// Trains a small network, and names the checkpoints to measure.
fn train(
    lab: &dyn Lab,
    problem: Problem,
    epochs: usize,
    points: usize,
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
        ..Recipe::default()
    };
    let samples = problem.samples(points, NOISE, 0);
    let values = samples.iter().flat_map(|sample| sample.input.clone()).collect();
    let labels = samples.iter().map(|sample| sample.label).collect();
    let samples = TrainingSet::of(values, labels, &[2], &recipe)?;
    let model = "mlp:32,32".parse::<Architecture>()?.build(&[2], 2, None, 0)?;
    let settings = TrainingSettings {
        network: Network::Architecture("mlp:32,32".into()),
        samples: TrainedOn::Problem { problem: problem.to_string(), points },
        recipe: recipe.clone(),
        runtime: None,
    };
    let directory = TrainingDirectory::open(directory, lab.command(), &settings, true)?;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let training = Training { model: &model, recipe: &recipe, samples: &samples, runtime, threads };
    if training.run(Some(&directory), lab.stop(), |_| ())?.interrupted {
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

fn table(what: &str, rows: &[(f64, PlaneReport)]) -> String {
    let mut text = format!(
        "| {what} | accuracy | box σ_x | box σ_p | product | bound | window σ_x | σ_p | product | drift | dispersion |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for (x, report) in rows {
        // The coordinate with the largest spread of the log-gradient, of both labels.
        let coordinates = report.boxes.iter().flat_map(|packet| &packet.coordinates);
        let largest = coordinates.max_by(|a, b| a.sigma_p.value.total_cmp(&b.sigma_p.value));
        let of_box = largest.map_or_else(String::new, |c| {
            [c.sigma_x, c.sigma_p, c.product, c.bound].map(|v| short(v.value)).join(" | ")
        });
        let window = &report.windows[0];
        let figures = [window.sigma_x, window.sigma_p, window.product, window.drift, window.dispersion];
        text += &format!(
            "| {} | {:.1} % | {of_box} | {} |\n",
            short(*x),
            100.0 * report.accuracy,
            figures.map(|v| short(v.value)).join(" | ")
        );
    }
    text
}

fn chart(problem: &str, what: &str, rows: &[(f64, PlaneReport)]) -> Result<String> {
    let curve = |name: &str, of: Of| {
        let figures = rows.iter().map(|(x, report)| (*x, of(&report.windows[0])));
        Curve::new(name, figures.map(|(x, figure)| (x, figure.value, figure.interval)))
    };
    let chart = Chart {
        title: format!("{problem}, Gaussian windows of width {SCALE}: mean of 8 centres, 95 % bands"),
        x: what.into(),
        y: "drift, dispersion, product [1]".into(),
        curves: vec![
            curve("drift", |w| w.drift),
            curve("dispersion", |w| w.dispersion),
            curve("product σ_x σ_p", |w| w.product),
        ],
        linear: false,
        bound: Some(("bound ½".into(), 0.5)),
    };
    chart.svg()
}
