//! Where chains were, and the parts of a proposal that follow.

use super::ChainFigures;
use crate::Figure;
use crate::distance::proposal::{NARROWEST, ProposalPart, WIDER};
use crate::packet::vector::{axpy, dot};
use crate::stats::{mean, pseudo_values, scatter};

/// Sums over the states of a chain.
#[derive(Clone)]
pub(super) struct ChainSums {
    pub(super) count: f64,
    /// (d)
    pub(super) z: Vec<f64>,
    /// The sums of places along the axis of the part, and of their squares.
    pub(super) along: f64,
    pub(super) square: f64,
}

impl ChainSums {
    pub(super) fn new(dimension: usize) -> ChainSums {
        ChainSums { count: 0.0, z: vec![0.0; dimension], along: 0.0, square: 0.0 }
    }

    pub(super) fn clear(&mut self) {
        *self = ChainSums::new(self.z.len());
    }

    pub(super) fn add(&mut self, z: &[f64], axis: &[f64]) {
        let along = dot(axis, z);
        self.count += 1.0;
        axpy(&mut self.z, 1.0, z);
        self.along += along;
        self.square += along * along;
    }
}

/// The part around the mean of its chains, and as wide along its axis as they are, with a margin; none without chains. Of
/// the displacement across the axis, the share that the noise of the chains' means explains is left out (James and
/// Stein 1961).
pub(super) fn moved(part: &ProposalPart, own: &[&ChainSums]) -> Option<ProposalPart> {
    let chains = own.len() as f64;
    let count: f64 = own.iter().map(|sums| sums.count).sum();
    if own.len() < 2 || count == 0.0 {
        return None;
    }
    let mut across = vec![0.0; part.axis.len()];
    let mut squares = 0.0;
    for sums in own {
        axpy(&mut across, 1.0 / count, &sums.z);
        squares += dot(&sums.z, &sums.z) / (sums.count * sums.count);
    }
    let noise = (squares - chains * dot(&across, &across)).max(0.0) / (chains * (chains - 1.0));
    let along = dot(&part.axis, &across);
    axpy(&mut across, -along, &part.axis);
    let kept = (1.0 - noise / dot(&across, &across)).max(0.0);
    let mut design: Vec<f64> = across.iter().map(|x| kept * x).collect();
    axpy(&mut design, along, &part.axis);
    let place = own.iter().map(|sums| sums.along).sum::<f64>() / count;
    let variance = own.iter().map(|sums| sums.square).sum::<f64>() / count - place * place;
    ProposalPart::at(&design).map(|at| ProposalPart {
        width: (WIDER * variance.max(0.0).sqrt()).max(NARROWEST),
        share: part.share,
        ..at
    })
}

/// Chains are independent: intervals are those of their means, and the effective sample size follows from how much the
/// means scatter.
pub(super) fn summed(places: &[Vec<f64>], ends: Vec<(usize, usize)>, parts: Vec<[f64; 2]>) -> ChainFigures {
    let means: Vec<f64> = places.iter().map(|places| mean(places)).collect();
    let origin = mean(&means);
    let squares: Vec<f64> =
        places.iter().map(|p| p.iter().map(|t| (t - origin).powi(2)).sum::<f64>() / p.len() as f64).collect();
    let chains = places.len() as f64;
    let variance = |square: f64, shift: f64| (square - shift * shift).max(0.0);
    let whole = variance(mean(&squares), 0.0);
    let deleted = squares.iter().zip(&means).map(|(square, m)| {
        let rest = chains - 1.0;
        variance((chains * mean(&squares) - square) / rest, -(m - origin) / rest)
    });
    let sigma = Figure::mean(&pseudo_values(whole, deleted)).root();
    // Between halves of chains and within them (split-R̂ of Gelman et al., Bayesian Data Analysis, 3rd edition, 11.4).
    let halves: Vec<&[f64]> = places.iter().flat_map(|p| p.chunks_exact(p.len() / 2).take(2)).collect();
    let n = halves[0].len() as f64;
    let within = halves.iter().map(|half| scatter(half) / (n - 1.0)).sum::<f64>() / halves.len() as f64;
    let half_means: Vec<f64> = halves.iter().map(|half| mean(half)).collect();
    let between = scatter(&half_means) / (half_means.len() - 1) as f64;
    ChainFigures {
        mean: Figure::mean(&means),
        sigma_x: sigma,
        ends,
        parts,
        ess: whole / (scatter(&means) / (chains - 1.0)) * chains,
        r_hat: ((n - 1.0) / n + between / within).sqrt(),
    }
}
