//! The search for a packet's modes, on a stream of samples.

use super::along_drift::AlongDrift;
use super::modes::{Mode, Modes};
use super::moments::{GROUPS, LogUnit, Moments};
use super::principal::{Conjugates, Principal};
use super::vector::{axpy, dot, dots};
use super::windowed::Packet;
use nalgebra::{DMatrix, SymmetricEigen};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// How many modes are measured, and how many directions the sketch iterates.
pub(super) const MODES: usize = 4;
const SKETCH: usize = 8;

/// Finds the modes by block power iteration on a stream (Mitliagkas, Caramanis and Jain,
/// *Memory limited, streaming PCA*, NIPS 2013): `A` of a first part of the samples is applied to
/// random directions (Halko, Martinsson and Tropp, SIAM Review 53:217, 2011), `A` of a second part to
/// what comes out, and the rest of the samples measures along the result. It finds the
/// [conjugates](super::principal) of the modes as well, each time that samples have doubled better ones.
///
/// Memory is up to `64 · d` numbers; no sample is held.
pub(crate) struct Sketch {
    /// Samples after which directions are renewed and then kept.
    stages: [usize; 2],
    /// Samples after which the conjugates are renewed next, from all samples since directions are kept, and after
    /// that again whenever the samples have doubled.
    renewals: [usize; 2],
    samples: usize,
    unit: LogUnit,
    weight: f64,
    /// Σ w η, and Σ w η (η·u) for each direction u
    mean: Vec<f64>,
    images: Vec<Vec<f64>>,
    directions: Vec<Vec<f64>>,
    measured: Option<Marginals>,
    drift: AlongDrift,
    conjugates: Option<Conjugates>,
    principal: Option<Principal>,
}

/// Samples along the leading modes.
struct Marginals {
    marginals: Vec<Moments>,
    /// Σ w of z, η, z ηᵀ, η ηᵀ along them
    z: Vec<f64>,
    h: Vec<f64>,
    zh: DMatrix<f64>,
    hh: DMatrix<f64>,
}

impl Sketch {
    /// A sketch in `dimension` coordinates for a stream of at least `samples` samples.
    pub fn new(dimension: usize, samples: usize, random: &mut ChaCha8Rng) -> Self {
        let direction = |_| (0..dimension).map(|_| StandardNormal.sample(random)).collect();
        let directions: Vec<Vec<f64>> = (0..SKETCH.min(dimension)).map(direction).collect();
        Self {
            stages: [samples / 4, samples / 2],
            // Chains take whole rounds.
            renewals: [samples / 4 * 3, samples.div_ceil(GROUPS) * GROUPS],
            samples: 0,
            unit: LogUnit::default(),
            weight: 0.0,
            mean: vec![0.0; dimension],
            images: vec![vec![0.0; dimension]; directions.len()],
            directions,
            measured: None,
            drift: AlongDrift::new(dimension, samples / 2),
            conjugates: None,
            principal: None,
        }
    }

    /// Adds a sample of weight `exp(log_weight)`.
    pub fn push(&mut self, log_weight: f64, z: &[f64], h: &[f64]) {
        self.drift.push(log_weight, z, h);
        if self.stages.contains(&self.samples) {
            self.renew();
        }
        if self.samples == self.renewals[0] {
            self.principal = self.conjugates.as_ref().and_then(Conjugates::finish);
            self.renewals = [self.renewals[1], 2 * self.renewals[1]];
        }
        let group = self.samples % GROUPS;
        self.samples += 1;
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        let (weight, change) = self.unit.weigh(log_weight);
        if let Some(factor) = change {
            self.scale(factor);
        }
        self.weight += weight;
        axpy(&mut self.mean, weight, h);
        let mut along = [0.0; SKETCH];
        let along = &mut along[..self.directions.len()];
        dots(&self.directions, h, along);
        for (image, along) in self.images.iter_mut().zip(&*along) {
            axpy(image, weight * along, h);
        }
        if let Some(measured) = &mut self.measured {
            let mut positions = [0.0; SKETCH];
            let positions = &mut positions[..self.directions.len()];
            dots(&self.directions, z, positions);
            measured.push(log_weight, weight, positions, along);
            if let Some(conjugates) = &mut self.conjugates {
                conjugates.push(group, log_weight, h, positions);
            }
            if let Some(principal) = &mut self.principal {
                principal.push(group, log_weight, z, h, positions);
            }
        }
    }

    /// Takes the direction of the drift from all samples so far.
    pub fn renew_drift(&mut self) {
        self.drift.renew();
    }

    fn scale(&mut self, factor: f64) {
        self.weight *= factor;
        self.mean.iter_mut().chain(self.images.iter_mut().flatten()).for_each(|sum| *sum *= factor);
        if let Some(measured) = &mut self.measured {
            measured.z.iter_mut().chain(&mut measured.h).for_each(|sum| *sum *= factor);
            measured.zh *= factor;
            measured.hh *= factor;
        }
    }

    /// `A u` for each direction.
    fn products(&self) -> Vec<Vec<f64>> {
        let mean: Vec<f64> = self.mean.iter().map(|sum| sum / self.weight).collect();
        let product = |(u, image): (&Vec<f64>, &Vec<f64>)| {
            let along = dot(u, &mean);
            image.iter().zip(&mean).map(|(image, mean)| image / self.weight - mean * along).collect()
        };
        self.directions.iter().zip(&self.images).map(product).collect()
    }

    fn renew(&mut self) {
        let dimension = self.mean.len();
        if self.weight > 0.0 {
            self.directions = orthonormal(&self.products());
            if self.samples == self.stages[1] {
                self.directions.truncate(MODES);
                self.measured = Some(Marginals::new(self.directions.len()));
                self.conjugates = Some(Conjugates::new(&self.directions));
            }
        }
        self.unit = LogUnit::default();
        self.weight = 0.0;
        self.mean.fill(0.0);
        self.images = vec![vec![0.0; dimension]; self.directions.len()];
    }

    /// The modes, beside the moments of all samples; none where too few samples have weight.
    pub fn finish(&self, scale: f64, all: &Moments) -> Option<Modes> {
        let measured = self.measured.as_ref().filter(|_| self.weight > 0.0)?;
        if measured.marginals.iter().any(|moments| moments.ess() == 0.0) {
            return None;
        }
        let leading = self
            .directions
            .iter()
            .zip(self.products())
            .zip(&measured.marginals)
            .map(|((direction, product), moments)| mode(scale, direction, &product, moments))
            .collect();
        let (squeeze, momentum) = measured.eigenvalues(self.weight);
        let rotate = |column: &Vec<f64>| {
            let mut direction = vec![0.0; self.mean.len()];
            column.iter().zip(&self.directions).for_each(|(share, u)| axpy(&mut direction, *share, u));
            direction
        };
        Some(Modes {
            leading,
            drift: self.drift.finish(all),
            squeeze,
            principal: self.principal.as_ref().map_or(Vec::new(), Principal::products),
            momentum_directions: momentum.iter().map(|(_, column)| rotate(column)).collect(),
            momentum: momentum.into_iter().map(|(value, _)| value).collect(),
        })
    }
}

impl Marginals {
    fn new(directions: usize) -> Self {
        Self {
            marginals: (0..directions).map(|_| Moments::new(1)).collect(),
            z: vec![0.0; directions],
            h: vec![0.0; directions],
            zh: DMatrix::zeros(directions, directions),
            hh: DMatrix::zeros(directions, directions),
        }
    }

    fn push(&mut self, log_weight: f64, weight: f64, z: &[f64], h: &[f64]) {
        for (moments, (z, h)) in self.marginals.iter_mut().zip(z.iter().zip(h)) {
            moments.push(log_weight, std::slice::from_ref(z), std::slice::from_ref(h), false);
        }
        for i in 0..self.z.len() {
            self.z[i] += weight * z[i];
            self.h[i] += weight * h[i];
            for j in 0..self.z.len() {
                self.zh[(i, j)] += weight * z[i] * h[j];
                self.hh[(i, j)] += weight * h[i] * h[j];
            }
        }
    }

    fn covariance(&self, products: &DMatrix<f64>, a: &[f64], b: &[f64], weight: f64) -> DMatrix<f64> {
        let n = self.z.len();
        DMatrix::from_fn(n, n, |i, j| products[(i, j)] / weight - a[i] / weight * (b[j] / weight))
    }

    /// The eigenvalues of `I + 2C`, ascending; those of `s² Cov(g) = ¼ I + s² Cov(h) − ½ C`, descending,
    /// with their vectors.
    fn eigenvalues(&self, weight: f64) -> (Vec<f64>, Vec<EigenPair>) {
        let n = self.z.len();
        let cross = self.covariance(&self.zh, &self.z, &self.h, weight);
        let h = self.covariance(&self.hh, &self.h, &self.h, weight);
        let c = (&cross + cross.transpose()) / 2.0;
        let squeeze = eigen(DMatrix::identity(n, n) + 2.0 * &c);
        let momentum = eigen(DMatrix::identity(n, n) / 4.0 + &h - &c / 2.0);
        (squeeze.into_iter().rev().map(|(value, _)| value).collect(), momentum)
    }
}

fn mode(scale: f64, direction: &[f64], product: &[f64], moments: &Moments) -> Mode {
    let packet = Packet::from_moments(scale, 0.0, moments);
    let value = dot(direction, product);
    let residual: f64 = product.iter().zip(direction).map(|(p, u)| (p - value * u).powi(2)).sum();
    Mode {
        direction: direction.to_vec(),
        dispersion: packet.dispersion,
        squeeze: packet.spreads.sigma_x.map(|sigma| (sigma / scale).powi(2)),
        product: packet.spreads.product,
        residual: if value > 0.0 { residual.sqrt() / value } else { 0.0 },
        resolved: true,
    }
}

/// The left singular vectors of the matrix whose columns are `columns`, the largest first, by way of
/// the columns' scalar products; those whose singular value is below 10⁻⁷ of the largest are noise
/// and left out.
fn orthonormal(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = columns.len();
    let gram = DMatrix::from_fn(n, n, |i, j| dot(&columns[i], &columns[j]));
    let pairs = eigen(gram);
    let largest = pairs.first().map_or(0.0, |(value, _)| *value);
    pairs
        .into_iter()
        .filter(|(value, _)| *value > 1e-14 * largest && *value > 0.0)
        .map(|(_, vector)| {
            let mut sum = vec![0.0; columns[0].len()];
            vector.iter().zip(columns).for_each(|(share, column)| axpy(&mut sum, *share, column));
            let norm = dot(&sum, &sum).sqrt();
            sum.iter_mut().for_each(|x| *x /= norm);
            sum
        })
        .collect()
}

/// An eigenvalue and its vector.
type EigenPair = (f64, Vec<f64>);

/// Eigenvalues and vectors of a symmetric matrix, the largest first.
fn eigen(matrix: DMatrix<f64>) -> Vec<EigenPair> {
    if matrix.is_empty() {
        return Vec::new();
    }
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(matrix);
    let mut pairs: Vec<EigenPair> = eigenvalues
        .iter()
        .zip(eigenvectors.column_iter())
        .map(|(value, vector)| (*value, vector.iter().copied().collect()))
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}
