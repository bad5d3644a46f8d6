//! `journal.jsonl`: the entries of a run as they finish, one per line, which no accident alters unnoticed.
//!
//! A line is `{"sum":"…","item":…}`. The sum is the first half of the SHA-256 of the manifest's digest, the
//! line's number and the item's text. So a line that was changed, lost, repeated, moved or taken from another
//! run does not have its sum. The first line's item is a [`Header`], whose sum is without the manifest's digest,
//! for it names that; an entry is in each of the others.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kennard_graph::files::sync_directory;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::{failed, failed_to_read, refused, remove};
use super::lock::{in_use, is_taken};
use crate::Result;

pub(crate) const JOURNAL: &str = "journal.jsonl";
const VERSION: u32 = 2;
/// What is written is on the disk after this long.
const SYNC: Duration = Duration::from_secs(1);

/// What the journal belongs to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    version: u32,
    /// The SHA-256 of `manifest.json`.
    manifest: String,
}

/// What a journal holds.
#[derive(Debug)]
pub(crate) struct Contents<R> {
    /// The SHA-256 of the manifest that it belongs to; none where it has not begun, or begins with damage.
    pub manifest: Option<String>,
    /// One entry per sample: of several the last.
    pub entries: Vec<R>,
    /// The lines before the damage.
    lines: u64,
    /// Their length in bytes.
    whole: usize,
    /// What is damaged, if something is.
    pub damage: Option<String>,
}

impl<R: DeserializeOwned> Contents<R> {
    /// Reads a journal up to its end or to the first line that is not what was written. `place` says which sample
    /// an entry is of, or what is wrong with it. A last line without its end is one that a killed process was
    /// about to write.
    ///
    /// # Errors
    /// When the journal is of another format of Kennard.
    pub fn of(
        text: &[u8],
        path: &Path,
        place: impl Fn(&R) -> std::result::Result<usize, String>,
    ) -> Result<Contents<R>> {
        let (mut manifest, mut lines, mut whole, mut damage) = (None, 0, 0, None);
        let mut entries: BTreeMap<usize, R> = BTreeMap::new();
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else { break };
            let read = match &manifest {
                None => header(line, path)?
                    .map(|header| manifest = Some(header.manifest))
                    .ok_or_else(|| "its first line is not what was written".to_string()),
                Some(run) => unframe::<R>(line, run, lines)
                    .ok_or_else(|| "a line is not what was written".to_string())
                    .and_then(|entry| place(&entry).map(|at| drop(entries.insert(at, entry)))),
            };
            if let Err(wrong) = read {
                damage = Some(format!(
                    "{}: damaged at byte {whole} ({wrong}): {} samples are kept, the rest is done again",
                    path.display(),
                    entries.len()
                ));
                break;
            }
            lines += 1;
            whole += line.len() + 1;
        }
        Ok(Contents { manifest, entries: entries.into_values().collect(), lines, whole, damage })
    }
}

/// What the first line says, if it is what was written.
fn header(line: &[u8], path: &Path) -> Result<Option<Header>> {
    let header: Option<Header> = unframe(line, "", 0);
    let formerly = serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|v| v.get("index").is_some());
    match header {
        Some(header) if header.version != VERSION => Err(refused(
            path,
            format!(
                "has the format {}, this Kennard knows {VERSION}; remove it to begin anew",
                header.version
            ),
        )),
        None if formerly => Err(refused(
            path,
            "is of an earlier format, without checksums; finish it with the Kennard that began it, or remove it to \
             begin anew",
        )),
        header => Ok(header),
    }
}

fn sum(run: &str, number: u64, item: &[u8]) -> String {
    let hash = Sha256::new().chain_update(run).chain_update(number.to_le_bytes()).chain_update(item);
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A line with its end.
fn frame(item: &impl Serialize, run: &str, number: u64) -> Result<Vec<u8>> {
    let item = serde_json::to_vec(item)?;
    let begin = format!("{{\"sum\":\"{}\",\"item\":", sum(run, number, &item));
    Ok([begin.as_bytes(), &item, b"}\n"].concat())
}

/// What is in a line without its end; nothing where a byte of it is not what was written.
fn unframe<T: DeserializeOwned>(line: &[u8], run: &str, number: u64) -> Option<T> {
    let (stored, rest) = line.strip_prefix(b"{\"sum\":\"")?.split_at_checked(32)?;
    let item = rest.strip_prefix(b"\",\"item\":")?.strip_suffix(b"}")?;
    (stored == sum(run, number, item).as_bytes()).then(|| serde_json::from_slice(item).ok())?
}

/// The journal of a run under way. Its lock keeps other processes out of the directory.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    run: String,
    lines: u64,
    sync: Option<Sync>,
}

impl Journal {
    /// Opens the journal of a directory, made if need be, and reads it.
    pub fn open(directory: &Path) -> Result<(Journal, Vec<u8>)> {
        let path = directory.join(JOURNAL);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|e| failed(&path, &e))?;
        // Between the two, a run that ended may have removed it.
        if is_taken(&file) || !path.exists() {
            return Err(in_use(directory));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|e| failed_to_read(&path, &e))?;
        Ok((Journal { path, file, run: String::new(), lines: 0, sync: None }, text))
    }

    /// Begins it anew, for a manifest with this digest.
    pub fn begin(&mut self, manifest: &str) -> Result<()> {
        self.cut(0, 0, manifest)?;
        let header = Header { version: VERSION, manifest: manifest.into() };
        self.write(&frame(&header, "", 0)?)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        self.file.sync_data().and_then(|()| sync_directory(directory)).map_err(|e| failed(&self.path, &e))
    }

    /// Goes on after what is whole of it.
    pub fn go_on<R>(&mut self, contents: &Contents<R>) -> Result<()> {
        self.cut(contents.whole, contents.lines, contents.manifest.as_deref().unwrap_or_default())
    }

    fn cut(&mut self, whole: usize, lines: u64, run: &str) -> Result<()> {
        (self.run, self.lines) = (run.into(), lines);
        let cut =
            self.file.set_len(whole as u64).and_then(|()| self.file.seek(SeekFrom::Start(whole as u64)));
        cut.map(drop).map_err(|e| failed(&self.path, &e))
    }

    /// Writes an entry down. A killed process does not lose it any more, a power cut not after [`SYNC`].
    pub fn append(&mut self, entry: &impl Serialize) -> Result<()> {
        let line = frame(entry, &self.run, self.lines)?;
        self.write(&line)?;
        let sync = match &mut self.sync {
            Some(sync) => sync,
            none => none.insert(Sync::of(&self.file).map_err(|e| failed(&self.path, &e))?),
        };
        match sync.news.send(()) {
            Ok(()) => Ok(()),
            Err(_) => self.synced(),
        }
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        self.lines += 1;
        self.file.write_all(line).map_err(|e| failed(&self.path, &e))
    }

    /// Waits until everything that was written is on the disk.
    pub fn synced(&mut self) -> Result<()> {
        let Some(Sync { news, thread }) = self.sync.take() else { return Ok(()) };
        drop(news);
        let result =
            thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the disk was not waited for")));
        result.map_err(|e| failed(&self.path, &e))
    }

    /// Removes it: the run is finished.
    pub fn remove(mut self) -> Result<()> {
        self.synced()?;
        remove(&self.path)
    }
}

/// Whether a directory holds a run that has no results yet, or not yet all.
pub(crate) fn is_begun(directory: &Path) -> bool {
    std::fs::metadata(directory.join(JOURNAL)).is_ok_and(|journal| journal.len() > 0)
}

/// A thread that puts a file on the disk when there is news, but not all the time.
#[derive(Debug)]
struct Sync {
    news: mpsc::Sender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Sync {
    fn of(file: &File) -> std::io::Result<Sync> {
        let file = file.try_clone()?;
        let (news, heard) = mpsc::channel();
        let work = move || {
            while heard.recv().is_ok() {
                let next = Instant::now() + SYNC;
                file.sync_data()?;
                loop {
                    match heard.recv_timeout(next.saturating_duration_since(Instant::now())) {
                        Ok(()) => {}
                        Err(RecvTimeoutError::Timeout) => break file.sync_data()?,
                        Err(RecvTimeoutError::Disconnected) => return file.sync_data(),
                    }
                }
            }
            Ok(())
        };
        Ok(Sync { news, thread: std::thread::Builder::new().name("journal".into()).spawn(work)? })
    }
}

/// A journal's text, and whether a process is at work on it; nothing where there is no journal.
pub(crate) fn look(directory: &Path) -> Result<Option<(Vec<u8>, bool)>> {
    let path = directory.join(JOURNAL);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed_to_read(&path, &e)),
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|e| failed_to_read(&path, &e))?;
    // The lock goes with the file, at once: another process may want it.
    let taken = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    Ok(Some((text, taken)))
}
