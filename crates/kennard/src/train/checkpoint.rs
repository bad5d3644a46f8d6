//! What a training run leaves on disk: `checkpoints/epoch-0001.onnx …`, `best.onnx`, `last.onnx`,
//! `log.jsonl`, and `state.safetensors`, from which it goes on.

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
use crate::files::{differences, failed, to_json, write_whole};
use crate::{Error, Result};

const STATE: &str = "state.safetensors";
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
        std::fs::create_dir_all(&checkpoints).map_err(|e| failed(&checkpoints, &e))?;
        let place = path.join("lock");
        let lock = File::create(&place).map_err(|e| failed(&place, &e))?;
        let refused = |message: String| Err(Error::Run { path: path.into(), message });
        if let Err(std::fs::TryLockError::WouldBlock) = lock.try_lock() {
            return refused("is in use by another run; wait for it, or give --out another directory".into());
        }
        let manifest = path.join(MANIFEST);
        if let Ok(text) = std::fs::read(&manifest) {
            let Ok(earlier) = serde_json::from_slice::<Manifest>(&text) else {
                return refused("holds a run of another kind; give --out another directory".into());
            };
            let differences = differences(&earlier.training, &settings);
            if !differences.is_empty() {
                let list = differences.join("; ");
                return refused(format!(
                    "holds a run of other settings: {list}. Give --out another directory"
                ));
            }
            if !resume && path.join(STATE).exists() {
                return refused(
                    "holds a run of the same settings: add --resume to go on with it, or give --out another directory"
                        .into(),
                );
            }
        }
        let text = Manifest { kennard: env!("CARGO_PKG_VERSION").into(), command, training: settings };
        write_whole(&manifest, &to_json(&text)?)?;
        Ok(TrainingDirectory { path: path.into(), _lock: lock })
    }

    /// The checkpoint of an epoch.
    pub fn checkpoint(&self, epoch: usize) -> PathBuf {
        self.path.join(format!("checkpoints/epoch-{epoch:04}.onnx"))
    }

    /// Writes what an epoch gave: the checkpoint first and the state last, so that a process killed at any
    /// moment finds the state of an epoch whose files are whole.
    pub(super) fn keep(&self, names: &[String], model: &Graph, state: &State) -> Result<()> {
        let Some(last) = state.epochs.last() else { return Ok(()) };
        let bytes = model.to_bytes();
        write_whole(&self.checkpoint(last.epoch), &bytes)?;
        let merit = |epoch: &Epoch| epoch.merit();
        // The first of equals stays the best.
        if state.epochs[..state.epochs.len() - 1].iter().all(|earlier| merit(earlier) < merit(last)) {
            write_whole(&self.path.join("best.onnx"), &bytes)?;
        }
        write_whole(&self.path.join("last.onnx"), &bytes)?;
        self.log(&state.epochs)?;
        write_whole(&self.path.join(STATE), &encode(names, state)?)
    }

    fn log(&self, epochs: &[Epoch]) -> Result<()> {
        let mut lines = Vec::new();
        for epoch in epochs {
            serde_json::to_writer(&mut lines, epoch).map_err(|e| Error::Summary(e.to_string()))?;
            lines.push(b'\n');
        }
        write_whole(&self.path.join(LOG), &lines)
    }

    /// Puts in place what the run had reached, if it had reached anything.
    pub(super) fn recover(&self, names: &[String], fresh: &State) -> Result<Option<State>> {
        let place = self.path.join(STATE);
        let bytes = match std::fs::read(&place) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::Run { path: place, message: format!("cannot be read: {e}") }),
        };
        let state = decode(&bytes, names, fresh).ok_or_else(|| Error::Run {
            path: place,
            message: "is damaged, or belongs to another network; remove it to begin anew".into(),
        })?;
        self.log(&state.epochs)?;
        Ok(Some(state))
    }
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

fn encode(names: &[String], state: &State) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| Error::Summary(e.to_string());
    let tensors: Vec<(String, usize, Vec<u8>)> = tensors(names, state)
        .map(|(name, values)| (name, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views: Vec<(&str, TensorView)> = tensors
        .iter()
        .map(|(name, n, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, vec![*n], bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| failed(&e))?;
    let progress = Progress { steps: state.steps, epochs: state.epochs.clone() };
    let progress = serde_json::to_string(&progress).map_err(|e| failed(&e))?;
    serialize(views, Some(HashMap::from([("progress".into(), progress)]))).map_err(|e| failed(&e))
}

/// A state as it was written; nothing if it is not one of a network with these weights. `fresh` has their
/// sizes.
fn decode(bytes: &[u8], names: &[String], fresh: &State) -> Option<State> {
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
    Some(State { weights, memory, average, steps: progress.steps, epochs: progress.epochs })
}
