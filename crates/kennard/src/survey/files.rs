//! `summary.json` and `packets.parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use parquet::errors::ParquetError;

use super::distances::NAMES;
use super::figures::Figures;
use super::summary::SurveySummary;
use crate::packet::Mode;
use crate::run::files::{parquet_bytes, prepare, to_json};
use crate::run::sums::write_set;
use crate::{Error, Figure, Result};

/// Writes `packets.parquet`, a row per packet, and `summary.json` into `directory`, which is made
/// if need be. Each file is whole or absent; the summary comes last.
///
/// # Errors
/// When the directory cannot be written to, or the disk is full.
pub fn write_survey(directory: &Path, summary: &SurveySummary, packets: &[Figures]) -> Result<()> {
    let failed = |path: &Path, message: String| Error::Write { path: path.into(), message };
    prepare(directory)?;
    let file = directory.join("packets.parquet");
    let rows = table(packets).map_err(ParquetError::from).and_then(|rows| parquet_bytes(&rows));
    let rows = rows.map_err(|e| failed(&file, e.to_string()))?;
    write_set(directory, &[("packets.parquet", rows), ("summary.json", to_json(summary)?)])
}

/// One row per packet. A figure `f` with an interval has the columns `f`, `f.low` and `f.high`;
/// what a packet does not have is null.
pub(super) fn table(packets: &[Figures]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let mut add = |name: &str, array: ArrayRef| columns.push((name.into(), array));
    let floats = |of: &dyn Fn(&Figures) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(packets.iter().map(of)))
    };
    let counts = |of: &dyn Fn(&Figures) -> Option<u64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(packets.iter().map(|p| of(p).map(|n| n as i64))))
    };
    let flags = |of: fn(&Figures) -> bool| -> ArrayRef {
        Arc::new(BooleanArray::from_iter(packets.iter().map(|p| Some(of(p)))))
    };
    add("packet", Arc::new(StringArray::from_iter_values(packets.iter().map(|p| &p.packet))));
    add("scale", floats(&|p| p.scale));
    if packets.iter().any(|p| p.temperature.is_some()) {
        add("temperature", floats(&|p| p.temperature));
    }
    add("label", counts(&|p| p.label));
    add("centre", counts(&|p| p.centre));
    add("samples", counts(&|p| Some(p.samples)));
    add("ess", floats(&|p| Some(p.ess)));
    add("r_hat", floats(&|p| p.r_hat));
    let measured: [(&str, FigureOf); 15] = [
        ("excess_x", |p| p.excess_x),
        ("excess_p", |p| p.excess_p),
        ("misclassified", |p| p.misclassified),
        ("sigma_x", |p| Some(p.sigma_x)),
        ("sigma_p", |p| Some(p.sigma_p)),
        ("product", |p| Some(p.product)),
        ("drift", |p| p.drift),
        ("dispersion", |p| p.dispersion),
        ("stein", |p| p.stein),
        ("mode.dispersion", |p| leading(p).map(|mode| mode.dispersion)),
        ("mode.product", |p| leading(p).map(|mode| mode.product)),
        ("mode.principal", |p| p.modes.as_ref()?.principal.first().copied()),
        ("drift.product", |p| p.modes.as_ref()?.drift.as_ref().map(|mode| mode.product)),
        ("boundary", |p| p.boundary),
        ("boundary_faces", |p| p.boundary_faces),
    ];
    for (name, of) in measured {
        add(name, floats(&|p| of(p).map(|m| m.value)));
        add(&format!("{name}.low"), floats(&|p| Some(of(p)?.known_interval()?[0])));
        add(&format!("{name}.high"), floats(&|p| Some(of(p)?.known_interval()?[1])));
    }
    for name in NAMES {
        let of = |p: &Figures| p.distances.get(name).copied();
        add(&format!("distance.{name}"), floats(&|p| of(p).map(|m| m.value)));
        add(&format!("distance.{name}.low"), floats(&|p| Some(of(p)?.known_interval()?[0])));
        add(&format!("distance.{name}.high"), floats(&|p| Some(of(p)?.known_interval()?[1])));
    }
    add("squeeze.min", floats(&|p| p.modes.as_ref()?.squeeze.first().copied()));
    add("squeeze.max", floats(&|p| p.modes.as_ref()?.squeeze.last().copied()));
    add("momentum.max", floats(&|p| p.modes.as_ref()?.momentum.first().copied()));
    add("lobes", counts(&|p| Some(p.lobes.len().max(1) as u64)));
    add("lobes.largest", floats(&|p| Some(p.lobes.first().map_or(1.0, |lobe| lobe.share))));
    add("bound", floats(&|p| p.bound));
    add("product_mean", floats(&|p| Some(p.product_mean)));
    add("product_min", floats(&|p| Some(p.product_min)));
    add("enough_samples", flags(|p| p.enough_samples));
    add("reached", flags(|p| p.reached));
    add("valid", flags(|p| p.valid));

    let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(nullable)
}

/// A figure, if a packet has it.
type FigureOf = fn(&Figures) -> Option<Figure>;

fn leading(packet: &Figures) -> Option<&Mode> {
    packet.modes.as_ref()?.leading.first()
}
