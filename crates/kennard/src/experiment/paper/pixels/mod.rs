//! R5: which figure of an image predicts its distance to the decision boundary, and which of a network its robust accuracy?
//!
//! The distance is the smallest l2 norm of an adversarial perturbation that any minimum-norm attack finds within the bounds.
//! Predictors ask the network about its window, or along a short search; none is told what attacks found, but for the width
//! of the windows, a fixed share of the median over images.

mod attacked;
mod claims;
mod correlated;
mod kept;
mod predictors;

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::json;

use super::claim::Claim;
use super::{Conditions, PaperReport, value};
use crate::data::{DataSet, Sample};
use crate::engine::Engine;
use crate::experiment::{Lab, short};
use crate::figure::Figure;
use crate::probe::labelled;
use crate::run::model_digest;
use crate::stats::{self};
use crate::{Error, RequestError, Result};

use attacked::{ATTACKS, smallest_norms};
use claims::{beats_first_order, over_networks};
use correlated::{Correlated, correlate};
use kept::ImageFigures;
use predictors::{FIRST_ORDER, INVERSE_GRADIENT, Scales, effort, measure, names, packet, radius, worded};

/// Below this many images nothing is said about a network.
const IMAGES: usize = 100;

/// Below this many networks nothing is said about networks.
const NETWORKS: usize = 5;

/// What was found of a network.
#[derive(Serialize)]
struct AttackedNetwork {
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
        return Err(Error::Request(RequestError::Nothing("there are no networks to look at"))
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
    let width = |network: &AttackedNetwork| network.scales[0].0.clone();
    let primary = networks.first().map(width).unwrap_or_default();
    for figure in [radius(&primary), packet(&primary)] {
        report.claims.push(beats_first_order(&networks, &figure));
    }
    report.claims.push(over_networks(&networks));
    Claim::adjust(&mut report.claims);
    report.figures = json!({ "attacks": ATTACKS, "networks": value(&networks)? });
    Ok(Some(report))
}

fn network(lab: &dyn Lab, model: &Path, on: &Conditions) -> Result<Option<AttackedNetwork>> {
    let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (data, engine) = lab.open(model)?;
    let place = on.out.join(format!("{name}.json"));
    let Some(ImageFigures { norms, rows, .. }) = measured(lab, model, &data, &engine, &place)? else {
        return Ok(None);
    };
    let scales = Scales::of(&rows, engine.classifier().dimension());
    let names = names(scales);
    let of = |name: &str| {
        let place = names.iter().position(|other| other == name).unwrap_or_default();
        median(&rows.iter().filter_map(|(_, figures)| figures[place]).collect::<Vec<_>>())
    };
    lab.say(&format!("{name}: {} images broken, median l2 norm {}", rows.len(), short(scales.median)));
    Ok(Some(AttackedNetwork {
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
) -> Result<Option<ImageFigures>> {
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
    if let Some(kept) = ImageFigures::read(place, &settings)? {
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
        return Err(Error::TooFew {
            count: norms.len() as u64,
            what: "images",
            purpose: format!("for {}: attacks broke none; take more", model.display()),
        });
    }
    let scales = Scales { median: median(&distances), dimension: engine.classifier().dimension() };
    let Some(figures) = measure(lab, engine, data, &examined, scales)? else { return Ok(None) };
    let measured = ImageFigures { settings, norms, rows: distances.into_iter().zip(figures).collect() };
    measured.write(place)?;
    Ok(Some(measured))
}

impl Scales {
    /// The scales of images, whose smallest norms stand first in the rows.
    fn of(rows: &[(f64, Vec<Option<f64>>)], dimension: usize) -> Scales {
        Scales { median: median(&rows.iter().map(|(norm, _)| *norm).collect::<Vec<_>>()), dimension }
    }
}

fn median(values: &[f64]) -> f64 {
    stats::median(values.iter().copied()).map_or(f64::NAN, |(median, _)| median)
}

/// The size at which networks are compared: the median of their median smallest norms.
fn common_eps(networks: &[AttackedNetwork]) -> f64 {
    median(&networks.iter().map(|network| network.median_norm).collect::<Vec<_>>())
}

/// The share of all images that no attack breaks within `eps`.
fn robust(network: &AttackedNetwork, eps: f64) -> f64 {
    let robust = network.norms.iter().filter(|norm| norm.is_none_or(|norm| norm > eps));
    robust.count() as f64 / network.images.max(1) as f64
}

fn in_words(figure: &Figure) -> String {
    figure.worded("", |value| format!("{value:+.3}"))
}

fn table(network: &AttackedNetwork) -> String {
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

fn across(networks: &[AttackedNetwork]) -> String {
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
