//! E3: clean and robust accuracy over methods and strengths.

use super::claim::{Claim, too_brief, too_few};
use super::networks::{self, NetworkRow};
use super::seeds::{self, SEEDS, mean_of, without_seed};
use super::{Conditions, PaperReport, epochs, value};
use crate::Result;
use crate::experiment::{Lab, Point, tradeoff};

/// What is to fall with robust accuracy, or to make it fall: the figures, by their keys. The first has no temperature.
const FALLING: [(&str, &str); 4] = [
    ("accuracy and robustness trade off over the methods", "clean"),
    ("the larger σ_p, the lower robust accuracy", "excess_p"),
    ("the larger the drift, the lower robust accuracy", "drift"),
    ("the more of ψ² is misclassified, the lower robust accuracy", "misclassified"),
];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let Some(points) = tradeoff::run(lab, &on.out)? else { return Ok(None) };
    let mut means: Vec<Point> = points
        .chunks(SEEDS as usize)
        .map(|seeds| mean_of(without_seed(&seeds[0].name).into(), &seeds.iter().collect::<Vec<_>>()))
        .collect();
    tradeoff::mark_best(&mut means);
    let (files, _) =
        tradeoff::files(&means, &format!("Clean against robust accuracy, mean of {SEEDS} seeds"))?;
    let mut report = PaperReport::new(format!(
        "# E3: the trade-off\n\nTrained and tested on {}, {SEEDS} seeds. Figures: mean over seeds, 95 % interval over seeds, the test \
         images being the same.\n\n{}\n{}\nClaims are over these {} methods; seeds are the units of their intervals, not methods.\n",
        on.data,
        seeds::table("network", &means),
        tradeoff::front(&means),
        means.len()
    ));
    let by_seed: Vec<Vec<Point>> = (0..SEEDS as usize)
        .map(|seed| points.iter().skip(seed).step_by(SEEDS as usize).cloned().collect())
        .collect();
    let too_small = by_seed.iter().find_map(|points| too_small(lab, points));
    let is_fitted = seeds::are_fitted(&points);
    let correlated = |claim: &str, key: &str, positive: bool| {
        let found = seeds::correlations(&by_seed, |p| p.figure(key), |p| p.robust.value);
        let claim = format!("{claim}: rank correlation");
        Claim::over_seeds(claim, &found, 0.0, positive).unless(too_small.clone())
    };
    let mut first: Vec<Claim> = FALLING.iter().map(|(claim, key)| correlated(claim, key, false)).collect();
    let claim = "the larger the median packet distance, the higher robust accuracy";
    first.push(correlated(claim, "distances.predicted", true));
    let fitted = FALLING.iter().skip(1).filter(|_| is_fitted);
    let fitted =
        fitted.map(|(claim, key)| correlated(&seeds::said_at_fitted(claim), &seeds::at_fitted(key), false));
    let mut later: Vec<Claim> = fitted.collect();
    let rows = networks::rows(lab, &on.out, &points)?;
    let rows: Vec<Vec<NetworkRow>> = (0..SEEDS as usize)
        .map(|seed| rows.iter().skip(seed).step_by(SEEDS as usize).copied().collect())
        .collect();
    report.text += &networks::table(&rows);
    for (claim, found) in [
        (
            "the smaller the median gradient norm, the higher robust accuracy: rank correlation of its inverse",
            networks::of_gradients(&rows),
        ),
        (
            "the median packet distance goes with robust accuracy better than the inverse gradient norm does: difference of the \
             rank correlations",
            networks::differences(&rows),
        ),
    ] {
        later.push(Claim::over_seeds(claim, &found, 0.0, true).unless(too_small.clone()));
    }
    report.text += &format!("\n{}", seeds::families(first.len()));
    report.claims = Claim::adjusted_apart(first, later);
    report.figures = value(&points)?;
    report.pictures = files;
    Ok(Some(report))
}

/// Why the networks of a sweep say nothing about claims over networks; nothing where they do.
pub fn too_small(lab: &dyn Lab, points: &[Point]) -> Option<String> {
    let accuracies: Vec<[f64; 2]> = points.iter().map(|p| p.clean.interval).collect();
    let classes = points.first().map_or(0, |p| p.classes);
    too_brief(epochs(lab)).or_else(|| too_few(&accuracies, classes))
}
