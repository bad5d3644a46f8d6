use std::path::{Path, PathBuf};

use kennard_graph::GraphError;
use kennard_runtime::RuntimeError;

use crate::data::DataError;
use crate::{Advice, Mark};

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
    /// The threat model makes no sense.
    #[error("{0}")]
    Threat(String),
    /// A setting is unknown, or makes no sense.
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
    /// Model and data do not belong together.
    #[error("{0}")]
    Mismatch(String),
    /// The model's weights or answers are not numbers.
    #[error("{0}")]
    NotANumber(String),
    /// The model has no gradient, and something needs one.
    #[error("{0}")]
    NoGradient(String),
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
    #[error("the summary cannot be written: {0}")]
    Summary(String),
    /// A packet could not be measured.
    #[error("{0}")]
    Packet(String),
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

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Error {
        let advice = match &error {
            GraphError::OpenShape { .. } => {
                ": {input_shape = 3,224,224}, in the model's order of axes, or export the model with fixed extents"
            }
            GraphError::SeveralInputs { input: Some(_), .. } => ". Hold it at a number: {hold = NAME=0}",
            GraphError::SeveralInputs { input: None, .. } => {
                ". Say which one samples go to, {input}, and hold the others at numbers, {hold = NAME=0}"
            }
            GraphError::SeveralOutputs(_) => ". Say which one has the logits: {output}",
            _ => return Error::Graph(error),
        };
        Error::Graph(error).advise(advice)
    }
}

impl Error {
    /// The error with what to do about it.
    pub(crate) fn advise(self, advice: impl Into<Advice>) -> Error {
        Error::Advised { error: Box::new(self), advice: advice.into() }
    }

    /// The error with the name of the model's file, and `role` before it, where several models are at work. What is no fault of a
    /// model's, or names the file already, stays as it is.
    #[must_use]
    pub fn of_model(self, role: &str, file: &Path) -> Error {
        let is_model = matches!(
            self.kind(),
            Error::Graph(_)
                | Error::Runtime(_)
                | Error::Mismatch(_)
                | Error::NotANumber(_)
                | Error::NoGradient(_)
        );
        let named =
            matches!(self, Error::OfModel { .. }) || self.to_string().contains(&file.display().to_string());
        if !is_model || named {
            return self;
        }
        Error::OfModel { model: format!("{role}{}", file.display()), error: Box::new(self) }
    }

    /// What went wrong, without advice.
    pub fn kind(&self) -> &Error {
        match self {
            Error::Advised { error, .. } | Error::OfModel { error, .. } => error.kind(),
            error => error,
        }
    }

    /// The whole message, with settings and commands as `word` says them; see [`Advice::worded`].
    pub fn worded(&self, word: impl Fn(Mark<'_>) -> String) -> String {
        match self {
            Error::Advised { error, advice } => error.to_string() + &advice.worded(word),
            Error::OfModel { model, error } => format!("{model}: {}", error.worded(word)),
            error => error.to_string(),
        }
    }
}

/// An error with all of its causes, but those that a text before them says already.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        source = cause.source();
    }
    said
}
