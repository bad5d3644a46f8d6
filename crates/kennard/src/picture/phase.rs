//! Position spread against conjugate spread, as SVG.

#[cfg(test)]
mod tests;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Range;
use super::curve::{ChartPoint, within_noise};
use super::ticked::{Area, Axes, DrawResult, FONT, axes, decades, svg};
use crate::figure::significant;
use crate::{Error, Figure, Result};

/// The plane of `log σ_x` against `log σ_p` with the line `σ_x σ_p = ½`: a path of packets for each way of training,
/// a third figure as their colour.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// What stands above it.
    pub title: String,
    /// The unit of positions.
    pub unit: String,
    /// What the colour stands for, with its unit.
    pub colour: String,
    /// What is drawn.
    pub paths: Vec<PhasePath>,
}

/// Packets of one network while it learns; the path ends in an arrow, a large point and its intervals.
#[derive(Clone, Debug, Default)]
pub struct PhasePath {
    /// Its name.
    pub name: String,
    /// In the order of time.
    pub points: Vec<PhasePoint>,
    /// Where the last packet is, as `[σ_x, σ_p]`, once the logits are multiplied with a factor: grey arrows lead there
    /// from the path's end.
    pub temperatures: Vec<[f64; 2]>,
}

/// A packet's spreads and the figure that its colour stands for, each with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhasePoint {
    /// The position spread, in input units.
    pub sigma_x: Figure,
    /// The conjugate spread, in 1/input units.
    pub sigma_p: Figure,
    /// The third figure.
    pub colour: Figure,
}

/// Two columns of a journal: 7 inches.
const SIZE: (u32, u32) = (672, 480);
/// Pixels for the scale of colours and the names.
const LEGEND: u32 = 170;
/// Pixels between the frame and the axes: of the ordinate's labels, the title and the abscissa's labels.
const ROOM: [u32; 2] = [60 + 24, 12 + 24 + 46 + 12];
const GREY: RGBColor = RGBColor(130, 130, 130);
const LINE: i32 = 20;

impl Phase {
    /// The picture as an SVG file of 7 inches' width, without a background. A decade is as long on either axis, so the
    /// line falls by 45°. Where the packets differ along an axis by less than their intervals, there is a sentence in
    /// place of the picture.
    ///
    /// # Errors
    /// When no packet has two positive spreads.
    pub fn svg(&self) -> Result<String> {
        let failed = |why: String| Error::Picture { title: self.title.clone(), why };
        if self.points().next().is_none() {
            return Err(failed("has nothing to draw".into()));
        }
        let drawn = match self.why_not_drawn() {
            None => svg(SIZE, |root| self.draw(root)),
            Some(why) => svg((SIZE.0, 70), |root| {
                root.draw(&Text::new(self.title.clone(), (12, 10), (FONT, 16)))?;
                Ok(root.draw(&Text::new(why.clone(), (12, 40), (FONT, 12)))?)
            }),
        };
        drawn.map_err(|e| failed(format!("cannot be drawn: {e}")))
    }

    /// Why a reader would see only noise; nothing where there is more.
    pub fn why_not_drawn(&self) -> Option<String> {
        let noise = |name: &str, of: fn(&PhasePoint) -> Figure| {
            let [low, high, widest] = noise(self.points(), of)?;
            Some(format!(
                "Not drawn: {name} is {} to {} in all packets, which differ by less than their intervals (up to {} wide).",
                significant(low, 4),
                significant(high, 4),
                significant(widest, 2)
            ))
        };
        noise("σ_x", |p| p.sigma_x).or_else(|| noise("σ_p", |p| p.sigma_p))
    }

    fn points(&self) -> impl Iterator<Item = &PhasePoint> {
        self.paths.iter().flat_map(PhasePath::drawn)
    }

    fn draw(&self, root: &Area) -> DrawResult<()> {
        let moved =
            self.paths.iter().flat_map(|path| &path.temperatures).filter(|at| at.iter().all(|v| *v > 0.0));
        let places: Vec<[f64; 2]> =
            self.points().map(|p| [p.sigma_x.value, p.sigma_p.value]).chain(moved.copied()).collect();
        let ends = self
            .points()
            .flat_map(|p| [0, 1].map(|i| [p.sigma_x, p.sigma_p].map(|spread| spread.interval[i])));
        let ends = ends.filter(|end| end.iter().all(|v| *v > 0.0 && v.is_finite()));
        let all: Vec<[f64; 2]> = places.iter().copied().chain(ends).collect();
        let log =
            |values: Vec<f64>| Range::tight(&values.iter().map(|v| v.log10()).collect::<Vec<_>>()).padded();
        let x = log(all.iter().map(|at| at[0]).collect());
        // The line is in the picture somewhere.
        let nearest = all.iter().map(|at| 0.5 / at[0]).max_by(f64::total_cmp);
        let y = log(all.iter().map(|at| at[1]).chain(nearest).collect());
        let [x, y] = equally_long(x, y);

        let (area, legend) = root.split_horizontally(SIZE.0 - LEGEND);
        let names = [format!("σ_x [{}]", self.unit), format!("σ_p [1/{}]", self.unit)];
        let sides = [(decades(x), names[0].as_str()), (decades(y), names[1].as_str())];
        let mut chart = axes(&area, &self.title, 60, sides)?;
        let [low, high] = [x.low.max(0.5f64.log10() - y.high), x.high.min(0.5f64.log10() - y.low)];
        if low < high {
            let line = [low, high].map(|x| (x, 0.5f64.log10() - x));
            chart.draw_series(DashedLineSeries::new(line, 6, 4, BLACK.stroke_width(1)))?;
        }
        let colours = Range::tight(&self.points().map(|p| p.colour.value).collect::<Vec<_>>());
        let plain = noise(self.points(), |p| p.colour).is_some();
        let colour = |value: f64| {
            let [r, g, b] = colours.colour(value);
            if plain { RGBColor(90, 90, 90) } else { RGBColor(r, g, b) }
        };
        for path in &self.paths {
            path.draw(&mut chart, &colour)?;
        }
        self.number(&mut chart)?;
        self.explain(&legend, &colours, plain, &colour)
    }

    /// Numbers right of the paths' ends, each at least a line below the one above it.
    fn number(&self, chart: &mut Axes<SVGBackend>) -> DrawResult<()> {
        let ends = self.paths.iter().enumerate();
        let ends = ends.filter_map(|(i, path)| Some((i, path.drawn().last()?.place())));
        let mut ends: Vec<_> = ends.map(|(i, end)| (i, end, chart.backend_coord(&end).1)).collect();
        ends.sort_by_key(|(_, _, height)| *height);
        let style = TextStyle::from((FONT, 13).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
        let mut free = i32::MIN;
        for (i, end, height) in ends {
            let at = height.max(free);
            free = at + 13;
            let (from, to) = ((8, 0), (24, at - height));
            let line = PathElement::new(vec![from, to], BLACK.mix(0.35).stroke_width(1));
            let name = Text::new((i + 1).to_string(), (to.0 + 3, to.1), style.clone());
            chart.draw_series([EmptyElement::at(end) + line + name])?;
        }
        Ok(())
    }

    /// The names of the paths and the scale of colours.
    fn explain(
        &self,
        legend: &Area,
        colours: &Range,
        plain: bool,
        colour: &dyn Fn(f64) -> RGBColor,
    ) -> DrawResult<()> {
        let mut row = 40;
        let mut say = |text: String, grey: bool| {
            let style = TextStyle::from((FONT, 13).into_font()).color(if grey { &GREY } else { &BLACK });
            row += LINE;
            legend.draw(&Text::new(text, (6, row - LINE), style)).map(|()| row)
        };
        for (i, path) in self.paths.iter().enumerate() {
            say(format!("{} {}", i + 1, path.name), false)?;
        }
        say("dashed: σ_x σ_p = ½".into(), false)?;
        if self.paths.iter().any(|path| !path.temperatures.is_empty()) {
            say("grey: logits × a factor".into(), true)?;
        }
        let mut row = say(self.colour.clone(), false)?;
        if plain {
            say("differs by less than its".into(), true)?;
            say("intervals: not coloured".into(), true)?;
            return Ok(());
        }
        let steps = 50;
        for i in 0..steps {
            let value = colours.low + (colours.high - colours.low) * (f64::from(i) + 0.5) / f64::from(steps);
            let corner = (6 + 3 * i, row);
            legend.draw(&Rectangle::new([corner, (corner.0 + 3, row + 12)], colour(value).filled()))?;
        }
        row += 16;
        for (value, place) in [(colours.low, 6), (colours.high, 6 + 3 * steps - 30)] {
            legend.draw(&Text::new(significant(value, 3), (place, row), (FONT, 12)))?;
        }
        Ok(())
    }
}

impl PhasePoint {
    fn is_drawn(&self) -> bool {
        [self.sigma_x, self.sigma_p].iter().all(|spread| spread.value > 0.0 && spread.value.is_finite())
    }

    /// Its place on logarithmic axes.
    fn place(&self) -> (f64, f64) {
        (self.sigma_x.value.log10(), self.sigma_p.value.log10())
    }
}

impl PhasePath {
    fn drawn(&self) -> impl DoubleEndedIterator<Item = &PhasePoint> {
        self.points.iter().filter(|point| point.is_drawn())
    }

    fn draw(&self, chart: &mut Axes<SVGBackend>, colour: &dyn Fn(f64) -> RGBColor) -> DrawResult<()> {
        let points: Vec<&PhasePoint> = self.drawn().collect();
        let line: Vec<(f64, f64)> = points.iter().map(|point| point.place()).collect();
        let Some(&end) = line.last() else { return Ok(()) };
        for to in self.temperatures.iter().filter(|at| at.iter().all(|v| *v > 0.0)) {
            let to = (to[0].log10(), to[1].log10());
            chart.draw_series([PathElement::new(vec![end, to], GREY.stroke_width(1))])?;
            head(chart, end, to, GREY)?;
        }
        chart.draw_series(LineSeries::new(line.clone(), BLACK.mix(0.6).stroke_width(1)))?;
        let bars = points.last().into_iter().flat_map(|p| {
            let [x, y] = [p.sigma_x, p.sigma_p].map(|spread| spread.interval.map(f64::log10));
            let (at_x, at_y) = p.place();
            [vec![(x[0], at_y), (x[1], at_y)], vec![(at_x, y[0]), (at_x, y[1])]]
        });
        let bars = bars.filter(|bar| bar.iter().all(|(x, y)| x.is_finite() && y.is_finite()));
        chart.draw_series(bars.map(|bar| PathElement::new(bar, BLACK.mix(0.35).stroke_width(1))))?;
        let sizes = std::iter::repeat_n(2, points.len() - 1).chain([5]);
        let circle =
            |(p, size): (&&PhasePoint, i32)| Circle::new(p.place(), size, colour(p.colour.value).filled());
        chart.draw_series(points.iter().zip(sizes).map(circle))?;
        if let [.., before, last] = line.as_slice() {
            head(chart, *before, *last, BLACK)?;
        }
        Ok(())
    }
}

/// The head of an arrow that ends at the rim of the point at `to`. A step is as long on either axis.
fn head(chart: &mut Axes<SVGBackend>, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> DrawResult<()> {
    let (x, y) = (to.0 - from.0, from.1 - to.1);
    let length = x.hypot(y);
    if length > 0.0 {
        let (x, y) = (x / length, y / length);
        let corner = |along: f64, across: f64| {
            ((along * x - across * y).round() as i32, (along * y + across * x).round() as i32)
        };
        let tip =
            Polygon::new(vec![corner(-5.0, 0.0), corner(-15.0, 4.0), corner(-15.0, -4.0)], colour.filled());
        chart.draw_series([EmptyElement::at(to) + tip])?;
    }
    Ok(())
}

/// Where figures differ by less than their intervals: the lowest, the highest, and the widest interval.
fn noise<'a>(
    points: impl Iterator<Item = &'a PhasePoint>,
    of: fn(&PhasePoint) -> Figure,
) -> Option<[f64; 3]> {
    let figure = |point: &PhasePoint| {
        let Figure { value, interval: [low, high], .. } = of(point);
        ChartPoint { x: 0.0, value, low, high }
    };
    let figures: Vec<ChartPoint> = points.map(figure).collect();
    within_noise(&figures.iter().collect::<Vec<_>>())
}

/// The ranges widened so that a step is as long on either axis.
fn equally_long(mut x: Range, mut y: Range) -> [Range; 2] {
    let [width, height] = [SIZE.0 - LEGEND - ROOM[0], SIZE.1 - ROOM[1]].map(f64::from);
    let step = ((x.high - x.low) / width).max((y.high - y.low) / height);
    for (range, length) in [(&mut x, width), (&mut y, height)] {
        let more = 0.5 * (step * length - (range.high - range.low));
        (range.low, range.high) = (range.low - more, range.high + more);
    }
    [x, y]
}
