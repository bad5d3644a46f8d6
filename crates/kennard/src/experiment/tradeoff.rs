//! Networks trained by several methods: clean against robust accuracy.

use std::path::Path;

use super::lab::examine;
use super::points::{on_a_line, table_files};
use super::{Correlation, Lab, NamedFile, Point};
use crate::picture::{Dot, Scatter};
use crate::stats::pareto_front;
use crate::{Figure, Result};

/// The picture whose third axis is what is proved.
pub const CERTIFIED: &str = "tradeoff-certified.svg";

/// Trains and audits all networks, each into a directory of its own under `out`; what is done already is not done again.
/// `None`: interrupted.
///
/// # Errors
/// When a network cannot be trained or audited, or a directory cannot be used.
pub fn run(lab: &dyn Lab, out: &Path) -> Result<Option<Vec<Point>>> {
    let mut points = Vec::new();
    for run in lab.runs() {
        let place = out.join(&run.name);
        if !lab.train(run, &place)? {
            return Ok(None);
        }
        let Some(summary) = examine(lab, &place.join("last.onnx"), None, &place.join("audit"), true)? else {
            return Ok(None);
        };
        points.push(Point::of(run.name.clone(), None, &summary));
    }
    mark_best(&mut points);
    Ok(Some(points))
}

/// Marks the points than which no other is as good in both accuracies and better in one.
pub(super) fn mark_best(points: &mut [Point]) {
    let accuracies: Vec<[f64; 2]> = points.iter().map(|p| [p.clean.value, p.robust.value]).collect();
    for (point, best) in points.iter_mut().zip(pareto_front(&accuracies)) {
        point.best = best;
    }
}

/// Says which networks no other is better than.
pub fn front(points: &[Point]) -> String {
    let names: Vec<String> = points.iter().filter(|p| p.best).map(|p| on_a_line(&p.name)).collect();
    format!("no other network is as good in both accuracies and better in one: {}\n", names.join(", "))
}

/// The files of a sweep: table, pictures and JSON; and the correlations with robust accuracy.
///
/// # Errors
/// When there is nothing to draw.
pub fn files(points: &[Point], title: &str) -> Result<(Vec<NamedFile>, Vec<Correlation>)> {
    let (mut files, found) = table_files("tradeoff", points, &(front(points) + "\n"))?;
    type Shade = fn(&Point) -> Figure;
    let mut pictures: Vec<(&str, &str, Shade)> = vec![
        ("tradeoff.svg", "σ_p [1/input]", |p| p.sigma_p),
        ("tradeoff-drift.svg", "drift [1]", |p| p.drift),
    ];
    if points.iter().any(|p| p.certified.value.is_finite()) {
        pictures.push((CERTIFIED, "certified accuracy [1]", |p| p.certified));
    }
    for (name, what, of) in pictures {
        let dot =
            |p: &Point| Dot { name: p.name.clone(), x: p.clean, y: p.robust, colour: of(p), front: p.best };
        let picture = Scatter {
            title: title.into(),
            x: "clean accuracy [1]".into(),
            y: "robust accuracy [1]".into(),
            colour: what.into(),
            // A network of which nothing is known has no colour.
            dots: points
                .iter()
                .filter(|p| name != CERTIFIED || p.certified.value.is_finite())
                .map(dot)
                .collect(),
        };
        // Without colours it would be the first picture again.
        if name != CERTIFIED || picture.has_colours() {
            files.push((name.into(), picture.svg()?.into_bytes()));
        }
    }
    Ok((files, found))
}
