//! Encoded images decoded, with limits on what they may take.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, guess_format,
};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::{DataError, Place};
use crate::input::{self, Input};
use crate::source::{Raw, Rows};
use crate::whole;

/// 67 megapixels, larger than photographs are.
pub(super) const MAX_PIXELS: u64 = 1 << 26;

/// More bytes than any image of that many pixels needs.
const MAX_BYTES: u64 = 1 << 29;

/// This many images are tried for one that can be decoded.
const TRIED: usize = 64;

/// What helps against images that are too large.
const SCALE_DOWN: &str = "scale the image down";

/// An image, and where it came from.
pub(super) struct Decoded {
    pub(super) image: DynamicImage,
    /// Whether its Exif data say that it is to be turned or mirrored. As Pillow leaves it, so do we.
    pub(super) turned: bool,
    pub(super) file: PathBuf,
    pub(super) place: Place,
}

pub(super) fn decode(raw: Raw) -> Result<Decoded, DataError> {
    let (bytes, path, place) = match raw {
        Raw::File(path) => {
            let (mut file, size) = input::open_file(&path)?;
            check_bytes(size, &path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(DataError::io(&path))?;
            (bytes, path, Place::Whole)
        }
        Raw::Part { archive, name, offset, length } => {
            let path = archive.join(name);
            check_bytes(length, &path)?;
            let (mut file, _) = input::open_file(&archive)?;
            file.seek(SeekFrom::Start(offset)).map_err(DataError::io(&archive))?;
            (Input::new(&path, Box::new(file)).take(length as usize)?, path, Place::Whole)
        }
        Raw::Encoded(bytes, path, row) => (bytes, path, Place::Row(row)),
        Raw::Bytes(_) | Raw::Floats(_) => unreachable!("arrays are not decoded"),
    };
    let (image, orientation) = match guess_format(&bytes) {
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes, &path, place)?,
        _ => decode_other(bytes, &path, place)?,
    };
    let turned = orientation.is_some_and(|orientation| orientation != Orientation::NoTransforms);
    Ok(Decoded { image, turned, file: path, place })
}

/// The first image of some rows that can be decoded.
pub(super) fn readable(rows: Rows) -> Option<Decoded> {
    rows.take(TRIED - 1).map_while(Result::ok).find_map(|row| decode(row.input).ok())
}

/// A function that says that an image cannot be decoded, and why.
pub(super) fn damaged(file: &Path, place: Place) -> impl Fn(String) -> DataError + '_ {
    move |reason| DataError::Image { file: file.to_owned(), place, reason }
}

fn check_bytes(bytes: u64, file: &Path) -> Result<(), DataError> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let (what, limit) = (format!("a file of {bytes} bytes"), format!("{MAX_BYTES} bytes"));
    Err(DataError::too_large(file, Place::Whole, what, limit, SCALE_DOWN))
}

fn check_size(width: u64, height: u64, file: &Path, place: Place) -> Result<(), DataError> {
    match width * height {
        1..=MAX_PIXELS => Ok(()),
        _ => {
            let what = format!("an image of {height}×{width} pixels");
            Err(DataError::too_large(file, place, what, format!("{MAX_PIXELS} pixels"), SCALE_DOWN))
        }
    }
}

/// Decodes a JPEG file, strictly: the `image` crate shows damaged ones as far as it can.
fn decode_jpeg(
    mut bytes: Vec<u8>,
    file: &Path,
    place: Place,
) -> Result<(DynamicImage, Option<Orientation>), DataError> {
    let failed = damaged(file, place);
    let end = whole::jpeg_end(&bytes).map_err(&failed)?;
    // Where data end too early, decoders read zeros on and on, which are valid codes. A code of ones alone never is
    // (ITU-T T.81, C.2), so that with ones behind the data whatever is missing is an error. Whole pictures end before.
    bytes.splice(end..end, [0xff, 0].repeat(32));
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| failed(error.to_string()))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| failed("it has no size".to_owned()))?;
    check_size(width as u64, height as u64, file, place)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(|error| failed(error.to_string()))?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let (width, height) = (width as u32, height as u32);
    let image = match grey {
        true => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    let image = image.ok_or_else(|| failed("its size and its pixels contradict each other".to_owned()))?;
    Ok((image, orientation))
}

fn decode_other(
    bytes: Vec<u8>,
    file: &Path,
    place: Place,
) -> Result<(DynamicImage, Option<Orientation>), DataError> {
    let failed = damaged(file, place);
    whole::check(&bytes).map_err(&failed)?;
    let is_webp = matches!(guess_format(&bytes), Ok(ImageFormat::WebP));
    let of_webp = webp_exif(&bytes).filter(|_| is_webp).and_then(Orientation::from_exif_chunk);
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(DataError::io(file))?;
    reader.limits(Limits::default());
    let mut decoder = reader.into_decoder().map_err(|error| failed(error.to_string()))?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), file, place)?;
    let orientation = if is_webp { of_webp } else { decoder.orientation().ok() };
    let image = DynamicImage::from_decoder(decoder).map_err(|error| failed(error.to_string()))?;
    Ok((image, orientation))
}

/// The Exif data of a WebP file, which its decoder would make room for before it knows whether they are there.
fn webp_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (name, behind) = rest.split_first_chunk::<4>()?;
        let (size, behind) = behind.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size) as usize;
        let data = behind.get(..size)?;
        if name == b"EXIF" {
            return Some(data);
        }
        rest = behind.get(size.checked_next_multiple_of(2)?..)?;
    }
}
