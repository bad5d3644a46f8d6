//! Weighted sums over a stream of samples, in groups for the jackknife.

mod sums;

pub(super) use sums::{MomentSums, Spread, displacement};

use super::vector::{Targets, dot};
use crate::Figure;
use crate::stats::scatter;

/// Sample `m` belongs to group `m mod GROUPS`. This many groups determine a standard error to 9 %
/// (`1/√(2·63)`) and cost 1 KiB of memory per coordinate.
pub(super) const GROUPS: usize = 64;

/// Half of the groups choose a direction, the other half is projected on it.
pub(super) const HALF: usize = GROUPS / 2;

/// Weights are stored in a unit that moves when one exceeds it by `e^MAX_LOG_WEIGHT`, so that
/// neither a weight nor its square overflows.
const MAX_LOG_WEIGHT: f64 = 300.0;

/// The unit that weights are stored in, a logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogUnit(f64);

impl Default for LogUnit {
    fn default() -> Self {
        Self(f64::NEG_INFINITY)
    }
}

impl LogUnit {
    /// The weight `exp(log_weight)` in the unit, and where the unit had to move, the factor for what
    /// was stored before.
    pub fn weigh(&mut self, log_weight: f64) -> (f64, Option<f64>) {
        let mut change = None;
        if log_weight > self.0 + MAX_LOG_WEIGHT {
            change = Some((self.0 - log_weight).exp());
            self.0 = log_weight;
        }
        ((log_weight - self.0).exp(), change)
    }
}

/// The second moments of one coordinate.
#[derive(Clone, Copy)]
pub(super) struct CoordinateSpread {
    /// Cov(x_i, h_i)
    pub covariance: f64,
    /// s² Var(h_i)
    pub gradient: f64,
}

/// Everything a packet keeps of its samples: `O(GROUPS · d)` numbers.
pub(super) struct Moments {
    samples: usize,
    unit: LogUnit,
    square_weight: f64,
    groups: Vec<MomentSums>,
    /// Per coordinate over all samples: Σ w z η, Σ w η²
    zh: Vec<f64>,
    hh: Vec<f64>,
    /// Σ w z² likewise, and Σ w z η of the odd groups, or empty where nobody wants it.
    zz: Vec<f64>,
    odd_zh: Vec<f64>,
}

impl Moments {
    pub fn new(dimension: usize) -> Self {
        Self {
            samples: 0,
            unit: LogUnit::default(),
            square_weight: 0.0,
            groups: vec![MomentSums::zero(dimension); GROUPS],
            zh: vec![0.0; dimension],
            hh: vec![0.0; dimension],
            zz: Vec::new(),
            odd_zh: Vec::new(),
        }
    }

    /// Empty moments in `dimension` coordinates, with each coordinate's variance of `z` as well: for packets that no identity gives
    /// it for.
    pub fn with_positions(dimension: usize) -> Self {
        Self { zz: vec![0.0; dimension], odd_zh: vec![0.0; dimension], ..Self::new(dimension) }
    }

    /// Adds a sample of weight `exp(log_weight)`, and whether it is misclassified.
    pub fn push(&mut self, log_weight: f64, z: &[f64], h: &[f64], wrong: bool) {
        let group = self.samples % GROUPS;
        self.samples += 1;
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        let (weight, change) = self.unit.weigh(log_weight);
        if let Some(factor) = change {
            self.scale(factor);
        }
        self.square_weight += weight * weight;

        let sums = &mut self.groups[group];
        let targets = Targets { z: &mut sums.z, h: &mut sums.h, zh: &mut self.zh, hh: &mut self.hh };
        let [zz, zh, hh] = targets.add(weight, z, h);
        sums.weight += weight;
        sums.wrong += if wrong { weight } else { 0.0 };
        sums.zz += weight * zz;
        sums.zh += weight * zh;
        sums.hh += weight * hh;
        for (zz, &z) in self.zz.iter_mut().zip(z) {
            *zz += weight * z * z;
        }
        if group % 2 == 1 {
            let products = self.odd_zh.iter_mut().zip(z.iter().zip(h));
            products.for_each(|(zh, (&z, &h))| *zh += weight * z * h);
        }
    }

    fn scale(&mut self, factor: f64) {
        self.square_weight *= factor * factor;
        self.groups.iter_mut().for_each(|group| group.scale(factor));
        let maps = self.zh.iter_mut().chain(&mut self.hh).chain(&mut self.zz).chain(&mut self.odd_zh);
        maps.for_each(|sum| *sum *= factor);
    }

    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The samples' sums without regard to groups.
    pub fn whole(&self) -> MomentSums {
        self.sum(self.groups.iter())
    }

    fn sum<'a>(&self, groups: impl Iterator<Item = &'a MomentSums>) -> MomentSums {
        let mut sums = MomentSums::zero(self.zh.len());
        groups.for_each(|group| sums.add(1.0, group));
        sums
    }

    /// The logarithm of what weights are stored as multiples of.
    pub fn log_unit(&self) -> f64 {
        self.unit.0
    }

    /// The logarithm of the samples' mean weight.
    pub fn log_mean_weight(&self) -> f64 {
        (self.weights().sum::<f64>() / self.samples as f64).ln() + self.unit.0
    }

    /// Each group's weight, in that unit.
    pub fn weights(&self) -> impl Iterator<Item = f64> {
        self.groups.iter().map(|group| group.weight)
    }

    /// For every group, the spread of all the others together; or of all, where the others weigh
    /// nothing beside it.
    pub fn deleted(&self, whole: &MomentSums) -> Vec<Spread> {
        let without = |group: &MomentSums| {
            let mut rest = whole.clone();
            rest.add(-1.0, group);
            // A smaller difference would be the rounding of its terms.
            if rest.weight > 1e-9 * whole.weight { rest.spread() } else { whole.spread() }
        };
        self.groups.iter().map(without).collect()
    }

    /// `a·E[η] / b·E[η]`, of all samples, and of those without each group.
    pub fn ratios(&self, a: &[f64], b: &[f64]) -> (f64, Vec<f64>) {
        let sums: Vec<[f64; 2]> =
            self.groups.iter().map(|group| [dot(a, &group.h), dot(b, &group.h)]).collect();
        let whole = sums.iter().fold([0.0; 2], |whole, group| [whole[0] + group[0], whole[1] + group[1]]);
        let without = |group: &[f64; 2]| (whole[0] - group[0]) / (whole[1] - group[1]);
        (whole[0] / whole[1], sums.iter().map(without).collect())
    }

    /// The part of the variance of `drift_squared` that is left where the drift is zero.
    ///
    /// With independent groups `y_k` of mean `μ` and covariance `Σ`, the unbiased estimate of
    /// `‖μ‖²` is `mean_{k≠l} y_k·y_l`, of variance `4 μᵀΣμ/G + 2 tr(Σ²)/(G(G − 1))`. This is the
    /// second term, from the scalar products of different groups' errors. The jackknife's
    /// variance contains it twice, having the noise of `y` in place of `μ` as well.
    pub fn drift_noise(&self, whole: &MomentSums) -> f64 {
        let error = |group: &MomentSums| -> Vec<f64> {
            let share = group.weight / whole.weight;
            group.h.iter().zip(&whole.h).map(|(h, all)| (h - share * all) / whole.weight).collect()
        };
        let errors: Vec<Vec<f64>> = self.groups.iter().map(error).collect();
        let mut products = Vec::with_capacity(GROUPS * (GROUPS - 1) / 2);
        for (k, error) in errors.iter().enumerate() {
            products.extend(errors[..k].iter().map(|other| dot(error, other)));
        }
        // The drift's square is 4 ‖E[η]‖², and each product stands for two ordered pairs.
        16.0 * 2.0 * 2.0 * scatter(&products)
    }

    /// The effective sample size `(Σw)²/Σw²` (Kish); zero when no sample has weight.
    pub fn ess(&self) -> f64 {
        let weight: f64 = self.groups.iter().map(|group| group.weight).sum();
        if weight > 0.0 { weight * weight / self.square_weight } else { 0.0 }
    }

    /// Per coordinate, with the sample covariance's bias `1 − 1/ess` divided out: none of a whole
    /// population, `ess` infinite.
    pub fn coordinates(&self, whole: &MomentSums, ess: f64) -> Vec<CoordinateSpread> {
        let correction = correction(ess);
        let covariance = |product: f64, a: f64, b: f64| {
            (product / whole.weight - a / whole.weight * (b / whole.weight)) * correction
        };
        let means = whole.z.iter().zip(&whole.h);
        let products = self.zh.iter().zip(&self.hh);
        means
            .zip(products)
            .map(|((&z, &h), (&zh, &hh))| CoordinateSpread {
                covariance: covariance(zh, z, h),
                gradient: covariance(hh, h, h),
            })
            .collect()
    }

    /// `Var(z_i)` likewise, of [`Self::with_positions`].
    pub fn positions(&self, whole: &MomentSums, ess: f64) -> Vec<f64> {
        let correction = correction(ess);
        let variance =
            |(&zz, &z): (&f64, &f64)| (zz / whole.weight - (z / whole.weight).powi(2)).max(0.0) * correction;
        self.zz.iter().zip(&whole.z).map(variance).collect()
    }

    /// The mean over coordinates of `|Cov(z_i, η_i)|`, of [`Self::with_positions`].
    ///
    /// Each coordinate's sign is that of one half of the groups, its covariance that of the other. The
    /// magnitude of a noisy covariance would be too large in the mean; this is too small where signs are
    /// doubtful, and right elsewhere.
    pub fn mean_magnitude(&self) -> f64 {
        let odd = self.sum(self.groups.iter().skip(1).step_by(2));
        let even = self.sum(self.groups.iter().step_by(2));
        let correction = correction(self.ess() / 2.0);
        let covariances = |sums: &MomentSums, zh: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let weight = sums.weight;
            let covariance =
                |i: usize| (zh(i) / weight - sums.z[i] / weight * (sums.h[i] / weight)) * correction;
            (0..self.odd_zh.len()).map(covariance).collect()
        };
        if odd.weight == 0.0 || even.weight == 0.0 {
            return 0.0;
        }
        let odd = covariances(&odd, &|i| self.odd_zh[i]);
        let even = covariances(&even, &|i| self.zh[i] - self.odd_zh[i]);
        let crossed: f64 = odd.iter().zip(&even).map(|(a, b)| (a.signum() * b + b.signum() * a) / 2.0).sum();
        (crossed / self.odd_zh.len() as f64).max(0.0)
    }

    /// The mean of `excess`, which is zero by Stein's identity, along a direction.
    ///
    /// The direction is `direction` of the sums of the even groups, the projection is of the odd
    /// groups: they are independent of it, so the projections have mean zero and Student's
    /// interval holds in any dimension. A zero direction gives zero.
    pub fn discrepancy(
        &self,
        direction: impl Fn(&MomentSums) -> Vec<f64>,
        excess: impl Fn(&MomentSums) -> Vec<f64>,
    ) -> Figure {
        let direction = direction(&self.sum(self.groups.iter().step_by(2)));
        let odd = || self.groups.iter().skip(1).step_by(2);
        let norm = dot(&direction, &direction).sqrt();
        let weight: f64 = odd().map(|group| group.weight).sum();
        if norm == 0.0 || weight == 0.0 {
            return Figure::mean(&[0.0; HALF]);
        }
        let unit = norm * weight / HALF as f64;
        let project = |sums: &MomentSums| dot(&direction, &excess(sums)) / unit;
        Figure::mean(&odd().map(project).collect::<Vec<_>>())
    }
}

/// What a sample covariance is to be multiplied by.
fn correction(ess: f64) -> f64 {
    let fraction = 1.0 - 1.0 / ess;
    // A single sample has no spread, and its zeros need no correction.
    if fraction > 0.0 { 1.0 / fraction } else { 1.0 }
}
