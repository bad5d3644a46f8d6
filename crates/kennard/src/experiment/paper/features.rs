//! E6: attacks on a hidden tensor beside attacks on pixels, and the tensor's packets.

use std::sync::atomic::Ordering;

use kennard_graph::Graph;

use super::claim::{Claim, has_not_learnt, too_brief};
use super::{Conditions, Report, epochs, value};
use crate::data::Selection;
use crate::engine::EngineOptions;
use crate::experiment::{AtSize, Features, FeaturesReport, Lab};
use crate::packet::Hidden;
use crate::picture::{Chart, Curve};
use crate::probe::Accuracy;
use crate::stats::clopper_pearson;
use crate::{Error, Result};

/// Radii as shares of the l2 norm, of the tensor and of the pixels.
const RELATIVE: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.4];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let mut samples = "all".to_string();
    let mut report = Report::new("");
    for run in lab.runs() {
        let directory = on.out.join(&run.name);
        if !lab.train(run, &directory)? {
            return Ok(None);
        }
        let model = directory.join("last.onnx");
        let (data, engine) = lab.open(&model)?;
        let selection = lab.audit(&model, &data, &engine)?.samples;
        if let Selection::Random { count, .. } = selection {
            samples = count.to_string();
        }
        let tensor = last_features(engine.classifier().head())?;
        let hidden = Hidden::new(&engine, &tensor, &EngineOptions::default())?;
        let features = Features {
            engine: &engine,
            hidden: &hidden,
            data: &data,
            bounds: [0.0, 1.0],
            relative: RELATIVE.to_vec(),
            samples: selection,
            seed: 0,
        };
        let found = features.measure(lab.stop(), |_| ())?;
        if lab.stop().load(Ordering::Relaxed) {
            return Ok(None);
        }
        report.text +=
            &format!("\n## {}\n\nClean accuracy {}.\n\n{}", run.name, percent(&found.clean), table(&found));
        for size in &found.sizes {
            let classes = engine.classifier().classes();
            let too_small = too_brief(epochs(lab)).or_else(|| has_not_learnt(found.clean.interval, classes));
            report.claims.push(claim(&run.name, size).unless(too_small));
        }
        report.figures[&run.name] = value(&found)?;
        report.pictures.push((format!("{}.svg", run.name), chart(&run.name, &found)?.into_bytes()));
    }
    let head = format!(
        "# E6: features and pixels\n\nTrained and tested on {}, {samples} test images. PGD in l2 at radius r‖h‖ on the features h behind the\n\
         last convolution, and at radius r‖x‖ on the pixels x.\n",
        on.data
    );
    report.text.insert_str(0, &head);
    Ok(Some(report))
}

/// The tensor behind the last convolution and its ReLU.
pub(super) fn last_features(graph: &Graph) -> Result<String> {
    let conv = graph.nodes.iter().rposition(|node| node.op == "Conv");
    let conv = conv.ok_or_else(|| Error::Mismatch("the network has no convolution".into()))?;
    let output = &graph.nodes[conv].outputs[0];
    let behind = graph.nodes.iter().find(|node| node.op == "Relu" && node.inputs.contains(output));
    Ok(behind.map_or(output, |node| &node.outputs[0]).clone())
}

/// Which attack breaks more: the share of the samples that only one of them breaks.
fn claim(network: &str, size: &AtSize) -> Claim {
    let (alone, both) = (size.features_alone, size.features_alone + size.pixels_alone);
    let evidence = format!(
        "features alone break {alone}, pixels alone {} (p = {:.1e})",
        size.pixels_alone, size.p_value
    );
    let what =
        format!("{network}, r = {}: attacks on features break more than attacks on pixels", size.relative);
    Claim::that(what, clopper_pearson(alone, both), 0.5, true, evidence)
}

fn percent(share: &Accuracy) -> String {
    let [low, high] = share.interval;
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * share.accuracy, 100.0 * low, 100.0 * high)
}

fn table(report: &FeaturesReport) -> String {
    let mut text =
        String::from("| r | accuracy, features attacked | accuracy, pixels attacked |\n|---|---|---|\n");
    for size in &report.sizes {
        text += &format!("| {} | {} | {} |\n", size.relative, percent(&size.features), percent(&size.pixels));
    }
    text
}

fn chart(network: &str, report: &FeaturesReport) -> Result<String> {
    let curve = |name: &str, of: fn(&AtSize) -> &Accuracy| {
        let shares = report.sizes.iter().map(|size| (size.relative, of(size)));
        Curve::new(name, shares.map(|(x, share)| (x, share.accuracy, share.interval)))
    };
    let chart = Chart {
        title: format!("{network}: features and pixels under attack"),
        x: "radius, share of the l2 norm [1]".into(),
        y: "accuracy [1]".into(),
        curves: vec![curve("features", |s| &s.features), curve("pixels", |s| &s.pixels)],
        linear: false,
        bound: Some(("clean accuracy".into(), report.clean.accuracy)),
    };
    chart.svg()
}
