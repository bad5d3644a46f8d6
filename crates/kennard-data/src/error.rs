mod place;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use place::Place;

/// Why a data set could not be read: which file, where in it, what is wrong, and what to do.
///
/// A member `x.npy` of an archive `data.npz` is named `data.npz/x.npy`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The words `kind:path` were not understood.
    #[error("data set `{given}`: {problem}")]
    Spec {
        /// The words.
        given: String,
        /// What is wrong.
        problem: String,
    },

    /// An option that no data set can fulfil.
    #[error("{problem}")]
    Option {
        /// What is wrong.
        problem: String,
    },

    /// A file or directory is not where it should be.
    #[error("{}: {what} not found (tried {}); {cure}", directory.display(), tried.join(", "))]
    Missing {
        /// Where it was looked for.
        directory: PathBuf,
        /// The thing that is missing.
        what: String,
        /// The names that were tried.
        tried: Vec<String>,
        /// What to do.
        cure: String,
    },

    /// The operating system refused.
    #[error("{}: {}", file.display(), refusal(source))]
    Io {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The bytes are not what the format prescribes.
    #[error("{}{place}: {problem}; {cure}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: String,
    },

    /// The file ends too early.
    #[error(
        "{}{place}: truncated: {wanted} bytes should follow, {found} do; fetch or write the file again",
        file.display()
    )]
    Truncated {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// Bytes that should follow.
        wanted: u64,
        /// What is there.
        found: u64,
    },

    /// Inputs and labels do not pair up.
    #[error(
        "{} holds {inputs} inputs, {} holds {labels} labels; take both files from the same split of the same data set",
        input_file.display(), label_file.display()
    )]
    CountMismatch {
        /// The file of inputs.
        input_file: PathBuf,
        /// How many inputs it holds.
        inputs: usize,
        /// The file of labels.
        label_file: PathBuf,
        /// How many labels it holds.
        labels: usize,
    },

    /// A label that is no class index.
    #[error("{}{place}: label {label} {problem}", file.display())]
    Label {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// The label.
        label: String,
        /// What is wrong.
        problem: String,
    },

    /// There is nothing to read.
    #[error("{}: the data set is empty; {cure}", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// What to do.
        cure: String,
    },

    /// Larger than this program is willing to hold in memory.
    #[error("{}{place}: {what} is refused (the limit is {limit}); {cure}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// The thing that is too large, with its size.
        what: String,
        /// The largest size taken.
        limit: String,
        /// What to do.
        cure: String,
    },

    /// A valid file with contents this program does not read.
    #[error("{}{place}: {problem}; {cure}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: String,
    },

    /// An image that cannot be decoded.
    #[error("{}{place}: the image cannot be decoded: {reason}; replace or remove it", file.display())]
    Image {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// Why.
        reason: String,
    },

    /// Images of different sizes, and no size to bring them to.
    #[error(
        "{}{place}: the image is {}×{} (height×width), the first one is {}×{}; \
         give the size the model takes, so that images are resized to it",
        file.display(), found.0, found.1, expected.0, expected.1
    )]
    ImageSize {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// What is there.
        found: (usize, usize),
        /// What should be there.
        expected: (usize, usize),
    },

    /// A value that is NaN or infinite (also when it overflows 32 bits).
    #[error("{}{place}: the input holds {value}, no finite number of 32 bits; repair the array", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// The value.
        value: f64,
    },

    /// A format that this build does not read.
    #[error("{kind} data are not read by this build; build it with the feature `{feature}`")]
    LeftOut {
        /// The data set's kind.
        kind: String,
        /// The feature of this crate that reads it.
        feature: &'static str,
    },

    /// What was handed in from memory, or by a source of the user's own, is not as announced.
    #[error("data set `{name}`: {problem}")]
    Contents {
        /// The data set's name.
        name: String,
        /// What is wrong.
        problem: String,
    },

    /// A value that is NaN or infinite, in memory or from a source of the user's own.
    #[error("data set `{name}`: sample {sample}: the input holds {value}")]
    NotFiniteSample {
        /// The data set's name.
        name: String,
        /// The place of the sample.
        sample: usize,
        /// The value.
        value: f32,
    },

    /// An error of a source of the user's own.
    #[error("data set `{name}`: {source}")]
    Own {
        /// The data set's name.
        name: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The files are not those that were opened.
    #[error(
        "data set `{spec}`: {expected} samples when opened, {found} now; do not change the files during a run"
    )]
    Changed {
        /// The data set.
        spec: String,
        /// What should be there.
        expected: usize,
        /// What is there.
        found: String,
    },

    /// The files hold something else than when they were opened.
    #[error(
        "data set `{spec}`: {file} was changed during the run, so that the figures are of neither state; run again, and \
         do not change the files meanwhile"
    )]
    Rewritten {
        /// The data set.
        spec: String,
        /// The file.
        file: String,
    },
}

/// What the operating system says, and what to do where that is known.
fn refusal(error: &io::Error) -> String {
    let cure = match error.kind() {
        io::ErrorKind::NotFound => {
            "; check the path, which begins at the current directory unless it is absolute"
        }
        io::ErrorKind::PermissionDenied => "; make it readable for the user that runs this",
        io::ErrorKind::IsADirectory => "; name a file in it",
        _ => "",
    };
    format!("{error}{cure}")
}

impl DataError {
    pub(crate) fn io(file: &Path) -> impl FnOnce(io::Error) -> DataError + '_ {
        |source| DataError::Io { file: file.to_owned(), source }
    }

    pub(crate) fn malformed(
        file: &Path,
        place: Place,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> DataError {
        DataError::Malformed { file: file.to_owned(), place, problem: problem.into(), cure: cure.into() }
    }

    pub(crate) fn empty(file: &Path, cure: impl Into<String>) -> DataError {
        DataError::Empty { file: file.to_owned(), cure: cure.into() }
    }

    pub(crate) fn too_large(file: &Path, place: Place, what: String, limit: String, cure: &str) -> DataError {
        DataError::TooLarge { file: file.to_owned(), place, what, limit, cure: cure.to_owned() }
    }

    pub(crate) fn unsupported(
        file: &Path,
        place: Place,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> DataError {
        DataError::Unsupported { file: file.to_owned(), place, problem: problem.into(), cure: cure.into() }
    }
}
