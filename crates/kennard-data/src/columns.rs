//! Tables of numbers: which column has the labels, and what a cell says.

use std::collections::HashSet;
use std::path::Path;

use crate::error::{DataError, Place};
use crate::nearest::nearest;
use crate::shown::{SHOWN, counted, shown};

/// What columns of labels are usually called, in the order of preference.
const USUAL: [&str; 6] = ["label", "labels", "target", "class", "y", "fine_label"];

/// The most columns that are named one by one where one of them is to be chosen.
const NAMED: usize = 100;

/// The place of the column of labels among `names`: the one that is `wanted`, or that has a usual name, in capitals or not.
pub(crate) fn label<S: AsRef<str>>(
    names: &[S],
    wanted: Option<&str>,
    file: &Path,
) -> Result<usize, DataError> {
    let position = |is: &dyn Fn(&str) -> bool| names.iter().position(|name| is(name.as_ref()));
    let found = match wanted {
        Some(wanted) => position(&|name| name == wanted),
        None => USUAL.iter().find_map(|usual| {
            position(&|name| name == *usual).or_else(|| position(&|name| name.eq_ignore_ascii_case(usual)))
        }),
    };
    found.ok_or_else(|| {
        let near = wanted.and_then(|wanted| nearest(wanted, names.iter().map(AsRef::as_ref)));
        let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
        let tried = wanted.map_or_else(|| USUAL.to_vec(), |wanted| vec![wanted]);
        DataError::Missing {
            directory: file.to_owned(),
            what: "the column of labels".to_owned(),
            tried: tried.into_iter().map(String::from).collect(),
            cure: format!("{near}say which it is; the columns are {}", shown(names, NAMED)),
        }
    })
}

/// Refuses columns that have no name, or one that another has, and tables of nothing but labels.
pub(crate) fn check<S: AsRef<str>>(names: &[S], file: &Path, place: Place) -> Result<(), DataError> {
    let malformed =
        |problem: String, cure: &str| Err(DataError::malformed(file, place, problem, cure.to_owned()));
    let mut met = HashSet::new();
    for (i, name) in names.iter().map(AsRef::as_ref).enumerate() {
        if name.trim().is_empty() {
            let cure = "name it, or leave it out; pandas writes its index so unless it is told `index=False`";
            return malformed(format!("column {} has no name", i + 1), cure);
        }
        if !met.insert(name) {
            return malformed(format!("two columns have the name `{name}`"), "rename one");
        }
    }
    match names.len() {
        0 | 1 => malformed("there is no column beside the labels".to_owned(), "write the inputs too"),
        _ => Ok(()),
    }
}

/// What is an input and what a label, for people.
pub(crate) fn note(inputs: &[String], label: &str) -> String {
    let names = shown(inputs, SHOWN);
    let columns = counted(inputs.len(), "column", "columns");
    format!("inputs of {columns}: {names}; labels from the column {label}")
}

/// A note of inputs that are called as labels usually are: one that tells the class would make figures worthless. A column `y` may be a
/// coordinate.
pub(crate) fn like_labels(inputs: &[String]) -> Option<String> {
    let alike = |name: &&String| USUAL.iter().any(|usual| *usual != "y" && name.eq_ignore_ascii_case(usual));
    let found: Vec<&String> = inputs.iter().filter(alike).collect();
    let [first, ..] = found.as_slice() else { return None };
    Some(match found.len() {
        1 => format!(
            "the column {first}, as labels are usually called, is an input here; leave it out of the table \
             if it tells the class"
        ),
        _ => format!(
            "the columns {}, as labels are usually called, are inputs here; leave them out \
             if they tell the class",
            shown(&found, NAMED)
        ),
    })
}

/// A number as inputs have it.
pub(crate) fn single(value: f64, column: &str, file: &Path, place: Place) -> Result<f32, DataError> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    let problem = format!("the column `{column}` holds {value}, no finite number of 32 bits");
    Err(DataError::malformed(file, place, problem, MEND))
}

/// What helps against a cell that is no number.
pub(crate) const MEND: &str = "write a number, or leave the row out";

/// What helps against a column of words.
pub(crate) const ENCODE: &str =
    "write numbers (words as columns of 0 and 1, one for each), or leave the column out";
