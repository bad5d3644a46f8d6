//! The parts of an error packet by direction.

use super::moments::MomentRow;
use super::proposal::{ALIKE, Proposal, ProposalPart};
use crate::packet::vector::dot;

/// A part of an error packet: what lies around one direction from the sample. The boundary of one class may have several.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Facet {
    /// Its share of the packet, or of the places of chains.
    pub share: f64,
    /// How far out it is along its own direction, in the mean and in input units.
    pub distance: f64,
    /// The cosine of its direction and the attack's.
    pub cosine: f64,
}

impl Facet {
    /// Whether it lies in the direction of the attack.
    pub fn is_attacked(&self) -> bool {
        self.cosine >= ALIKE
    }
}

/// The parts of a proposal that have weight, the heaviest first, those in the same direction as one: `sums` are of their weights,
/// and of weighted places along their axes in units of the scale. `axis` (d) is the attack's.
pub(super) fn facets(proposal: &Proposal, sums: &[[f64; 2]], axis: &[f64], scale: f64) -> Vec<Facet> {
    let total: f64 = sums.iter().map(|[weight, _]| weight).sum();
    let mut parts: Vec<(&ProposalPart, [f64; 2])> = Vec::new();
    for (part, &[weight, place]) in proposal.parts.iter().zip(sums).filter(|(_, [weight, _])| *weight > 0.0) {
        match parts.iter_mut().find(|(other, _)| dot(&other.axis, &part.axis) >= ALIKE) {
            Some((_, sums)) => *sums = [sums[0] + weight, sums[1] + place],
            None => parts.push((part, [weight, place])),
        }
    }
    let mut found: Vec<Facet> = parts
        .into_iter()
        .map(|(part, [weight, place])| Facet {
            share: weight / total,
            distance: scale * place / weight,
            cosine: dot(&part.axis, axis),
        })
        .collect();
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found
}

/// For each of this many parts, the sums of weighted samples.
pub(super) fn sums_of(rows: &[MomentRow], parts: usize) -> Vec<[f64; 2]> {
    let log = |row: &MomentRow| row.log_weight + 2.0 * row.log_lead;
    let top = rows.iter().map(log).fold(f64::NEG_INFINITY, f64::max);
    let mut sums = vec![[0.0; 2]; parts];
    for row in rows {
        let (part, along) = row.nearest;
        let weight = (log(row) - top).exp();
        sums[part][0] += weight;
        sums[part][1] += weight * along;
    }
    sums
}
