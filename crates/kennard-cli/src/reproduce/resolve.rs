//! E5: probes read the label from the input and from the loss gradient, for networks along the trade-off.

use std::sync::atomic::AtomicBool;

use kennard::uncertainty::{Resolve, ResolveReport};
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
        let report =
            Resolve { samples: args.samples, ..Resolve::default() }.measure(&engine, &data, stop, |_| ())?;
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(None);
        }
        rows.push((point, report));
    }
    let names: Vec<String> = rows[0].1.probes.iter().map(|probe| probe.input.clone()).collect();
    let mut text = format!(
        "# E5: resolving the conjugates\n\nTrained and tested on {}. The label read from the input x, and from the\ndirection of the loss gradient Δ of the true and of the predicted label.\n\n| network | clean | robust |",
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
    let mut claims = Vec::new();
    for (i, name) in names.iter().enumerate().filter(|(_, name)| name.starts_with("delta")) {
        let pairs = |of: fn(&Point) -> f64| {
            rows.iter().map(|(p, r)| (of(p), r.probes[i].share.accuracy)).collect::<Vec<_>>()
        };
        claims.push(Claim::of_correlation(
            format!("the label is read better from {name} the more robust the network"),
            &pairs(|p| p.robust),
            true,
        ));
        claims.push(Claim::of_correlation(
            format!("and worse the more accurate ({name})"),
            &pairs(|p| p.clean),
            false,
        ));
    }
    text += "\nThe gradient of the true label's loss holds that label by construction; that of the predicted label does not.\n";
    let figures: Result<Vec<_>, Error> =
        rows.iter().map(|(p, r)| Ok(json!({ "network": value(p)?, "probes": value(r)? }))).collect();
    Ok(Some(Report { text, claims, figures: figures?.into(), pictures: Vec::new() }))
}
