//! Packets over a data set: their settings, on the command line or from elsewhere, and their files.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use kennard::calibration::{Calibrate, Calibrated};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::packet::{ESS_FLOOR, Effort, FEWEST, Hidden};
use kennard::run::{ModelSummary, write_set};
use kennard::survey::{
    Failure, PacketKind, Survey, SurveyManifest, SurveyOutcome, SurveySummary, write_survey,
};
use kennard::{Error, PacketError, Result};
use serde::Deserialize;

use crate::portrait::pictures;
use crate::screen::short;
use crate::settings::{Bounds, Number, Temperature, Tempered, missing};

part! {
    /// The packets to measure.
    Packets {
        /// The packet, by where the loss is looked at [default: gaussian]
        #[arg(long, value_enum)]
        packet: Packet,
        /// Widths of the window in input units, for a curve over them: 1/255,2/255,4/255
        #[arg(long, value_name = "S,S,…", value_delimiter = ',')]
        scale: Vec<Number>,
        /// The box of packet box: smallest and largest value of an input element [default: 0,1]
        #[arg(long, value_name = "LO,HI")]
        bounds: Bounds,
        /// The packets of this hidden tensor instead of the input's; scales are in its units
        #[arg(long, value_name = "NAME")]
        tensor: String,
        /// Only samples of this label
        #[arg(long)]
        label: usize,
        /// How many samples of the data are used, drawn at random by the seed [default: 32 as centres of
        /// gaussian, as many of each label as can be; 1000 of each label otherwise]
        #[arg(long, visible_alias = "samples", value_name = "N")]
        #[serde(alias = "samples")]
        centres: usize,
        /// Use the first N samples, in the order of the files; of each label where packets are of labels
        #[arg(long, value_name = "N", conflicts_with = "centres")]
        first: usize,
        /// Points per packet, to begin with [default: 2000]
        #[arg(long, value_name = "N")]
        draws: usize,
        /// Points per packet at the most: more are taken until their effective sample size is enough [default: 32000]
        #[arg(long, value_name = "N")]
        max_draws: usize,
        /// Sample until the half-widths of σ_x, σ_p, product, drift and dispersion are below this share of their values, up to
        /// --max-draws
        #[arg(long)]
        rel_tol: f64,
        /// Measure the packets with the logits divided by this temperature too: a number, the file of `kennard calibrate`, or fit,
        /// which fits it to half of the samples; the calibration error is then said too
        #[arg(long, value_name = "T|FILE|fit", conflicts_with = "temperatures")]
        temperature: Temperature,
        /// Measure the packets at each of these temperatures. These change no decision: a figure that changes with them does
        /// not measure robustness
        #[arg(long, value_name = "T,T,…", value_delimiter = ',')]
        temperatures: Vec<Number>,
        /// Succeed even where packets have too few effective samples; they are marked as not to be trusted: true or false
        #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        accept_few: bool,
        /// Not supported: clamping changes the packet
        #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        clamp: bool,
        /// Where to write manifest.json, packets.parquet, summary.json, report.html, and pictures of maps, modes and curves
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    }
}

/// Packets by their names.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Packet {
    /// Under a Gaussian window around a sample
    Gaussian,
    /// Under a mixture of Gaussian windows around the samples of a label
    Data,
    /// Everywhere in the box of all inputs
    Box,
    /// At the samples of a label
    Empirical,
}

/// This many samples are probed by one gradient each.
const PROBED: usize = 1000;

const CLAMP: &str = "--clamp: points of a packet are not clamped. A window on all of space has no boundary, which is \
                     what makes 1/2 the bound; clamping piles samples up on the faces and adds a boundary term, and the \
                     identities fail. The network is evaluated outside the range of the data instead: it is a function \
                     there too. For a packet that lives inside the range, take --packet=box";

impl Packets {
    fn kind(&self) -> Result<PacketKind> {
        let kind = match self.packet.unwrap_or(Packet::Gaussian) {
            Packet::Gaussian => PacketKind::Gaussian,
            Packet::Data => PacketKind::Data,
            Packet::Empirical => PacketKind::Empirical,
            Packet::Box => PacketKind::Box(self.bounds.unwrap_or_default().0),
        };
        let all = matches!(kind, PacketKind::Empirical);
        let none = matches!(kind, PacketKind::Box(_));
        let (summed, bare) = (
            "the packet on the data's points is a sum over all of them",
            "the packet of a box has no samples",
        );
        for (name, given, why) in [
            ("--draws", all && self.draws.is_some(), summed),
            ("--max-draws", all && self.max_draws.is_some(), summed),
            ("--rel-tol", all && self.rel_tol.is_some(), summed),
            ("--centres", none && self.centres.is_some(), bare),
            ("--first", none && self.first.is_some(), bare),
        ] {
            if given {
                return Err(Error::Setting(format!("{name}: {why}; leave it out")));
            }
        }
        match (kind.has_scale(), self.scale.as_ref().is_none_or(Vec::is_empty)) {
            (true, true) => Err(missing(["--scale", "the widths of the window, for example 1/255,2/255"])),
            (false, false) => Err(Error::Setting("--scale: this packet has no window; leave it out".into())),
            _ => Ok(kind),
        }
    }

    /// What can be refused before anything is read; makes the directory of the results.
    pub fn check(&self) -> Result<()> {
        if self.clamp == Some(true) {
            return Err(Error::Setting(CLAMP.into()));
        }
        self.kind()?;
        for (one, other, both) in [
            ("--centres", "--first", self.centres.is_some() && self.first.is_some()),
            ("--temperature", "--temperatures", self.temperature.is_some() && self.temperatures.is_some()),
        ] {
            if both {
                return Err(Error::Setting(format!("{one} and {other} exclude each other; leave one out")));
            }
        }
        for (name, points) in [("--draws", self.draws), ("--max-draws", self.max_draws)] {
            if let Some(points) = points.filter(|points| *points < FEWEST) {
                let message =
                    format!("{name} {points}: too few points for intervals; take at least {FEWEST}");
                return Err(Error::Setting(message));
            }
        }
        let is_wrong = |tolerance: &f64| !(*tolerance > 0.0 && tolerance.is_finite());
        if let Some(tolerance) = self.rel_tol.filter(is_wrong) {
            let message =
                format!("--rel-tol {tolerance}: it must be positive and finite, 0.05 for five per cent");
            return Err(Error::Setting(message));
        }
        crate::source::prepare_new(self.out.as_deref())
    }

    /// The hidden tensor that takes the place of the input, if there is one.
    pub fn hidden(&self, engine: &Engine, options: &EngineOptions) -> Result<Option<Hidden>> {
        self.tensor.as_ref().map(|name| Hidden::new(engine, name, options)).transpose()
    }

    /// The survey. The file of a fitted temperature must be of this `model`.
    pub fn survey<'a>(
        &self,
        engine: &'a Engine,
        hidden: Option<&'a Hidden>,
        data: &'a DataSet,
        model: &ModelSummary,
        seed: u64,
    ) -> Result<Survey<'a>> {
        let kind = self.kind()?;
        // Each number once, in the order of first appearance.
        let numbers = |numbers: &Option<Vec<Number>>| -> Vec<f64> {
            let mut found: Vec<f64> = Vec::new();
            for Number(number) in numbers.iter().flatten() {
                if !found.contains(number) {
                    found.push(*number);
                }
            }
            found
        };
        let (temperatures, without, calibration) = match &self.temperature {
            Some(temperature) => {
                let samples = self.first.map_or(Selection::All, Selection::First);
                let Tempered { temperature, fitted_to, calibration } =
                    temperature.of(model, engine, data, Calibrate { samples, seed })?;
                (
                    numbers(&Some(vec![Number(1.0), Number(temperature)])),
                    fitted_to,
                    calibration.map(Calibrated::from),
                )
            }
            None => (numbers(&self.temperatures), Vec::new(), None),
        };
        let max_samples = self.max_draws.unwrap_or(32_000);
        let usual = if kind == PacketKind::Gaussian { 32 } else { 1000 };
        Ok(Survey {
            engine,
            hidden,
            data,
            kind,
            scales: numbers(&self.scale),
            label: self.label,
            centres: match self.first {
                Some(count) => Selection::First(count),
                None => Selection::Random { count: self.centres.unwrap_or(usual), seed },
            },
            among: Selection::All,
            without,
            temperatures,
            calibration,
            stratified: true,
            samples: self.draws.unwrap_or(2000).min(max_samples),
            effort: Effort { max_samples, rel_tol: self.rel_tol, modes: true, ..Effort::default() },
            distances: true,
            seed,
            // Samples beyond the first N may be damaged, and are not asked for.
            probed: self.first.map_or(PROBED, |count| count.min(PROBED)),
        })
    }

    /// The summary of what was measured; an error where nothing could be, though nobody stopped it.
    pub fn summary(
        &self,
        survey: &Survey,
        model: ModelSummary,
        outcome: &SurveyOutcome,
        took: Duration,
    ) -> Result<SurveySummary> {
        let none = outcome.packets.is_empty() && outcome.complete;
        if let (true, Some(first)) = (none, outcome.failed.first()) {
            let all = outcome.failed.len();
            return Err(PacketError::NoneMeasured { asked: all, first: failure(first) }.into());
        }
        survey.summary(model, outcome, took)
    }

    /// Writes the results and their page into the directory, where there is one; `command` is for the record.
    pub fn write(
        &self,
        survey: &Survey,
        outcome: &SurveyOutcome,
        summary: &SurveySummary,
        command: Vec<String>,
    ) -> Result<()> {
        let Some(directory) = &self.out else { return Ok(()) };
        write_survey(directory, summary, &outcome.packets)?;
        let manifest = SurveyManifest::new(survey, summary, command);
        let shape = survey.hidden.map_or(survey.data.shape(), |hidden| hidden.shape());
        let mut files = pictures(outcome, shape)?;
        files.push(("manifest.json".into(), crate::source::json(&manifest)?.into_bytes()));
        write_set(directory, &files)?;
        let count = files.len() - 1;
        let written = format!("manifest.json, packets.parquet, summary.json, {count} pictures");
        crate::report::beside(directory, &written)
    }

    /// What is said where packets have too few effective samples, and nobody accepted that.
    pub fn too_few(&self, outcome: &SurveyOutcome) -> Result<()> {
        let few = outcome.packets.iter().filter(|packet| !packet.enough_samples).count();
        if few == 0 || self.accept_few == Some(true) {
            return Ok(());
        }
        let packets = outcome.packets.len();
        let few = Error::Packet(PacketError::FewEffective { few, packets, least: ESS_FLOOR });
        let advice = ": ask for more with {max_draws}, take a smaller scale, or go on all the same with \
                      {accept_few}";
        Err(Error::Advised { error: Box::new(few), advice: advice.into() })
    }
}

/// Which packet could not be measured, and why.
pub fn failure(failure: &Failure) -> String {
    let scale = failure.scale.map_or(String::new(), |scale| format!(" at scale {}", short(scale)));
    let place = match failure.centre {
        Some(centre) => format!("sample {centre} (label {})", failure.label),
        None => format!("label {}", failure.label),
    };
    format!("{place}{scale}: {}", failure.reason)
}
