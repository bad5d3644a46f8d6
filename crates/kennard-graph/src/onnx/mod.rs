//! The ONNX file format.

mod answer;
mod attribute;
mod classes;
mod ends;
mod external;
mod foreign;
mod format;
mod labels;
mod limits;
mod nodes;
mod order;
mod proto;
mod read;
mod schema;
mod subgraph;
mod symbols;
mod tensor;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;

use crate::{Graph, GraphError, Result};
pub use ends::Ends;
use external::Files;
use proto::ModelProto;

/// What Kennard signs its files with. In such a file the dimension `N` is the batch, `2N` twice the batch.
const PRODUCER: &str = "kennard";

/// The entry of a file's metadata with [`Graph::trained`].
const TRAINED: &str = "kennard.trained";

impl Graph {
    /// Reads a model file, of operator set 7 or newer, and brings it to [`OPSET`](crate::OPSET).
    /// Weights in external files are read from the model's directory.
    ///
    /// The first axis of an input becomes the batch if the file leaves its extent open. Of a file that leaves other extents
    /// open, or has more inputs or outputs than a classifier, [`ModelFile`] makes a graph.
    ///
    /// # Errors
    /// When the file cannot be read, is no valid model, or uses what Kennard does not support; the
    /// message names the place.
    pub fn load(path: impl AsRef<Path>) -> Result<Graph> {
        ModelFile::open(path)?.graph()
    }

    /// The files beside a model file that hold its weights, by their names in it and in that order: what a digest
    /// of the model must cover. None for most models.
    ///
    /// # Errors
    /// When the file cannot be read or is no model, or names a file outside its directory.
    pub fn external_files(path: impl AsRef<Path>) -> Result<BTreeMap<String, PathBuf>> {
        let path = path.as_ref();
        let file = |message: String| GraphError::File { path: path.into(), message };
        let unreadable = |e: io::Error| file(format!("cannot be read: {e}"));
        if !external::may_be_named(path).map_err(unreadable)? {
            return Ok(BTreeMap::new());
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        let model = ModelProto::decode(Bytes::from(bytes)).map_err(|e| file(e.to_string()))?;
        let files = Files::new(Some(directory(path)));
        let locations = external::locations(&model).into_iter();
        locations
            .map(|name| match files.path(&name) {
                Ok(path) => Ok((name, path)),
                Err(message) => Err(file(format!("a tensor {message}"))),
            })
            .collect()
    }

    /// Reads a model from the bytes of its file, as [`Graph::load`] does.
    ///
    /// # Errors
    /// As [`Graph::load`], and when the model keeps weights in external files.
    pub fn from_bytes(bytes: &[u8]) -> Result<Graph> {
        ModelFile::from_bytes(bytes)?.graph()
    }

    /// The bytes of a model file, all weights inside. Protobuf readers refuse more than 2 GiB; for
    /// larger models use [`Graph::save`].
    pub fn to_bytes(&self) -> Vec<u8> {
        write::to_bytes(self)
    }

    /// Writes a model file. The file appears whole or not at all. If the weights are too large for
    /// one file they go beside it, to `path` + `.data`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write::save(self, path.as_ref(), write::LARGEST)
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A model file that is read, but not yet made a graph. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// Where it is, if it is a file.
    path: Option<PathBuf>,
    model: Arc<ModelProto>,
}

impl ModelFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no ONNX model.
    pub fn open(path: impl AsRef<Path>) -> Result<ModelFile> {
        let path = path.as_ref();
        let file = |message: String| GraphError::File { path: path.into(), message };
        if path.is_dir() {
            return Err(file(foreign::directory(path)));
        }
        let bytes = fs::read(path)
            .map_err(|e| file(format!("cannot be read: {e}. Give the path of an ONNX file")))?;
        if let Some(message) = foreign::diagnosis(path, &bytes) {
            return Err(file(message));
        }
        let model = decode(bytes.into());
        Ok(ModelFile { path: Some(path.into()), model: Arc::new(model.map_err(|e| at(path, e))?) })
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// When they are no ONNX model.
    pub fn from_bytes(bytes: &[u8]) -> Result<ModelFile> {
        Ok(ModelFile { path: None, model: Arc::new(decode(Bytes::copy_from_slice(bytes))?) })
    }

    /// The graph, with all its inputs and outputs.
    ///
    /// # Errors
    /// As [`Graph::load`].
    pub fn graph(&self) -> Result<Graph> {
        self.read(None)
    }

    /// The graph of a classifier, with one input and one output.
    ///
    /// # Errors
    /// As [`Graph::load`]; when it is open what the input, its shape, or the output is; when `ends` are not in the file.
    pub fn classifier(&self, ends: &Ends) -> Result<Graph> {
        self.read(Some(ends))
    }

    /// Whether the output of a classifier with these ends is the raw scores of a support vector machine, of which
    /// [`classifier`](ModelFile::classifier) makes one for each class, in the order of its labels. [`graph`](ModelFile::graph)
    /// has them as they are.
    pub fn has_votes(&self, ends: &Ends) -> bool {
        let Ok(graph) = read::graph(&self.model) else { return false };
        let votes = |name: &str| !answer::machines(graph, std::iter::once(name)).is_empty();
        // Which output is taken is seen from the classifier, and only a file with a machine is read for that.
        graph.output.iter().any(|output| votes(output.name.as_deref().unwrap_or("")))
            && self.classifier(ends).is_ok_and(|taken| taken.outputs.iter().any(|output| votes(&output.name)))
    }

    /// The graph of the label that a classifier's file returns beside its scores, as one whole number for each sample, and the
    /// numbers of its `classes` in the order of the scores. Labels that are texts are told by their place in the list that the file
    /// has of them, or else in `names`, those of the classes. Nothing where the file returns no label.
    ///
    /// # Errors
    /// When it is not seen which output is the label, or which class a label is of, or the graph cannot be read.
    pub fn labels(&self, ends: &Ends, classes: usize, names: &[String]) -> Result<Option<(Graph, Vec<i64>)>> {
        let Some(label) = labels::of(&self.model, ends, classes, names)? else { return Ok(None) };
        let files = Files::new(self.path.as_deref().map(directory));
        let graph =
            read::read(&label.model, &files, Some(&Ends { output: Some(label.output), ..ends.clone() }));
        let graph = graph.map_err(|error| match error {
            GraphError::Format(message) => GraphError::Label(message),
            error => error,
        })?;
        Ok(Some((graph, label.labels)))
    }

    /// The labels of the classes in the order of the scores, numbers as texts, where the file lists them beside its scores.
    pub fn class_labels(&self, ends: &Ends) -> Option<Vec<String>> {
        classes::of(&self.model, ends)
    }

    /// The extents of one sample that the file itself fixes, without the batch; nothing where it gives no shape.
    ///
    /// # Errors
    /// When it is open which input samples go to.
    pub fn extents(&self, ends: &Ends) -> Result<Option<Vec<Option<usize>>>> {
        let taken = read::graph(&self.model).and_then(|graph| Ok(ends::Taken::new(graph, ends)?.extents()));
        taken.map_err(|e| self.path.as_deref().map_or_else(|| e.clone(), |path| at(path, e.clone())))
    }

    fn read(&self, ends: Option<&Ends>) -> Result<Graph> {
        let files = Files::new(self.path.as_deref().map(directory));
        let graph = read::read(&self.model, &files, ends);
        graph.map_err(|e| self.path.as_deref().map_or_else(|| e.clone(), |path| at(path, e.clone())))
    }
}

/// An error about the format, with the file that it is about.
fn at(path: &Path, error: GraphError) -> GraphError {
    match error {
        GraphError::Format(m) => {
            GraphError::File { path: path.into(), message: format!("not a usable ONNX model: {m}") }
        }
        error => error,
    }
}

fn decode(bytes: Bytes) -> Result<ModelProto> {
    let mut model = ModelProto::decode(bytes).map_err(|e| {
        GraphError::Format(format!(
            "{e}. Is it an ONNX file, and complete? (Other formats: export to ONNX first)"
        ))
    })?;
    if let Some(graph) = &mut model.graph {
        ends::without_maps(graph);
    }
    Ok(model)
}
