//! The nearest point of the decision boundary that can be found.

use super::boundary::{Crossing, StartingClass, cross, first_crossing};
use super::margins::CountedOracle;
use super::{DistanceError, Margins};
use crate::Norm;
use crate::packet::vector::{axpy, dot};

/// Crossings that are improved, and steps of that.
const IMPROVED: usize = 3;
const STEPS: usize = 10;
/// The share of the way to a tangent plane's nearest point that a step goes at first.
const SHARE: f64 = 0.7;
/// Crossings this much farther than the nearest are left out.
const WORTH: f64 = 1.1;

/// A point of the boundary.
pub(super) struct Nearest {
    /// From the centre (d).
    pub way: Vec<f64>,
    /// The class that leads just across.
    pub class: usize,
}

/// The nearest point of the boundary: the nearest
/// crossings on straight lines, improved by walks along the boundary. None where nothing is crossed.
///
/// A step of a walk goes towards where the tangent plane at the last point is nearest to the centre, and back to the
/// boundary on a straight line through the centre; one that would go farther away is halved.
pub(super) fn closest<O: Margins>(
    asked: &mut CountedOracle<O>,
    starts: &[StartingClass],
) -> Result<Option<Nearest>, DistanceError<O::Error>> {
    let crossings = cross(asked, starts, Norm::L2)?;
    let Some(first) = crossings.first() else { return Ok(None) };
    let farthest = WORTH * first.distance;
    let misclassified = starts.first().is_some_and(|start| start.slope.leads.wrong());
    let mut best: Option<(Vec<f64>, f64)> = None;
    for crossing in crossings.iter().take(IMPROVED).filter(|crossing| crossing.distance <= farthest) {
        let mut way = from_centre(asked, crossing);
        let mut length = dot(&way, &way).sqrt();
        if !misclassified {
            (way, length) = walk(asked, way, length)?;
        }
        if best.as_ref().is_none_or(|(_, least)| length < *least) {
            best = Some((way, length));
        }
    }
    let Some((way, _)) = best else { return Ok(None) };
    let mut point = Vec::with_capacity(way.len());
    asked.displace(&way, 1.0, &mut point);
    let class = asked.leads(&point)?[0].largest().0;
    Ok(Some(Nearest { way, class }))
}

fn from_centre<O: Margins>(asked: &CountedOracle<O>, crossing: &Crossing) -> Vec<f64> {
    let far = if asked.distance(&crossing.across) > 0.0 { &crossing.across } else { &crossing.near };
    far.iter().zip(asked.centre).map(|(x, c)| f64::from(*x) - f64::from(*c)).collect()
}

fn walk<O: Margins>(
    asked: &mut CountedOracle<O>,
    mut way: Vec<f64>,
    mut length: f64,
) -> Result<(Vec<f64>, f64), DistanceError<O::Error>> {
    let mut share = SHARE;
    for _ in 0..STEPS {
        let mut point = Vec::with_capacity(way.len());
        asked.displace(&way, 1.0, &mut point);
        let class = asked.leads(&point)?[0].largest().0;
        let slope = asked.slopes(&point, &[class])?.remove(0);
        let reach = dot(&slope.gradient, &way) / slope.steepness().powi(2);
        if !reach.is_finite() {
            break;
        }
        let mut next: Vec<f64> = way.iter().map(|x| (1.0 - share) * x).collect();
        axpy(&mut next, share * reach, &slope.gradient);
        let norm = dot(&next, &next).sqrt();
        let axis: Vec<f64> = next.iter().map(|x| x / norm).collect();
        match first_crossing(asked, &axis, length)? {
            Some(crossing) if crossing < length => {
                length = crossing;
                way = axis.into_iter().map(|x| x * crossing).collect();
            }
            _ => share /= 2.0,
        }
    }
    Ok((way, length))
}
