//! `state.safetensors`, from which a training run goes on.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::epoch::Epoch;
use super::worker::Weights;
use crate::run::sums::sha256;
use crate::{Error, Result};

/// All that a run needs to go on.
pub(super) struct TrainingState {
    /// Workers read them, and a step of the optimizer changes them.
    pub weights: Arc<RwLock<Weights>>,
    /// What the optimizer remembers, tensor by tensor.
    pub memory: Vec<Vec<Vec<f32>>>,
    /// The moving average of the weights.
    pub average: Option<Vec<Vec<f32>>>,
    /// Steps taken.
    pub steps: u64,
    /// The epochs so far.
    pub epochs: Vec<Epoch>,
}

impl TrainingState {
    pub fn weights(&self) -> RwLockReadGuard<'_, Weights> {
        self.weights.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What a state says in words, beside its tensors.
#[derive(Serialize, Deserialize)]
struct Reached {
    steps: u64,
    epochs: Vec<Epoch>,
    /// The SHA-256 of the manifest that the run was begun with.
    manifest: String,
}

/// The tensors of a state, by name.
fn tensors<'s>(
    names: &'s [String],
    state: &'s TrainingState,
    weights: &'s Weights,
) -> impl Iterator<Item = (String, &'s Vec<f32>)> {
    let named = |prefix: String, tensors: &'s [Vec<f32>]| {
        names.iter().zip(tensors).map(move |(name, tensor)| (format!("{prefix}/{name}"), tensor))
    };
    let memory = state.memory.iter().enumerate().flat_map(move |(i, m)| named(format!("memory {i}"), m));
    let statistics = weights.statistics.iter().enumerate().map(|(i, s)| (format!("statistics/{i}"), s));
    named("weight".into(), &weights.trained)
        .chain(statistics)
        .chain(memory)
        .chain(named("average".into(), state.average.as_deref().unwrap_or_default()))
}

/// The bytes of a state; `manifest` is the digest of its run's manifest.
pub(super) fn encode(names: &[String], state: &TrainingState, manifest: &str) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| Error::format("the state of the training", e.to_string());
    let tensors: Vec<(String, usize, Vec<u8>)> = tensors(names, state, &state.weights())
        .map(|(name, values)| (name, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views: Vec<(&str, TensorView)> = tensors
        .iter()
        .map(|(name, n, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, vec![*n], bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| failed(&e))?;
    let progress = Reached { steps: state.steps, epochs: state.epochs.clone(), manifest: manifest.into() };
    let progress = serde_json::to_string(&progress)?;
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
pub(super) fn decode(
    bytes: &[u8],
    names: &[String],
    fresh: &TrainingState,
) -> Option<(TrainingState, String)> {
    if !is_whole(bytes) {
        return None;
    }
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let progress: Reached = serde_json::from_str(header.metadata().as_ref()?.get("progress")?).ok()?;
    let file = SafeTensors::deserialize(bytes).ok()?;
    let mut found = Vec::new();
    let weights = fresh.weights();
    for (name, like) in tensors(names, fresh, &weights) {
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
    let weights = Weights { trained: next(names.len()), statistics: next(weights.statistics.len()) };
    let memory = fresh.memory.iter().map(|m| next(m.len())).collect();
    let average = fresh.average.as_ref().map(|average| next(average.len()));
    let state = TrainingState {
        weights: Arc::new(RwLock::new(weights)),
        memory,
        average,
        steps: progress.steps,
        epochs: progress.epochs,
    };
    Some((state, progress.manifest))
}
