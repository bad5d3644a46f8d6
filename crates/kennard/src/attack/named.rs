//! Attacks by name, with parameters as in a settings file.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use itertools::Itertools;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Alma, Apgd, Attack, AttackLoss, Best, CarliniWagner, Ddn, DeepFool, Fab, Fgsm, Fmn, HopSkipJump, Leaves,
    Malt, MinimalApgd, MinimumNorm, Pdpgd, Pgd, SigmaZero, Square, Strongest,
};
use crate::data::nearest;
use crate::{Error, Norm, Result, parse_number};

/// Parameters of an attack under the names of its fields; a dash is as good as an underscore, and a
/// number may be written as a fraction.
pub type Parameters = Map<String, Value>;

/// A line for an attack: its name, whether `NAME-t` is the same towards target classes, and what makes it.
pub(super) type AttackRow<A> = (&'static str, bool, fn(&With) -> Result<Box<A>>);

/// The attacks within a fixed epsilon.
const FIXED: &[AttackRow<dyn Attack>] = &[
    ("fgsm", true, |with| Ok(Box::new(with.over(Fgsm::default())?))),
    ("pgd", true, |with| Ok(Box::new(with.over(Pgd::default())?))),
    ("apgd-ce", false, |with| Ok(Box::new(with.apgd(AttackLoss::CrossEntropy)?))),
    ("apgd-dlr", false, |with| Ok(Box::new(with.apgd(AttackLoss::Dlr)?))),
    ("apgd-t", false, |with| Ok(Box::new(with.apgd(AttackLoss::TargetedDlr)?))),
    ("apgd-margin", false, |with| Ok(Box::new(with.apgd(AttackLoss::Margin)?))),
    ("pma", false, |with| Ok(Box::new(with.apgd(AttackLoss::ProbabilityMargin)?))),
    ("malt", false, |with| Ok(Box::new(with.over(Malt::default())?))),
    ("square", false, |with| Ok(Box::new(with.over(Square::default())?))),
    ("strongest", false, |with| Ok(Box::new(with.over(Strongest::default())?))),
];
/// The attacks that seek the smallest perturbation.
pub(super) const MINIMUM_NORM: &[AttackRow<dyn MinimumNorm>] = &[
    ("fab", true, |with| Ok(Box::new(with.over(Fab::default())?))),
    ("fmn", true, |with| Ok(Box::new(with.over(Fmn::default())?))),
    ("ddn", true, |with| Ok(Box::new(with.over(Ddn::default())?))),
    ("carlini-wagner", true, |with| Ok(Box::new(with.over(CarliniWagner::default())?))),
    ("minimal-apgd", true, |with| Ok(Box::new(with.over(MinimalApgd::default())?))),
    ("deepfool", false, |with| Ok(Box::new(with.over(DeepFool::default())?))),
    ("pdpgd", false, |with| Ok(Box::new(with.over(Pdpgd::default())?))),
    ("alma", false, |with| Ok(Box::new(with.over(Alma::default())?))),
    ("sigma-zero", false, |with| Ok(Box::new(with.over(SigmaZero::default())?))),
    ("hop-skip-jump", false, |with| Ok(Box::new(with.over(HopSkipJump::default())?))),
    ("leaves", false, |with| Ok(Box::new(with.over(Leaves::default())?))),
    ("best", false, |with| Ok(Box::new(with.over(Best::default())?))),
];

/// Parameters that may be zero; any other that is a number must be positive, or it would switch the attack off.
const MAY_BE_ZERO: &[&str] = &["alpha_final", "gamma_final", "bias", "back", "tau", "tau_factor"];
/// Parameters that are shares: at most 1.
const SHARES: &[&str] = &[
    "share",
    "bias",
    "back",
    "tau",
    "reduction",
    "primal_decrease",
    "dual_decrease",
    "dual_memory",
    "dual_least_ratio",
];
/// How many target classes a targeted attack goes towards where nothing is said.
const TARGETS: usize = 9;

/// The attack of a name.
///
/// # Errors
/// When the name or a parameter is unknown, or a parameter has no value that makes sense.
pub fn attack(name: &str, parameters: &Parameters) -> Result<Box<dyn Attack>> {
    match make(FIXED, name, parameters) {
        Some(attack) => attack,
        None if make(MINIMUM_NORM, name, parameters).is_some() => Ok(minimum_norm(name, parameters)?),
        None => Err(unknown(name, &[names(FIXED), names(MINIMUM_NORM)].concat())),
    }
}

/// The minimum-norm attack of a name.
///
/// # Errors
/// See [`attack`].
pub fn minimum_norm(name: &str, parameters: &Parameters) -> Result<Box<dyn MinimumNorm>> {
    make(MINIMUM_NORM, name, parameters).unwrap_or_else(|| Err(unknown(name, &names(MINIMUM_NORM))))
}

/// The attack of a name, if it is in a table.
fn make<A: ?Sized>(rows: &[AttackRow<A>], name: &str, parameters: &Parameters) -> Option<Result<Box<A>>> {
    rows.iter().find_map(|&(own, targeted, make)| {
        let towards = targeted && name.strip_suffix("-t") == Some(own);
        (towards || name == own).then(|| make(&With { name, towards, parameters }))
    })
}

/// The names in a table, those of targeted attacks after the untargeted.
pub(super) fn names<A: ?Sized>(rows: &[AttackRow<A>]) -> Vec<String> {
    let both = |&(name, targeted, _): &AttackRow<A>| {
        [name.to_string()].into_iter().chain(targeted.then(|| format!("{name}-t")))
    };
    rows.iter().flat_map(both).collect()
}

fn unknown(name: &str, known: &[String]) -> Error {
    let nearest = nearest(name, known.iter().map(String::as_str)).map(String::from);
    Error::Unknown { what: "attack", name: name.into(), nearest, known: known.join(", ") }
}

/// What is said of an attack that is to be made.
pub(super) struct With<'p> {
    name: &'p str,
    /// Whether it goes towards target classes.
    towards: bool,
    parameters: &'p Parameters,
}

impl With<'_> {
    fn apgd(&self, loss: AttackLoss) -> Result<Apgd> {
        let targets = if loss == AttackLoss::TargetedDlr { TARGETS } else { 0 };
        let given = self.parameters.get("targets").filter(|given| **given != 0 && **given != "0");
        if let Some(given) = given.filter(|_| targets == 0) {
            return Err(self.refused(format!("targets is {given}, and its loss goes towards none")));
        }
        Ok(Apgd { loss, ..self.over(Apgd { targets, ..Apgd::default() })? })
    }

    fn refused(&self, problem: String) -> Error {
        Error::AttackParameter { attack: self.name.into(), problem }
    }

    /// An attack with the parameters in place of its defaults.
    fn over<A: Serialize + DeserializeOwned>(&self, default: A) -> Result<A> {
        let error = |problem: String| self.refused(problem);
        let Ok(Value::Object(mut fields)) = serde_json::to_value(default) else {
            return Err(error("it takes no parameters".into()));
        };
        if self.towards {
            fields["targets"] = TARGETS.into();
        }
        for (key, value) in self.parameters {
            let known = fields.keys().join(", ");
            let Some(field) = fields.get_mut(&key.replace('-', "_")) else {
                return Err(error(format!("it has no parameter `{key}`; it has {known}")));
            };
            let given = match value {
                Value::String(text) => Value::from(parse_number(text)?),
                other => other.clone(),
            };
            check(key, &given, field).map_err(error)?;
            *field = given;
        }
        serde_json::from_value(Value::Object(fields)).map_err(|e| error(e.to_string()))
    }
}

/// Refuses a value that would switch off what was asked for, or makes no sense in place of `default`.
fn check(key: &str, given: &Value, default: &Value) -> Result<(), String> {
    let field = key.replace('-', "_");
    let among = |names: &[&str]| names.contains(&field.as_str());
    if given.is_boolean() {
        return Ok(());
    }
    // NaN and infinities are null in JSON.
    let number = given.as_f64().ok_or_else(|| format!("`{key}` must be a finite number"))?;
    // An untargeted attack has none, a targeted one at least one.
    let may_be_zero = among(MAY_BE_ZERO) || default.as_u64() == Some(0);
    if number < 0.0 || number == 0.0 && !may_be_zero {
        let least = if may_be_zero { "at least 0" } else { "larger than 0" };
        return Err(format!("`{key}` is {given}, and must be {least}"));
    }
    // In some attacks these are shares by which something grows and shrinks.
    let factor =
        among(&["alpha", "gamma", "gamma_final", "tolerance"]) && default.as_f64().is_some_and(|v| v < 1.0);
    if number > 1.0 && among(SHARES) || number >= 1.0 && factor {
        return Err(format!("`{key}` is {given}, and must be a share, below 1"));
    }
    Ok(())
}

/// A version of AutoAttack (Croce & Hein 2020, arXiv 2003.01690): attacks in a row, each of which tries
/// what those before it left standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// APGD-CE, APGD-T, FAB-T, Square: the figure that the field reports.
    Standard,
    /// More restarts, and the untargeted attacks too.
    Plus,
    /// For models that answer at random: gradients averaged over 20 answers.
    Rand,
}

impl Version {
    /// Its attacks for a norm, in order.
    pub fn attacks(self, norm: Norm) -> Vec<Box<dyn Attack>> {
        let (restarts, targets) = if norm == Norm::L1 { (5, 5) } else { (1, TARGETS) };
        let apgd = |loss, restarts| Apgd { loss, restarts, ..Apgd::default() };
        match self {
            Version::Standard => vec![
                Box::new(apgd(AttackLoss::CrossEntropy, restarts)),
                Box::new(Apgd { targets, ..apgd(AttackLoss::TargetedDlr, 1) }),
                Box::new(Fab { targets: TARGETS, ..Fab::default() }),
                Box::new(Square::default()),
            ],
            Version::Plus => vec![
                Box::new(apgd(AttackLoss::CrossEntropy, 5)),
                Box::new(apgd(AttackLoss::Dlr, 5)),
                Box::new(Fab { restarts: 5, ..Fab::default() }),
                Box::new(Square::default()),
                Box::new(apgd(AttackLoss::TargetedDlr, 1)),
                Box::new(Fab { targets: TARGETS, ..Fab::default() }),
            ],
            Version::Rand => vec![
                Box::new(Apgd { averaged: 20, ..apgd(AttackLoss::CrossEntropy, 1) }),
                Box::new(Apgd { averaged: 20, ..apgd(AttackLoss::Dlr, 1) }),
            ],
        }
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Version> {
        match text {
            "standard" | "autoattack" => Ok(Version::Standard),
            "plus" => Ok(Version::Plus),
            "rand" => Ok(Version::Rand),
            _ => Err(Error::Unknown {
                what: "version of AutoAttack",
                name: text.into(),
                nearest: nearest(text, ["standard", "autoattack", "plus", "rand"]).map(String::from),
                known: "standard (autoattack), plus and rand".into(),
            }),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Standard => "standard",
            Version::Plus => "plus",
            Version::Rand => "rand",
        })
    }
}
