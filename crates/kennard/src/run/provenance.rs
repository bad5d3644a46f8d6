//! What figures were measured on.

use std::fmt;
use std::path::Path;

use kennard_graph::Graph;
use kennard_runtime::Runtime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sums::sha256;
use crate::data::{DataSet, digest};
use crate::{Classifier, Result};

/// Which model was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its path.
    pub file: String,
    /// SHA-256 of its content ([`model_digest`]), in hexadecimal.
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
    /// `test` or `train`; empty, and left out of files, of samples in memory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub split: String,
    /// Its files.
    pub files: Vec<FileHash>,
    /// What was done to the samples (resizing, say).
    pub notes: Vec<String>,
}

/// What a data set is, whatever is done to its samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// As named on the command line.
    pub name: String,
    /// `test` or `train`; empty, and left out of files, of samples in memory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub split: String,
    /// Its files.
    pub files: Vec<FileHash>,
    /// The shape of one sample, which tells what images are cropped to.
    #[serde(default)]
    pub shape: Vec<usize>,
}

/// The runtime that figures were computed with; in files a text, `rten 0.27.0`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RuntimeSummary {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl From<&Runtime> for RuntimeSummary {
    fn from(runtime: &Runtime) -> RuntimeSummary {
        RuntimeSummary { name: runtime.name().into(), version: runtime.version().into() }
    }
}

impl From<RuntimeSummary> for String {
    fn from(RuntimeSummary { name, version }: RuntimeSummary) -> String {
        format!("{name} {version}")
    }
}

impl From<String> for RuntimeSummary {
    /// A version begins with a digit, and a name may have spaces: the last such word begins the version. Where there is none,
    /// the name is one word.
    fn from(text: String) -> RuntimeSummary {
        let numbered =
            |&(place, _): &(usize, &str)| text[place + 1..].starts_with(|c: char| c.is_ascii_digit());
        let (name, version) = match text.rmatch_indices(' ').find(numbered) {
            Some((place, _)) => (&text[..place], &text[place + 1..]),
            None => text.split_once(' ').unwrap_or((&text, "")),
        };
        RuntimeSummary { name: name.into(), version: version.into() }
    }
}

/// A file's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Its name.
    pub file: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// SHA-256 of a model's content, in hexadecimal: of its file; where it keeps weights in files beside it, of the
/// lines `HASH  NAME` for the model (without a name) and for each of those files by name.
///
/// # Errors
/// When a file cannot be read or is no model.
pub fn model_digest(file: &Path) -> Result<String> {
    let own = digest(file)?.sha256;
    let external = Graph::external_files(file)?;
    if external.is_empty() {
        return Ok(own);
    }
    let mut hash = Sha256::new();
    hash.update(format!("{own}  \n"));
    for (name, path) in &external {
        hash.update(format!("{}  {name}\n", digest(path)?.sha256));
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

impl ModelSummary {
    /// The summary of the classifier that was made of a file.
    ///
    /// # Errors
    /// When the file cannot be read or is no model.
    pub fn of_file(file: &Path, classifier: &Classifier) -> Result<ModelSummary> {
        Ok(ModelSummary::of(file.display().to_string(), model_digest(file)?, classifier))
    }

    /// The summary of a classifier whose graph has no file: the digest is that of the file that the graph, as the
    /// user gave it, would be saved as. `name` stands in place of a path.
    pub fn of_graph(name: &str, graph: &Graph, classifier: &Classifier) -> ModelSummary {
        ModelSummary::of(name.into(), sha256(&graph.to_bytes()), classifier)
    }

    fn of(file: String, sha256: String, classifier: &Classifier) -> ModelSummary {
        ModelSummary {
            file,
            sha256,
            parameters: classifier.parameters() as u64,
            input: classifier.shape().to_vec(),
            classes: classifier.classes() as u64,
        }
    }
}

impl fmt::Display for DataSummary {
    /// Its name and its split.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.split.is_empty() { Ok(()) } else { write!(f, " ({})", self.split) }
    }
}

impl DataSummary {
    /// Of a data set; what was done to its samples is known once they have been read.
    pub(crate) fn of(data: &DataSet) -> Result<DataSummary> {
        Ok(DataSummary { notes: data.notes(), ..DataIdentity::of(data)?.into() })
    }
}

impl DataIdentity {
    /// Of a data set.
    pub(crate) fn of(data: &DataSet) -> Result<DataIdentity> {
        let files = data.fingerprint()?.into_iter();
        Ok(DataIdentity {
            name: data.spec().to_string(),
            split: data.split().map(|split| split.to_string()).unwrap_or_default(),
            files: files.map(|digest| FileHash { file: digest.file, sha256: digest.sha256 }).collect(),
            shape: data.shape().to_vec(),
        })
    }
}

impl From<DataIdentity> for DataSummary {
    fn from(DataIdentity { name, split, files, .. }: DataIdentity) -> DataSummary {
        DataSummary { name, split, files, notes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A protobuf field that holds bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    /// `y = x + w` with `x [2]`, and `w` in the file `w.bin`.
    fn model() -> Vec<u8> {
        let external = [field(1, b"location"), field(2, b"w.bin")].concat();
        let weight =
            [vec![1 << 3, 2, 2 << 3, 1], field(8, b"w"), field(13, &external), vec![14 << 3, 1]].concat();
        let node = [field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"Add")].concat();
        let dims = field(2, &field(1, &[1 << 3, 2]));
        let ty = field(2, &field(1, &[vec![1 << 3, 1], dims].concat()));
        let end = |name: &[u8]| [field(1, name), ty.clone()].concat();
        let graph =
            [field(1, &node), field(5, &weight), field(11, &end(b"x")), field(12, &end(b"y"))].concat();
        [vec![1 << 3, 10], field(8, &[2 << 3, 21]), field(7, &graph)].concat()
    }

    #[test]
    fn runtimes_of_several_words_come_back() {
        for (name, version) in [
            ("rten", "0.27.0"),
            ("onnxruntime", "1.32 (fab30a4)"),
            ("My Library 3 on GPU", "2.1+cu128"),
            ("openvino", "2026.4 bf16"),
            ("module", ""),
            ("module", "dev"),
            ("", ""),
        ] {
            let runtime = RuntimeSummary { name: name.into(), version: version.into() };
            let text = String::from(runtime.clone());
            assert_eq!(RuntimeSummary::from(text.clone()), runtime);
            assert_eq!(String::from(RuntimeSummary::from(text.clone())), text);
        }
    }

    /// Another network is another digest, wherever its weights lie; without other files it is the file's.
    #[test]
    fn the_digest_covers_external_weights() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.onnx");
        fs::write(&path, model()).unwrap();
        let with = |weights: [f32; 2]| {
            fs::write(directory.path().join("w.bin"), weights.map(f32::to_le_bytes).concat()).unwrap();
            model_digest(&path).unwrap()
        };
        let first = with([1.0, 2.0]);
        let loaded = Graph::load(&path).unwrap();
        assert_eq!(loaded.constants["w"].to_floats().unwrap(), [1.0, 2.0]);
        assert_ne!(first, with([1.0, 3.0]));
        assert_eq!(first, with([1.0, 2.0]));
        assert_ne!(first, digest(&path).unwrap().sha256);

        loaded.save(&path).unwrap();
        assert_eq!(model_digest(&path).unwrap(), digest(&path).unwrap().sha256);
    }

    /// Samples in memory are no part of anything.
    #[test]
    fn samples_in_memory_have_no_split() {
        let data = DataSet::from_samples(vec![0.1, 0.9], vec![0, 1], &[1], &[]).unwrap();
        let summary = DataSummary::of(&data).unwrap();
        assert_eq!(summary.to_string(), "memory");
        let text = serde_json::to_string(&summary).unwrap();
        assert!(!text.contains("split"), "{text}");
        assert_eq!(serde_json::from_str::<DataSummary>(&text).unwrap(), summary);
        let named = DataSummary { split: "test".into(), ..summary };
        assert_eq!(named.to_string(), "memory (test)");
        assert!(serde_json::to_string(&named).unwrap().contains(r#""split":"test""#));
    }
}
