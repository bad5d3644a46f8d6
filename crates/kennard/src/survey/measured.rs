//! Packets of any kind, as they were measured.

use super::figures::Figures;
use crate::data::Sample;
use crate::packet::oracle::EngineOracle;
use crate::packet::{BoxFigures, DataFigures, Empirical, EmpiricalFigures, LogOdds, MeasureError, Packet};
use crate::{Error, Result};

/// A measured packet.
#[derive(Clone)]
pub(super) enum AnyPacket {
    Gaussian(Box<Packet>),
    Data(DataFigures),
    Box(BoxFigures),
    Empirical(EmpiricalFigures),
}

impl AnyPacket {
    /// Its figures, as the mean of this many packets.
    pub fn figures(&self, label: Option<u64>, centre: Option<u64>, packets: u64) -> Figures {
        match self {
            AnyPacket::Gaussian(packet) => Figures::of_gaussian(packet, label, centre, packets),
            AnyPacket::Data(packet) => Figures::of_data(packet, label, packets),
            AnyPacket::Box(packet) => Figures::of_box(packet, label, packets),
            AnyPacket::Empirical(packet) => Figures::of_empirical(packet, label, packets),
        }
    }

    /// The peaks of its lobes far from the centre.
    pub fn peaks(&self) -> &[Vec<f32>] {
        match self {
            AnyPacket::Gaussian(packet) => &packet.peaks,
            _ => &[],
        }
    }

    /// The mean of packets of one kind; none of none.
    pub fn average(found: &[&AnyPacket]) -> Result<Option<AnyPacket>> {
        macro_rules! all {
            ($kind:ident) => {
                found.iter().filter_map(|f| if let AnyPacket::$kind(p) = f { Some(p.clone()) } else { None })
            };
        }
        let mean = match found.first() {
            None => return Ok(None),
            Some(AnyPacket::Gaussian(_)) => {
                let packets: Vec<Packet> = all!(Gaussian).map(|packet| *packet).collect();
                Packet::average(&packets).map(|packet| AnyPacket::Gaussian(Box::new(packet)))
            }
            Some(AnyPacket::Data(_)) => {
                DataFigures::average(&all!(Data).collect::<Vec<_>>()).map(AnyPacket::Data)
            }
            Some(AnyPacket::Box(_)) => {
                BoxFigures::average(&all!(Box).collect::<Vec<_>>()).map(AnyPacket::Box)
            }
            Some(AnyPacket::Empirical(_)) => {
                EmpiricalFigures::average(&all!(Empirical).collect::<Vec<_>>()).map(AnyPacket::Empirical)
            }
        };
        mean.map(Some).map_err(|error| Error::Unmeasured {
            what: "the mean of the packets".into(),
            why: error.to_string(),
        })
    }
}

/// The empirical packet of a label.
pub(super) fn empirical(
    points: &[Sample],
    label: usize,
    oracle: &mut EngineOracle,
) -> Result<EmpiricalFigures, MeasureError<Error>> {
    let dimension = points.first().map_or(0, |sample| sample.input.len());
    let mut packet = Empirical::new(dimension);
    for points in points.chunks(oracle.batch_size().max(1)) {
        let points: Vec<f32> = points.iter().flat_map(|sample| &sample.input).copied().collect();
        packet.push(&points, label, oracle)?;
    }
    packet.finish()
}
