use serde::{Deserialize, Deserializer, Serialize};

use super::bounds::clip;
use super::norm::Norm;
use super::projection::{onto_l0_ball, onto_l1_ball};
use crate::{Error, Result, ThreatError};

/// What an attacker may do: move an input by at most `eps` in `norm`, inside the input's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreatModel {
    /// The norm of the perturbation.
    pub norm: Norm,
    /// Its largest size, in input units; infinite (null in JSON) where the smallest perturbations are sought.
    #[serde(deserialize_with = "infinite_if_null")]
    pub eps: f64,
    /// The smallest and the largest value an input element may have.
    pub bounds: [f32; 2],
}

impl ThreatModel {
    /// A threat model in the input range `[0, 1]`.
    ///
    /// # Errors
    /// See [`ThreatModel::within`].
    pub fn new(norm: Norm, eps: f64) -> Result<ThreatModel> {
        ThreatModel::within(norm, eps, [0.0, 1.0])
    }

    /// A threat model.
    ///
    /// # Errors
    /// When the bounds are no range, or epsilon is negative, no number, or (for linf) larger than
    /// the range.
    pub fn within(norm: Norm, eps: f64, bounds: [f32; 2]) -> Result<ThreatModel> {
        let [lo, hi] = bounds;
        let range = f64::from(hi) - f64::from(lo);
        if !(range > 0.0 && range.is_finite()) {
            return Err(ThreatError::Bounds { low: lo, high: hi }.into());
        }
        if !(eps >= 0.0 && eps.is_finite()) {
            return Err(Error::OutOfRange {
                setting: "epsilon".into(),
                value: eps,
                allowed: "it must be zero or a positive number".into(),
            });
        }
        if norm == Norm::Linf && eps > range {
            return Err(ThreatError::EpsilonBeyond { eps, bounds }.into());
        }
        if norm == Norm::L0 {
            return Err(Error::Threat(ThreatError::FixedL0)
                .advise("; ask for the smallest l0 perturbations with {minimal}"));
        }
        Ok(ThreatModel { norm, eps, bounds })
    }

    /// The same norm and bounds, epsilon infinite: what a minimum-norm attack works under.
    ///
    /// # Errors
    /// When the bounds are no range.
    pub fn unlimited(norm: Norm, bounds: [f32; 2]) -> Result<ThreatModel> {
        let checked = ThreatModel::within(Norm::Linf, 0.0, bounds)?;
        Ok(ThreatModel { norm, eps: f64::INFINITY, ..checked })
    }

    /// Epsilon as people write it: `0.1`, `8/255`; `unlimited` where it is infinite.
    pub fn eps_text(&self) -> String {
        let eps = self.eps;
        // 0.1 × 3 is 0.30000000000000004, which nobody means.
        let near: f64 = format!("{eps:.14e}").parse().unwrap_or(eps);
        let exact = near.to_string();
        let levels = (eps * 255.0).round();
        match exact.len() {
            _ if !eps.is_finite() => "unlimited".into(),
            ..=8 => exact,
            _ if levels / 255.0 == eps => format!("{levels}/255"),
            _ => exact,
        }
    }

    /// The same norm and bounds with another epsilon.
    pub(crate) fn at(self, eps: f64) -> ThreatModel {
        ThreatModel { eps, ..self }
    }

    /// Brings `x` to the nearest allowed point around `origin` in the Euclidean sense (linf, l1, l0), or
    /// to an allowed one nearby (l2: into the ball, then clipped to the bounds, which cannot leave the
    /// ball as `origin` is in bounds).
    pub fn project(&self, origin: &[f32], x: &mut [f32]) {
        let [lo, hi] = self.bounds;
        match self.norm {
            Norm::Linf => {
                let eps = self.eps as f32;
                // Not `clamp`, whose check of its arguments costs more than the rest.
                for (x, &o) in x.iter_mut().zip(origin) {
                    *x = x.max(o - eps).min(o + eps).max(lo).min(hi);
                }
            }
            Norm::L2 => {
                let norm = self.norm.distance(origin, x);
                if norm > self.eps {
                    let factor = self.eps / norm;
                    for (x, &o) in x.iter_mut().zip(origin) {
                        *x = (f64::from(o) + factor * (f64::from(*x) - f64::from(o))) as f32;
                    }
                }
                clip(x, self.bounds);
            }
            Norm::L1 => onto_l1_ball(origin, x, self.eps, self.bounds),
            Norm::L0 => onto_l0_ball(origin, x, self.eps, self.bounds),
        }
    }

    /// Whether `x` is allowed around `origin`: each element within the bounds, and the norm of the
    /// difference at most epsilon (and 10⁻⁶ of it), where each element of the difference is less by one unit in the last
    /// place of single precision, of the element itself. The number of elements that change is not rounded.
    pub fn admits(&self, origin: &[f32], x: &[f32]) -> bool {
        let [lo, hi] = self.bounds;
        let size = match self.norm {
            Norm::L0 => self.norm.distance(origin, x),
            norm => norm.of(origin.iter().zip(x).map(|(&o, &x)| beyond_rounding(o, x))),
        };
        x.iter().all(|x| (lo..=hi).contains(x)) && size <= self.allowed()
    }

    /// What the norm of a difference [beyond rounding](beyond_rounding) may be.
    pub(crate) fn allowed(&self) -> f64 {
        match self.norm {
            Norm::L0 => self.eps,
            _ => self.eps * (1.0 + SUMS),
        }
    }

    /// A number that the norm of no difference exceeds that [`admits`](ThreatModel::admits) takes for allowed around `origin` (d).
    ///
    /// With `u` what rounding may be, `‖δ‖ ≤ allowed + ‖u‖` and `u_i ≤ ulp · (|o_i| + |δ_i|)`.
    pub(crate) fn reach(&self, origin: &[f32]) -> f64 {
        match self.norm {
            Norm::L0 => self.eps,
            norm => (self.allowed() + ULP * norm.size(origin)) * (1.0 + 2.0 * ULP),
        }
    }

    /// How far one element can be from that of the origin in the same way, in linf, l2 and l1.
    pub(crate) fn reach_of(&self, origin: f32) -> f64 {
        (self.allowed() + ULP * f64::from(origin).abs()) * (1.0 + 2.0 * ULP)
    }

    /// One unit in the last place of single precision, at the larger of the bounds.
    pub(crate) fn step(&self) -> f64 {
        let [lo, hi] = self.bounds;
        ULP * f64::from(lo.abs().max(hi.abs()))
    }
}

/// One unit in the last place of single precision, relative to the number.
const ULP: f64 = f32::EPSILON as f64;

/// The share of epsilon by which sums and scales of single precision may be beyond it.
const SUMS: f64 = 1e-6;

/// How far an element is from its origin, less one unit in the last place of the larger of the two; not less than 0. It grows
/// with the way from the origin.
pub(crate) fn beyond_rounding(origin: f32, x: f32) -> f64 {
    let (origin, x) = (f64::from(origin), f64::from(x));
    let beyond = (x - origin).abs() - ULP * origin.abs().max(x.abs());
    if beyond < 0.0 { 0.0 } else { beyond }
}

fn infinite_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::super::parse_number;
    use super::*;

    #[test]
    fn fractions_and_decimals_are_numbers() {
        assert_eq!(parse_number("8/255").unwrap(), 8.0 / 255.0);
        assert_eq!(parse_number(" 0.3 ").unwrap(), 0.3);
        assert!(parse_number("8/0").is_err());
        assert!(parse_number("eight").is_err());
    }

    #[test]
    fn epsilon_is_said_as_people_write_it() {
        let text = |eps| ThreatModel::new(Norm::Linf, eps).unwrap().eps_text();
        assert_eq!(
            [0.0, 0.1, 8.0 / 255.0, 0.2, 1.0 / 255.0].map(text),
            ["0", "0.1", "8/255", "0.2", "1/255"]
        );
        assert_eq!(ThreatModel::new(Norm::L2, 128.0 / 255.0).unwrap().eps_text(), "128/255");
        assert_eq!(ThreatModel::unlimited(Norm::L2, [0.0, 1.0]).unwrap().eps_text(), "unlimited");
        assert_eq!([0.123_456_789, 0.1 * 3.0, 0.1 + 0.2].map(text), ["0.123456789", "0.3", "0.3"]);
    }

    #[test]
    fn impossible_threat_models_are_refused() {
        assert!(ThreatModel::new(Norm::Linf, -0.1).is_err());
        assert!(ThreatModel::new(Norm::Linf, 8.0).is_err());
        assert!(ThreatModel::new(Norm::L2, 8.0).is_ok());
        assert!(ThreatModel::new(Norm::L2, f64::NAN).is_err());
        assert!(ThreatModel::within(Norm::L2, 1.0, [1.0, 0.0]).is_err());
    }

    /// Euclidean projection onto the l1 ball: the point nearest to (3, 1) with |x|+|y| ≤ 2 is (2, 0);
    /// to (2, 1.5) it is (1.25, 0.75).
    #[test]
    fn l1_projection_is_the_nearest_point() {
        let threat = ThreatModel::within(Norm::L1, 2.0, [-10.0, 10.0]).unwrap();
        let mut x = [3.0, 1.0];
        threat.project(&[0.0, 0.0], &mut x);
        assert_eq!(x, [2.0, 0.0]);
        let mut x = [2.0, -1.5];
        threat.project(&[0.0, 0.0], &mut x);
        assert_eq!(x, [1.25, -0.75]);
    }

    /// What rounding may be is told by the element, however wide the bounds; a projection onto the ball is allowed at any size.
    #[test]
    fn wide_bounds_leave_no_more_room() {
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let threat = ThreatModel::within(norm, 0.01, [0.0, 1e6]).unwrap();
            let origin = [0.5f32, 0.25, 3.0, 9e5];
            assert!(!threat.admits(&origin, &[0.625, 0.25, 3.0, 9e5]), "{norm}");
            assert!(!threat.admits(&origin, &[0.5101, 0.25, 3.0, 9e5]), "{norm}");
            assert!(threat.admits(&origin, &[0.51, 0.25, 3.0, 9e5]), "{norm}");
            assert!(threat.admits(&origin, &[0.5, 0.25, 3.0, 9e5f32.next_up()]), "{norm}");
            assert!(threat.reach_of(0.5) < 0.010001 && threat.reach_of(9e5) < 0.2);
            for eps in [1e-3, 0.1, 30.0, 5e4] {
                let threat = threat.at(eps);
                let origin: Vec<f32> =
                    (0..300).map(|i| ((i * 37) % 101) as f32 * 10f32.powi(i % 5)).collect();
                let mut x: Vec<f32> =
                    (0..300).map(|i| origin[i] + (i as f32 * 1.3).sin() * 3.0 * eps as f32).collect();
                threat.project(&origin, &mut x);
                assert!(threat.admits(&origin, &x), "{norm} {eps}");
                assert!(norm.distance(&origin, &x) <= threat.reach(&origin), "{norm} {eps}");
            }
        }
    }

    #[test]
    fn projections_are_allowed_and_leave_allowed_points_alone() {
        let origin: Vec<f32> = (0..50).map(|i| (i as f32 * 0.37) % 1.0).collect();
        let far: Vec<f32> = (0..50).map(|i| (i as f32 * 1.7).sin() * 3.0).collect();
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let threat = ThreatModel::new(norm, 0.25).unwrap();
            let mut x = far.clone();
            assert!(!threat.admits(&origin, &x));
            threat.project(&origin, &mut x);
            assert!(threat.admits(&origin, &x), "{norm}");
            let once = x.clone();
            threat.project(&origin, &mut x);
            let moved = Norm::Linf.distance(&once, &x);
            assert!(moved < 1e-6, "{norm}: a second projection moves by {moved}");
        }
    }
}
