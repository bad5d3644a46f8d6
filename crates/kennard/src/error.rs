mod mismatch;
mod packet;
mod request;
mod said;
mod sample;
mod threat;

use std::path::PathBuf;

use kennard_graph::GraphError;
use kennard_runtime::RuntimeError;

pub use self::mismatch::Mismatch;
pub use self::packet::PacketError;
pub use self::request::RequestError;
pub(crate) use self::request::size;
pub(crate) use self::said::{is_scale, positive, with_causes};
pub use self::sample::SampleError;
pub use self::threat::ThreatError;
use crate::Advice;
use crate::data::DataError;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in an audit. Every message says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model is broken, or cannot be transformed as needed.
    #[error(transparent)]
    Graph(GraphError),
    /// The model cannot be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is nothing of this name.
    #[error("the {what} `{name}` is unknown; {}known are {known}", said::hint(.nearest.as_deref()))]
    Unknown {
        /// What it should be the name of: an attack, a norm.
        what: &'static str,
        /// The name.
        name: String,
        /// A known name that it is close to.
        nearest: Option<String>,
        /// Names that are known.
        known: String,
    },
    /// A text is not of the form of what it should say.
    #[error("`{text}` is no {what}; {form}")]
    Unreadable {
        /// The text.
        text: String,
        /// What it should be: a number, a shard.
        what: &'static str,
        /// How to write one.
        form: String,
    },
    /// A number lies outside its range.
    #[error("{setting} is {value}; {allowed}")]
    OutOfRange {
        /// What is set.
        setting: String,
        /// The number.
        value: f64,
        /// What it must be.
        allowed: String,
    },
    /// A setting that the method of training has no use for.
    #[error("the method {method} has no {setting}")]
    NotOfMethod {
        /// The method.
        method: String,
        /// The setting.
        setting: &'static str,
    },
    /// A parameter of an attack is unknown, or makes no sense.
    #[error("the attack {attack}: {problem}")]
    AttackParameter {
        /// The attack's name.
        attack: String,
        /// What is wrong, and with which parameter.
        problem: String,
    },
    /// A setting that is needed was not given.
    #[error("{setting} is missing: {meaning}")]
    Missing {
        /// The setting.
        setting: String,
        /// What it is, with an example.
        meaning: String,
    },
    /// There are fewer than something takes.
    #[error("{count} {what} are too few {purpose}")]
    TooFew {
        /// How many there are.
        count: u64,
        /// Of what.
        what: &'static str,
        /// What they are too few for, and what to take.
        purpose: String,
    },
    /// What was asked for cannot be done.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The data set has no sample that was chosen.
    #[error("there is no sample to {purpose} in {data}")]
    NoSamples {
        /// What was to be done with them.
        purpose: &'static str,
        /// The data set.
        data: String,
    },
    /// There is no sample or class of this number.
    #[error("there is no {what} {number}: {range}")]
    NoSuch {
        /// What was asked for: a sample, a label.
        what: &'static str,
        /// Its number.
        number: usize,
        /// Which there are.
        range: String,
    },
    /// A sample does not belong to the model, the threat model or the run.
    #[error("sample {index} {problem}")]
    Sample {
        /// Its place in the data set.
        index: usize,
        /// What is wrong with it.
        problem: SampleError,
    },
    /// Model and data have different shapes.
    #[error("{} the model's input `{input}` takes {takes}", said::samples(.samples, .turned.as_deref()))]
    InputShape {
        /// The shape of a sample.
        samples: Vec<usize>,
        /// The same with channels last, where the model was said to take them so.
        turned: Option<Vec<usize>>,
        /// The name of the model's input.
        input: String,
        /// The type and shape that it takes.
        takes: String,
    },
    /// Something takes images, and samples are none, or too small.
    #[error(
        "{reader} images [C, H, W] of at least {smallest}×{smallest}, the data has samples of shape \
         {shape:?}; {instead}"
    )]
    NoImages {
        /// What takes images, with its verb.
        reader: String,
        /// The least height and width.
        smallest: usize,
        /// The shape of a sample.
        shape: Vec<usize>,
        /// What takes any shape.
        instead: &'static str,
    },
    /// Nothing can be proved of the model.
    #[error("this model cannot be certified: {why}")]
    NotCertifiable {
        /// Why not.
        why: String,
    },
    /// There is no epsilon, and something needs one: what, with its verb.
    #[error("{0} an epsilon: the largest perturbation, 0.1 or 8/255 say")]
    NoEpsilon(&'static str),
    /// The threat model makes no sense.
    #[error(transparent)]
    Threat(#[from] ThreatError),
    /// A setting makes no sense, for a reason of its own.
    #[error("{0}")]
    Setting(String),
    /// There are fewer samples than a training run takes.
    #[error("the data has {samples} samples; {held_out} held out and a batch of {batch} need more")]
    TooFewSamples {
        /// How many there are.
        samples: usize,
        /// How many are kept for validation.
        held_out: usize,
        /// How many a step takes.
        batch: usize,
    },
    /// A model, data or results do not belong together.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The model's weights or answers are not numbers.
    #[error("{0}")]
    NotANumber(String),
    /// The model has no gradient, and something needs one.
    #[error("{why}{}", said::more(.needed.as_deref()))]
    NoGradient {
        /// Why it has none.
        why: String,
        /// What needs one, as a sentence of its own.
        needed: Option<String>,
    },
    /// A model takes batches of one size alone, and is asked for another.
    #[error("{model} takes batches of {batch} alone, {asked}")]
    FixedBatch {
        /// Which of several models.
        model: &'static str,
        /// The size.
        batch: usize,
        /// What asks for another.
        asked: String,
    },
    /// A file of results could not be written.
    #[error("{path}: {message}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What happened and what to do.
        message: String,
    },
    /// The directory of a run cannot be used.
    #[error("{path} {message}")]
    Run {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// Another process works in the directory of a run.
    #[error("{0} is in use by another run")]
    InUse(PathBuf),
    /// Figures could not be written as JSON.
    #[error("the figures cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A table, a page or a state could not be put into its format.
    #[error("{what} cannot be written: {source}")]
    Format {
        /// What: `the table`, `the page`.
        what: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A picture could not be drawn.
    #[error("the picture `{title}` {why}")]
    Picture {
        /// Its title.
        title: String,
        /// Why not, as the end of a sentence.
        why: String,
    },
    /// A packet or a distance could not be measured.
    #[error("{what}: {why}")]
    Unmeasured {
        /// Which one.
        what: String,
        /// Why, to the first cause.
        why: String,
    },
    /// The measurement was told to stop.
    #[error("stopped")]
    Stopped,
    /// There is no packet of what was asked for.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A thread at work met a fault of the program.
    #[error("{0}")]
    Panicked(String),
    /// A training run came to nothing.
    #[error("{0}")]
    Diverged(String),
    /// An attack failed.
    #[error("the attack {attack} failed at sample {sample}")]
    Attack {
        /// The attack's name.
        attack: String,
        /// The sample's place in the data set.
        sample: usize,
        /// What the attack returned.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A task waits without having asked for anything: an attack awaited something else than its subject.
    #[error("an attack waits for something that is not an answer from its subject; await only its methods")]
    IdleTask,
    /// An error with a model, and which of several models it is.
    #[error("{model}: {error}")]
    OfModel {
        /// The model.
        model: String,
        /// What went wrong.
        error: Box<Error>,
    },
    /// An error, and what to do about it; see [`Error::kind`].
    #[error("{error}{advice}")]
    Advised {
        /// What went wrong.
        error: Box<Error>,
        /// What to do.
        advice: Advice,
    },
}
