//! An axis of a chart with given ticks.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

/// The font of all text of a chart: the reader's own.
pub(super) const FONT: &str = "sans-serif";

/// A linear axis from `low` to `high` with these ticks and their texts.
pub(super) struct Ticked {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<(f64, String)>,
}

impl Ranged for Ticked {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        start + (part * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Ticked {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == value);
        tick.map_or(String::new(), |(_, text)| text.clone())
    }
}

/// Draws the axes of a chart with what they stand for, and faint lines at their ticks.
pub(super) fn mesh<B: DrawingBackend>(
    chart: &mut ChartContext<B, Cartesian2d<Ticked, Ticked>>,
    x: &str,
    y: &str,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 14))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()
}
