//! What figures were measured on.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::{DataSet, digest};
use crate::{Classifier, Result};

/// Which model was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its path.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Number of weights.
    pub parameters: u64,
    /// Shape of one sample.
    pub input: Vec<usize>,
    /// Number of classes.
    pub classes: u64,
}

/// Which data it was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// As named on the command line.
    pub name: String,
    /// `test` or `train`.
    pub split: String,
    /// Its files.
    pub files: Vec<FileHash>,
    /// What was done to the samples (resizing, say).
    pub notes: Vec<String>,
}

/// A file's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Its name.
    pub file: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl ModelSummary {
    /// Of the classifier that was made of a file.
    pub(crate) fn of(file: &Path, classifier: &Classifier) -> Result<ModelSummary> {
        Ok(ModelSummary {
            file: file.display().to_string(),
            sha256: digest(file)?.sha256,
            parameters: classifier.parameters() as u64,
            input: classifier.shape().to_vec(),
            classes: classifier.classes() as u64,
        })
    }
}

impl DataSummary {
    /// Of a data set; what was done to its samples is known once they have been read.
    pub(crate) fn of(data: &DataSet) -> Result<DataSummary> {
        let files = data.fingerprint()?.into_iter();
        Ok(DataSummary {
            name: data.spec().to_string(),
            split: data.split().to_string(),
            files: files.map(|digest| FileHash { file: digest.file, sha256: digest.sha256 }).collect(),
            notes: data.notes(),
        })
    }
}
