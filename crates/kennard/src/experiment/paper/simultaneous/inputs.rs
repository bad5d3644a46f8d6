//! Second inputs: the gradient, and what stands in its place.

use kennard_graph::Loss;
use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};

use super::super::digits::Inputs;
use crate::Result;
use crate::answer::predict;
use crate::engine::{Engine, Evaluator, Query};
use crate::random::stream;

/// What a reader is shown beside x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// Δ of the trained network.
    Delta,
    /// A random projection of x.
    Projection,
    /// Another sample of the same class.
    Another,
    /// Δ of the network before its training.
    Untrained,
    /// Δ of another sample with the same predicted label.
    Shuffled,
}

/// All second inputs with their names, Δ first.
pub const KINDS: [(&str, Second); 5] = [
    ("delta", Second::Delta),
    ("projection", Second::Projection),
    ("another image", Second::Another),
    ("delta, untrained", Second::Untrained),
    ("delta, shuffled", Second::Shuffled),
];

impl Second {
    /// The second inputs of samples to fit to and of samples to test on (n×d each). `networks` are the trained and the
    /// untrained one.
    ///
    /// # Errors
    /// When a network cannot be run.
    pub fn of(self, samples: [&Inputs; 2], networks: &[Engine; 2], seed: u64) -> Result<[Vec<f32>; 2]> {
        let [fitted, tested] = samples;
        let of = |samples: &Inputs, part: u64| -> Result<Vec<f32>> {
            let d = samples.values.len() / samples.labels.len();
            Ok(match self {
                Second::Delta => deltas(&networks[0], samples)?.0,
                Second::Untrained => deltas(&networks[1], samples)?.0,
                Second::Projection => projection(&samples.values, d, seed),
                Second::Another => exchanged(&samples.values, &samples.labels, [seed, part]),
                Second::Shuffled => {
                    let (deltas, predictions) = deltas(&networks[0], samples)?;
                    exchanged(&deltas, &predictions, [seed, part])
                }
            })
        };
        Ok([of(fitted, 0)?, of(tested, 1)?])
    }
}

/// Directions of the loss gradients of the predicted labels (n×d), and these labels: of the first logits, as many as there are
/// classes, the largest.
///
/// # Errors
/// When the network cannot be run.
pub fn deltas(engine: &Engine, samples: &Inputs) -> Result<(Vec<f32>, Vec<usize>)> {
    let d = engine.classifier().dimension();
    Evaluator::lend(engine, |mut evaluator| {
        let logits = evaluator.evaluate(&Query::logits(samples.values.clone()))?.logits;
        let classes = samples.classes;
        let predictions: Vec<usize> =
            logits.chunks_exact(evaluator.classes()).map(|z| predict(&z[..classes])).collect();
        let mut deltas = vec![0.0; samples.values.len()];
        for label in 0..classes {
            let places: Vec<usize> = (0..predictions.len()).filter(|&p| predictions[p] == label).collect();
            let points = places.iter().flat_map(|&p| samples.values[p * d..(p + 1) * d].to_vec()).collect();
            let gradients = evaluator.evaluate(&Query::gradient(Loss::LogOdds, points, label))?.gradient;
            for (place, gradient) in places.into_iter().zip(gradients.chunks_exact(d)) {
                let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
                let unit = if length > 0.0 { length } else { 1.0 };
                let delta = &mut deltas[place * d..(place + 1) * d];
                delta.iter_mut().zip(gradient).for_each(|(to, g)| *to = (f64::from(*g) / unit) as f32);
            }
        }
        Ok((deltas, predictions))
    })
}

/// `R x` for each row x, the entries of R (d×d) being normal.
fn projection(values: &[f32], d: usize, seed: u64) -> Vec<f32> {
    let mut random = stream(seed, &[d as u64], "projection");
    let matrix = DMatrix::from_fn(d, d, |_, _| {
        let z: f64 = StandardNormal.sample(&mut random);
        (z / (d as f64).sqrt()) as f32
    });
    // Rows of samples are columns here.
    let samples = DMatrix::from_column_slice(d, values.len() / d, values);
    (matrix * samples).as_slice().to_vec()
}

/// Each row replaced by another of the same kind; that of a kind of its own stays.
fn exchanged(rows: &[f32], kinds: &[usize], key: [u64; 2]) -> Vec<f32> {
    let d = rows.len() / kinds.len();
    let mut random = stream(key[0], &[key[1]], "exchanged");
    let mut places = vec![0; kinds.len()];
    for kind in 0..=kinds.iter().copied().max().unwrap_or(0) {
        let mut of_kind: Vec<usize> = (0..kinds.len()).filter(|&place| kinds[place] == kind).collect();
        of_kind.shuffle(&mut random);
        for (i, &place) in of_kind.iter().enumerate() {
            places[place] = of_kind[(i + 1) % of_kind.len()];
        }
    }
    places.into_iter().flat_map(|place| rows[place * d..(place + 1) * d].iter().copied()).collect()
}

/// Samples in a random order.
pub fn shuffled(samples: &Inputs, seed: u64) -> Inputs {
    let d = samples.values.len() / samples.labels.len();
    let mut order: Vec<usize> = (0..samples.labels.len()).collect();
    order.shuffle(&mut stream(seed, &[], "parts"));
    Inputs {
        values: order.iter().flat_map(|&p| samples.values[p * d..(p + 1) * d].iter().copied()).collect(),
        labels: order.iter().map(|&p| samples.labels[p]).collect(),
        classes: samples.classes,
    }
}

/// Rows to fit to and to test on, less the mean of those to fit to, in units of their root mean square element.
pub fn standardised(fitted: &[f32], tested: &[f32], d: usize) -> [Vec<f32>; 2] {
    let n = (fitted.len() / d) as f64;
    let mut means = vec![0.0; d];
    for row in fitted.chunks_exact(d) {
        means.iter_mut().zip(row).for_each(|(mean, v)| *mean += f64::from(*v) / n);
    }
    let centred = |rows: &[f32]| -> Vec<f64> {
        rows.chunks_exact(d)
            .flat_map(|row| row.iter().zip(&means).map(|(v, mean)| f64::from(*v) - mean))
            .collect()
    };
    let square = centred(fitted).iter().map(|v| v * v).sum::<f64>() / fitted.len() as f64;
    let unit = if square > 0.0 { square.sqrt() } else { 1.0 };
    [fitted, tested].map(|rows| centred(rows).into_iter().map(|v| (v / unit) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: mean (2, 0) and mean square (1 + 1 + 4 + 4)/4 = 5/2.
    #[test]
    fn inputs_are_standardised_by_those_fitted_to() {
        let [fitted, tested] = standardised(&[1.0, 2.0, 3.0, -2.0], &[2.0, 5.0], 2);
        let unit = 2.5f32.sqrt();
        assert_eq!(fitted, [-1.0 / unit, 2.0 / unit, 1.0 / unit, -2.0 / unit]);
        assert_eq!(tested, [0.0, 5.0 / unit]);
    }

    /// Every row of a kind with others gets another's, and each is given once.
    #[test]
    fn rows_are_exchanged_within_their_kind() {
        let kinds: Vec<usize> = (0..31).map(|i| if i == 30 { 7 } else { i % 3 }).collect();
        let rows: Vec<f32> = (0..31).map(|i| i as f32).collect();
        let found = exchanged(&rows, &kinds, [1, 0]);
        for (i, other) in found.iter().enumerate() {
            assert_eq!(kinds[*other as usize], kinds[i]);
            assert_eq!(*other as usize == i, i == 30);
        }
        let mut sorted = found.clone();
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, rows);
    }

    /// Lengths are kept in the mean: 200 dimensions, 50 rows; the relative standard error is √(2/(200·50)) = 1.4 %, the
    /// bound 7 % (one alarm in 10⁶).
    #[test]
    fn projections_keep_lengths_in_the_mean() {
        let values: Vec<f32> = (0..50 * 200).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        let square = |v: &[f32]| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let ratio = square(&projection(&values, 200, 3)) / square(&values);
        assert!((ratio - 1.0).abs() < 0.07, "{ratio}");
    }
}
