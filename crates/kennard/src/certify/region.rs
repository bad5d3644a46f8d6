//! The region of a threat model around a sample, in single precision, rounded outward.

use kennard_graph::Region as Shape;

use crate::classifier::Levels;
use crate::threat::Frame;
use crate::{Error, Norm, RequestError, Result, ThreatError, ThreatModel};

/// The inputs of a bound graph for one sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Region {
    /// The smallest value of each element (d).
    pub lower: Vec<f32>,
    /// The largest value of each element (d).
    pub upper: Vec<f32>,
    /// How far from the sample in the norm of the threat model.
    pub radius: f32,
}

impl Region {
    /// All points that count as allowed around `origin` (d): [`ThreatModel::admits`] grants each element a unit in the last
    /// place, and so does this.
    pub fn around(origin: &[f32], threat: &ThreatModel) -> Region {
        let [lo, hi] = threat.bounds;
        let end = |x: f32, sign: f64| f64::from(x) + sign * threat.reach_of(x);
        Region {
            lower: origin.iter().map(|&x| down(end(x, -1.0)).max(lo)).collect(),
            upper: origin.iter().map(|&x| up(end(x, 1.0)).min(hi)).collect(),
            radius: up(threat.reach(origin)),
        }
    }

    /// The region of what a model of integers computes with: every point is multiplied by the scale and rounded. `d` radii of
    /// half a level are added in a norm.
    pub fn rounded(self, levels: &Levels, norm: Norm) -> Region {
        let Region { lower, upper, radius } = self;
        let level = |x: f32| f64::from(levels.round(x)) / f64::from(levels.scale);
        let ends =
            |a: f32, b: f32| if levels.scale > 0.0 { [level(a), level(b)] } else { [level(b), level(a)] };
        let half = 0.5 / f64::from(levels.scale).abs() * (1.0 + 1e-6);
        let radius = up(f64::from(radius) + half * norm.of_ones(lower.len()));
        let [lower, upper] = [0, 1].map(|end| {
            let outward = if end == 0 { down } else { up };
            lower.iter().zip(&upper).map(|(&a, &b)| outward(ends(a, b)[end])).collect()
        });
        Region { lower, upper, radius }
    }

    /// A box, whose ends are taken as they are.
    pub fn of(frame: Frame<'_>) -> Region {
        let [lower, upper] = frame.region();
        Region { lower, upper, radius: 0.0 }
    }
}

/// The shape of regions in a norm.
///
/// # Errors
/// When nothing can be certified in it.
pub(super) fn shape(norm: Norm) -> Result<Shape> {
    match norm {
        Norm::Linf => Ok(Shape::Box),
        Norm::L2 => Ok(Shape::L2),
        Norm::L1 => Ok(Shape::L1),
        Norm::L0 => Err(RequestError::no_certificates(norm).into()),
    }
}

/// Refuses a threat model of which there is nothing to prove, for samples of `d` elements.
pub(super) fn check(threat: &ThreatModel, d: usize) -> Result<()> {
    let ThreatModel { norm, eps, bounds: [lo, hi] } = *threat;
    if eps == 0.0 {
        return Err(ThreatError::NothingToProve.into());
    }
    if eps.is_infinite() {
        return Err(Error::NoEpsilon("a certificate is for").advise(" ({eps})"));
    }
    let most = f64::from(hi - lo) * norm.of_ones(d);
    if eps >= most {
        let within = format!("{norm} ≤ {}", threat.eps_text());
        return Err(Error::Threat(ThreatError::AllInReach { within, eps, bounds: [lo, hi], most })
            .advise(" ({eps}, {bounds})"));
    }
    Ok(())
}

/// The smallest number of single precision that is not below: one step more than rounding needs, as the sum that led here
/// was rounded too.
fn up(value: f64) -> f32 {
    (value as f32).next_up()
}

/// The largest that is not above.
fn down(value: f64) -> f32 {
    (value as f32).next_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The region holds what is allowed, to the last unit, and hardly more.
    #[test]
    fn all_that_is_allowed_is_inside() {
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let threat = ThreatModel::within(norm, 8.0 / 255.0, [0.0, 1.0]).unwrap();
            let origin = [0.5f32, 0.0, 1.0, 0.01, 0.3];
            let region = Region::around(&origin, &threat);
            for i in 0..origin.len() {
                for sign in [-1.0, 1.0] {
                    let mut x = origin;
                    x[i] = (f64::from(x[i]) + sign * threat.eps) as f32;
                    while threat.admits(&origin, &x) {
                        assert!((region.lower[i]..=region.upper[i]).contains(&x[i]), "{norm} {i} {}", x[i]);
                        assert!(norm.distance(&origin, &x) <= f64::from(region.radius));
                        x[i] = if sign > 0.0 { x[i].next_up() } else { x[i].next_down() };
                    }
                }
                assert!(region.lower[i] >= 0.0 && region.upper[i] <= 1.0);
                assert!(f64::from(region.upper[i] - region.lower[i]) < 2.0 * threat.eps + 1e-5);
            }
        }
    }

    /// So it is of elements of any size within wide bounds, where small ones have no more room than epsilon.
    #[test]
    fn elements_of_all_sizes_are_inside() {
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let threat = ThreatModel::within(norm, 0.01, [-1e6, 1e6]).unwrap();
            let origin = [0.0f32, 0.125, -3e5, 7.0, 9e5];
            let region = Region::around(&origin, &threat);
            for (i, sign) in (0..origin.len()).flat_map(|i| [(i, -1.0), (i, 1.0)]) {
                let mut x = origin;
                x[i] = (f64::from(x[i]) + sign * threat.eps * (1.0 - 1e-4)) as f32;
                while threat.admits(&origin, &x) {
                    assert!((region.lower[i]..=region.upper[i]).contains(&x[i]), "{norm} {i} {}", x[i]);
                    assert!(norm.distance(&origin, &x) <= f64::from(region.radius));
                    x[i] = if sign > 0.0 { x[i].next_up() } else { x[i].next_down() };
                }
            }
            assert!(region.upper[1] < 0.1351 && region.lower[1] > 0.1149, "{norm}");
        }
    }

    #[test]
    fn regions_without_a_question_are_refused() {
        let refusal = |norm, eps| {
            let threat = ThreatModel::within(norm, eps, [0.0, 1.0]).unwrap();
            check(&threat, 4).unwrap_err().to_string()
        };
        assert!(refusal(Norm::Linf, 0.0).contains("the sample itself"));
        assert!(refusal(Norm::Linf, 1.0).contains("every input"));
        assert!(refusal(Norm::L2, 2.0).contains("every input"));
        assert!(refusal(Norm::L1, 4.5).contains("units of the input"));
        let unlimited = ThreatModel::unlimited(Norm::L2, [0.0, 1.0]).unwrap();
        assert!(check(&unlimited, 4).unwrap_err().to_string().contains("for an epsilon"));
        check(&ThreatModel::within(Norm::L2, 1.9, [0.0, 1.0]).unwrap(), 4).unwrap();
        assert!(shape(Norm::L0).is_err());
    }
}
