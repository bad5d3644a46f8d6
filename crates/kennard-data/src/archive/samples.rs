//! Members that follow each other and share a key are a sample: an image and a label.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::members::{Member, Members};
use crate::error::{DataError, Place};
use crate::source::Raw;
use crate::tally::Tally;

const IMAGES: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];

/// The fields of a `.json` member that are a label, in the order of preference.
const FIELDS: [&str; 3] = ["label", "cls", "class"];

/// More than a label and what is said beside it need.
const MAX_LABEL: u64 = 1 << 20;

/// More than the name of a class has.
const MAX_WORD: usize = 1 << 12;

const TOGETHER: &str = "write an image and a label (NAME.jpg and NAME.cls) one behind the other";

/// A sample as an archive has it.
pub struct FoundSample {
    pub image: Raw,
    /// The word that the label is written in.
    pub word: String,
    /// The member that has it.
    pub label: PathBuf,
}

/// The samples of an archive in their order.
pub struct ArchiveSamples {
    members: Members,
    archive: PathBuf,
    /// The first member of the next sample.
    ahead: Option<Member>,
    left_out: Tally,
}

/// The members of one sample.
#[derive(Default)]
struct Group {
    image: Option<Member>,
    class: Option<Member>,
    json: Option<Member>,
}

impl ArchiveSamples {
    pub fn open(path: &Path) -> Result<ArchiveSamples, DataError> {
        let members = Members::open(path)?;
        Ok(ArchiveSamples { members, archive: path.to_owned(), ahead: None, left_out: Tally::default() })
    }

    /// The members that are of no use, so far.
    pub fn left_out(&self) -> [&Tally; 2] {
        [&self.left_out, &self.members.left_out]
    }

    pub fn next(&mut self) -> Result<Option<FoundSample>, DataError> {
        while let Some(first) =
            self.ahead.take().map_or_else(|| self.members.next(), |member| Ok(Some(member)))?
        {
            let key = first.key.clone();
            let mut group = Group::default();
            self.place(&mut group, first)?;
            while let Some(member) = self.members.next()? {
                if member.key != key {
                    self.ahead = Some(member);
                    break;
                }
                self.place(&mut group, member)?;
            }
            if let Some(found) = self.sample(group)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Puts a member into its place in a sample.
    fn place(&mut self, group: &mut Group, member: Member) -> Result<(), DataError> {
        let place = match member.ending.as_str() {
            "cls" => &mut group.class,
            "json" => &mut group.json,
            ending if IMAGES.contains(&ending) => &mut group.image,
            _ => {
                self.left_out.add(self.archive.join(&member.name).display());
                return Ok(());
            }
        };
        if let Some(first) = place {
            let problem = format!("the sample has `{}` already", first.name);
            let cure = "leave one of them out, or give it a name of its own before the first dot";
            return Err(DataError::malformed(
                &self.members.called(&member.name),
                Place::Whole,
                problem,
                cure,
            ));
        }
        *place = Some(member);
        Ok(())
    }

    /// What a group of members is; nothing where it is neither image nor label.
    fn sample(&mut self, group: Group) -> Result<Option<FoundSample>, DataError> {
        let Group { image, class, json } = group;
        let label = match (&class, &json) {
            (Some(class), _) => Some((class.name.clone(), self.word(class)?)),
            (None, Some(json)) => self.field(json)?.map(|word| (json.name.clone(), word)),
            (None, None) => None,
        };
        match (image, label) {
            (Some(image), Some((label, word))) => {
                let Member { name, offset, length, .. } = image;
                let image = Raw::Part { archive: self.archive.clone(), name, offset, length };
                Ok(Some(FoundSample { image, word, label: self.members.called(&label) }))
            }
            (Some(image), None) => {
                let problem = match json {
                    Some(json) => format!("`{}` has none of the fields {}", json.name, FIELDS.join(", ")),
                    None => "no member with a label is beside it".to_owned(),
                };
                let file = self.members.called(&image.name);
                Err(DataError::malformed(&file, Place::Whole, problem, TOGETHER))
            }
            (None, Some((label, _))) => {
                let problem = format!("no image ({}) is beside this label", IMAGES.join(", "));
                Err(DataError::malformed(&self.members.called(&label), Place::Whole, problem, TOGETHER))
            }
            (None, None) => {
                json.iter().for_each(|json| self.left_out.add(self.archive.join(&json.name).display()));
                Ok(None)
            }
        }
    }

    /// The label that a member is: a number or a name as text.
    fn word(&mut self, member: &Member) -> Result<String, DataError> {
        let text = self.text(member)?;
        self.checked(text.trim(), member)
    }

    /// The label in a field of a JSON object, if there is one.
    fn field(&mut self, member: &Member) -> Result<Option<String>, DataError> {
        let text = self.text(member)?;
        let malformed = |problem: String| {
            let file = self.members.called(&member.name);
            DataError::malformed(
                &file,
                Place::Whole,
                problem,
                "write {\"label\": 3}, or the label as a member .cls",
            )
        };
        let value: Value = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let Some((field, value)) = FIELDS.iter().find_map(|field| Some((field, value.get(field)?))) else {
            return Ok(None);
        };
        match value {
            Value::String(word) => self.checked(word.trim(), member).map(Some),
            Value::Number(number) => self.checked(&number.to_string(), member).map(Some),
            _ => Err(malformed(format!("the field `{field}` is neither a number nor a name"))),
        }
    }

    fn text(&mut self, member: &Member) -> Result<String, DataError> {
        let file = self.members.called(&member.name);
        if member.length > MAX_LABEL {
            let (what, limit) = (format!("a label of {} bytes", member.length), format!("{MAX_LABEL} bytes"));
            return Err(DataError::too_large(&file, Place::Whole, what, limit, "write the class alone"));
        }
        let bytes = self.members.bytes(member.offset, member.length)?;
        // What some programs mark UTF-8 with.
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        std::str::from_utf8(text).map(String::from).map_err(|error| {
            DataError::malformed(
                &file,
                Place::Whole,
                format!("the label is no text ({error})"),
                "write it as UTF-8",
            )
        })
    }

    fn checked(&self, word: &str, member: &Member) -> Result<String, DataError> {
        if word.len() <= MAX_WORD {
            return Ok(word.to_owned());
        }
        let (what, limit) = (format!("a label of {} bytes", word.len()), format!("{MAX_WORD} bytes"));
        Err(DataError::too_large(
            &self.members.called(&member.name),
            Place::Whole,
            what,
            limit,
            "write the class alone",
        ))
    }
}
