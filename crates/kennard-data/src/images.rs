//! Encoded images: decode, bring to the wanted channels, resize and crop.

mod decode;
mod scaling;

use std::path::Path;

use image::{ColorType, DynamicImage, GrayImage, RgbImage};

use decode::{Decoded, MAX_PIXELS, damaged, decode, readable};

use crate::error::{DataError, Place};
use crate::options::{Interpolation, Options};
use crate::source::{Change, Raw, Rows, level};

/// What every image of a data set is brought to.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    channels: usize,
    height: u32,
    width: u32,
    /// Whether images of another size are resized, and not refused.
    resize: bool,
    /// The length of the shorter side before the crop.
    shorter: Option<u32>,
    interpolation: Interpolation,
    /// Height and width of the first image.
    first: (u32, u32),
}

impl Form {
    /// Decodes the first image to see what the others should be. Where it is damaged the first of the `others` that is not
    /// takes its place: it may be one that nobody asks for.
    pub fn new(first: Raw, others: Rows, options: &Options) -> Result<Form, DataError> {
        if let Some(channels) = options.channels
            && channels != 1
            && channels != 3
        {
            return Err(DataError::Option {
                problem: format!(
                    "images have 1 or 3 channels, the model takes {channels}; store its inputs as arrays (npz:FILE)"
                ),
            });
        }
        let Decoded { image, .. } = decode(first).or_else(|error| readable(others).ok_or(error))?;
        let first = (image.height(), image.width());
        let (height, width) = match options.resize {
            None => first,
            Some((h, w)) => match (u32::try_from(h), u32::try_from(w)) {
                (Ok(h @ 1..), Ok(w @ 1..)) if u64::from(h) * u64::from(w) <= MAX_PIXELS => (h, w),
                _ => {
                    return Err(DataError::Option {
                        problem: format!("images cannot be resized to {h}×{w}"),
                    });
                }
            },
        };
        let shorter = match options.shorter {
            None => None,
            Some(side)
                if side as u64 > u64::from(height.max(width)) * 4 || side < height.max(width) as usize =>
            {
                return Err(DataError::Option {
                    problem: format!(
                        "images cannot be scaled to a shorter side of {side} and cropped to {height}×{width}: take a side that \
                         covers the crop, and at most four times as much"
                    ),
                });
            }
            Some(side) => Some(side as u32),
        };
        Ok(Form {
            shorter,
            interpolation: options.interpolation.unwrap_or_default(),
            channels: options.channels.unwrap_or(if image.color().has_color() { 3 } else { 1 }),
            height,
            width,
            resize: options.resize.is_some() || shorter.is_some(),
            first,
        })
    }

    /// Channels, height, width.
    pub fn shape(&self) -> Vec<usize> {
        vec![self.channels, self.height as usize, self.width as usize]
    }

    pub fn colours(&self) -> &'static str {
        if self.channels == 1 { "grey" } else { "RGB" }
    }

    /// How images are resized, if the first one is or `some` are.
    pub fn resizing(&self, some: bool) -> Option<String> {
        let Form { height, width, first, interpolation, .. } = *self;
        let by = match interpolation {
            Interpolation::Bilinear => "",
            Interpolation::Bicubic => ", bicubic",
        };
        if let Some(side) = self.shorter {
            return Some(format!(
                "images are scaled to a shorter side of {side}{by}, and cropped to {height}×{width}"
            ));
        }
        if first == (height, width) {
            return some.then(|| format!("images of another size are resized to {height}×{width}"));
        }
        let how = match height == width {
            true => format!("shorter side to {height}"),
            false => "scaled to cover it".to_owned(),
        };
        Some(format!(
            "images are resized from {}×{} (the first) to {height}×{width} ({how}{by}, then centre crop)",
            first.0, first.1
        ))
    }

    /// The values of an encoded image: channels, height, width; each in \[0, 1\].
    pub fn input(&self, raw: Raw) -> Result<(Vec<f32>, Change), DataError> {
        let Decoded { image, turned, file, place } = decode(raw)?;
        let (height, width) = (image.height(), image.width());
        let resized = (height, width) != (self.height, self.width)
            || self.shorter.is_some_and(|side| side != height.min(width));
        if resized && !self.resize {
            return Err(DataError::ImageSize {
                file,
                place,
                found: (height as usize, width as usize),
                expected: (self.height as usize, self.width as usize),
            });
        }
        let plain = if self.channels == 1 { ColorType::L8 } else { ColorType::Rgb8 };
        let converted = (image.color() != plain).then(|| describe(image.color()));
        let mut image = match self.channels {
            1 => DynamicImage::ImageLuma8(grey(image)),
            _ => DynamicImage::ImageRgb8(image.into_rgb8()),
        };
        if resized {
            image = self.cover_and_crop(&image, &file, place)?;
        }
        let bytes = image.as_bytes();
        let planes =
            (0..self.channels).flat_map(|c| bytes.iter().skip(c).step_by(self.channels).map(|&b| level(b)));
        Ok((planes.collect(), Change { resized, turned, converted }))
    }

    /// Scales an image until it just covers the wanted size and cuts out the centre; rounding as
    /// in torchvision's `Resize` and `CenterCrop`.
    fn cover_and_crop(
        &self,
        image: &DynamicImage,
        file: &Path,
        place: Place,
    ) -> Result<DynamicImage, DataError> {
        let (from_h, from_w) = (u64::from(image.height()), u64::from(image.width()));
        let (to_h, to_w) = (u64::from(self.height), u64::from(self.width));
        let (h, w) = match self.shorter.map(u64::from) {
            Some(side) if from_h <= from_w => (side, from_w * side / from_h),
            Some(side) => (from_h * side / from_w, side),
            None if to_h * from_w >= to_w * from_h => (to_h, from_w * to_h / from_h),
            None => (from_h * to_w / from_w, to_w),
        };
        if h * w > MAX_PIXELS {
            let what = format!("resizing {from_h}×{from_w} to {h}×{w} before the crop");
            let (limit, cure) = (format!("{MAX_PIXELS} pixels"), "crop the image to a usual aspect ratio");
            return Err(DataError::too_large(file, place, what, limit, cure));
        }
        // Half to even is Python's round.
        let middle = |whole: u64, part: u64| ((whole - part) as f64 / 2.0).round_ties_even() as u32;
        let scaled = self.scale(image, w as u32, h as u32).map_err(damaged(file, place))?;
        Ok(scaled.crop_imm(middle(w, to_w), middle(h, to_h), self.width, self.height))
    }
}

impl Form {
    /// An image at another size.
    fn scale(&self, image: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, String> {
        let from = [image.height() as usize, image.width() as usize, self.channels];
        let to = [height as usize, width as usize];
        let levels = scaling::scale(image.as_bytes(), from, to, self.interpolation);
        let image = match self.channels {
            1 => GrayImage::from_raw(width, height, levels).map(DynamicImage::from),
            _ => RgbImage::from_raw(width, height, levels).map(DynamicImage::from),
        };
        image.ok_or_else(|| "its size and its pixels contradict each other".to_owned())
    }
}

/// Grey as ITU-R BT.601 and Pillow's `convert("L")` have it; the `image` crate weighs as BT.709.
fn grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_color() {
        return image.into_luma8();
    }
    let rgb = image.into_rgb8();
    GrayImage::from_fn(rgb.width(), rgb.height(), |x, y| {
        let [r, g, b] = rgb.get_pixel(x, y).0.map(u32::from);
        image::Luma([((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8])
    })
}

fn describe(color: ColorType) -> &'static str {
    match color {
        ColorType::L8 => "grey",
        ColorType::La8 => "grey with alpha (ignored)",
        ColorType::Rgb8 => "RGB",
        ColorType::Rgba8 => "RGB with alpha (ignored)",
        ColorType::L16 | ColorType::La16 => "16-bit grey (divided by 257; Pillow cuts it at 255)",
        ColorType::Rgb16 | ColorType::Rgba16 => "16-bit RGB (rounded; Pillow takes the high byte)",
        _ => "floating point RGB",
    }
}
