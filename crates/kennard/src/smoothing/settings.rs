use serde::{Deserialize, Serialize};

use super::Certification;
use crate::classifier::Preprocessing;
use crate::data::Selection;
use crate::run::{DataIdentity, Manifest, RuntimeSummary, Shard};
use crate::{RequestError, Result};

/// Everything that the figures of a certification depend on. Equal settings give equal samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothingSettings {
    /// SHA-256 of the model, in hexadecimal.
    pub model: String,
    /// What is done to inputs in front of the model.
    pub preprocessing: Preprocessing,
    /// The data.
    pub data: DataIdentity,
    /// Which samples.
    pub samples: Selection,
    /// The part of the samples that is examined.
    pub shard: Shard,
    /// The standard deviation of the noise, in input units.
    pub sigma: f64,
    /// The radii that were fixed beforehand.
    pub radii: Vec<f64>,
    /// Draws that choose the class of a certificate.
    pub choosing: u64,
    /// Draws that count, at most.
    pub draws: u64,
    /// The probability that a sample's certificate is wrong.
    pub failure: f64,
    /// The bounds that noisy points are moved into.
    pub bounds: Option<[f32; 2]>,
    /// The seed of all random numbers.
    pub seed: u64,
    /// What runs the model.
    pub runtime: RuntimeSummary,
    /// Samples per micro-batch.
    pub micro_batch: usize,
    /// Kennard's version.
    pub kennard: String,
}

impl SmoothingSettings {
    /// The settings of a certification.
    ///
    /// # Errors
    /// When a file of the data cannot be read.
    pub fn of(of: &Certification) -> Result<SmoothingSettings> {
        Ok(SmoothingSettings {
            model: of.model.sha256.clone(),
            preprocessing: of.engine.classifier().preprocessing().clone(),
            data: DataIdentity::of(of.data)?,
            samples: of.samples,
            shard: of.shard,
            sigma: of.sigma,
            radii: of.radii.clone(),
            choosing: of.choosing,
            draws: of.draws,
            failure: of.failure,
            bounds: of.bounds,
            seed: of.seed,
            runtime: of.engine.runtime().into(),
            micro_batch: of.engine.plan().micro_batch,
            kennard: env!("CARGO_PKG_VERSION").into(),
        })
    }
}

impl Manifest<SmoothingSettings> {
    /// The manifest of a certification that was started by `command`.
    ///
    /// # Errors
    /// When a file of the data cannot be read, or the shard has no sample.
    pub fn of_smoothing(of: &Certification, command: Vec<String>) -> Result<Manifest<SmoothingSettings>> {
        let whole = of.samples.indices(of.data.len()).len();
        if whole > 0 && of.indices().len() == 0 {
            let Shard { number, of } = of.shard;
            return Err(RequestError::EmptyShard { number, of, samples: whole }.into());
        }
        Ok(Manifest::of(command, of.engine.plan(), of.about(), SmoothingSettings::of(of)?))
    }
}
