//! Points with a colour each, as SVG.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Range;
use super::ticked::{Area, DrawResult, FONT, Ticked, axes, svg};
use crate::{Error, Figure, Result};

/// Named points in a plane, a third figure as their colour.
#[derive(Clone, Debug, Default)]
pub struct Scatter {
    /// What stands above it.
    pub title: String,
    /// The abscissa with its unit.
    pub x: String,
    /// The ordinate with its unit.
    pub y: String,
    /// What the colour stands for, with its unit.
    pub colour: String,
    /// What is drawn.
    pub dots: Vec<Dot>,
}

/// A named point with intervals.
#[derive(Clone, Debug)]
pub struct Dot {
    /// Its name in the legend.
    pub name: String,
    /// The abscissa.
    pub x: Figure,
    /// The ordinate.
    pub y: Figure,
    /// What its colour stands for. Where no two values differ by more than the widest interval is wide, the points have one
    /// colour, which says nothing.
    pub colour: Figure,
    /// Whether it is on the front: a line joins those that are.
    pub front: bool,
}

const SIZE: (u32, u32) = (820, 500);
/// Pixels for the names and the scale of colours.
const LEGEND: u32 = 230;
const LINE: i32 = 20;
/// Of a point, in pixels.
const RADIUS: i32 = 9;

impl Scatter {
    /// The picture as an SVG file.
    ///
    /// # Errors
    /// When there is no finite point.
    pub fn svg(&self) -> Result<String> {
        let failed = |why: String| Error::Picture { title: self.title.clone(), why };
        let dots = self.placed();
        if dots.is_empty() {
            return Err(failed("has nothing to draw".into()));
        }
        svg(SIZE, |root| self.draw(root, &dots)).map_err(|e| failed(format!("cannot be drawn: {e}")))
    }

    /// Whether its colours say more than that they are known of no point, or differ by less than their intervals.
    pub fn has_colours(&self) -> bool {
        let dots = self.placed();
        dots.iter().any(|dot| dot.colour.value.is_finite()) && tells_apart(&dots)
    }

    /// The points that have a place.
    fn placed(&self) -> Vec<&Dot> {
        self.dots.iter().filter(|dot| dot.x.value.is_finite() && dot.y.value.is_finite()).collect()
    }

    fn draw(&self, root: &Area, dots: &[&Dot]) -> DrawResult<()> {
        let range = |of: fn(&Dot) -> Figure| {
            let drawn = dots.iter().map(|dot| of(dot));
            let drawn = drawn.flat_map(|figure| [figure.value, figure.interval[0], figure.interval[1]]);
            Range::tight(&drawn.collect::<Vec<f64>>()).padded()
        };
        let (x, y) = (range(|dot| dot.x), range(|dot| dot.y));
        let colours = Range::tight(&dots.iter().map(|dot| dot.colour.value).collect::<Vec<f64>>());
        let told_apart = tells_apart(dots);
        let colour = |value: f64| {
            let [r, g, b] = if told_apart { colours.colour(value) } else { ONE_COLOUR };
            RGBColor(r, g, b)
        };
        let (area, legend) = root.split_horizontally(SIZE.0 - LEGEND);
        let sides = [(Ticked::of(x, 6), self.x.as_str()), (Ticked::of(y, 6), &self.y)];
        let mut chart = axes(&area, &self.title, 64, sides)?;
        let mut front: Vec<(f64, f64)> =
            dots.iter().filter(|dot| dot.front).map(|dot| (dot.x.value, dot.y.value)).collect();
        front.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Two points are no curve.
        if front.len() > 2 {
            chart.draw_series(DashedLineSeries::new(front, 5, 4, BLACK.mix(0.6).stroke_width(1)))?;
        }
        let grey = BLACK.mix(0.35).stroke_width(1);
        for dot in dots {
            let (x, y) = (dot.x, dot.y);
            chart.draw_series([
                PathElement::new(x.interval.map(|end| (end, y.value)).to_vec(), grey),
                PathElement::new(y.interval.map(|end| (x.value, end)).to_vec(), grey),
            ])?;
        }
        // The number of a point stands in it, and its name beside the number in the legend.
        for (i, dot) in dots.iter().enumerate() {
            let (place, colour) = ((dot.x.value, dot.y.value), colour(dot.colour.value));
            chart.draw_series([Circle::new(place, RADIUS, colour.filled())])?;
            let ink = if is_dark(colour) { WHITE } else { BLACK };
            let style = TextStyle::from((FONT, 11).into_font()).color(&ink);
            let centred = style.pos(Pos::new(HPos::Center, VPos::Center));
            chart.draw_series([Text::new((i + 1).to_string(), place, centred)])?;
        }
        let mut row = 30;
        for (i, dot) in dots.iter().enumerate() {
            legend.draw(&Circle::new((12, row + 6), 6, colour(dot.colour.value).filled()))?;
            legend.draw(&Text::new(format!("{} {}", i + 1, dot.name), (24, row), (FONT, 13)))?;
            row += LINE;
        }
        let places: Vec<(i32, i32)> =
            dots.iter().map(|dot| chart.backend_coord(&(dot.x.value, dot.y.value))).collect();
        for overlapping in overlaps(&places) {
            legend.draw(&Text::new(overlapping, (6, row), (FONT, 12)))?;
            row += LINE;
        }
        row += 14;
        legend.draw(&Text::new(self.colour.clone(), (6, row), (FONT, 13)))?;
        row += LINE;
        if dots.iter().all(|dot| !dot.colour.value.is_finite()) {
            legend.draw(&Text::new("not measured: no colours", (6, row), (FONT, 12)))?;
            return Ok(());
        }
        if !told_apart {
            legend.draw(&Text::new("differs by less than its", (6, row), (FONT, 12)))?;
            legend.draw(&Text::new("intervals: no colours", (6, row + 16), (FONT, 12)))?;
            return Ok(());
        }
        let steps = 60;
        for i in 0..steps {
            let value = colours.low + (colours.high - colours.low) * (i as f64 + 0.5) / f64::from(steps);
            let corner = (6 + 3 * i, row);
            legend.draw(&Rectangle::new([corner, (corner.0 + 3, row + 12)], colour(value).filled()))?;
        }
        for (value, place) in [(colours.low, 6), (colours.high, 6 + 3 * steps - 40)] {
            // As many digits as tell the ends apart.
            let digits = (2.0 - (colours.high - colours.low).log10().floor()).clamp(0.0, 9.0) as usize;
            legend.draw(&Text::new(format!("{value:.digits$}"), (place, row + 16), (FONT, 12)))?;
        }
        Ok(())
    }
}

/// Which points hide each other's numbers.
fn overlaps(places: &[(i32, i32)]) -> Vec<String> {
    let near = |i: usize, k: usize| {
        let (dx, dy) = (places[i].0 - places[k].0, places[i].1 - places[k].1);
        dx * dx + dy * dy < 2 * RADIUS * RADIUS
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for i in 0..places.len() {
        match groups.iter_mut().find(|group| group.iter().any(|&k| near(i, k))) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    let said = |group: &Vec<usize>| {
        let (last, others) = group.split_last()?;
        let others: Vec<String> = others.iter().map(|i| (i + 1).to_string()).collect();
        (!others.is_empty()).then(|| format!("{} and {} overlap", others.join(", "), last + 1))
    };
    groups.iter().filter_map(said).collect()
}

/// Of points whose colours would say nothing.
const ONE_COLOUR: [u8; 3] = [0, 114, 178];

/// Whether colours stand for more than noise.
fn tells_apart(dots: &[&Dot]) -> bool {
    let known = || dots.iter().map(|dot| dot.colour.value).filter(|value| value.is_finite());
    let apart = known().fold(f64::NEG_INFINITY, f64::max) - known().fold(f64::INFINITY, f64::min);
    let widths = dots.iter().map(|dot| dot.colour.interval[1] - dot.colour.interval[0]);
    let widest = widths.filter(|width| width.is_finite()).fold(0.0, f64::max);
    dots.len() < 2 || widest == 0.0 || apart > widest
}

/// Whether white letters read better on this colour (its luma, ITU-R BT.601).
fn is_dark(RGBColor(r, g, b): RGBColor) -> bool {
    0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b) < 140.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_everything() {
        let figure = |value: f64| Figure::new(value, [value - 0.1, value + 0.1]);
        let dot = |name: &str, x: f64, colour| Dot {
            name: name.into(),
            x: figure(x),
            y: figure(1.0 - x),
            colour: figure(colour),
            front: true,
        };
        let picture = Scatter {
            title: "trade-off".into(),
            x: "clean accuracy [1]".into(),
            y: "robust accuracy [1]".into(),
            colour: "drift [1]".into(),
            dots: vec![dot("a <b>", 0.2, 1.0), dot("c", 0.6, 3.0)],
        };
        let svg = picture.svg().unwrap();
        for text in ["clean accuracy [1]", "robust accuracy [1]", "drift [1]", "1 a &lt;b&gt;", "2 c"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(!svg.contains("overlap"), "{svg}");
        let mut hidden = picture.clone();
        hidden.dots.extend([dot("d", 0.2, 1.0), dot("e", 0.6, 3.0), dot("f", 0.2, 1.0)]);
        let svg = hidden.svg().unwrap();
        for text in ["1, 3 and 5 overlap", "2 and 4 overlap"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        let mut same = picture;
        same.dots
            .iter_mut()
            .for_each(|dot| dot.colour.interval = [-1.5, 1.5].map(|end| dot.colour.value + end));
        assert!(same.svg().unwrap().contains("intervals: no colours"));
        assert!(Scatter::default().svg().unwrap_err().to_string().contains("nothing to draw"));
    }
}
