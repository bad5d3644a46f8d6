//! A sheet as it goes to the page's script, with its pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::prelude::*;
use serde::Serialize;

use super::examples::data_uri;
use super::sheet::{Block, Sheet};

#[derive(Serialize)]
pub(super) struct SheetView<'a> {
    directory: String,
    sheet: &'a Sheet,
    /// By the names of their files; null for what is no picture, or finds no room.
    pictures: BTreeMap<&'a str, Option<String>>,
    /// Why the audits within are not on the page.
    left_out: Option<String>,
}

/// A sheet and the directory that it is from.
pub(super) struct KeptSheet {
    pub path: PathBuf,
    pub sheet: Sheet,
}

impl KeptSheet {
    /// Whether the audits in the directories within are on its page.
    pub fn shows_audits(&self) -> bool {
        self.sheet.audits || !self.sheet.finished
    }
}

impl<'a> SheetView<'a> {
    /// A sheet with pictures of `most` bytes in all.
    pub fn new(kept: &'a KeptSheet, most: usize, left_out: Option<&str>) -> SheetView<'a> {
        let KeptSheet { path, sheet } = kept;
        let mut size = 0;
        let files = sheet.sections.iter().flat_map(|section| &section.parts).filter_map(|part| match part {
            Block::Picture { file, .. } => Some(file.as_str()),
            _ => None,
        });
        let picture = |file: &'a str| {
            let found = picture(path, file).filter(|uri| size + uri.len() <= most);
            size += found.as_ref().map_or(0, String::len);
            (file, found)
        };
        let pictures = files.map(picture).collect();
        SheetView {
            directory: path.display().to_string(),
            sheet,
            pictures,
            left_out: left_out.map(Into::into),
        }
    }
}

impl SheetView<'_> {
    /// The subject.
    pub fn title(&self) -> &str {
        &self.sheet.title
    }
}

/// What is larger than this is no picture of ours.
const LARGEST: u64 = 1 << 20;

/// A picture of the directory itself as a data URI; nothing where the file is something else.
fn picture(directory: &Path, file: &str) -> Option<String> {
    let path = Path::new(file);
    // A name alone: nothing from elsewhere comes onto the page.
    if path.file_name() != Some(path.as_os_str()) {
        return None;
    }
    let path = directory.join(path);
    // A link could lead elsewhere.
    let kind = std::fs::symlink_metadata(&path).ok()?;
    let bytes = (kind.is_file() && kind.len() <= LARGEST).then(|| std::fs::read(&path).ok()).flatten()?;
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(data_uri(&bytes));
    }
    // As an image it runs no script and asks for nothing.
    bytes
        .starts_with(b"<svg")
        .then(|| format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(&bytes)))
}
