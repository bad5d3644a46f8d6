//! E2: test accuracy, robust accuracy and conjugate spreads while networks learn.

use super::claim::{has_not_learnt, too_brief};
use super::{Conditions, Report, value};
use crate::Result;
use crate::experiment::{Lab, Point, follow, over_epochs, table};

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<Report>> {
    let mut report =
        Report::new(format!("# E2: while networks learn\n\nTrained and tested on {}.\n", on.data));
    for run in lab.runs() {
        let directory = on.out.join(&run.name);
        if !lab.train(run, &directory)? {
            return Ok(None);
        }
        let Some(points) = follow(lab, &directory, 1, &directory.join("track"))? else { return Ok(None) };
        let name = run.arch.as_deref().unwrap_or(&run.name);
        report.text += &format!("\n## {name}\n\n{}", table(&points));
        let over = |x: fn(&Point) -> f64, y: fn(&Point) -> f64| {
            points.iter().map(|p| (x(p), y(p))).collect::<Vec<_>>()
        };
        // Judged by the best of its epochs: an untrained network has nothing to follow.
        let best = points.iter().map(|p| p.clean_interval).max_by(|a, b| a[0].total_cmp(&b[0]));
        let best = best.unwrap_or([f64::NAN; 2]);
        let classes = points.first().map_or(0, |p| p.classes);
        let too_small = too_brief(points.len()).or_else(|| has_not_learnt(best, classes));
        let epoch = |p: &Point| p.epoch.unwrap_or(0) as f64;
        for (figure, of) in [
            ("σ_p", (|p: &Point| p.sigma_p) as fn(&Point) -> f64),
            ("drift", |p| p.drift),
            ("dispersion", |p| p.dispersion),
        ] {
            let grows = format!("{name}: {figure} grows from epoch to epoch");
            report.correlate(grows, &over(epoch, of), true, &too_small);
            let falls = format!("{name}: the larger {figure}, the lower robust accuracy");
            report.correlate(falls, &over(of, |p| p.robust), false, &too_small);
        }
        let shrinks = format!("{name}: σ_x shrinks from epoch to epoch");
        report.correlate(shrinks, &over(epoch, |p| p.sigma_x), false, &too_small);
        report.figures[&run.name] = value(&points)?;
        let picture = over_epochs(&points, &format!("{name} while it learns")).svg()?;
        report.pictures.push((format!("{}.svg", run.name), picture.into_bytes()));
    }
    report.text +=
        "\nIntervals suppose independent epochs. They are not: read them as a lower limit of the doubt.\n";
    Ok(Some(report))
}
