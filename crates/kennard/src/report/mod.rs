//! Reports: the directories of runs made into one page that people look at, compare and share.
//!
//! The page is a single HTML file without anything from elsewhere. What a run wrote goes into it as one block
//! of JSON; the page's script makes text of it and never markup, and the page's own policy lets nothing but
//! that script run.

mod classes;
mod compare;
mod document;
mod examples;
mod markdown;
mod markup;
mod packets;
mod page;
mod paper;
mod samples;
mod sheet;
mod sheet_view;
mod sources;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::warning::Warning;
use crate::{RequestError, Result};
use document::Document;
pub use markup::Markup;
pub use sheet::{Block, KeyFigure, Section, Sheet, SheetVerdict};
use sheet_view::KeptSheet;
use sources::{DirectoryContents, Source};

/// A page is no larger than this, in bytes.
pub const LARGEST: usize = 3 << 20;
/// Bytes of pictures of sheets at most.
const MOST: usize = 1 << 20;

/// What the directories of some runs hold, ready to be made into a page.
pub struct Report {
    sheets: Vec<KeptSheet>,
    sources: Vec<Source>,
}

/// How much of the single samples a page shows. The figures are always those of all samples.
#[derive(Clone, Copy, Debug, Serialize)]
struct Detail {
    /// Rows of the table of samples, in each run.
    rows: usize,
    /// Pictures of adversarial examples, in each run.
    examples: usize,
    /// Bytes of pictures of packets, in each run.
    maps: usize,
    /// Bytes of pictures of each sheet.
    pictures: usize,
}

impl Report {
    /// Reads the directories of runs: of `kennard audit` and `kennard train`, finished or under way,
    /// `kennard uncertainty` and `kennard probe`, and of all commands that leave a [`Sheet`]. Packets of a model join the first audit of the
    /// same model, a probe the first of the same model and data. A directory
    /// of directories stands for the runs in it, in the order of their names.
    ///
    /// # Errors
    /// When a directory holds no run, or one that is damaged or of another version of Kennard.
    pub fn read(paths: &[PathBuf]) -> Result<Report> {
        let mut found = DirectoryContents::default();
        for path in paths {
            sources::read(path, &mut found)?;
        }
        Ok(Report { sheets: found.sheets, sources: sources::joined(found.sources) })
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.sheets.len() + self.sources.len()
    }

    /// The page, at most [`LARGEST`] bytes.
    ///
    /// # Errors
    /// When there are too many runs for one page.
    pub fn html(&self) -> Result<String> {
        self.fitting(|document| page::html(document, false))
    }

    /// The page that asks where it came from for news every other second, at `data`.
    ///
    /// # Errors
    /// As [`html`](Self::html).
    pub fn live_html(&self) -> Result<String> {
        self.fitting(|document| page::html(document, true))
    }

    /// What the page shows, as JSON.
    ///
    /// # Errors
    /// As [`html`](Self::html).
    pub fn json(&self) -> Result<String> {
        self.fitting(page::json)
    }

    /// The rows that a paper needs, one per audit, and a sentence to cite. Of an unfinished run it says what its shares
    /// lie between. Audits within the directory of a command that leaves a page of its own belong to it, whether that page
    /// shows them or not, and its warnings are said below.
    ///
    /// # Errors
    /// When there is no audit among the runs, or one within cannot be read.
    pub fn table(&self, markup: Markup) -> Result<String> {
        let mut within = Vec::new();
        for kept in self.sheets.iter().filter(|kept| !kept.shows_audits()) {
            sources::audits_within(&kept.path, sources::DEPTH, &mut within)?;
        }
        let all: Vec<&Source> = self.sources.iter().chain(&within).collect();
        let warnings = self.sheets.iter().flat_map(|kept| &kept.sheet.warnings);
        let warnings: Vec<&Warning> = warnings.filter(|warning| !warning.note).collect();
        paper::table(&all, &warnings, markup)
    }

    /// Shows less of the single samples until it fits; a sheet is shown without the audits that belong to it if they do not.
    fn fitting(&self, make: impl Fn(&Document) -> Result<String>) -> Result<String> {
        let (sheets, runs) = (self.sheets.len().max(1), self.sources.len().max(1));
        let mut detail = Detail {
            rows: 20_000 / runs,
            examples: 48 / runs,
            maps: (900 << 10) / runs,
            pictures: MOST / sheets,
        };
        loop {
            let text = make(&Document::new(&self.sheets, &self.sources, detail, None))?;
            if text.len() <= LARGEST {
                return Ok(text);
            }
            let Detail { rows, examples, maps, pictures } = detail;
            if rows + examples + maps == 0 {
                break;
            }
            let pictures = if rows == 0 { pictures / 2 } else { pictures };
            detail = Detail { rows: rows / 2, examples: examples / 2, maps: maps / 2, pictures };
        }
        let runs = self.sources.len();
        if !self.sheets.is_empty() {
            let why = format!("The {runs} audits do not fit on one page; a report of fewer shows them.");
            let detail = Detail { pictures: MOST / sheets, ..detail };
            let text = make(&Document::new(&self.sheets, &[], detail, Some(&why)))?;
            if text.len() <= LARGEST {
                return Ok(text);
            }
        }
        Err(RequestError::TooManyRuns { runs: self.runs() }.into())
    }
}

/// Makes a page of runs, whole or not at all.
///
/// # Errors
/// When a directory cannot be read, or the page cannot be written.
pub fn write(paths: &[PathBuf], file: &Path) -> Result<usize> {
    let html = Report::read(paths)?.html()?;
    crate::run::write_whole(file, html.as_bytes())?;
    Ok(html.len())
}

/// The page of a run whose directory cannot be read yet: it says so, and asks again.
///
/// # Errors
/// When the page cannot be made.
pub fn waiting_html() -> Result<String> {
    Report { sheets: Vec::new(), sources: Vec::new() }.live_html()
}
