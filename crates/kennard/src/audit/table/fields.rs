//! What the columns hold.

use crate::audit::{AttackRecord, Record};
use crate::certify::{Bounded, CertifiedRadius};
use crate::run::columns::Field;

/// The columns of a sample, and whether they may be null. Prediction and margin of a sample that could not be evaluated are null.
pub(super) const SAMPLE: [(&str, bool, Field<Record>); 7] = [
    ("index", false, Field::Count(|r| Some(r.index as u64), |r, v| r.index = v.unwrap_or_default() as usize)),
    ("label", false, Field::Class(|r| Some(r.label), |r, v| r.label = v.unwrap_or_default())),
    ("prediction", true, Field::Class(|r| r.prediction, |r, v| r.prediction = v)),
    (
        "margin",
        true,
        Field::Single(|r| Some(r.margin).filter(|m| !m.is_nan()), |r, v| r.margin = v.unwrap_or(f32::NAN)),
    ),
    ("evaluated", false, Field::Derived(|r| Some(r.is_evaluated()))),
    ("random", false, Field::Flag(|r| Some(r.random), |r, v| r.random = v.unwrap_or_default())),
    ("cosine", true, Field::Double(|r| r.cosine, |r, v| r.cosine = v)),
];

/// The column that says which samples are robust.
pub(super) const ROBUST: &str = "robust";

/// Columns of distances to the decision boundary, null where they were not measured. Tables from before have none.
pub(super) const DISTANCES: [(&str, Field<Record>); 9] = [
    (
        "distance.first_order",
        Field::Double(|r| r.predictions.first_order, |r, v| r.predictions.first_order = v),
    ),
    ("distance.packet", Field::Double(|r| r.predictions.packet, |r, v| r.predictions.packet = v)),
    (
        "distance.packet.low",
        Field::Double(
            |r| Some(r.predictions.packet_interval?[0]),
            |r, v| r.predictions.packet_interval = v.map(|v| [v; 2]),
        ),
    ),
    (
        "distance.packet.high",
        Field::Double(
            |r| Some(r.predictions.packet_interval?[1]),
            |r, v| set_high(&mut r.predictions.packet_interval, v),
        ),
    ),
    ("distance.radius", Field::Double(|r| r.predictions.radius, |r, v| r.predictions.radius = v)),
    (
        "distance.radius.low",
        Field::Double(
            |r| Some(r.predictions.radius_interval?[0]),
            |r, v| r.predictions.radius_interval = v.map(|v| [v; 2]),
        ),
    ),
    (
        "distance.radius.high",
        Field::Double(
            |r| Some(r.predictions.radius_interval?[1]),
            |r, v| set_high(&mut r.predictions.radius_interval, v),
        ),
    ),
    ("distance.searched", Field::Double(|r| r.predictions.searched, |r, v| r.predictions.searched = v)),
    (
        "distance.gradient_norm",
        Field::Double(|r| r.predictions.gradient_norm, |r, v| r.predictions.gradient_norm = v),
    ),
];

/// Columns of certificates, in tables of runs that sought some; null where nothing was tried.
pub(super) const BOUNDS: [(&str, Field<Record>); 4] = [
    ("certified", Field::Derived(|r| r.bound.map(|bound| bound.is_certified()))),
    (
        "bound.margin",
        Field::Single(
            |r| Some(r.bound?.margin),
            |r, v| r.bound = v.map(|margin| Bounded { margin, ..Bounded::default() }),
        ),
    ),
    (
        "bound.method",
        Field::Text(
            |r| Some(r.bound?.method.to_string()),
            |r, v| {
                r.bound = r
                    .bound
                    .zip(v.and_then(|v| v.parse().ok()))
                    .map(|(bound, method)| Bounded { method, ..bound })
            },
        ),
    ),
    (
        "certified.in_floats",
        Field::Flag(
            |r| r.bound?.in_floats,
            |r, v| r.bound = r.bound.map(|bound| Bounded { in_floats: v, ..bound }),
        ),
    ),
];

/// Columns of certified radii, in tables of runs that sought some; null where nothing was tried.
pub(super) const RADII: [(&str, Field<Record>); 2] = [
    (
        "certified.radius",
        Field::Double(
            |r| Some(r.radius?.radius),
            |r, v| r.radius = v.map(|radius| CertifiedRadius { radius, ..CertifiedRadius::default() }),
        ),
    ),
    (
        "certified.radius.method",
        Field::Text(
            |r| Some(r.radius?.method.to_string()),
            |r, v| {
                r.radius = r
                    .radius
                    .zip(v.and_then(|v| v.parse().ok()))
                    .map(|(found, method)| CertifiedRadius { method, ..found })
            },
        ),
    ),
];

/// The upper end of an interval whose lower end was read before.
fn set_high(interval: &mut Option<[f64; 2]>, high: Option<f64>) {
    *interval = interval.zip(high).map(|([low, _], high)| [low, high]);
}

/// The columns of an attack, after its name, those of a minimum-norm attack after `minimal` and its name. They are null
/// where it did not try, the norm and the prediction also where it failed.
pub(super) const ATTACK: [(&str, Field<AttackRecord>); 12] = [
    ("broken", Field::Flag(|a| Some(a.broken), |a, v| a.broken = v.unwrap_or_default())),
    ("within", Field::Flag(|a| Some(a.within), |a, v| a.within = v.unwrap_or_default())),
    ("margin", Field::Single(|a| Some(a.margin), |a, v| a.margin = v.unwrap_or_default())),
    ("norm", Field::Double(|a| a.norm, |a, v| a.norm = v)),
    ("prediction", Field::Class(|a| a.prediction, |a, v| a.prediction = v)),
    ("found_after", Field::Count(|a| Some(a.found_after), |a, v| a.found_after = v.unwrap_or_default())),
    ("forwards", Field::Count(|a| Some(a.forwards), |a, v| a.forwards = v.unwrap_or_default())),
    ("backwards", Field::Count(|a| Some(a.backwards), |a, v| a.backwards = v.unwrap_or_default())),
    (
        "zero_gradients",
        Field::Count(|a| Some(a.zero_gradients), |a, v| a.zero_gradients = v.unwrap_or_default()),
    ),
    (
        "non_finite_gradients",
        Field::Count(|a| Some(a.non_finite_gradients), |a, v| a.non_finite_gradients = v.unwrap_or_default()),
    ),
    ("unanswered", Field::Count(|a| Some(a.unanswered), |a, v| a.unanswered = v.unwrap_or_default())),
    ("disputed", Field::Flag(|a| Some(a.disputed), |a, v| a.disputed = v.unwrap_or_default())),
];

/// The column of attacks that prove; of other attacks it is not there.
pub(super) const PROVED: (&str, Field<AttackRecord>) =
    ("proved", Field::Flag(|a| a.proved, |a, v| a.proved = v));
