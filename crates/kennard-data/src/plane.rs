//! Two-class problems in the plane, made from a seed.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::error::DataError;
use crate::source::Sample;

/// A two-class problem whose points lie in the unit square, around (½, ½).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Two interleaved half circles: with `t` uniform in [0, π], label 0 is at `(cos t, sin t)` and
    /// label 1 at `(1 − cos t, ½ − sin t)`, both about their common centre (½, ¼) and divided by 4.
    Moons,
    /// Two circles around one centre: label 0 on that of radius 0.4, label 1 on that of radius 0.2.
    Circles,
    /// Four squares, each coordinate uniformly 0.05 to 0.4 from the centre: label 0 where both are on
    /// the same side of it, label 1 where they are on different sides.
    Xor,
}

const PROBLEMS: [(Problem, &str); 3] =
    [(Problem::Moons, "moons"), (Problem::Circles, "circles"), (Problem::Xor, "xor")];

impl Problem {
    /// `count` points, labels alternating from 0. Normal noise of standard deviation `noise`, in
    /// input units, is added to both coordinates; it may carry a point out of the unit square.
    ///
    /// Fewer points are the beginning of more.
    pub fn samples(self, count: usize, noise: f64, seed: u64) -> Vec<Sample> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(self as u64);
        let sample = |index| {
            let label = index % 2;
            let [x, y] = self.place(label, &mut random);
            let mut jitter = || -> f64 { StandardNormal.sample(&mut random) };
            let point = [x + noise * jitter(), y + noise * jitter()];
            Sample { index, input: point.map(|x| x as f32).to_vec(), label }
        };
        (0..count).map(sample).collect()
    }

    /// A point without noise.
    fn place(self, label: usize, random: &mut ChaCha8Rng) -> [f64; 2] {
        match self {
            Problem::Moons => {
                let (sin, cos) = random.random_range(0.0..PI).sin_cos();
                let (x, y) = if label == 0 { (cos, sin) } else { (1.0 - cos, 0.5 - sin) };
                [0.5 + (x - 0.5) / 4.0, 0.5 + (y - 0.25) / 4.0]
            }
            Problem::Circles => {
                let radius = if label == 0 { 0.4 } else { 0.2 };
                let (sin, cos) = random.random_range(0.0..2.0 * PI).sin_cos();
                [0.5 + radius * cos, 0.5 + radius * sin]
            }
            Problem::Xor => {
                let side = if random.random_bool(0.5) { 1.0 } else { -1.0 };
                let other = if label == 0 { side } else { -side };
                let mut offset = || random.random_range(0.05..0.4);
                [0.5 + side * offset(), 0.5 + other * offset()]
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PROBLEMS.iter().find(|(problem, _)| problem == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Problem {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Problem, DataError> {
        let known = || PROBLEMS.map(|(_, name)| name).join(", ");
        PROBLEMS.iter().find(|(_, name)| *name == text).map(|(problem, _)| *problem).ok_or_else(|| {
            DataError::Option { problem: format!("the problem `{text}` is unknown; known are {}", known()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Problem; 3] = [Problem::Moons, Problem::Circles, Problem::Xor];

    fn centred(sample: &Sample) -> (f64, f64) {
        (f64::from(sample.input[0]) - 0.5, f64::from(sample.input[1]) - 0.5)
    }

    /// Without noise the points obey the equations of their curves.
    #[test]
    fn points_lie_where_the_problem_says() {
        for sample in Problem::Moons.samples(500, 0.0, 1) {
            let (x, y) = centred(&sample);
            let (x, y) = (4.0 * x + 0.5, 4.0 * y + 0.25);
            let (dx, dy) = if sample.label == 0 { (x, y) } else { (1.0 - x, 0.5 - y) };
            assert!((dx.hypot(dy) - 1.0).abs() < 1e-6 && dy > -1e-6, "{sample:?}");
        }
        for sample in Problem::Circles.samples(500, 0.0, 1) {
            let (x, y) = centred(&sample);
            let radius = if sample.label == 0 { 0.4 } else { 0.2 };
            assert!((x.hypot(y) - radius).abs() < 1e-6, "{sample:?}");
        }
        for sample in Problem::Xor.samples(500, 0.0, 1) {
            let (x, y) = centred(&sample);
            assert_eq!(sample.label == 1, (x < 0.0) != (y < 0.0), "{sample:?}");
            assert!((0.049..0.401).contains(&x.abs()) && (0.049..0.401).contains(&y.abs()), "{sample:?}");
        }
    }

    #[test]
    fn fewer_points_begin_more_and_seeds_differ() {
        for problem in ALL {
            let many = problem.samples(40, 0.1, 7);
            assert_eq!(problem.samples(15, 0.1, 7), many[..15]);
            assert_ne!(problem.samples(15, 0.1, 8), many[..15]);
            assert_eq!(many.iter().filter(|sample| sample.label == 1).count(), 20);
            assert_eq!(problem.to_string().parse::<Problem>().unwrap(), problem);
        }
        let message = "moon".parse::<Problem>().unwrap_err().to_string();
        assert!(message.contains("moons, circles, xor"), "{message}");
    }

    /// The circles' mean squared radius over 20 000 points is r² + 2σ², with a standard error of
    /// σ√(4r² + 4σ²)/√n for each label: five of them is a false alarm in two million.
    #[test]
    fn noise_has_the_size_asked_for() {
        let (noise, count) = (0.1, 20_000);
        let samples = Problem::Circles.samples(2 * count, noise, 3);
        for (label, radius) in [(0, 0.4f64), (1, 0.2)] {
            let squares = samples.iter().filter(|s| s.label == label).map(|s| {
                let (x, y) = centred(s);
                x * x + y * y
            });
            let mean = squares.sum::<f64>() / count as f64;
            let error = noise * (4.0 * (radius * radius + noise * noise) / count as f64).sqrt();
            let expected = radius * radius + 2.0 * noise * noise;
            assert!((mean - expected).abs() < 5.0 * error, "{mean} instead of {expected} ± {error}");
        }
    }
}
