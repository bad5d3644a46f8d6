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
use crate::opened::Opened;
use crate::options::Options;
use crate::shards::{self, Shards};
use crate::source::{Row, Rows, Source, rows_of_files};
use crate::tally::Tally;

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
    let mut classes = words.classes(list)?;
    let source = Archives { files: files.into(), classes: Arc::new(std::mem::take(&mut classes.index)) };
    let empty =
        DataError::empty(path, "take archives that have images and labels, such as 0001.jpg and 0001.cls");
    Opened::images(Box::new(source), len, classes, words.order(list), notes, options, empty)
}

/// How many samples there are; the words of their labels are added to `words`.
fn count(files: &[PathBuf], words: &mut Words, notes: &mut Vec<String>) -> Result<usize, DataError> {
    let (mut len, mut left_out) = (0, Tally::default());
    for path in files {
        let mut samples = ArchiveSamples::open(path)?;
        while let Some(FoundSample { word, label, .. }) = samples.next()? {
            words.add(&word, &label, Place::Whole)?;
            len += 1;
        }
        samples.left_out().into_iter().for_each(|part| left_out.join(part));
    }
    notes.extend(left_out.said(
        "member that is no image and no label is left out",
        "members that are no image and no label are left out",
    ));
    Ok(len)
}

impl Source for Archives {
    fn rows(&self) -> Result<Rows, DataError> {
        let (files, classes) = (Arc::clone(&self.files), Arc::clone(&self.classes));
        Ok(rows_of_files(files.len(), move |place| {
            let (mut samples, classes) = (ArchiveSamples::open(&files[place])?, Arc::clone(&classes));
            let row = move |FoundSample { image, word, label }: FoundSample| -> Result<Row, DataError> {
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
            Ok(std::iter::from_fn(move || samples.next().transpose()).map(move |found| row(found?)))
        }))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        fingerprint::digests(self.files.iter())
    }
}
