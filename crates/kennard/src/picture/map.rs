//! One number per input element, in the input's shape.

use super::axis::Range;
use super::canvas::{Canvas, LINE};
use crate::{Error, Result};

/// A map: `σ_x,i`, `σ_p,i`, a mode, contributions, or anything else with a number per input element.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    /// What is shown, in ASCII.
    pub title: &'a str,
    /// Its unit, in ASCII; `1` without.
    pub unit: &'a str,
    /// The input's shape: `[channels, height, width]`, `[height, width]` or `[d]`, which is shown as
    /// one row. Axes before those count as channels.
    pub shape: &'a [usize],
    /// The numbers, row-major.
    pub values: &'a [f64],
    /// Whether the sign matters, as in modes: zero is white then.
    pub signed: bool,
}

/// Around everything, and between panels.
const MARGIN: i64 = 16;
/// A panel is enlarged to about this width and height.
const PANEL: usize = 280;
/// More channels than these make no readable picture.
const MOST_PANELS: usize = 16;
const BAR: i64 = 16;

impl Map<'_> {
    /// The map as a PNG file, every channel in a panel, with a scale bar.
    ///
    /// # Errors
    /// When the shape does not hold the values, is empty, or has more than 16 channels.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (panels, height, width) = self.layout()?;
        let zoom = (PANEL / height.max(width)).max(1) as i64;
        let (panel_width, panel_height) = (width as i64 * zoom, height as i64 * zoom);
        let range = Range::of(self.values, self.signed);
        let ticks = range.ticks(5);
        let labels = ticks.iter().map(|(_, text)| Canvas::width_of(text)).max().unwrap_or(0);
        let title = format!("{} [{}]", self.title, self.unit);
        let head = MARGIN + LINE + MARGIN / 2 + if panels > 1 { LINE } else { 0 };
        let bar_height = panel_height.max(6 * LINE);
        let right = MARGIN + panels as i64 * (panel_width + MARGIN);
        let full_width = (right + BAR + 8 + labels + MARGIN).max(Canvas::width_of(&title) + 2 * MARGIN);
        let mut canvas = Canvas::new(full_width, head + bar_height + MARGIN);
        canvas.text(MARGIN, MARGIN, &title);
        for (panel, values) in self.values.chunks_exact(height * width).enumerate() {
            let left = MARGIN + panel as i64 * (panel_width + MARGIN);
            if panels > 1 {
                canvas.text(left, head - LINE - 2, &format!("channel {panel}"));
            }
            for (place, &value) in values.iter().enumerate() {
                let (row, column) = ((place / width) as i64, (place % width) as i64);
                canvas.fill(left + column * zoom, head + row * zoom, zoom, zoom, range.colour(value));
            }
            canvas.frame(left, head, panel_width, panel_height);
        }
        scale_bar(&mut canvas, right, head, bar_height, &range, &ticks);
        canvas.png()
    }

    /// Panels, and their height and width.
    fn layout(&self) -> Result<(usize, usize, usize)> {
        let (panels, height, width) = match *self.shape {
            [] => (1, 1, 1),
            [width] => (1, 1, width),
            [ref channels @ .., height, width] => (channels.iter().product(), height, width),
        };
        let failed = |why: String| Err(Error::Picture { title: self.title.into(), why });
        if self.values.is_empty() || panels * height * width != self.values.len() {
            return failed(format!(
                "of shape {:?} has {} values; give as many as the shape holds, and at least one",
                self.shape,
                self.values.len()
            ));
        }
        if panels > MOST_PANELS {
            return failed(format!(
                "of shape {:?} would have {panels} panels; draw at most {MOST_PANELS} channels",
                self.shape
            ));
        }
        Ok((panels, height, width))
    }
}

/// The colours of a range from bottom to top, with numbers.
pub(super) fn scale_bar(
    canvas: &mut Canvas,
    left: i64,
    top: i64,
    height: i64,
    range: &Range,
    ticks: &[(f64, String)],
) {
    for row in 0..height {
        let t = 1.0 - (row as f64 + 0.5) / height as f64;
        canvas.fill(left, top + row, BAR, 1, range.colour(range.low + t * (range.high - range.low)));
    }
    canvas.frame(left, top, BAR, height);
    for (value, text) in ticks {
        let t = (value - range.low) / (range.high - range.low);
        let row = top + ((1.0 - t) * height as f64).round() as i64;
        canvas.fill(left + BAR, row, 4, 1, super::canvas::BLACK);
        canvas.text(left + BAR + 8, row - LINE / 2, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<'a>(shape: &'a [usize], values: &'a [f64]) -> Map<'a> {
        Map { title: "sigma_p", unit: "1/input unit", shape, values, signed: false }
    }

    /// The corners of a 2×3 map have the colours of their values, enlarged.
    #[test]
    fn pixels_have_the_colours_of_their_values() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let png = map(&[1, 2, 3], &values).png().unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        let range = Range::of(&values, false);
        let (top, zoom) = (40, 93);
        for (place, &value) in values.iter().enumerate() {
            let (row, column) = ((place / 3) as u32, (place % 3) as u32);
            for inset in [0, zoom - 1] {
                let pixel = image.get_pixel(16 + column * zoom + inset, top + row * zoom + inset).0;
                assert_eq!(pixel, range.colour(value), "value {value}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let message = map(&[2, 2], &[1.0; 3]).png().unwrap_err().to_string();
        assert!(message.contains("3 values") && message.contains("[2, 2]"), "{message}");
        assert!(map(&[0], &[]).png().is_err());
        assert!(map(&[17, 1, 1], &[1.0; 17]).png().unwrap_err().to_string().contains("at most 16"));
        for shape in [&[3, 2, 2][..], &[12], &[4, 3], &[1, 3, 2, 2]] {
            assert!(map(shape, &[f64::NAN; 12]).png().is_ok());
        }
    }
}
