use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a data set could not be read: which file, where in it, what is wrong, and what to do.
///
/// A member `x.npy` of an archive `data.npz` is named `data.npz/x.npy`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The words `kind:path` were not understood.
    #[error("data set `{given}`: {problem}")]
    Spec { given: String, problem: String },

    /// An option that no data set can fulfil.
    #[error("{problem}")]
    Option { problem: String },

    /// A file or directory is not where it should be.
    #[error("{}: {what} not found (tried {}); {cure}", directory.display(), tried.join(", "))]
    Missing { directory: PathBuf, what: String, tried: Vec<String>, cure: String },

    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io { file: PathBuf, source: io::Error },

    /// The bytes are not what the format prescribes.
    #[error("{}{place}: {problem}; {cure}", file.display())]
    Malformed { file: PathBuf, place: Place, problem: String, cure: String },

    /// The file ends too early.
    #[error(
        "{}{place}: truncated: {wanted} bytes should follow, {found} do; fetch or write the file again",
        file.display()
    )]
    Truncated { file: PathBuf, place: Place, wanted: u64, found: u64 },

    /// Inputs and labels do not pair up.
    #[error(
        "{} holds {inputs} inputs, {} holds {labels} labels; take both files from the same split of the same data set",
        input_file.display(), label_file.display()
    )]
    CountMismatch { input_file: PathBuf, inputs: usize, label_file: PathBuf, labels: usize },

    /// A label that is no class index.
    #[error("{}{place}: label {label} {problem}", file.display())]
    Label { file: PathBuf, place: Place, label: String, problem: String },

    /// There is nothing to read.
    #[error("{}: the data set is empty; {cure}", file.display())]
    Empty { file: PathBuf, cure: String },

    /// Larger than this program is willing to hold in memory.
    #[error("{}{place}: {what} is refused (the limit is {limit}); {cure}", file.display())]
    TooLarge { file: PathBuf, place: Place, what: String, limit: String, cure: String },

    /// A valid file with contents this program does not read.
    #[error("{}{place}: {problem}; {cure}", file.display())]
    Unsupported { file: PathBuf, place: Place, problem: String, cure: String },

    /// An image that cannot be decoded.
    #[error("{}{place}: the image cannot be decoded: {reason}; replace or remove it", file.display())]
    Image { file: PathBuf, place: Place, reason: String },

    /// Images of different sizes, and no size to bring them to.
    #[error(
        "{}{place}: the image is {}×{} (height×width), the first one is {}×{}; \
         give the size the model takes, so that images are resized to it",
        file.display(), found.0, found.1, expected.0, expected.1
    )]
    ImageSize { file: PathBuf, place: Place, found: (usize, usize), expected: (usize, usize) },

    /// A value that is NaN or infinite (also when it overflows 32 bits).
    #[error("{}{place}: the input holds {value}, no finite number of 32 bits; repair the array", file.display())]
    NotFinite { file: PathBuf, place: Place, value: f64 },

    /// The files are not those that were opened.
    #[error(
        "data set `{spec}`: {expected} samples when opened, {found} now; do not change the files during a run"
    )]
    Changed { spec: String, expected: usize, found: String },

    /// The files hold something else than when they were opened.
    #[error(
        "data set `{spec}`: {file} was changed during the run, so that the figures are of neither state; run again, and \
         do not change the files meanwhile"
    )]
    Rewritten { spec: String, file: String },
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// Bytes before the place, in the decompressed stream.
    Offset(u64),
    /// Samples before the place, in this file.
    Row(usize),
    /// Line of a text file, from 1.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Offset(n) => write!(f, ", offset {n}"),
            Place::Row(n) => write!(f, ", row {n}"),
            Place::Line(n) => write!(f, ", line {n}"),
        }
    }
}

impl DataError {
    pub(super) fn io(file: &Path) -> impl FnOnce(io::Error) -> DataError + '_ {
        |source| DataError::Io { file: file.to_owned(), source }
    }

    pub(super) fn malformed(
        file: &Path,
        place: Place,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> DataError {
        DataError::Malformed { file: file.to_owned(), place, problem: problem.into(), cure: cure.into() }
    }

    pub(super) fn unsupported(
        file: &Path,
        place: Place,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> DataError {
        DataError::Unsupported { file: file.to_owned(), place, problem: problem.into(), cure: cure.into() }
    }
}
