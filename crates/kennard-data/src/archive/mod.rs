//! Tar archives as the WebDataset library writes them: members with one name up to its first dot, such as `0001.jpg` and
//! `0001.cls`, are a sample. Nothing is unpacked: an image is read from its place when it is wanted.

mod members;
mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::samples::{ArchiveSamples, FoundSample};
use crate::classes::{ClassList, Words};
use crate::error::{DataError, Place};
use crate::fingerprint::{self, FileDigest};
use crate::images::Form;
use crate::opened::Opened;
use crate::options::Options;
use crate::shards::{self, Shards};
use crate::source::{Row, Rows, Source};

struct Archives {
    files: Arc<[PathBuf]>,
    /// The class of each label's word.
    classes: Arc<BTreeMap<String, usize>>,
}

pub(crate) fn open(path: &Path, options: &Options, list: Option<&ClassList>) -> Result<Opened, DataError> {
    let Shards { files, others, mut notes } = shards::find(path, options.split, "tar")?;
    let mut words = Words::default();
    let len = count(&files, &mut words, &mut notes)?;
    if list.is_none() && words.named() {
        // The other split may have classes of which this one has no sample; they count, so that both agree.
        let mut more = Words::default();
        count(&others, &mut more, &mut Vec::new())?;
        notes.extend(words.join(more));
    }
    let classes = words.classes(list)?;
    notes.extend(classes.notes);
    let source = Archives { files: files.into(), classes: Arc::new(classes.index) };
    let mut rows = source.rows()?;
    let Some(first) = rows.next() else {
        return Err(DataError::empty(
            path,
            "take archives that have images and labels, such as 0001.jpg and 0001.cls",
        ));
    };
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
        source: Box::new(source),
    })
}

/// How many samples there are; the words of their labels are added to `words`.
fn count(files: &[PathBuf], words: &mut Words, notes: &mut Vec<String>) -> Result<usize, DataError> {
    let (mut len, mut left_out, mut example) = (0, 0, None);
    for path in files {
        let mut samples = ArchiveSamples::open(path)?;
        while let Some(FoundSample { word, label, .. }) = samples.next()? {
            words.add(&word, &label, Place::Whole)?;
            len += 1;
        }
        for part in samples.left_out() {
            left_out += part.count;
            example = example.or_else(|| part.example.as_ref().map(|name| path.join(name)));
        }
    }
    if let Some(example) = example {
        notes.push(format!(
            "{left_out} members that are no image and no label are left out, such as {}",
            example.display()
        ));
    }
    Ok(len)
}

impl Source for Archives {
    fn rows(&self) -> Result<Rows, DataError> {
        let (files, classes) = (Arc::clone(&self.files), Arc::clone(&self.classes));
        Ok(Box::new((0..files.len()).flat_map(move |place| -> Rows {
            let classes = Arc::clone(&classes);
            let row = move |FoundSample { image, word, label }: FoundSample| {
                let class = classes.get(word.trim()).copied().ok_or_else(|| {
                    let problem = "the label was not there when the archive was opened";
                    DataError::malformed(
                        &label,
                        Place::Whole,
                        problem,
                        "do not change the files during a run",
                    )
                })?;
                Ok(Row { input: image, label: class })
            };
            match ArchiveSamples::open(&files[place]) {
                Ok(mut samples) => Box::new(
                    std::iter::from_fn(move || samples.next().transpose()).map(move |found| row(found?)),
                ),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests(self.files.iter())
    }
}
