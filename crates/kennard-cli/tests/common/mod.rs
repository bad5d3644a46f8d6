//! What the tests of the command share.
#![allow(dead_code)] // every test file uses its part

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kennard_runtime::{Choice, Runtime};
use serde_json::Value;
use tempfile::TempDir;

/// The program that is tested.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_kennard");

pub fn kennard(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null());
    command
}

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file or folder of `fixtures/`.
pub fn fixture(name: &str) -> String {
    root().join("fixtures").join(name).display().to_string()
}

/// The small data set of images, as `--data` takes it.
pub fn fashion() -> String {
    format!("fashion-mnist:{}", fixture("fashion-mnist"))
}

/// The folder of published networks, data and cases; it may not be there.
pub fn shared() -> PathBuf {
    std::env::var_os("KENNARD_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from)
}

/// rten, and ONNX Runtime where it is installed.
pub fn runtimes() -> Vec<&'static str> {
    match Runtime::open(Choice::OnnxRuntime) {
        Ok(_) => vec!["rten", "onnxruntime"],
        Err(error) => {
            println!("skipped for ONNX Runtime: {error}");
            vec!["rten"]
        }
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must succeed.
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

/// What a command that must succeed prints as JSON.
pub fn json(command: &mut Command) -> Value {
    serde_json::from_slice(&succeeds(command).stdout).unwrap()
}

/// A JSON file.
pub fn read_json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Runs a command that must print nothing and fail with `status`, with all of `says` in its message.
pub fn refused(command: &mut Command, status: i32, says: &[&str]) {
    let output = command.output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(status), "{command:?}: {message}");
    for part in says {
        assert!(message.contains(part), "{command:?} does not say `{part}`: {message}");
    }
    assert!(output.stdout.is_empty() && !message.contains("panicked"), "{command:?}: {message}");
}

/// A path of one test alone. What is there goes with this value.
pub struct Scratch {
    path: PathBuf,
    _folder: TempDir,
}

impl Scratch {
    pub fn at(&self, name: &str) -> String {
        self.join(name).display().to_string()
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl AsRef<OsStr> for Scratch {
    fn as_ref(&self) -> &OsStr {
        self.as_os_str()
    }
}

/// A path of this name, at which there is nothing yet.
pub fn scratch(name: &str) -> Scratch {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    Scratch { path: folder.path().join(name), _folder: folder }
}

/// An empty directory.
pub fn directory() -> Scratch {
    let place = scratch("place");
    std::fs::create_dir(&place).unwrap();
    place
}
