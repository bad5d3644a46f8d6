//! Packets of a classifier over a data set.

mod figures;
mod files;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use figures::{Figures, SurveySummary};
pub use files::write_survey;

use crate::data::{DataSet, Sample, Selection};
use crate::engine::Engine;
use crate::packet::oracle::EngineOracle;
use crate::packet::{
    BoxFigures, BoxPacket, DataFigures, DataPacket, ESS_FLOOR, Effort, Empirical, EmpiricalFigures,
    GaussianPacket, Hidden, LogOdds, MeasureError, Packet,
};
use crate::probe::{Cosines, Probe};
use crate::run::{DataSummary, ModelSummary};
use crate::threat::check_inside;
use crate::warning::Warning;
use crate::{Error, Result};

/// What packets may take of the memory, in bytes.
const MEMORY: usize = 3 << 29;

/// Which packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PacketKind {
    /// `ψ ∝ l · √N(x; x₀, s² I)`, around samples of the data.
    Gaussian,
    /// `ψ ∝ l · √ρ`, `ρ` a mixture of `N(x_j, s² I)` over samples of one label.
    Data,
    /// `ψ ∝ l` on the box from the first to the second bound, for one label.
    Box([f64; 2]),
    /// `ψ ∝ l` on the samples of one label.
    Empirical,
}

impl PacketKind {
    /// Whether the packet has a window, and so a scale.
    pub fn has_scale(self) -> bool {
        matches!(self, PacketKind::Gaussian | PacketKind::Data)
    }
}

/// Which packets to measure: for every scale (packets that have one), every centre (`gaussian`) or
/// every label (the others).
pub struct Survey<'a> {
    pub engine: &'a Engine,
    /// The hidden tensor of `engine`'s classifier whose packets are measured; the input's otherwise.
    pub hidden: Option<&'a Hidden>,
    pub data: &'a DataSet,
    pub kind: PacketKind,
    /// The windows' widths `s`, in input units.
    pub scales: Vec<f64>,
    /// Only this label.
    pub label: Option<usize>,
    /// Which samples of the data set are used: of all labels together as centres of `gaussian`, of each
    /// label otherwise.
    pub centres: Selection,
    /// Whether a random part of the data as centres of `gaussian` is as even among the labels as can be.
    pub stratified: bool,
    /// Points per packet, to begin with.
    pub samples: usize,
    /// When to stop.
    pub effort: Effort,
    pub seed: u64,
    /// How many samples, from the first of the label, the single-backward probe looks at; those of a
    /// hidden tensor are not probed.
    pub probed: usize,
}

/// What a survey found.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyOutcome {
    /// The mean over packets at each scale, in order; scales without a finished packet are absent.
    pub curve: Vec<Figures>,
    /// Every packet, by scale and then centre.
    pub packets: Vec<Figures>,
    /// The packets that could not be measured.
    pub failed: Vec<Failure>,
    /// The single-backward probe, if it was asked for.
    pub cosines: Option<Cosines>,
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

/// Points of so many other classes are where tracks to far parts of a packet start.
const OTHERS: usize = 8;

impl Survey<'_> {
    /// Measures all packets, side by side; those that cannot be measured are told apart. `stop` ends it
    /// early, with the packets finished by then; `progress` hears how many are done, and of how many.
    ///
    /// # Errors
    /// When a scale is not positive, the label has no samples, model and data do not fit, or the
    /// runtime fails.
    pub fn run(&self, stop: &AtomicBool, mut progress: impl FnMut(u64, u64)) -> Result<SurveyOutcome> {
        if let Some(scale) = self.scales.iter().find(|scale| !(**scale > 0.0 && scale.is_finite())) {
            return Err(Error::Packet(format!(
                "the packet's scale is {scale}; it must be positive and finite, in input units"
            )));
        }
        // Before anything is read, so that the summary can tell whether it stayed the same.
        self.data.fingerprint()?;
        let places = self.places()?;
        let scales: Vec<Option<f64>> = match self.kind.has_scale() {
            true => self.scales.iter().copied().map(Some).collect(),
            false => vec![None],
        };
        let work: Vec<(Option<f64>, &Site)> =
            scales.iter().flat_map(|&scale| places.iter().map(move |place| (scale, place))).collect();
        let cosines = self.probe(stop)?;
        let others = self.others()?;
        let found = self.measure_all(&work, &others, stop, &mut progress)?;
        let mut outcome =
            SurveyOutcome { curve: Vec::new(), packets: Vec::new(), failed: Vec::new(), cosines };
        for (&scale, found) in scales.iter().zip(found.chunks(places.len())) {
            for (found, place) in found.iter().zip(&places) {
                let (label, centre) = (place.label() as u64, place.centre());
                match found {
                    Some(Ok(found)) => outcome.packets.push(found.figures(Some(label), centre, 1)),
                    Some(Err(reason)) => {
                        outcome.failed.push(Failure { scale, label, centre, reason: reason.clone() });
                    }
                    None => {}
                }
            }
            let finished: Vec<&AnyPacket> =
                found.iter().flatten().filter_map(|found| found.as_ref().ok()).collect();
            if let Some(mean) = AnyPacket::average(&finished)? {
                let label = self.label.map(|label| label as u64);
                outcome.curve.push(mean.figures(label, None, finished.len() as u64));
            }
        }
        Ok(outcome)
    }

    fn probe(&self, stop: &AtomicBool) -> Result<Option<Cosines>> {
        if self.probed == 0 || self.hidden.is_some() {
            return Ok(None);
        }
        let probe = Probe { samples: Selection::First(self.probed), label: self.label };
        let report = probe.measure(self.engine, self.data, stop, |_| ())?;
        Ok(Some(Cosines::of(report.records.iter().map(|record| record.cosine))))
    }

    /// The figures with what they were measured on: `model` is the model's file, `took` the time
    /// of the run.
    ///
    /// # Errors
    /// When the files cannot be read any more.
    pub fn summary(&self, model: &Path, outcome: &SurveyOutcome, took: Duration) -> Result<SurveySummary> {
        self.data.check_unchanged()?;
        Ok(SurveySummary {
            version: 1,
            model: ModelSummary::of(model, self.engine.classifier())?,
            data: DataSummary::of(self.data)?,
            tensor: self.hidden.map(|hidden| hidden.name().into()),
            runtime: self.engine.runtime().name().into(),
            seed: self.seed,
            curve: outcome.curve.clone(),
            failed: outcome.failed.clone(),
            cosines: outcome.cosines,
            warnings: self.warnings(outcome),
            seconds: took.as_secs_f64(),
        })
    }

    fn warnings(&self, outcome: &SurveyOutcome) -> Vec<Warning> {
        let mut warnings = self.engine.warnings().to_vec();
        let count = |of: &dyn Fn(&&Figures) -> bool| outcome.packets.iter().filter(of).count();
        let few = count(&|packet| !packet.enough_samples);
        let missed = count(&|packet| !packet.reached);
        let wrong = count(&|packet| packet.enough_samples && packet.reached && !packet.valid);
        let (all, failed) = (outcome.packets.len(), outcome.failed.len());
        if few > 0 {
            let cure = match self.kind {
                PacketKind::Empirical => {
                    "the loss of a few data points outweighs the others; more data may help"
                }
                _ => "ask for more with --max-draws, or take a smaller scale",
            };
            let message =
                format!("{few} of {all} packets have fewer than {ESS_FLOOR} effective samples: {cure}");
            warnings.push(Warning::new("few-samples", message));
        }
        if missed > 0 {
            let message = format!(
                "a part of {missed} of {all} packets may not have been reached: the figures do not vary from sample to \
                 sample, or of many searches only one found a part of the packet, so that others may have found none. \
                 Take another scale, or look at the loss along lines (`kennard slice`)"
            );
            warnings.push(Warning::new("packet-not-reached", message));
        }
        if wrong > 0 {
            let message = format!(
                "Stein's identities fail for {wrong} of {all} packets: the gradient is not the loss's, or a part of \
                 the packet was never sampled"
            );
            warnings.push(Warning::new("stein", message));
        }
        if failed > 0 {
            let message = format!(
                "{failed} of {} packets could not be measured and are in no figure; `failed` says why",
                all + failed
            );
            warnings.push(Warning::new("packets-failed", message));
        }
        warnings
    }

    /// Where the packets are.
    fn places(&self) -> Result<Vec<Site>> {
        let classes = self.engine.classifier().classes();
        if let Some(label) = self.label.filter(|label| *label >= classes) {
            return Err(Error::Packet(format!(
                "there is no label {label}: the model has {classes} classes, 0 to {}",
                classes - 1
            )));
        }
        if self.centres.count(usize::MAX) == 0 {
            return Err(Error::Packet("no centres were asked for; take at least one".into()));
        }
        if let (PacketKind::Box(_), Some(hidden)) = (self.kind, self.hidden) {
            return Err(Error::Packet(format!(
                "the tensor `{}` has no bounds, so there is no box packet of it; take gaussian or data",
                hidden.name()
            )));
        }
        if let (PacketKind::Data | PacketKind::Empirical, Some(hidden)) =
            (self.kind, self.hidden.filter(|h| h.rest() > 0))
        {
            return Err(Error::Packet(format!(
                "skip connections carry {} elements past the tensor `{}`, and they differ from sample to sample: only \
                 the gaussian packet, around one sample, can be had of it",
                hidden.rest(),
                hidden.name()
            )));
        }
        if let PacketKind::Box(bounds) = self.kind {
            let [low, high] = bounds;
            if low >= high || low.is_nan() || high.is_nan() {
                return Err(Error::Packet(MeasureError::<Error>::Bounds(low, high).to_string()));
            }
            for sample in self.data.samples()? {
                let sample = sample?;
                check_inside(sample.index, &sample.input, bounds.map(|v| v as f32))?;
            }
            let labels = self.label.map_or(0..classes, |label| label..label + 1);
            return Ok(labels.map(|label| Site::Label(label, Vec::new())).collect());
        }
        let samples = self.samples_of_labels(classes)?;
        if samples.is_empty() {
            let label = self.label.map_or(String::new(), |label| format!(" of label {label}"));
            return Err(Error::Packet(format!(
                "the data set {} ({}) has no sample{label}; choose a label that it has",
                self.data.spec(),
                self.data.split()
            )));
        }
        if self.kind == PacketKind::Gaussian {
            return samples
                .into_iter()
                .map(|sample| self.cut(sample))
                .map(|c| c.map(|(s, r)| Site::Centre(s, r)))
                .collect();
        }
        let mut labels: Vec<Vec<Sample>> = vec![Vec::new(); classes];
        for sample in samples {
            labels[sample.label].push(self.cut(sample)?.0);
        }
        let labels = labels.into_iter().enumerate().filter(|(_, samples)| !samples.is_empty());
        Ok(labels.map(|(label, samples)| Site::Label(label, samples)).collect())
    }

    /// A sample with the values of the hidden tensor in place of its input, and what goes past that.
    fn cut(&self, sample: Sample) -> Result<(Sample, Vec<f32>)> {
        let Some(hidden) = self.hidden else { return Ok((sample, Vec::new())) };
        let values = hidden.values(&sample.input)?;
        Ok((Sample { input: values.tensor, ..sample }, values.rest))
    }

    /// How many packets are measured side by side: a packet takes up to 4 KiB a coordinate.
    fn workers(&self) -> usize {
        let engine = self.answering();
        let packet = 4096 * engine.classifier().dimension().max(1);
        engine.plan().sessions.min((MEMORY / packet).max(1))
    }

    /// The engine that answers about points.
    fn answering(&self) -> &Engine {
        self.hidden.map_or(self.engine, Hidden::engine)
    }

    /// The samples that are used, in their order.
    fn samples_of_labels(&self, classes: usize) -> Result<Vec<Sample>> {
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); classes];
        for (index, label) in self.data.labels()?.enumerate() {
            let label = label?;
            self.engine.classifier().check_label(index, label)?;
            if self.label.is_none_or(|wanted| wanted == label) {
                places[label].push(index);
            }
        }
        if self.kind == PacketKind::Gaussian {
            return self.at(self.centres_of(&places));
        }
        let mut taken: Vec<usize> = places.iter().flat_map(|places| self.centres.among(places)).collect();
        taken.sort_unstable();
        self.at(taken)
    }

    fn at(&self, indices: Vec<usize>) -> Result<Vec<Sample>> {
        Ok(self.data.at(Box::new(indices.into_iter()))?.collect::<std::result::Result<_, _>>()?)
    }

    /// The centres of `gaussian`, of the places of each label.
    fn centres_of(&self, places: &[Vec<usize>]) -> Vec<usize> {
        let mut all = places.concat();
        all.sort_unstable();
        let (count, seed) = match self.centres {
            Selection::Random { count, seed } if self.stratified && count < all.len() => (count, seed),
            _ => return self.centres.among(&all),
        };
        // A round takes one of each label that has any left; the last takes those of some labels, drawn at
        // random.
        let mut queues: Vec<Vec<usize>> = places
            .iter()
            .filter(|places| !places.is_empty())
            .map(|places| Selection::Random { count: count.min(places.len()), seed }.in_random_order(places))
            .collect();
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let left: Vec<usize> = (0..queues.len()).filter(|&label| !queues[label].is_empty()).collect();
            let wanted = Selection::Random { count: count - taken.len(), seed }.among(&left);
            taken.extend(wanted.into_iter().filter_map(|label| queues[label].pop()));
        }
        taken.sort_unstable();
        taken
    }

    /// A sample of each of several labels, drawn at random, for the packets of the others.
    fn others(&self) -> Result<Vec<Sample>> {
        if self.kind != PacketKind::Gaussian {
            return Ok(Vec::new());
        }
        let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, label) in self.data.labels()?.enumerate() {
            places.entry(label?).or_default().push(index);
        }
        let places: Vec<Vec<usize>> = places.into_values().collect();
        let labels: Vec<usize> = (0..places.len()).collect();
        let (labels, seed) =
            (Selection::Random { count: OTHERS + 1, seed: self.seed }.among(&labels), self.seed);
        let mut indices: Vec<usize> = labels
            .iter()
            .flat_map(|&label| Selection::Random { count: 1, seed }.among(&places[label]))
            .collect();
        indices.sort_unstable();
        self.at(indices)?.into_iter().map(|sample| Ok(self.cut(sample)?.0)).collect()
    }

    /// A packet, or why it cannot be measured.
    ///
    /// # Errors
    /// When the runtime fails.
    fn measure(
        &self,
        scale: Option<f64>,
        place: &Site,
        others: &[Sample],
        oracle: &mut EngineOracle,
    ) -> Result<Measurement> {
        let (samples, seed, effort) = (self.samples, self.seed, &self.effort);
        let scale = scale.unwrap_or(f64::NAN);
        let found = match (self.kind, place) {
            (PacketKind::Gaussian, Site::Centre(sample, rest)) => {
                oracle.hold(rest);
                let others = others.iter().filter(|other| other.label != sample.label);
                let others: Vec<&[f32]> = others.take(OTHERS).map(|other| other.input.as_slice()).collect();
                GaussianPacket { scale, samples, seed }
                    .measure_among(effort, &sample.input, sample.label, sample.index as u64, &others, oracle)
                    .map(|packet| AnyPacket::Gaussian(Box::new(packet)))
            }
            (PacketKind::Data, Site::Label(label, points)) => {
                let centres: Vec<&[f32]> = points.iter().map(|sample| sample.input.as_slice()).collect();
                DataPacket { scale, samples, seed }
                    .measure_until(effort, &centres, *label, oracle)
                    .map(AnyPacket::Data)
            }
            (PacketKind::Box(bounds), Site::Label(label, _)) => BoxPacket { bounds, samples, seed }
                .measure_until(effort, self.engine.classifier().dimension(), *label, oracle)
                .map(AnyPacket::Box),
            (PacketKind::Empirical, Site::Label(label, points)) => {
                empirical(points, *label, oracle).map(AnyPacket::Empirical)
            }
            (PacketKind::Gaussian, Site::Label(..)) | (_, Site::Centre(..)) => {
                unreachable!("places follow the kind")
            }
        };
        match found {
            Ok(found) => Ok(Ok(found)),
            Err(MeasureError::Oracle(error)) => Err(Error::Packet(format!("the packet at {place}: {error}"))),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn measure_all(
        &self,
        work: &[(Option<f64>, &Site)],
        others: &[Sample],
        stop: &AtomicBool,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<Vec<Option<Measurement>>> {
        let engine = self.answering();
        let oracle = |evaluator| EngineOracle::until(evaluator, engine, stop);
        let measure = |oracle: &mut EngineOracle, (scale, place): &(Option<f64>, &Site)| {
            self.measure(*scale, place, others, oracle)
        };
        let (who, total) = ("the measurement of a packet", work.len() as u64);
        engine.each_of(who, work, self.workers(), stop, oracle, measure, |done| progress(done as u64, total))
    }
}

/// Where a packet is.
enum Site {
    /// A sample, with what goes past a hidden tensor there.
    Centre(Sample, Vec<f32>),
    /// A label, with the samples that are used.
    Label(usize, Vec<Sample>),
}

impl Site {
    fn label(&self) -> usize {
        match self {
            Site::Centre(sample, _) => sample.label,
            Site::Label(label, _) => *label,
        }
    }

    fn centre(&self) -> Option<u64> {
        match self {
            Site::Centre(sample, _) => Some(sample.index as u64),
            Site::Label(..) => None,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Site::Centre(sample, _) => write!(f, "sample {}", sample.index),
            Site::Label(label, _) => write!(f, "label {label}"),
        }
    }
}

/// A measured packet, or why it could not be measured.
type Measurement = std::result::Result<AnyPacket, String>;

/// A measured packet.
#[derive(Clone)]
enum AnyPacket {
    Gaussian(Box<Packet>),
    Data(DataFigures),
    Box(BoxFigures),
    Empirical(EmpiricalFigures),
}

impl AnyPacket {
    fn figures(&self, label: Option<u64>, centre: Option<u64>, packets: u64) -> Figures {
        match self {
            AnyPacket::Gaussian(packet) => Figures::of_gaussian(packet, label, centre, packets),
            AnyPacket::Data(packet) => Figures::of_data(packet, label, packets),
            AnyPacket::Box(packet) => Figures::of_box(packet, label, packets),
            AnyPacket::Empirical(packet) => Figures::of_empirical(packet, label, packets),
        }
    }

    /// The mean of packets of one kind; none of none.
    fn average(found: &[&AnyPacket]) -> Result<Option<AnyPacket>> {
        macro_rules! all {
            ($kind:ident) => {
                found.iter().filter_map(|f| if let AnyPacket::$kind(p) = f { Some(p.clone()) } else { None })
            };
        }
        let mean = match found.first() {
            None => return Ok(None),
            Some(AnyPacket::Gaussian(_)) => {
                let packets: Vec<Packet> = all!(Gaussian).map(|packet| *packet).collect();
                Packet::average(&packets).map(|packet| AnyPacket::Gaussian(Box::new(packet)))
            }
            Some(AnyPacket::Data(_)) => {
                DataFigures::average(&all!(Data).collect::<Vec<_>>()).map(AnyPacket::Data)
            }
            Some(AnyPacket::Box(_)) => {
                BoxFigures::average(&all!(Box).collect::<Vec<_>>()).map(AnyPacket::Box)
            }
            Some(AnyPacket::Empirical(_)) => {
                EmpiricalFigures::average(&all!(Empirical).collect::<Vec<_>>()).map(AnyPacket::Empirical)
            }
        };
        mean.map(Some).map_err(|error| Error::Packet(error.to_string()))
    }
}

fn empirical(
    points: &[Sample],
    label: usize,
    oracle: &mut EngineOracle,
) -> Result<EmpiricalFigures, MeasureError<Error>> {
    let dimension = points.first().map_or(0, |sample| sample.input.len());
    let mut packet = Empirical::new(dimension);
    for points in points.chunks(oracle.batch_size().max(1)) {
        let points: Vec<f32> = points.iter().flat_map(|sample| &sample.input).copied().collect();
        packet.push(&points, label, oracle)?;
    }
    packet.finish()
}
