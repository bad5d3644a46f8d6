//! E5: probes read the label from the input and from the loss gradient, for networks along the trade-off.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::tradeoff::too_small;
use super::{Conditions, PaperReport, value};
use crate::data::Selection;
use crate::experiment::{Lab, Point, tradeoff};
use crate::picture::{Dot, Scatter};
use crate::probe::{Reader, Resolve, ResolveReport};
use crate::{Figure, Result};

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let Some(points) = tradeoff::run(lab, &on.out)? else { return Ok(None) };
    let samples = on.samples.map_or(Selection::All, |count| Selection::Random { count, seed: 0 });
    let mut rows: Vec<(Point, ResolveReport)> = Vec::new();
    for point in points {
        let (data, engine) = lab.open(&on.out.join(&point.name).join("last.onnx"))?;
        let resolve = Resolve { samples, reader: Reader::Cnn };
        let report = resolve.measure(&engine, &data, lab.stop(), |_| ())?;
        if lab.stop().load(Ordering::Relaxed) {
            return Ok(None);
        }
        rows.push((point, report));
    }
    let names: Vec<String> = rows[0].1.probes.iter().map(|probe| probe.input.clone()).collect();
    let mut text = format!(
        "# E5: resolving the conjugates\n\nTrained and tested on {}. The label read by small convolutional networks from the input x,\nand from the direction of the loss gradient Δ of the true and of the predicted label.\n\n| network | clean | robust |",
        on.data
    );
    text += &names.iter().map(|name| format!(" {name} |")).collect::<String>();
    text += &format!("\n|---|---|---|{}\n", "---|".repeat(names.len()));
    for (point, report) in &rows {
        text += &format!(
            "| {} | {:.1} % | {:.1} % |",
            point.name,
            100.0 * point.clean.value,
            100.0 * point.robust.value
        );
        text += &report
            .probes
            .iter()
            .map(|p| format!(" {:.1} % |", 100.0 * p.share.accuracy))
            .collect::<String>();
        text += "\n";
    }
    text += "\nThe gradient of the true label's loss holds that label by construction; that of the predicted label does not.\n";
    let mut report = PaperReport::new(text);
    let points: Vec<Point> = rows.iter().map(|(point, _)| point.clone()).collect();
    let too_small = too_small(lab, &points);
    for (i, name) in names.iter().enumerate().filter(|(_, name)| name.starts_with("delta")) {
        let pairs = |of: fn(&Point) -> f64| {
            rows.iter().map(|(p, r)| (of(p), r.probes[i].share.accuracy)).collect::<Vec<_>>()
        };
        let better = format!("the label is read better from {name} the more robust the network");
        report.correlate(better, &pairs(|p| p.robust.value), true, &too_small);
        let worse = format!("and worse the more accurate ({name})");
        report.correlate(worse, &pairs(|p| p.clean.value), false, &too_small);
        report.pictures.push((format!("{name}.svg"), picture(&rows, i)?));
    }
    let figures: Result<Vec<_>> =
        rows.iter().map(|(p, r)| Ok(json!({ "network": value(p)?, "probes": value(r)? }))).collect();
    report.figures = figures?.into();
    Ok(Some(report))
}

/// How well the label is read from a gradient, against robust accuracy.
fn picture(rows: &[(Point, ResolveReport)], probe: usize) -> Result<Vec<u8>> {
    let dot = |(point, report): &(Point, ResolveReport)| {
        let read = &report.probes[probe].share;
        Dot {
            name: point.name.clone(),
            x: point.robust,
            y: Figure::new(read.accuracy, read.interval),
            colour: point.clean,
            front: false,
        }
    };
    let picture = Scatter {
        title: format!("The label read from {}", rows[0].1.probes[probe].input),
        x: "robust accuracy [1]".into(),
        y: "accuracy of the reading [1]".into(),
        colour: "clean accuracy [1]".into(),
        dots: rows.iter().map(dot).collect(),
    };
    Ok(picture.svg()?.into_bytes())
}
