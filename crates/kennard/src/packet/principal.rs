//! Principal products: what of a packet is not quadratic, along its modes.
//!
//! Where `ln l` is quadratic, `g = −½ Cov(x)⁻¹ (x − ⟨x⟩)`, so that for every direction `u` the conjugate `w
//! = Cov(x) u` has `w·g = −½ u·(x − ⟨x⟩)`: the two are perfectly correlated. Their correlation `ρ` gives
//! `½/ρ`, which is ½ then and larger otherwise, in as many dimensions as you like and for any `u`, so that
//! it does not matter how well a mode was found.
//!
//! `w = u + 2 C u`, `C = Cov(h, x)`, is known with an error, whose square would add to `½/ρ`. Several independent estimates
//! `w_i` make it an error of mean zero:
//!
//! ```text
//! 1/ρ² = mean over i < j of  Var(u·x) Cov(w_i·g, w_j·g) / (Cov(u·x, w_i·g) Cov(u·x, w_j·g))
//! ```

use super::moments::{GROUPS, LogUnit};
use super::vector::{axpy, dots};
use crate::Figure;
use crate::stats::{mean, pseudo_values, scatter};

/// Independent estimates of each conjugate, each of other groups of samples.
const PARTS: usize = 8;

/// Finds the conjugates of directions.
pub(super) struct Conjugates {
    directions: Vec<Vec<f64>>,
    unit: LogUnit,
    parts: Vec<ConjugateSums>,
}

/// CorrelationSums over samples of weight `w`.
struct ConjugateSums {
    weight: f64,
    square_weight: f64,
    /// Σ w η (d), and for each direction Σ w z·u and Σ w η z·u (d)
    h: Vec<f64>,
    z: Vec<f64>,
    hz: Vec<Vec<f64>>,
}

impl Conjugates {
    pub fn new(directions: &[Vec<f64>]) -> Self {
        let dimension = directions.first().map_or(0, Vec::len);
        let part = || ConjugateSums {
            weight: 0.0,
            square_weight: 0.0,
            h: vec![0.0; dimension],
            z: vec![0.0; directions.len()],
            hz: vec![vec![0.0; dimension]; directions.len()],
        };
        let parts = (0..PARTS).map(|_| part()).collect();
        Self { directions: directions.to_vec(), unit: LogUnit::default(), parts }
    }

    /// Adds a sample with `positions`, the components of `z` along the directions. (`C` is symmetric, but
    /// `Cov(z, η·u)` has the noise of all coordinates of the window.)
    pub fn push(&mut self, group: usize, log_weight: f64, h: &[f64], positions: &[f64]) {
        let (weight, change) = self.unit.weigh(log_weight);
        if let Some(factor) = change {
            self.parts.iter_mut().for_each(|part| part.scale(factor));
        }
        let part = &mut self.parts[group % PARTS];
        part.weight += weight;
        part.square_weight += weight * weight;
        axpy(&mut part.h, weight, h);
        for ((z, hz), along) in part.z.iter_mut().zip(&mut part.hz).zip(positions) {
            *z += weight * along;
            axpy(hz, weight * along, h);
        }
    }

    /// The measurement along the conjugates; none where a part has too few samples of weight.
    pub fn finish(&self) -> Option<Principal> {
        let mut conjugates = Vec::with_capacity(self.directions.len() * PARTS);
        for (k, u) in self.directions.iter().enumerate() {
            for part in &self.parts {
                // Of the sample covariance's bias, what is left is of second order in 1/ESS.
                let share = 1.0 - part.square_weight / (part.weight * part.weight);
                if share.is_nan() || share < 0.5 {
                    return None;
                }
                let (factor, mean) = (2.0 / part.weight / share, part.z[k] / part.weight);
                let mut w = u.clone();
                axpy(&mut w, factor, &part.hz[k]);
                axpy(&mut w, -factor * mean, &part.h);
                conjugates.push(w);
            }
        }
        Some(Principal::new(conjugates))
    }
}

impl ConjugateSums {
    fn scale(&mut self, factor: f64) {
        self.weight *= factor;
        self.square_weight *= factor * factor;
        self.z
            .iter_mut()
            .chain(&mut self.h)
            .chain(self.hz.iter_mut().flatten())
            .for_each(|sum| *sum *= factor);
    }
}

/// Measures along directions `u` and estimates of their conjugates.
pub(super) struct Principal {
    /// `PARTS` for each direction (each d).
    conjugates: Vec<Vec<f64>>,
    unit: LogUnit,
    /// For each direction, the sums of each group.
    groups: Vec<Vec<CorrelationSums>>,
    /// Room for `s g` (d) and its components.
    gradient: Vec<f64>,
    along: Vec<f64>,
}

/// CorrelationSums over samples of `q = u·z` and `p_i = s w_i·g`.
#[derive(Clone)]
struct CorrelationSums {
    weight: f64,
    q: f64,
    qq: f64,
    p: [f64; PARTS],
    qp: [f64; PARTS],
    pp: [[f64; PARTS]; PARTS],
}

impl CorrelationSums {
    const ZERO: Self =
        Self { weight: 0.0, q: 0.0, qq: 0.0, p: [0.0; PARTS], qp: [0.0; PARTS], pp: [[0.0; PARTS]; PARTS] };

    fn push(&mut self, weight: f64, q: f64, p: &[f64]) {
        self.weight += weight;
        self.q += weight * q;
        self.qq += weight * q * q;
        for i in 0..PARTS {
            self.p[i] += weight * p[i];
            self.qp[i] += weight * q * p[i];
            for j in 0..i {
                self.pp[i][j] += weight * p[i] * p[j];
            }
        }
    }

    fn add(&mut self, factor: f64, other: &Self) {
        self.weight += factor * other.weight;
        self.q += factor * other.q;
        self.qq += factor * other.qq;
        for i in 0..PARTS {
            self.p[i] += factor * other.p[i];
            self.qp[i] += factor * other.qp[i];
            for j in 0..i {
                self.pp[i][j] += factor * other.pp[i][j];
            }
        }
    }

    fn scale(&mut self, factor: f64) {
        let sums = self.clone();
        self.add(factor - 1.0, &sums);
    }

    /// `1/ρ²` from all pairs of conjugates but those with `left_out`.
    fn inverse_square(&self, left_out: Option<usize>) -> f64 {
        let covariance = |ab: f64, a: f64, b: f64| ab / self.weight - a / self.weight * (b / self.weight);
        let variance = covariance(self.qq, self.q, self.q);
        let tied: [f64; PARTS] = std::array::from_fn(|i| covariance(self.qp[i], self.q, self.p[i]));
        let (mut sum, mut count) = (0.0, 0.0);
        for i in (0..PARTS).filter(|i| Some(*i) != left_out) {
            for j in (0..i).filter(|j| Some(*j) != left_out) {
                sum += variance * covariance(self.pp[i][j], self.p[i], self.p[j]) / (tied[i] * tied[j]);
                count += 1.0;
            }
        }
        sum / count
    }
}

impl Principal {
    fn new(conjugates: Vec<Vec<f64>>) -> Self {
        let dimension = conjugates.first().map_or(0, Vec::len);
        let directions = conjugates.len() / PARTS;
        Self {
            unit: LogUnit::default(),
            groups: vec![vec![CorrelationSums::ZERO; GROUPS]; directions],
            gradient: vec![0.0; dimension],
            along: vec![0.0; conjugates.len()],
            conjugates,
        }
    }

    /// Adds a sample with `positions`, the components of `z` along the directions.
    pub fn push(&mut self, group: usize, log_weight: f64, z: &[f64], h: &[f64], positions: &[f64]) {
        let (weight, change) = self.unit.weigh(log_weight);
        if let Some(factor) = change {
            self.groups.iter_mut().flatten().for_each(|sums| sums.scale(factor));
        }
        for ((gradient, z), h) in self.gradient.iter_mut().zip(z).zip(h) {
            *gradient = h - z / 2.0;
        }
        dots(&self.conjugates, &self.gradient, &mut self.along);
        for ((groups, q), p) in self.groups.iter_mut().zip(positions).zip(self.along.chunks_exact(PARTS)) {
            groups[group].push(weight, *q, p);
        }
    }

    /// `½/ρ` along each direction; none where no sample has weight.
    pub fn products(&self) -> Vec<Figure> {
        let products = self.groups.iter().filter_map(|groups| product(groups));
        products.collect()
    }
}

/// The samples' error is the jackknife's over groups, that of the conjugates the one over parts. Both add,
/// with the degrees of freedom of the fewer.
fn product(groups: &[CorrelationSums]) -> Option<Figure> {
    let mut whole = CorrelationSums::ZERO;
    groups.iter().for_each(|group| whole.add(1.0, group));
    let square = whole.inverse_square(None);
    let deleted: Vec<f64> = groups
        .iter()
        .map(|group| {
            let mut rest = whole.clone();
            rest.add(-1.0, group);
            if rest.weight > 1e-9 * whole.weight { rest.inverse_square(None) } else { square }
        })
        .collect();
    let values = pseudo_values(square, deleted.into_iter());
    let of_samples = scatter(&values) / (GROUPS * (GROUPS - 1)) as f64;
    let without: Vec<f64> = (0..PARTS).map(|part| whole.inverse_square(Some(part))).collect();
    let of_conjugates = scatter(&without) * (PARTS - 1) as f64 / PARTS as f64;
    let variance = of_samples + of_conjugates;
    let found = (square.is_finite() && variance.is_finite())
        .then(|| Figure::student(mean(&values), variance, PARTS - 1).root().scaled(0.5));
    found.filter(|found| found.value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: `p_i = −½ q` for every sample gives `ρ = 1`, to rounding.
    #[test]
    fn a_perfect_correlation_is_one() {
        let mut groups = vec![CorrelationSums::ZERO; GROUPS];
        for k in 0..640 {
            let q = (f64::from(k) * 0.7).sin();
            groups[k as usize % GROUPS].push(1.0 + q * q, q, &[-0.5 * q + 3.0; PARTS]);
        }
        let found = product(&groups).unwrap();
        assert!((found.value - 0.5).abs() < 1e-9, "{found:?}");
        assert_eq!(product(&vec![CorrelationSums::ZERO; GROUPS]), None);
    }
}
