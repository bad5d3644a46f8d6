//! What any command found, as a page shows it: key figures, and sections of tables, charts, pictures, claims and notes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::picture::{Chart, Curve, Panels};
use crate::run::files::{other_version, read_if_there, to_json};
use crate::run::sums::Sums;
use crate::run::write_set;
use crate::warning::Warning;

/// The file that a sheet is kept in, so that its page can be made again.
pub(super) const FILE: &str = "page.json";

/// What a command found. All texts are texts: nothing in them is markup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    /// The subject.
    pub title: String,
    /// What was run, in a sentence.
    pub what: String,
    /// The words of the command.
    pub command: Vec<String>,
    /// The version of Kennard that ran it.
    pub kennard: String,
    /// Whether all was done that was asked for.
    pub finished: bool,
    /// What goes on with it where it is not finished, "the same command"; none where it cannot be gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_on: Option<String>,
    /// Whether the audits in the directories within belong on the page. Those of an unfinished command do in any case.
    pub audits: bool,
    /// The figures that lead.
    pub key: Vec<KeyFigure>,
    /// What follows.
    pub sections: Vec<Section>,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
}

/// A figure that leads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyFigure {
    /// What it is.
    pub name: String,
    /// The figure with its unit.
    pub figure: String,
    /// Its interval.
    pub range: Option<String>,
}

/// Parts under a heading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// What stands under it.
    pub parts: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Block {
    /// A paragraph.
    Note {
        /// Its text.
        text: String,
    },
    /// A table.
    Table {
        /// What its columns are called.
        header: Vec<String>,
        /// Its rows, each as long as the header.
        rows: Vec<Vec<String>>,
    },
    /// Curves that the page draws.
    Chart {
        /// What is drawn; all numbers are finite.
        chart: Chart,
    },
    /// Panels that the page draws.
    Panels {
        /// What is drawn; all numbers are finite.
        panels: Panels,
    },
    /// A picture from the same directory, PNG or SVG.
    Picture {
        /// The file's name.
        file: String,
        /// What it shows.
        caption: String,
    },
    /// Claims with their verdicts.
    Claims {
        /// The claims.
        claims: Vec<SheetVerdict>,
    },
}

/// A claim and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SheetVerdict {
    /// The claim, in words.
    pub claim: String,
    /// `comes-out`, `does-not-come-out`, `undecided` or `too-small-to-judge`.
    pub verdict: String,
    /// The figure with its interval.
    pub evidence: String,
}

impl Sheet {
    /// The sheet of what `command` finished, by this version of Kennard.
    pub fn new(title: impl Into<String>, what: impl Into<String>, command: Vec<String>) -> Sheet {
        Sheet {
            title: title.into(),
            what: what.into(),
            command,
            kennard: env!("CARGO_PKG_VERSION").into(),
            finished: true,
            ..Sheet::default()
        }
    }

    /// Adds a figure that leads.
    pub fn lead(
        mut self,
        name: impl Into<String>,
        figure: impl Into<String>,
        range: Option<String>,
    ) -> Sheet {
        self.key.push(KeyFigure { name: name.into(), figure: figure.into(), range });
        self
    }

    /// Adds a section, if it has parts.
    pub fn section(mut self, title: impl Into<String>, parts: Vec<Block>) -> Sheet {
        if !parts.is_empty() {
            self.sections.push(Section { title: title.into(), parts });
        }
        self
    }

    /// Keeps the sheet in a directory.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn keep(&self, directory: &Path) -> Result<()> {
        write_set(directory, &[(FILE, to_json(self)?)])
    }

    /// The sheet in a directory; nothing where there is none.
    pub(super) fn read(directory: &Path) -> Result<Option<Sheet>> {
        let path = directory.join(FILE);
        let Some(text) = read_if_there(&path)? else { return Ok(None) };
        if let Some(sums) = Sums::read(directory)? {
            sums.check(FILE)?;
        }
        serde_json::from_slice(&text).map(Some).map_err(|e| other_version(&path, &e))
    }
}

impl Block {
    /// A paragraph.
    pub fn note(text: impl Into<String>) -> Block {
        Block::Note { text: text.into() }
    }

    /// A table; a row that is longer or shorter than the header is made as long.
    pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> Block {
        let header: Vec<String> = header.iter().map(|name| (*name).into()).collect();
        let mut rows = rows;
        rows.iter_mut().for_each(|row| row.resize(header.len(), String::new()));
        Block::Table { header, rows }
    }

    /// Curves; figures that are no numbers are left out.
    pub fn chart(mut chart: Chart) -> Block {
        finite(&mut chart.curves);
        chart.bound = chart.bound.filter(|(_, value)| value.is_finite());
        Block::Chart { chart }
    }

    /// Panels; figures that are no numbers are left out.
    pub fn panels(mut panels: Panels) -> Block {
        panels.panels.iter_mut().for_each(|panel| finite(&mut panel.curves));
        Block::Panels { panels }
    }

    /// A picture.
    pub fn picture(file: impl Into<String>, caption: impl Into<String>) -> Block {
        Block::Picture { file: file.into(), caption: caption.into() }
    }
}

fn finite(curves: &mut [Curve]) {
    for curve in curves {
        curve.figures.retain(|p| [p.x, p.value, p.low, p.high].iter().all(|v| v.is_finite()));
    }
}
