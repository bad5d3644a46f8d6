//! An axis of a chart with given ticks.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::axis::Range;
use crate::figure::significant;

/// The font of all text of a chart: the first of these that the reader has.
pub(super) const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";

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

impl Ticked {
    /// The axis of a range with about `count` ticks.
    pub fn of(range: Range, count: usize) -> Ticked {
        Ticked { low: range.low, high: range.high, ticks: range.ticks(count) }
    }
}

/// A chart to draw on.
pub(super) type Axes<'a, B> = ChartContext<'a, B, Cartesian2d<Ticked, Ticked>>;

/// A chart on an area, with faint lines at the ticks of its axes. These come with what they stand for, and `room` is
/// the width of the ordinate's labels in pixels.
pub(super) fn axes<'a, B: DrawingBackend>(
    area: &'a DrawingArea<B, Shift>,
    caption: &str,
    room: u32,
    [(x, x_name), (y, y_name)]: [(Ticked, &str); 2],
) -> Result<Axes<'a, B>, DrawingAreaErrorKind<B::ErrorType>> {
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 16))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(room)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(x_name)
        .y_desc(y_name)
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 14))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    Ok(chart)
}

/// Where an SVG file is drawn, and whether it could be.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type DrawResult<T> = Result<T, Box<dyn std::error::Error>>;

/// An SVG file of a size in pixels, without a background.
pub(super) fn svg(size: (u32, u32), draw: impl FnOnce(&Area) -> DrawResult<()>) -> DrawResult<String> {
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
    draw(&root)?;
    root.present()?;
    drop(root);
    Ok(text)
}

/// A logarithmic axis with ticks at 1, 2 and 5 times powers of ten; at more within a decade or two, at fewer where there
/// are many.
pub(super) fn decades(range: Range) -> Ticked {
    let (low, high) = (range.low.floor() as i32, range.high.ceil() as i32);
    let parts: &[f64] = match (range.high - range.low).ceil() as i32 {
        ..=1 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
        2..=3 => &[1.0, 2.0, 5.0],
        4..=6 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let values = (low..=high).flat_map(|power| parts.iter().map(move |part| part * 10f64.powi(power)));
    let ticks = values.map(|value| (value.log10(), significant(value, 2)));
    let ticks: Vec<_> = ticks.filter(|(at, _)| (range.low..=range.high).contains(at)).collect();
    if ticks.len() >= 2 {
        return Ticked { low: range.low, high: range.high, ticks };
    }
    let linear = Range::tight(&[range.low, range.high].map(|end| 10f64.powf(end)));
    let ticks = linear.ticks(4).into_iter().map(|(value, text)| (value.log10(), text)).collect();
    Ticked { low: range.low, high: range.high, ticks }
}
