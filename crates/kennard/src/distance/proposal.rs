//! Where rare points of a window are drawn.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use crate::packet::vector::{axpy, dot};

/// The share of samples drawn from the window itself: it keeps every weight below its inverse times that of sampling
/// the window alone (Hesterberg, Technometrics 37:185, 1995).
pub(super) const WINDOW_SHARE: f64 = 0.1;
/// The least share of a part among the displaced samples, over the number of parts.
const LEAST: f64 = 0.2;
/// The least standard deviation along a part's axis, in units of `s`, and how much wider than its samples a part is.
pub(super) const NARROWEST: f64 = 1e-4;
pub(super) const WIDER: f64 = 1.5;
/// No part is added where the window's density is this factor below that at the first part, as a logarithm. In many dimensions
/// the curvature of the boundary may make up for much.
const FAR: f64 = 64.0;
/// Parts whose axes have this cosine are one.
pub(super) const ALIKE: f64 = 0.9;

/// `N(a u, I + (w² − 1) u uᵀ)`: the window displaced by `a` along a unit vector `u`, and of another width `w` along it.
/// In units of `s` from the centre.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProposalPart {
    /// `u` (d).
    pub axis: Vec<f64>,
    pub along: f64,
    pub width: f64,
    /// The share of displaced samples.
    pub share: f64,
}

impl ProposalPart {
    /// Around a design point (d) of the boundary; none where that is the centre itself.
    pub fn at(design: &[f64]) -> Option<ProposalPart> {
        let along = dot(design, design).sqrt();
        (along.is_finite() && along > 1e-9).then(|| ProposalPart {
            axis: design.iter().map(|x| x / along).collect(),
            along,
            width: 1.0,
            share: 1.0,
        })
    }

    /// A sample of it made of a standard normal one (d).
    pub fn displace(&self, normal: &mut [f64]) {
        let along = dot(&self.axis, normal);
        axpy(normal, self.along + (self.width - 1.0) * along, &self.axis);
    }

    /// Where a point (d) of this part would be in another one: reflected, so that the one axis becomes the other, and as
    /// many widths from the middle along it. From there the same leads back.
    pub fn carried(&self, other: &ProposalPart, z: &[f64]) -> Vec<f64> {
        let along = dot(&self.axis, z);
        let apart: Vec<f64> = self.axis.iter().zip(&other.axis).map(|(a, b)| a - b).collect();
        let square = dot(&apart, &apart);
        let mut there = z.to_vec();
        if square > 0.0 {
            axpy(&mut there, -2.0 * dot(&apart, z) / square, &apart);
        }
        let place = other.along + (along - self.along) * other.width / self.width;
        axpy(&mut there, place - along, &other.axis);
        there
    }

    /// `ln` of its density over the window's, at a point `t` along the axis.
    pub fn log_gain(&self, t: f64) -> f64 {
        let z = (t - self.along) / self.width;
        (t * t - z * z) / 2.0 - self.width.ln()
    }
}

/// The window and its displaced parts, each with its share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Proposal {
    pub parts: Vec<ProposalPart>,
}

/// A weighted sample of a part, for its adaptation.
pub(super) struct Drawn {
    pub part: usize,
    /// Along the part's axis.
    pub along: f64,
    /// `ln` of what the sample counts, times the window's density over the part's.
    pub log_own: f64,
    /// `ln` of what the sample counts, times the window's density over the proposal's.
    pub log_all: f64,
}

impl Proposal {
    /// All parts equally likely.
    pub fn new(mut parts: Vec<ProposalPart>) -> Proposal {
        let share = 1.0 / parts.len().max(1) as f64;
        parts.iter_mut().for_each(|part| part.share = share);
        Proposal { parts }
    }

    /// Another part around a point (d), unless it is in the direction of one that there is, or the window's density there is next to
    /// nothing beside that at the first part.
    pub fn add(&mut self, design: &[f64]) {
        let Some(part) = ProposalPart::at(design) else { return };
        let nearest = self.parts.first().map_or(part.along, |first| first.along);
        let is_new = self.parts.iter().all(|other| dot(&other.axis, &part.axis) < ALIKE);
        if is_new && (part.along.powi(2) - nearest.powi(2)) / 2.0 < FAR {
            self.parts.push(part);
        }
    }

    /// Without parts that lie in the same direction as one before.
    pub fn distinct(self) -> Proposal {
        let mut parts: Vec<ProposalPart> = Vec::new();
        for part in self.parts {
            if parts.iter().all(|other| dot(&other.axis, &part.axis) < ALIKE) {
                parts.push(part);
            }
        }
        Proposal::new(parts)
    }

    /// The part whose density is largest at `z` (d), in proportion to the window's.
    pub fn nearest(&self, z: &[f64]) -> Option<usize> {
        let gain = |part: &ProposalPart| part.log_gain(dot(&part.axis, z));
        (0..self.parts.len()).max_by(|a, b| gain(&self.parts[*a]).total_cmp(&gain(&self.parts[*b])))
    }

    /// A sample (d), and the part that it is of.
    pub fn draw(&self, dimension: usize, random: &mut ChaCha8Rng) -> (Vec<f64>, Option<usize>) {
        let (window, mut place): (f64, f64) =
            (StandardUniform.sample(random), StandardUniform.sample(random));
        let mut z: Vec<f64> = (0..dimension).map(|_| StandardNormal.sample(random)).collect();
        if window < WINDOW_SHARE || self.parts.is_empty() {
            return (z, None);
        }
        let mut chosen = self.parts.len() - 1;
        for (k, part) in self.parts.iter().enumerate() {
            if place < part.share {
                chosen = k;
                break;
            }
            place -= part.share;
        }
        self.parts[chosen].displace(&mut z);
        (z, Some(chosen))
    }

    /// `ln` of the window's density over the proposal's, at a point `z` (d).
    pub fn log_ratio(&self, z: &[f64]) -> f64 {
        if self.parts.is_empty() {
            return 0.0;
        }
        let gains: Vec<f64> =
            self.parts.iter().map(|part| part.share.ln() + part.log_gain(dot(&part.axis, z))).collect();
        let top = gains.iter().copied().fold(0.0, f64::max);
        let displaced: f64 = gains.iter().map(|gain| (gain - top).exp()).sum();
        -top - (WINDOW_SHARE * (-top).exp() + (1.0 - WINDOW_SHARE) * displaced).ln()
    }

    /// Moves each part to where its own samples have their weight, and shares samples out by the weight that each part
    /// found (the cross-entropy method: Rubinstein and Kroese 2004). A part without weight goes farther out.
    pub fn adapt(&mut self, drawn: &[Drawn]) {
        let top = drawn.iter().map(|drawn| drawn.log_all).fold(f64::NEG_INFINITY, f64::max);
        let mut found = vec![0.0; self.parts.len()];
        for (k, part) in self.parts.iter_mut().enumerate() {
            let own: Vec<&Drawn> =
                drawn.iter().filter(|d| d.part == k && d.log_own > f64::NEG_INFINITY).collect();
            let Some(most) = own.iter().map(|d| d.log_own).reduce(f64::max) else {
                part.along += 1.0f64.max(0.1 * part.along);
                continue;
            };
            let (mut total, mut square, mut mean) = (0.0, 0.0, 0.0);
            for d in &own {
                let weight = (d.log_own - most).exp();
                total += weight;
                square += weight * weight;
                mean += weight * d.along;
                found[k] += (d.log_all - top).exp();
            }
            mean /= total;
            let spread: f64 =
                own.iter().map(|d| (d.log_own - most).exp() * (d.along - mean).powi(2)).sum::<f64>() / total;
            // A few samples say less about where the weight is, and how narrow it is.
            let trust = 1.0 - (-(total * total / square) / 8.0).exp();
            part.along += trust * (mean - part.along);
            part.width = (trust * WIDER * spread.sqrt() + (1.0 - trust) * part.width).clamp(NARROWEST, 1.5);
        }
        let all: f64 = found.iter().sum();
        if all > 0.0 {
            let even = 1.0 / self.parts.len() as f64;
            for (part, found) in self.parts.iter_mut().zip(found) {
                part.share = LEAST * even + (1.0 - LEAST) * found / all;
            }
        }
    }
}
