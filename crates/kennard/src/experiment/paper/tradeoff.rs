//! E3: clean and robust accuracy over methods and strengths.

use super::claim::{Claim, too_brief, too_few};
use super::{Conditions, Report, epochs, value};
use crate::Result;
use crate::experiment::{Lab, Point, table, tradeoff};

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let Some(points) = tradeoff::run(lab, &on.out)? else { return Ok(None) };
    let (files, _) = tradeoff::files(&points, "Clean against robust accuracy")?;
    let pairs =
        |x: fn(&Point) -> f64, y: fn(&Point) -> f64| points.iter().map(|p| (x(p), y(p))).collect::<Vec<_>>();
    let robust = |p: &Point| p.robust;
    let claims = vec![
        Claim::of_correlation(
            "accuracy and robustness trade off over the methods",
            &pairs(|p| p.clean, robust),
            false,
        ),
        Claim::of_correlation(
            "the larger σ_p, the lower robust accuracy",
            &pairs(|p| p.sigma_p, robust),
            false,
        ),
        Claim::of_correlation(
            "the larger the drift, the lower robust accuracy",
            &pairs(|p| p.drift, robust),
            false,
        ),
        Claim::of_correlation(
            "the larger the dispersion, the lower robust accuracy",
            &pairs(|p| p.dispersion, robust),
            false,
        ),
    ];
    let claims = claims.into_iter().map(|claim| claim.unless(too_small(lab, &points))).collect();
    let text = format!(
        "# E3: the trade-off\n\nTrained and tested on {}.\n\n{}\n{}",
        on.data,
        table(&points),
        tradeoff::front(&points)
    );
    Ok(Some(Report { text, claims, figures: value(&points)?, pictures: files }))
}

/// Why the networks of a sweep say nothing about claims over networks; nothing where they do.
pub fn too_small(lab: &dyn Lab, points: &[Point]) -> Option<String> {
    let accuracies: Vec<[f64; 2]> = points.iter().map(|p| p.clean_interval).collect();
    let classes = points.first().map_or(0, |p| p.classes);
    too_brief(epochs(lab)).or_else(|| too_few(&accuracies, classes))
}
