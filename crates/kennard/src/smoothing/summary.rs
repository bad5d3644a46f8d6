use serde::{Deserialize, Serialize};

use super::SmoothingSettings;
use super::record::CertificateRecord;
use super::votes::{largest_radius, mean_radius};
use crate::data::Selection;
use crate::run::files::to_json_text;
use crate::run::shard::SHARD_ALONE;
use crate::run::{About, DataSummary, ModelSummary, Shard};
use crate::stats::Share;
use crate::warning::Warning;
use crate::{Advice, Figure, Result};

/// The figures of a smoothed classifier, as in `summary.json`. Shares are fractions, intervals are of 95 % over samples, radii
/// are in l2 and input units, times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SmoothingSummary {
    /// The version of this format.
    pub version: u32,
    /// The model f. What is certified is the classifier g that is smoothed by noise, and not f.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// Whether all samples are done with.
    pub complete: bool,
    /// Which samples of the data were to be examined.
    pub selection: Selection,
    /// The part of these that the figures are of, where that is not all.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// How many these are; in a shard, those of the shard.
    pub total: u64,
    /// How many of them are done with.
    pub samples: u64,
    /// The runtime's name.
    pub runtime: String,
    /// The seed of the noise.
    pub seed: u64,
    /// The standard deviation of the noise, in input units.
    pub sigma: f64,
    /// Draws that choose a class, per sample.
    pub choosing: u64,
    /// Draws that count, per sample; at most where radii were fixed beforehand.
    pub draws: u64,
    /// The probability that a sample's certificate is wrong, at most.
    pub failure: f64,
    /// The bounds that noisy points are moved into; null where they are not.
    pub bounds: Option<[f32; 2]>,
    /// Whether each sample was drawn at until the radii were decided, these having been fixed beforehand.
    pub sequential: bool,
    /// Samples on which g abstains: no class is certain to come more often than half of the time. None where drawing ended
    /// when larger radii than 0 were decided.
    #[serde(default)]
    pub abstained: Option<u64>,
    /// Certified accuracy within each radius: of those that were fixed beforehand, or of a grid.
    pub certified: Vec<CertifiedWithin>,
    /// The mean certified radius, 0 where there is none or for another class; null while samples are pending, where radii
    /// were fixed beforehand (what is known beyond them is by chance), and of fewer than two samples.
    pub mean_radius: Option<Figure>,
    /// Points evaluated.
    pub forwards: u64,
    /// Points that would have been evaluated, had all draws been taken at these samples.
    pub forwards_of_all_draws: u64,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// The share of samples whose label is certified within a radius.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertifiedWithin {
    /// The radius.
    pub radius: f64,
    /// How many samples are certified.
    pub certified: u64,
    /// Of how many samples it is not known yet whether they are.
    pub pending: u64,
    /// The share; null while some are pending.
    pub certified_accuracy: Option<f64>,
    /// What the share lies between, whatever the pending samples turn out to be.
    pub bracket: [f64; 2],
    /// Its Clopper–Pearson interval; null while some are pending.
    pub interval: Option<[f64; 2]>,
}

/// The radii of the curve where none were fixed beforehand are multiples of σ/4, as many as a certificate can reach.
const GRID: f64 = 0.25;

/// A look at fewer samples is no reason for a warning.
const ENOUGH: u64 = 20;

impl SmoothingSummary {
    /// The version of the format.
    pub const VERSION: u32 = 1;

    /// The summary before the first sample.
    pub(super) fn blank(about: &About, settings: &SmoothingSettings) -> SmoothingSummary {
        let s = settings;
        let radii = match s.radii.is_empty() {
            true => grid(s),
            false => {
                let mut radii = s.radii.clone();
                radii.sort_by(f64::total_cmp);
                radii.dedup();
                radii
            }
        };
        let blank = |radius| CertifiedWithin {
            radius,
            certified: 0,
            pending: about.samples,
            certified_accuracy: None,
            bracket: [0.0, 1.0],
            interval: None,
        };
        SmoothingSummary {
            version: SmoothingSummary::VERSION,
            model: about.model.clone(),
            data: s.data.clone().into(),
            complete: false,
            selection: s.samples,
            shard: s.shard,
            total: about.samples,
            samples: 0,
            runtime: s.runtime.name.clone(),
            seed: s.seed,
            sigma: s.sigma,
            choosing: s.choosing,
            draws: s.draws,
            failure: s.failure,
            bounds: s.bounds,
            sequential: !s.radii.is_empty(),
            abstained: None,
            certified: radii.into_iter().map(blank).collect(),
            mean_radius: None,
            forwards: 0,
            forwards_of_all_draws: 0,
            warnings: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Fills in all figures that follow from the records.
    pub(super) fn count(&mut self, records: &[CertificateRecord]) {
        let number =
            |of: &dyn Fn(&CertificateRecord) -> bool| records.iter().filter(|r| of(r)).count() as u64;
        self.samples = records.len() as u64;
        let pending = self.total.saturating_sub(self.samples);
        self.complete = pending == 0;
        // Drawing that ends when larger radii are decided ends before it is known whether one half is reached.
        let known = !self.sequential || self.certified.iter().any(|within| within.radius == 0.0);
        self.abstained = known.then(|| number(&|record| record.radius.is_none()));
        for within in &mut self.certified {
            let count = number(&|record| record.certifies(within.radius, self.sigma));
            let share = Share { count, pending, total: self.total };
            within.certified = count;
            within.pending = pending;
            within.certified_accuracy = share.known();
            within.bracket = share.bracket();
            within.interval = share.interval();
        }
        let radius = |r: &CertificateRecord| r.radius.filter(|_| r.class == r.label).unwrap_or(0.0);
        let radii: Vec<f64> = records.iter().map(radius).collect();
        let most = largest_radius(self.draws, self.failure, self.sigma);
        self.mean_radius =
            (pending == 0 && !self.sequential && radii.len() > 1).then(|| mean_radius(&radii, most));
        self.forwards = records.iter().map(|record| self.choosing + record.draws).sum();
        self.forwards_of_all_draws = self.samples * (self.choosing + self.draws);
        let codes = ["abstains", "interrupted", SHARD_ALONE];
        self.warnings.retain(|warning| !codes.contains(&warning.code.as_str()));
        self.warnings.extend(self.shard.warning());
        self.warnings.extend(self.abstains());
        if !self.complete {
            let message = format!(
                "{} of {} samples are done; shares are brackets until all are",
                self.samples, self.total
            );
            self.warnings.push(Warning::new("interrupted", message).advise(". {resume} goes on"));
        }
    }

    /// A network that was never shown such noise has nothing to certify.
    fn abstains(&self) -> Option<Warning> {
        let abstained = self.abstained?;
        (self.samples >= ENOUGH && 2 * abstained > self.samples).then(|| {
            let message = format!(
                "under noise of standard deviation {} no class comes more often than half of the time on {} of {} samples: the \
                 network is not robust to such noise",
                self.sigma, abstained, self.samples
            );
            let advice = Advice::new(". Train one with this noise ({method = gaussian-noise} {strength}), or use less noise");
            Warning::new("abstains", message).advise(advice.with("strength", self.sigma))
        })
    }

    /// The text of `summary.json`.
    ///
    /// # Errors
    /// When a figure cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        to_json_text(self)
    }
}

fn grid(settings: &SmoothingSettings) -> Vec<f64> {
    let most = largest_radius(settings.draws, settings.failure, 1.0);
    let steps = (most / GRID).max(0.0) as usize;
    (0..=steps).map(|step| step as f64 * GRID * settings.sigma).collect()
}
