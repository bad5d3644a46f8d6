//! Which files hold a split: tables and archives may be one file or many, as on the Hugging Face hub.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::listing::name;
use crate::options::Split;
use crate::tally::Tally;
use crate::walk;

/// What the names of packed archives end with.
const PACKED: [(&str, &str); 8] = [
    (".tar.gz", "gzip"),
    (".tgz", "gzip"),
    (".tar.zst", "zstd"),
    (".tzst", "zstd"),
    (".tar.xz", "xz"),
    (".txz", "xz"),
    (".tar.bz2", "bzip2"),
    (".tbz2", "bzip2"),
];

/// Words for the samples that are kept for testing where none are called test.
const VALIDATION: [&str; 3] = ["validation", "valid", "val"];

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
    let (mut files, mut rest) = within(path, ending)?;
    if files.is_empty() && path.join("data").is_dir() {
        (files, rest) = within(&path.join("data"), ending)?;
    }
    if files.is_empty() {
        return Err(none(path, split, ending)?);
    }
    let rest = rest.said(
        &format!("file that is no .{ending} file is left out"),
        &format!("files that are no .{ending} files are left out"),
    );
    let of = |words: &[&str]| -> Vec<PathBuf> {
        let told = |file: &&PathBuf| split_word(file).is_some_and(|word| words.contains(&word.as_str()));
        files.iter().filter(told).cloned().collect()
    };
    let [train, test, validation] = [of(&["train"]), of(&["test"]), of(&VALIDATION)];
    if train.is_empty() && test.is_empty() && validation.is_empty() {
        let notes = all("the files' names tell no split").into_iter().chain(rest).collect();
        return whole(files, notes);
    }
    let mut untold = Tally::default();
    files.iter().filter(|file| split_word(file).is_none()).for_each(|file| untold.add(file.display()));
    let untold = untold
        .said("file whose name tells no split is left out", "files whose names tell no split are left out");
    let (chosen, others, mut notes) = match split {
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
    notes.extend(untold.into_iter().chain(rest));
    Ok(Shards { files: chosen, others, notes })
}

/// Why a directory without such files is refused: directories in it may be those of splits.
fn none(path: &Path, split: Split, ending: &str) -> Result<DataError, DataError> {
    let mut inside = walk::directories(path)?;
    let is_wanted = |directory: &PathBuf| {
        let word = split_word(directory);
        word.is_some_and(|word| match split {
            Split::Train => word == "train",
            Split::Test => word == "test" || VALIDATION.contains(&word.as_str()),
        })
    };
    inside.sort_by_key(|directory| !is_wanted(directory));
    for directory in inside {
        if !within(&directory, ending)?.0.is_empty() {
            return Ok(DataError::Missing {
                directory: path.to_owned(),
                what: format!("files of the kind .{ending}"),
                tried: vec![format!("*.{ending}"), format!("data/*.{ending}")],
                cure: format!("name the directory of the split: {ending}:{}", directory.display()),
            });
        }
    }
    let cure = format!("there are no files *.{ending}, nor any in its directory data");
    Ok(DataError::empty(path, cure))
}

/// The files of a directory with this ending, by name, and how many others there are, without hidden ones.
fn within(directory: &Path, ending: &str) -> Result<(Vec<PathBuf>, Tally), DataError> {
    let (mut files, mut rest) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory).map_err(DataError::io(directory))? {
        let path = entry.map_err(DataError::io(directory))?.path();
        if name(&path).starts_with(['.', '_']) || path.is_dir() {
            continue;
        }
        let is_wanted = path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
        if is_wanted { files.push(path) } else { rest.push(path) }
    }
    files.sort();
    rest.sort();
    let mut tally = Tally::default();
    for path in rest {
        let lower = name(&path).to_lowercase();
        let packed = PACKED.iter().find(|(packed, _)| ending == "tar" && lower.ends_with(packed));
        if let Some((_, how)) = packed {
            let problem = format!("the archive is packed with {how}");
            let cure = "unpack it to a plain .tar first, or move it elsewhere";
            return Err(DataError::unsupported(&path, Place::Whole, problem, cure));
        }
        tally.add(path.display());
    }
    Ok((files, tally))
}

/// The first word of a file's name that is a split's, as in `test-00000-of-00002` and `imagenet1k-validation-07`.
fn split_word(file: &Path) -> Option<String> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut words = stem.split(|c: char| !c.is_alphabetic());
    words.find(|word| matches!(*word, "train" | "test" | "validation" | "valid" | "val")).map(String::from)
}
