//! Which files hold a split: a table may be one file or many, as on the Hugging Face hub.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::options::Split;

/// The files of a split, in the order of their names, and what is to be said about it.
pub fn find(path: &Path, split: Split) -> Result<(Vec<PathBuf>, Vec<String>), DataError> {
    let all = |what: &str| match split {
        Split::Train => vec![format!("{what}: all of it is read")],
        Split::Test => Vec::new(),
    };
    if !path.exists()
        && let Some(listed) = path.to_str().filter(|listed| listed.contains(','))
    {
        let files = listed.split(',').map(|file| PathBuf::from(file.trim())).collect();
        return Ok((files, all("the files named are one split")));
    }
    if !path.is_dir() {
        return Ok((vec![path.to_owned()], all("a parquet file is one split")));
    }
    let mut files = within(path)?;
    if files.is_empty() && path.join("data").is_dir() {
        files = within(&path.join("data"))?;
    }
    if files.is_empty() {
        return Err(DataError::empty(path, "there are no files *.parquet, nor any in its directory data"));
    }
    let of = |words: &[&str]| -> Vec<PathBuf> {
        files.iter().filter(|file| words.iter().any(|word| begins_with(file, word))).cloned().collect()
    };
    let [train, test, validation] = [of(&["train"]), of(&["test"]), of(&["validation", "valid", "val"])];
    if train.is_empty() && test.is_empty() && validation.is_empty() {
        return Ok((files, all("the files' names begin with no split")));
    }
    let (chosen, notes) = match split {
        Split::Train => (train, Vec::new()),
        Split::Test if test.is_empty() => {
            (validation, vec!["there is no split test: validation is read".to_owned()])
        }
        Split::Test => (test, Vec::new()),
    };
    if chosen.is_empty() {
        let names: Vec<String> = files.iter().take(10).map(|file| file.display().to_string()).collect();
        let problem = format!("no file of the split {split} is among {}", names.join(", "));
        return Err(DataError::malformed(
            path,
            Place::Whole,
            problem,
            "take the other split, or name the files",
        ));
    }
    Ok((chosen, notes))
}

/// The tables of a directory, by name; hidden ones are none.
fn within(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(DataError::io(directory))? {
        let path = entry.map_err(DataError::io(directory))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if !hidden && path.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file's name is `word`, or begins with it and something else than a letter, as `test-00000-of-00002` does.
fn begins_with(file: &Path, word: &str) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    stem.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphabetic()))
}
