//! What is in directories of images and below them, in the order of torchvision's `ImageFolder`.

use std::collections::HashMap;
use std::fs::{self, DirEntry, FileType};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::listing::is_hidden;

/// The endings of files that are images.
pub(crate) const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];

/// On how many ways a directory may be reached: links between a dozen directories would make billions.
const WAYS: usize = 64;

/// What is in a directory, links followed, each part sorted by name; what is hidden is left out.
#[derive(Default)]
pub(crate) struct Held {
    pub directories: Vec<PathBuf>,
    pub images: Vec<PathBuf>,
    /// Other files.
    pub rest: Vec<PathBuf>,
}

impl Held {
    /// # Errors
    /// The directory cannot be read, or a link leads nowhere that may have led to images.
    pub fn of(directory: &Path) -> Result<Held, DataError> {
        let mut held = Held::default();
        for entry in entries(directory)? {
            let path = entry.path();
            let place = match kind(&entry)? {
                Some(kind) if kind.is_dir() => &mut held.directories,
                Some(kind) if kind.is_file() && is_image(&path) => &mut held.images,
                _ => &mut held.rest,
            };
            place.push(path);
        }
        for part in [&mut held.directories, &mut held.images, &mut held.rest] {
            part.sort();
        }
        Ok(held)
    }
}

/// What is in a directory and in each one below it, a link back to where the way led through left out. Directories follow each other as
/// the texts of their paths do, the directory itself being the first: so `ImageFolder` sorts what `os.walk` finds.
pub(crate) fn below(directory: &Path) -> Result<Vec<Held>, DataError> {
    let mut all = Vec::new();
    let mut waiting = vec![(directory.to_owned(), Vec::<PathBuf>::new())];
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    while let Some((path, mut way)) = waiting.pop() {
        let real = path.canonicalize().map_err(DataError::io(&path))?;
        if way.iter().any(|before| before.starts_with(&real)) {
            continue;
        }
        let times = seen.entry(real.clone()).or_default();
        *times += 1;
        if *times > WAYS {
            let problem = format!("links lead to it on more than {WAYS} ways");
            return Err(DataError::unsupported(
                &real,
                Place::Whole,
                problem,
                "remove links between directories",
            ));
        }
        way.push(real);
        let held = Held::of(&path)?;
        waiting.extend(held.directories.iter().map(|inside| (inside.clone(), way.clone())));
        all.push((path, held));
    }
    all.sort_by(|(one, _), (other, _)| one.as_os_str().cmp(other.as_os_str()));
    Ok(all.into_iter().map(|(_, held)| held).collect())
}

/// Whether there are images in a directory or below it.
pub(crate) fn has_images(directory: &Path) -> Result<bool, DataError> {
    Ok(below(directory)?.iter().any(|held| !held.images.is_empty()))
}

/// The directories in a directory, sorted by name, links that lead nowhere passed over.
pub(crate) fn directories(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let is_directory = |entry: &DirEntry| match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => kind.is_dir(),
        _ => entry.path().is_dir(),
    };
    let mut found: Vec<PathBuf> =
        entries(directory)?.iter().filter(|entry| is_directory(entry)).map(DirEntry::path).collect();
    found.sort();
    Ok(found)
}

/// Why a link that leads nowhere is refused.
pub(crate) fn dangling(link: &Path) -> DataError {
    DataError::malformed(link, Place::Whole, "the link leads nowhere", "fetch its target, or remove it")
}

fn entries(directory: &Path) -> Result<Vec<DirEntry>, DataError> {
    let failed = || DataError::io(directory);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if !is_hidden(entry.file_name().as_encoded_bytes()) {
            found.push(entry);
        }
    }
    Ok(found)
}

/// What an entry is, or what it leads to; nothing for a link that leads nowhere and would not have led to images.
fn kind(entry: &DirEntry) -> Result<Option<FileType>, DataError> {
    let path = entry.path();
    let own = entry.file_type().map_err(DataError::io(&path))?;
    if !own.is_symlink() {
        return Ok(Some(own));
    }
    match fs::metadata(&path) {
        Ok(target) => Ok(Some(target.file_type())),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(DataError::io(&path)(error)),
        // A name without an ending may be that of a directory.
        Err(_) if is_image(&path) || path.extension().is_none() => Err(dangling(&path)),
        Err(_) => Ok(None),
    }
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}
