//! Certificates of a smoothed classifier: their settings, on the command line or from elsewhere, and their directory.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kennard::Result;
use kennard::data::{DataSet, Selection};
use kennard::engine::Engine;
use kennard::report::Sheet;
use kennard::run::ModelSummary;
use kennard::smoothing::{Certification, SmoothingDirectory, SmoothingOutcome, SmoothingProgress};

use crate::report;
use crate::settings::{Bounds, Data, Model, Number, Run, Sharding, Taken, missing};

/// What pages are called.
pub const TITLE: &str = "A classifier smoothed by noise";

/// What is certified, in words.
pub const GUARANTEE: &str = "What is certified is the smoothed classifier g, which returns the class that the model f returns most often \
                         under the noise, and not f itself: of f's robustness this says nothing. Within its radius, in l2, g \
                         returns the sample's label.";

part! {
    /// The noise, and what is certified under it.
    Noise {
        /// The standard deviation of the noise, in input units: 0.25, or 64/255
        #[arg(long, value_name = "S")]
        sigma: Number,
        /// Radii (l2, input units) fixed beforehand: draws stop as soon as all of them are decided [default: all draws are taken,
        /// and the radius is as large as they allow]
        #[arg(long, value_name = "R,R,…", value_delimiter = ',')]
        radius: Vec<Number>,
        /// Draws per sample that count, at most where there are radii [default: 100000]
        #[arg(long, value_name = "N")]
        draws: u64,
        /// Draws per sample that choose the class, before those that count [default: 100]
        #[arg(long, value_name = "N")]
        choosing: u64,
        /// The probability that a sample's certificate is wrong, at most [default: 0.001]
        #[arg(long, value_name = "SHARE")]
        alpha: f64,
        /// Move noisy points into this range before the model sees them, as training by gaussian-noise does [default: they are
        /// left where the noise leads]
        #[arg(long, value_name = "LO,HI")]
        bounds: Bounds,
    }
}

part! {
    /// Where the results of smoothing go.
    Kept {
        /// Where to keep samples as they finish, and to write manifest.json, samples.parquet, summary.json and report.html
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    }
}

parts! {
    /// The settings of certificates by noise.
    Smoothing {
        data: Data,
        taken: Taken,
        noise: Noise,
        sharding: Sharding,
        run: Run,
        model: Model,
        kept: Kept,
    }
}

const SIGMA: [&str; 2] = ["--sigma", "the standard deviation of the noise, for example 0.25"];

impl Smoothing {
    /// The standard deviation of the noise.
    ///
    /// # Errors
    /// When it is missing.
    pub fn sigma(&self) -> Result<f64> {
        Ok(self.noise.sigma.ok_or_else(|| missing(SIGMA))?.0)
    }

    /// Which samples are certified, or are divided into shards.
    ///
    /// # Errors
    /// When no samples are chosen.
    pub fn selection(&self) -> Result<Selection> {
        self.taken.selection(self.run.seed())
    }

    /// What is asked of the model at work on the data.
    ///
    /// # Errors
    /// When the noise is missing, or no samples are chosen.
    pub fn certification<'a>(
        &self,
        model: ModelSummary,
        engine: &'a Engine,
        data: &'a DataSet,
    ) -> Result<Certification<'a>> {
        let (noise, seed) = (&self.noise, self.run.seed());
        Ok(Certification {
            samples: self.selection()?,
            shard: self.sharding.shard(),
            radii: noise.radius.iter().flatten().map(|radius| radius.0).collect(),
            choosing: noise.choosing.unwrap_or(Certification::CHOOSING),
            draws: noise.draws.unwrap_or(Certification::DRAWS),
            failure: noise.alpha.unwrap_or(Certification::FAILURE),
            bounds: noise.bounds.map(Bounds::single),
            seed,
            ..Certification::new(model, engine, data, self.sigma()?)
        })
    }

    /// The directory of the results.
    pub fn out(&self) -> Option<&Path> {
        self.kept.out.as_deref()
    }
}

/// How a run that was stopped is continued. `command` is empty where another language called.
pub fn goes_on(command: &[String]) -> &'static str {
    if command.is_empty() { "the same call with resume=True" } else { "the same command with --resume" }
}

/// Certifies the samples, kept in a directory as they finish, with a page that says so.
///
/// # Errors
/// As those of the certification, and when the directory cannot be used.
pub fn run_in(
    path: &Path,
    certification: &Certification,
    command: Vec<String>,
    resume: bool,
    stop: &AtomicBool,
    show: impl FnMut(SmoothingProgress),
) -> Result<SmoothingOutcome> {
    let directory = SmoothingDirectory::open(path, certification, command.clone(), resume)?;
    if let Some(damage) = directory.damage() {
        warn!("warning (journal): {damage}");
    }
    if directory.finished() > 0 {
        note!("{}: {} samples are there already", path.display(), directory.finished());
    }
    let goes_on = Some(goes_on(&command).into());
    report::begin(path, &Sheet { goes_on, ..Sheet::new(TITLE, GUARANTEE, command) })?;
    certification.run_in(directory, stop, show)
}
