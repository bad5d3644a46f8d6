//! Networks of points in the plane, trained by a regime and a seed, and what is measured of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::packets::{Boxed, Packets};
use super::points::{Parts, PlanePoints};
use super::radius::radii;
use super::regimes::Regime;
use crate::answer::predict;
use crate::calibration::{Scores, fit_temperature};
use crate::data::Selection;
use crate::engine::{Engine, EngineOptions, Evaluator, Query};
use crate::figure::paired;
use crate::run::files::{read_if_there, to_json, write_whole};
use crate::run::sums::sha256;
use crate::stats::{clopper_pearson, quantile};
use crate::train::{
    Architecture, Kept, Network as Begun, TrainedOn, Training, TrainingData, TrainingDirectory, TrainingSet,
    TrainingSettings,
};
use crate::{Classifier, Figure, Graph, Preprocessing, Result, Runtime};

/// The size of attacks that robust accuracy is told for, in l2.
pub const EPS: f64 = 0.1;
/// How many points radii are measured of, and how many are centres of packets.
const ATTACKED: usize = 200;
const CENTRES: usize = 20;
/// Points per run of the runtime.
const MICRO_BATCH: usize = 256;

/// A network at an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochNetwork {
    /// The regime's name.
    pub regime: String,
    /// The seed.
    pub seed: u64,
    /// The epoch.
    pub epoch: usize,
    /// The accuracy on the points that are measured, with its interval over points.
    #[serde(flatten, with = "paired::clean")]
    pub clean: Figure,
    /// The share that is classified correctly everywhere within [`EPS`].
    pub robust: f64,
    /// The median l2 distance from correctly classified points to the nearest misclassified one; NaN is written as null.
    pub radius: Option<f64>,
    /// The fitted temperature, by which logits are to be divided; none where labels are no likelier at any.
    pub temperature: Option<f64>,
    /// Packets of the network as it is.
    pub raw: Packets,
    /// Packets with the logits divided by the temperature.
    pub fitted: Option<Packets>,
}

/// What networks are made and measured with.
pub struct Setup<'c> {
    /// The words of the command, for the record.
    pub command: Vec<String>,
    /// Ends the work early, once it is set.
    pub stop: &'c AtomicBool,
    /// What runs networks.
    pub runtime: &'c Runtime,
    /// The points.
    pub points: &'c Parts<PlanePoints>,
    /// What they are of, for the record.
    pub data: &'c str,
    /// How many epochs.
    pub epochs: usize,
    /// Where runs are kept.
    pub out: &'c Path,
}

/// Epochs that are measured, the last included.
pub fn measured(epochs: usize) -> Vec<usize> {
    std::iter::successors(Some(1), |epoch| Some(2 * epoch))
        .take_while(|e| *e < epochs)
        .chain([epochs])
        .collect()
}

impl Setup<'_> {
    /// Trains a network, or goes on with it; `None`: interrupted.
    ///
    /// # Errors
    /// When the directory is of another training, or the training diverges.
    pub fn train(&self, regime: &Regime, seed: u64) -> Result<Option<TrainingDirectory>> {
        let recipe = regime.recipe(self.epochs, seed);
        let (points, labels) = (&self.points.train, regime.labels_of(&self.points.train, seed));
        let bytes: Vec<u8> = points
            .values
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .chain(labels.iter().flat_map(|&label| (label as u64).to_le_bytes()))
            .collect();
        let data = TrainingData {
            name: format!("{}, in the plane of Fisher's discriminant", self.data),
            split: "train".into(),
            samples: Selection::First(labels.len()),
            sha256: vec![sha256(&bytes)],
            ..TrainingData::default()
        };
        let samples = TrainingSet::of(points.values.clone(), labels, &[2], &recipe)?;
        let architecture: Architecture = regime.architecture().parse()?;
        let model = architecture.build(&[2], points.classes, None, Kept::Activations, seed)?;
        let settings = TrainingSettings {
            network: Begun::Architecture(regime.architecture()),
            samples: TrainedOn::DataSet { data },
            recipe: recipe.clone(),
            runtime: None,
        };
        let place = self.place(regime, seed);
        let directory = TrainingDirectory::open(&place, self.command.clone(), &settings, true)?;
        let training =
            Training { model: &model, recipe: &recipe, samples: &samples, runtime: self.runtime, threads: 1 };
        let trained = training.run(Some(&directory), self.stop, |_| ())?;
        Ok((!trained.interrupted).then_some(directory))
    }

    /// The directory of a network.
    fn place(&self, regime: &Regime, seed: u64) -> PathBuf {
        self.out.join(format!("{}-{seed}", regime.name.replace(' ', "-")))
    }

    /// The network of a checkpoint.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn engine(&self, checkpoint: &Path) -> Result<Engine> {
        let classifier = Classifier::new(&Graph::load(checkpoint)?, &[2], &Preprocessing::default())?;
        let options = EngineOptions { micro_batch: Some(MICRO_BATCH), threads: Some(1) };
        Engine::new(classifier, self.runtime.clone(), &options)
    }

    /// What a file of a network's directory holds, made by `measure` unless it is there and of the same networks.
    ///
    /// # Errors
    /// Those of `measure`, and when the file cannot be written.
    pub fn kept<T: Serialize + for<'d> Deserialize<'d>>(
        &self,
        regime: &Regime,
        seed: u64,
        file: &str,
        measure: impl FnOnce(&TrainingDirectory) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let Some(directory) = self.train(regime, seed)? else { return Ok(None) };
        let of: String = measured(self.epochs)
            .iter()
            .map(|&epoch| Ok(crate::data::digest(&directory.checkpoint(epoch))?.sha256))
            .collect::<Result<_>>()?;
        let tested: Vec<u8> = self.points.test.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let key = sha256(format!("{of} {} {}", sha256(&tested), env!("CARGO_PKG_VERSION")).as_bytes());
        let path = self.place(regime, seed).join(file);
        if let Some(bytes) = read_if_there(&path)?
            && let Ok(kept) = serde_json::from_slice::<KeptFigures<T>>(&bytes)
            && kept.key == key
        {
            return Ok(Some(kept.figures));
        }
        let Some(figures) = measure(&directory)? else { return Ok(None) };
        let kept = KeptFigures { key, figures };
        write_whole(&path, &to_json(&kept)?)?;
        Ok(Some(kept.figures))
    }

    /// All measured epochs of a network.
    ///
    /// # Errors
    /// When it cannot be trained or measured.
    pub fn networks(&self, regime: &Regime, seed: u64) -> Result<Option<Vec<EpochNetwork>>> {
        self.kept(regime, seed, "measured.json", |directory| {
            let mut networks = Vec::new();
            for epoch in measured(self.epochs) {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                networks.push(self.measure(regime, seed, epoch, &directory.checkpoint(epoch))?);
            }
            Ok(Some(networks))
        })
    }

    /// The paper's packets on the box, of a network after its training.
    ///
    /// # Errors
    /// When it cannot be trained or measured.
    pub fn boxed(&self, regime: &Regime, seed: u64) -> Result<Option<Boxed>> {
        self.kept(regime, seed, "box.json", |directory| {
            Boxed::measure(&self.engine(&directory.checkpoint(self.epochs))?).map(Some)
        })
    }

    /// The centres of packets, of the points that no temperature is fitted to.
    pub fn centres(&self) -> PlanePoints {
        let held = held_out(&self.points.test);
        let count = CENTRES.min(self.points.train.labels.len() / 50).max(1);
        held.among(held.stratified(count).into_iter())
    }

    fn measure(&self, regime: &Regime, seed: u64, epoch: usize, checkpoint: &Path) -> Result<EpochNetwork> {
        let engine = self.engine(checkpoint)?;
        let temperature = temperature(&engine, &fitted_to(&self.points.test))?;
        let held = held_out(&self.points.test);
        let right = correct(&engine, &held)?;
        let hits = right.iter().filter(|right| **right).count() as u64;
        let attacked = held.among(0..ATTACKED.min(held.labels.len()));
        let found = radii(&engine, &attacked)?;
        let mut of_right: Vec<f64> = found.iter().copied().filter(|r| *r > 0.0).collect();
        of_right.sort_by(f64::total_cmp);
        let centres = self.centres();
        let fitted = match temperature {
            Some(t) => Some(Packets::measure(&engine.at_temperature(t)?, &centres)?),
            None => None,
        };
        Ok(EpochNetwork {
            regime: regime.name.into(),
            seed,
            epoch,
            clean: Figure::new(hits as f64 / right.len() as f64, clopper_pearson(hits, right.len() as u64)),
            robust: found.iter().filter(|r| **r > EPS).count() as f64 / found.len() as f64,
            radius: (!of_right.is_empty()).then(|| quantile(&of_right, 0.5)),
            temperature,
            raw: Packets::measure(&engine, &centres)?,
            fitted,
        })
    }
}

/// Figures with the digest of what they were measured on.
#[derive(Serialize, Deserialize)]
struct KeptFigures<T> {
    key: String,
    figures: T,
}

/// The half of the points that temperatures are fitted to: every second one.
fn fitted_to(points: &PlanePoints) -> PlanePoints {
    points.among((0..points.labels.len()).step_by(2))
}

/// The other half, on which everything is measured.
fn held_out(points: &PlanePoints) -> PlanePoints {
    points.among((1..points.labels.len()).step_by(2))
}

fn logits(engine: &Engine, points: &PlanePoints) -> Result<Vec<f32>> {
    Evaluator::lend(engine, |mut evaluator| evaluator.evaluate(&Query::logits(points.values.clone())))
        .map(|answers| answers.logits)
}

/// Whether each point is classified correctly.
pub fn correct(engine: &Engine, points: &PlanePoints) -> Result<Vec<bool>> {
    let logits = logits(engine, points)?;
    let answers = logits.chunks_exact(engine.classifier().classes()).zip(&points.labels);
    Ok(answers.map(|(z, &label)| predict(z) == label).collect())
}

/// The temperature of the largest likelihood; none where there is none, as of random labels.
fn temperature(engine: &Engine, points: &PlanePoints) -> Result<Option<f64>> {
    let mut scores = Scores::default();
    let logits = logits(engine, points)?;
    for (z, &label) in logits.chunks_exact(engine.classifier().classes()).zip(&points.labels) {
        scores.push(z, label);
    }
    Ok(fit_temperature(&scores).ok().map(|figure| figure.value))
}
