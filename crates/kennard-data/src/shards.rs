//! Which files hold a split: tables and archives may be one file or many, as on the Hugging Face hub.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::options::Split;

/// The files of a split, in the order of their names, and what is to be said about it.
pub(crate) struct Shards {
    pub files: Vec<PathBuf>,
    /// The files of the other split, where names tell the two apart.
    pub others: Vec<PathBuf>,
    pub notes: Vec<String>,
}

/// The files with this ending that `path` stands for.
pub(crate) fn find(path: &Path, split: Split, ending: &str) -> Result<Shards, DataError> {
    let whole = |files, notes| Ok(Shards { files, others: Vec::new(), notes });
    let all = |what: &str| match split {
        Split::Train => vec![format!("{what}: all of it is read")],
        Split::Test => Vec::new(),
    };
    if !path.exists()
        && let Some(listed) = path.to_str().filter(|listed| listed.contains(','))
    {
        let files = listed.split(',').map(|file| PathBuf::from(file.trim())).collect();
        return whole(files, all("the files named are one split"));
    }
    if !path.is_dir() {
        return whole(vec![path.to_owned()], all(&format!("a {ending} file is one split")));
    }
    let mut files = within(path, ending)?;
    if files.is_empty() && path.join("data").is_dir() {
        files = within(&path.join("data"), ending)?;
    }
    if files.is_empty() {
        let cure = format!("there are no files *.{ending}, nor any in its directory data");
        return Err(DataError::empty(path, cure));
    }
    let of = |words: &[&str]| -> Vec<PathBuf> {
        let told = |file: &&PathBuf| split_word(file).is_some_and(|word| words.contains(&word.as_str()));
        files.iter().filter(told).cloned().collect()
    };
    let [train, test, validation] = [of(&["train"]), of(&["test"]), of(&["validation", "valid", "val"])];
    if train.is_empty() && test.is_empty() && validation.is_empty() {
        return whole(files, all("the files' names tell no split"));
    }
    let (chosen, others, notes) = match split {
        Split::Train => (train, if test.is_empty() { validation } else { test }, Vec::new()),
        Split::Test if test.is_empty() => {
            (validation, train, vec!["there is no split test: validation is read".to_owned()])
        }
        Split::Test => (test, train, Vec::new()),
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
    Ok(Shards { files: chosen, others, notes })
}

/// The files of a directory with this ending, by name, without hidden ones.
fn within(directory: &Path, ending: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(DataError::io(directory))? {
        let path = entry.map_err(DataError::io(directory))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if !hidden && path.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first word of a file's name that is a split's, as in `test-00000-of-00002` and `imagenet1k-validation-07`.
fn split_word(file: &Path) -> Option<String> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut words = stem.split(|c: char| !c.is_alphabetic());
    words.find(|word| matches!(*word, "train" | "test" | "validation" | "valid" | "val")).map(String::from)
}
