//! Images in a directory: one directory a class, or a table `labels.csv`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::classes::{ClassList, Classes, Words, listed};
use crate::error::{DataError, Place};
use crate::fingerprint::FileDigest;
use crate::images::Form;
use crate::lines;
use crate::listing::{TABLE, fingerprint_list, name};
use crate::opened::Opened;
use crate::options::{Options, Split};
use crate::source::{Raw, Row, Rows, Source};
use crate::table::{self, FileTable};

const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];

/// What macOS adds to the archives that it makes.
const ARCHIVE_REST: &str = "__MACOSX";

pub(crate) fn open(
    directory: &Path,
    options: &Options,
    list: Option<&ClassList>,
) -> Result<Opened, DataError> {
    if !directory.is_dir() {
        return Err(DataError::Missing {
            directory: directory.to_owned(),
            what: "a directory of images".to_owned(),
            tried: vec![directory.display().to_string()],
            cure: format!("name a directory that holds one directory a class, or a {TABLE}"),
        });
    }
    let Roots { root, other, mut notes } = choose_split(directory, options.split);
    // The other split may know classes of which this one has no sample; they count, so that both agree.
    let mut words = Words::default();
    let mut others = Words::default();
    let (source, len, classes): (Box<dyn Source>, usize, Classes) = if root.join(TABLE).is_file() {
        let len = table::count(&root, &mut words, list)?;
        if let Some(other) = other.filter(|other| other.join(TABLE).is_file()) {
            table::count(&other, &mut others, list)?;
        }
        let classes = classes(&mut words, others, list, &mut notes)?;
        (Box::new(FileTable::new(&root, &classes.index)), len, classes)
    } else {
        let (directories, len) = class_directories(&root, &mut words, &mut notes)?;
        if let Some(other) = other {
            class_directories(&other, &mut others, &mut Vec::new())?;
        }
        let classes = classes(&mut words, others, list, &mut notes)?;
        let label = |path: &PathBuf| classes.index.get(name(path).trim()).copied();
        let labelled = directories.into_iter().filter_map(|path| Some((label(&path)?, path))).collect();
        (Box::new(Directories { root, labelled }), len, classes)
    };
    let mut rows = source.rows()?;
    let Some(first) = rows.next() else {
        let cure = format!(
            "put images ({}) into one directory a class, or list them in a {TABLE} with the columns file and label",
            ENDINGS.join(", ")
        );
        return Err(DataError::empty(directory, cure));
    };
    notes.extend(classes.notes);
    let form = Form::new(first?.input, rows, options)?;
    Ok(Opened {
        len,
        shape: form.shape(),
        classes: classes.count,
        class_names: classes.names,
        order: words.order(list),
        features: Vec::new(),
        eight_bit: true,
        notes,
        form: Some(form),
        source,
    })
}

/// The classes of the words of this split and the other.
fn classes(
    words: &mut Words,
    others: Words,
    list: Option<&ClassList>,
    notes: &mut Vec<String>,
) -> Result<Classes, DataError> {
    // A list of the model's file is no guess, and has only classes that the model knows.
    if list.is_none_or(|list| !list.is_of_model()) {
        notes.extend(words.join(others));
    }
    words.classes(list).map_err(lines::in_lines)
}

/// What the directory of images for testing may be called, the first that is there counting.
const TESTS: [&str; 4] = ["test", "validation", "valid", "val"];

/// The directory of a split, that of the other split, and what is to be said about it.
struct Roots {
    root: PathBuf,
    other: Option<PathBuf>,
    notes: Vec<String>,
}

fn choose_split(directory: &Path, split: Split) -> Roots {
    let sub = |name: &str| Some(directory.join(name)).filter(|path| path.is_dir());
    match (split, sub("train"), TESTS.into_iter().find_map(sub)) {
        (Split::Train, Some(root), Some(other)) => Roots { root, other: Some(other), notes: Vec::new() },
        (Split::Test, Some(other), Some(root)) => {
            let called = name(&root);
            let note = format!("there is no split test: {called} is read");
            let notes = Vec::from_iter((called != TESTS[0]).then_some(note));
            Roots { root, other: Some(other), notes }
        }
        (Split::Test, ..) => Roots { root: directory.to_owned(), other: None, notes: Vec::new() },
        (Split::Train, ..) => {
            let note =
                format!("{} has no directories train and test; all of it is read", directory.display());
            Roots { root: directory.to_owned(), other: None, notes: vec![note] }
        }
    }
}

/// The directories of the classes, whose names are added to `words`, and the number of images in them. What archives
/// of macOS leave behind, and directories without images, are no classes: that is said.
fn class_directories(
    root: &Path,
    words: &mut Words,
    notes: &mut Vec<String>,
) -> Result<(Vec<PathBuf>, usize), DataError> {
    let (mut directories, mut len) = (Vec::new(), 0);
    let (mut empty, mut left_out, mut example) = (Vec::new(), 0, None);
    for directory in entries(root)?.into_iter().filter(|path| path.is_dir() && name(path) != ARCHIVE_REST) {
        let (images, rest): (Vec<_>, Vec<_>) =
            entries(&directory)?.into_iter().partition(|path| is_image(path));
        left_out += rest.len();
        example = example.or(rest.into_iter().next());
        if images.is_empty() {
            empty.push(name(&directory));
            continue;
        }
        len += images.len();
        words.add(class_name(&directory)?, &directory, Place::Whole)?;
        directories.push(directory);
    }
    if !empty.is_empty() {
        notes.push(format!(
            "directories without images are no classes: {}; where they are, give the list of classes",
            listed(&empty)
        ));
    }
    if let Some(example) = example {
        notes.push(format!(
            "{left_out} entries that are no {} files are left out, such as {}",
            ENDINGS.join(", "),
            example.display()
        ));
    }
    Ok((directories, len))
}

/// The name of a class, which is that of its directory; two that are no text would be one class.
fn class_name(directory: &Path) -> Result<&str, DataError> {
    directory.file_name().and_then(OsStr::to_str).ok_or_else(|| {
        let problem = "the name of the directory, which is its class, is no UTF-8";
        DataError::malformed(directory, Place::Whole, problem, "name it anew")
    })
}

/// One directory a class.
struct Directories {
    root: PathBuf,
    /// Labels and their directories, in the order of the names.
    labelled: Arc<[(usize, PathBuf)]>,
}

impl Source for Directories {
    fn rows(&self) -> Result<Rows, DataError> {
        let labelled = Arc::clone(&self.labelled);
        Ok(Box::new((0..labelled.len()).flat_map(move |place| {
            // One class's list of files at a time.
            let (label, directory) = &labelled[place];
            let label = *label;
            let (mut files, error) = match entries(directory) {
                Ok(files) => (files, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            files.retain(|path| is_image(path));
            let rows = files.into_iter().map(move |path| Ok(Row { input: Raw::File(path), label }));
            rows.chain(error)
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint_list(&self.root, None, self.rows()?)
    }
}

/// What is in a directory, sorted by name, without hidden entries.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = || DataError::io(directory);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) && path.is_file()
}
