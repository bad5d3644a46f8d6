//! R1: what becomes of packets while networks of several regimes learn.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::claim::{Claim, ClaimVerdict, has_not_learnt, over_seeds, too_brief};
use super::super::{PaperReport, value};
use super::network::{EPS, EpochNetwork, Setup};
use super::packets::{Boxed, FIGURES, Packets, SCALE, WINDOW};
use super::regimes::{REGIMES, Regime};
use super::{SEEDS, of_each};
use crate::experiment::{Lab, short};
use crate::picture::{Chart, Curve, Phase, PhasePath, PhasePoint};
use crate::stats::{mean, partial_rank_correlation, rank_correlation};
use crate::{Figure, Result};

/// Raw packets, or those at the fitted temperature.
type PacketsOf = fn(&EpochNetwork) -> Option<Packets>;
const AT: [(&str, PacketsOf); 2] = [("raw", |n| Some(n.raw)), ("at the fitted temperature", |n| n.fitted)];

pub fn report(setup: &Setup, lab: &dyn Lab) -> Result<Option<PaperReport>> {
    let Some(found) = of_each(lab, |regime, seed| setup.networks(regime, seed))? else {
        return Ok(None);
    };
    let networks: Vec<EpochNetwork> = found.into_iter().flatten().collect();
    let mut boxes = BTreeMap::new();
    for regime in &REGIMES {
        let Some(boxed) = setup.boxed(regime, 0)? else { return Ok(None) };
        boxes.insert(regime.name, boxed);
    }
    let mut report = PaperReport::new(text(setup, &networks, &boxes));
    report.claims = claims(setup, &networks);
    report.figures = json!({
        "scale": SCALE,
        "eps": EPS,
        "networks": value(&networks)?,
        "paths": paths(&networks),
        "boxes": value(&boxes)?,
    });
    report.pictures = pictures(&networks)?;
    Ok(Some(report))
}

/// The networks of a regime, in all seeds, or in one.
fn of<'n>(
    networks: &'n [EpochNetwork],
    regime: &'n Regime,
) -> impl Iterator<Item = &'n EpochNetwork> + Clone {
    networks.iter().filter(move |n| n.regime == regime.name)
}

fn learning() -> impl Iterator<Item = &'static Regime> {
    REGIMES.iter().filter(|regime| regime.learns())
}

/// For each seed the mean over regimes of the rank correlation of a figure with the epoch; NaN where there is none.
fn trends(networks: &[EpochNetwork], figure: &dyn Fn(&EpochNetwork) -> Option<f64>) -> Vec<f64> {
    let trend = |regime: &Regime, seed: u64| {
        let pairs: Option<Vec<(f64, f64)>> = of(networks, regime)
            .filter(|n| n.seed == seed)
            .map(|n| figure(n).map(|figure| (n.epoch as f64, figure)))
            .collect();
        pairs.and_then(|pairs| rank_correlation(&pairs)).unwrap_or(f64::NAN)
    };
    (0..SEEDS).map(|seed| mean(&learning().map(|regime| trend(regime, seed)).collect::<Vec<_>>())).collect()
}

/// For each seed the partial rank correlation of robust accuracy with σ_p given clean accuracy.
fn partial(networks: &[EpochNetwork], at: PacketsOf) -> Vec<f64> {
    let of_seed = |seed: u64| {
        let rows: Option<Vec<[f64; 3]>> = learning()
            .flat_map(|regime| of(networks, regime))
            .filter(|n| n.seed == seed)
            .map(|n| at(n).map(|packets| [n.robust, packets.sigma_p, n.clean.value]))
            .collect();
        rows.and_then(|rows| partial_rank_correlation(&rows)).unwrap_or(f64::NAN)
    };
    (0..SEEDS).map(of_seed).collect()
}

fn claims(setup: &Setup, networks: &[EpochNetwork]) -> Vec<Claim> {
    let plain = networks.iter().filter(|n| n.regime == REGIMES[0].name && n.epoch == setup.epochs);
    let worst = plain.map(|n| n.clean.interval).min_by(|a, b| a[0].total_cmp(&b[0])).unwrap_or([f64::NAN; 2]);
    let too_small = too_brief(setup.epochs).or_else(|| has_not_learnt(worst, setup.points.test.classes));
    let mut claims = Vec::new();
    for (name, at) in AT {
        let trend = |figure: fn(&Packets) -> f64| trends(networks, &|n| at(n).map(|p| figure(&p)));
        claims.push(Claim::over_seeds(
            format!("σ_x falls with training, {name}: rank correlation with the epoch"),
            &trend(|p| p.sigma_x),
            0.0,
            false,
        ));
        claims.push(Claim::over_seeds(
            format!("σ_p rises with training, {name}: rank correlation with the epoch"),
            &trend(|p| p.sigma_p),
            0.0,
            true,
        ));
        claims.push(Claim::over_seeds(
            format!(
                "robust accuracy falls with σ_p at fixed clean accuracy, {name}: partial rank correlation"
            ),
            &partial(networks, at),
            0.0,
            false,
        ));
    }
    claims.push(Claim::over_seeds(
        "the median radius falls with training: rank correlation with the epoch",
        &trends(networks, &|n| n.radius),
        0.0,
        false,
    ));
    let mut claims: Vec<Claim> = claims.into_iter().map(|claim| claim.unless(too_small.clone())).collect();
    Claim::adjust(&mut claims);
    claims.push(bound(networks));
    claims
}

/// That no packet's product is below ½. It counts what is below by more than figures settle to; what is below by more than
/// the last change of the rule is told.
fn bound(networks: &[EpochNetwork]) -> Claim {
    let measured: Vec<f64> =
        networks.iter().flat_map(|n| [Some(n.raw), n.fitted]).flatten().map(|p| p.below).collect();
    let more_than = |limit: f64| measured.iter().filter(|below| **below > limit).count();
    let below = more_than(WINDOW.tolerance);
    Claim {
        claim: "no product is below ½".into(),
        verdict: if below == 0 { ClaimVerdict::ComesOut } else { ClaimVerdict::DoesNotComeOut },
        evidence: format!(
            "of {} sets of packets {below} have one below by more than {}, to which figures settle; {} by more than the last \
             change of the rule, by {} at most",
            measured.len(),
            WINDOW.tolerance,
            more_than(0.0),
            short(measured.iter().copied().fold(0.0, f64::max))
        ),
        p: None,
    }
}

/// The mean over seeds of a figure that all seeds have, in words with its interval.
fn cell(values: impl Iterator<Item = Option<f64>>, digits: fn(f64) -> String) -> String {
    let values: Option<Vec<f64>> = values.collect();
    match values.as_deref().and_then(over_seeds) {
        None => "–".into(),
        Some(figure) => {
            let [low, high] = figure.interval.map(digits);
            format!("{} [{low}, {high}]", digits(figure.value))
        }
    }
}

fn text(setup: &Setup, networks: &[EpochNetwork], boxes: &BTreeMap<&str, Boxed>) -> String {
    let points = setup.points;
    let mut text = format!(
        "# R1: images in a plane\n\n{}: {} images to train on, {} to measure on (half of them to fit temperatures to), in the \
         plane of\nFisher's discriminant, whitened. {SEEDS} seeds, {}; windows of width {SCALE}; attacks in l2, ε = \
         {EPS}. Means over seeds with the\nbootstrap's interval over seeds.\n\nAfter training:\n\n\
         | regime | clean, % | robust, % | median radius | T | σ_x | σ_p | P_ψ | σ_x at T | σ_p at T | P_ψ at T |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        setup.data,
        points.train.labels.len(),
        points.test.labels.len(),
        crate::figure::counted(setup.epochs, "epoch"),
    );
    let percent = |v: f64| format!("{:.1}", 100.0 * v);
    let three = |v: f64| crate::figure::significant(v, 3);
    for regime in &REGIMES {
        let last = of(networks, regime).filter(|n| n.epoch == setup.epochs);
        let figure = |of: &dyn Fn(&EpochNetwork) -> Option<f64>| cell(last.clone().map(of), three);
        let cells = [
            cell(last.clone().map(|n| Some(n.clean.value)), percent),
            cell(last.clone().map(|n| Some(n.robust)), percent),
            figure(&|n| n.radius),
            figure(&|n| n.temperature),
            figure(&|n| Some(n.raw.sigma_x)),
            figure(&|n| Some(n.raw.sigma_p)),
            figure(&|n| Some(n.raw.misclassified)),
            figure(&|n| n.fitted.map(|p| p.sigma_x)),
            figure(&|n| n.fitted.map(|p| p.sigma_p)),
            figure(&|n| n.fitted.map(|p| p.misclassified)),
        ];
        text += &format!("| {} | {} |\n", regime.name, cells.join(" | "));
    }
    text += "\nThe paper's packets on [−4, 4]², seed 0, means over labels and coordinates:\n\n\
             | regime | σ_x | σ_p | product | ½\\|1 − B\\| |\n|---|---|---|---|---|\n";
    for regime in &REGIMES {
        if let Some(b) = boxes.get(regime.name) {
            let figures = [b.sigma_x, b.sigma_p, b.product, b.bound].map(short).join(" | ");
            text += &format!("| {} | {figures} |\n", regime.name);
        }
    }
    text + "\n"
}

/// The measured epochs.
fn epochs(networks: &[EpochNetwork]) -> Vec<usize> {
    of(networks, &REGIMES[0]).filter(|n| n.seed == 0).map(|n| n.epoch).collect()
}

/// A figure of a regime at an epoch, over seeds; none where one of them has none.
fn over(
    networks: &[EpochNetwork],
    regime: &Regime,
    epoch: usize,
    figure: &dyn Fn(&EpochNetwork) -> Option<f64>,
) -> Option<Figure> {
    let of_epoch = of(networks, regime).filter(|n| n.epoch == epoch);
    over_seeds(&of_epoch.map(figure).collect::<Option<Vec<f64>>>()?)
}

/// The paths of all regimes, as figures.
fn paths(networks: &[EpochNetwork]) -> Value {
    let path = |regime: &Regime| {
        let at = |epoch: usize| {
            let over = |figure: &dyn Fn(&EpochNetwork) -> Option<f64>| over(networks, regime, epoch, figure);
            json!({
                "epoch": epoch,
                "clean": over(&|n| Some(n.clean.value)),
                "robust": over(&|n| Some(n.robust)),
                "radius": over(&|n| n.radius),
                "sigma_x": over(&|n| Some(n.raw.sigma_x)),
                "sigma_p": over(&|n| Some(n.raw.sigma_p)),
                "sigma_x_fitted": over(&|n| n.fitted.map(|p| p.sigma_x)),
                "sigma_p_fitted": over(&|n| n.fitted.map(|p| p.sigma_p)),
            })
        };
        json!({ "regime": regime.name, "points": epochs(networks).into_iter().map(at).collect::<Vec<_>>() })
    };
    REGIMES.iter().map(path).collect()
}

/// `log σ_x` against `log σ_p`, a path for each regime; the grey arrows lead to the fitted temperature.
fn phase(networks: &[EpochNetwork]) -> Result<String> {
    let path = |regime: &Regime| {
        let at = |epoch: usize| {
            let over = |figure: fn(&EpochNetwork) -> f64| over(networks, regime, epoch, &|n| Some(figure(n)));
            Some(PhasePoint {
                sigma_x: over(|n| n.raw.sigma_x)?,
                sigma_p: over(|n| n.raw.sigma_p)?,
                colour: over(|n| n.robust)?,
            })
        };
        let epochs = epochs(networks);
        let fitted = |figure: fn(&Packets) -> f64| {
            let last = epochs.last()?;
            Some(over(networks, regime, *last, &|n| n.fitted.map(|p| figure(&p)))?.value)
        };
        PhasePath {
            name: regime.name.into(),
            points: epochs.iter().filter_map(|&epoch| at(epoch)).collect(),
            temperatures: fitted(|p| p.sigma_x)
                .zip(fitted(|p| p.sigma_p))
                .map(|(x, p)| [x, p])
                .into_iter()
                .collect(),
        }
    };
    let picture = Phase {
        title: "Conjugate spreads while networks learn; grey: at the fitted temperature".into(),
        unit: "standard deviation of the points".into(),
        colour: format!("accuracy under attack, ε = {EPS} [1]"),
        paths: learning().map(path).collect(),
    };
    picture.svg()
}

/// The plane of both spreads, and each over the epochs, raw and at the fitted temperature.
fn pictures(networks: &[EpochNetwork]) -> Result<Vec<(String, Vec<u8>)>> {
    /// Regimes with curves of their own: more than these are hard to tell apart.
    const SHOWN: [usize; 5] = [0, 2, 4, 6, 7];
    let mut pictures = vec![("phase.svg".into(), phase(networks)?.into_bytes())];
    for ((at_name, at), file) in AT.into_iter().zip(["raw", "fitted"]) {
        for ((name, figure), letter) in FIGURES.into_iter().zip(["x", "p"]) {
            let curve = |regime: &Regime| {
                let points = epochs(networks).into_iter().filter_map(|epoch| {
                    let over = over(networks, regime, epoch, &|n| at(n).map(|p| figure(&p)))?;
                    Some((epoch as f64, over.value, over.interval))
                });
                Curve::new(regime.name, points)
            };
            let curves = SHOWN.iter().map(|&i| curve(&REGIMES[i])).filter(|c| !c.figures.is_empty());
            let chart = Chart {
                title: format!("{name} {at_name}, mean of {SEEDS} seeds, 95 % bands"),
                x: "epoch [1]".into(),
                y: format!("{name} [unit of the plane]"),
                curves: curves.collect(),
                linear: false,
                bound: None,
            };
            if !chart.curves.is_empty() {
                pictures.push((format!("sigma-{letter}-{file}.svg"), chart.svg()?.into_bytes()));
            }
        }
    }
    Ok(pictures)
}
