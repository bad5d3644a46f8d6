//! E6: attacks on a hidden tensor beside attacks on pixels, and the tensor's packets.

use std::sync::atomic::Ordering;

use kennard_graph::Graph;

use super::claim::{Claim, has_not_learnt, mean_over_seeds, too_brief};
use super::seeds::{SEEDS, without_seed};
use super::{Conditions, PaperReport, epochs, value};
use crate::data::Selection;
use crate::engine::EngineOptions;
use crate::experiment::{AtSize, Features, FeaturesReport, Lab, lab};
use crate::packet::Hidden;
use crate::picture::{Chart, Curve};
use crate::{Figure, Mismatch, Result};

/// Radii as shares of the l2 norm, of the tensor and of the pixels.
const RELATIVE: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let mut samples = "all".to_string();
    let mut report = PaperReport::new("");
    for group in lab.runs().chunks(SEEDS as usize) {
        let (mut networks, mut too_small) = (Vec::new(), too_brief(epochs(lab)));
        for run in group {
            let trained = lab::trained(lab, run, &on.out.join(&run.name))?;
            let Some((model, data, engine)) = trained else { return Ok(None) };
            let selection = lab.audit(&model, &data, &engine)?.samples;
            if let Selection::Random { count, .. } = selection {
                samples = count.to_string();
            }
            let tensor = last_features(engine.classifier().head())?;
            let hidden = Hidden::new(&engine, &tensor, &EngineOptions::default())?;
            let features =
                Features { samples: selection, ..Features::new(&engine, &hidden, &data, RELATIVE.to_vec()) };
            let found = features.measure(lab.stop(), |_| ())?;
            if lab.stop().load(Ordering::Relaxed) {
                return Ok(None);
            }
            let classes = engine.classifier().classes();
            too_small = too_small.or_else(|| has_not_learnt(found.clean.interval, classes));
            networks.push(found);
        }
        let name = without_seed(&group[0].name);
        let clean = mean_of(&networks, |n| n.clean.accuracy);
        report.text +=
            &format!("\n## {name}\n\nClean accuracy {}.\n\n{}", clean.percent(" %", 1), table(&networks));
        let claims = (0..RELATIVE.len()).map(|size| claim(name, &networks, size).unless(too_small.clone()));
        report.claims.extend(claims);
        report.figures[name] = value(&networks)?;
        report.pictures.push((format!("{name}.svg"), chart(name, &networks)?.into_bytes()));
    }
    Claim::adjust(&mut report.claims);
    let head = format!(
        "# E6: features and pixels\n\nTrained and tested on {}, {samples} test images, {SEEDS} seeds. PGD in l2 at radius r‖h‖ on the features h \
         behind the\nlast convolution, and at radius r‖x‖ on the pixels x. Figures: mean over seeds, 95 % interval over seeds, the test images \
         being\nthe same.\n",
        on.data
    );
    report.text.insert_str(0, &head);
    Ok(Some(report))
}

/// The tensor behind the last convolution and its ReLU.
pub(super) fn last_features(graph: &Graph) -> Result<String> {
    let conv = graph.nodes.iter().rposition(|node| node.op == "Conv");
    let conv = conv.ok_or(Mismatch::Lacks("convolution"))?;
    let output = &graph.nodes[conv].outputs[0];
    let behind = graph.nodes.iter().find(|node| node.op == "Relu" && node.inputs.contains(output));
    Ok(behind.map_or(output, |node| &node.outputs[0]).clone())
}

/// Which attack leaves more accuracy, on the same images.
fn claim(network: &str, networks: &[FeaturesReport], size: usize) -> Claim {
    let more = |n: &FeaturesReport| n.sizes[size].pixels.accuracy - n.sizes[size].features.accuracy;
    let what = format!(
        "{network}, r = {}: attacks on features break more than attacks on pixels: difference of the accuracies that they leave",
        RELATIVE[size]
    );
    Claim::over_seeds(what, &networks.iter().map(more).collect::<Vec<_>>(), 0.0, true)
}

/// The mean over networks, which differ in their seeds.
fn mean_of(networks: &[FeaturesReport], of: impl Fn(&FeaturesReport) -> f64) -> Figure {
    mean_over_seeds(networks.iter().map(of))
}

fn table(networks: &[FeaturesReport]) -> String {
    let mut text =
        String::from("| r | accuracy, features attacked | accuracy, pixels attacked |\n|---|---|---|\n");
    for (size, relative) in RELATIVE.iter().enumerate() {
        let features = mean_of(networks, |n| n.sizes[size].features.accuracy);
        let pixels = mean_of(networks, |n| n.sizes[size].pixels.accuracy);
        text += &format!("| {relative} | {} | {} |\n", features.percent(" %", 1), pixels.percent(" %", 1));
    }
    text
}

fn chart(network: &str, networks: &[FeaturesReport]) -> Result<String> {
    let curve = |name: &str, of: fn(&AtSize) -> f64| {
        let shares = RELATIVE.iter().enumerate().map(|(size, relative)| {
            let share = mean_of(networks, |n| of(&n.sizes[size]));
            (*relative, share.value, share.interval)
        });
        Curve::new(name, shares)
    };
    let chart = Chart {
        title: format!("{network}: features and pixels under attack, mean of {SEEDS} seeds"),
        x: "radius, share of the l2 norm [1]".into(),
        y: "accuracy [1]".into(),
        curves: vec![curve("features", |s| s.features.accuracy), curve("pixels", |s| s.pixels.accuracy)],
        linear: false,
        bound: Some(("clean accuracy".into(), mean_of(networks, |n| n.clean.accuracy).value)),
    };
    chart.svg()
}
