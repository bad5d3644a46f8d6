//! What a training run leaves on disk: `checkpoints/epoch-0001.onnx …`, `best.onnx`, `last.onnx`,
//! `log.jsonl`, and `state.safetensors`, from which it goes on. Digests of all files are in the state.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use kennard_graph::{Graph, Tensor};
use ndarray::{ArrayD, IxDyn};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::worker::Weights;
use crate::data::digest;
use crate::run::differences;
use crate::run::files::{clear_strays, failed, make_directory, remove, to_json, write_whole};
use crate::run::sums::{Sums, sha256};
use crate::{Error, Result};

const STATE: &str = "state.safetensors";
/// The state of the epoch before, for the case that the other is damaged.
const PREVIOUS: &str = "state.previous.safetensors";
const BEST: &str = "best.onnx";
const LAST: &str = "last.onnx";
const LOG: &str = "log.jsonl";
const MANIFEST: &str = "manifest.json";

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// The mean of the objective over the epoch.
    pub loss: f64,
    /// The share of training images, as the network was shown them, that it classified correctly.
    pub train_accuracy: f64,
    /// The share of held-out samples classified correctly.
    pub validation_accuracy: f64,
    /// The share of held-out samples that PGD with 10 steps leaves correctly classified.
    pub robust_validation_accuracy: Option<f64>,
    /// Of this epoch, validation included.
    pub seconds: f64,
    /// SHA-256 of the checkpoint, in hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// What looks wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Epoch {
    /// What the best checkpoint is best in: robust accuracy on held-out samples where something is attacked, and
    /// among those equal in it, accuracy. Of epochs equal in both the earliest is the best.
    pub fn merit(&self) -> (f64, f64) {
        (self.robust_validation_accuracy.unwrap_or(self.validation_accuracy), self.validation_accuracy)
    }
}

/// All that a run needs to go on.
pub(super) struct State {
    pub weights: Weights,
    /// What the optimizer remembers, tensor by tensor.
    pub memory: Vec<Vec<Vec<f32>>>,
    /// The moving average of the weights.
    pub average: Option<Vec<Vec<f32>>>,
    /// Steps taken.
    pub steps: u64,
    /// The epochs so far.
    pub epochs: Vec<Epoch>,
}

/// What is trained, so that anyone can train it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    kennard: String,
    command: Vec<String>,
    /// Everything that the result depends on.
    training: Value,
}

/// The directory of a training run, kept from other processes.
pub struct TrainingDirectory {
    path: PathBuf,
    /// The SHA-256 of the manifest.
    manifest: String,
    _lock: File,
}

impl TrainingDirectory {
    /// Opens a directory for a run, made if need be.
    ///
    /// # Errors
    /// When it cannot be written to, is in use, holds a run of other `settings` (the message names the
    /// difference), or holds a run already and `resume` is not set.
    pub fn open(
        path: &Path,
        command: Vec<String>,
        settings: Value,
        resume: bool,
    ) -> Result<TrainingDirectory> {
        let checkpoints = path.join("checkpoints");
        make_directory(&checkpoints)?;
        let place = path.join("lock");
        let lock = File::create(&place).map_err(|e| failed(&place, &e))?;
        let refused = |message: String, advice: &'static str| {
            Err(Error::Run { path: path.into(), message }.advise(advice))
        };
        if let Err(std::fs::TryLockError::WouldBlock) = lock.try_lock() {
            return refused(
                "is in use by another run".into(),
                "; wait for it, or give {out} another directory",
            );
        }
        [path, &checkpoints].into_iter().for_each(clear_strays);
        let manifest = path.join(MANIFEST);
        let earlier = std::fs::read(&manifest).ok();
        let begun = [STATE, PREVIOUS].iter().any(|name| path.join(name).exists());
        if let Some(text) = &earlier {
            let Ok(earlier) = serde_json::from_slice::<Manifest>(text) else {
                return refused("holds a run of another kind".into(), "; give {out} another directory");
            };
            let differences = differences(&earlier.training, &settings)?;
            if !differences.is_empty() {
                let list = differences.join("; ");
                let message = format!("holds a run of other settings: {list}");
                return refused(message, ". Give {out} another directory");
            }
            if !resume && begun {
                return refused(
                    "holds a run of the same settings".into(),
                    ": add {resume} to go on with it, or give {out} another directory",
                );
            }
        }
        let text = match earlier.filter(|_| begun) {
            // That of the run's beginning stays.
            Some(text) => text,
            None => {
                let kennard = env!("CARGO_PKG_VERSION").into();
                let text = to_json(&Manifest { kennard, command, training: settings })?;
                write_whole(&manifest, &text)?;
                text
            }
        };
        Ok(TrainingDirectory { path: path.into(), manifest: sha256(&text), _lock: lock })
    }

    /// The checkpoint of an epoch.
    pub fn checkpoint(&self, epoch: usize) -> PathBuf {
        self.path.join(format!("checkpoints/epoch-{epoch:04}.onnx"))
    }

    /// Writes what an epoch gave: the checkpoint first and the state last, so that a process killed at any
    /// moment finds the state of an epoch whose files are whole.
    pub(super) fn keep(&self, names: &[String], model: &Graph, state: &State) -> Result<()> {
        let Some(last) = state.epochs.last() else { return Ok(()) };
        Sums::forget(&self.path, &FILES)?;
        let bytes = model.to_bytes();
        write_whole(&self.checkpoint(last.epoch), &bytes)?;
        if best(&state.epochs).is_some_and(|best| best.epoch == last.epoch) {
            write_whole(&self.path.join(BEST), &bytes)?;
        }
        write_whole(&self.path.join(LAST), &bytes)?;
        self.log(&state.epochs)?;
        let bytes = encode(names, state, &self.manifest)?;
        let place = self.path.join(STATE);
        if place.exists() {
            let previous = self.path.join(PREVIOUS);
            std::fs::rename(&place, &previous).map_err(|e| failed(&previous, &e))?;
        }
        write_whole(&place, &bytes)
    }

    /// Writes the digests of a run that is done.
    pub(super) fn finish(&self) -> Result<()> {
        Sums::write(&self.path, &FILES)
    }

    fn log(&self, epochs: &[Epoch]) -> Result<()> {
        let mut lines = Vec::new();
        for epoch in epochs {
            serde_json::to_writer(&mut lines, epoch).map_err(|e| Error::Summary(e.to_string()))?;
            lines.push(b'\n');
        }
        write_whole(&self.path.join(LOG), &lines)
    }

    /// Puts in place what the run had reached, if it had reached anything. Where its state is damaged, that of
    /// the epoch before is taken; the text says so, for people.
    pub(super) fn recover(&self, names: &[String], fresh: &State) -> Result<Option<(State, Option<String>)>> {
        let mut damaged = Vec::new();
        for place in [STATE, PREVIOUS].map(|name| self.path.join(name)) {
            let bytes = match std::fs::read(&place) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::Run { path: place, message: format!("cannot be read: {e}") }),
            };
            let Some((state, manifest)) = decode(&bytes, names, fresh) else {
                damaged.push(place);
                continue;
            };
            if manifest != self.manifest {
                return Err(Error::Run {
                    path: self.path.join(MANIFEST),
                    message: "is not the one that the run was begun with; restore it from a copy".into(),
                }
                .advise(", or give {out} another directory"));
            }
            self.restore(&state.epochs)?;
            damaged.iter().try_for_each(|place| remove(place))?;
            let said = damaged.first().map(|place| {
                format!(
                    "{} is damaged: the run goes on from the epoch before, {}",
                    place.display(),
                    state.epochs.len()
                )
            });
            return Ok(Some((state, said)));
        }
        match damaged.into_iter().next() {
            None => Ok(None),
            Some(path) => Err(Error::Run {
                path,
                message: "is damaged, of an earlier format, or belongs to another network, and there is no other; remove \
                          it to begin anew"
                    .into(),
            }),
        }
    }

    /// Checks the checkpoints against their digests, and makes the log, the best and the last network those of
    /// these epochs: a killed run may have been further.
    fn restore(&self, epochs: &[Epoch]) -> Result<()> {
        let found = |path: &Path| match path.exists() {
            true => Ok::<_, Error>(Some(digest(path)?.sha256)),
            false => Ok(None),
        };
        for epoch in epochs {
            let path = self.checkpoint(epoch.epoch);
            if found(&path)?.is_some_and(|sha256| sha256 != epoch.sha256) {
                let message = "is not what the run wrote: its SHA-256 is another. Restore it from a copy, or remove it to go \
                               on without it";
                return Err(Error::Run { path, message: message.into() });
            }
        }
        for (name, epoch) in [(BEST, best(epochs)), (LAST, epochs.last())] {
            let (Some(epoch), path) = (epoch, self.path.join(name)) else { continue };
            if found(&path)?.as_ref() != Some(&epoch.sha256) {
                let source = self.checkpoint(epoch.epoch);
                let bytes = std::fs::read(&source).map_err(|e| Error::Run {
                    path: source,
                    message: format!("cannot be read, and {name} is not what the run wrote: {e}"),
                })?;
                write_whole(&path, &bytes)?;
            }
        }
        self.log(epochs)
    }
}

/// The files of a run that is done, checkpoints aside, whose digests are in the log.
const FILES: [&str; 4] = [MANIFEST, LOG, BEST, LAST];

/// The epoch of the best checkpoint: the first of equals.
fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    epochs.iter().reduce(|best, epoch| if best.merit() < epoch.merit() { epoch } else { best })
}

/// The network with these weights in it.
pub(super) fn with_weights(
    model: &Graph,
    names: &[String],
    trained: &[Vec<f32>],
    statistics: &[Vec<f32>],
) -> Graph {
    let mut graph = model.clone();
    let statistic_names = kennard_graph::statistics(model).into_iter().flat_map(|s| [s.mean, s.variance]);
    let names = names.iter().cloned().chain(statistic_names);
    for (name, values) in names.zip(trained.iter().chain(statistics)) {
        if let Some(tensor) = graph.constants.get_mut(&name)
            && let Ok(array) = ArrayD::from_shape_vec(IxDyn(tensor.shape()), values.clone())
        {
            *tensor = Tensor::from(array).to_float_type(tensor.dtype());
        }
    }
    graph
}

#[derive(Serialize, Deserialize)]
struct Progress {
    steps: u64,
    epochs: Vec<Epoch>,
    /// The SHA-256 of the manifest that the run was begun with.
    manifest: String,
}

/// The tensors of a state, by name.
fn tensors<'s>(names: &'s [String], state: &'s State) -> impl Iterator<Item = (String, &'s Vec<f32>)> {
    let named = |prefix: String, tensors: &'s [Vec<f32>]| {
        names.iter().zip(tensors).map(move |(name, tensor)| (format!("{prefix}/{name}"), tensor))
    };
    let memory = state.memory.iter().enumerate().flat_map(move |(i, m)| named(format!("memory {i}"), m));
    let statistics = state.weights.statistics.iter().enumerate().map(|(i, s)| (format!("statistics/{i}"), s));
    named("weight".into(), &state.weights.trained)
        .chain(statistics)
        .chain(memory)
        .chain(named("average".into(), state.average.as_deref().unwrap_or_default()))
}

fn encode(names: &[String], state: &State, manifest: &str) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| Error::Summary(e.to_string());
    let tensors: Vec<(String, usize, Vec<u8>)> = tensors(names, state)
        .map(|(name, values)| (name, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views: Vec<(&str, TensorView)> = tensors
        .iter()
        .map(|(name, n, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, vec![*n], bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| failed(&e))?;
    let progress = Progress { steps: state.steps, epochs: state.epochs.clone(), manifest: manifest.into() };
    let progress = serde_json::to_string(&progress).map_err(|e| failed(&e))?;
    let header = HashMap::from([("progress".into(), progress), ("sha256".into(), UNSEALED.into())]);
    let mut bytes = serialize(views, Some(header)).map_err(|e| failed(&e))?;
    let digest = sha256(&bytes);
    let seal = seal(&mut bytes).ok_or_else(|| failed(&"the state has no place for its digest"))?;
    seal.copy_from_slice(digest.as_bytes());
    Ok(bytes)
}

/// What stands in the header in place of the digest while that is computed: over the whole file.
const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The place of the digest.
fn seal(bytes: &mut [u8]) -> Option<&mut [u8]> {
    // Within a string of the header, the quotes would stand behind backslashes.
    const KEY: &[u8] = b"\"sha256\":\"";
    let place = bytes.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    bytes.get_mut(place..place + UNSEALED.len())
}

/// Whether every byte of a state is what was written.
fn is_whole(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    let Some(seal) = seal(&mut bytes) else { return false };
    let stored = seal.to_vec();
    seal.copy_from_slice(UNSEALED.as_bytes());
    stored == sha256(&bytes).as_bytes()
}

/// A state as it was written, with its manifest's digest; nothing if it is damaged, or not one of a network
/// with these weights. `fresh` has their sizes.
fn decode(bytes: &[u8], names: &[String], fresh: &State) -> Option<(State, String)> {
    if !is_whole(bytes) {
        return None;
    }
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let progress: Progress = serde_json::from_str(header.metadata().as_ref()?.get("progress")?).ok()?;
    let file = SafeTensors::deserialize(bytes).ok()?;
    let mut found = Vec::new();
    for (name, like) in tensors(names, fresh) {
        let view = file.tensor(&name).ok().filter(|view| view.dtype() == Dtype::F32)?;
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if values.len() != like.len() {
            return None;
        }
        found.push(values);
    }
    let mut found = found.into_iter();
    let mut next = |n: usize| found.by_ref().take(n).collect::<Vec<_>>();
    let weights = Weights { trained: next(names.len()), statistics: next(fresh.weights.statistics.len()) };
    let memory = fresh.memory.iter().map(|m| next(m.len())).collect();
    let average = fresh.average.as_ref().map(|average| next(average.len()));
    let state = State { weights, memory, average, steps: progress.steps, epochs: progress.epochs };
    Some((state, progress.manifest))
}
