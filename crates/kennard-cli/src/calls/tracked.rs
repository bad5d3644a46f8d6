//! The page of a network that is audited while it is trained.

use std::path::{Path, PathBuf};

use kennard::Result;
use kennard::audit::FinishedRun;
use kennard::experiment::{Correlation, Point, track_files};
use kennard::report::Sheet;
use kennard::run::write_set;
use serde::Serialize;

use crate::source::with_pdfs;
use crate::track::{filled, page};

/// What is known of a network over its epochs.
#[derive(Clone, Debug, Serialize)]
pub struct Tracked {
    /// One entry per epoch.
    pub points: Vec<Point>,
    /// How figures go together over all.
    pub correlations: Vec<Correlation>,
}

/// Makes table, picture and page of audits of one network over its epochs, as `kennard track` does: `audits` are the
/// directories of their runs with the epochs, `run` names the network.
///
/// # Errors
/// When one of them holds no finished run, or one of other data, samples, threat model, attacks or seed than the last; when `out`
/// cannot be written to.
pub fn tracked(run: &str, audits: &[(usize, PathBuf)], out: &Path) -> Result<Tracked> {
    crate::out::be_quiet();
    let runs: Vec<FinishedRun> =
        audits.iter().map(|(_, path)| FinishedRun::open(path)).collect::<Result<_>>()?;
    // One curve is of one measurement: epochs of a process before this one may be of another.
    for ((_, path), run) in audits.iter().zip(&runs) {
        runs.iter().last().map_or(Ok(()), |last| run.check_alike(path, last))?;
    }
    let point = |((epoch, path), run): (&(usize, PathBuf), &FinishedRun)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Point::of(name, Some(*epoch), &run.outcome.summary)
    };
    let points: Vec<Point> = audits.iter().zip(&runs).map(point).collect();
    let (files, correlations) = track_files(&points, &format!("{run} over its epochs"))?;
    write_set(out, &with_pdfs(files)?)?;
    let page = Sheet { goes_on: None, ..page(run, Vec::new()) };
    crate::report::begin(out, &page)?;
    crate::report::leave(out, &filled(page, &points, &correlations))?;
    Ok(Tracked { points, correlations })
}
