//! Images in a directory: one directory a class, or a table `labels.csv`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::classes::{ClassList, Classes, Words};
use crate::error::{DataError, Place};
use crate::fingerprint::FileDigest;
use crate::lines;
use crate::listing::{TABLE, fingerprint_list, name};
use crate::opened::Opened;
use crate::options::Options;
use crate::shown::quoted;
use crate::source::{Raw, Row, Rows, Source};
use crate::splits::{self, Roots};
use crate::table::{self, FileTable};
use crate::tally::Tally;
use crate::walk::{self, ENDINGS, Held};

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
    let Roots { root, other, mut notes } = splits::choose(directory, options.split)?;
    // The other split may know classes of which this one has no sample; they count, so that both agree.
    let mut words = Words::default();
    let mut others = Words::default();
    let table = root.join(TABLE);
    if table.is_symlink() && !table.exists() {
        return Err(walk::dangling(&table));
    }
    let (source, len, classes): (Box<dyn Source>, usize, Classes) = if table.is_file() {
        if !walk::directories(&root)?.is_empty() {
            notes.push(format!("labels are those of {TABLE}, whatever directories are called"));
        }
        let len = table::count(&root, &mut words, list, &mut notes)?;
        if let Some(other) = other.filter(|other| other.join(TABLE).is_file()) {
            table::count(&other, &mut others, list, &mut Vec::new())?;
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
    let cure = format!(
        "put images ({}) into one directory a class, or list them in a {TABLE} with the columns file and label",
        ENDINGS.join(", ")
    );
    let empty = DataError::empty(directory, cure);
    Opened::images(source, len, classes, words.order(list), notes, options, empty)
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

/// The directories of the classes, whose names are added to `words`, and the number of images in and below them. Directories without
/// images are no classes: that is said, and so is what is left out.
fn class_directories(
    root: &Path,
    words: &mut Words,
    notes: &mut Vec<String>,
) -> Result<(Vec<PathBuf>, usize), DataError> {
    let held = Held::of(root)?;
    let (mut directories, mut len, mut empty) = (Vec::new(), 0, Vec::new());
    let [mut deeper, mut left_out, mut beside] = <[Tally; 3]>::default();
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    held.images.iter().for_each(|path| beside.add(path.display()));
    for directory in held.directories {
        let mut found = 0;
        for (depth, held) in walk::below(&directory)?.iter().enumerate() {
            found += held.images.len();
            held.images.iter().filter(|_| depth > 0).for_each(|path| deeper.add(path.display()));
            held.rest.iter().for_each(|path| left_out.add(path.display()));
        }
        if found == 0 {
            empty.push(name(&directory));
            continue;
        }
        len += found;
        let class = class_name(&directory)?;
        if let Some(first) = names.insert(class.trim().to_owned(), directory.clone()) {
            let problem = format!("blanks alone tell its name from that of {}", first.display());
            return Err(DataError::malformed(&directory, Place::Whole, problem, "name it anew"));
        }
        words.add(class, &directory, Place::Whole)?;
        directories.push(directory);
    }
    if !empty.is_empty() {
        notes.push(format!(
            "directories without images are no classes: {}; where they are, give the list of classes",
            quoted(&empty)
        ));
    }
    let endings = ENDINGS.join(", ");
    notes.extend(left_out.said(
        &format!("entry that is no {endings} file is left out"),
        &format!("entries that are no {endings} files are left out"),
    ));
    if !directories.is_empty() {
        notes.extend(beside.said(
            "image that is in no directory of a class is left out",
            "images that are in no directory of a class are left out",
        ));
    }
    notes.extend(deeper.said(
        "image is in a directory within that of its class",
        "images are in directories within those of their classes",
    ));
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
            let (all, error) = match walk::below(directory) {
                Ok(all) => (all, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let files = all.into_iter().flat_map(|held| held.images);
            let rows = files.map(move |path| Ok(Row { input: Raw::File(path), label }));
            rows.chain(error)
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint_list(&self.root, None, self.rows()?)
    }
}
