//! Pictures of adversarial examples.

use std::io::Cursor;

use base64::prelude::*;
use image::ImageFormat;
use image::imageops::FilterType;
use serde::Serialize;

use crate::audit::{Role, RunState, Shown, roles};
use crate::export::{Triptych, triptych};

/// Pictures are no higher than this, in pixels.
const HIGHEST: u32 = 64;

/// A broken sample and its closest adversarial point.
#[derive(Serialize)]
pub(super) struct BrokenSample {
    index: usize,
    label: usize,
    prediction: usize,
    /// The label's probability before, and that of the prediction after.
    confidence: [Option<f32>; 2],
    norm: f64,
    hardness: f64,
    roles: Vec<Role>,
    /// Sample, example and amplified difference side by side, a PNG as a data URI; null for what is no image.
    picture: Option<String>,
    /// How many times the difference is amplified.
    amplified: Option<f32>,
}

impl BrokenSample {
    /// At most `most`: some of every role.
    pub fn all(state: &RunState, most: usize) -> Vec<BrokenSample> {
        let shown = &state.outcome.shown;
        let roles = roles(shown);
        let each = most.div_ceil(roles.len());
        let chosen = |place: usize| -> Vec<Role> {
            let has = |places: &[usize]| places.iter().take(each).any(|&p| p == place);
            roles.iter().filter(|(_, places)| has(places)).map(|(role, _)| *role).collect()
        };
        let all = (0..shown.len()).map(|place| (place, chosen(place))).filter(|(_, r)| !r.is_empty());
        all.take(most).map(|(place, roles)| BrokenSample::new(state, &shown[place], roles)).collect()
    }

    fn new(state: &RunState, shown: &Shown, roles: Vec<Role>) -> BrokenSample {
        let summary = &state.outcome.summary;
        let (shape, bounds) = (&summary.model.input, summary.threat_model.bounds);
        let d = shape.iter().try_fold(1usize, |d, &n| d.checked_mul(n));
        let fits = d == Some(shown.original.len()) && d == Some(shown.point.len());
        let drawn = fits.then(|| triptych(shape, bounds, &shown.original, &shown.point)).flatten();
        let amplified = drawn.as_ref().map(|drawn| drawn.amplified);
        BrokenSample {
            index: shown.index,
            label: shown.label,
            prediction: shown.prediction,
            confidence: [shown.confidence, shown.confidence_after].map(|c| c.is_finite().then_some(c)),
            norm: shown.norm,
            hardness: shown.hardness,
            roles,
            picture: drawn.and_then(png),
            amplified,
        }
    }
}

fn png(Triptych { mut picture, .. }: Triptych) -> Option<String> {
    if picture.height() > HIGHEST {
        picture = picture.resize(u32::MAX, HIGHEST, FilterType::Triangle);
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(data_uri(bytes.get_ref()))
}

/// A PNG file as it stands in a page.
pub(super) fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}
