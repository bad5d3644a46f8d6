//! Audits as the settings ask for them.

use kennard::audit::{Audit, PacketPlan};
use kennard::calibration::{Calibrate, Calibrated};
use kennard::data::DataSet;
use kennard::engine::Engine;
use kennard::run::ModelSummary;
use kennard::{Error, Result};
use kennard_graph::is_flat;

use crate::screen::grouped;
use crate::settings::{Settings, Tempered};

/// A whole audit: attacks, packets whose window has the attack's size, and cosines.
pub fn whole_audit<'a>(
    model: ModelSummary,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
) -> Result<Audit<'a>> {
    whole_audit_at(model, settings, data, engine, |model| tempered(model, settings, data, engine))
}

/// The second temperature at which packets are measured, if the settings name one.
pub fn tempered(
    model: &ModelSummary,
    settings: &Settings,
    data: &DataSet,
    engine: &Engine,
) -> Result<Option<Tempered>> {
    let Some(temperature) = &settings.own.temperature else { return Ok(None) };
    let how = Calibrate { samples: settings.selection()?, seed: settings.run.seed() };
    let tempered = temperature.of(model, engine, data, how)?;
    engine.classifier().at_temperature(tempered.temperature)?;
    Ok(Some(tempered))
}

/// As [`whole_audit`], with packets measured at the temperature that `temper` returns too.
pub fn whole_audit_at<'a>(
    model: ModelSummary,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
    temper: impl FnOnce(&ModelSummary) -> Result<Option<Tempered>>,
) -> Result<Audit<'a>> {
    let packets = PacketPlan::at_attack_size(&settings.threat(data)?.0, engine.classifier().dimension())
        .map(|plan| match settings.own.packet_samples {
            Some(samples) => PacketPlan { samples, max_samples: samples, bounded: false, ..plan },
            None => plan,
        })
        .filter(|plan| plan.samples > 0);
    let probe = settings.own.packet_samples != Some(0);
    let asked = settings.own.temperature.is_some() || settings.own.packet_samples.is_some_and(|n| n > 0);
    if packets.is_none() && asked {
        let why = match probe {
            true => {
                "packets have the size of the attacks, and there is none: give an epsilon, in linf, l2 or l1"
            }
            false => {
                "packets are told at a temperature, and there are to be none: leave out --temperature, or --packet-samples 0"
            }
        };
        return Err(Error::Setting(why.into()));
    }
    let mut packets: Vec<PacketPlan> = packets.into_iter().collect();
    let (mut without, mut calibration) = (Vec::new(), None);
    if let Some(Tempered { temperature, fitted_to, calibration: found }) = temper(&model)? {
        say_left_out(&fitted_to);
        without = fitted_to;
        calibration = found.map(Calibrated::from);
        packets.extend(packets.first().map(|plan| PacketPlan { temperature: Some(temperature), ..*plan }));
    }
    let audit = Audit { probe, packets, without, calibration, ..audit(model, settings, data, engine)? };
    let audit = match settings.own.certify {
        Some(certify) => Audit { certify, radii: certify && !audit.minimal.is_empty(), ..audit },
        None => audit.certificates_first(),
    };
    if let Some(said) = &audit.certificates {
        note!("{said}");
    }
    Ok(audit)
}

/// Prints how many samples have no packets because a temperature was fitted to them; nothing if there are none.
pub fn say_left_out(without: &[usize]) {
    if !without.is_empty() {
        let count = grouped(without.len() as u64);
        note!("the {count} samples that the temperature was fitted to are left out of packets");
    }
}

/// The attacks that are made on a model with a gradient where none are named.
pub const SMOOTH: &[&str] = &["fgsm", "pgd"];

/// Why gradients lead nowhere: there is none, or it is 0 everywhere.
fn roughness(engine: &Engine) -> Option<String> {
    if let Some(error) = engine.gradient_error() {
        return Some(error.to_string());
    }
    let flat = engine.classifier().graph().is_some_and(is_flat);
    flat.then(|| "there are only steps between the model's input and its answer".into())
}

/// The attacks of an audit.
pub fn audit<'a>(
    model: ModelSummary,
    settings: &Settings,
    data: &'a DataSet,
    engine: &'a Engine,
) -> Result<Audit<'a>> {
    let rough = settings.attacks.attack.is_none().then(|| roughness(engine)).flatten();
    let usual: &[&str] = match &rough {
        None => SMOOTH,
        Some(_) if engine.trees().is_ok() => &["square", "leaves"],
        Some(_) => &["square"],
    };
    let (attacks, cascade) = settings.attacks.attacks(&settings.threat, usual)?;
    if let Some(why) = rough.filter(|_| attacks.iter().any(|attack| attack.name() == "square")) {
        let need = if usual.len() > 1 { "need" } else { "needs" };
        note!("note: {why}: the model is attacked by {}, which {need} no gradient", usual.join(" and "));
    }
    let (threat, boxes) = settings.threat(data)?;
    Ok(Audit {
        boxes,
        lattice: settings.reach.lattice(data, engine.classifier().levels_per_unit(), threat.bounds)?,
        attacks,
        cascade,
        minimal: settings.attacks.minimal()?,
        samples: settings.selection()?,
        shard: settings.sharding.shard(),
        seed: settings.run.seed(),
        full: settings.attacks.full.unwrap_or(false),
        budget: settings.attacks.budget,
        ..Audit::new(model, engine, data, threat)
    })
}
