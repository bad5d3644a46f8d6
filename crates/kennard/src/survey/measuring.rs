//! Packets at all sites, side by side.

use std::sync::atomic::AtomicBool;

use kennard_graph::is_affine;

use super::measured::{AnyPacket, empirical};
use super::sites::{OTHERS, Site, SiteWork};
use super::{PacketKind, Survey};
use crate::data::Sample;
use crate::distance::{DistanceError, EngineMargins, crossings};
use crate::engine::Engine;
use crate::error::with_causes;
use crate::packet::oracle::EngineOracle;
use crate::packet::{BoxPacket, DataPacket, GaussianPacket, Hidden, MeasureError};
use crate::{Error, Result};

/// What packets may take of the memory, in bytes.
const MEMORY: usize = 3 << 29;

/// Points that searches for far parts of packets start from.
pub(super) struct Starts {
    /// Samples of several labels.
    pub others: Vec<Sample>,
    /// For each site, points across the decision boundary.
    pub across: Vec<Vec<Vec<f32>>>,
}

/// At most this many crossings of the decision boundary are kept for a centre.
const ACROSS: usize = 4;

/// A measured packet, or why it could not be measured.
pub(super) type Measurement = std::result::Result<AnyPacket, String>;

impl Survey<'_> {
    /// How many packets are measured side by side: a packet takes up to 4 KiB a coordinate.
    pub(super) fn workers(&self) -> usize {
        let engine = self.answering();
        let packet = 4096 * engine.classifier().dimension().max(1);
        engine.plan().sessions.min((MEMORY / packet).max(1))
    }

    /// The engine that answers about points.
    pub(super) fn answering(&self) -> &Engine {
        self.hidden.map_or(self.engine, Hidden::engine)
    }

    /// A packet, or why it cannot be measured.
    ///
    /// # Errors
    /// When the runtime fails.
    fn measure(
        &self,
        (scale, place, site): SiteWork,
        starts: &Starts,
        oracle: &mut EngineOracle,
    ) -> Result<Measurement> {
        let (samples, seed, effort) = (self.samples, self.seed, &self.effort);
        let scale = scale.unwrap_or(f64::NAN);
        let found = match (self.kind, site) {
            (PacketKind::Gaussian, Site::Centre(sample, rest)) => {
                oracle.hold(rest);
                let others = starts.others.iter().filter(|other| other.label != sample.label).take(OTHERS);
                let across = starts.across.get(place).into_iter().flatten();
                let others: Vec<&[f32]> =
                    others.map(|other| other.input.as_slice()).chain(across.map(Vec::as_slice)).collect();
                GaussianPacket { scale, samples, seed }
                    .measure_among(effort, &sample.input, sample.label, sample.index as u64, &others, oracle)
                    .map(|packet| AnyPacket::Gaussian(Box::new(packet)))
            }
            (PacketKind::Data, Site::Label(label, points)) => {
                let centres: Vec<&[f32]> = points.iter().map(|sample| sample.input.as_slice()).collect();
                DataPacket { scale, samples, seed }
                    .measure_until(effort, &centres, *label, oracle)
                    .map(AnyPacket::Data)
            }
            (PacketKind::Box(bounds), Site::Label(label, _)) => BoxPacket { bounds, samples, seed }
                .measure_until(effort, self.engine.classifier().dimension(), *label, oracle)
                .map(AnyPacket::Box),
            (PacketKind::Empirical, Site::Label(label, points)) => {
                empirical(points, *label, oracle).map(AnyPacket::Empirical)
            }
            (PacketKind::Gaussian, Site::Label(..)) | (_, Site::Centre(..)) => {
                unreachable!("sites follow the kind")
            }
        };
        match found {
            Ok(found) => Ok(Ok(found)),
            Err(MeasureError::Oracle(error)) => {
                Err(Error::Unmeasured { what: format!("the packet at {site}"), why: with_causes(&error) })
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Whether the network is known to be affine with two classes, whose packets need not vary.
    pub(super) fn answering_is_affine(&self) -> bool {
        let classifier = self.answering().classifier();
        classifier.classes() == 2 && classifier.graph().is_some_and(is_affine)
    }

    /// For each site that is a centre, points just across the decision boundary towards several classes, the nearest
    /// first: where chains and searches for far parts start, beside the centre.
    pub(super) fn across(&self, sites: &[Site], stop: &AtomicBool) -> Result<Vec<Vec<Vec<f32>>>> {
        if self.kind != PacketKind::Gaussian {
            return Ok(Vec::new());
        }
        let cross = |oracle: &mut EngineMargins, site: &Site| {
            let Site::Centre(sample, rest) = site else { return Ok(Vec::new()) };
            oracle.hold(rest);
            match crossings(&sample.input, sample.label, oracle) {
                Ok(found) => Ok(found.into_iter().take(ACROSS).map(|crossing| crossing.across).collect()),
                Err(DistanceError::Oracle(error)) => Err(error),
                // What keeps a packet from being measured is said when it is.
                Err(_) => Ok(Vec::new()),
            }
        };
        let oracle = |evaluator| EngineMargins::until(evaluator, stop);
        let found = self.answering().each_of(sites, self.workers(), stop, oracle, cross, |_| ())?;
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    pub(super) fn measure_all(
        &self,
        work: &[SiteWork],
        starts: &Starts,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Option<Measurement>>> {
        let engine = self.answering();
        let oracle = |evaluator| EngineOracle::until(evaluator, engine, stop);
        let measure = |oracle: &mut EngineOracle, work: &SiteWork| self.measure(*work, starts, oracle);
        let total = work.len() as u64;
        engine.each_of(work, self.workers(), stop, oracle, measure, |done| progress(done as u64, total))
    }
}
