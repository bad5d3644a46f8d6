//! What is asked of a smoothed classifier, and what cannot be.

use super::check_scale;
use super::looks::{Look, doubling, once};
use super::votes::{probability_within, radius_of};
use crate::data::{DataSet, Indices, Selection};
use crate::engine::Engine;
use crate::run::{About, ModelSummary, Shard};
use crate::{Error, Norm, RequestError, Result, ThreatModel};

/// What certificates are asked for, of which classifier and samples.
pub struct Certification<'a> {
    /// Which model it is, for the record.
    pub model: ModelSummary,
    /// The classifier f. What is certified is not f, but the smoothed one.
    pub engine: &'a Engine,
    /// The samples.
    pub data: &'a DataSet,
    /// Which samples; all by default.
    pub samples: Selection,
    /// The part of these that this run works on.
    pub shard: Shard,
    /// The standard deviation σ of the noise, in input units.
    pub sigma: f64,
    /// Radii in input units, fixed beforehand: each sample is drawn at until all of them are decided. Without any, all draws
    /// are taken, and the radius is as large as they allow.
    pub radii: Vec<f64>,
    /// Draws that choose the class of a certificate, n₀.
    pub choosing: u64,
    /// Draws that count, n; with radii at most.
    pub draws: u64,
    /// The probability α that a sample's certificate is wrong.
    pub failure: f64,
    /// Noisy points are moved into these bounds before the classifier sees them: what is smoothed is then the classifier
    /// behind that step. None: it is asked wherever the noise leads.
    pub bounds: Option<[f32; 2]>,
    /// The seed of the noise.
    pub seed: u64,
}

impl<'a> Certification<'a> {
    /// Draws that choose where nothing else is asked for (Cohen et al. 2019, section 4).
    pub const CHOOSING: u64 = 100;
    /// Draws that count.
    pub const DRAWS: u64 = 100_000;
    /// The probability that a certificate is wrong.
    pub const FAILURE: f64 = 0.001;

    /// The certification of all samples, with the largest radii that the usual number of draws allows.
    pub fn new(model: ModelSummary, engine: &'a Engine, data: &'a DataSet, sigma: f64) -> Self {
        Certification {
            model,
            engine,
            data,
            samples: Selection::All,
            shard: Shard::WHOLE,
            sigma,
            radii: Vec::new(),
            choosing: Self::CHOOSING,
            draws: Self::DRAWS,
            failure: Self::FAILURE,
            bounds: None,
            seed: 0,
        }
    }

    /// The samples of this run, by their places in the data set.
    pub fn indices(&self) -> Indices {
        self.shard.of(self.samples.indices(self.data.len()))
    }

    /// The largest radius that this many draws can certify, all of them agreeing: `σ Φ⁻¹(α^(1/n))`, with what the last
    /// look takes of α.
    pub fn largest_radius(&self) -> f64 {
        self.looks()
            .last()
            .map_or(0.0, |look| radius_of(look.failure.powf(1.0 / look.draws as f64), self.sigma))
    }

    /// The model, the samples and the classes that the run is about.
    pub(super) fn about(&self) -> About {
        About {
            model: self.model.clone(),
            samples: self.indices().len() as u64,
            classes: self.data.class_names().to_vec(),
            ..About::default()
        }
    }

    /// When the counts are looked at.
    pub(super) fn looks(&self) -> Vec<Look> {
        if self.radii.is_empty() {
            once(self.draws, self.failure)
        } else {
            doubling(self.draws, self.failure)
        }
    }

    /// Refuses settings that make no sense.
    pub(super) fn check(&self) -> Result<()> {
        check_scale(self.sigma)?;
        if self.choosing == 0 || self.draws == 0 {
            let (choosing, counting) = (self.choosing, self.draws);
            return Err(RequestError::NoDraws { choosing, counting, usual: 100_000 }.into());
        }
        if !(self.failure > 0.0 && self.failure < 0.5) {
            return Err(Error::OutOfRange {
                setting: "the probability of a wrong certificate".into(),
                value: self.failure,
                allowed: "it must lie between 0 and 0.5, 0.001 for example".into(),
            });
        }
        if let Some(bounds) = self.bounds {
            ThreatModel::unlimited(Norm::L2, bounds)?;
        }
        let largest = self.largest_radius();
        for &radius in &self.radii {
            if !(radius >= 0.0 && radius.is_finite()) {
                return Err(Error::OutOfRange {
                    setting: "the radius".into(),
                    value: radius,
                    allowed: "it is a length in units of the input, 0.25 for example".into(),
                });
            }
            if radius >= largest {
                let last = self.looks().last().map_or(self.failure, |look| look.failure);
                let needed = (last.ln() / probability_within(radius, self.sigma).ln()).floor() + 1.0;
                let far = RequestError::OutOfReach {
                    radius,
                    largest,
                    draws: self.draws,
                    sigma: self.sigma,
                    failure: self.failure,
                    last,
                    needed: (1.0..1e9).contains(&needed).then_some(needed as u64),
                };
                return Err(Error::Request(far).advise(" ({draws}, {sigma})"));
            }
        }
        Ok(())
    }
}
