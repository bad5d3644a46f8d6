//! The curves of R7 as a table and as pictures.

use std::fmt::Write;

use super::{DRAWS, NOISES, RADII, SCALES, SHOWN, Seen, largest_radius, title};
use crate::Result;
use crate::experiment::paper::claim::{mean_over_seeds, worded};
use crate::experiment::{NamedFile, short};
use crate::figure::Figure;
use crate::picture::{Chart, Curve};
use crate::smoothing::AtScale;

/// The mean over seeds of a figure of the networks of some noise.
fn of_noise(all: &[Seen], noise: f64, of: impl Fn(&Seen) -> f64) -> Figure {
    mean_over_seeds(all.iter().filter(|seen| seen.noise == noise).map(of))
}

/// A line for each noise of training and width of the window.
pub fn table(all: &[Seen]) -> String {
    let mut text = String::from(
        "| training | s | accuracy, % | certified, % | mean certified radius | all draws agree, % |\n|---|---|---|---|---|---|\n",
    );
    for noise in NOISES {
        for (place, s) in SCALES.iter().enumerate() {
            let of = |figure: fn(&AtScale) -> f64| of_noise(all, noise, |seen| figure(&seen.curve[place]));
            let _ = writeln!(
                text,
                "| {} | {s} | {} | {} | {} | {:.0} |",
                title(noise),
                of(|at| at.accuracy.accuracy).percent("", 1),
                of(|at| at.certified.accuracy).percent("", 1),
                worded(&of(|at| at.certified_radius.value)),
                100.0 * of(|at| at.unanimous as f64 / at.accuracy.tested as f64).value,
            );
        }
    }
    text
}

/// The width at which the certificates of networks of some noise are shown, and its place.
fn shown_at(noise: f64) -> (usize, f64) {
    let wanted = if noise > 0.0 { noise } else { SHOWN };
    SCALES.iter().copied().enumerate().find(|(_, s)| *s == wanted).unwrap_or((0, SCALES[0]))
}

/// Certified accuracy within a radius, by its place, at the width that is shown; none where no certificate reaches so far,
/// whatever the network.
fn certified(all: &[Seen], noise: f64, radius: usize) -> Option<Figure> {
    let (place, s) = shown_at(noise);
    let reachable = RADII[radius] < s * largest_radius();
    reachable.then(|| of_noise(all, noise, |seen| seen.curve[place].within[radius].accuracy))
}

/// Certified accuracy of the smoothed classifier over the radius: a line for each noise of training.
pub fn certificates(all: &[Seen]) -> String {
    let radii: String = RADII.iter().map(|r| format!(" within {r} |")).collect();
    let mut text = format!("| certified, % | s |{radii}\n|---|---|{}\n", "---|".repeat(RADII.len()));
    for noise in NOISES {
        let cells: String = (0..RADII.len())
            .map(|radius| {
                let share = certified(all, noise, radius);
                format!(" {} |", share.map_or("–".into(), |share| share.percent("", 1)))
            })
            .collect();
        let _ = writeln!(text, "| {} | {} |{cells}", title(noise), shown_at(noise).1);
    }
    let most = short(largest_radius());
    let _ = writeln!(
        text,
        "\n–: no certificate from {DRAWS} draws, at most {most} s large, reaches this radius."
    );
    text
}

/// Radius and accuracy over the width of the window, and accuracy against radius.
///
/// # Errors
/// When there is nothing to draw.
pub fn pictures(all: &[Seen]) -> Result<Vec<NamedFile>> {
    let over_widths = |y: &str, of: fn(&AtScale) -> f64| {
        chart(all, ["width of the window s [input unit]", y], |noise| {
            let figures = SCALES.iter().enumerate().map(|(place, &s)| {
                let figure = of_noise(all, noise, |seen| of(&seen.curve[place]));
                (s, figure.value, figure.interval)
            });
            figures.collect()
        })
    };
    let radius = |at: &AtScale| at.certified_radius.value;
    // Up to the largest radius; beyond it radius and accuracy fall together.
    let against = chart(all, [RADIUS, ACCURACY], |noise| {
        let mut front: Vec<(f64, f64, [f64; 2])> = Vec::new();
        for place in 0..SCALES.len() {
            let reached = of_noise(all, noise, |seen| radius(&seen.curve[place])).value;
            let accuracy = of_noise(all, noise, |seen| seen.curve[place].accuracy.accuracy);
            if front.last().is_none_or(|last| reached > last.0) {
                front.push((reached, accuracy.value, accuracy.interval));
            }
        }
        front
    });
    let certified_within =
        chart(all, [WITHIN, "certified accuracy of the smoothed classifier [1]"], |noise| {
            let figures = RADII.iter().enumerate().filter_map(|(place, &r)| {
                let share = certified(all, noise, place)?;
                Some((r, share.value, share.interval))
            });
            figures.collect()
        });
    Ok(vec![
        ("tradeoff.svg".into(), against?),
        ("certified.svg".into(), certified_within?),
        ("radius.svg".into(), over_widths(RADIUS, radius)?),
        ("accuracy.svg".into(), over_widths(ACCURACY, |at| at.accuracy.accuracy)?),
    ])
}

const WITHIN: &str = "radius, l2 [input unit]";
const RADIUS: &str = "mean certified radius, l2 [input unit]";
const ACCURACY: &str = "accuracy of the smoothed classifier [1]";

/// A curve for each noise of training; linear unless it is over widths.
fn chart(
    all: &[Seen],
    [x, y]: [&str; 2],
    points: impl Fn(f64) -> Vec<(f64, f64, [f64; 2])>,
) -> Result<Vec<u8>> {
    let seeds = all.iter().filter(|seen| seen.noise == 0.0).count();
    let chart = Chart {
        title: format!("Networks through a window of noise, 95 % bands over {seeds} seeds"),
        x: x.into(),
        y: y.into(),
        curves: NOISES.map(|noise| Curve::new(title(noise), points(noise))).into(),
        linear: [RADIUS, WITHIN].contains(&x),
        bound: None,
    };
    Ok(chart.svg()?.into_bytes())
}
