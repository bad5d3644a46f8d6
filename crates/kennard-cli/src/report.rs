use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use kennard::audit::Warning;
use kennard::experiment::NamedFile;
use kennard::report::{self, Markup, Report, Sheet};

use crate::command::flag;
use crate::settings::by_name;
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Args {
    /// The directories of runs (--out of audit, train, uncertainty, probe), or a directory that holds them
    #[arg(required = true, value_name = "RUN_DIR")]
    runs: Vec<PathBuf>,
    /// Print the rows that a paper needs, and a sentence to cite, in place of the page
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = MARKUPS.map(|(name, _, about)| PossibleValue::new(name).help(about)),
    )]
    table: Option<String>,
    /// The file to write [default: report.html; a table goes to standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Formats of tables by name, and what the help says of each.
const MARKUPS: [(&str, Markup, &str); 2] = [
    ("latex", Markup::Latex, "LaTeX, with the rules of the package booktabs"),
    ("markdown", Markup::Markdown, "Markdown"),
];

/// The page that commands leave in their directories.
const NAME: &str = "report.html";

pub fn run(args: &Args) -> Ended {
    if let Some(format) = &args.table {
        let markup = by_name("format", format, &MARKUPS.map(|(name, markup, _)| (name, markup)))?;
        let text = Report::read(&args.runs)?.table(markup)?;
        match &args.out {
            Some(file) => kennard::run::write_whole(file, text.as_bytes())?,
            None => say!("{}", text.trim_end()),
        }
        return Ok(Done::Fully);
    }
    let file = args.out.as_deref().unwrap_or(Path::new(NAME));
    let size = report::write(&args.runs, file)?;
    note!("written to {}: {:.1} MiB, open it in a browser", file.display(), size as f64 / 1048576.0);
    Ok(Done::Fully)
}

/// Writes the page of a run into its directory, and says what was `written` there.
///
/// # Errors
/// When the page cannot be written. The other files are in the directory all the same.
pub fn beside(directory: &Path, written: &str) -> Result<(), kennard::Error> {
    let page = report::write(&[directory.into()], &directory.join(NAME));
    let names: Vec<&str> =
        [written, if page.is_ok() { NAME } else { "" }].into_iter().filter(|n| !n.is_empty()).collect();
    if !names.is_empty() {
        note!("written to {}: {}", directory.display(), names.join(", "));
    }
    page.map(drop)
}

/// Records in a command's directory what the command is about to do, so that a page can be made of an unfinished run.
pub fn begin(directory: &Path, sheet: &Sheet) -> Result<(), kennard::Error> {
    Sheet { finished: false, ..sheet.clone() }.keep(directory)
}

/// The files that a directory's page was made of before a command began, `None` for a file that was not there; they are put
/// back if the command fails.
pub struct Earlier([(PathBuf, Option<Vec<u8>>); 2]);

impl Earlier {
    pub fn of(directory: &Path) -> Earlier {
        Earlier(["page.json", "SHA256SUMS"].map(|name| {
            let path = directory.join(name);
            let bytes = std::fs::read(&path).ok();
            (path, bytes)
        }))
    }

    pub fn put_back(&self) {
        for (path, bytes) in &self.0 {
            // The error that led here is the one to be said.
            let _ = match bytes {
                Some(bytes) => kennard::run::write_whole(path, bytes).map_err(drop),
                None => std::fs::remove_file(path).map_err(drop),
            };
        }
    }
}

/// The title of the page in a directory; `None` if there is no page, or it cannot be read.
pub fn title_of(directory: &Path) -> Option<String> {
    let text = std::fs::read(directory.join("page.json")).ok()?;
    serde_json::from_slice::<Sheet>(&text).ok().map(|sheet| sheet.title)
}

/// Refuses a directory with the page of another command, which would be replaced.
pub fn refuse_others(directory: &Path, is_own: impl Fn(&str) -> bool) -> Result<(), String> {
    match title_of(directory).filter(|title| !is_own(title)) {
        Some(title) => Err(format!(
            "{}: the page of another command is there, `{title}`, and would be replaced; give --out another directory",
            directory.display()
        )),
        None => Ok(()),
    }
}

/// Leaves what a command found in its directory, and a page of it.
pub fn leave(directory: &Path, sheet: &Sheet) -> Result<(), kennard::Error> {
    sheet.keep(directory)?;
    beside(directory, "page.json")
}

/// Appends warnings to the Markdown table of this name among the files.
pub fn say_below(files: &mut [NamedFile], name: &str, warnings: &[Warning]) {
    for (_, bytes) in files.iter_mut().filter(|(file, _)| file == name) {
        for warning in warnings {
            bytes.extend(format!("\nWarning ({}): {}.\n", warning.code, warning.message).into_bytes());
        }
    }
}

/// How an experiment that was stopped is continued.
pub const SAME_COMMAND: &str = "the same command";

/// Warnings with settings named as the command line names them, for pages that commands leave.
pub fn flagged(warnings: &[Warning]) -> Vec<Warning> {
    let worded = |warning: &Warning| match warning.note {
        true => Warning::note(&warning.code, warning.worded(flag)),
        false => Warning::new(&warning.code, warning.worded(flag)),
    };
    warnings.iter().map(worded).collect()
}

/// A share in per cent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// The interval of a share in per cent.
pub fn percents(interval: [f64; 2]) -> String {
    let [low, high] = interval.map(|end| 100.0 * end);
    format!("{low:.2} – {high:.2} %")
}

/// The interval of a figure.
pub fn span(interval: [f64; 2]) -> String {
    let [low, high] = interval.map(crate::screen::short);
    format!("{low} – {high}")
}
