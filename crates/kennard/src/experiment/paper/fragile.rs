//! E1: accurate networks under one FGSM step and under PGD, over epsilon.

use serde_json::json;

use super::claim::{Claim, is_not_accurate, mean_over_seeds};
use super::seeds::SEEDS;
use super::{Conditions, PaperReport};
use crate::attack::{Parameters, attack};
use crate::audit::{Audit, Summary};
use crate::experiment::{Lab, lab, short};
use crate::picture::{Chart, Curve};
use crate::{Figure, Result, ThreatModel};

/// Sizes of the attack, in units of the one it is about.
const SIZES: [f64; 6] = [0.0625, 0.125, 0.25, 0.5, 1.0, 2.0];

/// The attacks, and what they are called.
const ATTACKS: [(&str, &str); 2] = [("fgsm", "FGSM, one step"), ("pgd", "PGD, 40 steps")];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let (mut networks, mut attacked) = (Vec::new(), f64::NAN);
    for run in lab.runs() {
        let directory = on.out.join(&run.name);
        let trained = lab::trained(lab, run, &directory)?;
        let Some((model, data, engine)) = trained else { return Ok(None) };
        let ThreatModel { norm, eps, bounds } = lab.audit(&model, &data, &engine)?.threat;
        attacked = eps;
        let mut summaries = Vec::new();
        for size in SIZES {
            let attacks = ATTACKS.map(|(name, _)| attack(name, &Parameters::new()));
            let audit = Audit {
                threat: ThreatModel::within(norm, size * eps, bounds)?,
                attacks: attacks.into_iter().collect::<Result<_>>()?,
                cascade: false,
                probe: false,
                packets: Vec::new(),
                ..lab.audit(&model, &data, &engine)?
            };
            match lab::run(lab, &audit, &directory.join(format!("eps-{}", short(size * eps))))? {
                Some(summary) => summaries.push(summary),
                None => return Ok(None),
            }
        }
        networks.push(summaries);
    }
    Ok(Some(report(&networks, lab.runs()[0].arch.as_deref().unwrap_or(""), attacked)?))
}

/// The clean accuracy. In complete audits every share is known.
fn clean(summaries: &[Summary]) -> f64 {
    summaries[0].clean.accuracy.unwrap_or(f64::NAN)
}

/// The accuracy that an attack leaves at one of the [`SIZES`].
fn left(summaries: &[Summary], size: usize, attack: usize) -> f64 {
    summaries[size].attacks[attack].robust_accuracy.unwrap_or(f64::NAN)
}

/// What was found of each seed's network, its summaries in the order of [`SIZES`].
fn report(networks: &[Vec<Summary>], arch: &str, eps: f64) -> Result<PaperReport> {
    let mean =
        |of: &dyn Fn(&[Summary]) -> f64| mean_over_seeds(networks.iter().map(|summaries| of(summaries)));
    let percent = |share: Figure| share.percent(" %", 2);
    let accuracy = mean(&clean);
    let sizes: Vec<f64> = networks[0].iter().map(|summary| summary.threat_model.eps).collect();
    let mut text = format!(
        "# E1: accurate networks under attack\n\n{arch} on {}, {} test images, {SEEDS} seeds; clean accuracy {}. Figures: mean over \
         seeds, 95 % interval over\nseeds, the test images being the same.\n\n| ε (linf) | under one FGSM step | under PGD |\n|---|---|---|\n",
        networks[0][0].data.name,
        networks[0][0].samples,
        percent(accuracy)
    );
    for (size, eps) in sizes.iter().enumerate() {
        let cells = [0, 1].map(|attack| percent(mean(&|summaries| left(summaries, size, attack))));
        text += &format!("| {} | {} |\n", short(*eps), cells.join(" | "));
    }
    let curve = |attack: usize| {
        let points = sizes.iter().enumerate().map(|(size, eps)| {
            let figure = mean(&|summaries| left(summaries, size, attack));
            (*eps, figure.value, figure.interval)
        });
        Curve::new(ATTACKS[attack].1, points)
    };
    let chart = Chart {
        title: format!("Accuracy under attack, mean of {SEEDS} seeds, 95 % bands"),
        x: "ε, linf [input unit]".into(),
        y: "accuracy [1]".into(),
        curves: vec![curve(0), curve(1)],
        linear: false,
        bound: Some(("clean accuracy".into(), accuracy.value)),
    };
    let at = SIZES.iter().position(|size| *size == 1.0).unwrap_or(0);
    let classes = networks[0][0].model.classes as usize;
    let too_small = networks
        .iter()
        .find_map(|summaries| is_not_accurate(summaries[0].clean.interval.unwrap_or([f64::NAN; 2]), classes));
    let claim = |attack: usize| {
        let ratios: Vec<f64> = networks.iter().map(|s| left(s, at, attack) / clean(s)).collect();
        let name = ATTACKS[attack].0;
        let claim = format!(
            "accurate networks are fragile: {name} leaves less than half of their accuracy at ε = {}: share left",
            short(eps)
        );
        Claim::over_seeds(claim, &ratios, 0.5, false).unless(too_small.clone())
    };
    let mut claims = vec![claim(0), claim(1)];
    Claim::adjust(&mut claims);
    let audits = |summaries: &Vec<Summary>| {
        let audits = summaries.iter().map(|s| json!({ "eps": s.threat_model.eps, "attacks": s.attacks }));
        json!({ "clean": summaries[0].clean, "audits": audits.collect::<Vec<_>>() })
    };
    Ok(PaperReport {
        text,
        claims,
        figures: json!({ "networks": networks.iter().map(audits).collect::<Vec<_>>() }),
        pictures: vec![("accuracy.svg".into(), chart.svg()?.into_bytes())],
        warnings: Vec::new(),
    })
}
