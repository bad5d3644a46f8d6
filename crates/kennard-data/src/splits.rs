//! Which directories of a data set of images are those of its splits.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::listing::{TABLE, name};
use crate::options::Split;
use crate::walk::{self, Held};

/// What the directories of images for training and for testing may be called, in capitals or not, the first that is there counting.
const TRAIN: [&str; 1] = ["train"];
const TESTS: [&str; 4] = ["test", "validation", "valid", "val"];

/// The directory of a split, that of the other split, and what is to be said about it.
pub(crate) struct Roots {
    pub root: PathBuf,
    pub other: Option<PathBuf>,
    pub notes: Vec<String>,
}

/// The directories of a split and of the other one; that of the whole data set where it has no splits.
pub(crate) fn choose(directory: &Path, split: Split) -> Result<Roots, DataError> {
    let inside = walk::directories(directory)?;
    let [train, test] = [called(&inside, &TRAIN), called(&inside, &TESTS)];
    let (wanted, other) = match split {
        Split::Train => (train, test),
        Split::Test => (test, train),
    };
    let root = match (wanted, other) {
        (Some(root), Some(other)) if is_class(root)? && is_class(other)? => None,
        (Some(root), Some(_)) => Some(root),
        (Some(alone), None) | (None, Some(alone)) if !directory.join(TABLE).is_file() && is_split(alone)? => {
            let beside = inside.iter().filter(|path| !is_of(path, &TRAIN) && !is_of(path, &TESTS));
            let beside = beside.map(|path| walk::has_images(path)).collect::<Result<Vec<bool>, _>>()?;
            let problem = match wanted {
                _ if beside.contains(&true) => "may be a split, and there are images beside it".to_owned(),
                None => format!("is a split, and that for {} is not there", purpose(split)),
                Some(_) => return Ok(alone_as(alone, split)),
            };
            let problem = format!("the directory {} {problem}", name(alone));
            let cure = format!(
                "name the directory of the split: folder:{}; if it is a class, list the images in a labels.csv",
                alone.display()
            );
            return Err(DataError::malformed(directory, Place::Whole, problem, cure));
        }
        _ => None,
    };
    let whole = || format!("{} has no directories train and test; all of it is read", directory.display());
    Ok(match root {
        Some(root) => {
            Roots { root: root.to_owned(), other: other.map(Path::to_owned), notes: not_test(root, split) }
        }
        None => Roots {
            root: directory.to_owned(),
            other: None,
            notes: Vec::from_iter((split == Split::Train).then(whole)),
        },
    })
}

/// A split without the other one.
fn alone_as(root: &Path, split: Split) -> Roots {
    let missing = match split {
        Split::Train => TESTS[0],
        Split::Test => TRAIN[0],
    };
    let mut notes = not_test(root, split);
    notes.push(format!("there is no directory {missing} beside {}", name(root)));
    Roots { root: root.to_owned(), other: None, notes }
}

fn not_test(root: &Path, split: Split) -> Vec<String> {
    let other = split == Split::Test && !is_of(root, &TESTS[..1]);
    Vec::from_iter(other.then(|| format!("there is no split test: {} is read", name(root))))
}

fn purpose(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Test => "testing",
    }
}

/// The directory with the first of these names that there is, in the same capitals before others.
fn called<'a>(directories: &'a [PathBuf], names: &[&str]) -> Option<&'a Path> {
    let named = |wanted: &&str| {
        let exact = directories.iter().find(|path| name(path) == **wanted);
        exact.or_else(|| directories.iter().find(|path| is_of(path, &[*wanted])))
    };
    names.iter().find_map(named).map(PathBuf::as_path)
}

fn is_of(path: &Path, names: &[&str]) -> bool {
    names.iter().any(|wanted| name(path).eq_ignore_ascii_case(wanted))
}

/// Whether a directory that is called as a split is a class of that name: images lie directly in it, and in none of its own
/// directories.
fn is_class(directory: &Path) -> Result<bool, DataError> {
    if directory.join(TABLE).is_file() {
        return Ok(false);
    }
    let held = Held::of(directory)?;
    Ok(!held.images.is_empty() && !have_images(&held.directories)?)
}

/// Whether a directory that is called as a split, and stands alone, is one: it has classes and no images directly in it, or a table.
fn is_split(directory: &Path) -> Result<bool, DataError> {
    if directory.join(TABLE).is_file() {
        return Ok(true);
    }
    let held = Held::of(directory)?;
    Ok(held.images.is_empty() && have_images(&held.directories)?)
}

fn have_images(directories: &[PathBuf]) -> Result<bool, DataError> {
    for directory in directories {
        if walk::has_images(directory)? {
            return Ok(true);
        }
    }
    Ok(false)
}
