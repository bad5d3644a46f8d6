//! Images at another size, to the last level as Pillow has them (`Resample.c`), where neither side grows while the other shrinks: the
//! filter's weights in fixed point, rows before columns, and levels after each of the two passes.

use crate::options::Interpolation;

/// Bits behind the point of a weight, so that sums of levels times weights fit 32 bits.
const BITS: u32 = 32 - 8 - 2;

/// What one element of a line is made of: the place of the first, and the weights of it and those behind.
struct Mixed {
    first: usize,
    weights: Vec<i32>,
}

/// Levels (height, width, channels), row-major, at another size.
pub(super) fn scale(
    levels: &[u8],
    [height, width, channels]: [usize; 3],
    [to_height, to_width]: [usize; 2],
    interpolation: Interpolation,
) -> Vec<u8> {
    let wide = match to_width == width {
        true => levels.to_vec(),
        false => {
            let mixed = mixed(width, to_width, interpolation);
            let mut wide = Vec::with_capacity(height * to_width * channels);
            for row in levels.chunks_exact(width * channels) {
                for Mixed { first, weights } in &mixed {
                    let pixels = row[first * channels..].chunks_exact(channels);
                    let mut sums = [1i32 << (BITS - 1); 4];
                    for (pixel, weight) in pixels.zip(weights) {
                        sums.iter_mut()
                            .zip(pixel)
                            .for_each(|(sum, level)| *sum += i32::from(*level) * weight);
                    }
                    wide.extend(sums[..channels].iter().map(|sum| level(*sum)));
                }
            }
            wide
        }
    };
    if to_height == height {
        return wide;
    }
    let row = to_width * channels;
    let mut to = Vec::with_capacity(to_height * row);
    for Mixed { first, weights } in mixed(height, to_height, interpolation) {
        let mut sums = vec![1i32 << (BITS - 1); row];
        for (line, weight) in wide[first * row..].chunks_exact(row).zip(weights) {
            sums.iter_mut().zip(line).for_each(|(sum, level)| *sum += i32::from(*level) * weight);
        }
        to.extend(sums.iter().map(|sum| level(*sum)));
    }
    to
}

fn level(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// What the elements of a line of another length are made of.
fn mixed(from: usize, to: usize, interpolation: Interpolation) -> Vec<Mixed> {
    let scale = from as f64 / to as f64;
    let wider = scale.max(1.0);
    let (support, filter): (f64, fn(f64) -> f64) = match interpolation {
        Interpolation::Bilinear => (1.0, triangle),
        Interpolation::Bicubic => (2.0, cubic),
    };
    let (support, narrower) = (support * wider, 1.0 / wider);
    let one = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let shares: Vec<f64> = (first..end).map(|x| filter((x as f64 - centre + 0.5) * narrower)).collect();
        let whole: f64 = shares.iter().sum();
        let fixed = |share: &f64| {
            let share = if whole == 0.0 { *share } else { share / whole } * f64::from(1u32 << BITS);
            (if share < 0.0 { share - 0.5 } else { share + 0.5 }) as i32
        };
        Mixed { first, weights: shares.iter().map(fixed).collect() }
    };
    (0..to).map(one).collect()
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys' cubic with a = −½.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}
