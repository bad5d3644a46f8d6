//! Counts in bins, as SVG.

use plotters::prelude::*;

use super::axis::Range;
use super::ticked::{Area, DrawResult, Ticked, axes, svg};
use crate::{Error, Result};

/// A histogram over bins of equal width.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// What stands above it.
    pub title: String,
    /// The quantity along the bins, with its unit.
    pub x: String,
    /// What the counts are of.
    pub y: String,
    /// The lower end of the first and the upper end of the last bin.
    pub ends: [f64; 2],
    /// How many values are in each bin.
    pub counts: Vec<u64>,
    /// A vertical line, and its name.
    pub mark: Option<(String, f64)>,
}

impl Histogram {
    /// The histogram as an SVG file.
    ///
    /// # Errors
    /// When there are no bins.
    pub fn svg(&self) -> Result<String> {
        let failed = |why: String| Error::Picture { title: self.title.clone(), why };
        let [low, high] = self.ends;
        if self.counts.is_empty() || low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
            return Err(failed("has no bins".into()));
        }
        svg((560, 360), |root| self.draw(root)).map_err(|e| failed(format!("cannot be drawn: {e}")))
    }

    fn draw(&self, root: &Area) -> DrawResult<()> {
        let [low, high] = self.ends;
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let top = 1.08 * most;
        let caption = match &self.mark {
            Some((name, _)) => format!("{}; dashed: {name}", self.title),
            None => self.title.clone(),
        };
        let (x, y) = (Range::tight(&self.ends), Range::tight(&[0.0, top]));
        let mut chart = axes(root, &caption, 66, [(Ticked::of(x, 8), &self.x), (Ticked::of(y, 6), &self.y)])?;
        let width = (high - low) / self.counts.len() as f64;
        let bar = |(i, &count): (usize, &u64)| {
            let left = low + i as f64 * width;
            Rectangle::new(
                [(left, 0.0), (left + width, count as f64)],
                RGBColor(0, 114, 178).mix(0.8).filled(),
            )
        };
        chart.draw_series(self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bar))?;
        if let Some((_, value)) = &self.mark {
            let line = [(*value, 0.0), (*value, top)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, BLACK.stroke_width(1)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filled_bin_has_a_bar() {
        let histogram = Histogram {
            title: "cosines".into(),
            x: "cos [1]".into(),
            y: "samples".into(),
            ends: [-1.0, 1.0],
            counts: vec![0, 3, 1, 0],
            mark: Some(("mean".into(), 0.1)),
        };
        let svg = histogram.svg().unwrap();
        assert_eq!(svg.matches("fill=\"#0072B2\"").count(), 2, "{svg}");
        assert!(svg.contains("cos [1]") && svg.contains("dashed: mean"));
        assert!(Histogram { counts: vec![], ..histogram }.svg().is_err());
    }
}
