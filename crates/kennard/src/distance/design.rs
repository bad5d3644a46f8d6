//! Design points: where the window meets the decision boundary first.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::boundary::{StartingClass, cross, nearest_classes, project};
use super::margins::{CountedOracle, Slope};
use super::proposal::{Proposal, ProposalPart};
use super::{DistanceError, Margins};
use crate::Norm;
use crate::packet::vector::{axpy, dot};

/// Classes that are searched for under noise, and those of them without as well.
const NOISY: usize = 5;
const NOISE_FREE: usize = 3;
/// Steps under noise, and pairs of points for each.
const ROUNDS: usize = 6;
const PAIRS: usize = 8;
/// A design point is left out where the window's density is this factor below that at the nearest, as a logarithm.
const FAR: f64 = 16.0;

/// A proposal for what lies across the boundary, seen from the centre: around the points nearest to it of the
/// boundaries of several classes, found with the window's noise averaged and without noise.
pub(super) fn design<O: Margins>(
    asked: &mut CountedOracle<O>,
    scale: f64,
    random: &mut ChaCha8Rng,
) -> Result<Proposal, DistanceError<O::Error>> {
    let mut starts = nearest_classes(asked, NOISY)?;
    // From a misclassified point, the way back is over the boundaries of classes that lead.
    if starts[0].slope.leads.wrong() {
        let leader = starts[0].slope.leads.largest().0;
        starts.retain(|start| start.class == leader || start.slope.lead > 0.0);
    }
    let mut points = averaged(asked, &starts, scale, random)?;
    starts.truncate(NOISE_FREE);
    for crossing in cross(asked, &starts, Norm::L2)? {
        let apart = crossing.across.iter().zip(asked.centre);
        points.push(apart.map(|(x, c)| (f64::from(*x) - f64::from(*c)) / scale).collect());
    }
    let mut parts: Vec<ProposalPart> = points.iter().filter_map(|point| ProposalPart::at(point)).collect();
    parts.sort_by(|a, b| a.along.total_cmp(&b.along));
    if let Some(nearest) = parts.first().map(|part| part.along) {
        parts.retain(|part| (part.along.powi(2) - nearest.powi(2)) / 2.0 < FAR);
    }
    Ok(Proposal::new(parts))
}

/// Where the mean lead of each class over the window displaced there vanishes (each d, in units of the scale), by
/// projections with averaged slopes; steps become smaller, so that noise averages out (Robbins and Monro 1951).
fn averaged<O: Margins>(
    asked: &mut CountedOracle<O>,
    starts: &[StartingClass],
    scale: f64,
    random: &mut ChaCha8Rng,
) -> Result<Vec<Vec<f64>>, DistanceError<O::Error>> {
    let d = asked.centre.len();
    let mut shifts = vec![vec![0.0; d]; starts.len()];
    for round in 0..ROUNDS {
        let mut points = Vec::with_capacity(2 * PAIRS * d);
        let mut classes = Vec::new();
        for (shift, start) in shifts.iter().zip(starts) {
            for _ in 0..PAIRS {
                let normal: Vec<f64> = (0..d).map(|_| StandardNormal.sample(random)).collect();
                // With its mirror image, noise that a plane sees cancels in the mean lead.
                for sign in [1.0, -1.0] {
                    let mut place = shift.clone();
                    axpy(&mut place, sign, &normal);
                    asked.displace(&place, scale, &mut points);
                    classes.push(start.class);
                }
            }
        }
        let slopes = asked.slopes(&points, &classes)?;
        let step = 1.0 / (1.0 + round as f64 / 2.0);
        for (shift, own) in shifts.iter_mut().zip(slopes.chunks_exact(2 * PAIRS)) {
            project(shift, &mean(own, scale), step, Norm::L2);
        }
    }
    Ok(shifts.into_iter().filter(|shift| dot(shift, shift) > 0.0).collect())
}

/// The mean lead, and its mean slope in units of the scale.
fn mean(slopes: &[Slope], scale: f64) -> Slope {
    let share = 1.0 / slopes.len() as f64;
    let mut gradient = vec![0.0; slopes[0].gradient.len()];
    slopes.iter().for_each(|slope| axpy(&mut gradient, scale * share, &slope.gradient));
    let lead = slopes.iter().map(|slope| share * slope.lead).sum();
    Slope { leads: slopes[0].leads.clone(), lead, gradient }
}
