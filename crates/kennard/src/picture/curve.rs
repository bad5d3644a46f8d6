//! Figures against a scale, as SVG.

#[cfg(test)]
mod tests;

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::axis::Range;
use super::ticked::{Area, Axes, DrawResult, FONT, Ticked, axes, svg};
use crate::figure::significant;
use crate::{Error, Result};

/// Curves over a common abscissa.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// The abscissa with its unit.
    pub x: String,
    /// The ordinate with its unit.
    pub y: String,
    /// The curves, in the order of the legend.
    pub curves: Vec<Curve>,
    /// Whether the abscissa's axis is linear; else it is logarithmic, and the abscissa positive.
    pub linear: bool,
    /// A line that no figure may cross, and its name.
    pub bound: Option<(String, f64)>,
}

/// A named curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// In the order of the abscissa. Fewer than three, and such that differ by less than their intervals, are drawn as
    /// points with their intervals; others are joined by a line in its band.
    pub figures: Vec<ChartPoint>,
    /// Whether each figure counts a part of what the one before it counts, so that the curve can only fall: three are
    /// joined however wide their intervals are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nested: bool,
}

/// A point of a curve with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChartPoint {
    /// The abscissa.
    pub x: f64,
    /// The ordinate.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end of its interval.
    pub high: f64,
}

impl ChartPoint {
    /// Whether it and its interval are numbers.
    pub(super) fn is_finite(&self) -> bool {
        [self.x, self.value, self.low, self.high].iter().all(|v| v.is_finite())
    }
}

impl Curve {
    /// A curve through values at abscissas, each with its interval.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64, [f64; 2])>) -> Curve {
        let point = |(x, value, [low, high]): (f64, f64, [f64; 2])| ChartPoint { x, value, low, high };
        Curve { name: name.into(), figures: points.into_iter().map(point).collect(), nested: false }
    }
}

/// The palette of Okabe and Ito, without yellow and black.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const SIZE: (u32, u32) = (720, 440);
/// Pixels for the names of the curves.
const LEGEND: u32 = 190;
const LINE: i32 = 22;

impl Chart {
    /// The chart as an SVG file; a line that says so where all figures differ by less than their intervals are wide, as
    /// an axis fitted to them would show noise for a trend.
    ///
    /// # Errors
    /// When there is no finite figure that can be drawn.
    pub fn svg(&self) -> Result<String> {
        let figures = || self.curves.iter().flat_map(|curve| &curve.figures).filter(|f| self.draws(f));
        let xs: Vec<f64> = figures().map(|f| self.place(f.x)).collect();
        if xs.is_empty() {
            return Err(self.failed("has nothing to draw".into()));
        }
        let drawn: Vec<&ChartPoint> = figures().collect();
        let nested = self.curves.iter().any(|curve| curve.nested);
        if !nested && drawn.len() > 1 && within_noise(&drawn).is_some() {
            return self.undrawn();
        }
        let bound = self.bound.iter().map(|(_, value)| *value);
        let ys: Vec<f64> = figures().flat_map(|f| [f.value, f.low, f.high]).chain(bound).collect();
        let (x, y) = (Range::tight(&xs).padded(), Range::tight(&ys).padded());
        svg(SIZE, |root| self.draw(root, x, y)).map_err(|e| self.failed(format!("cannot be drawn: {e}")))
    }

    fn failed(&self, why: String) -> Error {
        Error::Picture { title: self.title.clone(), why }
    }

    /// A line in place of a chart whose axis would be narrower than the intervals on it.
    fn undrawn(&self) -> Result<String> {
        let title = TextStyle::from((FONT, 16).into_font());
        let words = [
            self.title.clone(),
            format!("Not drawn: {} differs over {} by less than its intervals are wide.", self.y, self.x),
        ];
        svg((SIZE.0, 80), |root| {
            root.draw_text(&words[0], &title, (16, 14))?;
            Ok(root.draw_text(&words[1], &TextStyle::from((FONT, 14).into_font()), (16, 46))?)
        })
        .map_err(|e| self.failed(format!("cannot be drawn: {e}")))
    }

    fn draw(&self, root: &Area, x: Range, y: Range) -> DrawResult<()> {
        let (area, legend) = root.split_horizontally(SIZE.0 - LEGEND);
        let mut x_axis = Ticked::of(x, 8);
        if !self.linear {
            x_axis.ticks = self.x_ticks();
        }
        let mut chart = axes(&area, &self.title, 72, [(x_axis, &self.x), (Ticked::of(y, 6), &self.y)])?;
        let mut row = 40;
        let mut name = |style: ShapeStyle, name: &str| {
            let line = PathElement::new(vec![(6, row), (30, row)], style);
            let text = Text::new(name.to_string(), (38, row - 7), (FONT, 14));
            row += LINE;
            legend.draw(&line).and_then(|()| legend.draw(&text))
        };
        for (i, curve) in self.curves.iter().enumerate() {
            let colour = PALETTE[i % PALETTE.len()];
            let placed = |f: &ChartPoint| ChartPoint { x: self.place(f.x), ..*f };
            let figures: Vec<ChartPoint> =
                curve.figures.iter().filter(|f| self.draws(f)).map(placed).collect();
            let shown = Curve { figures, ..curve.clone() };
            draw_curve(&mut chart, &shown, colour, !self.linear)?;
            name(colour.stroke_width(2), &curve.name)?;
        }
        if let Some((text, value)) = &self.bound {
            let line = [(x.low, *value), (x.high, *value)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, BLACK.stroke_width(1)))?;
            name(BLACK.stroke_width(1), &format!("{text} (dashed)"))?;
        }
        Ok(())
    }

    /// Where an abscissa is on its axis.
    fn place(&self, x: f64) -> f64 {
        if self.linear { x } else { x.ln() }
    }

    fn draws(&self, figure: &ChartPoint) -> bool {
        ChartPoint { x: self.place(figure.x), ..*figure }.is_finite()
    }

    /// The abscissas themselves where they are few, else some of them.
    fn x_ticks(&self) -> Vec<(f64, String)> {
        let mut xs: Vec<f64> =
            self.curves.iter().flat_map(|c| &c.figures).filter(|f| self.draws(f)).map(|f| f.x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let span = xs.last().zip(xs.first()).map_or(0.0, |(last, first)| (last / first).ln());
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for x in xs {
            // Labels need about a tenth of the axis each.
            if ticks.last().is_none_or(|(last, _)| x.ln() - last >= span / 9.0) {
                ticks.push((x.ln(), significant(x, 3)));
            }
        }
        ticks
    }
}

/// Draws finite figures at their places on the axes: joined by a line in their band, or as points with their intervals.
/// `marked`: a line has points too; those of a function are no measurements.
pub(super) fn draw_curve(
    chart: &mut Axes<SVGBackend>,
    Curve { figures, nested, .. }: &Curve,
    colour: RGBColor,
    marked: bool,
) -> DrawResult<()> {
    let line: Vec<(f64, f64)> = figures.iter().map(|f| (f.x, f.value)).collect();
    let loose = !is_trend(figures, *nested);
    if loose {
        let interval = |f: &ChartPoint| vec![(f.x, f.low), (f.x, f.high)];
        chart.draw_series(figures.iter().map(|f| PathElement::new(interval(f), colour.stroke_width(1))))?;
    } else {
        let upper = figures.iter().map(|f| (f.x, f.high));
        let lower = figures.iter().rev().map(|f| (f.x, f.low));
        chart.draw_series([Polygon::new(upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.2))])?;
        chart.draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?;
    }
    let marks = line.into_iter().filter(|_| loose || marked);
    chart.draw_series(marks.map(|point| Circle::new(point, 3, colour.filled())))?;
    Ok(())
}

/// Whether figures may be joined by a line: there are three at least, and they are farther apart than their intervals
/// are wide, or nested.
fn is_trend(figures: &[ChartPoint], nested: bool) -> bool {
    figures.len() >= 3 && (nested || within_noise(&figures.iter().collect::<Vec<_>>()).is_none())
}

/// Where figures differ by less than their intervals, all of which have a value in common: the lowest, the highest, and the width
/// of the widest interval.
pub(super) fn within_noise(figures: &[&ChartPoint]) -> Option<[f64; 3]> {
    let low = figures.iter().map(|f| f.value).fold(f64::INFINITY, f64::min);
    let high = figures.iter().map(|f| f.value).fold(f64::NEG_INFINITY, f64::max);
    let widest = figures.iter().map(|f| f.high - f.low).fold(0.0, f64::max);
    // However wide one interval is, two that lie apart from each other show something.
    let low_end = figures.iter().map(|f| f.low).fold(f64::NEG_INFINITY, f64::max);
    let high_end = figures.iter().map(|f| f.high).fold(f64::INFINITY, f64::min);
    let common = low_end <= high_end;
    (widest > 0.0 && high - low <= widest && common).then_some([low, high, widest])
}
