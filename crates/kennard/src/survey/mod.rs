//! Packets of a classifier over a data set.

mod distances;
mod figures;
mod files;
mod kind;
mod measured;
mod measuring;
mod settings;
mod sites;
mod summary;
mod warnings;

use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

pub use distances::DistanceFigures;
pub(crate) use distances::{CentreDistances, DistanceEffort};
pub use figures::Figures;
pub(crate) use figures::{NOT_REACHED, yes};
pub use files::write_survey;
pub use kind::PacketKind;
pub use settings::SurveySettings;
pub use summary::{Lobes, SurveySummary};

use distances::medians;
use measured::AnyPacket;
use measuring::{Measurement, Starts};
use sites::{Site, SiteWork};

/// What a survey's `manifest.json` says.
pub type SurveyManifest = crate::run::Manifest<SurveySettings>;

use crate::calibration::Calibrated;
use crate::data::{DataSet, Selection};
use crate::engine::Engine;
use crate::error::positive;
use crate::packet::{Effort, Hidden};
use crate::probe::{Cosines, Probe};
use crate::{Error, Result};

/// Which packets to measure: for every scale (packets that have one), every centre (`gaussian`) or
/// every label (the others).
#[derive(Clone)]
pub struct Survey<'a> {
    /// The classifier.
    pub engine: &'a Engine,
    /// The hidden tensor of `engine`'s classifier whose packets are measured; the input's otherwise.
    pub hidden: Option<&'a Hidden>,
    /// The data set.
    pub data: &'a DataSet,
    /// Which packet.
    pub kind: PacketKind,
    /// The windows' widths `s`, in input units.
    pub scales: Vec<f64>,
    /// Only this label.
    pub label: Option<usize>,
    /// Which samples of the data set are used: of all labels together as centres of `gaussian`, of each
    /// label otherwise.
    pub centres: Selection,
    /// The samples that centres of `gaussian` are chosen from.
    pub among: Selection,
    /// Samples that are not used, by their places in ascending order: those that a temperature was fitted to.
    pub without: Vec<usize>,
    /// Temperatures that the logits are divided by, for the same packets at each; 1 alone where there are none.
    pub temperatures: Vec<f64>,
    /// What one of these that was fitted does to the confidence of the network.
    pub calibration: Option<Calibrated>,
    /// Whether a random part of the data as centres of `gaussian` is as even among the labels as can be.
    pub stratified: bool,
    /// Points per packet, to begin with.
    pub samples: usize,
    /// When to stop.
    pub effort: Effort,
    /// Whether distances to the decision boundary are measured as well, at the centres of `gaussian`.
    pub distances: bool,
    /// The seed of all random numbers.
    pub seed: u64,
    /// How many samples, from the first of the label, the single-backward probe looks at; those of a
    /// hidden tensor are not probed.
    pub probed: usize,
}

/// What a survey found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurveyOutcome {
    /// The mean over packets at each scale, in order; scales without a finished packet are absent.
    pub curve: Vec<Figures>,
    /// Every packet, by scale and then centre.
    pub packets: Vec<Figures>,
    /// The packets that could not be measured.
    pub failed: Vec<Failure>,
    /// The single-backward probe, if it was asked for.
    pub cosines: Option<Cosines>,
    /// How many packets were to be measured.
    pub planned: u64,
    /// Whether all was measured that was to be.
    pub complete: bool,
}

impl SurveyOutcome {
    /// The table of `packets.parquet`: a row per packet.
    ///
    /// # Errors
    /// None, but for a fault of the program.
    pub fn table(&self) -> Result<RecordBatch> {
        files::table(&self.packets).map_err(|error| Error::format("the table", error))
    }

    /// Takes what was found at the sites at one scale. How many packets have misclassified points where none was seen when
    /// distances were measured.
    fn take(
        &mut self,
        scale: Option<f64>,
        sites: &[Site],
        found: &[Option<Measurement>],
        distances: &[Option<CentreDistances>],
    ) -> usize {
        let mut with_errors = 0;
        for ((found, measured), site) in found.iter().zip(distances).zip(sites) {
            let (label, centre) = (site.label() as u64, site.centre());
            match found {
                Some(Ok(found)) => {
                    let mut figures = found.figures(Some(label), centre, 1);
                    figures.distances = measured.as_ref().map(CentreDistances::figures).unwrap_or_default();
                    let unseen = measured.as_ref().is_some_and(CentreDistances::is_without_errors);
                    let wrong = figures.misclassified.is_some_and(|share| share.value > 0.0);
                    with_errors += usize::from(unseen && wrong);
                    self.packets.push(figures);
                }
                Some(Err(reason)) => {
                    self.failed.push(Failure { scale, label, centre, reason: reason.clone() });
                }
                None => {}
            }
        }
        with_errors
    }
}

/// A packet that could not be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The window's width `s`, where the packet has one.
    pub scale: Option<f64>,
    /// The label.
    pub label: u64,
    /// The place in the data set of the sample that is the centre, where it is one.
    pub centre: Option<u64>,
    /// Why.
    pub reason: String,
}

impl<'a> Survey<'a> {
    /// The packets of the input around, or of, the first 8 samples, without scales yet, 2000 points each and more
    /// where that is too few, without modes and probe, of seed 0.
    pub fn new(engine: &'a Engine, data: &'a DataSet, kind: PacketKind) -> Self {
        Self {
            engine,
            hidden: None,
            data,
            kind,
            scales: Vec::new(),
            label: None,
            centres: Selection::First(8),
            among: Selection::All,
            without: Vec::new(),
            temperatures: Vec::new(),
            calibration: None,
            stratified: false,
            samples: 2000,
            effort: Effort::default(),
            distances: false,
            seed: 0,
            probed: 0,
        }
    }
}

impl Survey<'_> {
    /// Measures all packets, side by side; those that cannot be measured are told apart. `stop` ends it
    /// early, with the packets finished by then; `progress` hears how many are done, and of how many.
    ///
    /// # Errors
    /// When a scale or a temperature is not positive, the label has no samples, model and data do not fit, the model has no
    /// gradient, or the runtime fails.
    pub fn run(&self, stop: &AtomicBool, mut progress: impl FnMut(u64, u64)) -> Result<SurveyOutcome> {
        let parts = self.temperatures.len() as u64;
        let mut whole = SurveyOutcome::default();
        // Before any work.
        let engines: Vec<(f64, Engine, Option<Hidden>)> = self
            .temperatures
            .iter()
            .map(|&temperature| {
                let hidden = self.hidden.map(|hidden| hidden.at_temperature(temperature)).transpose()?;
                Ok((temperature, self.engine.at_temperature(temperature)?, hidden))
            })
            .collect::<Result<_>>()?;
        if let Some(why) = self.answering().gradient_error() {
            let needed = Some("Packets are of the slope of the loss, and need a gradient".into());
            return Err(Error::NoGradient { why: why.to_string(), needed });
        }
        if engines.is_empty() {
            let outcome = self.run_once(None, stop, &mut progress)?.0;
            return Ok(SurveyOutcome { complete: self.is_whole(&outcome, stop), ..outcome });
        }
        // No temperature moves the boundary, so distances are measured once.
        let mut distances = None;
        for (part, (temperature, engine, hidden)) in engines.iter().enumerate() {
            let probed = if part == 0 { self.probed } else { 0 };
            let survey = Survey { engine, hidden: hidden.as_ref(), probed, ..self.clone() };
            let mut hear = |done, total| progress(part as u64 * total + done, parts * total);
            let (mut found, measured) = survey.run_once(distances.take(), stop, &mut hear)?;
            distances = Some(measured);
            let figures = found.curve.iter_mut().chain(&mut found.packets);
            figures.for_each(|figures| figures.temperature = Some(*temperature));
            whole.curve.append(&mut found.curve);
            whole.packets.append(&mut found.packets);
            whole.failed.append(&mut found.failed);
            whole.cosines = whole.cosines.or(found.cosines);
            whole.planned += found.planned;
        }
        whole.complete = self.is_whole(&whole, stop);
        Ok(whole)
    }

    /// Whether nothing is missing: what comes after the packets may be, where it was stopped.
    fn is_whole(&self, outcome: &SurveyOutcome, stop: &AtomicBool) -> bool {
        let done = (outcome.packets.len() + outcome.failed.len()) as u64;
        let nothing_after = !self.distances || self.kind != PacketKind::Gaussian;
        !stop.load(Ordering::Relaxed) || (nothing_after && done == outcome.planned)
    }

    /// The same at one temperature, that of the engine; with the distances at each place of work, those that are `known` or
    /// newly measured ones.
    fn run_once(
        &self,
        known: Option<Vec<Option<CentreDistances>>>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(SurveyOutcome, Vec<Option<CentreDistances>>)> {
        let allowed = "it must be positive and finite, in input units";
        self.scales.iter().try_for_each(|scale| positive("the packet's scale", *scale, allowed))?;
        // Before anything is read, so that the summary can tell whether it stayed the same.
        self.data.fingerprint()?;
        let sites = self.sites()?;
        let scales: Vec<Option<f64>> = match self.kind.has_scale() {
            true => self.scales.iter().copied().map(Some).collect(),
            false => vec![None],
        };
        let work: Vec<SiteWork> = scales
            .iter()
            .flat_map(|&scale| sites.iter().enumerate().map(move |(place, site)| (scale, place, site)))
            .collect();
        let cosines = self.probe(stop)?;
        let others = self.others()?;
        let across = self.across(&sites, stop)?;
        let found = self.measure_all(&work, &Starts { others, across }, stop, progress)?;
        let planned = work.len() as u64;
        let mut outcome = SurveyOutcome { cosines, planned, ..SurveyOutcome::default() };
        let peaks: Vec<&[Vec<f32>]> = found
            .iter()
            .map(|found| found.iter().flatten().next().map_or(&[][..], AnyPacket::peaks))
            .collect();
        let distances = known.map_or_else(|| self.distances_beside(&work, &peaks, stop), Ok)?;
        let chunks = found.chunks(sites.len()).zip(distances.chunks(sites.len()));
        for (&scale, (found, distances)) in scales.iter().zip(chunks) {
            let with_errors = outcome.take(scale, &sites, found, distances);
            let finished: Vec<&AnyPacket> =
                found.iter().flatten().filter_map(|found| found.as_ref().ok()).collect();
            if let Some(mean) = AnyPacket::average(&finished)? {
                let label = self.label.map(|label| label as u64);
                let mut figures = mean.figures(label, None, finished.len() as u64);
                let measured: Vec<&CentreDistances> = distances.iter().flatten().collect();
                let (medians, notes) = medians(&measured, with_errors);
                figures.distances = medians;
                figures.notes.extend(notes);
                outcome.curve.push(figures);
            }
        }
        Ok((outcome, distances))
    }

    fn probe(&self, stop: &AtomicBool) -> Result<Option<Cosines>> {
        if self.probed == 0 || self.hidden.is_some() {
            return Ok(None);
        }
        let probe = Probe { samples: Selection::First(self.probed), label: self.label };
        let report = probe.measure(self.engine, self.data, stop, |_| ())?;
        Ok(Some(Cosines::of(report.records.iter().map(|record| record.cosine))))
    }
}
