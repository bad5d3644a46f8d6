//! R5: which figure of an image predicts its distance to the decision boundary, and which of a network its robust accuracy?
//!
//! The distance is the smallest l2 norm of an adversarial perturbation that any minimum-norm attack finds within the bounds.
//! Predictors ask the network about its window, or along a short search; none is told what attacks found, but for the width
//! of the windows, a fixed share of the median over images.

mod attacked;
mod correlated;
mod kept;
mod predictors;

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::json;
use statrs::distribution::{ContinuousCDF, Normal};

use super::claim::{Claim, has_not_learnt};
use super::{Conditions, PaperReport, value};
use crate::data::{DataSet, Sample};
use crate::engine::Engine;
use crate::experiment::{Lab, short};
use crate::figure::Figure;
use crate::probe::labelled;
use crate::run::model_digest;
use crate::stats::{self, clopper_pearson, rank_correlation};
use crate::{Error, Result};

use attacked::{ATTACKS, smallest_norms};
use correlated::{Correlated, correlate};
use kept::Measured;
use predictors::{FIRST_ORDER, INVERSE_GRADIENT, Scales, effort, measure, names, packet, radius, worded};

/// Below this many images nothing is said about a network.
const IMAGES: usize = 100;

/// Below this many networks nothing is said about networks.
const NETWORKS: usize = 5;

/// What was found of a network.
#[derive(Serialize)]
struct Network {
    name: String,
    /// Images that were looked at, those that are classified correctly, and those that an attack broke.
    images: usize,
    correct: usize,
    broken: usize,
    #[serde(skip)]
    classes: usize,
    /// The widths of the windows, with their names.
    scales: Vec<(String, f64)>,
    median_norm: f64,
    median_packet: f64,
    median_inverse_gradient: f64,
    correlations: Vec<Correlated>,
    /// All smallest norms.
    #[serde(skip)]
    norms: Vec<Option<f64>>,
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    if on.models.is_empty() {
        return Err(Error::Setting("there are no networks to look at".into())
            .advise(". Name their files: {models = FILE}"));
    }
    let mut networks = Vec::new();
    for model in &on.models {
        let Some(network) = network(lab, model, on)? else { return Ok(None) };
        networks.push(network);
    }
    let mut report = PaperReport::new(format!(
        "# R5: what predicts the distance to the boundary\n\n{}. The distance r of an image is the smallest l2 norm that {} find. \
         ρ is Spearman's rank\ncorrelation with it over the images that are classified correctly, 95 % intervals over images; the difference is to first-order distance, on the\nsame images.\n",
        on.data,
        ATTACKS.join(", ")
    ));
    for network in &networks {
        report.text += &table(network);
    }
    report.text += &across(&networks);
    let width = |network: &Network| network.scales[0].0.clone();
    let primary = networks.first().map(width).unwrap_or_default();
    for figure in [radius(&primary), packet(&primary)] {
        report.claims.push(beats_first_order(&networks, &figure));
    }
    report.claims.push(over_networks(&networks));
    Claim::adjust(&mut report.claims);
    report.figures = json!({ "attacks": ATTACKS, "networks": value(&networks)? });
    Ok(Some(report))
}

fn network(lab: &dyn Lab, model: &Path, on: &Conditions) -> Result<Option<Network>> {
    let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (data, engine) = lab.open(model)?;
    let place = on.out.join(format!("{name}.json"));
    let Some(Measured { norms, rows, .. }) = measured(lab, model, &data, &engine, &place)? else {
        return Ok(None);
    };
    let scales = Scales::of(&rows, engine.classifier().dimension());
    let names = names(scales);
    let of = |name: &str| {
        let place = names.iter().position(|other| other == name).unwrap_or_default();
        median(&rows.iter().filter_map(|(_, figures)| figures[place]).collect::<Vec<_>>())
    };
    lab.say(&format!("{name}: {} images broken, median l2 norm {}", rows.len(), short(scales.median)));
    Ok(Some(Network {
        name,
        images: norms.len(),
        correct: norms.iter().filter(|norm| **norm != Some(0.0)).count(),
        broken: rows.len(),
        classes: engine.classifier().classes(),
        scales: scales.all(),
        median_norm: scales.median,
        median_packet: of(&packet(&scales.predicted().0)),
        median_inverse_gradient: of(INVERSE_GRADIENT),
        correlations: correlate(&names, &rows, FIRST_ORDER),
        norms,
    }))
}

/// Measures a network, unless a file holds that already. None where `lab` was stopped.
fn measured(
    lab: &dyn Lab,
    model: &Path,
    data: &DataSet,
    engine: &Engine,
    place: &Path,
) -> Result<Option<Measured>> {
    let audit = lab.audit(model, data, engine)?;
    let files: Vec<String> = data.fingerprint()?.into_iter().map(|file| file.sha256).collect();
    let settings = format!(
        "{}; {} {} as {:?}; {}; bounds {:?}; {}; {}; {}",
        model_digest(model)?,
        data.spec(),
        files.join(" "),
        data.shape(),
        audit.samples,
        audit.threat.bounds,
        ATTACKS.join(", "),
        effort(),
        engine.runtime().name()
    );
    if let Some(kept) = Measured::read(place, &settings)? {
        return Ok(Some(kept));
    }
    let samples: Vec<Sample> =
        labelled(engine, data, audit.samples.indices(data.len()))?.collect::<Result<_>>()?;
    let norms = smallest_norms(lab, engine, &samples, audit.threat.bounds)?;
    if lab.stop().load(Ordering::Relaxed) {
        return Ok(None);
    }
    // A misclassified image has no distance that a positive figure could predict.
    let with_norm = samples.into_iter().zip(&norms).filter_map(|(sample, norm)| Some((sample, (*norm)?)));
    let (examined, distances): (Vec<Sample>, Vec<f64>) = with_norm.filter(|(_, norm)| *norm > 0.0).unzip();
    if examined.is_empty() {
        return Err(Error::Setting(format!(
            "{}: attacks broke no image; take more samples",
            model.display()
        )));
    }
    let scales = Scales { median: median(&distances), dimension: engine.classifier().dimension() };
    let Some(figures) = measure(lab, engine, data, &examined, scales)? else { return Ok(None) };
    let measured = Measured { settings, norms, rows: distances.into_iter().zip(figures).collect() };
    measured.write(place)?;
    Ok(Some(measured))
}

impl Scales {
    /// Those of images with their smallest norms.
    fn of(rows: &[(f64, Vec<Option<f64>>)], dimension: usize) -> Scales {
        Scales { median: median(&rows.iter().map(|(norm, _)| *norm).collect::<Vec<_>>()), dimension }
    }
}

fn median(values: &[f64]) -> f64 {
    stats::median(values.iter().copied()).map_or(f64::NAN, |(median, _)| median)
}

/// That a figure predicts distances better than first order does on the worst network: on every one. It comes out where all are above
/// zero, and the p-value is the largest of them (an intersection-union test; Berger, *Technometrics* 24:295, 1982); where one is below
/// zero it does not, and the p-value is that network's times their number. Which network is the worst is not known: the one with the
/// smallest estimate is chosen by the noise.
fn beats_first_order(networks: &[Network], figure: &str) -> Claim {
    let claim = format!("{figure}: on the worst network, closer to the distance than {FIRST_ORDER}");
    let found: Vec<(&Network, &Correlated)> = networks
        .iter()
        .filter_map(|network| {
            let correlated = network.correlations.iter().find(|correlated| correlated.figure == figure)?;
            Some((network, correlated))
        })
        .collect();
    let least = |end: usize| {
        let by = move |(_, c): &&(&Network, &Correlated)| c.difference.interval[end];
        found.iter().min_by(|a, b| by(a).total_cmp(&by(b)))
    };
    let (Some(lowest), Some(worst)) = (least(1), least(0)) else {
        return Claim::that(claim, [-1.0, 1.0], 0.0, true, String::new())
            .unless(Some("it was not measured".into()));
    };
    let ((network, correlated), p) = match lowest.1.difference.interval[1] < 0.0 {
        true => (lowest, (normal_p(&lowest.1.difference) * found.len() as f64).min(1.0)),
        false => (worst, found.iter().map(|(_, c)| normal_p(&c.difference)).fold(0.0, f64::max)),
    };
    let few = found.iter().find(|(_, correlated)| correlated.images < IMAGES);
    let too_small =
        few.map(|(few, of)| format!("{}: {} images are fewer than {IMAGES}", few.name, of.images));
    let too_small = too_small.or_else(|| unlearnt(networks));
    let evidence = format!("difference {} on {}", in_words(&correlated.difference), network.name);
    Claim { p: Some(p), ..Claim::that(claim, correlated.difference.interval, 0.0, true, evidence) }
        .unless(too_small)
}

/// Which network has not learnt its task, and why; nothing where all have.
fn unlearnt(networks: &[Network]) -> Option<String> {
    networks.iter().find_map(|network| {
        let accuracy = clopper_pearson(network.correct as u64, network.images as u64);
        Some(format!("{}: {}", network.name, has_not_learnt(accuracy, network.classes)?))
    })
}

/// The two-sided p-value of a difference of 0, of a bootstrapped figure as if it were normal.
fn normal_p(figure: &Figure) -> f64 {
    let [low, high] = figure.interval;
    let error = (high - low) / (2.0 * 1.959_963_984_540_054);
    if error > 0.0 { 2.0 * Normal::standard().cdf(-(figure.value / error).abs()) } else { 1.0 }
}

/// That packet distance puts networks in the order of their robust accuracy better than the inverse gradient norm does.
fn over_networks(networks: &[Network]) -> Claim {
    let claim = "over networks, the median packet distance goes with robust accuracy better than the inverse gradient norm does";
    let eps = common_eps(networks);
    let rows: Vec<[f64; 3]> = networks
        .iter()
        .map(|network| [robust(network, eps), network.median_packet, network.median_inverse_gradient])
        .collect();
    let rho = |chosen: &[&[f64; 3]], figure: usize| {
        rank_correlation(&chosen.iter().map(|row| (row[figure], row[0])).collect::<Vec<_>>())
    };
    let difference = Figure::over_clusters(&rows, |chosen| Some(rho(chosen, 1)? - rho(chosen, 2)?));
    let few =
        (networks.len() < NETWORKS).then(|| format!("{} networks are fewer than {NETWORKS}", networks.len()));
    let few = few.or_else(|| unlearnt(networks));
    match difference {
        None => Claim::that(claim, [-1.0, 1.0], 0.0, true, String::new())
            .unless(few.or(Some("the networks have no rank correlation".into()))),
        Some(figure) => {
            let evidence = format!("difference {}, at an l2 norm of {}", in_words(&figure), short(eps));
            Claim { p: Some(normal_p(&figure)), ..Claim::that(claim, figure.interval, 0.0, true, evidence) }
                .unless(few)
        }
    }
}

/// The size at which networks are compared: the median of their median smallest norms.
fn common_eps(networks: &[Network]) -> f64 {
    median(&networks.iter().map(|network| network.median_norm).collect::<Vec<_>>())
}

/// The share of all images that no attack breaks within `eps`.
fn robust(network: &Network, eps: f64) -> f64 {
    let robust = network.norms.iter().filter(|norm| norm.is_none_or(|norm| norm > eps));
    robust.count() as f64 / network.images.max(1) as f64
}

fn in_words(figure: &Figure) -> String {
    let [low, high] = figure.interval;
    format!("{:+.3} [{low:+.3}, {high:+.3}]", figure.value)
}

fn table(network: &Network) -> String {
    let widths: Vec<String> = network.scales.iter().map(worded).collect();
    let mut text = format!(
        "\n## {}\n\n{} of {} images are classified correctly, {} of them broken; median r = {}. {}.\n\n| figure | ρ | difference to first order | images |\n|---|---|---|---|\n",
        network.name,
        network.correct,
        network.images,
        network.broken,
        short(network.median_norm),
        widths.join(", ")
    );
    for Correlated { figure, images, rho, difference } in &network.correlations {
        let _ = writeln!(text, "| {figure} | {} | {} | {images} |", in_words(rho), in_words(difference));
    }
    text
}

fn across(networks: &[Network]) -> String {
    let eps = common_eps(networks);
    let mut text = format!(
        "\n## Over networks\n\n| network | median r | robust accuracy at {} | median packet distance, s = r/4 | median inverse gradient norm |\n|---|---|---|---|---|\n",
        short(eps)
    );
    for network in networks {
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} % | {} | {} |",
            network.name,
            short(network.median_norm),
            100.0 * robust(network, eps),
            short(network.median_packet),
            short(network.median_inverse_gradient)
        );
    }
    text
}
