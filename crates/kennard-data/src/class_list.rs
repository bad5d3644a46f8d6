//! Lists of classes in files of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::input::{self, MAX_CLASSES};
use crate::nearest::nearest;
use crate::number::whole_number;
use crate::options::Options;
use crate::shown::{SHOWN, shown};

/// Names by class, in the order of the model's outputs.
#[derive(Debug, Clone)]
pub(crate) struct ClassList {
    /// None where the model's own file has the list.
    file: Option<PathBuf>,
    names: Vec<String>,
    /// WordNet's ids of the classes, by which data name them; none in lists of names alone.
    ids: Vec<String>,
    /// The numbers of the classes in the model's own file, where they are others than their places.
    own: Option<Vec<i128>>,
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
            1..=MAX_CLASSES => Ok(ClassList { file: Some(file.to_owned()), names, ids, own: None }),
            more => Err(malformed(MAX_CLASSES, format!("{more} classes are more than {MAX_CLASSES}"))),
        }
    }

    /// The list that options ask for: that of a file, which must not contradict the model's own, or else that one, where it says more
    /// than that labels are places.
    pub fn asked(options: &Options) -> Result<Option<ClassList>, DataError> {
        let own = options.model_classes.as_slice();
        let numbers = numbers_of(own).filter(|_| !own.is_empty());
        let places = numbers.as_deref().is_some_and(are_places);
        let Some(file) = &options.classes else {
            let says = !own.is_empty() && !places && own.len() <= MAX_CLASSES;
            return Ok(says.then(|| ClassList {
                file: None,
                names: own.to_vec(),
                ids: Vec::new(),
                own: numbers,
            }));
        };
        let list = ClassList::read(file)?;
        if own.len() != list.names.len() {
            return Ok(Some(list));
        }
        let same = (0..own.len()).all(|class| list.is_called(class, &own[class]));
        if same {
            return Ok(Some(list));
        }
        let rearranged = is_rearranged(&list.names, own);
        let in_order = numbers_of(&list.names).as_deref().map(are_places);
        let contradicts = match (&numbers, in_order) {
            // Names of numbers, or numbers of names.
            (Some(_), None) if !list.has_numbers() => false,
            (None, Some(_)) => false,
            // The labels of the data may count the outputs, or be those of another program that fits 0, 1, 2, … .
            (Some(_), counted) => rearranged || !(places || counted == Some(true)),
            (None, None) => true,
        };
        if contradicts {
            let problem = format!(
                "the list has the classes in the order {}, and the model's own file has {}",
                shown(&list.names, SHOWN),
                shown(own, SHOWN)
            );
            let cure = "leave the list out, or write the classes as the model's file has them";
            return Err(DataError::malformed(file, Place::Whole, problem, cure));
        }
        let own = numbers.filter(|_| !places && !list.has_numbers());
        Ok(Some(ClassList { own, ..list }))
    }

    /// Whether it is the list of the model's own file.
    pub fn is_of_model(&self) -> bool {
        self.file.is_none()
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Which class is which, for people.
    pub fn note(&self) -> String {
        match (&self.file, &self.own) {
            (None, _) => format!("{}, as the model's file lists its labels", table(&self.names)),
            (_, Some(own)) => {
                let numbers: Vec<String> = own.iter().map(i128::to_string).collect();
                format!(
                    "{}; their numbers in the model's file are {}",
                    table(&self.names),
                    shown(&numbers, SHOWN)
                )
            }
            _ => table(&self.names),
        }
    }

    /// Whether a class has this id or name.
    fn is_called(&self, class: usize, word: &str) -> bool {
        self.ids.get(class).is_some_and(|id| id == word) || are_same(&self.names[class], word)
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
            match &self.own {
                Some(own) => own.iter().position(|known| *known == number),
                None => self.names.iter().position(|known| whole_number(known) == Some(number)),
            }
        })
    }

    /// What labels mean that are numbers: where some of the names are numbers, or the model's file numbers its classes otherwise than
    /// from 0, they are these, and else they count the names from 0.
    pub fn numbers(&self) -> Numbers {
        if let Some(own) = &self.own {
            return Numbers::Named(own.iter().copied().zip(0..).collect(), self.clone());
        }
        let number = |(class, name): (usize, &String)| Some((whole_number(name)?, class));
        // Of numbers that stand there twice, in two forms, the first counts.
        let known: BTreeMap<i128, usize> = self.names.iter().enumerate().rev().filter_map(number).collect();
        if known.is_empty() { Numbers::Counted(self.clone()) } else { Numbers::Named(known, self.clone()) }
    }

    /// Whether some of the classes have numbers.
    pub fn has_numbers(&self) -> bool {
        self.own.is_some() || self.names.iter().any(|name| whole_number(name).is_some())
    }

    /// Why a name cannot be used.
    pub fn unknown(&self, name: &str, file: &Path, place: Place) -> DataError {
        let of_several: Vec<String> = std::iter::zip(&self.ids, &self.names)
            .filter(|(_, known)| *known == name)
            .map(|(id, _)| format!("`{id}`"))
            .collect();
        let list = self.file.as_deref().unwrap_or(Path::new("")).display();
        let problem = match of_several.as_slice() {
            [] if self.own.is_some() && whole_number(name).is_some() => {
                let own: Vec<String> = self.own.iter().flatten().map(i128::to_string).collect();
                format!(
                    "is none of the labels that the model's file lists, {}; where the data have other labels, give a list of \
                     classes with their numbers, in the order of the model's outputs (0, 1, 2, … where they count the outputs)",
                    shown(&own, SHOWN)
                )
            }
            [] if self.file.is_none() => format!(
                "is none of the classes that the model's file lists, {}; write the labels as that file has them, or number them \
                 in its order from 0",
                shown(&self.names, SHOWN)
            ),
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

/// The numbers that all of some words are; nothing where one is none.
fn numbers_of(words: &[String]) -> Option<Vec<i128>> {
    words.iter().map(|word| whole_number(word)).collect()
}

/// Whether numbers count from 0.
fn are_places(numbers: &[i128]) -> bool {
    numbers.iter().zip(0..).all(|(number, place)| *number == place)
}

/// Whether two words are one label: numbers are the same in whatever form they are written.
pub(crate) fn are_same(one: &str, other: &str) -> bool {
    one == other || whole_number(one).is_some_and(|number| whole_number(other) == Some(number))
}

/// Whether two lists have the same labels in another order; whole numbers are the same in whatever form they are written.
pub fn is_rearranged(labels: &[String], others: &[String]) -> bool {
    let there = |label: &String| others.iter().any(|other| are_same(label, other));
    let moved = || std::iter::zip(labels, others).any(|(label, other)| !are_same(label, other));
    labels.len() == others.len() && labels.iter().all(there) && moved()
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

/// `classes: 0 ant, 1 cat`, shortened where there are many.
pub(crate) fn table(names: &[String]) -> String {
    let named: Vec<String> =
        names.iter().enumerate().map(|(class, name)| format!("{class} {name}")).collect();
    let count = if names.len() > SHOWN { format!("{} ", names.len()) } else { String::new() };
    format!("{count}classes: {}", shown(&named, SHOWN))
}

/// The WordNet id and the name of a line such as `n01440764 tench, Tinca tinca`.
fn synset(line: &str) -> Option<(String, String)> {
    let (id, name) = line.split_once(char::is_whitespace)?;
    let digits = id.strip_prefix('n')?;
    let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| (id.to_owned(), name.trim_start().to_owned()))
}
