//! E2: accuracy, robust accuracy, conjugate spreads and distances while networks learn.

use super::claim::{Claim, has_not_learnt, too_brief};
use super::seeds::{self, SEEDS, mean_of};
use super::{Conditions, PaperReport, value};
use crate::Result;
use crate::experiment::{Lab, Point, follow, over_epochs};
use crate::stats::partial_rank_correlation;

/// What the paper has happen while a network learns: a figure, its key, and whether it grows.
const TRENDS: [(&str, &str, bool); 4] = [
    ("σ_x falls below the window's", "excess_x", false),
    ("σ_p rises above the window's", "excess_p", true),
    ("drift grows", "drift", true),
    ("the median distance to the boundary shrinks", "distances.found", false),
];

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let mut report = PaperReport::new(format!(
        "# E2: while networks learn\n\nTrained and tested on {}, {SEEDS} seeds. Figures: mean over seeds, 95 % interval over seeds, the test \
         images being the same.\n",
        on.data
    ));
    for group in lab.runs().chunks(SEEDS as usize) {
        let mut networks = Vec::new();
        for run in group {
            let directory = on.out.join(&run.name);
            if !lab.train(run, &directory)? {
                return Ok(None);
            }
            let Some(points) = follow(lab, &directory, 1, &directory.join("track"), false)? else {
                return Ok(None);
            };
            networks.push(points);
        }
        let name = group[0].arch.as_deref().unwrap_or(&group[0].name);
        let means: Vec<Point> = (0..networks.iter().map(Vec::len).min().unwrap_or(0))
            .map(|i| {
                let at: Vec<&Point> = networks.iter().map(|points| &points[i]).collect();
                mean_of(at[0].epoch.unwrap_or(i + 1).to_string(), &at)
            })
            .collect();
        report.text += &format!("\n## {name}\n\n{}", seeds::table("epoch", &means));
        report.claims.extend(claims(name, &networks, &means));
        report.figures[name] = value(&networks)?;
        let picture = over_epochs(&means, &format!("{name} while it learns, {SEEDS} seeds")).svg()?;
        report.pictures.push((format!("{}.svg", seeds::without_seed(&group[0].name)), picture.into_bytes()));
    }
    let (later, first): (Vec<Claim>, Vec<Claim>) = report.claims.into_iter().partition(seeds::is_at_fitted);
    if !later.is_empty() {
        report.text += &format!("\n{}", seeds::families(first.len()));
    }
    report.claims = Claim::adjusted_apart(first, later);
    Ok(Some(report))
}

/// What is claimed of one architecture. `networks` are the epochs of each seed, `means` those over seeds.
fn claims(name: &str, networks: &[Vec<Point>], means: &[Point]) -> Vec<Claim> {
    let ends = |key: &str| [means.first(), means.last()].map(|p| p.map_or(f64::NAN, |p| p.figure(key)));
    let epoch = |p: &Point| p.epoch.unwrap_or(0) as f64;
    let mut claims: Vec<Claim> = Vec::new();
    let is_fitted = networks.iter().any(|points| seeds::are_fitted(points));
    // Distances have no temperature.
    let raw = TRENDS
        .iter()
        .map(|(what, key, grows)| (format!("{what} while it learns"), (*key).to_owned(), *grows));
    let fitted = TRENDS.iter().filter(|(_, key, _)| is_fitted && *key != "distances.found");
    let fitted = fitted.map(|(what, key, grows)| {
        (seeds::said_at_fitted(&format!("{what} while it learns")), seeds::at_fitted(key), *grows)
    });
    for (what, key, grows) in raw.chain(fitted) {
        let found = seeds::correlations(networks, epoch, |p| p.figure(&key));
        let claim = format!("{name}: {what}: rank correlation with the epoch");
        let [first, last] = ends(key.as_str());
        claims.push(Claim::over_seeds(claim, &found, 0.0, grows).between(first, last));
    }
    let keys = [("σ_p", "excess_p"), ("drift", "drift")];
    let raw = keys.iter().map(|(what, key)| (format!("{what} at fixed clean accuracy"), (*key).to_owned()));
    let fitted = keys.iter().filter(|_| is_fitted);
    let fitted = fitted.map(|(what, key)| {
        (seeds::said_at_fitted(&format!("{what} at fixed clean accuracy")), seeds::at_fitted(key))
    });
    for (what, key) in raw.chain(fitted) {
        let of = |points: &Vec<Point>| {
            let rows: Vec<[f64; 3]> =
                points.iter().map(|p| [p.robust.value, p.figure(&key), p.clean.value]).collect();
            partial_rank_correlation(&rows).unwrap_or(f64::NAN)
        };
        let found: Vec<f64> = networks.iter().map(of).collect();
        let claim =
            format!("{name}: robust accuracy falls with {what}, over epochs: partial rank correlation");
        claims.push(Claim::over_seeds(claim, &found, 0.0, false));
    }
    let too_small = too_small(networks);
    claims.into_iter().map(|claim| claim.unless(too_small.clone())).collect()
}

/// Judged by the best epoch of each seed: an untrained network has nothing to follow.
fn too_small(networks: &[Vec<Point>]) -> Option<String> {
    networks.iter().find_map(|points| {
        let best = points.iter().map(|p| p.clean.interval).max_by(|a, b| a[0].total_cmp(&b[0]));
        let classes = points.first().map_or(0, |p| p.classes);
        too_brief(points.len()).or_else(|| has_not_learnt(best.unwrap_or([f64::NAN; 2]), classes))
    })
}
