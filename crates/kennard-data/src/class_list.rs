//! Lists of classes in files of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::input::{self, MAX_CLASSES};
use crate::nearest::nearest;
use crate::number::whole_number;

/// Names by class, in the order of the model's outputs.
#[derive(Debug, Clone)]
pub(crate) struct ClassList {
    file: PathBuf,
    names: Vec<String>,
    /// WordNet's ids of the classes, by which data name them; none in lists of names alone.
    ids: Vec<String>,
}

impl ClassList {
    /// Reads a file of names, one per line; the line tells the class, from 0. Each may stand behind a WordNet id, as in ImageNet's
    /// `LOC_synset_mapping.txt`.
    pub fn read(file: &Path) -> Result<ClassList, DataError> {
        let bytes = std::fs::read(file).map_err(DataError::io(file))?;
        let cure = "write one class a line, in the order of the model's outputs";
        let malformed = |line: usize, problem: String| {
            DataError::malformed(file, Place::Line(line as u64 + 1), problem, cure)
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|&&byte| byte == b'\n').count();
            malformed(line, format!("this is no text ({error})"))
        })?;
        let names: Vec<String> = text
            .trim_start_matches('\u{feff}')
            .trim_end()
            .lines()
            .map(|name| name.trim().to_owned())
            .collect();
        let (ids, names) = match names.iter().any(|name| synset(name).is_some()) {
            true => {
                let both = names.iter().enumerate().map(|(line, name)| {
                    let no_id =
                        || malformed(line, format!("`{name}` has no id and name, as `n01440764 tench` has"));
                    synset(name).ok_or_else(no_id)
                });
                both.collect::<Result<_, _>>()?
            }
            false => (Vec::new(), names),
        };
        let mut lines = BTreeMap::new();
        // With ids, two classes may have one name: ImageNet has a crane that flies and one that lifts.
        for (line, name) in (if ids.is_empty() { &names } else { &ids }).iter().enumerate() {
            if name.is_empty() {
                return Err(malformed(line, "the name is blank".to_owned()));
            }
            if let Some(first) = lines.insert(name, line) {
                return Err(malformed(line, format!("`{name}` stands in line {} already", first + 1)));
            }
        }
        match names.len() {
            0 => Err(DataError::empty(file, cure)),
            1..=MAX_CLASSES => Ok(ClassList { file: file.to_owned(), names, ids }),
            more => Err(malformed(MAX_CLASSES, format!("{more} classes are more than {MAX_CLASSES}"))),
        }
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The class of an id or a name; numbers are the same in whatever form they are written. A name that two classes have is
    /// neither's.
    pub fn find(&self, name: &str) -> Option<usize> {
        if let Some(class) = self.ids.iter().position(|known| known == name) {
            return Some(class);
        }
        let mut exact = (0..self.names.len()).filter(|&class| self.names[class] == name);
        let exact = exact.next().filter(|_| exact.next().is_none());
        exact.or_else(|| {
            let number = whole_number(name)?;
            self.names.iter().position(|known| whole_number(known) == Some(number))
        })
    }

    /// What labels mean that are numbers: where some of the names are numbers they are these, and else they count the names from 0.
    pub fn numbers(&self) -> Numbers {
        let number = |(class, name): (usize, &String)| Some((whole_number(name)?, class));
        // Of numbers that stand there twice, in two forms, the first counts.
        let known: BTreeMap<i128, usize> = self.names.iter().enumerate().rev().filter_map(number).collect();
        if known.is_empty() { Numbers::Counted(self.clone()) } else { Numbers::Named(known, self.clone()) }
    }

    /// Whether some of the names are numbers.
    pub fn has_numbers(&self) -> bool {
        self.names.iter().any(|name| whole_number(name).is_some())
    }

    /// Why a name cannot be used.
    pub fn unknown(&self, name: &str, file: &Path, place: Place) -> DataError {
        let list = self.file.display();
        let of_several: Vec<String> = std::iter::zip(&self.ids, &self.names)
            .filter(|(_, known)| *known == name)
            .map(|(id, _)| format!("`{id}`"))
            .collect();
        let problem = match of_several.as_slice() {
            [] => {
                let near = nearest(name, self.ids.iter().chain(&self.names))
                    .map(|known| format!("; did you mean `{known}`?"));
                format!("is not in the list of classes {list}{}", near.unwrap_or_default())
            }
            ids => {
                let (count, ids) = (ids.len(), ids.join(", "));
                format!("is the name of {count} classes in the list {list}; write the id of one, {ids}")
            }
        };
        DataError::Label { file: file.to_owned(), place, label: format!("`{name}`"), problem }
    }

    /// The class of a number, which counts the names from 0.
    pub fn index(&self, label: i128, file: &Path, place: Place) -> Result<usize, DataError> {
        input::class_index(label, self.names.len(), file, place).map_err(|error| match error {
            DataError::Label { file, place, label, problem } => {
                let cure = "where labels do not count from 0, the list may name their numbers";
                DataError::Label { file, place, label, problem: format!("{problem}; {cure}") }
            }
            error => error,
        })
    }
}

/// Which class a number means as a label.
#[derive(Debug, Clone)]
pub(crate) enum Numbers {
    /// It is the class, less than this many.
    Below(usize),
    /// It counts the names of the list from 0.
    Counted(ClassList),
    /// It is one of the names of the list, which have these classes.
    Named(BTreeMap<i128, usize>, ClassList),
}

impl Numbers {
    pub fn class(&self, label: i128, file: &Path, place: Place) -> Result<usize, DataError> {
        match self {
            Numbers::Below(count) => input::class_index(label, *count, file, place),
            Numbers::Counted(list) => list.index(label, file, place),
            Numbers::Named(known, list) => {
                let unknown = || list.unknown(&label.to_string(), file, place);
                known.get(&label).copied().ok_or_else(unknown)
            }
        }
    }
}

/// The WordNet id and the name of a line such as `n01440764 tench, Tinca tinca`.
fn synset(line: &str) -> Option<(String, String)> {
    let (id, name) = line.split_once(char::is_whitespace)?;
    let digits = id.strip_prefix('n')?;
    let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| (id.to_owned(), name.trim_start().to_owned()))
}
