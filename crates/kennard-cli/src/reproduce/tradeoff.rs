//! E3: clean and robust accuracy over methods and strengths.

use std::sync::atomic::AtomicBool;

use super::claim::{Claim, too_brief, too_few};
use super::{Args, Error, Report, value};
use crate::points::{self, Point};
use crate::tradeoff::{Sweep, front, write};

pub const SETTINGS: &str = include_str!("../../experiments/e3.toml");

pub fn run(args: &Args, stop: &AtomicBool) -> Result<Option<Report>, Error> {
    let sweep = args.sweep(SETTINGS)?;
    let Some(points) = sweep.run(&args.out, stop)? else { return Ok(None) };
    write(&points, "Clean against robust accuracy", &args.out)?;
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
    let claims = claims.into_iter().map(|claim| claim.unless(too_small(&sweep, &points))).collect();
    let text = format!(
        "# E3: the trade-off\n\nTrained and tested on {}.\n\n{}\n{}",
        args.data.as_deref().unwrap_or(""),
        points::table(&points),
        front(&points)
    );
    Ok(Some(Report { text, claims, figures: value(&points)?, pictures: Vec::new() }))
}

/// Why the networks of a sweep say nothing about claims over networks; nothing where they do.
pub fn too_small(sweep: &Sweep, points: &[Point]) -> Option<String> {
    let accuracies: Vec<[f64; 2]> = points.iter().map(|p| p.clean_interval).collect();
    let classes = points.first().map_or(0, |p| p.classes);
    too_brief(sweep.epochs()).or_else(|| too_few(&accuracies, classes))
}
