//! What may predict an image's distance to the decision boundary.

use kennard_graph::Loss;

use crate::calibration::{Scores, fit_temperature};
use crate::data::{DataSet, Sample, Selection};
use crate::distance::{
    Crossing, DistanceError, EngineMargins, ErrorPacket, Radius, SlopeDistances, SmoothedRadius, crossings,
};
use crate::engine::{Engine, EngineOptions, Evaluator, Query};
use crate::experiment::{Lab, short};
use crate::packet::GaussianPacket;
use crate::packet::oracle::EngineOracle;
use crate::probe::labelled;
use crate::{Norm, Result};

/// What the figures depend on beside the network and the images.
pub fn effort() -> String {
    format!("{WINDOW} points, {WEIGHTED} weighted samples, temperature fitted to {FITTED}")
}

/// Points of each window.
const WINDOW: usize = 64;
/// Weighted samples of each smoothed radius, of each packet, and of each error packet.
const WEIGHTED: usize = 512;
/// Samples that the temperature is fitted to.
const FITTED: usize = 1000;

/// The widths of the windows, in input units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// The median smallest norm r of the images.
    pub median: f64,
    /// Elements of an image, d.
    pub dimension: usize,
}

impl Scales {
    /// The width that the predictions are about: ¼ r.
    pub fn predicted(self) -> (String, f64) {
        ("r/4".into(), self.median / 4.0)
    }

    /// All widths, with their names: ¼ r, and ¼, ½ and 1 of r/√d, where the window itself reaches as far as the boundary.
    pub fn all(self) -> Vec<(String, f64)> {
        let [quarter, half, whole] = [0.25, 0.5, 1.0].map(|share| share * self.reaching());
        vec![self.predicted(), ("r/(4√d)".into(), quarter), ("r/(2√d)".into(), half), ("r/√d".into(), whole)]
    }

    /// The width r/√d.
    pub fn reaching(self) -> f64 {
        self.median / (self.dimension as f64).sqrt()
    }
}

/// The names of the predictors, in the order of [`measure`]'s figures. All are to grow with the distance.
pub fn names(scales: Scales) -> Vec<String> {
    let mut names: Vec<String> =
        ["logit margin", INVERSE_GRADIENT, FIRST_ORDER, "nearest crossing of a short search"]
            .map(String::from)
            .into();
    for (width, _) in scales.all() {
        names.push(packet(&width));
        names.push(radius(&width));
    }
    names.push("error packet, mean along its attack, s = r/√d".into());
    names.push("inverse drift, s = r/√d".into());
    names.push(format!("{INVERSE_GRADIENT}, fitted temperature"));
    names.push("inverse drift, s = r/√d, fitted temperature".into());
    names
}

/// The name of margin over slope at the image.
pub const FIRST_ORDER: &str = "first-order distance";
/// The name of the inverse norm of the gradient of the log-odds loss.
pub const INVERSE_GRADIENT: &str = "inverse gradient norm";

/// The name of the packet distance at a width.
pub fn packet(width: &str) -> String {
    format!("packet distance, s = {width}")
}

/// The name of the smoothed radius at a width.
pub fn radius(width: &str) -> String {
    format!("smoothed radius, s = {width}")
}

/// The figures of each sample, as [`names`] has them; none where one could not be measured, and what is infinite as the
/// largest number. None where `lab` was stopped.
///
/// # Errors
/// When a runtime fails, or no temperature can be fitted.
pub fn measure(
    lab: &dyn Lab,
    engine: &Engine,
    data: &DataSet,
    samples: &[Sample],
    scales: Scales,
) -> Result<Option<Vec<Vec<Option<f64>>>>> {
    let sessions = engine.plan().sessions;
    let stop = lab.stop();
    let margins = |evaluator| EngineMargins::until(evaluator, stop);
    let work = |margins: &mut EngineMargins, sample: &Sample| Ok(distances(margins, sample, scales));
    let distances = engine.each_of(samples, sessions, stop, margins, work, |_| ())?;

    let temperature = temperature(engine, data)?;
    let tempered = engine.classifier().at_temperature(temperature)?;
    let tempered = Engine::new(tempered, engine.runtime().clone(), &EngineOptions::default())?;
    let (raw, fitted) = (drifts(lab, engine, samples, scales)?, drifts(lab, &tempered, samples, scales)?);
    let gradients = gradients(lab, &tempered, samples)?;
    let together = distances.into_iter().zip(raw).zip(fitted).zip(gradients);
    let figures = together.map(|(((distances, raw), fitted), gradient)| {
        let figures = [distances?, vec![raw?, gradient?, fitted?]].concat();
        Some(figures.into_iter().map(ranked).collect())
    });
    Ok(figures.collect())
}

/// What has a rank.
fn ranked(figure: f64) -> Option<f64> {
    (!figure.is_nan()).then(|| figure.clamp(-f64::MAX, f64::MAX))
}

/// What needs margins alone; NaN where it could not be measured. Where nothing misclassified is found, the boundary counts as
/// farther away than all others.
fn distances(margins: &mut EngineMargins, sample: &Sample, scales: Scales) -> Vec<f64> {
    let Sample { input, label, index, .. } = sample;
    let (label, key) = (*label, *index as u64);
    let (mut figures, mut by_width) = (vec![f64::NAN; 4], Vec::new());
    for (_, scale) in scales.all() {
        let slopes = SlopeDistances { scale, samples: WINDOW, seed: 0 }.measure(input, label, key, margins);
        let mut packet = f64::NAN;
        if let Ok(found) = slopes {
            figures[..3].copy_from_slice(&[found.margin, 1.0 / found.gradient_norm, found.first_order[L2]]);
            packet = found.packet[L2].value;
        }
        let radius = SmoothedRadius { scale, samples: WEIGHTED, seed: 0 }.measure(input, label, key, margins);
        by_width.extend([packet, radius.map_or(f64::NAN, |found| told(&found))]);
    }
    let nearest = |all: Vec<Crossing>| all.first().map_or(f64::INFINITY, |nearest| nearest.distance);
    figures[3] = crossings(input, label, margins).map_or(f64::NAN, nearest);
    let error = ErrorPacket { scale: scales.reaching(), samples: WEIGHTED, seed: 0 };
    let error = match error.measure(input, label, key, &[], margins) {
        Ok(found) => found.mean.value,
        Err(DistanceError::NoErrors(_)) => f64::INFINITY,
        Err(_) => f64::NAN,
    };
    [figures, by_width, vec![error]].concat()
}

/// A smoothed radius; infinite where the window has no misclassified sample, or none of the label.
fn told(found: &Radius) -> f64 {
    let beyond = found.beyond.map_or(f64::NAN, |bound| f64::INFINITY.copysign(bound));
    found.radius.map_or(beyond, |radius| radius.value)
}

/// The place of l2 among the norms of distances.
const L2: usize = 1;

/// 1/drift; NaN where there is no packet.
fn drifts(lab: &dyn Lab, engine: &Engine, samples: &[Sample], scales: Scales) -> Result<Vec<Option<f64>>> {
    let packet = GaussianPacket { scale: scales.reaching(), samples: WEIGHTED, seed: 0 };
    let stop = lab.stop();
    let oracle = |evaluator| EngineOracle::until(evaluator, engine, stop);
    let work = |oracle: &mut EngineOracle, sample: &Sample| {
        let found = packet.measure(&sample.input, sample.label, sample.index as u64, oracle);
        Ok(found.map_or(f64::NAN, |packet| 1.0 / packet.drift.value))
    };
    engine.each_of(samples, engine.plan().sessions, stop, oracle, work, |_| ())
}

/// The inverse l2 norms of the gradients of the log-odds loss.
fn gradients(lab: &dyn Lab, engine: &Engine, samples: &[Sample]) -> Result<Vec<Option<f64>>> {
    let work = |evaluator: &mut Evaluator, sample: &Sample| {
        let answers =
            evaluator.evaluate(&Query::gradient(Loss::LogOdds, sample.input.clone(), sample.label))?;
        Ok(1.0 / Norm::L2.size(&answers.gradient))
    };
    engine.each_of(samples, engine.plan().sessions, lab.stop(), |evaluator| evaluator, work, |_| ())
}

/// The temperature of the largest likelihood.
fn temperature(engine: &Engine, data: &DataSet) -> Result<f64> {
    let mut scores = Scores::default();
    // Not the images that are examined, but for chance.
    let indices = Selection::Random { count: FITTED, seed: 1 }.indices(data.len());
    let samples: Vec<Sample> = labelled(engine, data, indices)?.collect::<Result<_>>()?;
    Evaluator::lend(engine, |mut evaluator| -> Result<()> {
        for sample in samples {
            let answer = evaluator.evaluate(&Query::logits(sample.input))?;
            scores.push(&answer.logits, sample.label);
        }
        Ok(())
    })?;
    Ok(fit_temperature(&scores)?.value)
}

/// A width in words.
pub fn worded((name, scale): &(String, f64)) -> String {
    format!("{name} = {}", short(*scale))
}
