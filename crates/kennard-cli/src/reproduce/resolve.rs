//! E5: probes read the label from the input and from the loss gradient, for networks along the trade-off.

use std::sync::atomic::AtomicBool;

use kennard::picture::{Dot, Scatter};
use kennard::probe::{Reader, Resolve, ResolveReport};
use serde_json::json;

use super::claim::Claim;
use super::{Args, Error, Report, tradeoff, value};
use crate::points::Point;
use crate::setup;

pub fn run(args: &Args, stop: &AtomicBool) -> Result<Option<Report>, Error> {
    let sweep = args.sweep(tradeoff::SETTINGS)?;
    let Some(points) = sweep.run(&args.out, stop)? else { return Ok(None) };
    let mut rows: Vec<(Point, ResolveReport)> = Vec::new();
    for point in points {
        let (data, engine) = setup::open(&args.out.join(&point.name).join("last.onnx"), sweep.audit())?;
        let resolve =
            Resolve { samples: crate::settings::selection(args.samples, None, 0)?, reader: Reader::Cnn };
        let report = resolve.measure(&engine, &data, stop, |_| ())?;
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(None);
        }
        rows.push((point, report));
    }
    let names: Vec<String> = rows[0].1.probes.iter().map(|probe| probe.input.clone()).collect();
    let mut text = format!(
        "# E5: resolving the conjugates\n\nTrained and tested on {}. The label read by small convolutional networks from the input x,\nand from the direction of the loss gradient Δ of the true and of the predicted label.\n\n| network | clean | robust |",
        args.data.as_deref().unwrap_or("")
    );
    text += &names.iter().map(|name| format!(" {name} |")).collect::<String>();
    text += &format!("\n|---|---|---|{}\n", "---|".repeat(names.len()));
    for (point, report) in &rows {
        text += &format!("| {} | {:.1} % | {:.1} % |", point.name, 100.0 * point.clean, 100.0 * point.robust);
        text += &report
            .probes
            .iter()
            .map(|p| format!(" {:.1} % |", 100.0 * p.share.accuracy))
            .collect::<String>();
        text += "\n";
    }
    let (mut claims, mut pictures) = (Vec::new(), Vec::new());
    let points: Vec<Point> = rows.iter().map(|(point, _)| point.clone()).collect();
    let too_small = || tradeoff::too_small(&sweep, &points);
    for (i, name) in names.iter().enumerate().filter(|(_, name)| name.starts_with("delta")) {
        let pairs = |of: fn(&Point) -> f64| {
            rows.iter().map(|(p, r)| (of(p), r.probes[i].share.accuracy)).collect::<Vec<_>>()
        };
        claims.push(
            Claim::of_correlation(
                format!("the label is read better from {name} the more robust the network"),
                &pairs(|p| p.robust),
                true,
            )
            .unless(too_small()),
        );
        claims.push(
            Claim::of_correlation(
                format!("and worse the more accurate ({name})"),
                &pairs(|p| p.clean),
                false,
            )
            .unless(too_small()),
        );
        pictures.push((format!("{name}.svg"), picture(&rows, i)?));
    }
    text += "\nThe gradient of the true label's loss holds that label by construction; that of the predicted label does not.\n";
    let figures: Result<Vec<_>, Error> =
        rows.iter().map(|(p, r)| Ok(json!({ "network": value(p)?, "probes": value(r)? }))).collect();
    Ok(Some(Report { text, claims, figures: figures?.into(), pictures }))
}

/// How well the label is read from a gradient, against robust accuracy.
fn picture(rows: &[(Point, ResolveReport)], probe: usize) -> Result<Vec<u8>, Error> {
    let dot = |(point, report): &(Point, ResolveReport)| {
        let read = &report.probes[probe].share;
        Dot {
            name: point.name.clone(),
            x: point.robust,
            x_interval: point.robust_interval,
            y: read.accuracy,
            y_interval: read.interval,
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
