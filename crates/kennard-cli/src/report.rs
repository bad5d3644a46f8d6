use std::path::{Path, PathBuf};

use clap::ValueEnum;
use kennard::audit::Warning;
use kennard::experiment::NamedFile;
use kennard::report::{self, Markup, Report, Sheet};

use crate::command::flag;
use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// The directories of runs (--out of audit, train, uncertainty, probe), or a directory that holds them
    #[arg(required = true, value_name = "RUN_DIR")]
    runs: Vec<PathBuf>,
    /// Print the rows that a paper needs, and a sentence to cite, in place of the page
    #[arg(long, value_name = "FORMAT")]
    table: Option<Table>,
    /// The file to write [default: report.html; a table goes to standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How a table is written.
#[derive(Clone, Copy, ValueEnum)]
enum Table {
    /// LaTeX, with the rules of the package booktabs
    Latex,
    /// Markdown
    Markdown,
}

/// The page that commands leave in their directories.
const NAME: &str = "report.html";

pub fn run(args: &Args) -> Outcome {
    if let Some(table) = args.table {
        let markup = match table {
            Table::Latex => Markup::Latex,
            Table::Markdown => Markup::Markdown,
        };
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
/// When there is no page: it was asked for with the directory. The figures are there all the same.
pub fn beside(directory: &Path, written: &str) -> Result<(), kennard::Error> {
    let page = report::write(&[directory.into()], &directory.join(NAME));
    let names: Vec<&str> =
        [written, if page.is_ok() { NAME } else { "" }].into_iter().filter(|n| !n.is_empty()).collect();
    if !names.is_empty() {
        note!("written to {}: {}", directory.display(), names.join(", "));
    }
    page.map(drop)
}

/// Says in the directory of a command what it is about to do, so that a page can be made of what is done of it.
pub fn begin(directory: &Path, sheet: &Sheet) -> Result<(), kennard::Error> {
    Sheet { finished: false, ..sheet.clone() }.keep(directory)
}

/// What a directory's page was made of before a command began, none where there was no such file; put back where that comes to
/// nothing.
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

/// The title of the page in a directory; nothing where there is none, or none that can be read.
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

/// Says warnings below the table in Markdown that has this name among the files.
pub fn say_below(files: &mut [NamedFile], name: &str, warnings: &[Warning]) {
    for (_, bytes) in files.iter_mut().filter(|(file, _)| file == name) {
        for warning in warnings {
            bytes.extend(format!("\nWarning ({}): {}.\n", warning.code, warning.message).into_bytes());
        }
    }
}

/// What goes on with an experiment that was stopped.
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
