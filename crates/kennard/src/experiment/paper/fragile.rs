//! E1: an accurate network under one FGSM step and under PGD, over epsilon.

use serde_json::json;

use super::claim::{Claim, is_not_accurate};
use super::{Conditions, Report};
use crate::attack::{Parameters, attack};
use crate::audit::{AttackSummary, Audit};
use crate::experiment::{Lab, lab, short};
use crate::picture::{Chart, ChartPoint, Curve};
use crate::{Result, ThreatModel};

/// Sizes of the attack, in units of the one it is about.
const SIZES: [f64; 6] = [0.0625, 0.125, 0.25, 0.5, 1.0, 2.0];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let run = &lab.runs()[0];
    let directory = on.out.join(&run.name);
    if !lab.train(run, &directory)? {
        return Ok(None);
    }
    let model = directory.join("last.onnx");
    let (data, engine) = lab.open(&model)?;
    let ThreatModel { norm, eps, bounds } = lab.audit(&model, &data, &engine)?.threat;
    let mut summaries = Vec::new();
    for size in SIZES {
        let attacks = ["fgsm", "pgd"].map(|name| attack(name, &Parameters::new()));
        let audit = Audit {
            threat: ThreatModel::within(norm, size * eps, bounds)?,
            attacks: attacks.into_iter().collect::<Result<_>>()?,
            cascade: false,
            probe: false,
            packets: Vec::new(),
            ..lab.audit(&model, &data, &engine)?
        };
        match lab::run(lab, &audit, &on.out.join(format!("eps-{}", short(size * eps))))? {
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
        run.arch.as_deref().unwrap_or(""),
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
