//! WaveSums of a rule over `ψ²` and its moments.

use super::Coordinate;

/// Weights are stored in a unit that moves when one exceeds it, so that none overflows.
const MAX_EXPONENT: f64 = 100.0;

/// `Σ w ψ²`, and per coordinate `Σ w x ψ²`, `Σ w x² ψ²`, `Σ w ψ ∂ψ`, `Σ w (∂ψ)²`, `Σ w x ψ ∂ψ`, all
/// times `e^(−2 unit)`.
pub(super) struct WaveSums {
    unit: f64,
    pub norm: f64,
    moments: Vec<[f64; 5]>,
}

impl WaveSums {
    pub fn zero(dimension: usize) -> WaveSums {
        WaveSums { unit: f64::NEG_INFINITY, norm: 0.0, moments: vec![[0.0; 5]; dimension] }
    }

    /// Adds a point where `ψ = value·e^exponent` and `∂ψ = gradient·e^exponent`.
    pub fn add(
        &mut self,
        exponent: f64,
        weight: f64,
        position: impl Iterator<Item = f64>,
        value: f64,
        gradient: &[f64],
    ) {
        if exponent > self.unit + MAX_EXPONENT {
            let factor = (2.0 * (self.unit - exponent)).exp();
            self.unit = exponent;
            self.norm *= factor;
            self.moments.iter_mut().flatten().for_each(|sum| *sum *= factor);
        }
        let weight = weight * (2.0 * (exponent - self.unit)).exp();
        let density = weight * value * value;
        self.norm += density;
        for ((sums, x), slope) in self.moments.iter_mut().zip(position).zip(gradient) {
            let current = weight * value * slope;
            let terms = [density * x, density * x * x, current, weight * slope * slope, current * x];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
    }

    /// `ln Σ w ψ²`.
    pub fn log_norm(&self) -> f64 {
        self.norm.ln() + 2.0 * self.unit
    }

    /// `Σ w ψ²` as a part of another's.
    pub fn relative_to(&self, whole: &WaveSums) -> f64 {
        if self.norm == 0.0 { 0.0 } else { (self.log_norm() - whole.log_norm()).exp() }
    }

    /// The figures of coordinate `i`, whose positions are relative to `origin`; no boundary term
    /// yet, and `h = g`.
    pub fn coordinate(&self, i: usize, origin: f64) -> Coordinate {
        let [x, xx, g, gg, xg] = self.moments[i].map(|sum| sum / self.norm);
        let variance = (gg - g * g).max(0.0);
        Coordinate {
            mean: origin + x,
            sigma_x: (xx - x * x).max(0.0).sqrt(),
            sigma_p: variance.sqrt(),
            covariance: xg - x * g,
            boundary: 0.0,
            slope: g,
            roughness: variance,
        }
    }
}

impl Coordinate {
    /// Takes the window's share `−(x − x₀)/(2s²)` off the log-gradient.
    pub(super) fn take_off_window(&mut self, centre: f64, scale: f64) {
        let square = scale * scale;
        self.slope += (self.mean - centre) / (2.0 * square);
        let window = (0.5 * self.sigma_x / square).powi(2);
        self.roughness = (self.sigma_p.powi(2) + self.covariance / square + window).max(0.0);
    }
}
