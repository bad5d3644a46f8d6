//! Windows in inputs of any shape.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A shape read as channels of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// The size of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    height: usize,
    width: usize,
    image: Image,
}

/// A rectangle of an image, within every channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Image {
    /// The last two axes are rows and columns, those before are channels; a single axis is a row.
    pub fn of(shape: &[usize]) -> Image {
        match *shape {
            [] => Image { channels: 1, height: 1, width: 1 },
            [width] => Image { channels: 1, height: 1, width },
            [ref channels @ .., height, width] => {
                Image { channels: channels.iter().product(), height, width }
            }
        }
    }

    /// The square that covers a share of the rows and columns, made wider where it is higher than the image
    /// and the other way round.
    pub fn patch(self, share: f64) -> Patch {
        let area = share * (self.height * self.width) as f64;
        let side = (area.sqrt().round() as usize).max(1);
        let along = |other: usize| ((area / other as f64).round() as usize).max(1);
        let (height, width) = if side > self.height {
            (self.height, along(self.height).min(self.width))
        } else if side > self.width {
            (along(self.width).min(self.height), self.width)
        } else {
            (side, side)
        };
        Patch { height, width, image: self }
    }

    /// A window of this size anywhere in the image, its edges included.
    pub fn random_window(self, patch: Patch, random: &mut ChaCha8Rng) -> Window {
        let Patch { height, width, .. } = patch;
        let top = random.random_range(0..=self.height - height);
        let left = random.random_range(0..=self.width - width);
        Window { top, left, height, width }
    }

    /// The places of a window's elements in one channel, row by row.
    pub fn places(self, channel: usize, window: Window) -> impl Iterator<Item = usize> {
        let first = channel * self.height * self.width;
        (window.top..window.top + window.height).flat_map(move |row| {
            let start = first + row * self.width + window.left;
            start..start + window.width
        })
    }
}

impl Window {
    /// Whether the element at a place lies in this window of its channel.
    pub fn contains(self, image: Image, place: usize) -> bool {
        let (row, column) = (place / image.width % image.height, place % image.width);
        (self.top..self.top + self.height).contains(&row)
            && (self.left..self.left + self.width).contains(&column)
    }
}

impl Patch {
    /// Made odd, and at least `side` long along each side where the image has room.
    pub fn at_least(self, side: usize) -> Patch {
        let odd = |length: usize, room: usize| (length.max(side) | 1).min(room);
        Patch {
            height: odd(self.height, self.image.height),
            width: odd(self.width, self.image.width),
            image: self.image,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn patches_fit_and_cover_their_share() {
        let square = Image::of(&[3, 32, 32]).patch(0.8);
        assert_eq!((square.height, square.width), (29, 29));
        let flat = Image::of(&[2, 4, 100]).patch(0.5);
        assert_eq!((flat.height, flat.width), (4, 50));
        let row = Image::of(&[60]).patch(0.1);
        assert_eq!((row.height, row.width), (1, 6));
        let odd = Image::of(&[1, 28, 28]).patch(0.001).at_least(3);
        assert_eq!((odd.height, odd.width), (3, 3));
    }

    /// Every element is covered at times, the last row and column too. (Each lies in a third of the 4-wide
    /// windows of 400 at least once with a probability of 1 − 10⁻²⁰ at the corners.)
    #[test]
    fn windows_reach_every_edge() {
        let image = Image::of(&[5, 7]);
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut covered = [0; 35];
        for _ in 0..400 {
            let window = image.random_window(image.patch(0.3), &mut random);
            image.places(0, window).for_each(|i| covered[i] += 1);
        }
        assert!(covered.iter().all(|&n| n > 0), "{covered:?}");
    }
}
