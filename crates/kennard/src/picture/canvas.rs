//! Pixels, letters and marks on them.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::{Error, Result};

pub(super) type Colour = [u8; 3];

pub(super) const BLACK: Colour = [0, 0, 0];
pub(super) const WHITE: Colour = [255, 255, 255];

/// Height of a line of text, in pixels.
pub(super) const LINE: i64 = 16;

/// A mark at a data point.
#[derive(Clone, Copy)]
pub(super) enum PointMark {
    Disc,
    Square,
}

/// A picture under work; what lies outside is not drawn.
pub(super) struct Canvas {
    image: RgbImage,
}

impl Canvas {
    pub fn new(width: i64, height: i64) -> Canvas {
        let size = |n: i64| n.clamp(1, i64::from(u32::MAX)) as u32;
        Canvas { image: RgbImage::from_pixel(size(width), size(height), image::Rgb(WHITE)) }
    }

    pub fn set(&mut self, x: i64, y: i64, colour: Colour) {
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && let Some(pixel) = self.image.get_pixel_mut_checked(x, y)
        {
            pixel.0 = colour;
        }
    }

    pub fn fill(&mut self, x: i64, y: i64, width: i64, height: i64, colour: Colour) {
        for row in y..y + height {
            for column in x..x + width {
                self.set(column, row, colour);
            }
        }
    }

    /// The outline of a rectangle, just outside it.
    pub fn frame(&mut self, x: i64, y: i64, width: i64, height: i64) {
        self.fill(x - 1, y - 1, width + 2, 1, BLACK);
        self.fill(x - 1, y + height, width + 2, 1, BLACK);
        self.fill(x - 1, y, 1, height, BLACK);
        self.fill(x + width, y, 1, height, BLACK);
    }

    /// Writes ASCII text whose upper left corner is at `(x, y)`.
    pub fn text(&mut self, x: i64, y: i64, text: &str) {
        let mut left = x;
        for letter in text.chars() {
            let raster = get_raster(letter, FontWeight::Regular, RasterHeight::Size16)
                .or_else(|| get_raster('?', FontWeight::Regular, RasterHeight::Size16));
            let Some(raster) = raster else { continue };
            for (row, line) in raster.rows().enumerate() {
                for (column, &ink) in line.iter().enumerate().filter(|(_, ink)| **ink > 0) {
                    self.set(left + column as i64, y + row as i64, [255 - ink; 3]);
                }
            }
            left += raster.width() as i64;
        }
    }

    /// The width of a text in pixels.
    pub fn width_of(text: &str) -> i64 {
        (text.chars().count() * get_raster_width(FontWeight::Regular, RasterHeight::Size16)) as i64
    }

    /// A mark of 7 pixels with a black rim.
    pub fn mark(&mut self, x: i64, y: i64, mark: PointMark, colour: Colour) {
        for dy in -3i64..=3 {
            for dx in -3i64..=3 {
                let distance = match mark {
                    PointMark::Disc => ((dx * dx + dy * dy) as f64).sqrt(),
                    PointMark::Square => dx.abs().max(dy.abs()) as f64,
                };
                if distance < 3.5 {
                    self.set(x + dx, y + dy, if distance > 2.2 { BLACK } else { colour });
                }
            }
        }
    }

    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        let written = self.image.write_to(&mut bytes, ImageFormat::Png);
        written.map_err(|e| Error::format("a PNG image", e))?;
        Ok(bytes.into_inner())
    }
}
