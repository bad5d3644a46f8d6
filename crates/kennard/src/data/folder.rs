//! Images in a directory: one directory a class, or a table `labels.csv`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::images::Form;
use super::table::{TABLE, Table};
use super::{DataError, FileDigest, Opened, Options, Raw, Row, Rows, Source, Split, fingerprint};

const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];

/// What a look through a directory or a table finds.
pub(super) struct Listing {
    pub len: usize,
    pub classes: usize,
    pub class_names: Vec<String>,
    pub notes: Vec<String>,
}

pub(super) fn open(directory: &Path, options: &Options) -> Result<Opened, DataError> {
    if !directory.is_dir() {
        return Err(DataError::Missing {
            directory: directory.to_owned(),
            what: "a directory of images".to_owned(),
            tried: vec![directory.display().to_string()],
            cure: format!("name a directory that holds one directory a class, or a {TABLE}"),
        });
    }
    let (root, mut notes) = choose_split(directory, options.split);
    let (source, listing): (Box<dyn Source>, Listing) = if root.join(TABLE).is_file() {
        let (table, listing) = Table::open(root)?;
        (Box::new(table), listing)
    } else {
        let (classes, listing) = Classes::open(root)?;
        (Box::new(classes), listing)
    };
    notes.extend(listing.notes);
    let Some(first) = source.rows()?.next() else {
        return Err(DataError::Empty {
            file: directory.to_owned(),
            cure: format!(
                "put images ({}) into one directory a class, or list them in a {TABLE} with the columns file and label",
                ENDINGS.join(", ")
            ),
        });
    };
    let form = Form::new(first?.input, options)?;
    Ok(Opened {
        len: listing.len,
        shape: form.shape(),
        classes: listing.classes,
        class_names: listing.class_names,
        eight_bit: true,
        notes,
        form: Some(form),
        source,
    })
}

/// The directory of a split, and what is to be said about it.
fn choose_split(directory: &Path, split: Split) -> (PathBuf, Vec<String>) {
    let sub = |name: &str| Some(directory.join(name)).filter(|path| path.is_dir());
    match (split, sub("train"), sub("test").or_else(|| sub("val"))) {
        (Split::Train, Some(train), Some(_)) => (train, Vec::new()),
        (Split::Test, Some(_), Some(test)) => (test, Vec::new()),
        (Split::Test, ..) => (directory.to_owned(), Vec::new()),
        (Split::Train, ..) => {
            let note =
                format!("{} has no directories train and test; all of it is read", directory.display());
            (directory.to_owned(), vec![note])
        }
    }
}

/// One directory a class.
struct Classes {
    root: PathBuf,
    /// The directory of each class, by label.
    directories: Arc<[PathBuf]>,
}

impl Classes {
    fn open(root: PathBuf) -> Result<(Classes, Listing), DataError> {
        let mut directories = entries(&root)?;
        directories.retain(|path| path.is_dir());
        let class_names: Vec<String> = directories.iter().map(|path| name(path)).collect();

        let (mut len, mut others, mut notes) = (0, Vec::new(), Vec::new());
        for (directory, name) in directories.iter().zip(&class_names) {
            let (images, rest): (Vec<_>, Vec<_>) =
                entries(directory)?.into_iter().partition(|path| is_image(path));
            if images.is_empty() {
                notes.push(format!("the directory of class `{name}` holds no images"));
            }
            len += images.len();
            others.push((rest.len(), rest.into_iter().next()));
        }
        let left_out: usize = others.iter().map(|(count, _)| count).sum();
        if let Some(example) = others.into_iter().find_map(|(_, example)| example) {
            notes.push(format!(
                "{left_out} entries that are no {} files are left out, such as {}",
                ENDINGS.join(", "),
                example.display()
            ));
        }
        if class_names.len() > 10 && class_names.iter().all(|name| name.parse::<u64>().is_ok()) {
            notes.push(format!(
                "class directories are sorted as text, as torchvision does: `{}` is label 2",
                class_names[2]
            ));
        }
        let listing = Listing { len, classes: class_names.len(), class_names, notes };
        let directories = directories.into();
        Ok((Classes { root, directories }, listing))
    }
}

impl Source for Classes {
    fn rows(&self) -> Result<Rows, DataError> {
        let directories = Arc::clone(&self.directories);
        Ok(Box::new((0..directories.len()).flat_map(move |label| {
            // One class's list of files at a time.
            let (mut files, error) = match entries(&directories[label]) {
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

/// One digest of the list of digests; there may be a million files.
pub(super) fn fingerprint_list(
    root: &Path,
    table: Option<&Path>,
    rows: Rows,
) -> Result<Vec<FileDigest>, DataError> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let files = rows.filter_map(|row| match row {
        Ok(Row { input: Raw::File(path), .. }) => Some(Ok(path)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    for path in table.map(|path| Ok(path.to_owned())).into_iter().chain(files) {
        let path = path?;
        let digest = fingerprint::digest(&path)?;
        let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let relative = relative.replace('\\', "/");
        hash.update(format!("{}  {relative}\n", digest.sha256));
        bytes += digest.bytes;
    }
    Ok(vec![FileDigest { file: name(root), bytes, sha256: fingerprint::hex(hash) }])
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

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
