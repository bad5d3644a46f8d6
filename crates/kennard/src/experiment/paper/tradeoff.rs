//! E3: clean and robust accuracy over methods and strengths.

use super::claim::{too_brief, too_few};
use super::{Conditions, Report, epochs, value};
use crate::Result;
use crate::experiment::{Lab, Point, table, tradeoff};

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let Some(points) = tradeoff::run(lab, &on.out)? else { return Ok(None) };
    let (files, _) = tradeoff::files(&points, "Clean against robust accuracy")?;
    let mut report = Report::new(format!(
        "# E3: the trade-off\n\nTrained and tested on {}.\n\n{}\n{}",
        on.data,
        table(&points),
        tradeoff::front(&points)
    ));
    report.figures = value(&points)?;
    report.pictures = files;
    let too_small = too_small(lab, &points);
    for (claim, of) in [
        ("accuracy and robustness trade off over the methods", (|p| p.clean) as fn(&Point) -> f64),
        ("the larger σ_p, the lower robust accuracy", |p| p.sigma_p),
        ("the larger the drift, the lower robust accuracy", |p| p.drift),
        ("the larger the dispersion, the lower robust accuracy", |p| p.dispersion),
    ] {
        let pairs: Vec<(f64, f64)> = points.iter().map(|p| (of(p), p.robust)).collect();
        report.correlate(claim, &pairs, false, &too_small);
    }
    Ok(Some(report))
}

/// Why the networks of a sweep say nothing about claims over networks; nothing where they do.
pub fn too_small(lab: &dyn Lab, points: &[Point]) -> Option<String> {
    let accuracies: Vec<[f64; 2]> = points.iter().map(|p| p.clean_interval).collect();
    let classes = points.first().map_or(0, |p| p.classes);
    too_brief(epochs(lab)).or_else(|| too_few(&accuracies, classes))
}
