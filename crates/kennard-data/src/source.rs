//! What a format, or a user's own source, hands out.

use std::path::PathBuf;

use crate::error::DataError;
use crate::fingerprint::FileDigest;

/// One labelled input.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The place in the data set, from 0.
    pub index: usize,
    /// The values, row-major in the data set's [shape](crate::DataSet::shape).
    pub input: Vec<f32>,
    /// The class, less than [`DataSet::classes`](crate::DataSet::classes).
    pub label: usize,
}

/// Where a data set's samples come from. Every format is one; a source of your own becomes a data set by
/// [`DataSet::from_source`](crate::DataSet::from_source).
pub trait Source: Send + Sync {
    /// Starts a stream of all samples, in the same order every time.
    ///
    /// # Errors
    /// The stream cannot be started. An error within the stream ends it.
    fn rows(&self) -> Result<Rows, DataError>;

    /// What identifies the samples, such as the digests of the files they come from: equal fingerprints, equal samples.
    ///
    /// # Errors
    /// The samples cannot be read.
    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError>;
}

/// The stream of a data set.
pub type Rows = Box<dyn Iterator<Item = Result<Row, DataError>> + Send>;

/// The rows of this many files, one file after the other, each opened when its turn comes.
#[cfg(feature = "images")]
pub(crate) fn rows_of_files<I>(
    files: usize,
    open: impl Fn(usize) -> Result<I, DataError> + Send + 'static,
) -> Rows
where
    I: Iterator<Item = Result<Row, DataError>> + Send + 'static,
{
    Box::new((0..files).flat_map(move |place| -> Rows {
        match open(place) {
            Ok(rows) => Box::new(rows),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }))
}

/// A sample before conversion, so that skipped samples cost no decoding.
#[derive(Debug, Clone)]
pub struct Row {
    /// The input.
    pub input: Raw,
    /// The class.
    pub label: usize,
}

/// An input before conversion.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Raw {
    /// 8-bit levels, to be divided by 255.
    Bytes(Vec<u8>),
    /// The values themselves.
    Floats(Vec<f32>),
    /// An encoded image in a file of its own.
    File(PathBuf),
    /// An encoded image, the file it came in, and its row there.
    Encoded(Vec<u8>, PathBuf, usize),
    /// An encoded image within a file.
    Part {
        /// The file.
        archive: PathBuf,
        /// The image's name there.
        name: String,
        /// Where its bytes begin.
        offset: u64,
        /// How many they are.
        length: u64,
    },
}

/// What was done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub resized: bool,
    /// Whether its Exif data say that it is to be turned or mirrored, which is not done.
    pub turned: bool,
    /// What the image was, if it was converted.
    pub converted: Option<&'static str>,
}

/// An 8-bit level as a value in \[0, 1\].
pub(crate) fn level(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}
