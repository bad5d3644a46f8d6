//! What a training run leaves on disk: `checkpoints/epoch-0001.onnx …`, `best.onnx`, `last.onnx`,
//! `log.jsonl`, and `state.safetensors`, from which it goes on. Digests of all files are in the state.

use std::fs::File;
use std::path::{Path, PathBuf};

use kennard_graph::Graph;

use super::epoch::{Epoch, best};
use super::method::Method;
use super::settings::{TrainingManifest, TrainingSettings};
use super::state::{TrainingState, decode, encode};
use crate::data::digest;
use crate::run::files::{
    failed, make_directory, prepare, read_if_there, refused, remove, to_json, write_whole,
};
use crate::run::lock::{in_use, is_taken};
use crate::run::sums::{SUMS, Sums, sha256};
use crate::run::{MANIFEST, RunKind, keep_off, same_settings, stored_before};
use crate::{Error, Result};

const STATE: &str = "state.safetensors";
/// The state of the epoch before, for the case that the other is damaged.
const PREVIOUS: &str = "state.previous.safetensors";
const BEST: &str = "best.onnx";
const LAST: &str = "last.onnx";
const LOG: &str = "log.jsonl";

/// The directory of a training run, kept from other processes.
pub struct TrainingDirectory {
    path: PathBuf,
    /// The SHA-256 of the manifest.
    manifest: String,
    method: Method,
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
        settings: &TrainingSettings,
        resume: bool,
    ) -> Result<TrainingDirectory> {
        make_directory(path)?;
        keep_off(path, RunKind::Training)?;
        prepare(&path.join("checkpoints"))?;
        let place = path.join("lock");
        let lock = File::create(&place).map_err(|e| failed(&place, &e))?;
        if is_taken(&lock) {
            return Err(in_use(path));
        }
        prepare(path)?;
        let earlier = stored_before::<TrainingManifest>(path)?;
        let begun = [STATE, PREVIOUS].iter().any(|name| path.join(name).exists());
        if let Some((earlier, _)) = &earlier {
            same_settings(path, &earlier.training, settings)?;
            if !resume && begun {
                return Err(refused(path, "holds a run of the same settings")
                    .advise(": add {resume} to go on with it, or give {out} another directory"));
            }
        }
        let manifest = match earlier.filter(|_| begun) {
            // The manifest of the run's beginning stays.
            Some((_, digest)) => digest,
            None => {
                let kennard = env!("CARGO_PKG_VERSION").into();
                let text = to_json(&TrainingManifest { kennard, command, training: settings.clone() })?;
                write_whole(&path.join(MANIFEST), &text)?;
                sha256(&text)
            }
        };
        let method = settings.recipe.method;
        Ok(TrainingDirectory { path: path.into(), manifest, method, _lock: lock })
    }

    /// Whether it holds a whole run: its digests are written last.
    pub fn is_finished(&self) -> bool {
        self.path.join(SUMS).exists()
    }

    /// The checkpoint of an epoch.
    pub fn checkpoint(&self, epoch: usize) -> PathBuf {
        self.path.join(format!("checkpoints/epoch-{epoch:04}.onnx"))
    }

    /// Writes what an epoch gave: the checkpoint first and the state last, so that a process killed at any
    /// moment finds the state of an epoch whose files are whole.
    pub(super) fn keep(&self, names: &[String], model: &Graph, state: &TrainingState) -> Result<()> {
        let Some(last) = state.epochs.last() else { return Ok(()) };
        Sums::forget(&self.path, &FILES)?;
        let bytes = model.to_bytes();
        write_whole(&self.checkpoint(last.epoch), &bytes)?;
        if best(&state.epochs, &self.method).is_some_and(|best| best.epoch == last.epoch) {
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

    /// Takes the manifest back where no epoch was kept: it would stand in the way of a run of what was mended.
    pub(super) fn discard_if_empty(&self) -> Result<()> {
        let kept = [STATE, PREVIOUS].iter().any(|name| self.path.join(name).exists());
        if kept { Ok(()) } else { remove(&self.path.join(MANIFEST)) }
    }

    /// Writes the digests of a run that is done.
    pub(super) fn finish(&self) -> Result<()> {
        Sums::write(&self.path, &FILES)
    }

    fn log(&self, epochs: &[Epoch]) -> Result<()> {
        let mut lines = Vec::new();
        for epoch in epochs {
            serde_json::to_writer(&mut lines, epoch)?;
            lines.push(b'\n');
        }
        write_whole(&self.path.join(LOG), &lines)
    }

    /// Puts in place what the run had reached, if it had reached anything. Where its state is damaged, that of
    /// the epoch before is taken; the text says so, for people.
    pub(super) fn recover(
        &self,
        names: &[String],
        fresh: &TrainingState,
    ) -> Result<Option<(TrainingState, Option<String>)>> {
        let mut damaged = Vec::new();
        for place in [STATE, PREVIOUS].map(|name| self.path.join(name)) {
            let Some(bytes) = read_if_there(&place)? else { continue };
            let Some((state, manifest)) = decode(&bytes, names, fresh) else {
                damaged.push(place);
                continue;
            };
            if manifest != self.manifest {
                let message = "is not the one that the run was begun with; restore it from a copy";
                return Err(
                    refused(&self.path.join(MANIFEST), message).advise(", or give {out} another directory")
                );
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
            Some(path) => Err(refused(
                &path,
                "is damaged, of an earlier format, or belongs to another network, and there is no other; remove it to \
                 begin anew",
            )),
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
                return Err(refused(&path, message));
            }
        }
        for (name, epoch) in [(BEST, best(epochs, &self.method)), (LAST, epochs.last())] {
            let (Some(epoch), path) = (epoch, self.path.join(name)) else { continue };
            if found(&path)?.as_ref() != Some(&epoch.sha256) {
                let source = self.checkpoint(epoch.epoch);
                // The choice of an earlier version, when the checkpoint to choose now may be gone.
                let chosen = |sha256: &String| epochs.iter().any(|epoch| epoch.sha256 == *sha256);
                if name == BEST && !source.exists() && found(&path)?.as_ref().is_some_and(chosen) {
                    continue;
                }
                let bytes = std::fs::read(&source).map_err(|e| {
                    refused(&source, format!("cannot be read, and {name} is not what the run wrote: {e}"))
                })?;
                write_whole(&path, &bytes)?;
            }
        }
        self.log(epochs)
    }
}

/// The files of a run that is done, checkpoints aside, whose digests are in the log.
const FILES: [&str; 4] = [MANIFEST, LOG, BEST, LAST];
