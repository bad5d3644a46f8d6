//! What is measured of a packet around data.

use crate::Figure;
use crate::packet::error::AverageError;
use crate::packet::spread::Spreads;
use crate::packet::windowed::FALSE_ALARM;

/// A data packet's figures, or the mean over several.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFigures {
    /// The components' width `s`.
    pub scale: f64,
    /// The spreads.
    pub spreads: Spreads,
    /// What the product cannot fall below: ½.
    pub bound: f64,
    /// Mean of `g` along the direction in which half of the samples shows the most, times `s`: 0 by
    /// partial integration.
    pub stray: Figure,
    /// Whether the covariance is −½ and `stray` is zero, as partial integration demands.
    pub identities_hold: bool,
    /// Data points in the mixture; of several labels, all of them.
    pub components: usize,
    /// How many data points are computed with at a time; of several labels, their sum.
    pub kept: usize,
    /// Whether the components that were looked at for far lobes have none that samples missed.
    pub reached: bool,
    /// The largest responsibility, seen on one sample in 64, of all components that were left out.
    pub lost: f64,
}

/// The largest part of a sample that left-out components may hold.
const LOST_LIMIT: f64 = 0.01;

impl DataFigures {
    /// Whether the figures can be trusted: enough samples, the identities hold, no lobe seems missed, and next to
    /// nothing is [lost](Self::lost).
    pub fn valid(&self) -> bool {
        self.spreads.enough_samples && self.identities_hold && self.reached && self.lost <= LOST_LIMIT
    }

    /// The mean of packets of several labels: as [`Packet::average`](crate::packet::Packet::average).
    ///
    /// # Errors
    /// When `packets` is empty. All must have one scale.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        let spreads = Spreads::average(packets.iter().map(|packet| &packet.spreads))?;
        let first = &packets[0];
        let stray = Figure::average(packets.iter().map(|p| p.stray));
        Ok(Self {
            scale: first.scale,
            bound: first.bound,
            stray,
            identities_hold: identities_hold(&spreads, stray),
            components: packets.iter().map(|p| p.components).sum(),
            kept: packets.iter().map(|p| p.kept).sum(),
            reached: packets.iter().all(|p| p.reached),
            lost: packets.iter().map(|p| p.lost).fold(0.0, f64::max),
            spreads,
        })
    }
}

/// Whether the covariance is −½ and `stray` is zero; the false-alarm rate is shared between them.
pub(super) fn identities_hold(spreads: &Spreads, stray: Figure) -> bool {
    let rate = FALSE_ALARM / 2.0;
    spreads.covariance.agrees(-0.5, rate) && stray.agrees(0.0, rate)
}
