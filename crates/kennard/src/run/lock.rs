//! Locks that keep other processes out of a directory.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::Error;

/// Whether another process holds the lock of a file; if none does, this one holds it from now on. A reader that asks
/// the same holds the lock for a moment.
pub(crate) fn is_taken(file: &File) -> bool {
    for _ in 0..5 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => return false,
        }
    }
    true
}

/// The error of a directory that another process works in.
pub(crate) fn in_use(directory: &Path) -> Error {
    Error::InUse(directory.into()).advise("; wait for it, or give {out} another directory")
}
