//! E1: an accurate network under one FGSM step and under PGD, over epsilon.

use std::sync::atomic::AtomicBool;

use kennard::audit::AttackSummary;
use kennard::picture::{Chart, ChartPoint, Curve};
use serde_json::json;

use super::claim::{Claim, is_not_accurate};
use super::{Args, Error, Report, teach};
use crate::points;
use crate::screen::short;
use crate::settings::{Named, Number, Settings};

/// Sizes of the attack, in units of the one it is about.
const SIZES: [f64; 6] = [0.0625, 0.125, 0.25, 0.5, 1.0, 2.0];

pub fn run(args: &Args, stop: &AtomicBool) -> Result<Option<Report>, Error> {
    let sweep = args.sweep(include_str!("../../experiments/e1.toml"))?;
    let run = &sweep.runs()[0];
    if !teach(run, &args.out, stop)? {
        return Ok(None);
    }
    let model = args.out.join(&run.0).join("last.onnx");
    let eps = sweep.audit().eps.map_or(0.0, |eps| eps.0);
    let mut summaries = Vec::new();
    for size in SIZES {
        let place = args.out.join(format!("eps-{}", short(size * eps)));
        std::fs::create_dir_all(&place).map_err(|e| format!("--out {}: {e}", place.display()))?;
        let settings = Settings {
            eps: Some(Number(size * eps)),
            attack: Some(["fgsm", "pgd"].map(Named::plain).into()),
            packet_samples: Some(0),
            out: Some(place),
            ..sweep.audit().clone()
        };
        match points::examine(&model, None, &settings, stop)? {
            Some(summary) => summaries.push(summary),
            None => return Ok(None),
        }
    }
    let clean = summaries[0].clean.clone();
    // Of complete audits, every share is known.
    let (accuracy, clean_interval) =
        (clean.accuracy.unwrap_or(f64::NAN), clean.interval.unwrap_or([0.0, 1.0]));
    let known = |attack: &AttackSummary| {
        (attack.robust_accuracy.unwrap_or(f64::NAN), attack.interval.unwrap_or([0.0, 1.0]))
    };
    let percent = |v: f64, [low, high]: [f64; 2]| {
        format!("{:.2} % [{:.2}, {:.2}]", 100.0 * v, 100.0 * low, 100.0 * high)
    };
    let mut text = format!(
        "# E1: an accurate network under attack\n\n{} on {}, {} test images; clean accuracy {}.\n\n\
         | ε (linf) | under one FGSM step | under PGD |\n|---|---|---|\n",
        run.1.arch.as_deref().unwrap_or(""),
        summaries[0].data.name,
        summaries[0].samples,
        percent(accuracy, clean_interval)
    );
    let mut curves = vec![
        Curve { name: "FGSM, one step".into(), ..Curve::default() },
        Curve { name: "PGD, 40 steps".into(), ..Curve::default() },
    ];
    for summary in &summaries {
        text += &format!("| {} ", short(summary.threat_model.eps));
        for (attack, curve) in summary.attacks.iter().zip(&mut curves) {
            let (value, [low, high]) = known(attack);
            text += &format!("| {} ", percent(value, [low, high]));
            curve.figures.push(ChartPoint { x: summary.threat_model.eps, value, low, high });
        }
        text += "|\n";
    }
    let at = summaries.iter().find(|s| (s.threat_model.eps - eps).abs() < 1e-12).unwrap_or(&summaries[0]);
    let claims = at.attacks.iter().map(|attack| {
        // Less than half of the clean accuracy is left; both intervals count.
        let (share, [low, high]) = known(attack);
        let ratio = [low / clean_interval[1], high / clean_interval[0]];
        let evidence = format!(
            "{} of {} are left at ε = {}",
            percent(share, [low, high]),
            percent(accuracy, clean_interval),
            short(eps)
        );
        let claim =
            format!("an accurate network is fragile: {} leaves less than half of its accuracy", attack.name);
        let too_small = is_not_accurate(clean_interval, summaries[0].model.classes as usize);
        Claim::that(claim, ratio, 0.5, false, evidence).unless(too_small)
    });
    let chart = Chart {
        title: format!("Accuracy under attack, {} test images", summaries[0].samples),
        x: "ε, linf [input unit]".into(),
        y: "accuracy [1]".into(),
        curves,
        linear: false,
        bound: Some(("clean accuracy".into(), accuracy)),
    };
    Ok(Some(Report {
        text,
        claims: claims.collect(),
        figures: json!({ "clean": clean, "audits": summaries.iter().map(|s| json!({ "eps": s.threat_model.eps, "attacks": s.attacks })).collect::<Vec<_>>() }),
        pictures: vec![("accuracy.svg".into(), chart.svg()?.into_bytes())],
    }))
}
