//! Sums over samples, and the spreads that they give.

use crate::packet::vector::{axpy, dot};

/// Weighted sums of `z = (x − x₀)/s` and `η = s h`, both without dimension, of length d.
#[derive(Clone)]
pub(in crate::packet) struct MomentSums {
    pub weight: f64,
    /// The weight of misclassified samples alone.
    pub(super) wrong: f64,
    /// Σ w z·z, Σ w z·η, Σ w η·η
    pub(super) zz: f64,
    pub(super) zh: f64,
    pub(super) hh: f64,
    /// Σ w z, Σ w η
    pub z: Vec<f64>,
    pub h: Vec<f64>,
}

/// The second moments of a packet, mean over coordinates, and its drift.
#[derive(Clone, Copy)]
pub(in crate::packet) struct Spread {
    /// mean_i Var(x_i) / s²
    pub position: f64,
    /// mean_i Cov(x_i, h_i)
    pub covariance: f64,
    /// mean_i s² Var(h_i)
    pub gradient: f64,
    /// (2 s ‖E[h]‖)²
    pub drift_squared: f64,
    /// The share of misclassified samples.
    pub wrong: f64,
}

impl MomentSums {
    pub(super) fn zero(dimension: usize) -> Self {
        Self {
            weight: 0.0,
            wrong: 0.0,
            zz: 0.0,
            zh: 0.0,
            hh: 0.0,
            z: vec![0.0; dimension],
            h: vec![0.0; dimension],
        }
    }

    pub(super) fn add(&mut self, factor: f64, other: &Self) {
        self.weight += factor * other.weight;
        self.wrong += factor * other.wrong;
        self.zz += factor * other.zz;
        self.zh += factor * other.zh;
        self.hh += factor * other.hh;
        axpy(&mut self.z, factor, &other.z);
        axpy(&mut self.h, factor, &other.h);
    }

    pub(super) fn scale(&mut self, factor: f64) {
        for sum in [&mut self.weight, &mut self.wrong, &mut self.zz, &mut self.zh, &mut self.hh] {
            *sum *= factor;
        }
        self.z.iter_mut().chain(&mut self.h).for_each(|sum| *sum *= factor);
    }

    pub fn spread(&self) -> Spread {
        let (weight, dimension) = (self.weight, self.z.len() as f64);
        let covariance = |product: f64, a: &[f64], b: &[f64]| {
            (product / weight - dot(a, b) / (weight * weight)) / dimension
        };
        Spread {
            position: covariance(self.zz, &self.z, &self.z),
            covariance: covariance(self.zh, &self.z, &self.h),
            gradient: covariance(self.hh, &self.h, &self.h),
            drift_squared: 4.0 * dot(&self.h, &self.h) / (weight * weight),
            wrong: self.wrong / weight,
        }
    }
}

/// `Σ w (z − 2η)`: the samples' displacement beyond what the gradient accounts for.
pub(in crate::packet) fn displacement(sums: &MomentSums) -> Vec<f64> {
    sums.z.iter().zip(&sums.h).map(|(z, h)| z - 2.0 * h).collect()
}
