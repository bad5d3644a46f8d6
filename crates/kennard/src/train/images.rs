use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::data::{DataSet, Selection};
use crate::threat::check_inside;

/// How images are varied from epoch to epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augmentation {
    /// Images are moved by up to this many pixels, zeros coming in.
    pub crop: usize,
    /// Half of the images are mirrored, left to right.
    pub flip: bool,
}

/// Samples in memory: bytes where they are 8-bit levels.
pub(super) struct Images {
    pixels: Pixels,
    pub labels: Vec<usize>,
    /// Their places in the data set.
    pub indices: Vec<usize>,
    /// `[C, H, W]`, or any other shape, which is not varied.
    pub shape: Vec<usize>,
}

enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

impl Images {
    /// Reads samples of a data set.
    pub fn read(data: &DataSet, selection: Selection, mut seen: impl FnMut(usize)) -> Result<Images> {
        let eight_bit = data.eight_bit();
        let (mut bytes, mut floats, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let mut indices = Vec::new();
        for sample in data.select(selection)? {
            let sample = sample?;
            labels.push(sample.label);
            indices.push(sample.index);
            if eight_bit {
                bytes.extend(sample.input.iter().map(|v| (v * 255.0).round() as u8));
            } else {
                floats.extend(sample.input);
            }
            seen(labels.len());
        }
        let pixels = if eight_bit { Pixels::Bytes(bytes) } else { Pixels::Floats(floats) };
        Ok(Images { pixels, labels, indices, shape: data.shape().to_vec() })
    }

    pub fn of_floats(values: Vec<f32>, labels: Vec<usize>, shape: Vec<usize>) -> Images {
        let indices = (0..labels.len()).collect();
        Images { pixels: Pixels::Floats(values), labels, indices, shape }
    }

    /// The number of elements of a sample.
    pub fn dimension(&self) -> usize {
        self.shape.iter().product()
    }

    /// A sample, as the data set has it.
    pub fn get(&self, index: usize, into: &mut [f32]) {
        let d = self.dimension();
        let range = index * d..(index + 1) * d;
        match &self.pixels {
            Pixels::Bytes(bytes) => {
                into.iter_mut().zip(&bytes[range]).for_each(|(v, &byte)| *v = f32::from(byte) / 255.0);
            }
            Pixels::Floats(floats) => into.copy_from_slice(&floats[range]),
        }
    }

    /// Refuses samples that do not lie within the bounds.
    ///
    /// # Errors
    /// Names the first of them.
    pub fn check_inside(&self, bounds: [f32; 2]) -> Result<()> {
        let mut sample = vec![0.0; self.dimension()];
        for (place, index) in self.indices.iter().enumerate() {
            self.get(place, &mut sample);
            check_inside(*index, &sample, bounds)?;
        }
        Ok(())
    }

    /// A sample, varied.
    pub fn varied(&self, index: usize, how: Augmentation, random: &mut ChaCha8Rng, into: &mut [f32]) {
        self.get(index, into);
        let &[channels, height, width] = self.shape.as_slice() else { return };
        if how.flip && random.random::<bool>() {
            into.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
        if how.crop == 0 {
            return;
        }
        let most = how.crop as i64;
        let [dy, dx] = [0; 2].map(|_| random.random_range(-most..=most));
        let image = into.to_vec();
        let source = |i: usize, shift: i64, extent: usize| {
            usize::try_from(i as i64 + shift).ok().filter(|&i| i < extent)
        };
        for (i, row) in into.chunks_exact_mut(width).enumerate() {
            let (c, y) = (i / height, i % height);
            let y = source(y, dy, height);
            for (x, v) in row.iter_mut().enumerate() {
                *v = match (y, source(x, dx, width)) {
                    (Some(y), Some(x)) if c < channels => image[(c * height + y) * width + x],
                    _ => 0.0,
                };
            }
        }
    }

    /// Mean and standard deviation of each channel of some samples, in single precision.
    pub fn statistics(&self, among: &[usize]) -> Option<(Vec<f32>, Vec<f32>)> {
        let &[channels, height, width] = self.shape.as_slice() else { return None };
        let mut image = vec![0.0; self.dimension()];
        let mut sums = vec![[0.0f64; 2]; channels];
        for &index in among {
            self.get(index, &mut image);
            for (sum, plane) in sums.iter_mut().zip(image.chunks_exact(height * width)) {
                let mut own = [0.0f64; 2];
                for &v in plane {
                    own[0] += f64::from(v);
                    own[1] += f64::from(v) * f64::from(v);
                }
                sum[0] += own[0];
                sum[1] += own[1];
            }
        }
        let n = (among.len() * height * width) as f64;
        let mean: Vec<f64> = sums.iter().map(|s| s[0] / n).collect();
        let deviation = sums.iter().zip(&mean).map(|(s, m)| (s[1] / n - m * m).max(1e-12).sqrt());
        Some((mean.iter().map(|&m| m as f32).collect(), deviation.map(|s| s.max(1e-3) as f32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn crops_move_and_flips_mirror() {
        let pixels: Vec<f32> = (1..=18).map(|v| v as f32).collect();
        let images = Images::of_floats(pixels.clone(), vec![0], vec![2, 3, 3]);
        let mut seen = std::collections::BTreeSet::new();
        for key in 0..200 {
            let mut image = vec![0.0; 18];
            let how = Augmentation { crop: 1, flip: true };
            images.varied(0, how, &mut stream(0, &[key], "test"), &mut image);
            // The centre tells the move, and the order of its neighbours tells the mirror.
            let centre = image[4];
            assert_eq!(image[13], centre + 9.0, "both channels move together");
            assert!((1.0..=9.0).contains(&centre));
            seen.insert(centre as i32);
            assert!(image.iter().all(|v| *v == 0.0 || pixels.contains(v)));
        }
        // Each of the nine is missed by 200 draws with probability 9·(8/9)^200 < 10⁻⁹.
        assert_eq!(seen.len(), 9);
        let mut image = vec![0.0; 18];
        images.varied(0, Augmentation::default(), &mut stream(0, &[0], "test"), &mut image);
        assert_eq!(image, pixels);
    }
}
