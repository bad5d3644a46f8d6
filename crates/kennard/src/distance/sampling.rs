//! Weighted samples of a part of the window.

use rand_chacha::ChaCha8Rng;

use super::margins::{CountedOracle, Leads};
use super::proposal::{Drawn, Proposal};
use super::{DistanceError, Margins};
use crate::packet::vector::dot;

/// Rounds in which a proposal follows its samples, and samples of each.
const ROUNDS: usize = 3;
const TRIAL: usize = 384;

/// A sample of the window.
pub(super) struct WindowSample<'a> {
    /// In units of `s` from the centre (d), as the oracle saw it.
    pub z: &'a [f64],
    pub point: &'a [f32],
    pub leads: &'a Leads,
    /// `ln` of the window's density over the proposal's.
    pub log_ratio: f64,
    /// The part of the proposal that it was drawn from; none for the window.
    pub part: Option<usize>,
}

/// Draws `count` samples and shows them to `visit`, in order.
pub(super) fn draw<O: Margins>(
    asked: &mut CountedOracle<O>,
    scale: f64,
    proposal: &Proposal,
    count: usize,
    random: &mut ChaCha8Rng,
    mut visit: impl FnMut(WindowSample),
) -> Result<(), DistanceError<O::Error>> {
    let d = asked.centre.len();
    let batch = asked.oracle.batch_size().max(1);
    for start in (0..count).step_by(batch) {
        let rows = batch.min(count - start);
        let (mut points, mut parts) = (Vec::with_capacity(rows * d), Vec::with_capacity(rows));
        for _ in 0..rows {
            let (z, part) = proposal.draw(d, random);
            asked.displace(&z, scale, &mut points);
            parts.push(part);
        }
        let leads = asked.leads(&points)?;
        for ((point, leads), part) in points.chunks_exact(d).zip(&leads).zip(parts) {
            let z = places(asked.centre, point, scale);
            let log_ratio = proposal.log_ratio(&z);
            visit(WindowSample { z: &z, point, leads, log_ratio, part });
        }
    }
    Ok(())
}

/// A point in units of the scale from the centre (d).
pub(super) fn places(centre: &[f32], point: &[f32], scale: f64) -> Vec<f64> {
    point.iter().zip(centre).map(|(x, c)| (f64::from(*x) - f64::from(*c)) / scale).collect()
}

/// Has a proposal follow where samples count, `log_worth` being `ln` of what one counts.
pub(super) fn follow<O: Margins>(
    asked: &mut CountedOracle<O>,
    scale: f64,
    proposal: &mut Proposal,
    random: &mut ChaCha8Rng,
    log_worth: impl Fn(&Leads) -> f64,
) -> Result<(), DistanceError<O::Error>> {
    if proposal.parts.is_empty() {
        return Ok(());
    }
    for _ in 0..ROUNDS {
        let current = proposal.clone();
        let mut drawn = Vec::with_capacity(TRIAL);
        draw(asked, scale, &current, TRIAL, random, |sample| {
            let Some(part) = sample.part else { return };
            let along = dot(&current.parts[part].axis, sample.z);
            let worth = log_worth(sample.leads);
            let log_own = worth - current.parts[part].log_gain(along);
            drawn.push(Drawn { part, along, log_own, log_all: worth + sample.log_ratio });
        })?;
        proposal.adapt(&drawn);
    }
    Ok(())
}
