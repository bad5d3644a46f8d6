//! A sample, an example and their difference in one picture.

use image::{DynamicImage, GrayImage, RgbImage};

/// A sample, an example and their difference side by side.
pub(crate) struct Triptych {
    pub picture: DynamicImage,
    /// By how much the difference is amplified, against the range of the bounds.
    #[cfg_attr(not(feature = "report"), expect(dead_code, reason = "pages alone say it"))]
    pub amplified: f32,
}

/// Whether samples of a shape are shown as pictures: `[1|3, H, W]` or `[H, W]`.
pub(super) fn is_image(shape: &[usize]) -> bool {
    matches!(shape, [_, _] | [1 | 3, _, _])
}

/// An image `[1|3, H, W]` or `[H, W]` side by side with its perturbed version and the difference, stretched
/// so that its largest element is black or white on grey. Nothing for other shapes.
pub(crate) fn triptych(
    shape: &[usize],
    bounds: [f32; 2],
    original: &[f32],
    perturbed: &[f32],
) -> Option<Triptych> {
    let (channels, height, width) = match *shape {
        [height, width] => (1, height, width),
        [channels @ (1 | 3), height, width] => (channels, height, width),
        _ => return None,
    };
    let [lo, hi] = bounds;
    let unit = |v: f32| (v - lo) / (hi - lo);
    let difference: Vec<f32> = original.iter().zip(perturbed).map(|(a, b)| b - a).collect();
    let largest = difference.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let panels: [Vec<f32>; 3] = [
        original.iter().map(|&v| unit(v)).collect(),
        perturbed.iter().map(|&v| unit(v)).collect(),
        difference.iter().map(|v| 0.5 + 0.5 * v / largest).collect(),
    ];
    let level = |x: u32, y: u32, channel: usize| {
        let (x, y) = (x as usize, y as usize);
        let value = panels[x / width][(channel * height + y) * width + x % width];
        (255.0 * value).round().clamp(0.0, 255.0) as u8
    };
    let size = (u32::try_from(3 * width).ok()?, u32::try_from(height).ok()?);
    let picture = if channels == 1 {
        DynamicImage::from(GrayImage::from_fn(size.0, size.1, |x, y| image::Luma([level(x, y, 0)])))
    } else {
        DynamicImage::from(RgbImage::from_fn(size.0, size.1, |x, y| {
            image::Rgb([0, 1, 2].map(|c| level(x, y, c)))
        }))
    };
    Some(Triptych { picture, amplified: 0.5 * (hi - lo) / largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_show_original_perturbed_and_difference() {
        let picture = triptych(&[1, 1, 2], [0.0, 1.0], &[0.0, 1.0], &[0.1, 0.95]).unwrap();
        assert_eq!(picture.amplified, 5.0);
        assert_eq!(picture.picture.into_luma8().into_raw(), [0, 255, 26, 242, 255, 64]);
        assert!(triptych(&[5], [0.0, 1.0], &[0.0; 5], &[0.0; 5]).is_none());
    }
}
