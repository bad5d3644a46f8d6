//! The page itself.

use askama::Template;
use base64::prelude::*;
use sha2::{Digest, Sha256};

use super::document::Document;
use super::sheet_view::SheetView;
use crate::{Error, Result};

/// Apache ECharts, see `assets/README.md`.
const CHARTS: &str = include_str!("../../assets/echarts.min.js");
/// The page's own script.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../../assets/report/text.js"),
    include_str!("../../assets/report/dom.js"),
    include_str!("../../assets/report/table.js"),
    include_str!("../../assets/report/chart.js"),
    include_str!("../../assets/report/accuracy.js"),
    include_str!("../../assets/report/certificates.js"),
    include_str!("../../assets/report/samples.js"),
    include_str!("../../assets/report/packets.js"),
    include_str!("../../assets/report/training.js"),
    include_str!("../../assets/report/record.js"),
    include_str!("../../assets/report/panels.js"),
    include_str!("../../assets/report/compare.js"),
    include_str!("../../assets/report/sheet.js"),
    include_str!("../../assets/report/main.js"),
    "})();\n"
);
const STYLE: &str = include_str!("../../assets/report/page.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    policy: String,
    live: bool,
    style: &'a str,
    charts: &'a str,
    data: String,
    script: &'a str,
}

/// What may run on the page: its two scripts, known by their hashes, and nothing else. A live page may also
/// ask where it came from.
fn policy(live: bool) -> String {
    let hash = |script: &str| BASE64_STANDARD.encode(Sha256::digest(script));
    format!(
        "default-src 'none'; script-src 'sha256-{}' 'sha256-{}'; style-src 'unsafe-inline'; img-src data:; \
         connect-src {}; base-uri 'none'; form-action 'none'",
        hash(CHARTS),
        hash(SCRIPT),
        if live { "'self'" } else { "'none'" }
    )
}

pub(super) fn html(document: &Document, live: bool) -> Result<String> {
    let runs = document.runs.iter().map(|run| run.name.as_str());
    let names: Vec<&str> = document.sheets.iter().map(SheetView::title).chain(runs).collect();
    let title = match names.as_slice() {
        [] => "Kennard".into(),
        [name] => format!("{name} · Kennard"),
        [first, ..] if document.sheets.len() == 1 => format!("{first} · Kennard"),
        [first, ..] => format!("{first} and {} more · Kennard", names.len() - 1),
    };
    let page = Page {
        title,
        policy: policy(live),
        live,
        style: STYLE,
        charts: CHARTS,
        data: json(document)?,
        script: SCRIPT,
    };
    page.render().map_err(|e| Error::format("the page", e.to_string()))
}

/// The document as JSON that may stand in a script element: nothing in it ends the element or begins a
/// comment.
pub(super) fn json(document: &Document) -> Result<String> {
    let text = serde_json::to_string(document)?;
    let mut safe = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", c as u32)),
            c => safe.push(c),
        }
    }
    Ok(safe)
}
