//! The Markdown that experiments write, as sections: headings, paragraphs, tables.

use super::sheet::{Block, Section, Sheet};

impl Sheet {
    /// Adds the sections of a text in Markdown: headings, paragraphs and tables. What stands before the first heading
    /// of the second level is under `title`.
    pub fn text(mut self, title: &str, text: &str) -> Sheet {
        self.sections.extend(sections(title, text));
        self
    }
}

/// The sections of a text; `title` is that of what stands before the first heading of the second level. Headings of the
/// first level are left out, and so are list items: claims, which have a part of their own.
fn sections(title: &str, text: &str) -> Vec<Section> {
    let mut all = vec![Section { title: title.into(), parts: Vec::new() }];
    let mut paragraph: Vec<&str> = Vec::new();
    let mut table: Vec<&str> = Vec::new();
    // An empty line ends what is open.
    for line in text.lines().chain([""]) {
        let heading = line.strip_prefix("## ");
        let parts = |all: &mut Vec<Section>, part: Block| {
            if let Some(section) = all.last_mut() {
                section.parts.push(part);
            }
        };
        if !line.starts_with('|') && !table.is_empty() {
            parts(&mut all, tabled(&table));
            table.clear();
        }
        let goes_on = !line.is_empty() && !line.starts_with(['|', '#', '-']);
        if !goes_on && !paragraph.is_empty() {
            parts(&mut all, Block::note(plain(&paragraph.join(" "))));
            paragraph.clear();
        }
        match heading {
            Some(name) => all.push(Section { title: plain(name), parts: Vec::new() }),
            None if line.starts_with('|') => table.push(line),
            None if goes_on => paragraph.push(line),
            None => {}
        }
    }
    all.retain(|section| !section.parts.is_empty());
    all
}

/// Stands for an escaped stroke while cells are told apart.
const STROKE: &str = "\u{1}";

/// A table: its header, a line of dashes, its rows.
fn tabled(lines: &[&str]) -> Block {
    let cells = |line: &&str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        // A stroke that stands for itself is escaped.
        let cells = inner.replace("\\|", STROKE);
        cells.split('|').map(|cell| plain(cell.trim()).replace(STROKE, "|")).collect()
    };
    let is_rule = |line: &&&str| line.chars().all(|c| "|-: ".contains(c));
    let mut rows = lines.iter().filter(|line| !is_rule(line)).map(cells);
    let header = rows.next().unwrap_or_default();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    Block::table(&header, rows.collect())
}

/// A text without emphasis and code marks.
fn plain(text: &str) -> String {
    text.replace("**", "").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_sections() {
        let text = "# E9: title\n\nTrained on\nsome data.\n\n| a | b |\n|---|---:|\n| 1 | **2** |\n| x<y |\n\n## moons\n\n| ½\\|1 − B\\| |\n|---|\n\
                    A remark.\n- a claim: **comes out**; 1\n\n## empty\n";
        let found = sections("Figures", text);
        let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_string()).collect::<Vec<String>>();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].title.as_str(), found[1].title.as_str()), ("Figures", "moons"));
        assert_eq!(
            found[0].parts,
            [
                Block::note("Trained on some data."),
                Block::Table {
                    header: cells(&["a", "b"]),
                    rows: vec![cells(&["1", "2"]), cells(&["x<y", ""])]
                }
            ]
        );
        assert_eq!(
            found[1].parts,
            [Block::Table { header: cells(&["½|1 − B|"]), rows: vec![] }, Block::note("A remark.")]
        );
    }
}
