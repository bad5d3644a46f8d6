//! Tensor data kept in files beside the model.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use prost::bytes::Bytes;

use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto};

/// Where a model's external data may lie: in the model's directory or below it, nowhere else.
pub(super) struct Files {
    directory: Option<PathBuf>,
    open: RefCell<HashMap<String, DataFile>>,
}

struct DataFile {
    file: File,
    len: u64,
    /// Bytes read from it so far. Tensors may share data, but a small file must not fill the memory.
    spent: u64,
}

/// How often a data file may be read over.
const SHARING: u64 = 4;

/// How many bytes of a file are held at a time, where they are not all needed.
const BLOCK: usize = 1 << 16;

/// A model file up to this size is read whole to learn which files it names.
const SMALL: u64 = 1 << 26;

impl Files {
    /// For a model that lies in `directory`; `None` for one that is no file.
    pub fn new(directory: Option<&Path>) -> Files {
        Files { directory: directory.map(Path::to_path_buf), open: RefCell::default() }
    }

    /// The `size` bytes that a tensor's `external_data` entries point at.
    ///
    /// # Errors
    /// A message that goes on from "the tensor x".
    pub fn read(&self, entries: &[StringStringEntryProto], size: usize) -> Result<Bytes, String> {
        self.at(entries, size, |file| {
            let mut bytes = vec![0; size];
            file.read_exact(&mut bytes)?;
            Ok(bytes.into())
        })
    }

    /// The same as numbers of single precision, `len` of them, without a second copy.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn floats(&self, entries: &[StringStringEntryProto], len: usize) -> Result<Vec<f32>, String> {
        self.at(entries, 4 * len, |file| {
            let mut floats = Vec::with_capacity(len);
            let mut block = vec![0; BLOCK.min(4 * len)];
            while floats.len() < len {
                let part = block.len().min(4 * (len - floats.len()));
                let part = &mut block[..part];
                file.read_exact(part)?;
                floats.extend(part.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
            }
            Ok(floats)
        })
    }

    /// What `read` makes of the file where a tensor's `size` bytes begin.
    fn at<T>(
        &self,
        entries: &[StringStringEntryProto],
        size: usize,
        read: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<T, String> {
        let entry = |key: &str| {
            let found = entries.iter().find(|e| e.key.as_deref() == Some(key));
            found.and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(format!("has the {key} `{text}` in its external data file")),
            },
        };
        let location = entry(LOCATION).ok_or("has its data in an external file without a name")?;
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(size as u64);
        if length != size as u64 {
            return Err(format!("has {length} bytes in `{location}`, but its shape wants {size}"));
        }

        let mut open = self.open.borrow_mut();
        if !open.contains_key(location) {
            open.insert(location.into(), self.open(location)?);
        }
        let data = open.get_mut(location).ok_or("lost its data file")?;
        if offset.checked_add(length).is_none_or(|end| end > data.len) {
            return Err(format!(
                "ends at byte {} of `{location}`, which has {}; is the file complete?",
                u128::from(offset) + u128::from(length),
                data.len
            ));
        }
        data.spent = data.spent.saturating_add(length);
        if data.spent > data.len.saturating_mul(SHARING) {
            return Err(format!("shares the data in `{location}` with too many others"));
        }
        let read = data.file.seek(SeekFrom::Start(offset)).and_then(|_| read(&mut data.file));
        read.map_err(|e| format!("cannot be read from `{location}`: {e}"))
    }

    /// The file of this name.
    ///
    /// # Errors
    /// When it lies elsewhere, or is no file; a message that goes on from "the tensor x".
    pub fn path(&self, location: &str) -> Result<PathBuf, String> {
        let directory = self.directory.as_ref().ok_or_else(|| {
            format!("has its data in the external file `{location}`; load the model from its file instead of bytes")
        })?;
        let relative = Path::new(location);
        let plain = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
        if !relative.components().all(plain) {
            return Err(format!(
                "has its data in `{location}`, outside the model's directory; that is not allowed"
            ));
        }
        let problem = |e: std::io::Error| format!("has its data in `{location}`, which cannot be read: {e}");
        let root = directory.canonicalize().map_err(problem)?;
        let path = root.join(relative).canonicalize().map_err(problem)?;
        if !path.starts_with(&root) {
            return Err(format!(
                "has its data in `{location}`, a link that leads out of the model's directory; put a copy of the file there"
            ));
        }
        // Asked before opening, because opening a pipe would wait for its writer.
        if !path.metadata().map_err(problem)?.is_file() {
            return Err(format!("has its data in `{location}`, which is no file"));
        }
        Ok(path)
    }

    fn open(&self, location: &str) -> Result<DataFile, String> {
        let problem = |e: std::io::Error| format!("has its data in `{location}`, which cannot be read: {e}");
        let file = File::open(self.path(location)?).map_err(problem)?;
        let len = file.metadata().map_err(problem)?.len();
        Ok(DataFile { file, len, spent: 0 })
    }
}

/// The key under which a tensor has the name of its file.
const LOCATION: &str = "location";

/// Whether a model file may name others. A large one is asked for the key alone, block by block, as most hold their weights.
pub(super) fn may_be_named(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    if file.metadata()?.len() <= SMALL { Ok(true) } else { holds(file, LOCATION.as_bytes()) }
}

fn holds(mut file: impl Read, text: &[u8]) -> io::Result<bool> {
    let mut block = Vec::new();
    while file.by_ref().take(BLOCK as u64).read_to_end(&mut block)? > 0 {
        if block.windows(text.len()).any(|part| part == text) {
            return Ok(true);
        }
        // It may begin in one block and end in the next.
        block.drain(..block.len().saturating_sub(text.len() - 1));
    }
    Ok(false)
}

/// The names of the external files that a model's tensors lie in.
pub(super) fn locations(model: &ModelProto) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let functions = model.functions.iter();
    let parts = functions.map(|f| (f.node.as_slice(), f.attribute_proto.as_slice()));
    for (nodes, defaults) in parts {
        nodes.iter().for_each(|node| in_node(node, &mut names));
        defaults.iter().for_each(|attribute| in_attribute(attribute, &mut names));
    }
    model.graph.iter().for_each(|graph| in_graph(graph, &mut names));
    names
}

fn in_graph(graph: &GraphProto, names: &mut BTreeSet<String>) {
    graph.initializer.iter().for_each(|tensor| in_tensor(tensor, names));
    graph.node.iter().for_each(|node| in_node(node, names));
}

fn in_node(node: &NodeProto, names: &mut BTreeSet<String>) {
    node.attribute.iter().for_each(|attribute| in_attribute(attribute, names));
}

fn in_attribute(attribute: &AttributeProto, names: &mut BTreeSet<String>) {
    attribute.t.iter().for_each(|tensor| in_tensor(tensor, names));
    attribute.g.iter().for_each(|graph| in_graph(graph, names));
}

fn in_tensor(tensor: &TensorProto, names: &mut BTreeSet<String>) {
    let entries = tensor.external_data.iter().filter(|_| tensor.data_location == Some(1));
    let locations = entries.filter(|entry| entry.key.as_deref() == Some(LOCATION));
    names.extend(locations.filter_map(|entry| entry.value.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_where_blocks_meet() {
        for before in BLOCK - 9..BLOCK + 2 {
            let bytes = [vec![b'l'; before], LOCATION.into(), vec![b'l'; 3 * BLOCK]].concat();
            assert!(holds(bytes.as_slice(), LOCATION.as_bytes()).unwrap(), "{before}");
            let broken = [&bytes[..before + 4], b"k".as_slice(), &bytes[before + 4..]].concat();
            assert!(!holds(broken.as_slice(), LOCATION.as_bytes()).unwrap(), "{before}");
        }
        assert!(!holds([0; 0].as_slice(), LOCATION.as_bytes()).unwrap());
    }
}
