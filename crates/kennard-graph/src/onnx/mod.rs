//! The ONNX file format.

mod attribute;
mod external;
mod foreign;
mod format;
mod limits;
mod nodes;
mod order;
mod proto;
mod read;
mod schema;
mod tensor;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;

use crate::{Graph, GraphError, Result};
use external::Files;
use proto::ModelProto;

/// What Kennard signs its files with. In such a file the dimension `N` is the batch, `2N` twice the batch.
const PRODUCER: &str = "kennard";

impl Graph {
    /// Reads a model file, of operator set 7 or newer, and brings it to [`OPSET`](crate::OPSET).
    /// Weights in external files are read from the model's directory.
    ///
    /// The first axis of an input becomes the batch if the file leaves its extent open.
    ///
    /// # Errors
    /// When the file cannot be read, is no valid model, or uses what Kennard does not support; the
    /// message names the place.
    pub fn load(path: impl AsRef<Path>) -> Result<Graph> {
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
        parse(bytes.into(), &Files::new(Some(directory(path)))).map_err(|e| {
            if let GraphError::Format(m) = e { file(format!("not a usable ONNX model: {m}")) } else { e }
        })
    }

    /// The files beside a model file that hold its weights, by their names in it and in that order: what a digest
    /// of the model must cover. None for most models.
    ///
    /// # Errors
    /// When the file cannot be read or is no model, or names a file outside its directory.
    pub fn external_files(path: impl AsRef<Path>) -> Result<BTreeMap<String, PathBuf>> {
        let path = path.as_ref();
        let file = |message: String| GraphError::File { path: path.into(), message };
        let bytes = fs::read(path).map_err(|e| file(format!("cannot be read: {e}")))?;
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
        parse(Bytes::copy_from_slice(bytes), &Files::new(None))
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

fn parse(bytes: Bytes, files: &Files) -> Result<Graph> {
    let model = ModelProto::decode(bytes).map_err(|e| {
        GraphError::Format(format!(
            "{e}. Is it an ONNX file, and complete? (Other formats: export to ONNX first)"
        ))
    })?;
    read::read(&model, files)
}
