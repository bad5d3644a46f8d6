//! Tables and charts.

use super::{At, SCALE, WindowFigure, mean_of};
use crate::Result;
use crate::experiment::paper::claim::worded;
use crate::experiment::paper::seeds::SEEDS;
use crate::experiment::short;
use crate::picture::{Chart, Curve};
use crate::quadrature::{CoordinateFigures, PlaneReport};

/// The coordinate of the largest spread of the log-gradient, of both labels.
fn largest(report: &PlaneReport, of: impl Fn(&CoordinateFigures) -> f64) -> f64 {
    let coordinates = report.boxes.iter().flat_map(|packet| &packet.coordinates);
    coordinates.max_by(|a, b| a.sigma_p.value.total_cmp(&b.sigma_p.value)).map_or(f64::NAN, of)
}

pub(super) fn table(what: &str, rows: &[&[At]]) -> String {
    let mut text = format!(
        "| {what} | accuracy | box σ_x | box σ_p | product | bound | window σ_x | σ_p | product | drift | dispersion |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for (i, at) in rows[0].iter().enumerate() {
        let accuracy = mean_of(rows, i, |r| 100.0 * r.accuracy.value);
        let of_box: [fn(&CoordinateFigures) -> f64; 4] =
            [|c| c.sigma_x.value, |c| c.sigma_p.value, |c| c.product.value, |c| c.bound.value];
        let of_window: [WindowFigure; 5] =
            [|w| w.sigma_x, |w| w.sigma_p, |w| w.product, |w| w.drift, |w| w.dispersion];
        let cells = of_box.map(|of| worded(&mean_of(rows, i, |r| largest(r, of))));
        let windows = of_window.map(|of| worded(&mean_of(rows, i, |r| of(&r.windows[0]).value)));
        text += &format!(
            "| {} | {} | {} | {} |\n",
            short(at.at),
            worded(&accuracy),
            cells.join(" | "),
            windows.join(" | ")
        );
    }
    text
}

pub(super) fn chart(problem: &str, x: &str, rows: &[&[At]]) -> Result<String> {
    let curve = |name: &str, of: WindowFigure| {
        let figures = rows[0].iter().enumerate().map(|(i, at)| {
            let figure = mean_of(rows, i, |r| of(&r.windows[0]).value);
            (at.at, figure.value, figure.interval)
        });
        Curve::new(name, figures)
    };
    let chart = Chart {
        title: format!(
            "{problem}, Gaussian windows of width {SCALE} at 8 centres: mean of {SEEDS} seeds, 95 % bands"
        ),
        x: x.into(),
        y: "drift, dispersion, product [1]".into(),
        curves: vec![
            curve("drift", |w| w.drift),
            curve("dispersion", |w| w.dispersion),
            curve("product σ_x σ_p", |w| w.product),
        ],
        linear: false,
        bound: Some(("bound ½".into(), 0.5)),
    };
    chart.svg()
}
