//! Panels below one another over a common abscissa, as SVG.

use itertools::Itertools;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::axis::Range;
use super::curve::{ChartPoint, Curve, PALETTE, draw_curve, within_noise};
use super::ticked::{Area, DrawResult, FONT, Ticked, svg};
use crate::figure::significant;
use crate::{Error, Result};

/// Panels below one another that share their abscissa.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Panels {
    /// What stands above them.
    pub title: String,
    /// The abscissa with its unit.
    pub x: String,
    /// From top to bottom. One that has no figure is left out; in place of one whose curves differ by less than their
    /// intervals, each by itself and any two, words say so.
    pub panels: Vec<Panel>,
}

/// Curves with an ordinate of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// The ordinate with its unit.
    pub y: String,
    /// The curves, in the order of the legend.
    pub curves: Vec<Curve>,
}

/// Two columns of a journal: 7 inches.
const WIDTH: u32 = 672;
const HEAD: u32 = 34;
const PANEL: u32 = 128;
/// The height of what stands in place of a panel: a line, and each that follows.
const NOTE: u32 = 26;
const MORE: u32 = 16;
/// The characters of such a line.
const LINE: usize = 104;
/// What the abscissa's labels take below the last panel.
const FOOT: u32 = 44;
/// Pixels for the names of curves.
const LEGEND: u32 = 150;
/// Pixels for the ordinate's labels.
const LABELS: u32 = 66;

impl Panels {
    /// The panels as an SVG file of 7 inches' width, without a background.
    ///
    /// # Errors
    /// When there is no finite figure.
    pub fn svg(&self) -> Result<String> {
        let failed = |why: String| Error::Picture { title: self.title.clone(), why };
        let shown: Vec<(&Panel, Option<String>)> = self
            .panels
            .iter()
            .filter(|panel| panel.points().next().is_some())
            .map(|panel| (panel, panel.why_not_drawn()))
            .collect();
        if shown.is_empty() {
            return Err(failed("has nothing to draw".into()));
        }
        let height = |why: &Option<String>| match why {
            Some(why) => NOTE + MORE * (lines(why).len() as u32 - 1),
            None => PANEL,
        };
        let heights: u32 = shown.iter().map(|(_, why)| height(why)).sum();
        let size = (WIDTH, HEAD + heights + FOOT);
        svg(size, |root| self.draw(root, &shown, height)).map_err(|e| failed(format!("cannot be drawn: {e}")))
    }

    fn draw(
        &self,
        root: &Area,
        shown: &[(&Panel, Option<String>)],
        height: impl Fn(&Option<String>) -> u32,
    ) -> DrawResult<()> {
        root.draw(&Text::new(self.title.clone(), (12, 10), (FONT, 16)))?;
        let xs = shown.iter().flat_map(|(panel, _)| panel.points()).map(|point| point.x);
        let x = Range::tight(&xs.collect::<Vec<f64>>()).padded();
        let last = shown.iter().rposition(|(_, why)| why.is_none());
        let mut top = HEAD;
        for (i, (panel, why)) in shown.iter().enumerate() {
            let foot = if last == Some(i) { FOOT } else { 0 };
            let (_, below) = root.split_vertically(top);
            let (area, _) = below.split_vertically(height(why) + foot);
            match why {
                Some(why) => {
                    let ink = BLACK.mix(0.7);
                    let grey = TextStyle::from((FONT, 12).into_font()).color(&ink);
                    for (line, row) in lines(why).into_iter().zip((6..).step_by(MORE as usize)) {
                        area.draw(&Text::new(line, (12, row), grey.clone()))?;
                    }
                }
                None => panel.draw(&area, x, foot, &self.x)?,
            }
            top += height(why) + foot;
        }
        Ok(())
    }
}

impl Panel {
    fn points(&self) -> impl Iterator<Item = &ChartPoint> {
        self.curves.iter().flat_map(|curve| &curve.figures).filter(|point| point.is_finite())
    }

    /// Why a reader would see only noise; nothing where a curve shows more, or two differ.
    pub fn why_not_drawn(&self) -> Option<String> {
        let figures = |curve: &Curve| -> Vec<ChartPoint> {
            curve.figures.iter().filter(|point| point.is_finite()).copied().collect()
        };
        let curves: Vec<(&str, Vec<ChartPoint>)> = self
            .curves
            .iter()
            .map(|curve| (curve.name.as_str(), figures(curve)))
            .filter(|(_, figures)| !figures.is_empty())
            .collect();
        let differ = curves.iter().array_combinations().any(|[(_, one), (_, other)]| apart(one, other));
        if curves.is_empty() || differ {
            return None;
        }
        let found: Option<Vec<[f64; 3]>> =
            curves.iter().map(|(_, figures)| within_noise(&figures.iter().collect::<Vec<_>>())).collect();
        let found = found?;
        let named = curves.iter().zip(&found).map(|((name, _), [low, high, _])| {
            let name = if curves.len() > 1 { format!("{name} is ") } else { String::new() };
            let [low, high] = [low, high].map(|end| significant(*end, 4));
            if low == high { format!("{name}{low}") } else { format!("{name}{low} to {high}") }
        });
        let widest = found.iter().map(|[.., widest]| *widest).fold(0.0, f64::max);
        Some(format!(
            "{}: {}, which differ by less than their intervals (up to {} wide), so they are not drawn",
            self.y,
            named.collect::<Vec<_>>().join(", "),
            significant(widest, 2)
        ))
    }

    /// There is no epoch between two.
    fn abscissa(&self, range: Range) -> Ticked {
        let mut axis = Ticked::of(range, 8);
        if self.points().all(|point| point.x.fract() == 0.0) {
            axis.ticks.retain(|(at, _)| (at - at.round()).abs() < 1e-9);
            axis.ticks.iter_mut().for_each(|(at, text)| *text = format!("{at:.0}"));
        }
        axis
    }

    fn draw(&self, area: &Area, x: Range, foot: u32, x_name: &str) -> DrawResult<()> {
        let (plot, legend) = area.split_horizontally(WIDTH - LEGEND);
        let ys: Vec<f64> = self.points().flat_map(|p| [p.value, p.low, p.high]).collect();
        let y = Range::tight(&ys).padded();
        let mut chart = ChartBuilder::on(&plot)
            .margin_left(12)
            .margin_right(8)
            .margin_top(6)
            .margin_bottom(4)
            .x_label_area_size(foot)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(self.abscissa(x), Ticked::of(y, 4))?;
        let mut mesh = chart.configure_mesh();
        mesh.y_desc(&self.y).label_style((FONT, 12)).axis_desc_style((FONT, 12));
        if foot > 0 {
            mesh.x_desc(x_name);
        }
        mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.12)).draw()?;
        for (i, curve) in self.curves.iter().enumerate() {
            let colour = PALETTE[i % PALETTE.len()];
            let figures: Vec<ChartPoint> = curve.figures.iter().filter(|p| p.is_finite()).copied().collect();
            if figures.is_empty() {
                continue;
            }
            draw_curve(&mut chart, &Curve { figures, ..curve.clone() }, colour, true)?;
            let row = 16 + 20 * i as i32;
            legend.draw(&PathElement::new(vec![(4, row), (24, row)], colour.stroke_width(2)))?;
            legend.draw(&Text::new(curve.name.clone(), (30, row - 7), (FONT, 13)))?;
        }
        Ok(())
    }
}

/// Whether two curves differ by more than their intervals somewhere.
fn apart(one: &[ChartPoint], other: &[ChartPoint]) -> bool {
    let differ = |a: &ChartPoint, b: &ChartPoint| a.x == b.x && (a.low > b.high || b.low > a.high);
    one.iter().any(|a| other.iter().any(|b| differ(a, b)))
}

/// A text in lines, broken between words.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let fits = |line: &&mut String| line.chars().count() + 1 + word.chars().count() <= LINE;
        match lines.last_mut().filter(fits) {
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(y: &str, values: [f64; 3], half: f64) -> Panel {
        let figures = values.iter().zip(1..).map(|(v, x)| (f64::from(x), *v, [v - half, v + half]));
        Panel { y: y.into(), curves: vec![Curve::new("clean <b>", figures)] }
    }

    #[test]
    fn panels_share_an_abscissa_and_noise_is_not_drawn() {
        let panels = Panels {
            title: "training".into(),
            x: "epoch [1]".into(),
            panels: vec![
                panel("accuracy [1]", [0.2, 0.6, 0.9], 0.05),
                panel("σ_x excess [1]", [0.010, 0.011, 0.012], 0.1),
                panel("missing [1]", [f64::NAN; 3], 0.0),
            ],
        };
        let svg = panels.svg().unwrap();
        assert_eq!(svg.matches("epoch [1]").count(), 1, "{svg}");
        assert!(svg.contains("clean &lt;b&gt;") && !svg.contains("missing [1]"), "{svg}");
        let note =
            "σ_x excess [1]: 0.01 to 0.012, which differ by less than their intervals (up to 0.2 wide)";
        assert!(svg.contains(note), "{svg}");
        // Nothing lies behind the picture.
        assert!(!svg.contains("fill=\"#FFFFFF\""), "{svg}");
        assert!(Panels::default().svg().unwrap_err().to_string().contains("nothing to draw"));
    }

    #[test]
    fn curves_are_judged_one_by_one_and_by_twos() {
        let two = |clean: [f64; 3], robust: [f64; 3]| {
            let curve = |name: &str, values: [f64; 3], half: f64| Curve {
                name: name.into(),
                ..panel("", values, half).curves.remove(0)
            };
            let curves = vec![curve("clean", clean, 0.15), curve("robust", robust, 0.05)];
            Panel { y: "accuracy [1]".into(), curves }
        };
        let near = two([0.2, 0.25, 0.33], [0.2; 3]);
        let why = "accuracy [1]: clean is 0.2 to 0.33, robust is 0.2, which differ by less than their intervals \
                   (up to 0.3 wide), so they are not drawn";
        assert_eq!(near.why_not_drawn().as_deref(), Some(why));
        // Two differ, where neither shows a trend.
        assert_eq!(two([0.2, 0.25, 0.33], [0.0; 3]).why_not_drawn(), None);
        // One falls, and the other's wide intervals do not hide it.
        assert_eq!(two([0.3; 3], [0.4, 0.3, 0.2]).why_not_drawn(), None);
        let panels = Panels { title: "t".into(), x: "epoch [1]".into(), panels: vec![near] };
        let svg = panels.svg().unwrap();
        assert!(
            svg.contains("accuracy [1]: clean is 0.2 to 0.33") && svg.contains("so they are not drawn"),
            "{svg}"
        );
        assert_eq!(lines(why).concat().len() + lines(why).len() - 1, why.len());
        assert!(lines(why).len() > 1 && lines(why).iter().all(|line| line.chars().count() <= LINE));
    }
}
