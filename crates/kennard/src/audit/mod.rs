//! How accurate a classifier is, how accurate it stays under attack, and how its conjugate spreads
//! stand to their bound.

mod bounding;
mod certified;
mod changed;
mod check;
mod directory;
mod distances;
mod finished;
mod first;
mod followed;
mod gallery;
mod judged;
mod merge;
mod missing;
mod optimality;
mod packet_plan;
mod packet_summary;
mod packets;
mod passes;
mod predicted;
mod predictions;
mod radii;
mod record;
mod requirement;
mod sample;
mod settings;
mod state;
mod summary;
mod table;
mod warnings;

use arrow_array::RecordBatch;

use crate::attack::{Adversarial, Attack, MinimumNorm};
use crate::calibration::Calibrated;
use crate::certify::BoundMethod;
use crate::data::{DataSet, Indices, Selection};
use crate::engine::Engine;
use crate::run::ModelSummary;
use crate::threat::{Boxes, Lattice};
use crate::{Error, Result, ThreatModel};

pub use certified::{Certified, CertifiedBy};
pub use directory::RunDirectory;
pub use distances::{CurvePoint, Distances};
pub use finished::FinishedRun;
pub use followed::Followed;
pub use gallery::{Role, Shown, roles};
pub use judged::Judged;
pub use merge::merge;
pub use optimality::{Comparison, Standing, compare};
pub use packet_plan::PacketPlan;
pub use packet_summary::PacketSummary;
pub use predicted::PredictedDistances;
pub use predictions::Predictions;
pub use radii::{CertifiedPoint, CertifiedRadii};
pub use record::{AttackRecord, Record};
pub use requirement::Requirement;
#[cfg(feature = "report")]
pub(crate) use settings::OWN_SIZES;
pub use settings::{AuditSettings, NamedAttack};
pub use state::{RunState, Stage};
pub use summary::{AttackSummary, Clean, MinimalSummary, Robust, Summary};
pub use warnings::chance_accuracy;

pub use crate::run::{About, Checkpoint, Shard};
pub use crate::warning::Warning;

/// What an audit's `manifest.json` says.
pub type AuditManifest = crate::run::Manifest<AuditSettings>;

/// What to measure of a classifier.
pub struct Audit<'a> {
    /// Which model it is, for the record.
    pub model: ModelSummary,
    /// The classifier at work.
    pub engine: &'a Engine,
    /// Labelled samples.
    pub data: &'a DataSet,
    /// What the attacks may do.
    pub threat: ThreatModel,
    /// A box of its own for each sample of the data; attacks then move anywhere in there, and the threat model is what is
    /// [said](Boxes::threat) of it.
    pub boxes: Option<Boxes>,
    /// Which points are valid, where not all are: adversarial ones must be, and samples are.
    pub lattice: Option<Lattice>,
    /// The attacks.
    pub attacks: Vec<Box<dyn Attack>>,
    /// Whether an attack tries only what those before it left standing, as AutoAttack does, rather than
    /// every sample that is classified correctly.
    pub cascade: bool,
    /// Attacks that seek the closest adversarial point.
    pub minimal: Vec<Box<dyn MinimumNorm>>,
    /// Whether to try, before any attack, to prove of every sample that is classified correctly that nothing within epsilon
    /// breaks it. A sample that is certified is attacked only where each attack's whole budget is asked for, or for its
    /// distance.
    pub certify: bool,
    /// The last method of bounds that is tried, on what those before it left.
    pub bounds: BoundMethod,
    /// Whether to seek, besides, the largest radius around every sample that is proved, beside the distances that
    /// minimum-norm attacks find.
    pub radii: bool,
    /// Methods of bounds that cost a sample more than this many passes with a gradient are left out.
    pub certify_within: Option<u64>,
    /// What was decided about certificates, where that was left to the [attacks](Audit::certificates_first).
    pub certificates: Option<String>,
    /// Whether to take the loss gradient at every sample, for its cosine with the sample.
    pub probe: bool,
    /// The packets to measure.
    pub packets: Vec<PacketPlan>,
    /// Which samples; all by default.
    pub samples: Selection,
    /// Samples that are no centres of packets, by their places in ascending order: those that a temperature was fitted to.
    pub without: Vec<usize>,
    /// What that temperature does to the confidence of the network, where it is known.
    pub calibration: Option<Calibrated>,
    /// The part of these that this run works on.
    pub shard: Shard,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Spend every attack's whole budget on every sample and keep the worst margin, instead of stopping at
    /// the first adversarial point.
    pub full: bool,
    /// The most passes that an attack may spend on a sample, at least 2: one is kept for the untouched model's judgement of what is
    /// found (3 of at least 4 where searches are of less than single precision).
    pub budget: Option<u64>,
    /// What must be reached; the summary says whether it is.
    pub requirements: Vec<Requirement>,
    /// Where the model comes from, if it is one of several checkpoints under the same audit. The figures do not depend
    /// on it.
    pub checkpoint: Option<Checkpoint>,
}

/// How far an audit is. It asks the model about all samples first, then attacks those that are classified
/// correctly, and measures packets last.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress<'p> {
    /// Samples that the model was asked about.
    Clean {
        /// How many.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// Bounds are prepared that no sample needed before.
    Preparing {
        /// How many steps of that are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// Samples that bounds are done with.
    Bounds {
        /// How many, of those that are classified correctly.
        done: u64,
        /// How many there are.
        total: u64,
        /// How many are certified.
        certified: u64,
    },
    /// Samples whose certified radius is known.
    Radii {
        /// How many, of those that are classified correctly.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// Samples that attacks are done with.
    Attacks {
        /// How many, of those that are classified correctly.
        done: u64,
        /// How many are still to be attacked.
        pending: u64,
        /// What robust accuracy lies between, whatever becomes of these.
        bracket: [f64; 2],
    },
    /// A sample that was attacked, with the adversarial points.
    Examined(&'p Examined),
    /// All samples are done with: the figures so far, all but those of packets.
    Attacked(&'p Summary),
    /// Packet centres done with.
    Packets {
        /// How many are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
}

/// What an audit found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The figures.
    pub summary: Summary,
    /// One record per sample, in order.
    pub records: Vec<Record>,
    /// Some of the broken samples, with their adversarial points.
    pub shown: Vec<Shown>,
}

impl Outcome {
    /// The table of `samples.parquet`: a row per sample.
    ///
    /// # Errors
    /// When two attacks have one name.
    pub fn table(&self) -> Result<RecordBatch> {
        table::to_batch(&table::Sought::of(&self.summary), &self.records)
            .map_err(|problem| Error::format("the table", problem))
    }
}

/// A sample, what was found about it, and the adversarial points.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// What was found.
    pub record: Record,
    /// The sample itself.
    pub input: Vec<f32>,
    /// What the untouched model returns there.
    pub outputs: Vec<f32>,
    /// The adversarial point of each attack that found one, minimum-norm attacks last.
    pub adversarials: Vec<Option<Adversarial>>,
}

impl<'a> Audit<'a> {
    /// An audit of the clean accuracy alone; further fields say what else to measure.
    pub fn new(model: ModelSummary, engine: &'a Engine, data: &'a DataSet, threat: ThreatModel) -> Audit<'a> {
        Audit {
            model,
            engine,
            data,
            threat,
            boxes: None,
            lattice: None,
            attacks: Vec::new(),
            cascade: false,
            minimal: Vec::new(),
            certify: false,
            bounds: BoundMethod::TIGHTEST,
            radii: false,
            certify_within: None,
            certificates: None,
            probe: false,
            packets: Vec::new(),
            samples: Selection::All,
            without: Vec::new(),
            calibration: None,
            shard: Shard::WHOLE,
            seed: 0,
            full: false,
            budget: None,
            requirements: Vec::new(),
            checkpoint: None,
        }
    }

    /// The samples of this run, by their places in the data set.
    pub fn indices(&self) -> Indices {
        self.shard.of(self.samples.indices(self.data.len()))
    }
}
