//! Measurements without attacks.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use kennard::Result;
use kennard::calibration::{self, Calibrate};
use kennard::data::{DataSet, Selection};
use kennard::run::write_whole;
use kennard::survey::{SurveyOutcome, SurveySummary};
use std::path::PathBuf;

use super::{Arguments, Model, settings, work};
use crate::packets::Packets;
use crate::settings::{Data, Run, Taken};
use crate::setup::Asking;

parts! {
    /// The settings of packets.
    Uncertainty {
        data: Data,
        packets: Packets,
        run: Run,
        model: crate::settings::Model,
    }
}

parts! {
    /// The settings of a calibration.
    Calibration {
        data: Data,
        taken: Taken,
        run: Run,
        model: crate::settings::Model,
    }
}

/// Packets that were measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The figures.
    pub summary: SurveySummary,
    /// Every packet.
    pub outcome: SurveyOutcome,
}

/// Packets and their conjugate spreads: `kennard uncertainty`. Packets with too few effective samples are there, and marked.
///
/// # Errors
/// As [`super::audit`], and where no packet can be measured.
pub fn uncertainty(
    model: &Model,
    data: Option<DataSet>,
    options: Arguments,
    stop: &AtomicBool,
    progress: impl FnMut(u64, u64),
) -> Result<Measured> {
    let settings: Uncertainty = settings(options)?;
    let packets = &settings.packets;
    packets.check()?;
    let all = Selection::All;
    let (data, engine, model) =
        work(model, data, &settings.data, all, Asking::ManyPoints, &settings.model, &settings.run)?;
    let hidden = packets.hidden(&engine, &settings.run.options())?;
    let survey = packets.survey(&engine, hidden.as_ref(), &data, &model, settings.run.seed())?;
    let begin = Instant::now();
    let outcome = survey.run(stop, progress)?;
    let summary = packets.summary(&survey, model, &outcome, begin.elapsed())?;
    packets.write(&survey, &outcome, &summary, Vec::new())?;
    Ok(Measured { summary, outcome })
}

/// The temperature at which a network is as confident as it is right: `kennard calibrate`. Nothing where `stop` ended it.
///
/// # Errors
/// As [`super::audit`], and where the likelihood has no largest value.
pub fn calibrate(
    model: &Model,
    data: Option<DataSet>,
    mut options: Arguments,
    stop: &AtomicBool,
    progress: impl FnMut(u64, u64),
) -> Result<Option<calibration::Calibration>> {
    let out = options.remove("out").and_then(|out| out.as_str().map(PathBuf::from));
    let settings: Calibration = settings(options)?;
    let seed = settings.run.seed();
    let calibrate = Calibrate { samples: settings.taken.selection(seed)?, seed };
    let taken = calibrate.samples;
    let (data, engine, model) =
        work(model, data, &settings.data, taken, Asking::ManyPoints, &settings.model, &settings.run)?;
    let found = data.while_unchanged(|| calibrate.measure(model, &engine, &data, stop, progress))?;
    if let (Some(found), Some(file)) = (&found, out) {
        write_whole(&file, crate::source::json(found)?.as_bytes())?;
    }
    Ok(found)
}
