use std::path::{Path, PathBuf};

use kennard::report;

use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// The directories of runs (--out of audit, train, uncertainty, probe), or a directory that holds them
    #[arg(required = true, value_name = "RUN_DIR")]
    runs: Vec<PathBuf>,
    /// The page to write
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

/// The page that commands leave in their directories.
const NAME: &str = "report.html";

pub fn run(args: &Args) -> Outcome {
    let size = report::write(&args.runs, &args.out)?;
    note!("written to {}: {:.1} MiB, open it in a browser", args.out.display(), size as f64 / 1048576.0);
    Ok(Done::Fully)
}

/// Writes the page of a run into its directory, and says what was `written` there. The figures are there already, so that
/// a page that cannot be made does not fail the run.
pub fn beside(directory: &Path, written: &str) {
    let page = report::write(&[directory.into()], &directory.join(NAME));
    let names: Vec<&str> =
        [written, if page.is_ok() { NAME } else { "" }].into_iter().filter(|n| !n.is_empty()).collect();
    if !names.is_empty() {
        note!("written to {}: {}", directory.display(), names.join(", "));
    }
    if let Err(error) = page {
        warn!("warning (report): there is no {NAME}: {error}");
    }
}
