//! Which class a label means: words (of directories, tables and columns) are numbers or names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use crate::class_list::{ClassList, Numbers, table};
use crate::error::{DataError, Place};
#[cfg(feature = "images")]
use crate::fingerprint::FileDigest;
use crate::input::{self, MAX_CLASSES};
use crate::number::{whole, whole_number};
#[cfg(feature = "images")]
use crate::shown::quoted;
use crate::shown::{SHOWN, shown};

/// Words for labels that are not known, as pandas, NumPy and R write them, in capitals or not.
const MISSING: [&str; 8] = ["nan", "na", "n/a", "<na>", "inf", "+inf", "-inf", "infinity"];

/// The words that labels are written in, and where each was met first.
#[derive(Default)]
pub(crate) struct Words {
    met: BTreeMap<String, (PathBuf, Place)>,
    /// Whether the other split alone has some of them.
    #[cfg(feature = "images")]
    joined: bool,
}

/// Words with their classes.
pub(crate) struct Classes {
    pub index: BTreeMap<String, usize>,
    /// How many classes there are; some may have no samples.
    pub count: usize,
    /// The names by class; none where labels are numbers.
    pub names: Vec<String>,
    /// Which class is which, for people.
    pub notes: Vec<String>,
}

impl Words {
    /// Adds a label's word, blanks around it taken away.
    pub fn add(&mut self, word: &str, file: &Path, place: Place) -> Result<(), DataError> {
        let word = word.trim();
        if word.is_empty() {
            let problem = "is blank; write the class, or leave the sample out".to_owned();
            return Err(DataError::Label { file: file.to_owned(), place, label: "``".to_owned(), problem });
        }
        if self.met.contains_key(word) {
            return Ok(());
        }
        if self.met.len() == MAX_CLASSES {
            let (what, limit) = ("another class".to_owned(), format!("{MAX_CLASSES} classes"));
            return Err(DataError::too_large(file, place, what, limit, "check that the labels are classes"));
        }
        self.met.insert(word.to_owned(), (file.to_owned(), place));
        Ok(())
    }

    /// Adds the word of a table's cell. What stands there for a label that is not known is no class, unless the list has it.
    pub fn add_cell(
        &mut self,
        word: &str,
        file: &Path,
        place: Place,
        list: Option<&ClassList>,
    ) -> Result<(), DataError> {
        let word = word.trim();
        let is_missing = MISSING.iter().any(|missing| word.eq_ignore_ascii_case(missing));
        if is_missing && list.is_none_or(|list| list.find(word).is_none()) {
            let problem =
                "is how a missing label is written; write the class, or leave the sample out".to_owned();
            let label = format!("`{word}`");
            return Err(DataError::Label { file: file.to_owned(), place, label, problem });
        }
        self.add(word, file, place)
    }

    /// Adds the words of the other split, and says which were not there.
    #[cfg(feature = "images")]
    pub fn join(&mut self, others: Words) -> Option<String> {
        let new = others.met.into_iter().filter(|(word, _)| !self.met.contains_key(word)).collect::<Vec<_>>();
        let names: Vec<String> = new.iter().map(|(word, _)| word.clone()).collect();
        self.joined |= !names.is_empty();
        self.met.extend(new);
        let said =
            || format!("the other split alone has the classes {}; they count here too", quoted(&names));
        (!names.is_empty()).then(said)
    }

    /// Whether some of the words are no numbers.
    #[cfg(feature = "images")]
    pub fn named(&self) -> bool {
        self.met.keys().any(|word| whole_number(word).is_none())
    }

    /// The digest of the names in their order, where the files of this split alone do not tell it.
    #[cfg(feature = "images")]
    pub fn order(&self, list: Option<&ClassList>) -> Option<FileDigest> {
        let names: Vec<&str> = self.met.keys().map(String::as_str).collect();
        let told = !self.joined || list.is_some() || !self.named();
        (!told).then(|| FileDigest::of_text("order of classes", &names.join("\n")))
    }

    /// The class of every word: that of the list where there is one; else numbers are classes, and names are counted
    /// in their sorted order. Numbers and names together are refused, since either reading would be a guess.
    pub fn classes(&self, list: Option<&ClassList>) -> Result<Classes, DataError> {
        match list {
            Some(list) => self.listed(list),
            None => self.read_as_they_are(),
        }
    }

    fn listed(&self, list: &ClassList) -> Result<Classes, DataError> {
        let counted = !list.has_numbers() && self.met.keys().all(|word| whole_number(word).is_some());
        let index = self.met.iter().map(|(word, (file, place))| {
            let class = match (list.find(word), whole_number(word)) {
                (Some(class), _) => class,
                (None, Some(number)) if counted => list.index(number, file, *place)?,
                _ => return Err(list.unknown(word, file, *place)),
            };
            Ok((word.clone(), class))
        });
        let index: BTreeMap<String, usize> = index.collect::<Result<_, _>>()?;
        Ok(Classes {
            index,
            count: list.names().len(),
            names: list.names().to_vec(),
            notes: vec![list.note()],
        })
    }

    fn read_as_they_are(&self) -> Result<Classes, DataError> {
        let fraction =
            |word: &String| word.parse::<f64>().is_ok_and(f64::is_finite) && whole_number(word).is_none();
        let number = self.met.iter().find(|(word, _)| whole_number(word).is_some());
        let name = self.met.iter().find(|(word, _)| whole_number(word).is_none() && !fraction(word));
        if let Some((word, (file, place))) = self.met.iter().find(|(word, _)| fraction(word)) {
            let problem = "is no whole number; labels are class indices from 0, or names".to_owned();
            return Err(DataError::Label { file: file.clone(), place: *place, label: word.clone(), problem });
        }
        if let (Some((number, _)), Some((name, (file, place)))) = (number, name) {
            let problem = format!(
                "is a name, and `{number}` is a number: write all labels as numbers, or all as names, or give the list \
                 of classes"
            );
            return Err(DataError::Label {
                file: file.clone(),
                place: *place,
                label: format!("`{name}`"),
                problem,
            });
        }
        if number.is_none() {
            let names: Vec<String> = self.met.keys().cloned().collect();
            let index = names.iter().cloned().zip(0..).collect();
            return Ok(Classes { index, count: names.len(), notes: vec![table(&names)], names });
        }
        let index = self.met.iter().map(|(word, (file, place))| {
            let number = whole_number(word).unwrap_or(-1);
            Ok((word.clone(), input::class_index(number, MAX_CLASSES, file, *place)?))
        });
        let index: BTreeMap<String, usize> = index.collect::<Result<_, _>>()?;
        let count = index.values().max().map_or(0, |highest| highest + 1);
        Ok(Classes {
            notes: Vec::from_iter(absent(count, index.values().copied())),
            index,
            count,
            names: Vec::new(),
        })
    }
}

/// A label as a column or an array holds it.
pub(crate) enum Label {
    Number(i128),
    /// No whole number.
    Fraction(f64),
    #[cfg_attr(
        not(feature = "parquet"),
        expect(dead_code, reason = "columns of Parquet files alone hold words")
    )]
    Word(String),
}

impl Label {
    pub fn of(value: f64) -> Label {
        whole(value).map_or(Label::Fraction(value), Label::Number)
    }

    /// The number that it is.
    pub fn number(&self, file: &Path, place: Place) -> Result<i128, DataError> {
        let label = match self {
            Label::Number(number) => return Ok(*number),
            Label::Fraction(value) => value.to_string(),
            Label::Word(word) => format!("`{word}`"),
        };
        let problem = "is no whole number; labels are class indices from 0".to_owned();
        Err(DataError::Label { file: file.to_owned(), place, label, problem })
    }
}

/// Which of the classes, being numbers, no sample has.
fn absent(count: usize, present: impl Iterator<Item = usize>) -> Option<String> {
    let mut there = vec![false; count];
    present.for_each(|class| there[class] = true);
    let absent: Vec<String> =
        there.iter().zip(0..).filter(|(there, _)| !**there).map(|(_, class)| format!("{class}")).collect();
    let list = shown(&absent, SHOWN);
    let said = || format!("labels are numbers, classes 0 to {}; no sample has the class {list}", count - 1);
    (!absent.is_empty()).then(said)
}
